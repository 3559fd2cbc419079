"""What a query's box does: crop, or parts of the full picture, in retrieval and localisation.

    python benchmarks/boxes.py [--eval FOLDER] [--only box boxlogos] [--write]

How it is counted is said in scenes.py; the logos are boxed pictures of FlickrLogos-27's database.
"""

import numpy as np
from common import (
    Collection,
    Store,
    external,
    fit,
    mean_ap,
    parser,
    progress,
    publish,
    table,
    vectors_of,
)
from scenes import SIZE, THRESHOLDS, Found, K, Scenes, boxed_query, crop_parts, parts_of, weighted

from dff.descriptors import Regions, describe
from dff.descriptors.dff import regions as dff_regions
from dff.factorization import factorize_activations
from dff.geometry import Box
from dff.index.store import DIMENSIONS, POWER
from dff.localization import (
    THRESHOLD,
    expressed_in,
    instant_heatmap,
    region_of_interest,
)
from dff.parts import Parts

PARTS = ("box", "boxlogos")
CROPS = (192, 256, 320, 416, 512)
PER_LOGO = 4
SMALL = 0.1  # of the picture: boxes under it are small


def masked(activations: np.ndarray, parts: Parts, box: Box) -> np.ndarray:
    """Activations (channels, 1, positions) of the cells whose centre lies in the box."""
    rows, columns = activations.shape[1:]
    low_x, low_y, high_x, high_y = parts.extent
    x = (low_x + (np.arange(columns) + 0.5) / columns * (high_x - low_x)) * parts.width
    y = (low_y + (np.arange(rows) + 0.5) / rows * (high_y - low_y)) * parts.height
    inside = np.outer((y >= box[1]) & (y < box[3]), (x >= box[0]) & (x < box[2]))
    if not inside.any():  # smaller than a cell: the nearest one
        middle = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        inside[np.abs(y - middle[1]).argmin(), np.abs(x - middle[0]).argmin()] = True
    return activations[:, inside][:, None, :]


def box(scenes: Scenes, write: bool) -> None:
    """Three ways to use a box, on the landmarks: what each does to mAP and to the box found."""
    learnt = fit(scenes.regions, POWER, DIMENSIONS)
    vectors = vectors_of(scenes.regions, learnt)
    asked = scenes.landmarks
    # (basis, weights in the score, weights in the heat) of each query
    ways: dict[str, dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]]] = {}
    for i in progress(scenes.asked, "boxes"):
        full = scenes.parts(i, K)
        interest = region_of_interest(full, scenes.boxes[i])
        inside = factorize_activations(masked(scenes.activations[i], full, scenes.boxes[i]), K)
        here = {
            "no box in the score, box in the heat": (full.basis, full.energy, interest),
            "full picture, weights × energy": (full.basis, interest * full.energy, interest),
            "positions in the box": (inside.basis, inside.energy, inside.energy),
        }
        for size in CROPS:
            own = boxed_query(scenes, i, size)
            here[f"crop at {size}"] = (own.basis, own.energy, own.energy)
        for name, values in here.items():
            ways.setdefault(name, {})[i] = values
    queries = np.array(scenes.asked)
    c = asked
    some = Collection(c.name, c.root, c.files, c.labels, queries, c.database, c.boxes)
    rows = []
    at = THRESHOLDS.index(THRESHOLD)
    for name, of in ways.items():

        def by_basis(i: int, j: int, of: dict = of) -> Found:
            target = expressed_in(scenes.detail(j), of[i][0])
            return weighted(target, of[i][2]), target

        def instant(i: int, j: int, of: dict = of) -> Found:
            return instant_heatmap(scenes.detail(j), of[i][0], of[i][2]), scenes.detail(j)

        described = {i: describe(Regions(b, w), learnt).vector for i, (b, w, _) in of.items()}
        cells = [
            f"{a:.2f} / {b:.0f}" for a, b in (scenes.scores(m)[at] for m in (instant, by_basis))
        ]
        rows.append([name, mean_ap(some, vectors, described.__getitem__), *cells])
    head = ["box", "landmarks mAP", "instant IoU / CorLoc", "own basis IoU / CorLoc"]
    publish("box", table(head, rows), write=write)


def boxlogos(scenes: Scenes, logos: Collection, write: bool) -> None:
    """The same on 108 boxed logos of FlickrLogos-27's database, leave one out."""
    regions = scenes.store.regions(logos, scenes.backbone, ["dff4"])["dff4"]
    learnt = fit(regions, POWER, DIMENSIONS)
    vectors = vectors_of(regions, learnt)
    generator = np.random.default_rng(0)
    by_label: dict[str, list[int]] = {}
    for row in logos.database:
        if logos.boxes[row]:
            by_label.setdefault(min(logos.labels[row]), []).append(int(row))
    asked = sorted(
        int(row)
        for _, rows in sorted(by_label.items())
        for row in generator.choice(rows, PER_LOGO, replace=False)
    )
    ways: dict[str, dict[int, np.ndarray]] = {}
    shares = {}
    for i in progress(asked, "logos"):
        picture, at = logos.picture(i), logos.boxes[i]
        size = (picture.shape[1], picture.shape[0])
        shares[i] = (at[2] - at[0]) * (at[3] - at[1]) / (size[0] * size[1])
        activations = scenes.backbone.activations(picture, SIZE)
        full = parts_of(activations, K, size, scenes.backbone)
        inside = factorize_activations(masked(activations, full, at), K)
        here = {
            "no box": Regions(full.basis, full.energy),
            "full picture, weights × energy": Regions(
                full.basis, region_of_interest(full, at) * full.energy
            ),
            "positions in the box": dff_regions(activations, inside),
        }
        for size_ in CROPS:
            own = crop_parts(picture, at, size_, scenes.backbone)
            here[f"crop at {size_}"] = Regions(own.basis, own.energy)
        for name, found in here.items():
            ways.setdefault(name, {})[i] = describe(found, learnt).vector
    groups = {
        "all": asked,
        "small": [i for i in asked if shares[i] < SMALL],
        "large": [i for i in asked if shares[i] >= SMALL],
    }
    rows = []
    for name, described in ways.items():
        cells = []
        for group in groups.values():
            c = logos
            some = Collection(
                c.name, c.root, c.files, c.labels, np.array(group), c.database, c.boxes
            )
            cells.append(mean_ap(some, vectors, described.__getitem__))
        rows.append([name, *cells])
    head = ["box", *(f"{name} ({len(group)})" for name, group in groups.items())]
    publish("boxlogos", table(head, rows), write=write)


def main() -> None:
    """Run the tables that were asked for."""
    options = parser(__doc__.partition("\n")[0], PARTS).parse_args()
    scenes = Scenes(Store(options.cache))
    if "box" in options.only:
        box(scenes, options.write)
    for logos in external(options.eval) if "boxlogos" in options.only else ():
        if logos.name == "FlickrLogos-27":
            boxlogos(scenes, logos, options.write)


if __name__ == "__main__":
    main()
