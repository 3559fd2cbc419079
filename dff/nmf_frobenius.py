"""The Frobenius solvers of `dff.nmf.solve`: HALS and multiplicative updates, and the products of
the positions that they need, exact or from a sketch.
"""

import math
from collections.abc import Callable, Iterator

import array_api_compat

from dff.nmf_arrays import FLOOR, TINY, Array, row_products, square_sum
from dff.nmf_start import subspace

Half = Callable[[Array, Array, Array], None]


class Exact:
    """Positions (n, channels) as the solvers see them.

    square: ||A||^2.
    """

    def __init__(self, positions: Array) -> None:
        self.positions = positions
        self.square = square_sum(positions)

    def along_positions(self, basis: Array) -> Array:
        """basis @ A.T, (k, n)."""
        return row_products(basis, self.positions)

    def along_channels(self, rows: Array) -> Array:
        """rows @ A, (k, channels)."""
        return row_products(rows, self.positions.T)


class Sketch:
    """The same of the positions' projection onto their strongest directions, so that an
    iteration costs a small share of an exact one (as Zhou, Cichocki & Xie, "Fast nonnegative
    matrix/tensor factorization based on low-rank approximation", 2012).

    block: (r, n), orthonormal rows; shadow: (r, channels) = block @ A; square: ||A||^2 of A itself.
    """

    def __init__(self, positions: Array, size: int, rounds: int) -> None:
        self.block, self.shadow = subspace(positions, size, rounds)
        self.square = square_sum(positions)

    def along_positions(self, basis: Array) -> Array:
        """basis @ shadow.T @ block, (k, n)."""
        return (basis @ self.shadow.T) @ self.block

    def along_channels(self, rows: Array) -> Array:
        """rows @ block.T @ shadow, (k, channels)."""
        return (rows @ self.block.T) @ self.shadow


def exact_steps(half: Half, positions: Array, rows: Array, basis: Array) -> Iterator[float]:
    """`frobenius_steps` of the positions themselves."""
    return frobenius_steps(half, Exact(positions), rows, basis)


def frobenius_steps(half: Half, data: Exact | Sketch, rows: Array, basis: Array) -> Iterator[float]:
    """Improve `rows` (k, n) and `basis` (k, channels) in place, one iteration a step.

    Yields the relative error, first of the start and then after each iteration; it needs no
    product of its own, but one that the next iteration begins with.
    """
    gram_rows = rows @ rows.T
    while True:
        cross, gram_basis = data.along_positions(basis), basis @ basis.T
        yield _relative_error(data.square, cross, rows, gram_rows, gram_basis)
        half(rows, gram_basis, cross)
        gram_rows = rows @ rows.T
        half(basis, gram_rows, data.along_channels(rows))


def _relative_error(total: float, cross: Array, factor: Array, *grams: Array) -> float:
    """||A - HW|| / ||A|| by ||A||^2 - 2 <A, HW> + ||HW||^2, from small matrices only.

    The terms nearly cancel when the fit is good, hence float64 and the clip.
    """
    xp = array_api_compat.array_namespace(cross)
    inner = float(xp.sum(cross * factor, dtype=xp.float64))
    model = float(xp.sum(grams[0] * grams[1], dtype=xp.float64))
    return math.sqrt(max(0.0, total - 2 * inner + model) / total)


def hals_half(rows: Array, gram: Array, cross: Array) -> None:
    """Set each row in turn to its exact minimiser, the other rows and the other factor fixed."""
    sweep(rows, *sweep_terms(gram, cross))


def sweep_terms(gram: Array, cross: Array) -> tuple[Array, Array]:
    """What `sweep` needs of the other factor's gram (k, k) and its products with A, (k, n)."""
    xp = array_api_compat.array_namespace(gram)
    diagonal = xp.linalg.diagonal(gram)[:, None] + TINY
    one = xp.eye(gram.shape[0], dtype=gram.dtype, device=array_api_compat.device(gram))
    return one - gram / diagonal, cross / diagonal


def sweep(rows: Array, weights: Array, fixed: Array) -> None:
    """One pass of `hals_half` over the rows (k, n), in place, with the two `sweep_terms`.

    The minimiser is (cross_j - sum of gram_ji row_i over i != j) / gram_jj, which is what the sum
    below comes to. Where gram_jj is zero, the other factor's row is zero, and this one keeps its
    value and with it a chance to come back.
    """
    xp = array_api_compat.array_namespace(rows)
    zero = xp.zeros_like(rows[0, :])
    for j in range(rows.shape[0]):
        row = weights[j, :] @ rows
        row += fixed[j, :]
        rows[j, :] = xp.maximum(row, zero)


def sweep_each(rows: Array, weights: Array, fixed: Array) -> None:
    """The same without BLAS, whose last bits depend on how many columns there are and where."""
    xp = array_api_compat.array_namespace(rows)
    zero = xp.zeros_like(rows[0, :])
    for j, shares in enumerate(weights.tolist()):
        row = fixed[j, :]
        for i, share in enumerate(shares):
            row = row + share * rows[i, :]
        rows[j, :] = xp.maximum(row, zero)


def mu_half(rows: Array, gram: Array, cross: Array) -> None:
    """Multiply each entry by the ratio of the gradient's negative and positive parts."""
    xp = array_api_compat.array_namespace(rows)
    rows *= cross / xp.clip(gram @ rows, TINY, None)
    rows[:] = xp.clip(rows, FLOOR, None)
