"""What a query's box does: crop, or regions of the full picture, in retrieval and localisation.

    python benchmarks/boxes.py [--eval FOLDER] [--only box boxlogos] [--write]

How it is counted is said in scenes.py; the logos are boxed pictures of FlickrLogos-27's database.
Regions and matching are the default descriptor's.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from common import (
    SIZE,
    default_regions,
    described,
    external,
    fit,
    mean_ap,
    parser,
    progress,
    publish,
    subset,
    table,
)
from scenes import THRESHOLDS, Found, K, Scenes, cell, weighted

from dff.descriptors import DEFAULT_DESCRIPTOR, Regions, View, regions_of
from dff.evaluation.datasets import Dataset
from dff.evaluation.features import within
from dff.geometry import Box, fit_size, grid_extent
from dff.images import crop, read_image
from dff.index.search import BOX_SIZE
from dff.localization import THRESHOLD, expressed_in, region_of_interest
from dff.parts import Parts

PARTS = ("box", "boxlogos")
CROPS = (192, 256, BOX_SIZE, 416, 512)
PER_LOGO = 4
SMALL = 0.1  # of the picture: boxes under it are small


class BoxedQuery:
    """A boxed picture as a query, in every way that is compared."""

    def __init__(self, scenes: Scenes, picture: np.ndarray, box: Box, activations: np.ndarray):
        self.picture, self.box = picture, box
        self.size = (picture.shape[1], picture.shape[0])
        self.backbone = scenes.features.backbone
        self.view = self.backbone.view(activations, K)
        self.full = self._placed(self.view, SIZE, None)

    def ways(self) -> dict[str, tuple[Regions, Parts, np.ndarray]]:
        """(regions of the score, parts of the heat and their weights) by the way's name."""
        heat = self.full, region_of_interest(self.full, self.box)
        masked = self.backbone.view(inside(self.view.activations, self.full, self.box), K)
        found = {
            "no box in the score, box in the heat": (default_regions(self.view), *heat),
            "regions of the full picture, weighted by the box": (self._weighted(), *heat),
            "positions in the box": (
                default_regions(masked),
                Parts.of(masked.parts, self.size, self.full.extent, self.box),
                region_of_interest(
                    Parts.of(masked.parts, self.size, self.full.extent, self.box, self.full.blocks)
                ),
            ),
        }
        shown = crop(self.picture, self.box)
        for size in CROPS:
            view = self.backbone.view(self.backbone.activations(shown, size), K)
            own = self._placed(view, size, self.box)
            found[f"crop at {size}"] = (default_regions(view), own, region_of_interest(own))
        return found

    def _weighted(self) -> Regions:
        """Regions of the full picture that lie in the box: as parts are weighted."""
        found = regions_of(DEFAULT_DESCRIPTOR, self.view).stored()
        placed = replace(self.full, heatmaps=found.heatmaps, basis=found.vectors)
        share = region_of_interest(replace(placed, energy=found.weights), self.box)
        return replace(found, weights=share * found.weights, heatmaps=None)

    def _placed(self, view: View, size: int, box: Box | None) -> Parts:
        width, height = self.size if box is None else (box[2] - box[0], box[3] - box[1])
        grid = view.parts.grid
        extent = grid_extent(grid, self.backbone.stride, fit_size(width, height, size))
        return Parts.of(view.parts, self.size, extent, box, self.backbone.blocks)


def inside(activations: np.ndarray, parts: Parts, box: Box) -> np.ndarray:
    """Activations (channels, 1, positions) of the cells whose centre lies in the box."""
    rows, columns = activations.shape[1:]
    low_x, low_y, high_x, high_y = parts.extent
    x = (low_x + (np.arange(columns) + 0.5) / columns * (high_x - low_x)) * parts.width
    y = (low_y + (np.arange(rows) + 0.5) / rows * (high_y - low_y)) * parts.height
    kept = np.outer((y >= box[1]) & (y < box[3]), (x >= box[0]) & (x < box[2]))
    if not kept.any():  # smaller than a cell: the nearest one
        middle = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        kept[np.abs(y - middle[1]).argmin(), np.abs(x - middle[0]).argmin()] = True
    return activations[:, kept][:, None, :]


