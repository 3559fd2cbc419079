"""The marks that name a part: its colour, its numbered badge, legends, scales and boxes.

A part keeps one colour and one number wherever it is shown. Pictures are (height, width, 3)
uint8, and lines and badges keep their weight from thumbnail to print.
"""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dff.geometry import check_box
from dff.images import check_picture

# petroff10 (Petroff 2021, arXiv:2107.02270) without its two greys, which vanish on a grey photo.
PALETTE_HEX = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#92dadd",
)
PALETTE = np.array([list(bytes.fromhex(c[1:])) for c in PALETTE_HEX], np.uint8)  # (8, 3)
MAX_COLOURS = 10

Colour = tuple[int, int, int]

INK: Colour = (28, 28, 30)
_SUPERSAMPLE = 4  # badges and swatches are drawn this much larger, then averaged down


def colour_of(index: int) -> tuple[Colour, bool]:
    """(rgb, hatched) of colour 0..9: the palette's eight, then the first two again, hatched."""
    if not 0 <= index < MAX_COLOURS:
        raise ValueError(f"colour: expected 0 to {MAX_COLOURS - 1}, got {index}")
    red, green, blue = (int(c) for c in PALETTE[index % len(PALETTE)])
    return (red, green, blue), index >= len(PALETTE)


def hex_of(rgb: Colour) -> str:
    """A colour as pages and Matplotlib write it: "#rrggbb"."""
    red, green, blue = rgb
    return f"#{red:02x}{green:02x}{blue:02x}"


def ink_on(rgb: Colour) -> Colour:
    """Dark or white, whichever a number in a disc of this colour is read by."""
    luminance = float(np.dot((np.array(rgb) / 255) ** 2.2, (0.2126, 0.7152, 0.0722)))
    return INK if luminance > 0.3 else (255, 255, 255)


def colour_map(name: str) -> np.ndarray:
    """A perceptually uniform colour map as a table: (256, 3) uint8."""
    if name not in ("magma", "viridis"):
        raise ValueError(f"cmap: expected 'magma' or 'viridis', got {name!r}")
    from matplotlib import colormaps

    return np.asarray(np.rint(colormaps[name](np.arange(256))[:, :3] * 255), np.uint8)


def design_unit(width: int, height: int) -> float:
    """Size of one "design pixel": lines and badges keep their weight from thumbnail to print."""
    return max(0.65, math.sqrt(width * height) / 620)


