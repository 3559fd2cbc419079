"""Region matching: each region of the query against its best region in every picture.

score(t) = sum_i row_i(t), row_i(t) = (a_i / sum a) * max_j <r_i, s_j>, over the live regions s_j
of picture t; r and s have unit length, so a row is a cosine times a share. It is directed, from
the query to the target: what else a target holds costs nothing. So do Razavian et al. (CVPR
Workshops 2014) compare sub-patches, by distances and with equal weights. A region of zeros is dead
and matches nothing. Rows are kept apart so that user weights re-rank a whole index by one product;
`dff.explain.matched_contributions` splits a score into its cells.
"""

from collections.abc import Iterator

import numpy as np

# Regions in one product. OpenBLAS multiplies blocks this small where they lie and packs larger ones
# first: on one thread 6 query regions against 600,000 of 512 dimensions take 0.22 s so, and 0.28 s
# in blocks of 8192. What half precision is converted to stays in the cache.
BLOCK = 192


def matched_rows(
    query: np.ndarray, weights: np.ndarray, regions: np.ndarray, starts: np.ndarray
) -> np.ndarray:
    """What each region of the query adds to the score of every picture: (n, r) float32.

    query: (r, dimensions) float32, unit rows, or zero for dead regions. weights: (r,) >= 0; only
    their proportions matter, and dead regions keep their share. regions: (total, dimensions)
    float16 or float32, memory-mapped or not: the unit (or zero) regions of all pictures one after
    the other. starts: (n + 1,) integers; picture t has regions[starts[t]:starts[t + 1]].

    The scores of a whole index are `matched_rows(...).sum(axis=1)`, or with user weights w (r,)
    `matched_rows(...) @ w`. A picture without a live region has rows of 0. Takes the memory of
    two results and a block of 192 regions, or of one picture if it has more.

    Raises:
        ValueError: shapes that do not fit each other, weights that are negative or not finite,
            starts that do not rise from 0 to total.
    """
    query = np.asarray(query, np.float32)
    starts = np.asarray(starts)
    _check(query, regions, starts)
    starts = starts.astype(np.intp)
    shares = proportions(weights, len(query))
    # reduceat cannot express an empty picture, and one takes no room between its neighbours.
    filled = np.flatnonzero(np.diff(starts))
    bounds = np.append(starts[:-1][filled], len(regions))
    best = np.empty((len(filled), len(query)), np.float32)
    columns = np.ascontiguousarray(query.T)
    for first, last in _blocks(bounds):
        block = np.asarray(regions[bounds[first] : bounds[last]], np.float32)
        cosines = block @ columns
        cosines[_dead(block, cosines)] = -np.inf
        inside = bounds[first:last] - bounds[first]
        np.maximum.reduceat(cosines, inside, axis=0, out=best[first:last])
    best[np.isneginf(best)] = 0  # not one live region
    rows = np.zeros((len(starts) - 1, len(query)), np.float32)
    rows[filled] = best * shares
    return rows


def proportions(weights: np.ndarray, count: int) -> np.ndarray:
    """The weights of `count` regions divided by their sum: (count,) float32, or all zero if they
    are. ValueError unless there is one finite weight >= 0 for each."""
    given = np.asarray(weights, np.float64)
    if given.shape != (count,) or not (np.isfinite(given) & (given >= 0)).all():
        raise ValueError(f"weights: expected {count} finite numbers >= 0, got {weights}")
    total = given.sum()
    shares: np.ndarray = (given / total if total > 0 else given).astype(np.float32)
    return shares


def _blocks(bounds: np.ndarray) -> Iterator[tuple[int, int]]:
    """Runs of whole pictures (first, last) of at most BLOCK regions, and of at least one picture.

    bounds: where each picture begins, and the end of the last.
    """
    first = 0
    while first < len(bounds) - 1:
        room = int(np.searchsorted(bounds, bounds[first] + BLOCK, side="right")) - 1
        last = max(room, first + 1)
        yield first, last
        first = last


def _dead(block: np.ndarray, cosines: np.ndarray) -> np.ndarray:
    """Which regions of a block are all zero. Few have only cosines of 0: the rest is not read."""
    candidates = np.flatnonzero(~cosines.any(axis=1))
    return candidates[~block[candidates].any(axis=1)]


def _check(query: np.ndarray, regions: np.ndarray, starts: np.ndarray) -> None:
    if query.ndim != 2 or not np.isfinite(query).all():
        raise ValueError(f"query: expected finite (r, dimensions), got shape {query.shape}")
    if regions.ndim != 2 or regions.shape[1] != query.shape[1]:
        raise ValueError(f"regions: expected (total, {query.shape[1]}), got {regions.shape}")
    if starts.ndim != 1 or len(starts) == 0 or starts.dtype.kind not in "iu":
        raise ValueError(f"starts: expected (n + 1,) integers, got {starts.dtype} {starts.shape}")
    if starts[0] != 0 or starts[-1] != len(regions) or (starts[1:] < starts[:-1]).any():
        raise ValueError(f"starts: expected to rise from 0 to {len(regions)} regions, got {starts}")
