"""Photos coloured by their parts: arrays in, arrays out.

The photo goes grey, the parts carry the colour, and a part is marked three times over: tint,
outline and number, so that nobody has to tell two colours apart. Pictures are (height, width, 3)
uint8, heatmaps (k, rows, columns) >= 0, and a result is as large as the picture it is drawn on.
"""

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import numpy as np
from PIL import Image

from dff.geometry import WHOLE, Extent, heat_on_picture
from dff.images import check_picture
from dff.marks import Colour, badge, colour_map, colour_of, design_unit, draw_box, stamp

Scale = Literal["shared", "per_factor"]
_FAINT = 0.5  # the tint begins at this share of the threshold


def greyscale(picture: np.ndarray) -> np.ndarray:
    """The picture in grey, blacks lifted and contrast a little softened so that colours read."""
    import cv2

    check_picture(picture, minimum=1)
    grey = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
    lifted = (np.arange(256) * 0.78 + 50).astype(np.uint8)[grey]
    return np.repeat(lifted[..., None], 3, axis=2)


def scale_heatmaps(
    heatmaps: np.ndarray, how: Scale = "shared", maximum: float | None = None
) -> np.ndarray:
    """Heatmaps (k, rows, columns) brought to 0..1, float32.

    "shared" divides all by one number: the largest value, or `maximum` (for several pictures on
    one scale). "per_factor" divides each by its own largest value, which makes noise look like
    signal: for a close look only. Zeros stay zeros.
    """
    heatmaps = _check_heatmaps(heatmaps)
    if how not in ("shared", "per_factor"):
        raise ValueError(f"how: expected 'shared' or 'per_factor', got {how!r}")
    if maximum is not None and (how != "shared" or not (math.isfinite(maximum) and maximum >= 0)):
        raise ValueError(f"maximum: expected a finite number >= 0 with 'shared', got {maximum}")
    if how == "per_factor":
        top = heatmaps.max(axis=(1, 2), keepdims=True)
    else:
        top = np.float32(heatmaps.max() if maximum is None else maximum)
    scaled = np.divide(heatmaps, top, out=np.zeros_like(heatmaps), where=top > 0)
    return np.asarray(np.minimum(scaled, 1))


def overlay(
    picture: np.ndarray,
    heatmaps: np.ndarray,
    *,
    colours: Sequence[int] | None = None,
    opacity: float = 0.6,
    threshold: float = 0.25,
    how: Scale = "shared",
    maximum: float | None = None,
    smooth: bool = True,
    extent: Extent = WHOLE,
    outline: bool = True,
    numbers: bool = True,
    box: Sequence[float] | None = None,
) -> np.ndarray:
    """The parts in their colours over the grey photo, as a new picture of the same size.

    Where parts overlap their colours mix, the strongest by far. A part is outlined where its
    scaled heat crosses `threshold` and numbered (from 1) at its peak; a part that stays under
    the threshold gets neither.

    Args:
        heatmaps: (k, rows, columns), any scale.
        colours: one colour index 0..9 a part; 0, 1, 2, ... by default.
        opacity: of the tint where a part is strongest, 0..1.
        threshold: share of the scale's maximum, above 0 and below 1.
        how, maximum: see `scale_heatmaps`.
        smooth: bicubic, or the raw grid of the layer.
        extent: what the grid covers, as shares of the picture (see `geometry.grid_extent`).
        box: a rectangle to draw, (x0, y0, x1, y1) pixels of the picture.
    """
    check_picture(picture, minimum=1)
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity: expected 0 to 1, got {opacity}")
    if not 0 < threshold < 1:
        raise ValueError(f"threshold: expected a number between 0 and 1, got {threshold}")
    scaled = scale_heatmaps(heatmaps, how, maximum)
    colours = range(len(scaled)) if colours is None else colours
    if len(colours) != len(scaled):
        raise ValueError(f"colours: expected one for each of {len(scaled)} parts, got {colours}")
    height, width = picture.shape[:2]
    unit = design_unit(width, height)

    def large() -> Iterator[np.ndarray]:  # one at a time: ten at print size would fill memory
        return (heat_on_picture(heat, width, height, extent, smooth) for heat in scaled)

    out = _tint(greyscale(picture).astype(np.float32), large(), colours, opacity, threshold, unit)
    if outline:
        for heat, colour in zip(large(), colours, strict=True):
            if heat.max() >= threshold:
                _draw_outline(out, heat, colour_of(colour)[0], threshold, unit, smooth)
    result: np.ndarray = np.rint(out).astype(np.uint8)
    if box is not None:
        result = draw_box(result, box)
    if numbers:
        size = round(max(18, 30 * unit))
        places = peaks(scaled, width, height, threshold, apart=1.15 * size, extent=extent)
        for j, (x, y) in places.items():
            stamp(result, badge(j + 1, colours[j], size), x, y)
    return result


