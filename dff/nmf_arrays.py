"""What the modules of the factorization share: checks of arguments, and copies of arrays.

Every function takes NumPy arrays or torch tensors.
"""

import math
import operator
from collections.abc import Iterator
from typing import Any

import array_api_compat
import numpy as np

Array = Any  # a NumPy array or a torch tensor

# Lower bound of multiplicative updates, for data scaled to a maximum near 1: they cannot
# leave zero, and they slow down tenfold on denormal numbers. Its square is still a normal
# float32.
FLOOR = 1e-12

# Denominators never fall below this, about the smallest normal float32. Only parts that have
# vanished come so low, and then the numerator is zero: they are left as they are.
TINY = 1e-37

# OpenBLAS, NumPy's BLAS, first copies both operands of a product into its own order; with at
# most this many multiplications it does not, where the processor has AVX-512. A product with
# few rows then takes half the time; with more than THIN it gains nothing.
BLOCK = 1_000_000
THIN = 16
PIECE = 65_536  # values whose squares are summed in their own precision


def check_nonnegative(array: Array, name: str, hint: str = "") -> None:
    """Raise ValueError unless `array` has values and all are finite and at least 0.

    name: how the message calls the array; hint: what to do about negative values.
    """
    xp = array_api_compat.array_namespace(array)
    if 0 in array.shape:
        raise ValueError(f"{name} must not be empty, got shape {tuple(array.shape)}")
    low, high = float(xp.min(array)), float(xp.max(array))
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"{name} must be finite, got NaN or infinite values")
    if low < 0:
        raise ValueError(f"{name} must be non-negative, got values down to {low:.4g}{hint}")


def as_matrix(array: Array, name: str) -> Array:
    """`array`, or float32 if it is neither float32 nor float64; ValueError unless it is a
    non-empty, finite, non-negative matrix."""
    xp = array_api_compat.array_namespace(array)
    if array.ndim != 2:
        raise ValueError(f"{name} must be a matrix (2-D), got shape {tuple(array.shape)}")
    check_nonnegative(array, name)
    return array if array.dtype in (xp.float32, xp.float64) else xp.astype(array, xp.float32)


def as_count(value: int, name: str) -> int:
    """`value` as int; ValueError unless it is a whole number of at least 1."""
    try:
        count = operator.index(value)
    except TypeError:
        count = 0
    if count < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
    return count


def scaled(positions: Array) -> tuple[Array, float]:
    """Positions with a maximum near 1, and what they were divided by; (zeros, 0) for zeros.

    It is a power of two: the division is exact. No square can then overflow or underflow. What
    is near enough to 1 stays as it is.
    """
    xp = array_api_compat.array_namespace(positions)
    top = float(xp.max(positions))
    if top == 0:
        return positions, 0.0
    exponent = math.frexp(top)[1]
    if abs(exponent) <= 8:
        return positions, 1.0
    return positions / 2.0**exponent, 2.0**exponent


def like(array: Array, other: Array) -> Array:
    """`array` in the library, dtype and device of `other`."""
    xp = array_api_compat.array_namespace(other)
    return xp.asarray(array, dtype=other.dtype, device=array_api_compat.device(other))


def copy_rows(array: Array) -> Array:
    """A copy with contiguous rows, whatever the strides of `array`."""
    xp = array_api_compat.array_namespace(array)
    copy = xp.empty(array.shape, dtype=array.dtype, device=array_api_compat.device(array))
    copy[:] = array
    return copy


def row_products(rows: Array, matrix: Array) -> Array:
    """``rows @ matrix.T``, (k, m) with contiguous rows, for rows (k, c) and a matrix (m, c).

    The factorization spends most of its time here. NumPy matrices are taken block by block in the
    order in which they lie in memory, whether their rows are contiguous or their columns.
    """
    if array_api_compat.is_numpy_array(matrix):
        if matrix.flags.c_contiguous:
            return _by_rows(rows, matrix)
        if matrix.flags.f_contiguous:
            return _by_columns(rows, matrix.T)
    return copy_rows((matrix @ rows.T).T)


def square_sum(matrix: Array) -> float:
    """The sum of squares: of each piece in the matrix's own precision, of pieces in float64."""
    if not array_api_compat.is_numpy_array(matrix):
        xp = array_api_compat.array_namespace(matrix)
        return float(xp.sum(matrix * matrix, dtype=xp.float64))
    flat = matrix.ravel(order="K")
    pieces = (flat[start : start + PIECE] for start in range(0, flat.size, PIECE))
    return sum(float(piece @ piece) for piece in pieces)


def blocks(count: int, cost: int, rows: int = 1) -> Iterator[slice]:
    """Slices of range(count) for products with `rows` rows, where one item costs `cost`
    multiplications: of at most BLOCK each, or a single one for more than THIN rows."""
    step = count if rows > THIN else max(1, BLOCK // cost)
    step -= step % 8 if step > 8 else 0  # whole vectors of float32 on AVX2
    return (slice(start, start + step) for start in range(0, count, step))


def _by_rows(rows: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    thin = np.ascontiguousarray(rows.T)
    found = np.empty((len(matrix), len(rows)), np.result_type(rows, matrix))
    for some in blocks(len(matrix), thin.size, len(rows)):
        np.matmul(matrix[some], thin, out=found[some])
    return np.ascontiguousarray(found.T)


def _by_columns(rows: np.ndarray, turned: np.ndarray) -> np.ndarray:
    """The same with turned = matrix.T, (c, m) with contiguous rows: a sum over blocks of them."""
    found = np.zeros((len(rows), turned.shape[1]), np.result_type(rows, turned))
    for some in blocks(len(turned), found.size, len(rows)):
        found += rows[:, some] @ turned[some]
    return found
