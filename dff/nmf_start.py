"""Starting points of the factorization: random, or from singular vectors (NNDSVD)."""

import math

import array_api_compat
import numpy as np

from dff.nmf_arrays import Array, as_count, as_matrix, check_nonnegative, like, scaled

INITS = ("random", "nndsvd", "nndsvda")

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
    positions = as_matrix(positions, "positions")
    k = as_count(k, "k")
    if init not in INITS:
        raise ValueError(f"init must be one of {', '.join(INITS)}, got {init!r}")
    if init == "random":
        return _random_start(positions, k, seed)
    xp = array_api_compat.array_namespace(positions)
    return _svd_start(positions, k, fill=float(xp.mean(positions)) if init == "nndsvda" else 0.0)


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


def _random_start(positions: Array, k: int, seed: int) -> tuple[Array, Array]:
    xp = array_api_compat.array_namespace(positions)
    generator = np.random.default_rng(seed)
    spread = math.sqrt(float(xp.mean(positions)) / k)
    coefficients = spread * np.abs(generator.standard_normal((positions.shape[0], k)))
    basis = spread * np.abs(generator.standard_normal((k, positions.shape[1])))
    return like(coefficients, positions), like(basis, positions)


def _svd_start(positions: Array, k: int, *, fill: float) -> tuple[Array, Array]:
    xp = array_api_compat.array_namespace(positions)
    norm = xp.linalg.vector_norm
    coefficients = like(np.zeros((positions.shape[0], k)), positions)
    basis = like(np.zeros((k, positions.shape[1])), positions)
    left, values, right = _leading_triplets(positions, k)
    for j in range(values.shape[0]):
        # The stronger of the positive and the negative half of both vectors. (The leading
        # vectors of a non-negative matrix have one sign: there one half is everything.)
        vectors = left[:, j], right[j, :]
        halves = [[xp.clip(sign * v, 0, None) for v in vectors] for sign in (1, -1)]
        u, v = max(halves, key=lambda half: float(norm(half[0]) * norm(half[1])))
        # Both get the same length: the root of singular value times the halves' norms.
        ratio = norm(v) / norm(u)
        u, v = u * xp.sqrt(values[j] * ratio), v * xp.sqrt(values[j] / ratio)
        for vector in (u, v):
            vector[vector < 1e-6 * xp.max(vector)] = fill
        coefficients[:, j], basis[j, :] = u, v
    return coefficients, basis


def _leading_triplets(positions: Array, k: int) -> tuple[Array, Array, Array]:
    """Left vectors (n, r), singular values (r,) and right vectors (r, channels), r <= k.

    Block subspace iteration from a fixed random start (Halko et al. 2011), so the answer is
    always the same. The start is drawn over channels: equal positions get equal entries.
    Values that are zero to working precision are left out.
    """
    xp = array_api_compat.array_namespace(positions)
    positions, scale = scaled(positions)
    n, channels = positions.shape
    start = np.random.default_rng(0).standard_normal((channels, min(n, channels, k + OVERSAMPLING)))
    block = xp.linalg.qr(positions @ like(start, positions))[0]
    for _ in range(POWER_ITERATIONS):
        block = xp.linalg.qr(positions @ (positions.T @ block))[0]
    inner, values, right = xp.linalg.svd(block.T @ positions, full_matrices=False)
    smallest = float(values[0]) * max(n, channels) * xp.finfo(values.dtype).eps
    rank = min(k, int(xp.sum(values > smallest)))
    return block @ inner[:, :rank], values[:rank] * scale, right[:rank, :]
