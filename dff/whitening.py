"""Whitening of region vectors: PCA with a power, fitted once, stored with where it came from.

A region vector x becomes l2(P (l2(x) - mean)), where the rows of P are the principal directions
of the training vectors, each scaled by (eigenvalue / largest eigenvalue)^-power. Power 1/2 is
the full whitening of Jégou & Chum (ECCV 2012), power 0 a rotation, and the values between them
shrink frequent directions more gently, which is safer when few vectors were seen.
`dff.whitening_pairs` fits one on pairs of vectors that match.
"""

import hashlib
import io
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from dff.principal import check_finite, check_fit, gains, principal

VERSION = 1
_FILE = "whitening.json"


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
        vectors = check_fit(vectors, power, dimensions)
        if power == 0 and dimensions is None:
            facts = {"count": int(vectors.any(axis=1).sum()), **(provenance or {})}
            return cls.identity(vectors.shape[1], facts)
        found = principal(vectors)
        kept = min(dimensions or len(found.variances), len(found.variances))
        projection = gains(found.variances, power)[:kept, None] * found.directions[:kept]
        facts = {"count": found.count, **(provenance or {})}
        return cls(
            found.mean.astype(np.float32),
            projection.astype(np.float32),
            float(power),
            kept,
            facts,
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
        check_finite(vectors)
        unit = l2_normalise(vectors)
        if self.projection is None:
            return unit
        alive = unit.any(axis=-1, keepdims=True)
        return l2_normalise(((unit - self.mean) * alive) @ self.projection.T)

    def stored(self) -> Self:
        """The same at half precision: half the space on disk, and equal vectors before and after
        saving. Itself where half precision would overflow."""
        with np.errstate(over="ignore"):
            rows = self._rows().astype(np.float16).astype(np.float32)
        if not np.isfinite(rows).all():
            return self
        return replace(self, mean=rows[0], projection=rows[1:] if len(rows) > 1 else None)

    def _rows(self) -> np.ndarray:
        """The mean, then the projection, row by row: (1 + dimensions, channels) float32."""
        rows = [self.mean[None]] + ([] if self.projection is None else [self.projection])
        return np.concatenate(rows).astype("<f4")

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write `whitening.json` and one `.npy` (the mean, then the projection, row by row), at
        half precision where that is exact (see `stored`).

        The array's name holds its hash and the JSON is replaced last, so a reader finds either
        the old whitening or the new one, whenever the writing stops.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        rows = self._rows()
        with np.errstate(over="ignore"):
            half = rows.astype("<f2")
        buffer = io.BytesIO()
        exact = np.array_equal(half.astype("<f4"), rows)
        np.save(buffer, half if exact else rows, allow_pickle=False)
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
            # Not np.load: it takes archives of arrays, too.
            rows = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
            known = rows.dtype in (np.float16, np.float32)
            if not known or rows.ndim != 2 or not np.isfinite(rows).all():
                raise ValueError(f"expected a finite 2-D float array, got {rows.dtype}")
            rows = rows.astype(np.float32)
            projection = None if facts["identity"] else rows[1:]
            return cls(
                rows[0],
                projection,
                float(facts["power"]),
                int(facts["dimensions"]),
                dict(facts["provenance"]),
            )
        except Exception as error:  # NumPy raises nearly every type there is for strange headers
            raise ValueError(
                f"no usable whitening in {path} ({type(error).__name__}: {error}); fit it again"
            ) from error


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
