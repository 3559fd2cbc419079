"""Whitening learnt from pairs of vectors that match, beside the PCA of `Whitening.fit`.

What differs between two vectors of the same thing is nuisance: light, viewpoint, background.
The covariance of these differences is whitened, and then PCA keeps the strongest directions of
what is left (Mikolajczyk & Matas, "Improving descriptors for fast tree matching by optimal linear
projection", ICCV 2007; Radenović, Tolias & Chum, "CNN image retrieval learns from BoW", ECCV 2016).
The result is a `Whitening` like any other: it is applied, saved and loaded in the same way.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from dff.principal import (
    BLOCK,
    FLOOR,
    Principal,
    check_fit,
    eigen,
    gains,
    positive_signs,
    principal,
    unit64,
)
from dff.whitening import Whitening

# Learnt on one labelled collection of 222 to 924 pictures and tried on another (GeM of the last
# layer of EfficientNet-Lite0, power 1/2): of ten such trials, one half ends within 1.2 mAP of the
# best shrinkage in nine. None at all loses up to 57 mAP, one tenth up to 8.
SHRINKAGE = 0.5

MOST_PAIRS = 50_000  # more only take time: their vectors are the same


def fit_pairs(
    vectors: np.ndarray,
    pairs: np.ndarray,
    power: float,
    dimensions: int | None = None,
    *,
    shrinkage: float = SHRINKAGE,
    provenance: Mapping[str, Any] | None = None,
) -> Whitening:
    """Fit on (n, channels) vectors and (m, 2) whole numbers, the rows that match.

    All vectors, at unit length, give the mean and the space they span. In it the mean product
    of the m differences is the intra-class covariance C. Its principal directions are scaled by
    (eigenvalue / largest)^-power: 1/2 is C^-1/2, the full whitening of the papers, 0 ignores the
    pairs, and the values between them suppress the nuisance more gently. A rotation to the
    principal directions of all vectors in the scaled space follows; `dimensions` keeps the
    strongest.

    shrinkage: 0 to 1. C is replaced by (1 - shrinkage) C + shrinkage times the mean eigenvalue
    (Ledoit & Wolf, "A well-conditioned estimator for large-dimensional covariance matrices",
    2004, with a given weight). Fewer pairs than channels leave directions in which no pair
    happens to differ: without it they would be amplified up to a thousandfold.
    provenance: kept beside "count" (rows used), "pairs" (pairs used) and "shrinkage".

    Rows of zeros (dead regions) are left out, and the pairs they are in. At most
    min(count - 1, channels) directions come out, fewer when the vectors span fewer.

    Raises:
        ValueError: vectors, power or dimensions that `Whitening.fit` refuses; fewer than two
            different directions among the vectors; pairs that are not (m, 2) whole numbers from
            0 to n - 1, two different ones a pair; shrinkage outside 0..1; no pair left; no pair
            that differs.
    """
    vectors = check_fit(vectors, power, dimensions)
    if not 0 <= shrinkage <= 1:
        raise ValueError(f"shrinkage: expected 0 to 1, got {shrinkage}")
    pairs = _check_pairs(pairs, len(vectors))
    alive = np.any(vectors, axis=1)
    pairs = pairs[alive[pairs[:, 0]] & alive[pairs[:, 1]]]
    if not len(pairs):
        raise ValueError("pairs: expected at least 1 of two rows that are not zero, got 0")
    found = principal(vectors)
    values, within = eigen(_intra_class(vectors, pairs, found))
    if values[0] <= 0 or np.sqrt(values[0]) < FLOOR:
        raise ValueError(
            f"pairs: the two vectors of all {len(pairs)} have the same direction, there is no "
            "difference to learn from; give pairs of different pictures"
        )
    values = (1 - shrinkage) * values + shrinkage * values.mean()
    scaled = gains(values, power)[:, None] * within
    _, rotation = eigen((scaled * found.variances) @ scaled.T)
    kept = min(dimensions or len(rotation), len(rotation))
    projection = positive_signs(rotation[:kept] @ scaled @ found.directions)
    facts = {"count": found.count, "pairs": len(pairs), "shrinkage": float(shrinkage)}
    return Whitening(
        found.mean.astype(np.float32),
        projection.astype(np.float32),
        float(power),
        kept,
        {**facts, **(provenance or {})},
    )


def matching_pairs(labels: Sequence[Hashable], most: int = MOST_PAIRS) -> np.ndarray:
    """The pairs of rows with equal labels: (m, 2) integers, the smaller row first.

    labels: one a vector; rows labelled None match nothing. Of more than `most` pairs, `most` are
    drawn, always the same ones. Raises ValueError for most < 1.
    """
    if most < 1:
        raise ValueError(f"most: expected at least 1, got {most}")
    groups: dict[Hashable, list[int]] = {}
    for row, label in enumerate(labels):
        if label is not None:
            groups.setdefault(label, []).append(row)
    rows = np.array([row for group in groups.values() for row in group], np.intp)
    sizes = np.array([len(group) for group in groups.values()], np.int64)
    ends = np.cumsum(sizes * (sizes - 1) // 2)
    total = int(ends[-1]) if len(ends) else 0
    if total <= most:
        numbers = np.arange(total)
    else:
        numbers = np.sort(np.random.default_rng(0).choice(total, most, replace=False))
    # Number t of a group is the pair (i, j), i < j, with t = j (j - 1) / 2 + i.
    group = np.searchsorted(ends, numbers, side="right")
    within = numbers - np.concatenate([[0], ends])[group]
    j = ((1 + np.sqrt(1 + 8 * within)) // 2).astype(np.int64)
    i = within - j * (j - 1) // 2
    start = np.concatenate([[0], np.cumsum(sizes)])[group]
    pairs: np.ndarray = rows[start[:, None] + np.stack([i, j], axis=1)]
    return pairs


def _check_pairs(pairs: np.ndarray, count: int) -> np.ndarray:
    pairs = np.asarray(pairs)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not np.issubdtype(pairs.dtype, np.integer):
        raise ValueError(
            f"pairs: expected (m, 2) whole numbers, got shape {pairs.shape} of {pairs.dtype}"
        )
    if len(pairs) and not (pairs.min() >= 0 and pairs.max() < count):
        raise ValueError(
            f"pairs: expected rows from 0 to {count - 1}, got {pairs.min()} to {pairs.max()}"
        )
    same = pairs[:, 0] == pairs[:, 1]
    if same.any():
        raise ValueError(f"pairs: expected two different rows, got {pairs[same][0].tolist()}")
    return pairs


def _intra_class(vectors: np.ndarray, pairs: np.ndarray, found: Principal) -> np.ndarray:
    """Mean product of the pairs' differences in the space that the vectors span, (r, r)."""
    size = len(found.directions)
    total = np.zeros((size, size))
    for start in range(0, len(pairs), BLOCK):
        one, two = pairs[start : start + BLOCK].T
        differences = (unit64(vectors[one]) - unit64(vectors[two])) @ found.directions.T
        total += differences.T @ differences
    return total / len(pairs)
