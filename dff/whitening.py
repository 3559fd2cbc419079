"""Whitening of region vectors: PCA with a power, fitted once, stored with where it came from.

A region vector x becomes l2(P (l2(x) - mean)), where the rows of P are the principal directions
of the training vectors, each scaled by (eigenvalue / largest eigenvalue)^-power. Power 1/2 is
the full whitening of Jégou & Chum (ECCV 2012), power 0 a rotation, and the values between them
shrink frequent directions more gently, which is safer when few vectors were seen.
"""

import hashlib
import io
import json
import math
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

FLOOR = 1e-6  # relative eigenvalues are clipped here before the power: gain at most 1000
RANK = 1e-10  # below this a direction is rounding noise, and is left out
VERSION = 1
_FILE = "whitening.json"
_BLOCK = 4096  # rows taken to float64 at a time


def l2_normalise(vectors: np.ndarray) -> np.ndarray:
    """Unit rows: (..., C) -> (..., C) float32. Rows of zeros stay zeros."""
    vectors = np.asarray(vectors)
    norms = np.sqrt(np.einsum("...c,...c->...", vectors, vectors, dtype=np.float64))[..., None]
    unit: np.ndarray = np.divide(
        vectors,
        norms,
        out=np.zeros(vectors.shape, np.float32),
        where=norms > 0,
        casting="same_kind",
    )
    return unit


