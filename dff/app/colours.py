"""Which part has which colour, so that a part keeps its own when the number of parts changes."""

from collections.abc import Mapping

import numpy as np

from dff.factorization import match_parts
from dff.marks import MAX_COLOURS


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
