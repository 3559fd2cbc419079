"""What the modules of the factorization share: checks of arguments, and copies of arrays.

Every function takes NumPy arrays or torch tensors.
"""

import math
import operator
from typing import Any

import array_api_compat

Array = Any  # a NumPy array or a torch tensor

# Lower bound of multiplicative updates, for data scaled to a maximum near 1: they cannot
# leave zero, and they slow down tenfold on denormal numbers. Its square is still a normal
# float32.
FLOOR = 1e-12

# Denominators never fall below this, about the smallest normal float32. Only parts that have
# vanished come so low, and then the numerator is zero: they are left as they are.
TINY = 1e-37


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
    """Positions with a maximum in [0.5, 1), and what they were divided by.

    It is a power of two: the division is exact. No square can then overflow or underflow.
    """
    xp = array_api_compat.array_namespace(positions)
    scale = 2.0 ** math.frexp(float(xp.max(positions)))[1]
    return positions / scale, scale


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
    """``rows @ matrix.T``, written as tall times thin, which BLAS does 2-3 times faster."""
    return copy_rows((matrix @ rows.T).T)
