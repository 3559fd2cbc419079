"""Every descriptor of every picture, in one pass: what all tables of a run are made from."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dff.backbones import Backbone
from dff.descriptors import (
    Regions,
    View,
    across_scales,
    describer,
    families,
    family,
    learned,
    needs_classifier,
)
from dff.evaluation.datasets.base import Ask, Dataset
from dff.evaluation.features import Features, within
from dff.geometry import Box
from dff.images import ImageError

Tell = Callable[[str, int, int], None]
Describers = Mapping[str, Callable[[View], Regions]]
ALONE = (1.0,)  # the scales of a picture that is seen at one size


@dataclass(frozen=True, eq=False)
class Setup:
    """How pictures are seen: a layer at one or several sizes, and in how many parts.

    scales: factors of the size; the regions of all of them stand side by side.
    """

    features: Features
    k: int
    scales: tuple[float, ...] = ALONE

    @property
    def backbone(self) -> Backbone:
        """The network, up to its layer."""
        return self.features.backbone

    def sizes(self) -> list[Features]:
        """What the layer sees at each of the scales."""
        base = self.features
        pixels = [round(base.size * scale) for scale in self.scales]
        return [Features(base.backbone, base.folder, size) for size in pixels]

    def views(self, path: Path, box: Box | None = None) -> list[View]:
        """A picture, or the crop of a box inside it, at each of the scales."""
        seen = [features.see(path, box).activations for features in self.sizes()]
        return [self.backbone.view(activations, self.k) for activations in seen]


@dataclass(frozen=True, eq=False)
class Described:
    """The regions of all pictures by one descriptor, without their heatmaps.

    setup: how they were seen. pictures: by image row, None for those that could not be read;
    asked: by query, where queries are cropped. seconds: per picture, from its pixels on.
    """

    name: str
    setup: Setup
    pictures: list[Regions | None]
    asked: list[Regions | None]
    seconds: float


def choose(names: Sequence[str], has_classifier: bool) -> tuple[list[str], list[str]]:
    """Which descriptors to run, and sentences on those that cannot. "all" is every one.

    Raises ValueError for an unknown name, and if none of them can run.
    """
    known = [*families(), *learned()]
    wanted = known if "all" in names else list(dict.fromkeys(names))
    if unknown := [name for name in wanted if name not in known]:
        raise ValueError(f"descriptors: expected all or some of {', '.join(known)}, got {unknown}")
    able = [name for name in wanted if has_classifier or not needs_classifier(name)]
    without = [name for name in wanted if name not in able]
    notes = [f"{', '.join(without)} left out: this layer has no classifier"] if without else []
    if not able:
        raise ValueError(f"descriptors: expected one that this layer can, got {', '.join(wanted)}")
    return able, notes


def uses_parts(name: str) -> bool:
    """Whether a descriptor needs the parts of a picture, which are made once for all."""
    return name.startswith("dff")


def depends_on_k(name: str) -> bool:
    """Whether a descriptor's regions change with k; a tree has its own number of leaves."""
    return uses_parts(name) and not hasattr(family(name), "LEAVES")


def readable_rows(dataset: Dataset, setup: Setup, tell: Tell) -> tuple[list[int], list[str]]:
    """Rows of the pictures that can be read, their activations kept from now on, and sentences
    on those that cannot."""
    rows = sorted({*map(int, dataset.database), *(ask.image for ask in dataset.queries)})
    readable, notes = [], []
    sizes = setup.sizes()
    for done, row in enumerate(rows, start=1):
        try:
            for features in sizes:
                features.see(dataset.images[row].path)
            readable.append(row)
        except (ImageError, OSError) as error:
            notes.append(f"left out {dataset.images[row].name}: {error}")
        tell("activations", done, len(rows))
    return readable, notes


def describers(
    dataset: Dataset, readable: Sequence[int], setup: Setup, names: Sequence[str]
) -> Describers:
    """The function of each descriptor; those that learn do so on the database, at its size."""
    searched = set(map(int, dataset.database))

    def collection() -> Iterator[View]:
        for row in readable:
            if row in searched:
                sight = setup.features.see(dataset.images[row].path)
                yield setup.backbone.view(sight.activations, setup.k)

    return {name: describer(name, collection()) for name in names}


def describe_all(
    dataset: Dataset,
    readable: Sequence[int],
    setup: Setup,
    functions: Describers,
    *,
    crop: bool,
    tell: Tell,
) -> list[Described]:
    """The regions of every readable picture, and of every query's crop, by each descriptor."""
    found = {
        name: Described(
            name, setup, [None] * len(dataset.images), [None] * len(dataset.queries), 0.0
        )
        for name in functions
    }
    spent = dict.fromkeys(functions, 0.0)
    sizes = setup.sizes()
    for done, row in enumerate(readable, start=1):
        path = dataset.images[row].path
        views, seen = [], 0.0
        for features in sizes:
            sight = features.see(path)
            views.append(setup.backbone.view(sight.activations, setup.k))
            seen += sight.seconds
        start = time.perf_counter()
        if any(uses_parts(name) for name in functions):
            for view in views:
                _ = view.parts
        factorized = time.perf_counter() - start
        for name, regions in functions.items():
            start = time.perf_counter()
            found[name].pictures[row] = kept_regions(regions, views)
            spent[name] += seen + time.perf_counter() - start
            spent[name] += factorized if uses_parts(name) else 0
        tell("descriptors", done, len(readable))
    if crop:
        there = set(readable)
        for place, ask in enumerate(dataset.queries):
            if ask.box is not None and ask.image in there:
                views = views_of_query(dataset, setup, ask, crop=True)
                for name, regions in functions.items():
                    found[name].asked[place] = kept_regions(regions, views)
            tell("cropped queries", place + 1, len(dataset.queries))
    count = max(1, len(readable))
    return [replace(one, seconds=spent[name] / count) for name, one in found.items()]


def views_of_query(dataset: Dataset, setup: Setup, ask: Ask, *, crop: bool) -> list[View]:
    """What is seen of a query at each scale: its picture, or the crop of its box if it has one."""
    path = dataset.images[ask.image].path
    if not crop or ask.box is None:
        return setup.views(path)
    return setup.views(path, within(ask.box, setup.features.see(path).size))


def kept_regions(regions: Callable[[View], Regions], views: Sequence[View]) -> Regions:
    """Of one picture at every scale, as an index would keep them; where they are is not needed."""
    sizes = [regions(view).stored() for view in views]
    return across_scales([replace(one, heatmaps=None) for one in sizes])
