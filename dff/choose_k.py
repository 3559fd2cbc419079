"""How many parts: k chosen from the pictures themselves, by two rules.

*Stability*: the largest k whose parts are found again from random starts. The idea is that of
Brunet et al. (PNAS 2004), who compare clusterings of samples; here the heatmaps themselves are
compared, as in `dff.factorization.stability`. *Explained share*: the knee of its curve, where one
more part begins to explain little (Satopää et al., ICDCS workshops 2011, without smoothing, since
the curve hardly has noise). Measured in docs/evaluation.md: neither is a default.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dff.factorization import Factorization, factorize_jointly, match_parts

KS = tuple(range(1, 11))
SEEDS = (1, 2, 3)
STABLE = 0.9  # mean cosine of heatmaps; other values: docs/evaluation.md
# Explained share: a curve that rises by less has no knee.
FLAT = 0.01


@dataclass(frozen=True)
class Choice:
    """A k, and what it was chosen by: the number, 0..1, of each k that was tried."""

    k: int
    ks: tuple[int, ...]
    scores: tuple[float, ...]


def k_by_stability(
    stack: Sequence[np.ndarray], *, ks: Sequence[int] = KS, seeds: Sequence[int] = SEEDS
) -> Choice:
    """The largest k whose stability is at least 0.9, else the most stable one.

    stack: activations (channels, rows, columns) >= 0 of one picture or of several that are to
    share their parts. ks: ascending; seeds: of the random starts. Raises ValueError for wrong
    arguments.
    """
    tried = _checked(ks)
    if not seeds:
        raise ValueError("seeds: expected at least one, got none")
    scores = [_stability(stack, k, seeds) for k in tried]
    stable = [k for k, score in zip(tried, scores, strict=True) if score >= STABLE]
    return Choice(stable[-1] if stable else tried[int(np.argmax(scores))], tried, tuple(scores))


def k_by_explained(stack: Sequence[np.ndarray], *, ks: Sequence[int] = KS) -> Choice:
    """The knee of the explained share over k. Arguments and errors as in `k_by_stability`."""
    tried = _checked(ks)
    shares = [explained_share(stack, factorize_jointly(stack, k)) for k in tried]
    return Choice(knee(tried, shares), tried, tuple(shares))


def knee(ks: Sequence[int], shares: Sequence[float]) -> int:
    """Where a rising curve is farthest above the straight line between its ends.

    ks, shares: one point a k, ascending. A curve that rises by under 0.01 has no knee: its first k.
    """
    x, y = np.asarray(ks, np.float64), np.asarray(shares, np.float64)
    if len(x) < 2 or y[-1] - y[0] < FLAT:
        return int(ks[0])
    above = (y - y[0]) / (y[-1] - y[0]) - (x - x[0]) / (x[-1] - x[0])
    return int(ks[int(np.argmax(above))])


def explained_share(stack: Sequence[np.ndarray], found: Sequence[Factorization]) -> float:
    """1 - ||A - HW||² / ||A||² over all pictures, 0..1; 1 if there is nothing to explain."""
    totals = np.array([np.square(one, dtype=np.float64).sum() for one in stack])
    left = np.array([one.error**2 for one in found]) * totals
    return float(1 - left.sum() / totals.sum()) if totals.sum() > 0 else 1.0


def _stability(stack: Sequence[np.ndarray], k: int, seeds: Sequence[int]) -> float:
    """The mean over parts of the lowest cosine over seeds; a dead part counts 0."""
    reference = _rows(factorize_jointly(stack, k))
    lowest = np.ones(k)
    for seed in seeds:
        again = _rows(factorize_jointly(stack, k, init="random", seed=seed))
        match = match_parts(reference, again)
        lowest[match] = np.minimum(lowest[match], (reference[match] * again).sum(axis=1))
    return float(lowest.mean())


def _rows(found: Sequence[Factorization]) -> np.ndarray:
    """(k, positions of all pictures), unit rows, zero for dead parts."""
    rows = np.concatenate([one.heatmaps.reshape(one.k, -1) for one in found], axis=1)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1))


def _checked(ks: Sequence[int]) -> tuple[int, ...]:
    tried = tuple(int(k) for k in ks)
    if not tried or tried[0] < 1 or any(b <= a for a, b in zip(tried, tried[1:], strict=False)):
        raise ValueError(f"ks: expected ascending numbers from 1 on, got {list(ks)}")
    return tried
