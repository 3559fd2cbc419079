"""Near-duplicates of a collection: copies of one photo, smaller, cropped, edited or compressed.

Two pictures are near-duplicates where the cosine of their descriptors reaches a threshold (measured
on copies of the sample photos: docs/method.md, *Near-duplicates*); a group is what hangs together
by such pairs, so that its ends may be less alike. Exact, every pair is compared.
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dff.index.search import Index

THRESHOLD = 0.8
UNWHITENED = 0.92  # the same where an index has too few pictures to centre them
BLOCK = 1024  # rows of cosines at a time


def duplicate_groups(vectors: np.ndarray, threshold: float) -> list[list[int]]:
    """Groups of rows that are near-duplicates, the largest first, each in rising order.

    vectors: (n, dimensions) float32, unit or zero; a zero vector is like nothing. threshold: the
    least cosine of a pair, above 0. Takes the memory of 1024 x n cosines.
    Raises ValueError for another shape or threshold.
    """
    if vectors.ndim != 2:
        raise ValueError(f"vectors: expected (n, dimensions), got shape {vectors.shape}")
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold: expected above 0 and at most 1, got {threshold}")
    label = np.arange(len(vectors))
    least = threshold - 1e-6  # of equal vectors, rounded
    for start in range(0, len(vectors), BLOCK):
        # Every pair once: only rows from this block on.
        near = vectors[start : start + BLOCK] @ vectors[start:].T >= least
        for row in range(len(near)):
            others = label[start + row + 1 + np.flatnonzero(near[row, row + 1 :])]
            if (others != label[start + row]).any():
                joined = np.unique([label[start + row], *others])
                label[np.isin(label, joined)] = joined[0]
    groups: dict[int, list[int]] = {}
    for row, own in enumerate(label.tolist()):
        groups.setdefault(own, []).append(row)
    return sorted((g for g in groups.values() if len(g) > 1), key=lambda g: (-len(g), g))


def default_threshold(index: "Index") -> float:
    """The threshold for the descriptors of an index."""
    return UNWHITENED if index.whitening().projection is None else THRESHOLD


def near_duplicates(index: "Index", threshold: float | None = None) -> list[list[int]]:
    """The groups of near-duplicates of an index, as rows; by default from the measured threshold
    on."""
    chosen = default_threshold(index) if threshold is None else threshold
    return duplicate_groups(np.asarray(index.vectors()), chosen)
