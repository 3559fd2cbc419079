"""One picture of a figure: drawn with its parts, numbered, and with its box."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dff.figures.sheet import DPI, RADIUS, Sheet
from dff.geometry import Box
from dff.images import crop, resize
from dff.parts import Parts
from dff.render import overlay, peaks, scale_heatmaps

THRESHOLD = 0.25  # of the scale's maximum, where a part is outlined: as on the page
OPACITY = 0.65
CHARACTERS = 170  # of a fine line


@dataclass(frozen=True, eq=False)
class Panel:
    """A picture and what is known of it.

    picture: (height, width, 3) uint8, at any size. parts: in the original's coordinates. colours:
    one index 0..9 a part. credit: who took the photo. score: of a result. shares: (query parts,)
    what each part of the query adds to it. box: pixels of the original, where it was found.
    """

    picture: np.ndarray
    parts: Parts
    colours: Sequence[int]
    title: str
    credit: str = ""
    score: float | None = None
    shares: np.ndarray | None = None
    box: Box | None = None

    def size(self, width: float, height: float) -> tuple[float, float]:
        """The largest (width, height) of the whole picture inside a frame, in inches."""
        return fitted_size(self.parts.width, self.parts.height, width, height)


def fitted_size(width: int, height: int, most: float, tallest: float) -> tuple[float, float]:
    """The largest (width, height) of this shape inside a frame; at least one dot thin."""
    scale = min(most / width, tallest / height)
    return max(width * scale, 1 / DPI), max(height * scale, 1 / DPI)


def dots(size: tuple[float, float]) -> tuple[int, int]:
    """A size in inches as pixels at print resolution."""
    return max(1, round(size[0] * DPI)), max(1, round(size[1] * DPI))


def draw(
    sheet: Sheet,
    panel: Panel,
    x: float,
    y: float,
    size: tuple[float, float],
    *,
    maximum: float,
    labels: Sequence[str],
) -> None:
    """A picture (see `cropped`) with its parts, each labelled at its peak, and its box.

    maximum: the heat at which the tint is full.
    """
    width, height = dots(size)
    parts = panel.parts
    drawn = overlay(
        resize(panel.picture, width, height),
        parts.heatmaps,
        colours=panel.colours,
        opacity=OPACITY,
        threshold=THRESHOLD,
        maximum=maximum,
        extent=parts.extent,
        numbers=False,
    )
    sheet.picture(x, y, size, drawn)
    if panel.box is not None:
        _frame(sheet, panel, panel.box, x, y, size)
    scaled = scale_heatmaps(parts.heatmaps, maximum=maximum)
    apart = 2.2 * RADIUS * DPI
    for j, at in peaks(scaled, width, height, THRESHOLD, apart, parts.extent).items():
        place = (x + at[0] / DPI, y + at[1] / DPI)
        sheet.badge(*_kept(place, x, y, size), labels[j], panel.colours[j])


def draw_photo(sheet: Sheet, panel: Panel, x: float, y: float, size: tuple[float, float]) -> None:
    """The photo as it is, with the box that was factorized."""
    sheet.picture(x, y, size, resize(panel.picture, *dots(size)))
    if panel.parts.box is not None:
        _frame(sheet, panel, panel.parts.box, x, y, size)


def cropped(panel: Panel) -> Panel:
    """What was factorized as a picture of its own: the box's crop, if there is a box."""
    box, parts = panel.parts.box, panel.parts
    if box is None:
        return panel
    height, width = panel.picture.shape[:2]
    x0, x1 = _scaled(box[0], box[2], width / parts.width, width)
    y0, y1 = _scaled(box[1], box[3], height / parts.height, height)
    own = replace(parts, width=box[2] - box[0], height=box[3] - box[1], box=None)
    return replace(panel, picture=crop(panel.picture, (x0, y0, x1, y1)), parts=own)


def credits(panels: Sequence[tuple[str, Panel]]) -> list[str]:
    """Who took the photos, in lines of a sheet's width; none where nobody is named.

    panels: each with what it is called in the figure, "" where it is the only one.
    """
    named = [
        f"{what} {panel.title}, {panel.credit}".strip() for what, panel in panels if panel.credit
    ]
    word = "Photo" if len(panels) == 1 else "Photos"
    return textwrap.wrap(f"{word}: {'; '.join(named)}", CHARACTERS) if named else []


def _frame(
    sheet: Sheet, panel: Panel, box: Box, x: float, y: float, size: tuple[float, float]
) -> None:
    across, down = size[0] / panel.parts.width, size[1] / panel.parts.height
    x0, y0, x1, y1 = box
    sheet.frame(x + x0 * across, y + y0 * down, ((x1 - x0) * across, (y1 - y0) * down))


def _kept(
    at: tuple[float, float], x: float, y: float, size: tuple[float, float]
) -> tuple[float, float]:
    """A badge's place, moved so that all of it lies in the picture."""
    low_x, high_x = x + min(RADIUS, size[0] / 2), x + max(size[0] - RADIUS, size[0] / 2)
    low_y, high_y = y + min(RADIUS, size[1] / 2), y + max(size[1] - RADIUS, size[1] / 2)
    return min(max(at[0], low_x), high_x), min(max(at[1], low_y), high_y)


def _scaled(low: int, high: int, scale: float, length: int) -> tuple[int, int]:
    """An interval in other pixels, at least one of them long."""
    start = min(round(low * scale), length - 1)
    return start, max(round(high * scale), start + 1)
