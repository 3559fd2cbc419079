"""The landmark pairs of the sample photos, with stored factors, for the localisation benchmarks.

A pair is an ordered pair of photos of one landmark, both with a box in photos.csv (32 pairs): the
box of the query is given, the box of the other is found. IoU is that of the boxes, CorLoc the
share of pairs with an IoU of at least 0.5. Stored factors are at the precision of an index.
"""

from collections.abc import Callable
from functools import cached_property

import numpy as np
from common import (
    Store,
    activations_of,
    fit,
    network,
    rankings,
    sample_photos,
    vectors_of,
)

from dff.backbones import Backbone
from dff.descriptors import Regions
from dff.factorization import factorize_activations, factorize_jointly
from dff.geometry import Box, fit_size, grid_extent
from dff.images import crop
from dff.index.build import DETAIL_K
from dff.index.store import DIMENSIONS, POWER
from dff.localization import (
    locate,
    region_of_interest,
)
from dff.parts import Parts

K = 4
SIZE = 512
THRESHOLDS = (0.2, 0.25, 0.3, 0.35)
RESULTS = 12  # pictures on the screen beside the query

Found = tuple[np.ndarray, Parts]  # a heatmap and the picture it belongs to
Method = Callable[[int, int], Found]


class Scenes:
    """The sample photos with their activations and stored factors."""

    def __init__(self, store: Store) -> None:
        self.landmarks, self.category = sample_photos()
        self.backbone = network()
        self.store = store
        self.boxes = self.landmarks.boxes
        boxed = [int(row) for row in self.landmarks.queries if self.boxes[row]]
        labels = self.landmarks.labels
        self.pairs = [(i, j) for i in boxed for j in boxed if i != j and labels[i] == labels[j]]
        self.asked = sorted({i for i, _ in self.pairs})
        self._parts: dict[tuple[int, int], Parts] = {}

    @cached_property
    def activations(self) -> dict[int, np.ndarray]:
        return activations_of(self.category, range(len(self.category.files)), self.backbone)

    @cached_property
    def sizes(self) -> dict[int, tuple[int, int]]:
        rows = range(len(self.category.files))
        return {row: self.category.picture(row).shape[1::-1] for row in rows}

    @cached_property
    def regions(self) -> list[Regions]:
        return self.store.regions(self.landmarks, self.backbone, ["dff4"])["dff4"]

    @cached_property
    def results(self) -> dict[int, list[int]]:
        """For each query its 12 first results; the landmark's other photos are among them."""
        vectors = vectors_of(self.regions, fit(self.regions, POWER, DIMENSIONS))
        found = {}
        for row, order, relevant in rankings(self.landmarks, vectors):
            wanted = [int(r) for r in order[relevant]]
            others = [int(r) for r in order if r not in wanted]
            found[row] = [*wanted, *others][:RESULTS]
        return found

    def parts(self, row: int, k: int) -> Parts:
        """A picture's k factors as an index gives them back."""
        if (row, k) not in self._parts:
            self._parts[row, k] = stored(
                parts_of(self.activations[row], k, self.sizes[row], self.backbone)
            )
        return self._parts[row, k]

    def detail(self, row: int) -> Parts:
        return self.parts(row, DETAIL_K)

    def interest(self, row: int, k: int) -> np.ndarray:
        """What a landmark's box says of its picture's k parts."""
        return region_of_interest(self.parts(row, k), self.boxes[row])

    def scores(self, method: Method) -> list[tuple[float, float]]:
        """(mean IoU, CorLoc in percent) at each threshold."""
        found = [(*method(i, j), self.boxes[j]) for i, j in self.pairs]
        rows = []
        for threshold in THRESHOLDS:
            ious = np.array(
                [iou(locate(p, heat, threshold=threshold).box, true) for heat, p, true in found]
            )
            rows.append((float(ious.mean()), 100 * float((ious >= 0.5).mean())))
        return rows


def parts_of(activations: np.ndarray, k: int, size: tuple[int, int], backbone: Backbone) -> Parts:
    """The k factors of a whole picture of `size` (width, height)."""
    factors = factorize_activations(activations, k)
    extent = grid_extent(factors.grid, backbone.stride, fit_size(*size, SIZE))
    return Parts.of(factors, size, extent, None)


def stored(parts: Parts) -> Parts:
    """At the half precision of an index."""
    half = parts.heatmaps.astype(np.float16).astype(np.float32)
    basis = parts.basis.astype(np.float16).astype(np.float32)
    return Parts(half, basis, parts.energy, parts.width, parts.height, parts.extent)


def crop_parts(picture: np.ndarray, box: Box, size: int, backbone: Backbone) -> Parts:
    """The k factors of a crop, seen at `size`: what the package does with a box."""
    shown = crop(picture, box)
    factors = factorize_activations(backbone.activations(shown, size), K)
    input_size = fit_size(shown.shape[1], shown.shape[0], size)
    extent = grid_extent(factors.grid, backbone.stride, input_size)
    return Parts.of(factors, (picture.shape[1], picture.shape[0]), extent, box)


def boxed_query(scenes: Scenes, row: int, size: int) -> Parts:
    """A landmark photo's box as a query of its own."""
    picture, box = scenes.landmarks.picture(row), scenes.boxes[row]
    return crop_parts(picture, box, size, scenes.backbone)


def iou(found: Box | None, true: Box) -> float:
    """Intersection over union of two boxes; 0 where nothing was found."""
    if found is None:
        return 0.0
    across = max(0, min(found[2], true[2]) - max(found[0], true[0]))
    down = max(0, min(found[3], true[3]) - max(found[1], true[1]))
    areas = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (found, true)]
    return across * down / (sum(areas) - across * down)


def weighted(parts: Parts, weights: np.ndarray) -> np.ndarray:
    """One heatmap: the parts' heatmaps, weighted and summed."""
    return np.tensordot(weights, parts.heatmaps, axes=1).astype(np.float32)


def true_joint(scenes: Scenes, rows: list[int], k: int) -> list[Parts]:
    """The exact joint factorization of some photos."""
    found = factorize_jointly([scenes.activations[row] for row in rows], k)
    return [
        Parts.of(
            factors,
            scenes.sizes[row],
            grid_extent(factors.grid, scenes.backbone.stride, fit_size(*scenes.sizes[row], SIZE)),
            None,
        )
        for row, factors in zip(rows, found, strict=True)
    ]
