"""Second rankings of a whole database by `dff.reranking`, one vector a picture.

Leave one out must hold for the other pictures too. A query that is in the database and must not
find itself would be its own first result, count twice in an expansion, be everybody's link in a
graph, and, mixed into its neighbours by database-side augmentation, pull them towards itself. So
its own picture is taken out of the database before anything is looked at, and what depended on
it is made again. Doubtful pictures (junk) stay: a user's collection holds them.
"""

from collections.abc import Callable, Sequence

import numpy as np

from dff.reranking import (
    alpha_query_expansion,
    augment_database,
    average_query_expansion,
    diffusion,
    k_reciprocal,
)

NEIGHBOURS = 20  # of database-side augmentation
SHORT = 200  # first results that are ranked again by their graph; the others stay behind them
BLOCK = 1024  # rows of cosines at a time

_EXPANSIONS = {"aqe": average_query_expansion, "alpha_qe": alpha_query_expansion}
_GRAPHS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "k_reciprocal": k_reciprocal,
    "diffusion": diffusion,
}
RERANKINGS = ("aqe", "alpha_qe", "dba", "k_reciprocal", "diffusion")


def chosen(names: Sequence[str]) -> tuple[str, ...]:
    """The names of rerankings; "all" is every one. ValueError for an unknown name."""
    wanted = RERANKINGS if "all" in names else tuple(dict.fromkeys(names))
    if unknown := [name for name in wanted if name not in RERANKINGS]:
        raise ValueError(f"rerank: expected all or some of {', '.join(RERANKINGS)}, got {unknown}")
    return wanted


class Reranker:
    """One way to rank a database again.

    name: of RERANKINGS. vectors: (n, dimensions) float32, unit or zero, one a picture. most_own:
    the most rows that a query may call its own.
    """

    def __init__(self, name: str, vectors: np.ndarray, most_own: int = 1) -> None:
        self.name = name
        self._vectors = vectors
        if name == "dba":
            self._augmented = augment_database(vectors, NEIGHBOURS)
            self._nearest = _nearest(vectors, NEIGHBOURS + most_own)

    def ranking(
        self, query: np.ndarray, own: Sequence[int] | np.ndarray = ()
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the database, best first, without the query's own, and their scores: both
        (n - len(own),). Those behind a list that a graph has ranked again keep their order and
        have no score, NaN.

        query: (dimensions,). own: rows of the query's own picture, none where it may be found.
        """
        others = np.setdiff1d(np.arange(len(self._vectors)), own)
        if self.name == "dba":
            return _sorted(others, self._augmented_without(own)[others] @ query)
        vectors = self._vectors[others]
        first, _ = _sorted(np.arange(len(others)), vectors @ query)
        if self.name in _EXPANSIONS:
            expanded = _EXPANSIONS[self.name](query, vectors, first)
            return _sorted(others, vectors @ expanded)
        short, scores = _sorted(first[:SHORT], _GRAPHS[self.name](query, vectors[first[:SHORT]]))
        rest = first[SHORT:]
        unscored = np.full(len(rest), np.nan, scores.dtype)
        return others[np.concatenate([short, rest])], np.concatenate([scores, unscored])

    def _augmented_without(self, own: Sequence[int] | np.ndarray) -> np.ndarray:
        """The augmented vectors (n, dimensions) of a database that does not hold `own`.

        Only those that have it among their neighbours differ: each is made again from itself and
        the nearest that are left.
        """
        if not len(own):
            return self._augmented
        augmented = self._augmented.copy()
        for row in np.flatnonzero(np.isin(self._nearest[:, :NEIGHBOURS], own).any(axis=1)):
            near = self._nearest[row][~np.isin(self._nearest[row], own)][:NEIGHBOURS]
            augmented[row] = augment_database(self._vectors[[row, *near]], NEIGHBOURS)[0]
        return augmented


def _sorted(rows: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both by falling score, equal ones in order."""
    order = np.argsort(-scores, kind="stable")
    return rows[order], scores[order]


def _nearest(vectors: np.ndarray, count: int) -> np.ndarray:
    """The nearest other rows of each, nearest first: (n, min(count, n - 1)) integers."""
    found = []
    for start in range(0, len(vectors), BLOCK):
        cosines = vectors[start : start + BLOCK] @ vectors.T
        at = np.arange(len(cosines))
        cosines[at, start + at] = -np.inf
        found.append(np.argsort(-cosines, axis=1, kind="stable")[:, : min(count, len(vectors) - 1)])
    return np.concatenate(found)
