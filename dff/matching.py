"""Region matching: each region of one picture against its best region in the other.

One way ("regions"): score(t) = sum_i row_i(t), row_i(t) = (a_i / sum a) * max_j <r_i, s_j>, over
the live regions s_j of picture t; r and s have unit length, so a row is a cosine times a share. It
is directed, from the query to the target: what else a target holds costs nothing. So do Razavian
et al. (CVPR Workshops 2014) compare sub-patches, by distances and with equal weights.

Both ways ("mutual"): the mean of that and of its mirror image, in which each region of the target
looks for its best in the query and adds to that region's row. What a target holds beside the query
then costs something (measured in docs/evaluation.md).

A region of zeros is dead and matches nothing. Rows are kept apart so that user weights re-rank a
whole index by one product; `dff.explain.matched_contributions` splits a score into its cells.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

# Regions in one product. OpenBLAS multiplies blocks this small where they lie and packs larger ones
# first: on one thread 6 query regions against 600,000 of 512 dimensions take 0.22 s so, and 0.28 s
# in blocks of 8192. What half precision is converted to stays in the cache.
BLOCK = 192


@dataclass(frozen=True, eq=False)
class Stored:
    """The whitened regions of many pictures, one picture after the other.

    regions: (total, dimensions) float16 or float32, memory-mapped or not, of unit length or zero.
    starts: (n + 1,) integers; picture t has regions[starts[t]:starts[t + 1]]. shares: (total,)
    float32, each region's weight divided by the sum of its picture's.
    """

    regions: np.ndarray
    starts: np.ndarray
    shares: np.ndarray

    @classmethod
    def of(cls, regions: np.ndarray, weights: Sequence[np.ndarray]) -> "Stored":
        """From all regions and each picture's weights, (r,) >= 0."""
        counts = np.cumsum([0, *(len(own) for own in weights)], dtype=np.int64)
        shares = [proportions(own, len(own)) for own in weights]
        return cls(regions, counts, np.concatenate([np.zeros(0, np.float32), *shares]))


def matched_rows(
    query: np.ndarray, weights: np.ndarray, stored: Stored, *, mutual: bool = False
) -> np.ndarray:
    """What each region of the query adds to the score of every picture: (n, r) float32.

    query: (r, dimensions) float32, unit rows, or zero for dead regions. weights: (r,) >= 0; only
    their proportions matter, and dead regions keep their share. mutual: both ways.

    The scores of a whole index are `matched_rows(...).sum(axis=1)`, or with user weights w (r,)
    `matched_rows(...) @ w`. A picture without a live region has rows of 0. Takes the memory of
    two results and a block of 192 regions, or of one picture if it has more.

    Raises:
        ValueError: shapes that do not fit each other, weights that are negative or not finite,
            starts that do not rise from 0 to total.
    """
    query = np.asarray(query, np.float32)
    regions, starts = stored.regions, np.asarray(stored.starts)
    _check(query, regions, starts)
    if stored.shares.shape != (len(regions),):
        raise ValueError(f"shares: expected {(len(regions),)}, got {stored.shares.shape}")
    starts = starts.astype(np.intp)
    own = proportions(weights, len(query))
    # reduceat cannot express an empty picture, and one takes no room between its neighbours.
    filled = np.flatnonzero(np.diff(starts))
    bounds = np.append(starts[:-1][filled], len(regions))
    found = np.empty((len(filled), len(query)), np.float32)
    columns = np.ascontiguousarray(query.T)
    silent = np.asarray(~query.any(axis=1))
    for first, last in _blocks(bounds):
        block = np.asarray(regions[bounds[first] : bounds[last]], np.float32)
        cosines = block @ columns
        dead = _dead(block, cosines)
        inside = bounds[first:last] - bounds[first]
        back = None
        if mutual and not silent.all():
            shares = stored.shares[bounds[first] : bounds[last]]
            back = _looking_back(cosines, dead, silent, shares, inside)
        cosines[dead] = -np.inf
        there = np.maximum.reduceat(cosines, inside, axis=0)
        there[np.isneginf(there)] = 0  # not one live region
        there *= own
        found[first:last] = there if not mutual else there / 2
        if back is not None:
            found[first:last] += back / 2
    rows = np.zeros((len(starts) - 1, len(query)), np.float32)
    rows[filled] = found
    return rows


def _looking_back(
    cosines: np.ndarray,
    dead: np.ndarray,
    silent: np.ndarray,
    shares: np.ndarray,
    inside: np.ndarray,
) -> np.ndarray:
    """What the regions of a block add to the rows of their best query regions: (pictures, r).

    cosines: (block, r). dead: rows of dead regions. silent: (r,) bool, dead query regions, which
    nothing matches. shares: (block,). inside: where each picture begins.
    """
    best = np.where(silent, -np.inf, cosines).argmax(axis=1)
    at = np.arange(len(cosines))
    back = np.zeros_like(cosines)
    back[at, best] = cosines[at, best] * shares
    back[dead] = 0
    summed: np.ndarray = np.add.reduceat(back, inside, axis=0)
    return summed


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