@dataclass(frozen=True, eq=False)
class Whitening:
    """A fitted whitening: plain arrays and where they come from.

    Attributes:
        mean: (channels,) float32, the mean of the unit training vectors.
        projection: (dimensions, channels) float32, or None for the identity.
        power: 0 = rotation only, 1/2 = full whitening.
        dimensions: length of the vectors that come out.
        provenance: JSON-able facts: what it was fitted on, how many vectors, backbone, layer.
    """

    mean: np.ndarray
    projection: np.ndarray | None
    power: float
    dimensions: int
    provenance: dict[str, Any]

    def __post_init__(self) -> None:
        expected = (self.dimensions, self.channels)
        if self.mean.ndim != 1:
            raise ValueError(f"mean: expected shape (channels,), got {self.mean.shape}")
        if self.projection is None and self.dimensions != self.channels:
            raise ValueError(f"identity: expected {self.channels} dimensions, got {expected[0]}")
        if self.projection is not None and self.projection.shape != expected:
            raise ValueError(f"projection: expected {expected}, got {self.projection.shape}")

    @property
    def channels(self) -> int:
        """Length of the vectors that go in."""
        return len(self.mean)

    @classmethod
    def identity(cls, channels: int, provenance: Mapping[str, Any] | None = None) -> Self:
        """No whitening: `apply` only brings vectors to unit length."""
        if channels < 1:
            raise ValueError(f"channels: expected at least 1, got {channels}")
        return cls(np.zeros(channels, np.float32), None, 0.0, channels, dict(provenance or {}))

    @classmethod
    def fit(
        cls,
        vectors: np.ndarray,
        power: float,
        dimensions: int | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> Self:
        """Fit on (n, channels) vectors; rows of zeros (dead regions) are left out.

        Power 0 without a dimension is the identity. Otherwise at most min(n - 1, channels)
        directions come out, fewer when the vectors span fewer: a direction without variance
        holds nothing, and full whitening would amplify its rounding noise a thousandfold.
        `provenance` is kept beside "count" (rows used).

        Raises:
            ValueError: vectors not 2-D or not finite, power outside 0..1, dimensions under 1,
                fewer than two different directions among the vectors.
        """
        vectors = np.asarray(vectors)
        if vectors.ndim != 2:
            raise ValueError(f"vectors: expected (n, channels), got shape {vectors.shape}")
        if not 0 <= power <= 1:
            raise ValueError(f"power: expected 0 to 1 (0.5 is full whitening), got {power}")
        if dimensions is not None and dimensions < 1:
            raise ValueError(f"dimensions: expected at least 1, got {dimensions}")
        _check_finite(vectors)
        count = int(vectors.any(axis=1).sum())
        facts = {"count": count, **(provenance or {})}
        if power == 0 and dimensions is None:
            return cls.identity(vectors.shape[1], facts)
        if count < 2:
            raise ValueError(f"vectors: expected at least 2 rows that are not zero, got {count}")
        mean, values, directions = _principal(vectors, count)
        if values[0] <= 0 or math.sqrt(values[0]) < FLOOR:
            raise ValueError(
                f"vectors: all {count} rows point in the same direction, there is no variance to "
                "whiten; give vectors of more regions"
            )
        relative = values / values[0]
        kept = min(dimensions or len(relative), count - 1, int((relative > RANK).sum()))
        gain = np.maximum(relative[:kept], FLOOR) ** -power
        projection = gain[:, None] * directions[:kept]
        return cls(
            mean.astype(np.float32), projection.astype(np.float32), float(power), kept, facts
        )

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """Whitened unit vectors: (..., channels) -> (..., dimensions) float32.

        l2, minus the mean, projection, l2. Rows of zeros stay zeros.
        """
        vectors = np.asarray(vectors)
        if vectors.ndim < 1 or vectors.shape[-1] != self.channels:
            raise ValueError(
                f"vectors: expected (..., {self.channels}), got shape {vectors.shape}; "
                "the whitening was fitted on another layer or backbone"
            )
        _check_finite(vectors)
        unit = l2_normalise(vectors)
        if self.projection is None:
            return unit
        alive = unit.any(axis=-1, keepdims=True)
        return l2_normalise(((unit - self.mean) * alive) @ self.projection.T)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write `whitening.json` and one `.npy` (the mean, then the projection, row by row).

        The array's name holds its hash and the JSON is replaced last, so a reader finds either
        the old whitening or the new one, whenever the writing stops.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        rows = [self.mean[None]] + ([] if self.projection is None else [self.projection])
        buffer = io.BytesIO()
        np.save(buffer, np.concatenate(rows).astype("<f4"), allow_pickle=False)
        digest = hashlib.sha256(buffer.getvalue()).hexdigest()
        array = f"whitening-{digest[:16]}.npy"
        facts = {
            "version": VERSION,
            "power": self.power,
            "dimensions": self.dimensions,
            "channels": self.channels,
            "identity": self.projection is None,
            "array": array,
            "sha256": digest,
            "provenance": self.provenance,
        }
        text = json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        _replace(folder / array, buffer.getvalue())
        _replace(folder / _FILE, text.encode())
        for old in folder.glob("whitening-*.npy"):
            if old.name != array:
                old.unlink(missing_ok=True)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote; ValueError where it is missing, damaged or of another version."""
        path = Path(folder) / _FILE
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(facts, dict) or facts.get("version") != VERSION:
                raise ValueError(f"expected version {VERSION}")
            # Only a plain name: a stored path may not lead out of the folder.
            data = (path.parent / Path(facts["array"]).name).read_bytes()
            if hashlib.sha256(data).hexdigest() != facts["sha256"]:
                raise ValueError("the array does not have the recorded sha256")
            rows = np.load(io.BytesIO(data), allow_pickle=False)
            if rows.dtype != np.float32 or rows.ndim != 2 or not np.isfinite(rows).all():
                raise ValueError(f"expected a finite 2-D float32 array, got {rows.dtype}")
            projection = None if facts["identity"] else rows[1:]
            return cls(
                rows[0],
                projection,
                float(facts["power"]),
                int(facts["dimensions"]),
                dict(facts["provenance"]),
            )
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise ValueError(
                f"no usable whitening in {path} ({type(error).__name__}: {error}); fit it again"
            ) from error


def _check_finite(vectors: np.ndarray) -> None:
    if not np.isfinite(vectors).all():
        raise ValueError("vectors: expected finite numbers, got NaN or infinity")


def _units(vectors: np.ndarray) -> Iterator[np.ndarray]:
    """The non-zero rows at unit length, float64, in blocks."""
    for start in range(0, len(vectors), _BLOCK):
        block = np.asarray(vectors[start : start + _BLOCK], np.float64)
        norms = np.linalg.norm(block, axis=1, keepdims=True)
        alive = norms[:, 0] > 0
        yield block[alive] / norms[alive]


def _principal(vectors: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (C,), variances (C,) in descending order and directions (C, C), one a row."""
    channels = vectors.shape[1]
    mean = np.zeros(channels)
    for block in _units(vectors):
        mean += block.sum(axis=0)
    mean /= count
    covariance = np.zeros((channels, channels))
    for block in _units(vectors):
        centred = block - mean
        covariance += centred.T @ centred
    values, columns = np.linalg.eigh(covariance / (count - 1))
    values, directions = values[::-1], columns.T[::-1]
    # A direction's sign is arbitrary: its largest entry is made positive, so that two machines
    # store the same arrays.
    largest = np.abs(directions).argmax(axis=1)
    signs = np.where(directions[np.arange(channels), largest] < 0, -1.0, 1.0)
    return mean, values, directions * signs[:, None]


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
