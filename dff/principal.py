"""Principal directions of unit vectors: what the ways to fit a whitening share."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

FLOOR = 1e-6  # relative eigenvalues are clipped here before the power: gain at most 1000
RANK = 1e-10  # below this a direction is rounding noise, and is left out
BLOCK = 4096  # rows taken to float64 at a time


@dataclass(frozen=True, eq=False)
class Principal:
    """The r directions that vectors span, the one of the largest variance first.

    mean: (channels,), variances: (r,), directions: (r, channels) unit rows, all float64.
    count: how many vectors were used.
    """

    mean: np.ndarray
    variances: np.ndarray
    directions: np.ndarray
    count: int


def check_fit(vectors: np.ndarray, power: float, dimensions: int | None) -> np.ndarray:
    """`vectors` as an array, or ValueError for what no whitening can be fitted with."""
    vectors = np.asarray(vectors)
    if vectors.ndim != 2:
        raise ValueError(f"vectors: expected (n, channels), got shape {vectors.shape}")
    if not 0 <= power <= 1:
        raise ValueError(f"power: expected 0 to 1 (0.5 is full whitening), got {power}")
    if dimensions is not None and dimensions < 1:
        raise ValueError(f"dimensions: expected at least 1, got {dimensions}")
    check_finite(vectors)
    return vectors


def check_finite(vectors: np.ndarray) -> None:
    """ValueError for NaN or infinity."""
    if not np.isfinite(vectors).all():
        raise ValueError("vectors: expected finite numbers, got NaN or infinity")


def principal(vectors: np.ndarray) -> Principal:
    """Mean and principal directions of (n, channels) vectors at unit length.

    Rows of zeros are left out. At most min(count - 1, channels) directions come out, fewer when
    the vectors span fewer. Raises ValueError for fewer than two different directions.
    """
    count = int(vectors.any(axis=1).sum())
    if count < 2:
        raise ValueError(f"vectors: expected at least 2 rows that are not zero, got {count}")
    channels = vectors.shape[1]
    mean = np.zeros(channels)
    for block in _alive(vectors):
        mean += block.sum(axis=0)
    mean /= count
    covariance = np.zeros((channels, channels))
    for block in _alive(vectors):
        centred = block - mean
        covariance += centred.T @ centred
    variances, directions = eigen(covariance / (count - 1))
    if variances[0] <= 0 or np.sqrt(variances[0]) < FLOOR:
        raise ValueError(
            f"vectors: all {count} rows point in the same direction, there is no variance to "
            "whiten; give vectors of more regions"
        )
    kept = min(count - 1, int((variances > RANK * variances[0]).sum()))
    return Principal(mean, variances[:kept], positive_signs(directions[:kept]), count)


def eigen(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (r,) of a symmetric matrix in descending order, and its vectors, one a row."""
    values, columns = np.linalg.eigh(matrix)
    return values[::-1], columns.T[::-1]


def positive_signs(rows: np.ndarray) -> np.ndarray:
    """Rows whose largest entry is positive: the sign of a direction is arbitrary, and two
    machines must store the same arrays."""
    largest = np.abs(rows).argmax(axis=1)
    return rows * np.where(rows[np.arange(len(rows)), largest] < 0, -1.0, 1.0)[:, None]


def gains(variances: np.ndarray, power: float) -> np.ndarray:
    """(variance / largest) ** -power, descending variances (r,) in, at most 1000 ** (2 power)."""
    clipped: np.ndarray = np.maximum(variances / variances[0], FLOOR)
    return clipped**-power


def unit64(vectors: np.ndarray) -> np.ndarray:
    """Rows at unit length in float64; rows of zeros stay zeros."""
    block = np.asarray(vectors, np.float64)
    norms = np.linalg.norm(block, axis=1, keepdims=True)
    return block / np.where(norms > 0, norms, 1)


def _alive(vectors: np.ndarray) -> Iterator[np.ndarray]:
    """The non-zero rows at unit length, float64, in blocks."""
    for start in range(0, len(vectors), BLOCK):
        block = unit64(vectors[start : start + BLOCK])
        yield block[block.any(axis=1)]
