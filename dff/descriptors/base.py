"""From region vectors to one descriptor, the same way for every family.

Region vectors -> l2 -> whiten -> l2 -> weighted sum -> l2. The cosine of two such descriptors is
a sum over pairs of regions, exactly, which is what `dff.explain` splits.
"""

from dataclasses import dataclass

import numpy as np

from dff.whitening import Whitening

# Whitened regions may cancel: a sum this short beside its terms is rounding noise, and at unit
# length it would look like any other descriptor.
_CANCELLED = 1e-5


@dataclass(frozen=True, eq=False)
class Regions:
    """The raw regions of one picture.

    vectors: (r, channels) float32 >= 0, any length; all zero for a region that holds nothing.
    weights: (r,) float32 >= 0, how much each counts in the sum.
    """

    vectors: np.ndarray
    weights: np.ndarray

    def stored(self) -> "Regions":
        """The same at the precision an index keeps (half), so that a picture gives the same
        score whether it comes from a file or from the index.

        Vectors too long or too short for half precision are first scaled by a power of two:
        `describe` ignores their length, but not an infinity or a zero.
        """
        vectors = self.vectors.astype(np.float32)
        top = vectors.max(axis=1, initial=0)
        _, exponent = np.frexp(top)
        # The largest entry of a unit vector of up to 65536 channels stays as it is.
        shift = np.where((top < 2.0**-8) | (top > 2.0**15), -exponent, 0)
        half = np.ldexp(vectors, shift[:, None]).astype(np.float16)
        return Regions(half.astype(np.float32), self.weights.astype(np.float32))


@dataclass(frozen=True, eq=False)
class Described:
    """Whitened regions and their sum.

    regions: (r, dimensions) float32, unit rows (zero for empty regions). weights: (r,) float32,
    already divided by the length of the weighted sum, so that `vector` has unit length and
    contribution (i, j) of two pictures is weights_i * weights_j * <region_i, region_j>.
    """

    regions: np.ndarray
    weights: np.ndarray

    @property
    def vector(self) -> np.ndarray:
        """The descriptor, (dimensions,) float32 of unit length; zero if all regions are empty or
        cancel each other."""
        total: np.ndarray = self.weights @ self.regions
        return total


def describe(regions: Regions, whitening: Whitening) -> Described:
    """Whiten the regions of one picture and scale their weights to a sum of unit length.

    Raises ValueError for vectors that are not finite or of another length than the whitening's,
    and unless there is one finite weight >= 0 for each.
    """
    vectors = whitening.apply(regions.vectors)
    weights = regions.weights.astype(np.float64)
    if weights.shape != vectors.shape[:1] or not (np.isfinite(weights) & (weights >= 0)).all():
        raise ValueError(
            f"weights: expected {len(vectors)} finite numbers >= 0, got {regions.weights}"
        )
    total = float(np.linalg.norm(weights @ vectors))
    scale = 1 / total if total > _CANCELLED * weights.sum() else 0.0
    return Described(vectors, (weights * scale).astype(np.float32))
