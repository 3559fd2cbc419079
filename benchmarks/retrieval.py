"""What the default descriptor's constants do to mAP; descriptors themselves: `dff evaluate`.

    python benchmarks/retrieval.py [--eval FOLDER] [--only layers small ...] [--write]

Four questions: the 12 landmarks of the sample photos that have several photos (leave one out,
among all 222), the sample photos by category, FlickrLogos-27 and the PASCAL co-segmentation set
(leave one out). Finite-sum AP, in percent.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from common import (
    LANDMARKS,
    SIZE,
    Described,
    described,
    external,
    fit,
    judged,
    mean_ap,
    mean_precision,
    network,
    parser,
    progress,
    publish,
    ranks,
    sample_photos,
    searched,
    subset,
    table,
)

from dff.descriptors import View
from dff.evaluation.datasets import Dataset
from dff.evaluation.features import Features
from dff.index.store import DIMENSIONS, POWER
from dff.whitening import Whitening

TOP = 5
DRAWS = 5  # of small collections
COUNTS = (8, 16, 32, 64)
MOST_QUERIES = 50  # enough for a difference
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's

Each = Mapping[str, Described]  # by collection; landmarks and category have the same pictures


class Bench:
    """The collections, and mAP on all of them at once."""

    def __init__(self, collections: Sequence[Dataset], features: Features) -> None:
        self.collections = collections
        self.features = features

    @property
    def heads(self) -> list[str]:
        names = [c.name for c in self.collections]
        return [names[0], f"of 12 in first {TOP}", *names[1:]]

    @cached_property
    def regions(self) -> Each:
        """Of the default."""
        return self.seen(self.features)

    def seen(
        self, features: Features, look: Callable[[np.ndarray], View] | None = None
    ) -> dict[str, Described]:
        """The default's regions of every collection, as `common.described`."""
        sample = described(self.collections[1], features, look)
        others = {c.name: described(c, features, look) for c in self.collections[2:]}
        return {"landmarks": sample, "category": sample, **others}

    def row(self, regions: Each, whitenings: Mapping[str, Whitening] | None = None) -> list[object]:
        """mAP on every collection, and the landmarks' count. whitenings: by collection; the
        default, fitted on the collection itself, where not given."""
        cells: list[object] = []
        for collection in self.collections:
            own = regions[collection.name]
            if whitenings is None:
                used = fit(own[int(row)] for row in collection.database if int(row) in own)
            else:
                used = whitenings[collection.name]
            cells.append(mean_ap(collection, own, used))
            if collection.name == "landmarks":
                cells.append(str(landmarks_in_top(collection, own, used)))
        return cells


def landmarks_in_top(collection: Dataset, regions: Described, whitening: Whitening) -> int:
    """How many landmarks have, for each of their photos, all others in the first five."""
    good = dict.fromkeys(LANDMARKS, True)
    for ask, there, _ in ranks(collection, regions, whitening):
        (landmark,) = collection.images[ask.image].labels
        good[landmark] &= bool((there < TOP).all())
    return sum(good.values())


def layers(bench: Bench, write: bool) -> None:
    """The two layers, each alone and joined; the tree's parts are those of the deepest one."""
    backbone = bench.features.backbone
    first = backbone.blocks[0]
    views: dict[str, Callable[[np.ndarray], View]] = {
        "block 6": lambda maps: View(maps[:first]),
        "last": lambda maps: View(maps[first:]),
    }
    rows = [[name, *bench.row(bench.seen(bench.features, look))] for name, look in views.items()]
    rows.append(["both joined", *bench.row(bench.regions)])
    publish("layers", table(["layer", *bench.heads], rows), write=write)


def inputs(bench: Bench, write: bool) -> None:
    """The size at which the network sees pictures, on the sample photos."""
    sample = Bench(bench.collections[:2], bench.features)
    rows = []
    for size in (320, 384, 448, 512, 640):
        features = Features(bench.features.backbone, bench.features.folder, size)
        rows.append([size, *sample.row(sample.seen(features))])
    publish("input", table(["longest side", *sample.heads], rows), write=write)


