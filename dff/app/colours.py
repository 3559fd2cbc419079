"""Which part has which colour, so that a part keeps its own when the number of parts, the layer or
the seed changes.

Along a fixed chain, so that an address has the same colours whatever was on the screen before: the
parts of Explore at the index's own k, from there to another k, and from there to another layer,
solver or seed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dff.factorization import match_parts
from dff.marks import MAX_COLOURS

# The cosine of two heatmaps from which they are the same part. Measured; see `placed_colours`.
SAME_PLACE = 0.6


@dataclass(frozen=True)
class Colouring:
    """One entry a part. colours: indices of the palette. new: whether the part has no counterpart
    among those that Explore starts from."""

    colours: tuple[int, ...]
    new: tuple[bool, ...]


def chain_colours(bases: Mapping[int, np.ndarray], start: int, k: int) -> tuple[int, ...]:
    """One colour index a part of the factorization into k parts, the same whenever it is asked.

    The `start` parts are coloured by energy. From there the colours pass to the next k, step by
    step, by the cosine of basis vectors, so that a part keeps its colour when k changes.
    bases: {k: (k, channels)} for every k from `start` to the one that is asked for.
    """
    colours = tuple(range(start))
    step = 1 if k > start else -1
    for before in range(start, k, step):
        basis = bases[before + step]
        reference = np.zeros((max(colours) + 1, basis.shape[1]), np.float32)
        reference[list(colours)] = bases[before]
        taken = [int(c) for c in match_parts(reference, basis)]
        free = (c for c in range(MAX_COLOURS) if c not in taken)
        # A part that matched none of the parts before takes the lowest free colour.
        colours = tuple(c if c in colours else min(c, next(free, c)) for c in taken)
    return colours


def placed_colours(given: Colouring, before: np.ndarray, after: np.ndarray) -> Colouring:
    """The colours of parts that lie at `after`, passed on from parts that lie at `before`.

    For another layer, solver or seed, whose basis vectors cannot be compared. before, after:
    heatmaps of one picture on one grid, flat: (parts, pixels). Two parts are paired by the cosine
    of their heatmaps, one to one, the most similar first. A part without a pair is new, and takes
    the lowest colour that none of `before` has, or else that no pair has.
    """
    match = match_parts(before, after)
    paired = match < len(before)
    paired[paired] = _cosines(before[match[paired]], after[paired]) >= SAME_PLACE
    kept = {given.colours[i] for i in match[paired]}
    free = [c for c in range(MAX_COLOURS) if c not in given.colours]
    spare = iter(free + [c for c in given.colours if c not in kept])
    colours, new = [], []
    for i, pair in zip(match, paired, strict=True):
        colours.append(given.colours[i] if pair else next(spare))
        new.append(given.new[i] if pair else True)
    return Colouring(tuple(colours), tuple(new))


def _cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of each row with its own: (n,); 0 for rows of zeros."""
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    found: np.ndarray = (first * second).sum(axis=1) / np.where(lengths > 0, lengths, 1)
    return found
