"""R-MAC: maxima of activations over a grid of squares (Tolias, Sicre & Jégou, ICLR 2016)."""

import math

import numpy as np

from dff.descriptors.base import Regions, View
from dff.descriptors.windows import masks, pooled, positions

TITLE = "R-MAC"
SAYS = "The strongest responses inside a grid of overlapping squares, added up."
PAPER = "Tolias, Sicre & Jégou, ICLR 2016"
REGION = "square"

LEVELS = 3
OVERLAP = 0.4


def squares(rows: int, columns: int, levels: int = LEVELS) -> list[tuple[int, int, int]]:
    """The regions of the paper's grid: (top, left, side) in cells.

    At level l the side is 2 * min(rows, columns) / (l + 1); along the longer side there are
    l + m - 1 squares, m chosen so that neighbours at level 1 overlap by about 40 %. Positions
    span the whole map, so that the last square reaches the border. 14 squares on a square map, 20
    on 24 x 32.
    """
    if rows < 1 or columns < 1:
        raise ValueError(f"expected a grid of at least 1 x 1 cells, got {rows} x {columns}")
    short, long = min(rows, columns), max(rows, columns)
    extra = 0
    if long > short:
        # The number of additional squares along the longer side with overlap nearest to 40 %.
        steps = np.arange(2, 8)
        overlap = (short**2 - short * (long - short) / (steps - 1)) / short**2
        extra = int(np.argmin(np.abs(overlap - OVERLAP))) + 1
    found = []
    for level in range(1, levels + 1):
        side = max(1, math.floor(2 * short / (level + 1)))
        down = level + (extra if rows > columns else 0)
        across = level + (extra if columns > rows else 0)
        for top in positions(rows - side, down):
            for left in positions(columns - side, across):
                found.append((top, left, side))
    return found


def regions(view: View) -> Regions:
    """One region a square: vectors (r, channels), uniform weights.

    The authors add no whole-image region.
    """
    _, rows, columns = view.activations.shape
    places = [(top, left, side, side) for top, left, side in squares(rows, columns)]
    vectors = pooled(view.activations, places, np.max)
    weights = np.ones(len(places), np.float32)
    return Regions(vectors, weights, masks(places, (rows, columns)))
