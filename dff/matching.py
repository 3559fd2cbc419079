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

from dff.products import in_threads, multiply

# Regions that one thread matches at a time, as long as no picture has more: their cosines stay in
# the cache, and there are few enough steps for Python not to be felt.
BLOCK = 4096


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
        counts = np.array([len(own) for own in weights], np.int64)
        return cls.packed(regions, counts, np.concatenate([np.zeros(0, np.float32), *weights]))

    @classmethod
    def packed(cls, regions: np.ndarray, counts: np.ndarray, weights: np.ndarray) -> "Stored":
        """From all regions, how many each picture has (n,), and all weights, (total,) >= 0.

        Raises ValueError for weights that are negative or not finite.
        """
        given = weights.astype(np.float64)
        if given.shape != (counts.sum(),) or not (np.isfinite(given) & (given >= 0)).all():
            raise ValueError(f"weights: expected {counts.sum()} finite numbers >= 0, got {weights}")
        starts = np.append(0, np.cumsum(counts))
        filled = np.flatnonzero(counts)
        totals = np.add.reduceat(given, starts[filled]) if len(filled) else np.zeros(0)
        each = np.repeat(np.where(totals > 0, totals, 1), counts[filled])
        return cls(regions, starts, (given / each).astype(np.float32))


def matched_rows(
    query: np.ndarray,
    weights: np.ndarray,
    stored: Stored,
    *,
    mutual: bool = False,
    chosen: np.ndarray | None = None,
) -> np.ndarray:
    """What each region of the query adds to the score of every picture: (n, r) float32.

    query: (r, dimensions) float32, unit rows, or zero for dead regions. weights: (r,) >= 0; only
    their proportions matter, and dead regions keep their share. mutual: both ways. chosen: only
    these pictures, rising; the result has one row for each of them.

    The scores of a whole index are `matched_rows(...).sum(axis=1)`, or with user weights w (r,)
    `matched_rows(...) @ w`. A picture without a live region has rows of 0. Runs on all cores and
    takes the memory of two results and, on each core, of the cosines of 4096 regions, or of one
    picture if it has more.

    Raises:
        ValueError: shapes that do not fit each other, weights that are negative or not finite,
            starts that do not rise from 0 to total, chosen pictures that are not there.
    """
    query = np.asarray(query, np.float32)
    regions, starts = np.asarray(stored.regions), np.asarray(stored.starts)
    _check(query, regions, starts)
    if stored.shares.shape != (len(regions),):
        raise ValueError(f"shares: expected {(len(regions),)}, got {stored.shares.shape}")
    starts = starts.astype(np.intp)
    own = proportions(weights, len(query))
    pictures = _chosen(chosen, len(starts) - 1)
    found = np.zeros((len(pictures), len(query)), np.float32)
    live = np.flatnonzero(query.any(axis=1))
    if not len(live):
        return found
    columns = np.ascontiguousarray(query.T)
    counts = starts[pictures + 1] - starts[pictures]
    # reduceat cannot express an empty picture, and one takes no room between its neighbours.
    filled = np.flatnonzero(counts)
    bounds = np.append(0, np.cumsum(counts[filled]))
    # Where the regions of chosen pictures are: picture by picture, as `bounds` counts them.
    rows = None
    if chosen is not None:
        rows = np.arange(bounds[-1]) + np.repeat(
            starts[pictures[filled]] - bounds[:-1], counts[filled]
        )

    def work(block: tuple[int, int]) -> None:
        first, last = block
        here = slice(bounds[first], bounds[last])
        places = here if rows is None else rows[here]
        cosines = np.empty((here.stop - here.start, len(query)), np.float32)
        if rows is None:
            multiply(regions[here], columns, cosines)
        else:
            multiply(regions, columns, cosines, rows[here])
        inside = bounds[first:last] - bounds[first]
        dead = _dead(regions, places, cosines, live[0])
        scores = _best(cosines, dead, inside) * own
        if mutual:
            shares = stored.shares[places]
            scores = (scores + _looking_back(cosines, live, shares, inside)) / 2
        found[filled[first:last]] = scores

    in_threads(work, list(_blocks(bounds)))
    return found


def _dead(
    regions: np.ndarray, places: slice | np.ndarray, cosines: np.ndarray, live: int
) -> np.ndarray:
    """Which regions of a block are all zero, counted from its first.

    places: of the block among all regions. live: a query region that is not dead: few regions have
    a cosine of 0 with it, and only those are read.
    """
    candidates = np.flatnonzero(cosines[:, live] == 0)
    if not len(candidates):
        return candidates
    at = candidates + places.start if isinstance(places, slice) else places[candidates]
    silent: np.ndarray = candidates[~regions[at].any(axis=1)]
    return silent


def _best(cosines: np.ndarray, dead: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The best cosine of each query region in every picture of a block: (pictures, r), 0 in those
    without a live region. inside: where each picture begins."""
    if not len(dead):
        found: np.ndarray = np.maximum.reduceat(cosines, inside, axis=0)
        return found
    awake = cosines.copy()
    awake[dead] = -np.inf
    found = np.maximum.reduceat(awake, inside, axis=0)
    found[np.isneginf(found)] = 0
    return found


def _looking_back(
    cosines: np.ndarray, live: np.ndarray, shares: np.ndarray, inside: np.ndarray
) -> np.ndarray:
    """What the regions of a block add to the rows of their best query regions: (pictures, r).

    cosines: (block, r); those of dead regions are 0 and add nothing. live: query regions that are
    not dead; nothing matches the others. shares: (block,). inside: where each picture begins.
    """
    count, r = len(inside), cosines.shape[1]
    best = cosines.argmax(axis=1) if len(live) == r else live[cosines[:, live].argmax(axis=1)]
    each = cosines.reshape(-1)[np.arange(0, cosines.size, r) + best] * shares
    picture = np.repeat(np.arange(0, count * r, r), np.diff(inside, append=len(cosines)))
    summed = np.bincount(picture + best, each, minlength=count * r)
    return summed.reshape(count, r).astype(np.float32)


def _chosen(chosen: np.ndarray | None, count: int) -> np.ndarray:
    if chosen is None:
        return np.arange(count)
    rows = np.asarray(chosen)
    inside = rows.ndim == 1 and rows.dtype.kind in "iu" and (rows[1:] > rows[:-1]).all()
    if not inside or (len(rows) and not 0 <= rows[0] <= rows[-1] < count):
        raise ValueError(f"chosen: expected rising rows from 0 to {count - 1}, got {chosen}")
    return rows.astype(np.intp)


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


def _check(query: np.ndarray, regions: np.ndarray, starts: np.ndarray) -> None:
    if query.ndim != 2 or not np.isfinite(query).all():
        raise ValueError(f"query: expected finite (r, dimensions), got shape {query.shape}")
    if regions.ndim != 2 or regions.shape[1] != query.shape[1]:
        raise ValueError(f"regions: expected (total, {query.shape[1]}), got {regions.shape}")
    if starts.ndim != 1 or len(starts) == 0 or starts.dtype.kind not in "iu":
        raise ValueError(f"starts: expected (n + 1,) integers, got {starts.dtype} {starts.shape}")
    if starts[0] != 0 or starts[-1] != len(regions) or (starts[1:] < starts[:-1]).any():
        raise ValueError(f"starts: expected to rise from 0 to {len(regions)} regions, got {starts}")
