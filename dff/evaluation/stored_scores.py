"""Every picture's score for many pictures of an index at once, by both ways of matching regions.

The same sums as `dff.matching.matched_rows` gives query by query; here one product serves a block
of queries and both ways.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from dff.matching import Stored

CELLS = 8_000_000  # cosines in one product: 32 MB


def matched_scores(
    stored: Stored, queries: Sequence[int]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each query, in their order, the scores of all pictures one way and both ways: (n,)
    float32 each.

    queries: rows of `stored`. A picture without a live region has scores of 0.
    """
    regions, starts = np.asarray(stored.regions, np.float32), np.asarray(stored.starts, np.intp)
    live = np.asarray(regions.any(axis=1))
    counts = np.diff(starts)
    for block in _blocks(queries, counts):
        chosen = np.concatenate([np.arange(starts[row], starts[row + 1]) for row in block])
        inside = np.append(0, np.cumsum(counts[block]))
        cosines = regions @ regions[chosen].T
        best = _reduced(np.maximum, np.where(live[:, None], cosines, -np.inf), starts)
        best[np.isneginf(best)] = 0  # not one live region
        there = _reduced(np.add, (best * stored.shares[chosen]).T, inside)
        seen = _reduced(np.maximum, np.where(live[chosen, None], cosines.T, -np.inf), inside)
        seen[np.isneginf(seen)] = 0
        back = _reduced(np.add, np.where(live, seen * stored.shares, 0).T, starts).T
        for one_way, mirrored in zip(there, back, strict=True):
            yield one_way, (one_way + mirrored) / 2


def _blocks(queries: Sequence[int], counts: np.ndarray) -> Iterator[list[int]]:
    """Queries in runs of so many regions that a product is small, and of at least one query."""
    most = max(1, CELLS // max(1, int(counts.sum())))
    block: list[int] = []
    for row in queries:
        if block and counts[[*block, row]].sum() > most:
            yield block
            block = []
        block.append(row)
    if block:
        yield block


def _reduced(operation: np.ufunc, rows: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Rows [starts[i], starts[i + 1]) of (rows, columns) reduced to one, 0 where there are none."""
    filled = np.flatnonzero(np.diff(starts))  # reduceat cannot express an empty run
    found = np.zeros((len(starts) - 1, rows.shape[1]), np.float32)
    if len(filled):
        found[filled] = operation.reduceat(rows, starts[:-1][filled], axis=0)
    return found
