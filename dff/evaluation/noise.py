"""How much of a difference between rows may be chance: bootstrap over the queries."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dff.evaluation.protocols import Difference
from dff.evaluation.retrieval import Row

# The ends of an interval are certain to a twentieth of a standard error.
RESAMPLES = 2000


@dataclass(frozen=True)
class Noise:
    """What a row's mAP is worth, in percent.

    low, high: the ends of its 95 % interval. vs_default: the row minus the default one, query by
    query, None without a default row. level: whether the best row of its kind may be better by
    chance alone (the interval of the paired difference holds 0). There are two kinds, the plain
    rankings and those ranked again, whose scores cannot be split.
    """

    low: float
    high: float
    vs_default: Difference | None
    level: bool


def noise_of(rows: Sequence[Row]) -> list[Noise]:
    """Of each row, in order; all of them answer the same queries. The best of a kind has the
    highest mean, the first of equals.

    Percentile bootstrap (Efron & Tibshirani 1993), as `bootstrap_difference`, with one set of
    resamples for all rows: the same rows give the same intervals.
    """
    if not rows:
        return []
    precisions = np.array([[100 * answer.precision for answer in row.answers] for row in rows])
    queries = precisions.shape[1]
    generator = np.random.default_rng(0)
    # How often each query is drawn: (RESAMPLES, queries).
    drawn = generator.multinomial(queries, np.full(queries, 1 / queries), RESAMPLES) / queries
    default = next((n for n, row in enumerate(rows) if row.default), None)
    means = precisions.mean(axis=1)
    again = np.array([row.settings.rerank is not None for row in rows])
    best = [int(np.where(again == kind, means, -np.inf).argmax()) for kind in again]
    low, high = _ends(precisions, drawn)
    _, below = _ends(precisions - precisions[best], drawn)
    against: list[Difference | None] = [None] * len(rows)
    if default is not None:
        differences = precisions - precisions[default]
        three = np.stack([differences.mean(axis=1), *_ends(differences, drawn)], axis=1)
        against = [Difference(*map(float, one)) for one in three]
    return [
        Noise(float(low[n]), float(high[n]), against[n], bool(below[n] >= 0))
        for n in range(len(rows))
    ]


def _ends(values: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Of the 95 % interval of each mean: (rows, queries) -> (2, rows)."""
    ends: np.ndarray = np.percentile(drawn @ values.T, [2.5, 97.5], axis=0)
    return ends
