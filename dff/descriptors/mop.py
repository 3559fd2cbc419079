"""MOP-CNN: multi-scale orderless pooling (Gong, Wang, Guo & Lazebnik, ECCV 2014).

Three levels side by side, each at unit length: the whole picture; the VLAD of patches with half of
its shorter side; the VLAD of patches with a quarter. Each of the last two has a codebook of its
own, learnt on a collection, so this descriptor has `learn` instead of `regions`.

Departures from the paper: a patch is the mean of the activations inside a window of cells, where
the paper cuts it out and runs the network on it (one pass instead of some hundred, but a cell has
seen what is around the patch); 16 words in 64 dimensions, where it has 100 in 500 and reduces
every level to 4096 by a PCA, for which a small collection has too few pictures; a patch counts
evenly in its five nearest words, where it weighs them by distance.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np

from dff.descriptors.base import Regions, View, whole
from dff.descriptors.codebook import Codebook
from dff.descriptors.windows import Window, pooled, positions
from dff.principal import unit64

TITLE = "MOP-CNN"
SAYS = "Patches of three sizes, by how they differ from the collection's typical patches."
PAPER = "Gong, Wang, Guo & Lazebnik, ECCV 2014"

PARTS = (2, 4)  # sides of the patches: the picture's shorter side divided by this
STEP = 8  # patches are this part of the shorter side apart, as in the paper
WORDS = 16
DIMENSIONS = 64
SAMPLED = 20  # patches a picture and level that a codebook is learnt from


def learn(views: Iterable[View]) -> Callable[[View], Regions]:
    """The `regions` function with the codebooks of a collection; the same views give the same one.

    Keeps 20 patches a level of every view in memory, evenly drawn: of a large collection a sample
    is enough. Raises ValueError without two patches that differ.
    """
    seen: list[list[np.ndarray]] = [[] for _ in PARTS]
    for view in views:
        for kept, part in zip(seen, PARTS, strict=True):
            places = windows(view.activations.shape[1], view.activations.shape[2], part)
            drawn = np.linspace(0, len(places) - 1, min(SAMPLED, len(places))).round().astype(int)
            kept.append(pooled(view.activations, [places[i] for i in drawn], np.mean))
    if not seen[0]:
        raise ValueError("views: expected pictures to learn the codebooks from, got none")
    codebooks = [Codebook.fit(np.concatenate(kept), WORDS, DIMENSIONS) for kept in seen]
    return partial(regions_with, codebooks=codebooks)


def regions_with(view: View, codebooks: Sequence[Codebook]) -> Regions:
    """One region, the picture: vectors (1, channels + c * d of each codebook), signed, weight 1.

    codebooks: one for each of the two finer levels.
    """
    grid = view.activations.shape[1], view.activations.shape[2]
    levels = [unit64(view.activations.mean(axis=(1, 2), dtype=np.float64)[None])[0]]
    for codebook, part in zip(codebooks, PARTS, strict=True):
        levels.append(codebook.vlad(pooled(view.activations, windows(*grid, part), np.mean)))
    vectors = np.concatenate(levels).astype(np.float32)[None]
    return Regions(vectors, np.ones(1, np.float32), whole(view))


def windows(rows: int, columns: int, part: int) -> list[Window]:
    """The patches of a level, (top, left, height, width) in cells: squares with a `part` of the
    shorter side, at most an eighth of it apart, up to the border."""
    short = min(rows, columns)
    side, step = (max(1, round(short / n)) for n in (part, STEP))
    down, across = (positions(n - side, 1 + math.ceil((n - side) / step)) for n in (rows, columns))
    return [(top, left, side, side) for top in down for left in across]
