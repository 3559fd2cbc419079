"""From region vectors to one descriptor, the same way for every family.

Region vectors -> l2 -> whiten -> l2 -> weighted sum -> l2. The cosine of two such descriptors is
a sum over pairs of regions, exactly, which is what `dff.explain` splits.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from dff.factorization import Factorization, factorize_activations
from dff.whitening import Whitening, l2_normalise

# Whitened regions may cancel: a sum this short beside its terms is rounding noise, and at unit
# length it would look like any other descriptor.
_CANCELLED = 1e-5


@dataclass(frozen=True, eq=False)
class View:
    """What a descriptor may look at: one picture, as the network sees it.

    activations: (channels, rows, columns) float32 >= 0. k, seed: of the factorization, which is
    made when a descriptor asks for it, once. class_weights (classes, channels) and class_bias
    (classes,): the classifier whose input is the mean of these activations, None without one.
    blocks: the channels of each layer where several are joined; none for a single layer.
    """

    activations: np.ndarray
    k: int = 4
    seed: int = 0
    class_weights: np.ndarray | None = None
    class_bias: np.ndarray | None = None
    blocks: tuple[int, ...] = ()

    @property
    def deepest(self) -> np.ndarray:
        """The activations of the last of the joined layers, (channels, rows, columns)."""
        return self.activations[-self.blocks[-1] :] if self.blocks else self.activations

    @cached_property
    def parts(self) -> Factorization:
        """The k parts of the picture."""
        return factorize_activations(self.activations, self.k, seed=self.seed)


@dataclass(frozen=True, eq=False)
class Regions:
    """The raw regions of one picture.

    vectors: (r, channels) float32, any length; all zero for a region that holds nothing. Not
        negative, except for those of `mop`, which are differences and have their own dimensions.
    weights: (r,) float32 >= 0, how much each counts in the sum.
    heatmaps: (r, rows, columns) float32 >= 0, where each is: a part's heatmap, the weight of
        every position in a pooling, or 1 inside a rectangle. None where they were not kept.
    members: (r, k) float32 >= 0, the share of each region in each of the k parts that the page
        shows, rows of sum 1; what a region adds to a score is credited to the parts by it. None
        where regions are shown as they are.
    """

    vectors: np.ndarray
    weights: np.ndarray
    heatmaps: np.ndarray | None = None
    members: np.ndarray | None = None

    def stored(self) -> "Regions":
        """The same at the precision an index keeps (half), so that a picture gives the same
        score whether it comes from a file or from the index.

        Vectors too long or too short for half precision are first scaled by a power of two:
        `describe` ignores their length, but not an infinity or a zero.
        """
        vectors = self.vectors.astype(np.float32)
        top = np.abs(vectors).max(axis=1, initial=0)
        _, exponent = np.frexp(top)
        # The largest entry of a unit vector of up to 65536 channels stays as it is.
        shift = np.where((top < 2.0**-8) | (top > 2.0**15), -exponent, 0)
        half = np.ldexp(vectors, shift[:, None]).astype(np.float16)
        return replace(
            self, vectors=half.astype(np.float32), weights=self.weights.astype(np.float32)
        )


@dataclass(frozen=True, eq=False)
class Described:
    """Whitened regions and their sum.

    regions: (r, dimensions) float32, unit rows (zero for empty regions). weights: (r,) float32,
    already divided by the length of the weighted sum, so that `vector` has unit length and
    contribution (i, j) of two pictures is weights_i * weights_j * <region_i, region_j>. members:
    as in `Regions`.
    """

    regions: np.ndarray
    weights: np.ndarray
    members: np.ndarray | None = None

    @property
    def vector(self) -> np.ndarray:
        """The descriptor, (dimensions,) float32 of unit length; zero if all regions are empty or
        cancel each other."""
        total: np.ndarray = self.weights @ self.regions
        return total


def whole(view: View) -> np.ndarray:
    """The heatmap (1, rows, columns) of a region that is the whole picture, evenly."""
    return np.ones((1, *view.activations.shape[1:]), np.float32)


def balanced(regions: Regions, blocks: tuple[int, ...]) -> Regions:
    """Regions in which every joined layer has the same say: its channels at unit length.

    Without it the layer with the stronger maxima decides: measured in docs/evaluation.md.
    """
    if len(blocks) < 2 or regions.vectors.shape[1] != sum(blocks):
        return regions
    parts = np.split(regions.vectors, np.cumsum(blocks)[:-1], axis=1)
    return replace(regions, vectors=np.concatenate([l2_normalise(part) for part in parts], axis=1))


def classifier(view: View) -> tuple[np.ndarray, np.ndarray]:
    """`class_weights` (classes, channels) and `class_bias` (classes,) of a view.

    Raises ValueError if it has none.
    """
    if view.class_weights is None or view.class_bias is None:
        raise ValueError(
            "class_weights: expected a classifier whose input is the mean of these activations, "
            "got none; choose the network's last layer, or a descriptor that needs no classes"
        )
    return view.class_weights, view.class_bias


def describe(regions: Regions, whitening: Whitening) -> Described:
    """Whiten the regions of one picture and scale their weights to a sum of unit length.

    Raises ValueError for vectors that are not finite or of another length than the whitening's,
    and unless there is one finite weight >= 0 for each.
    """
    return scaled(whitening.apply(regions.vectors), regions.weights, regions.members)


def scaled(vectors: np.ndarray, weights: np.ndarray, members: np.ndarray | None) -> Described:
    """The same from regions that are whitened already, (r, dimensions) float32."""
    given = weights
    weights = given.astype(np.float64)
    if weights.shape != vectors.shape[:1] or not (np.isfinite(weights) & (weights >= 0)).all():
        raise ValueError(f"weights: expected {len(vectors)} finite numbers >= 0, got {given}")
    total = float(np.linalg.norm(weights @ vectors))
    scale = 1 / total if total > _CANCELLED * weights.sum() else 0.0
    return Described(vectors, (weights * scale).astype(np.float32), members)