def by_way(made: Mapping[int, dict]) -> dict[str, dict]:
    """{row: {way: value}} -> {way: {row: value}}."""
    ways: dict[str, dict] = {}
    for row, values in made.items():
        for name, value in values.items():
            ways.setdefault(name, {})[row] = value
    return ways


def box(scenes: Scenes, write: bool) -> None:
    """On the landmarks: what each way does to mAP and to the box found by the instant form."""
    regions = described(scenes.category, scenes.features)
    learnt = fit(regions.values())
    number = {image.name: row for row, image in enumerate(scenes.landmarks.images)}
    made = {}
    for i in progress(scenes.asked, "boxes"):
        picture, at = scenes.index.picture(i), scenes.boxes[i]
        made[i] = BoxedQuery(scenes, picture, at, scenes.activations(i)).ways()
    rows = []
    for name, of in by_way(made).items():

        def instant(i: int, j: int, of: dict = of) -> Found:
            _, parts, weights = of[i]
            target = expressed_in(scenes.detail(j), parts.basis)
            return weighted(target, weights), target

        def plain(i: int, j: int, of: dict = of) -> Found:
            _, parts, _ = of[i]
            target = expressed_in(scenes.detail(j), parts.basis)
            return weighted(target, parts.energy), target

        asked = {number[scenes.images[i].name]: of[i][0] for i in of}
        at = THRESHOLDS.index(THRESHOLD)
        found = [cell(scenes.scores(instant)[at])]
        if next(iter(of.values()))[1].box is not None:  # else the box says what is meant
            found.append(cell(scenes.scores(plain)[at]))
        found += [""] * (2 - len(found))
        rows.append([name, mean_ap(scenes.landmarks, regions, learnt, asked), *found])
    head = ["box", "landmarks mAP", "by energy in the last layer", "by energy in both layers"]
    publish("box", table(head, rows), write=write)


def boxlogos(scenes: Scenes, logos: Dataset, write: bool) -> None:
    """The same on 108 boxed logos of FlickrLogos-27's database, leave one out."""
    regions = described(logos, scenes.features)
    learnt = fit(regions[int(row)] for row in logos.database if int(row) in regions)
    generator = np.random.default_rng(0)
    by_label: dict[str, list[int]] = {}
    for row in map(int, logos.database):
        if logos.images[row].box and row in regions:
            by_label.setdefault(min(logos.images[row].labels), []).append(row)
    asked = sorted(
        int(row)
        for _, rows in sorted(by_label.items())
        for row in generator.choice(rows, PER_LOGO, replace=False)
    )
    made, shares = {}, {}
    for row in progress(asked, "logos"):
        image = logos.images[row]
        picture = read_image(image.path)
        size = (picture.shape[1], picture.shape[0])
        at = within(image.box, size)
        shares[row] = (at[2] - at[0]) * (at[3] - at[1]) / (size[0] * size[1])
        activations = scenes.features.see(image.path).activations
        made[row] = BoxedQuery(scenes, picture, at, activations).ways()
    groups = {
        "all": asked,
        "small": [row for row in asked if shares[row] < SMALL],
        "large": [row for row in asked if shares[row] >= SMALL],
    }
    parts = [subset(logos, group, map(int, logos.database)) for group in groups.values()]
    rows = []
    for name, of in by_way(made).items():
        found = {row: one[0] for row, one in of.items()}
        name = name.replace(", box in the heat", "")
        rows.append([name, *(mean_ap(part, regions, learnt, found) for part in parts)])
    head = ["box", *(f"{name} ({len(group)})" for name, group in groups.items())]
    publish("boxlogos", table(head, rows), write=write)


def main() -> None:
    """Run the tables that were asked for."""
    options = parser(__doc__.partition("\n")[0], PARTS).parse_args()
    scenes = Scenes(options.cache)
    if "box" in options.only:
        box(scenes, options.write)
    for logos in external(options.eval) if "boxlogos" in options.only else ():
        if logos.name == "FlickrLogos-27":
            boxlogos(scenes, logos, options.write)


if __name__ == "__main__":
    main()
