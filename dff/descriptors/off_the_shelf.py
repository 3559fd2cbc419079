"""CNN off-the-shelf with spatial search (Razavian et al., CVPR Workshops 2014).

Level i of 3 covers the picture with i x i windows that overlap by half; a query is compared window
by window, each against its best window in the other picture, and the average taken (`dff.matching`
does that).

Departures from the paper: a window's vector is the maximum of the activations inside it, as in the
authors' later work (Razavian, Sullivan, Carlsson & Maki, ITE MTA 2016), where the paper cuts the
window out and runs the network on it: one pass instead of 14, but cells near a window's border have
seen what is beyond it. Windows have the picture's aspect. The levels are the same for query and
collection.
"""

import math

import numpy as np

from dff.descriptors.base import Regions, View
from dff.descriptors.windows import Window, masks, pooled, positions

TITLE = "CNN off-the-shelf"
SAYS = "Overlapping windows of three sizes, each with its most similar window."
PAPER = "Razavian et al., CVPR Workshops 2014"
REGION = "window"
MATCHING = "regions"
LEVELS = 3  # 14 windows, as many as R-MAC has on a square map


def regions(view: View) -> Regions:
    """One region a window, 14 in all: vectors (14, channels), uniform weights."""
    _, rows, columns = view.activations.shape
    places = windows(rows, columns)
    vectors = pooled(view.activations, places, np.max)
    weights = np.ones(len(places), np.float32)
    return Regions(vectors, weights, masks(places, (rows, columns)))


def windows(rows: int, columns: int) -> list[Window]:
    """The windows of all levels, (top, left, height, width) in cells, the whole picture first.

    At level i a window's sides are 2 / (i + 1) of the picture's, rounded up. Under 4 rows or
    columns some windows are equal.
    """
    found = []
    for level in range(1, LEVELS + 1):
        height, width = (math.ceil(2 * side / (level + 1)) for side in (rows, columns))
        for top in positions(rows - height, level):
            for left in positions(columns - width, level):
                found.append((top, left, height, width))
    return found