def badge(number: int, colour: int, size: int) -> np.ndarray:
    """A numbered disc with a white rim: (size, size, 4) uint8 RGBA."""
    large = _SUPERSAMPLE * size
    rgb, hatched = colour_of(colour)
    image = Image.new("RGBA", (large, large), (*INK, 0))
    draw = ImageDraw.Draw(image)
    rim = large * 0.045
    draw.ellipse((0, 0, large - 1, large - 1), (*INK, 90))
    draw.ellipse((rim, rim, large - 1 - rim, large - 1 - rim), "white")
    inner = large * 0.12
    draw.ellipse((inner, inner, large - 1 - inner, large - 1 - inner), rgb)
    if hatched:  # a second rim: stripes would make the number unreadable
        ring = (large * 0.17, large * 0.17, large * 0.83, large * 0.83)
        draw.ellipse(ring, outline="white", width=round(large * 0.04))
    ink = ink_on(rgb)
    font = _font(large * (0.6 if number < 10 else 0.5) * (0.9 if hatched else 1))
    left, top, right, bottom = draw.textbbox((0, 0), str(number), font, stroke_width=large // 90)
    place = ((large - left - right) / 2, (large - top - bottom) / 2)
    draw.text(place, str(number), ink, font, stroke_width=large // 90)
    return np.array(image.resize((size, size), Image.Resampling.BOX))


def legend(
    names: Sequence[str],
    colours: Sequence[int] | None = None,
    *,
    width: int = 640,
    text_size: int = 15,
) -> np.ndarray:
    """A white strip with one numbered badge and name a part, wrapped to `width` pixels."""
    colours = range(len(names)) if colours is None else colours
    if not names or len(colours) != len(names):
        raise ValueError(f"legend: expected one colour a name, got {len(names)} names, {colours}")
    font, size, gap = _font(text_size), round(1.5 * text_size), round(0.5 * text_size)
    places: list[tuple[int, int, str]] = []
    x, y = gap, gap
    for name in names:
        name = _fitted(name, font, width - size - 3 * gap)
        needed = size + gap + math.ceil(font.getlength(name))
        if x > gap and x + needed + gap > width:
            x, y = gap, y + size + gap
        places.append((x, y, name))
        x += needed + 2 * gap
    image = Image.new("RGB", (width, y + size + gap), "white")
    draw = ImageDraw.Draw(image)
    for x, y, name in places:
        draw.text((x + size + gap, y + size / 2), name, INK, font, anchor="lm")
    out = np.array(image)
    for j, (x, y, _) in enumerate(places):
        stamp(out, badge(j + 1, colours[j], size), x + size / 2, y + size / 2)
    return out


def colour_bar(maximum: float, *, cmap: str = "magma", width: int = 320) -> np.ndarray:
    """The scale of `render.single_heatmap`: a strip from 0 to `maximum`, numbers written out."""
    bar, margin, text = 14, 6, 13
    image = Image.new("RGB", (width, 2 * margin + bar + text + 6), "white")
    ramp = colour_map(cmap)[np.linspace(0, 255, width - 2 * margin).round().astype(int)]
    strip = Image.fromarray(np.repeat(ramp[None], bar, axis=0))
    image.paste(strip, (margin, margin))
    draw = ImageDraw.Draw(image)
    for share, anchor in ((0.0, "la"), (0.5, "ma"), (1.0, "ra")):
        place = (margin + share * (width - 2 * margin), margin + bar + 4)
        draw.text(place, f"{share * maximum:.3g}", INK, _font(text), anchor=anchor)
    return np.array(image)


def draw_box(
    picture: np.ndarray, box: Sequence[float], colour: Colour = (255, 255, 255)
) -> np.ndarray:
    """A new picture with the box's rectangle, cased in dark so that it reads on any photo."""
    check_picture(picture, minimum=1)
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = check_box(box, width, height)
    line = max(1, round(2.4 * design_unit(width, height)))
    edge = max(1, line // 3)
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    # The lines lie inside the box; Pillow's corners are inclusive where x1 and y1 are not.
    draw.rectangle((x0, y0, x1 - 1, y1 - 1), outline=INK, width=line + 2 * edge)
    if min(x1 - x0, y1 - y0) > 2 * edge:
        inside = (x0 + edge, y0 + edge, x1 - 1 - edge, y1 - 1 - edge)
        draw.rectangle(inside, outline=colour, width=line)
    return np.array(image)


def stamp(picture: np.ndarray, sprite: np.ndarray, x: float, y: float) -> None:
    """Blend an RGBA sprite into the picture, in place, centred there but kept inside."""
    height, width = (min(a, b) for a, b in zip(sprite.shape[:2], picture.shape[:2], strict=True))
    top = min(max(round(y - height / 2), 0), picture.shape[0] - height)
    left = min(max(round(x - width / 2), 0), picture.shape[1] - width)
    target = picture[top : top + height, left : left + width]
    sprite = sprite[:height, :width].astype(np.float32)
    mixed = target + sprite[..., 3:] / 255 * (sprite[..., :3] - target)
    target[...] = np.rint(mixed).astype(np.uint8)


def _font(size: float) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):  # Pillow built without FreeType
        raise RuntimeError("expected a Pillow with FreeType; install the official wheel")
    return font


def _fitted(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """The text, cut with an ellipsis where it is wider than `width` pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