def normalisation(bench: Bench, write: bool) -> None:
    """Mean and deviation of the input."""
    backbone = network()
    rows = [[str(backbone.mean[0]), *bench.row(bench.regions)]]
    backbone.mean, backbone.std = MEAN, STD
    features = Features(backbone, bench.features.folder, SIZE)
    rows.append(["ImageNet's", *bench.row(bench.seen(features))])
    publish("normalisation", table(["mean, deviation", *bench.heads], rows), write=write)


def dimensions(bench: Bench, write: bool) -> None:
    """How many directions to keep, fitted on the collection itself or on another: PASCAL for the
    sample photos, these for all others."""
    rows = []
    sources: dict[str, dict[str, Described]] = {"itself": dict(bench.regions)}
    if "PASCAL" in bench.regions:
        sources["another"] = {
            name: bench.regions["PASCAL" if name in ("landmarks", "category") else "category"]
            for name in bench.regions
        }
    for source, teachers in sources.items():
        full = {name: fit(own.values(), POWER, None) for name, own in teachers.items()}
        for kept in (64, 128, 256, DIMENSIONS, 1024):
            cut = {name: shortened(one, kept) for name, one in full.items()}
            rows.append([source, kept, *bench.row(bench.regions, cut)])
    head = ["fitted on", "dimensions", *bench.heads]
    publish("dimensions", table(head, rows), write=write)


def shortened(whitening: Whitening, kept: int) -> Whitening:
    """The same with its strongest directions only."""
    projection = whitening.projection[:kept]
    return replace(whitening, projection=projection, dimensions=len(projection))


def small(bench: Bench, write: bool) -> None:
    """What is fitted on n pictures, used on these and on the others, beside nothing at all."""
    rows = []
    for collection in bench.collections[1:]:
        own = bench.regions[collection.name]
        readable = np.array([int(row) for row in collection.database if int(row) in own])
        nothing = Whitening.identity(own[int(readable[0])].vectors.shape[1])
        search = searched([own[int(row)] for row in readable], nothing)
        plain = {row: search(own[row]) for row in progress(map(int, readable), collection.name)}
        for n in COUNTS:
            gains: dict[str, list[float]] = {"these": [], "others": []}
            for draw in progress(range(DRAWS), f"{collection.name} {n}"):
                chosen = drawn(collection, readable, n, np.random.default_rng(draw))
                learnt = fit(own[int(row)] for row in chosen)
                for where, used in (("these", chosen), ("others", np.setdiff1d(readable, chosen))):
                    asks = used[:: max(1, len(used) // MOST_QUERIES)]
                    part = subset(collection, map(int, asks), map(int, used))
                    there = np.searchsorted(readable, used)
                    before = judged(
                        part, used, lambda row, scores=plain, there=there: scores[row][there]
                    )
                    gain = mean_ap(part, own, learnt) - mean_precision(before)
                    gains[where].append(gain)
            cells = [
                f"{np.mean(g):+.1f} ({np.min(g):+.1f} to {np.max(g):+.1f})" for g in gains.values()
            ]
            rows.append([collection.name, n, *cells])
    head = ["collection", "pictures", "searching these", "searching the others"]
    publish("small", table(head, rows), write=write)


def drawn(
    collection: Dataset, readable: np.ndarray, n: int, generator: np.random.Generator
) -> np.ndarray:
    """n rows: up to four pictures of one label after another, as a small collection has them."""
    by_label: dict[str, list[int]] = {}
    for row in map(int, readable):
        by_label.setdefault(min(collection.images[row].labels), []).append(row)
    chosen: list[int] = []
    while len(chosen) < n:
        for label in generator.permutation(sorted(by_label)):
            left = [row for row in by_label[label] if row not in chosen]
            chosen += [int(row) for row in generator.permutation(left)[:4]]
    return np.array(sorted(chosen[:n]))


def main() -> None:
    """Run the tables that were asked for."""
    made: dict[str, Callable[[Bench, bool], None]] = {
        "layers": layers,
        "input": inputs,
        "normalisation": normalisation,
        "dimensions": dimensions,
        "small": small,
    }
    options = parser(__doc__.partition("\n")[0], list(made)).parse_args()
    features = Features(network(), options.cache, SIZE)
    bench = Bench([*sample_photos(), *external(options.eval)], features)
    for name in options.only:
        made[name](bench, options.write)


if __name__ == "__main__":
    main()
