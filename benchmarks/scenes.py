"""The landmark pairs of the sample photos, from the sample index, for the localisation benchmarks.

A pair is an ordered pair of photos of one landmark, both with a box in photos.csv (32 pairs): the
box of the query is given, the box of the other is found. IoU is that of the boxes, CorLoc the
share of pairs with an IoU of at least 0.5. Rows are those of the index.
"""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
from common import LANDMARKS, ROOT, SIZE, sample_photos

from dff.evaluation.features import Features
from dff.evaluation.protocols import box_iou, corloc
from dff.factorization import factorize_activations
from dff.geometry import fit_size, grid_extent
from dff.index import Index
from dff.localization import joint_from_activations, locate, region_of_interest
from dff.parts import Parts

K = 4
THRESHOLDS = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45)
RESULTS = 12  # pictures on the screen beside the query

Found = tuple[np.ndarray, Parts]  # a heatmap and the picture it belongs to
Method = Callable[[int, int], Found]


class Scenes:
    """The sample photos, their stored parts and their activations."""

    def __init__(self, cache: Path) -> None:
        self.index = Index.open(ROOT / "sample_index")
        self.features = Features(self.index.backbone(), cache, SIZE)
        self.landmarks, self.category = sample_photos()
        known = {image.name: image for image in self.landmarks.images}
        self.images = [known[picture.path] for picture in self.index.pictures]
        self.boxes = [image.box for image in self.images]
        self.kinds = {image.name: image.labels for image in self.category.images}
        boxed = [
            row
            for row, image in enumerate(self.images)
            if image.box is not None and image.labels & set(LANDMARKS)
        ]
        self.pairs = [(i, j) for i in boxed for j in boxed if i != j and self.same(i, j)]
        self.asked = sorted({i for i, _ in self.pairs})
        self._parts: dict[tuple[int, int], Parts] = {}

    def same(self, i: int, j: int) -> bool:
        """Whether two photos show the same thing."""
        return bool(self.images[i].labels & self.images[j].labels)

    def kin(self, i: int, j: int) -> bool:
        """Whether two photos are of one category."""
        return bool(self.kinds[self.images[i].name] & self.kinds[self.images[j].name])

    def size(self, row: int) -> tuple[int, int]:
        """(width, height)."""
        return self.index.pictures[row].width, self.index.pictures[row].height

    def activations(self, row: int) -> np.ndarray:
        """(channels, rows, columns)."""
        return self.features.see(self.images[row].path).activations

    @cached_property
    def results(self) -> dict[int, list[int]]:
        """For each query its 12 first results; the landmark's other photos are among them."""
        found = {}
        for i in self.asked:
            query = self.index.indexed_query(self.index.pictures[i].id)
            order = [match.row for match in self.index.search(query, top=len(self.images))]
            wanted = [row for row in order if self.same(i, row)]
            found[i] = [*wanted, *(row for row in order if row not in wanted)][:RESULTS]
        return found

    def parts(self, row: int, k: int) -> Parts:
        """A picture's k factors as an index gives them back."""
        if (row, k) not in self._parts:
            stored = {self.index.settings.k: self.index.parts}
            stored[self.index.settings.detail_k] = self.index.detail
            made = stored[k](row) if k in stored else self._factorized(row, k)
            self._parts[row, k] = made
        return self._parts[row, k]

    def _factorized(self, row: int, k: int) -> Parts:
        factors = factorize_activations(self.activations(row), k)
        backbone = self.features.backbone
        extent = grid_extent(factors.grid, backbone.stride, fit_size(*self.size(row), SIZE))
        return Parts.of(factors, self.size(row), extent, blocks=backbone.blocks)

    def detail(self, row: int) -> Parts:
        return self.index.detail(row)

    def interest(self, row: int, k: int) -> np.ndarray:
        """What a landmark's box says of its picture's k parts."""
        return region_of_interest(self.parts(row, k), self.boxes[row])

    def scores(self, method: Method) -> list[tuple[float, float]]:
        """(mean IoU, CorLoc in percent) at each threshold."""
        found = [(*method(i, j), self.boxes[j]) for i, j in self.pairs]
        rows = []
        for threshold in THRESHOLDS:
            ious = [
                box_iou(locate(p, heat, threshold=threshold).box, true) for heat, p, true in found
            ]
            rows.append((float(np.mean(ious)), 100 * corloc(ious)))
        return rows

    def true_joint(self, rows: list[int], k: int) -> list[Parts]:
        """The exact joint factorization of some photos."""
        backbone = self.features.backbone
        return joint_from_activations(
            [self.activations(row) for row in rows],
            [self.size(row) for row in rows],
            k,
            stride=backbone.stride,
            size=SIZE,
            blocks=backbone.blocks,
        )


def weighted(parts: Parts, weights: np.ndarray) -> np.ndarray:
    """One heatmap: the parts' heatmaps, weighted and summed."""
    return np.tensordot(weights, parts.heatmaps, axes=1).astype(np.float32)


def cell(score: tuple[float, float]) -> str:
    """IoU / CorLoc."""
    return f"{score[0]:.2f} / {score[1]:.0f}"