def single_heatmap(
    picture: np.ndarray,
    heatmap: np.ndarray,
    *,
    maximum: float | None = None,
    cmap: str = "magma",
    opacity: float = 0.6,
    smooth: bool = True,
    extent: Extent = WHOLE,
) -> np.ndarray:
    """One heatmap (rows, columns) in a colour map over the grey photo; see `marks.colour_bar`.

    `maximum` is the value at the bright end, the heatmap's own largest by default. `smooth` and
    `extent` as for `overlay`.
    """
    check_picture(picture, minimum=1)
    if np.ndim(heatmap) != 2:
        raise ValueError(f"heatmap: expected (rows, columns), got shape {np.shape(heatmap)}")
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity: expected 0 to 1, got {opacity}")
    scaled = scale_heatmaps(np.asarray(heatmap)[None], "shared", maximum)[0]
    heat = heat_on_picture(scaled, picture.shape[1], picture.shape[0], extent, smooth)
    coloured = colour_map(cmap)[np.rint(heat * 255).astype(np.uint8)]
    mixed = (1 - opacity) * greyscale(picture) + opacity * coloured
    return np.asarray(np.rint(mixed), np.uint8)


def side_by_side(pictures: Sequence[np.ndarray], gap: int = 8) -> np.ndarray:
    """Pictures in a row on white, middles aligned, `gap` pixels between them; nothing is scaled."""
    if not pictures or gap < 0:
        raise ValueError(f"expected at least one picture and gap >= 0, got {len(pictures)}, {gap}")
    for picture in pictures:
        check_picture(picture, minimum=1)
    height = max(p.shape[0] for p in pictures)
    width = sum(p.shape[1] for p in pictures) + gap * (len(pictures) - 1)
    out = np.full((height, width, 3), 255, np.uint8)
    x = 0
    for picture in pictures:
        y = (height - picture.shape[0]) // 2
        out[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
        x += picture.shape[1] + gap
    return out


def peaks(
    scaled: np.ndarray,
    width: int,
    height: int,
    threshold: float,
    apart: float,
    extent: Extent = WHOLE,
) -> dict[int, tuple[float, float]]:
    """Where the numbers go: {part: (x, y)}, the peak or the strongest place clear of the others.

    scaled: heatmaps (k, rows, columns) brought to 0..1. x, y: pixels of a picture of this size. A
    part under the threshold has none, nor has one that lies wholly outside the picture.
    """
    rows, columns = scaled.shape[1:]
    x, across = _centres(columns, extent[0], extent[2], width)
    y, down = _centres(rows, extent[1], extent[3], height)
    y, scaled = y[:, None], scaled * (down[:, None] & across)
    clear = np.ones((rows, columns), bool)
    places: dict[int, tuple[float, float]] = {}
    for j, heat in enumerate(scaled):
        if heat.max() < threshold:
            continue
        free = np.where(clear, heat, 0)
        # As far as the tint reaches; beyond it a number would name nothing.
        best = (free if free.max() > _FAINT * threshold else heat).argmax()
        places[j] = (float(x[best % columns]), float(y[best // columns, 0]))
        clear &= np.hypot(x - places[j][0], y - places[j][1]) >= apart
    return places


def encode_png(picture: np.ndarray) -> bytes:
    """The picture as a PNG file: for overlays, whose edges JPEG would smear."""
    return _encode(picture, "PNG")


def encode_jpeg(picture: np.ndarray, quality: int = 90) -> bytes:
    """The picture as a JPEG file, without chroma subsampling."""
    return _encode(picture, "JPEG", quality=quality, subsampling=0)


def _encode(picture: np.ndarray, kind: str, **options: int) -> bytes:
    check_picture(picture, minimum=1)
    out = io.BytesIO()
    Image.fromarray(picture).save(out, kind, **options)
    return out.getvalue()


def _check_heatmaps(heatmaps: np.ndarray) -> np.ndarray:
    heatmaps = np.asarray(heatmaps, np.float32)
    if heatmaps.ndim != 3 or 0 in heatmaps.shape:
        raise ValueError(f"heatmaps: expected (k, rows, columns), got shape {heatmaps.shape}")
    if not np.isfinite(heatmaps).all() or heatmaps.min() < 0:
        raise ValueError("heatmaps: expected finite numbers >= 0, got negative ones or NaN")
    return heatmaps


def _tint(
    grey: np.ndarray,
    heats: Iterable[np.ndarray],
    colours: Sequence[int],
    opacity: float,
    threshold: float,
    unit: float,
) -> np.ndarray:
    """The grey photo (float32) mixed with the parts' colours."""
    mixed = np.zeros_like(grey)
    total = np.full(grey.shape[:2], 1e-12, np.float32)
    strongest = np.zeros(grey.shape[:2], np.float32)
    for heat, index in zip(heats, colours, strict=True):
        weight = np.square(np.square(heat))  # the strongest wins, softly
        rgb, hatched = colour_of(index)
        if hatched:
            mixed += weight[..., None] * _hatching(grey.shape[:2], rgb, unit)
        else:
            mixed += weight[..., None] * np.array(rgb, np.float32)
        total += weight
        np.maximum(strongest, heat, out=strongest)
    mixed /= total[..., None]
    # Faint below the threshold, clearly tinted from there on, full at the maximum.
    rise = np.clip((strongest / threshold - _FAINT) / (1 - _FAINT), 0, 1)
    fill = np.clip((strongest - threshold) / (1 - threshold), 0, 1)
    alpha = opacity * (0.7 * rise * rise * (3 - 2 * rise) + 0.3 * fill)
    return np.asarray(grey + alpha[..., None] * (mixed - grey))


def _hatching(shape: tuple[int, int], rgb: Colour, unit: float) -> np.ndarray:
    """Diagonal stripes of the colour and of white mixed with it."""
    rows, columns = np.indices(shape, np.float32)
    wave = np.sin((rows + columns) * (2 * math.pi / (13 * unit)))
    stripe = np.clip(wave * 3 * unit + 0.5, 0, 1)[..., None]
    colour = np.array(rgb, np.float32)
    return np.asarray(colour + stripe * (0.75 * (255 - colour)))


def _draw_outline(
    out: np.ndarray, heat: np.ndarray, rgb: Colour, threshold: float, unit: float, smooth: bool
) -> None:
    """Blend a coloured line with a light casing into `out`, in place."""
    import cv2

    if smooth:
        # Distance to the level line, to first order: the line is as smooth as the heatmap,
        # where one traced along pixels would show their steps.
        across = cv2.Sobel(heat, cv2.CV_32F, 1, 0, scale=1 / 8)
        down = cv2.Sobel(heat, cv2.CV_32F, 0, 1, scale=1 / 8)
        slope = np.maximum(np.hypot(across, down), 1e-6)
        distance = np.abs(heat - threshold) / slope
    else:
        inside = (heat >= threshold).astype(np.uint8)
        # To the nearest pixel on the other side; at most one of the two is above zero.
        distance = np.maximum(
            *(
                cv2.distanceTransform(m, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
                for m in (inside, 1 - inside)
            )
        ) - np.float32(0.5)
    for reach, colour in ((2.3 * unit, (255, 255, 255)), (1.2 * unit, rgb)):
        near = distance < reach + 0.5
        alpha = np.minimum(reach + 0.5 - distance[near], 1)[:, None]
        out[near] += alpha * (np.array(colour, np.float32) - out[near])


def _centres(cells: int, low: float, high: float, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Middles of the cells in pixels, at the frame where they lie past it; which can be seen."""
    edges = (low + (high - low) * np.arange(cells + 1) / cells) * length
    middles = low * length + (np.arange(cells) + 0.5) * ((high - low) * length / cells)
    return np.clip(middles, 0, length), (edges[1:] > 0) & (edges[:-1] < length)
