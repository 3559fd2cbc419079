"""How many parts: k chosen from the pictures themselves.

The knee of the explained share over k, where one more part begins to explain little (Satopää et
al., ICDCS workshops 2011, without smoothing, since the curve hardly has noise). Measured in
docs/evaluation.md, also against the largest k whose parts are found again from random starts:
neither is a default.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dff.factorization import Factorization, factorize_jointly

KS = tuple(range(1, 11))
# Explained share: a curve that rises by less has no knee.
FLAT = 0.01


@dataclass(frozen=True)
class Choice:
    """A k, and what it was chosen by: the number, 0..1, of each k that was tried."""

    k: int
    ks: tuple[int, ...]
    scores: tuple[float, ...]


def k_by_explained(stack: Sequence[np.ndarray], *, ks: Sequence[int] = KS) -> Choice:
    """The knee of the explained share over k.

    stack: activations (channels, rows, columns) >= 0 of one picture or of several that are to
    share their parts. ks: ascending. Raises ValueError for wrong arguments.
    """
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


def _checked(ks: Sequence[int]) -> tuple[int, ...]:
    tried = tuple(int(k) for k in ks)
    if not tried or tried[0] < 1 or any(b <= a for a, b in zip(tried, tried[1:], strict=False)):
        raise ValueError(f"ks: expected ascending numbers from 1 on, got {list(ks)}")
    return tried
