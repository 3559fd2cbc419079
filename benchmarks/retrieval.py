"""How well descriptors find pictures: mAP by descriptor, whitening, layer, size and collection.

    python benchmarks/retrieval.py [--eval FOLDER] [--only whitening layers ...] [--write]

Four questions: the 12 landmarks of the sample photos that have several photos (leave one out,
among all 222), the sample photos by category, FlickrLogos-27 (133 queries) and the PASCAL
co-segmentation set (every third picture asks, leave one out). Finite-sum AP, in percent.
"""

from collections.abc import Callable, Sequence

import numpy as np
from common import (
    LANDMARKS,
    Collection,
    Store,
    average_precision,
    external,
    fit,
    landmarks_in_top,
    mean_ap,
    network,
    parser,
    progress,
    publish,
    rankings,
    sample_photos,
    table,
    vectors_of,
)

from dff import Backbone
from dff.descriptors import Regions, describe
from dff.index.store import DIMENSIONS, FEWEST_TO_WHITEN, POWER
from dff.whitening import Whitening

PARTS = (
    "whitening",
    "weights",
    "layers",
    "dimensions",
    "noise",
    "small",
    "landmarks",
    "story",
    "input",
    "normalisation",
)
DEFAULT = "dff4"
NAMES = {
    "dff4": "DFF, k = 4",
    "dff6": "DFF, k = 6",
    "dff8": "DFF, k = 8",
    "gem": "GeM",
    "rmac": "R-MAC",
}
POWERS: dict[float | None, str] = {
    None: "none",
    0.0: "0 (mean, rotation)",
    1 / 16: "1/16",
    1 / 8: "1/8",
    1 / 4: "1/4",
    1 / 2: "1/2",
}
DRAWS = 10  # of small collections
SIZES = (8, 16, 32, 64, 128)
NORMS = {
    "ImageNet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "0.5": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
STORY = "landmarks/great_wall_of_china_1.jpg"


class Bench:
    """The collections, and mAP on all of them at once."""

    def __init__(self, collections: Sequence[Collection], store: Store) -> None:
        self.collections = collections
        self.store = store
        self.landmarks = collections[0]

    @property
    def heads(self) -> list[str]:
        names = [c.name for c in self.collections]
        return [names[0], "of 12 in first 5", *names[1:]]

    def regions(
        self, backbone: Backbone, names: Sequence[str], size: int = 512
    ) -> dict[str, dict[str, list[Regions]]]:
        """{descriptor: {collection: regions}}."""
        made: dict[str, dict[str, list[Regions]]] = {name: {} for name in names}
        for collection in self.collections:
            found = self.store.regions(collection, backbone, names, size)
            for name in names:
                made[name][collection.name] = found[name]
        return made

    def teachers(self, regions: dict[str, list[Regions]]) -> dict[str, list[Regions]]:
        """Another collection to fit on: PASCAL for the sample photos, these for all others."""
        sample = regions["category"]
        other = regions.get("PASCAL")
        mine = {"landmarks", "category"}
        found = {c.name: other if c.name in mine else sample for c in self.collections}
        return {name: r for name, r in found.items() if r is not None}

    def row(
        self,
        regions: dict[str, list[Regions]],
        power: float | None,
        dimensions: int | None,
        *,
        elsewhere: bool = False,
        weights: str = "energy",
    ) -> list[float | str | None]:
        """mAP on every collection, and the landmarks' count."""
        teachers = self.teachers(regions) if elsewhere else regions
        fitted: dict[int, Whitening] = {}
        cells: list[float | str | None] = []
        for collection in self.collections:
            teacher = teachers.get(collection.name)
            if teacher is None:
                cells += [None, None] if collection is self.landmarks else [None]
                continue
            if id(teacher) not in fitted:
                fitted[id(teacher)] = fit(teacher, power, dimensions)
            own = regions[collection.name]
            vectors = vectors_of(own, fitted[id(teacher)], weights=weights)
            cells.append(mean_ap(collection, vectors))
            if collection is self.landmarks:
                cells.append(str(landmarks_in_top(collection, vectors)))
        return cells


def whitening(bench: Bench, write: bool) -> None:
    """Descriptor x power x what it is fitted on, at full dimension and at the default's."""
    regions = bench.regions(network(), list(NAMES))
    head = ["descriptor", "power", "fitted on", *bench.heads]
    rows = []
    for name in progress(list(NAMES), "whitening"):
        for power, label in POWERS.items():
            rows.append([NAMES[name], label, "itself" if power is not None else ""])
            rows[-1] += bench.row(regions[name], power, None)
            if power is not None and len(bench.collections) > 2:
                cells = bench.row(regions[name], power, None, elsewhere=True)
                rows.append([NAMES[name], label, "another", *cells])
    publish("descriptors", table(head, rows), write=write)
    own = [[r[1], r[2], *r[3:]] for r in rows if r[0] == NAMES[DEFAULT]]
    publish("whitening", table(head[1:], own), write=write)


def weights(bench: Bench, write: bool) -> None:
    """Weights of the parts: energy or uniform."""
    regions = bench.regions(network(), ["dff4", "dff6", "dff8"])
    rows = []
    for name, powers in (("dff4", (None, 1 / 8, 1 / 4)), ("dff6", (1 / 8,)), ("dff8", (1 / 8,))):
        for power in powers:
            for kind in ("energy", "uniform"):
                cells = bench.row(regions[name], power, None, weights=kind)
                rows.append([NAMES[name], POWERS[power], kind, *cells])
    head = ["descriptor", "power", "weights", *bench.heads]
    publish("weights", table(head, rows), write=write)


def layers(bench: Bench, write: bool) -> None:
    """Layers of the default network, with DFF at the default's k and dimension."""
    rows = []
    for layer in ("last", "block6", "block5"):
        regions = bench.regions(network(layer), [DEFAULT])[DEFAULT]
        for kind in ("energy", "uniform"):
            for power in (None, 1 / 8, 1 / 4, 1 / 2):
                cells = bench.row(regions, power, DIMENSIONS, weights=kind)
                rows.append([layer, kind, POWERS[power], *cells])
    publish("layers", table(["layer", "weights", "power", *bench.heads], rows), write=write)


def dimensions(bench: Bench, write: bool) -> None:
    """How many directions to keep."""
    regions = bench.regions(network(), [DEFAULT])[DEFAULT]
    rows = []
    for power in (0.0, 1 / 16, 1 / 8):
        for elsewhere in (False, True) if len(bench.collections) > 2 else (False,):
            for kept in (64, 128, 256, 512, None):
                cells = bench.row(regions, power, kept, elsewhere=elsewhere)
                source = "another" if elsewhere else "itself"
                rows.append([POWERS[power], source, kept or "all", *cells])
    head = ["power", "fitted on", "dimensions", *bench.heads]
    publish("dimensions", table(head, rows), write=write)


def noise(bench: Bench, write: bool) -> None:
    """Other powers minus the default, with the interval that resampling the queries gives."""
    regions = bench.regions(network(), [DEFAULT])[DEFAULT]
    rows = []
    precisions: dict[tuple[str, float | None], np.ndarray] = {}
    for collection in bench.collections:
        for power in POWERS:
            own = regions[collection.name]
            learnt = fit(own, power, None if power is None else DIMENSIONS)
            found = rankings(collection, vectors_of(own, learnt))
            values = np.array([average_precision(relevant) for _, _, relevant in found])
            precisions[collection.name, power] = 100 * values
    for power, label in POWERS.items():
        cells = []
        for collection in bench.collections:
            gain = precisions[collection.name, power] - precisions[collection.name, POWER]
            draws = np.random.default_rng(0).integers(len(gain), size=(2000, len(gain)))
            low, high = np.percentile(gain[draws].mean(axis=1), (2.5, 97.5))
            cells.append(f"{gain.mean():+.1f} ({low:+.1f} to {high:+.1f})")
        rows.append([label, *cells])
    head = ["power", *(f"{c.name} ({len(precisions[c.name, POWER])})" for c in bench.collections)]
    publish("noise", table(head, rows), write=write)


def small(bench: Bench, write: bool) -> None:
    """A whitening fitted on n pictures, used on these and on the others, beside none at all."""
    regions = bench.regions(network(), [DEFAULT])[DEFAULT]
    rows = []
    for collection in bench.collections[1:]:
        own = regions[collection.name]
        everything = _leave_one_out(collection)
        for n in SIZES:
            gains: dict[str, list[float]] = {"these": [], "others": []}
            for draw in progress(range(DRAWS), f"{collection.name} {n}"):
                chosen = _draw(everything, n, np.random.default_rng(draw))
                rest = np.setdiff1d(everything.database, chosen)
                learnt = fit([own[i] for i in chosen], POWER, DIMENSIONS)
                for where, rows_used in (("these", chosen), ("others", rest)):
                    part = _subset(everything, rows_used)
                    with_it = mean_ap(part, vectors_of(own, learnt))
                    without = mean_ap(part, vectors_of(own, fit(own, None, None)))
                    gains[where].append(with_it - without)
            cells = [
                f"{np.mean(g):+.1f} ({np.min(g):+.1f} to {np.max(g):+.1f})" for g in gains.values()
            ]
            rows.append([collection.name, n, *cells])
    head = ["collection", "pictures", "searching these", "searching the others"]
    publish("small", table(head, rows), write=write)


def _leave_one_out(collection: Collection) -> Collection:
    """The collection's database, in which every picture asks."""
    c = collection
    return Collection(c.name, c.root, c.files, c.labels, c.database, c.database, c.boxes)


def _subset(collection: Collection, rows: np.ndarray) -> Collection:
    c = collection
    asks = rows[:: max(1, len(rows) // 200)]  # 200 queries are enough for a difference
    return Collection(c.name, c.root, c.files, c.labels, asks, rows, c.boxes)


def _draw(collection: Collection, n: int, generator: np.random.Generator) -> np.ndarray:
    """n rows: up to four pictures of one label after another, as a small collection has them."""
    by_label: dict[str, list[int]] = {}
    for row in collection.database:
        by_label.setdefault(min(collection.labels[row]), []).append(int(row))
    chosen: list[int] = []
    while len(chosen) < n:
        for label in generator.permutation(sorted(by_label)):
            left = [row for row in by_label[label] if row not in chosen]
            chosen += [int(row) for row in generator.permutation(left)[:4]]
    return np.array(sorted(chosen[:n]))


def landmarks(bench: Bench, write: bool) -> None:
    """For each photo of the 12 landmarks the ranks of all others, with the defaults."""
    collection = bench.landmarks
    regions = bench.regions(network(), [DEFAULT])[DEFAULT][collection.name]
    vectors = vectors_of(regions, fit(regions, POWER, DIMENSIONS))
    found: dict[str, list[tuple[float, list[int]]]] = {name: [] for name in LANDMARKS}
    for row, _, relevant in rankings(collection, vectors):
        (landmark,) = collection.labels[row]
        ranks = [int(r) + 1 for r in np.flatnonzero(relevant)]
        found[landmark].append((average_of(ranks), ranks))
    rows, good = [], 0
    for name, per_photo in found.items():
        fine = all(rank <= 5 for _, ranks in per_photo for rank in ranks)
        good += fine
        rows.append(
            [
                name.replace("_", " "),
                len(per_photo),
                "; ".join(" ".join(map(str, ranks)) for _, ranks in per_photo),
                "yes" if fine else "no",
                100 * float(np.mean([ap for ap, _ in per_photo])),
            ]
        )
    mean = float(np.mean([100 * ap for per_photo in found.values() for ap, _ in per_photo]))
    rows.append(["**all**", sum(map(len, found.values())), "", f"**{good} of 12**", mean])
    head = ["landmark", "photos", "ranks of the others, photo by photo", "all in first 5", "mAP"]
    publish("landmarks", table(head, rows), write=write)


def average_of(ranks: Sequence[int]) -> float:
    """Finite-sum AP of 1-based ranks."""
    return float(np.mean(np.arange(1, len(ranks) + 1) / np.array(ranks)))


def story(bench: Bench, write: bool) -> None:
    """great_wall_of_china_1: the rank of the other Wall with all parts, and with one off."""
    collection = bench.landmarks
    me = collection.files.index(STORY)
    rows = []
    for name in ("dff4", "dff6"):
        regions = bench.regions(network(), [name])[name][collection.name]
        for power in (None, 0.0, 1 / 16, 1 / 8, 1 / 4, 1 / 2):
            learnt = fit(regions, power, DIMENSIONS if power is not None else None)
            vectors = vectors_of(regions, learnt)
            described = describe(regions[me], learnt)
            per_part = vectors @ (described.regions * described.weights[:, None]).T
            switched = [_rank(collection, per_part, me, None)]
            switched += [_rank(collection, per_part, me, j) for j in range(per_part.shape[1])]
            first = switched[0][1]
            ranks = " ".join(str(rank) for rank, _ in switched[1:])
            rows.append([NAMES[name], POWERS[power], first, switched[0][0], ranks])
    head = [
        "descriptor",
        "power",
        "first result",
        "rank of the other Wall",
        "with part 1, 2, ... switched off",
    ]
    publish("story", table(head, rows), write=write)


def _rank(
    collection: Collection, per_part: np.ndarray, me: int, off: int | None
) -> tuple[int, str]:
    """(best rank of another photo of the same landmark, the first result's name)."""
    weights = np.ones(per_part.shape[1])
    if off is not None:
        weights[off] = 0
    scores = per_part @ weights
    scores[me] = -np.inf
    order = np.argsort(-scores, kind="stable")
    same = [bool(collection.labels[me] & collection.labels[row]) for row in order]
    return same.index(True) + 1, collection.files[order[0]].rpartition("/")[2].removesuffix(".jpg")


def inputs(bench: Bench, write: bool) -> None:
    """The size at which the network sees pictures, on the sample photos."""
    sample = Bench(bench.collections[:2], bench.store)
    rows = []
    for size in (320, 384, 448, 512, 640):
        regions = sample.regions(network(), [DEFAULT], size)[DEFAULT]
        for power in (None, POWER):
            cells = sample.row(regions, power, None if power is None else DIMENSIONS)
            rows.append([size, POWERS[power], *cells])
    publish("input", table(["longest side", "power", *sample.heads], rows), write=write)


def normalisation(bench: Bench, write: bool) -> None:
    """Mean and deviation of the input: ImageNet's, or 0.5 for both."""
    rows = []
    for norm in ("ImageNet", "0.5"):
        backbone = network()
        backbone.mean, backbone.std = NORMS[norm]
        regions = bench.regions(backbone, [DEFAULT])[DEFAULT]
        for power in (None, 0.0, 1 / 16, 1 / 8, 1 / 4):
            cells = bench.row(regions, power, None if power is None else DIMENSIONS)
            rows.append([norm, POWERS[power], *cells])
    publish("normalisation", table(["input", "power", *bench.heads], rows), write=write)


def main() -> None:
    """Run the tables that were asked for."""
    options = parser(__doc__.partition("\n")[0], PARTS).parse_args()
    bench = Bench([*sample_photos(), *external(options.eval)], Store(options.cache))
    print(f"defaults: power {POWER}, dimensions {DIMENSIONS}, none under {FEWEST_TO_WHITEN}")
    made: dict[str, Callable[[Bench, bool], None]] = {
        "whitening": whitening,
        "weights": weights,
        "layers": layers,
        "dimensions": dimensions,
        "noise": noise,
        "small": small,
        "landmarks": landmarks,
        "story": story,
        "input": inputs,
        "normalisation": normalisation,
    }
    for name in options.only:
        made[name](bench, options.write)


if __name__ == "__main__":
    main()
