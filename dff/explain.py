"""Why a picture got its score: the exact split into pairs of regions.

With descriptors q = sum_i a_i r_i and t = sum_j b_j s_j of unit length (see
`dff.descriptors.base`), the score <q, t> is the sum over i, j of a_i b_j <r_i, s_j>. The cells
may be negative once whitening has moved the origin. A user's weight w_i scales row i and nothing
else: score = sum_i w_i * row_i. The split is exact arithmetic, not proof of cause.

Region matching (see `dff.matching`) is split the same way; there each region of the query has one
cell, its best match.
"""

from collections.abc import Collection

import numpy as np

from dff.descriptors.base import Described
from dff.matching import proportions
from dff.products import products


def contributions(query: Described, target: Described) -> np.ndarray:
    """What each pair of regions adds to the score: (query regions, target regions) float32.

    They sum to the score to 1e-5.
    """
    pairs = query.regions @ target.regions.T
    cells: np.ndarray = query.weights[:, None] * pairs * target.weights
    return cells


def matched_contributions(
    query: Described, target: Described, *, mutual: bool = False
) -> np.ndarray:
    """What each pair of regions adds to the score of region matching: (query regions, target
    regions) float32.

    One way, row i holds (a_i / sum a) * <r_i, s_j> at the best live region j of the target, the
    lowest index on ties, and 0 elsewhere; the target's weights do not count. Both ways (mutual),
    the table is the mean of that and of its mirror image: column j holds (b_j / sum b) * <r_i, s_j>
    at the best live region i of the query. A dead region (all zero) of either picture has none. The
    cells sum to the sum of `dff.matching.matched_rows` to 1e-5.
    """
    there = _best_cells(query, target)
    if not mutual:
        return there
    both: np.ndarray = (there + _best_cells(target, query).T) / 2
    return both


def by_parts(table: np.ndarray, query: Described, target: Described) -> np.ndarray:
    """A table of regions as one of parts: (query parts, target parts) float32.

    A region that lies in several parts is credited to each by its share; one table sums to the
    other. Unchanged on the side of a picture whose regions are not made of parts.
    """
    if query.members is not None:
        table = query.members.T @ table
    if target.members is not None:
        table = table @ target.members
    return table


def _best_cells(query: Described, target: Described) -> np.ndarray:
    # float64: equal regions have equal cosines wherever a product finds them, so ties are ties.
    pairs = query.regions.astype(np.float64) @ target.regions.T.astype(np.float64)
    live = target.regions.any(axis=1)
    cells = np.zeros(pairs.shape, np.float32)
    if live.any():
        at = np.arange(len(pairs))
        best = np.where(live, pairs.astype(np.float32), -np.inf).argmax(axis=1)
        cells[at, best] = proportions(query.weights, len(pairs)) * pairs[at, best]
    return cells


def columns(query: Described) -> np.ndarray:
    """What a stored descriptor is multiplied by to give the score's rows: (dimensions, k) float32.

    One column a region of the query, or a part where its regions are shares of parts. Their sum is
    the query's descriptor.
    """
    found: np.ndarray = (query.regions * query.weights[:, None]).T
    return found if query.members is None else found @ query.members


def row_scores(query: Described, descriptors: np.ndarray) -> np.ndarray:
    """What each region (or part) of the query adds to the score of every picture: (n, k) float32.

    descriptors: (n, dimensions) float16 or float32, memory-mapped or not. With user weights w (k,),
    the scores of a whole index are `row_scores(...) @ w`: no network, no factorization.
    """
    return products(descriptors, columns(query))


def check_weights(weights: object, k: int) -> np.ndarray:
    """User weights as (k,) float32 in 0..2, or ValueError; None gives ones."""
    if weights is None:
        return np.ones(k, np.float32)
    try:
        array = np.array(weights, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):  # text, ragged lists, a dictionary, 10**400
        array = np.zeros(0, np.float32)
    if array.shape != (k,) or not ((array >= 0) & (array <= 2)).all():
        raise ValueError(f"weights: expected {k} numbers from 0 to 2, got {weights!r}")
    return array.astype(np.float32)


def percentile(scores: np.ndarray, score: float, count: int | None = None) -> float:
    """The share of `scores` (n,) below `score`, in percent. count: of how many they are the
    highest, if not all; the others are below."""
    count = len(scores) if count is None else count
    below = np.count_nonzero(scores < score) + count - len(scores)
    return 100.0 * float(below) / max(1, count)


def best(scores: np.ndarray, top: int, excluded: Collection[int] = ()) -> list[int]:
    """The rows of the `top` highest scores (n,), equal ones in order, `excluded` left out."""
    wanted = min(len(scores), top + len(excluded))
    if wanted < len(scores):
        edge = np.partition(scores, len(scores) - wanted)[len(scores) - wanted]
        pool = np.flatnonzero(scores >= edge)
    else:
        pool = np.arange(len(scores))
    order = pool[np.argsort(-scores[pool], kind="stable")].tolist()
    return [row for row in order if row not in excluded][:top]
