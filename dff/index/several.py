"""Several pictures as one query: more like these, less like those, and the score still split.

score(t) = 1/P sum_p score(p, t) - LESS/N sum_n score(n, t), over P pictures to be like and N to be
unlike, each compared as it would be alone. Compared as one vector this is Rocchio's query (1971), a
weighted sum of descriptors, up to its length. The table of a match has the rows of every region of
every query picture, and still sums to the score.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from dff import explain
from dff.index.coarse import choose, filled
from dff.index.query import Query

if TYPE_CHECKING:
    from dff.index.search import Index

# A picture to be unlike says less than one to be like: it shows one of the many things not wanted.
LESS = 0.5


@dataclass(frozen=True, eq=False)
class Asked:
    """The pictures of a query and how much each counts.

    queries: the first is the one on which results are located. shares: one a query, negative for
    those to be unlike.
    """

    queries: tuple[Query, ...]
    shares: tuple[float, ...]

    @classmethod
    def of(cls, more: Sequence[Query], less: Sequence[Query] = ()) -> Self:
        """At least one picture to be like, and any to be unlike. Raises ValueError for none, and
        for queries that are not described and matched the same way."""
        if not more:
            raise ValueError("expected at least one picture to be like, got none")
        ways = {(query.descriptor, query.matching) for query in (*more, *less)}
        if len(ways) > 1:
            raise ValueError(f"expected queries of one descriptor and matching, got {sorted(ways)}")
        shares = (1 / len(more),) * len(more) + (-LESS / max(1, len(less)),) * len(less)
        return cls((*more, *less), shares)

    @property
    def counts(self) -> list[int]:
        """The number of rows of each picture: its regions, or its parts where those are shares."""
        return [
            len(query.described.regions) if query.described.members is None else query.parts.k
            for query in self.queries
        ]

    @property
    def same(self) -> frozenset[int]:
        """Rows of the index that hold one of the query's pictures."""
        return frozenset[int]().union(*(query.same for query in self.queries))

    def rows(self, index: "Index", least: int = 0) -> list[np.ndarray]:
        """For each picture what its regions (or parts) add to every score: (n, k) float32 each.

        Above a size, pictures that cannot be among the first are not matched region by region, the
        same ones for all (`dff.index.coarse`). least: how many of the first are wanted.
        """
        if not index.is_large(self.queries[0]):
            return [index.exact_rows(query) for query in self.queries]
        vectors = index.stored_vectors(self.queries[0].descriptor)
        coarse = [explain.row_scores(query.described, vectors) for query in self.queries]
        chosen = choose(self._joined(coarse), least + len(self.same))
        return [
            filled(every, chosen, index.exact_rows(query, chosen), share)
            for every, query, share in zip(coarse, self.queries, self.shares, strict=True)
        ]

    def row_scores(self, index: "Index", least: int = 0) -> np.ndarray:
        """The same for the score of them all: (n, all rows)."""
        return self._joined(self.rows(index, least))

    def some_row_scores(self, index: "Index", chosen: np.ndarray) -> np.ndarray:
        """The same for some pictures, all of them matched: (len(chosen), all rows)."""
        return self._joined([index.exact_rows(query, chosen) for query in self.queries])

    def columns(self) -> np.ndarray:
        """What a picture's vector is multiplied by to give these rows, compared as one vector:
        (dimensions, all rows)."""
        return self._joined([explain.columns(query.described) for query in self.queries])

    def contributions(self, index: "Index", row: int) -> np.ndarray:
        """The same for one picture of the index, by its regions: (all rows, its regions)."""
        return np.concatenate(
            [
                index.contributions(query, row) * np.float32(share)
                for query, share in zip(self.queries, self.shares, strict=True)
            ]
        )

    def _joined(self, each: Sequence[np.ndarray]) -> np.ndarray:
        """(n, k) of every picture, times its share: (n, all rows)."""
        return np.concatenate(
            [one * np.float32(share) for one, share in zip(each, self.shares, strict=True)], axis=1
        )

    def by_picture(self, rows: Sequence[np.ndarray]) -> np.ndarray:
        """What each picture adds to every score: (n, queries).

        rows: what `rows` gives, which callers keep.
        """
        return np.stack(
            [
                one.sum(axis=1) * np.float32(share)
                for one, share in zip(rows, self.shares, strict=True)
            ],
            axis=1,
        )
