"""The measures of the field, exactly as their authors compute them.

Retrieval: a ranking is the rows of a database, best first. Junk is taken out of it, and what is
left gives the *ranks* of the positives, counted from 0; every measure is a function of those and
of how many positives there are. A positive that is not in the ranking counts 0. All results are
shares, 0..1. Localisation: intersection over union, and the share that reaches one half.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

RESAMPLED = 200_000  # values drawn at a time


class Relevance(NamedTuple):
    """What one query asks for, as rows: ascending int64, each row once.

    positives: (p,) what it should find. junk: (j,) what neither helps nor harms, taken out before
    ranks are counted: doubtful pictures, and the query's own where it must not find itself.
    """

    positives: np.ndarray
    junk: np.ndarray

    @classmethod
    def of(cls, positives: Sequence[int], junk: Sequence[int] = ()) -> "Relevance":
        """From rows in any order."""
        return cls(_rows(positives), _rows(junk))


def rank(scores: np.ndarray) -> np.ndarray:
    """Places (n,) int64 of scores (n,), highest first; equal scores keep their order.

    Raises ValueError for scores that are not one row of numbers, or are NaN.
    """
    values = np.asarray(scores, np.float64)
    if values.ndim != 1 or np.isnan(values).any():
        raise ValueError(f"scores: expected one row without NaN, got {values.shape} {values}")
    return np.argsort(-values, kind="stable")


def relevant_ranks(ranking: np.ndarray, relevance: Relevance) -> np.ndarray:
    """The ranks of the positives that were found, from 0 and without junk: ascending int64.

    ranking: (n,) rows of the database, best first, all or only the first ones. Raises ValueError
    if a row is there twice: it would be counted twice, and an average precision exceed 1.
    """
    rows = np.asarray(ranking)
    if len(np.unique(rows)) != len(rows):
        raise ValueError(f"ranking: expected every row once, got {len(rows)} with repetitions")
    clean = rows[~np.isin(rows, relevance.junk)]
    return np.flatnonzero(np.isin(clean, relevance.positives))


def average_precision(ranks: np.ndarray, positives: int) -> float:
    """The finite sum: mean over all positives of the precision where each is found.

    ranks: from `relevant_ranks`. positives: how many there are, found or not. One positive at
    rank 0, 1, 2 gives 1, 1/2, 1/3. Raises ValueError for no positives or more ranks than that.
    """
    places = _places(ranks, positives)
    return float((np.arange(1, len(places) + 1) / places).sum()) / positives


def trapezoid_average_precision(ranks: np.ndarray, positives: int) -> float:
    """The area under precision over recall by the trapezoid rule: Oxford and Paris, old and
    revisited (Philbin et al., CVPR 2007; Radenović et al., CVPR 2018).

    As `average_precision`, but each positive counts the mean of the precision before it and with
    it; before the first place precision is 1. One positive at rank 0, 1, 2 gives 1, 1/4, 1/6.
    """
    places = _places(ranks, positives)
    found = np.arange(len(places))
    before = np.where(places > 1, found / np.maximum(places - 1, 1), 1.0)
    return float(((before + (found + 1) / places) / 2).sum()) / positives


AVERAGE_PRECISION: Mapping[str, Callable[[np.ndarray, int], float]] = {
    "finite": average_precision,
    "trapezoid": trapezoid_average_precision,
}


def precision_at(k: int, ranks: np.ndarray, positives: int) -> float:
    """Precision at k, divided by min(k, place of the last positive) (Radenović et al., 2018), so
    that a query with few positives can reach 1. At k = 1: whether the first result is right.

    Arguments and errors as for `average_precision`; a positive that was not found lies behind
    every place, so that the divisor is k.
    """
    if k < 1:
        raise ValueError(f"k: expected at least 1, got {k}")
    places = _places(ranks, positives)
    last = int(places[-1]) if len(places) == positives else k
    return int((places <= k).sum()) / min(k, last)


def revisited_tasks(
    easy: Sequence[int], hard: Sequence[int], junk: Sequence[int]
) -> dict[str, Relevance]:
    """The three tasks of revisited Oxford and Paris (Radenović et al., CVPR 2018) for one query.

    easy, hard, junk: rows of the database. Easy finds the easy and ignores the hard; medium finds
    both; hard finds the hard and ignores the easy. Junk is ignored by all.
    """
    easy, hard, junk = list(easy), list(hard), list(junk)
    return {
        "easy": Relevance.of(easy, junk + hard),
        "medium": Relevance.of(easy + hard, junk),
        "hard": Relevance.of(hard, junk + easy),
    }


def box_iou(found: Sequence[float] | None, true: Sequence[float]) -> float:
    """Intersection over union of two boxes (x0, y0, x1, y1), x1 and y1 exclusive; 0 for None.

    Raises ValueError for a box without area.
    """
    if found is None:
        return 0.0
    a, b = _corners(found), _corners(true)
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    inside = float(np.maximum(sides, 0).prod())
    return inside / (float((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod()) - inside)


def mask_iou(found: np.ndarray, true: np.ndarray) -> float:
    """Intersection over union of two masks (height, width) bool; 0 if both are empty.

    Raises ValueError for other shapes or types.
    """
    if found.shape != true.shape or found.dtype != bool or true.dtype != bool:
        raise ValueError(
            "masks: expected two bool arrays of one shape, "
            f"got {found.dtype} {found.shape} and {true.dtype} {true.shape}"
        )
    union = int((found | true).sum())
    return int((found & true).sum()) / union if union else 0.0


def corloc(ious: Sequence[float], threshold: float = 0.5) -> float:
    """Correct localisation: the share of pictures whose box has an IoU of at least `threshold`
    (Deselaers et al., ECCV 2010). Raises ValueError for no pictures."""
    if len(ious) == 0:
        raise ValueError("ious: expected at least one, got none")
    return float(np.mean(np.asarray(ious, np.float64) >= threshold))


@dataclass(frozen=True)
class Difference:
    """The mean of a paired difference, and the ends of its 95 % interval."""

    mean: float
    low: float
    high: float


def bootstrap_difference(
    first: Sequence[float], second: Sequence[float], *, resamples: int = 10_000, seed: int = 0
) -> Difference:
    """Is `first` better than `second`, query by query? Percentile bootstrap over the queries
    (Efron & Tibshirani 1993): the same input gives the same interval.

    first, second: (queries,) values of the same queries in the same order, such as their average
    precisions. Where the interval holds 0, the difference may be chance. Raises ValueError for
    rows of different lengths, none at all, and values that are not finite.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.ndim != 1 or a.shape != b.shape or not a.size or resamples < 1:
        raise ValueError(
            "expected two rows of one value a query and at least 1 resample, "
            f"got {a.shape}, {b.shape} and {resamples}"
        )
    differences = a - b
    if not np.isfinite(differences).all():
        raise ValueError(f"expected finite values, got {differences} as differences")
    generator = np.random.default_rng(seed)
    n = len(differences)
    # Some resamples at a time: all at once would be gigabytes for thousands of queries.
    step = max(1, RESAMPLED // n)
    means = [
        differences[generator.integers(0, n, (min(step, resamples - done), n))].mean(axis=1)
        for done in range(0, resamples, step)
    ]
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return Difference(float(differences.mean()), float(low), float(high))


def _rows(rows: Sequence[int]) -> np.ndarray:
    return np.unique(np.asarray(rows, np.int64))


def _places(ranks: np.ndarray, positives: int) -> np.ndarray:
    """Ranks counted from 1, once they are known to make sense."""
    places = np.asarray(ranks, np.int64) + 1
    if positives < 1 or len(places) > positives:
        raise ValueError(
            f"positives: expected at least 1 and one for each rank, got {positives} "
            f"for {len(places)} ranks"
        )
    if len(places) and (places[0] < 1 or (np.diff(places) < 1).any()):
        raise ValueError(f"ranks: expected ascending from 0, got {ranks}")
    return places


def _corners(box: Sequence[float]) -> np.ndarray:
    corners = np.asarray(box, np.float64)
    if corners.shape != (4,) or not (corners[:2] < corners[2:]).all():
        raise ValueError(f"box: expected x0 < x1 and y0 < y1, got {box}")
    return corners
