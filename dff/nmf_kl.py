"""Multiplicative updates of the Kullback-Leibler divergence (a solver of `dff.nmf.solve`).

D(A || HW) = sum A log(A / HW) - A + HW, with 0 log 0 = 0, is the maximum likelihood fit of
counts (Lee & Seung, "Algorithms for non-negative matrix factorization", 2000, theorem 2): an
entry weighs by its size, not by its square, so strong activations dominate less than under the
Frobenius error.
"""

from collections.abc import Iterator

import array_api_compat

from dff.nmf_arrays import FLOOR, TINY, Array, row_products


def kl_steps(positions: Array, rows: Array, basis: Array) -> Iterator[float]:
    """Improve `rows` (k, n) and `basis` (k, channels) in place, one iteration a step.

    positions: (n, channels), not all zero, with a maximum near 1. Yields the divergence over
    the sum of `positions`, first of the start and then after each iteration. It never rises
    beyond rounding.

    That ratio is the divergence in nats of the two matrices as distributions, because an update
    makes their sums equal. The values of simpler models (a constant, the best single part) would
    be zero for some positions and cannot be divided by.
    """
    xp = array_api_compat.array_namespace(positions)
    total = float(xp.sum(positions, dtype=xp.float64))
    # Where a start has zeros the divergence is infinite, and an update cannot leave them.
    # From here on no model entry and no sum is zero: nothing below needs a guard of its own.
    for factor in (rows, basis):
        factor[:] = xp.clip(factor, FLOOR, None)
    ratio = _ratio(positions, rows, basis)
    yield _divergence(positions, ratio, rows, basis, total) / total
    while True:
        _half(rows, basis, row_products(basis, ratio))
        ratio = _ratio(positions, rows, basis)
        _half(basis, rows, row_products(rows, ratio.T))
        ratio = _ratio(positions, rows, basis)
        yield _divergence(positions, ratio, rows, basis, total) / total


def _ratio(positions: Array, rows: Array, basis: Array) -> Array:
    """A / HW, (n, channels)."""
    return positions / (rows.T @ basis)


def _half(rows: Array, other: Array, products: Array) -> None:
    """Multiply each entry by the mean of A / HW, weighted by the other factor's row."""
    xp = array_api_compat.array_namespace(rows)
    rows *= products / xp.sum(other, axis=1)[:, None]
    rows[:] = xp.clip(rows, FLOOR, None)


def _divergence(positions: Array, ratio: Array, rows: Array, basis: Array, total: float) -> float:
    """sum A log(A / HW) - A + HW; the sum of HW comes from the factors' sums.

    The terms nearly cancel when the fit is good, hence float64 and the clip.
    """
    xp = array_api_compat.array_namespace(positions)
    logs = xp.log(xp.clip(ratio, TINY, None))  # finite where A is zero, and there times zero
    fitted = xp.sum(rows, axis=1, dtype=xp.float64) * xp.sum(basis, axis=1, dtype=xp.float64)
    inner = float(xp.sum(positions * logs, dtype=xp.float64))
    return max(0.0, inner - total + float(xp.sum(fitted)))
