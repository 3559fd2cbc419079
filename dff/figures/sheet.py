"""A sheet of paper: everything on it is placed in inches from the upper left corner."""

import io
import threading
from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Circle, Rectangle

from dff.marks import INK, Colour, colour_map, colour_of, hex_of, ink_on

DPI = 300
WIDTH, MARGIN = 7.1, 0.05  # inches: with its margins 183 mm, both columns of a journal's page
TITLE, TEXT, FINE = 9.0, 7.0, 5.5  # points
MUTED: Colour = (92, 92, 96)
RADIUS = 0.075  # inches, of a badge
FORMATS = ("png", "pdf", "svg")

# Fonts embedded as TrueType, text as text, one picture one object, no date, no random names.
_SETTINGS = {
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "dff",
    "image.composite_image": False,
}
_METADATA: dict[str, dict[str, str | None]] = {
    "png": {"Software": "DFF"},
    "pdf": {"Creator": "DFF", "CreationDate": None},
    "svg": {"Creator": "DFF", "Date": None},
}
_saving = threading.Lock()  # Matplotlib's settings are one for the process


def save(figure: Figure, format: str) -> bytes:
    """The figure as a file: "png" (300 dpi), "pdf" or "svg". Equal figures give equal bytes."""
    if format not in FORMATS:
        raise ValueError(f"format: expected one of {', '.join(FORMATS)}, got {format!r}")
    out = io.BytesIO()
    with _saving, rc_context(_SETTINGS):
        figure.savefig(out, format=format, dpi=DPI, metadata=_METADATA[format])
    return out.getvalue()


class Sheet:
    """A white figure, 7.2 inches wide, with one axes whose unit is the inch, y downwards."""

    def __init__(self, height: float) -> None:
        size = (WIDTH + 2 * MARGIN, height + 2 * MARGIN)
        self.figure = Figure(size, dpi=DPI, facecolor="white")
        self._renderer = FigureCanvasAgg(self.figure).get_renderer()
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set_axis_off()
        self.axes.set_xlim(-MARGIN, WIDTH + MARGIN)
        self.axes.set_ylim(height + MARGIN, -MARGIN)
        self.axes.set_autoscale_on(False)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float = TEXT,
        *,
        width: float | None = None,
        colour: Colour = INK,
        bold: bool = False,
        align: str = "left",
    ) -> None:
        """One line, its middle at height y; cut with an ellipsis where it is wider than `width`."""
        weight = "bold" if bold else "normal"
        self.axes.text(
            x,
            y,
            self.fitted(text, width, size, weight),
            fontsize=size,
            fontfamily="DejaVu Sans",  # comes with Matplotlib: the same everywhere
            fontweight=weight,
            color=hex_of(colour),
            ha=align,
            va="center_baseline",
            parse_math=False,  # a title may hold a dollar sign
            fontfeatures=("-liga",),  # or "ff" could not be searched for in a PDF
        )

    def fitted(self, text: str, width: float | None, size: float, weight: str = "normal") -> str:
        """The text on one line, no wider than `width` inches."""
        text = "".join(c if c.isprintable() else " " for c in text)
        font = FontProperties(family="DejaVu Sans", size=size, weight=weight)

        most = float("inf") if width is None else width * DPI

        def fits(shown: str) -> bool:
            drawn = self._renderer.get_text_width_height_descent(shown, font, False)
            return bool(drawn[0] <= most)

        if not text or fits(text):
            return text
        low, high = 0, len(text)  # so many characters fit, so many do not
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if fits(text[:middle] + "…") else (low, middle)
        return text[:low].rstrip() + "…"

    def lines(self, x: float, y: float, texts: Sequence[str], size: float, step: float) -> None:
        """Lines below each other, in quiet ink."""
        for n, text in enumerate(texts):
            self.text(x, y + n * step, text, size, colour=MUTED)

    def picture(self, x: float, y: float, size: tuple[float, float], picture: np.ndarray) -> None:
        """A picture (height, width, 3) uint8 at a size (width, height) in inches."""
        self.axes.imshow(
            picture,
            extent=(x, x + size[0], y + size[1], y),
            interpolation="none",
            aspect="auto",
            zorder=1,
        )

    def rectangle(
        self,
        x: float,
        y: float,
        size: tuple[float, float],
        *,
        fill: Colour | None = None,
        line: Colour | None = None,
        weight: float = 0.0,
        hatched: bool = False,
    ) -> None:
        """A rectangle, filled or outlined (`weight` in points); hatched in white."""
        self.axes.add_patch(
            Rectangle(
                (x, y),
                *size,
                facecolor="none" if fill is None else hex_of(fill),
                edgecolor="white" if hatched else "none" if line is None else hex_of(line),
                hatch="//////" if hatched else None,
                linewidth=weight,
                zorder=2,
            )
        )

    def frame(self, x: float, y: float, size: tuple[float, float]) -> None:
        """A white box with a dark casing, to be seen on any photo."""
        self.rectangle(x, y, size, line=INK, weight=2.0)
        self.rectangle(x, y, size, line=(255, 255, 255), weight=1.1)

    def badge(self, x: float, y: float, label: str, colour: int) -> None:
        """A part's number or letter on a disc in its colour, around (x, y)."""
        rgb, hatched = colour_of(colour)
        at = {"zorder": 3}
        self.axes.add_patch(Circle((x, y), RADIUS, facecolor="white", edgecolor="none", **at))
        self.axes.add_patch(Circle((x, y), 0.87 * RADIUS, facecolor=hex_of(rgb), lw=0, **at))
        if hatched:  # a second rim: stripes would make the number unreadable
            ring = Circle((x, y), 0.72 * RADIUS, fill=False, edgecolor="white", lw=0.6, **at)
            self.axes.add_patch(ring)
        self.axes.text(
            x,
            y,
            label,
            fontsize=5.5 if len(label) < 2 and not hatched else 4.5,
            fontfamily="DejaVu Sans",
            fontweight="bold",
            color=hex_of(ink_on(rgb)),
            ha="center",
            va="center_baseline",
            zorder=4,
        )

    def colour_bar(self, x: float, y: float, width: float, maximum: float, cmap: str) -> None:
        """The scale of a heatmap, from 0 to `maximum`, with its numbers."""
        self.picture(x, y, (width, 0.07), colour_map(cmap)[None])
        for share, align in ((0.0, "left"), (0.5, "center"), (1.0, "right")):
            told = f"{share * maximum:.3g}"
            self.text(x + share * width, y + 0.15, told, FINE, align=align, colour=MUTED)


def number(value: float) -> str:
    """Three decimals, with a real minus sign."""
    return f"{value:.3f}".replace("-", "−")
