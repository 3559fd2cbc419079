"""Starting points of the factorization: random, or from singular vectors (NNDSVD)."""

import math
from functools import lru_cache

import array_api_compat
import numpy as np

from dff.nmf_arrays import (
    Array,
    as_count,
    as_matrix,
    check_nonnegative,
    like,
    row_products,
    scaled,
)

SVD_INITS = ("nndsvd", "nndsvda")
INITS = ("random", *SVD_INITS)

# On real activations either SVD start ends about as low as the best of three random ones, and
# the parts are the same for every seed. Multiplicative updates need one without zeros.
DEFAULT_INIT = "nndsvda"

# Subspace iteration: on the activations of real networks, for k up to 10, its singular
# vectors then have cosines above 0.99 with the exact ones. A start needs no more.
OVERSAMPLING = 8
POWER_ITERATIONS = 4


def initialise(
    positions: Array, k: int, init: str = DEFAULT_INIT, seed: int = 0
) -> tuple[Array, Array]:
    """Starting point of the solvers: coefficients (n, k) and basis (k, channels).

    "random": absolute Gaussian noise times ``sqrt(mean(positions) / k)``, from a generator of
    its own seeded with `seed`. "nndsvd": from the leading singular vectors, of each the
    stronger of its positive and negative half (Boutsidis & Gallopoulos, "SVD based
    initialization", Pattern Recognition 2008). "nndsvda": the same with zeros replaced by the
    mean of `positions`. The latter two ignore `seed`.

    The definitions are scikit-learn's, with two differences. Values are taken for zero relative
    to the largest of their vector, not absolutely. And parts beyond the rank of `positions`
    start, and stay, at zero: they are dead, not copies of others.

    Raises ValueError for an unknown `init`, for k < 1 and for positions that are not a
    non-empty, finite, non-negative matrix.
    """
    positions, k = as_matrix(positions, "positions"), as_count(k, "k")
    check_init(init)
    return start(*scaled(positions), k, init, seed)


def start(
    unit: Array,
    scale: float,
    k: int,
    init: str,
    seed: int,
    space: tuple[Array, Array] | None = None,
) -> tuple[Array, Array]:
    """`initialise` of checked positions, given as ``scaled(positions)``.

    space: a `subspace` of theirs with k directions and more, where it is known already.
    """
    xp = array_api_compat.array_namespace(unit)
    mean = float(xp.mean(unit)) * scale
    if init == "random":
        return _random_start(unit, k, math.sqrt(mean / k), seed)
    block, shadow = space or subspace(unit, k + OVERSAMPLING, POWER_ITERATIONS)
    triplets = _leading_triplets(block, shadow, k)
    return _svd_start(unit, scale, k, triplets, fill=mean if init == "nndsvda" else 0.0)


def check_init(init: str) -> None:
    """Raise ValueError for a name that is not one of INITS."""
    if init not in INITS:
        raise ValueError(f"init must be one of {', '.join(INITS)}, got {init!r}")


def check_start(start: tuple[Array, Array], positions: Array, k: int) -> tuple[Array, Array]:
    """A given start in the library, dtype and device of `positions`; ValueError unless it is
    coefficients (n, k) and basis (k, channels), finite and non-negative."""
    coefficients, basis = start
    expected = (positions.shape[0], k), (k, positions.shape[1])
    got = tuple(coefficients.shape), tuple(basis.shape)
    if got != expected:
        raise ValueError(f"initial coefficients and basis must be {expected}, got {got}")
    check_nonnegative(coefficients, "initial coefficients")
    check_nonnegative(basis, "initial basis")
    return like(coefficients, positions), like(basis, positions)


def _random_start(unit: Array, k: int, spread: float, seed: int) -> tuple[Array, Array]:
    generator = np.random.default_rng(seed)
    coefficients = spread * np.abs(generator.standard_normal((unit.shape[0], k)))
    basis = spread * np.abs(generator.standard_normal((k, unit.shape[1])))
    return like(coefficients, unit), like(basis, unit)


def _svd_start(
    unit: Array, scale: float, k: int, triplets: tuple[Array, Array, Array], *, fill: float
) -> tuple[Array, Array]:
    xp = array_api_compat.array_namespace(unit)
    norm = xp.linalg.vector_norm
    coefficients = like(np.zeros((unit.shape[0], k)), unit)
    basis = like(np.zeros((k, unit.shape[1])), unit)
    left, values, right = triplets
    for j in range(values.shape[0]):
        # The stronger of the positive and the negative half of both vectors. (The leading
        # vectors of a non-negative matrix have one sign: there one half is everything.)
        vectors = left[j, :], right[j, :]
        halves = [[xp.maximum(sign * v, xp.zeros_like(v)) for v in vectors] for sign in (1, -1)]
        u, v = max(halves, key=lambda half: float(norm(half[0]) * norm(half[1])))
        # Both get the same length: the root of singular value times the halves' norms.
        value, ratio = values[j] * scale, norm(v) / norm(u)
        u, v = u * xp.sqrt(value * ratio), v * xp.sqrt(value / ratio)
        for vector in (u, v):
            vector[vector < 1e-6 * xp.max(vector)] = fill
        coefficients[:, j], basis[j, :] = u, v
    return coefficients, basis


def subspace(unit: Array, size: int, rounds: int) -> tuple[Array, Array]:
    """An orthonormal basis (r, n) of the strongest left directions of positions, r <= size, and
    its products with them, (r, channels).

    unit: positions (n, channels) with a maximum near 1. Subspace iteration from a fixed random
    start (Halko et al. 2011), so the answer is always the same. The start is drawn over channels:
    equal positions get equal entries.
    """
    size = min(size, *unit.shape)
    block = _orthonormal(row_products(like(_noise(unit.shape[1], size), unit).T, unit))
    for _ in range(rounds):
        block = _orthonormal(row_products(row_products(block, unit.T), unit))
    return block, row_products(block, unit.T)


def _leading_triplets(block: Array, shadow: Array, k: int) -> tuple[Array, Array, Array]:
    """Left vectors (r, n), singular values (r,) and right vectors (r, channels), r <= k, from a
    `subspace`. Values that are zero to working precision are left out."""
    xp = array_api_compat.array_namespace(shadow)
    # The singular vectors of the shadow, by those of a small matrix once its transpose is Q R.
    across, small = xp.linalg.qr(shadow.T)
    inner, values, turned = xp.linalg.svd(small.T, full_matrices=False)
    largest = max(block.shape[1], shadow.shape[1])
    rank = min(k, int(xp.sum(values > float(values[0]) * largest * xp.finfo(values.dtype).eps)))
    return inner[:, :rank].T @ block, values[:rank], turned[:rank, :] @ across.T


def _orthonormal(rows: Array) -> Array:
    """Orthonormal rows that span those of `rows`."""
    xp = array_api_compat.array_namespace(rows)
    return xp.linalg.qr(rows.T)[0].T


@lru_cache(maxsize=8)
def _noise(channels: int, size: int) -> np.ndarray:
    """The fixed random start; drawing it takes as long as several products with a picture."""
    return np.random.default_rng(0).standard_normal((channels, size))
