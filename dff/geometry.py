"""Boxes and grids: which pixels of a picture a cell of the network's grid stands for.

Everything the user sees is in pixels of the upright original. The network sees the picture at
`fit_size`, and pads it at the border until its strides fit, so that its grid reaches a little
past the picture: `grid_extent` says how far, and `heat_on_picture` undoes it. There is one
convention for resizing: cell centres map to cell centres (align_corners=False).
"""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

MIN_INPUT = 32  # the least side a network is given: one cell at the largest stride
MAX_ASPECT = 4  # a longer picture is squeezed: at 40 x 5000 a cell would see nothing

Box = tuple[int, int, int, int]
Extent = tuple[float, float, float, float]
WHOLE: Extent = (0.0, 0.0, 1.0, 1.0)


def fit_size(width: int, height: int, size: int) -> tuple[int, int]:
    """The network's input size (width, height) for a picture: one rule, up or down.

    The longest side becomes `size`, small pictures are enlarged, and the aspect is kept up to
    4:1. Sides are not rounded to the network's stride: in our trials rounding to 32 changed
    nothing on average, and `grid_extent` keeps the coordinates right without it.

    Raises ValueError for sides under 1 or a size under 32.
    """
    if width < 1 or height < 1:
        raise ValueError(f"expected positive sides, got {width} x {height}")
    if size < MIN_INPUT:
        raise ValueError(f"size: expected at least {MIN_INPUT} pixels, got {size}")
    scale = size / max(width, height)
    least = max(MIN_INPUT, size / MAX_ASPECT)
    return max(round(width * scale), round(least)), max(round(height * scale), round(least))


def grid_extent(grid: tuple[int, int], stride: int, input_size: tuple[int, int]) -> Extent:
    """What a grid (rows, columns) covers: (x0, y0, x1, y1) as shares of the picture.

    input_size: (width, height) in pixels as the network saw it. Padding is shared evenly by the
    two sides, so a grid of 16 cells at stride 32 over 500 pixels covers -0.012 to 1.012.
    """
    rows, columns = grid
    width, height = input_size
    if min(rows, columns, stride, width, height) < 1:
        raise ValueError(f"expected positive sizes, got grid {grid}, {stride}, {input_size}")
    x = (columns * stride / width - 1) / 2
    y = (rows * stride / height - 1) / 2
    return -x, -y, 1 + x, 1 + y


def check_box(
    box: Sequence[float], width: int, height: int, minimum: int = 1
) -> tuple[int, int, int, int]:
    """The box as four ints (x0, y0, x1, y1), x1 and y1 exclusive, or ValueError.

    Nothing is clipped: a box that leaves the picture comes from other coordinates, and clipping
    would hide it. `minimum` is the least width and height in pixels.
    """
    try:
        values = tuple(float(v) for v in box)
    except (TypeError, ValueError, OverflowError):
        values = ()
    if len(values) != 4 or not all(math.isfinite(v) and v == int(v) for v in values):
        raise ValueError(f"box: expected four whole numbers x0, y0, x1, y1, got {box!r}")
    x0, y0, x1, y1 = (int(v) for v in values)
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        raise ValueError(
            f"box: expected 0 <= x0 < x1 <= {width} and 0 <= y0 < y1 <= {height} "
            f"(pixels of the upright picture), got {(x0, y0, x1, y1)}"
        )
    if x1 - x0 < minimum or y1 - y0 < minimum:
        raise ValueError(
            f"box: expected at least {minimum} x {minimum} pixels, got {x1 - x0} x {y1 - y0}"
        )
    return x0, y0, x1, y1


def heat_on_picture(
    heatmap: np.ndarray, width: int, height: int, extent: Extent = WHOLE, smooth: bool = True
) -> np.ndarray:
    """A heatmap (rows, columns) as the picture's own pixels, (height, width) float32.

    extent: what the grid covers, from `grid_extent`; outside it the border cells go on. Smooth is
    bicubic without values outside the map's own range; otherwise each pixel takes its cell's.
    Raises ValueError for another shape, a size under 1 x 1 and an extent that covers nothing.
    """
    heatmap = np.asarray(heatmap, np.float32)
    if heatmap.ndim != 2 or 0 in heatmap.shape or width < 1 or height < 1:
        raise ValueError(
            "heatmap: expected (rows, columns) and a size of at least 1 x 1, "
            f"got {heatmap.shape} to {width} x {height}"
        )
    low_x, low_y, high_x, high_y = extent
    if not (all(map(math.isfinite, extent)) and low_x < high_x and low_y < high_y):
        raise ValueError(f"extent: expected x0 < x1 and y0 < y1, got {extent}")
    rows, columns = heatmap.shape
    x0, x1 = _window(low_x, high_x, columns)
    y0, y1 = _window(low_y, high_y, rows)
    # Two cells more than needed: as far as bicubic looks, so that it sees the same everywhere.
    margin = 2 + math.ceil(max(0.0, -x0, -y0, x1 - columns, y1 - rows))
    padded = np.pad(heatmap, margin, mode="edge")
    # Pillow's bicubic keeps a slope straight; OpenCV's (a = -0.75) makes steps of it.
    how = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    window = (x0 + margin, y0 + margin, x1 + margin, y1 + margin)
    large = np.array(Image.fromarray(padded).resize((width, height), how, box=window))
    return np.clip(large, heatmap.min(), heatmap.max(), out=large)


def _window(low: float, high: float, cells: int) -> tuple[float, float]:
    """Where the picture's 0 and 1 lie, counted in cells."""
    return (0 - low) / (high - low) * cells, (1 - low) / (high - low) * cells
