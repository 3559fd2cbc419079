"""One evaluation: a dataset, some layers and descriptors; tables as one JSON document."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from dff.evaluation.curves import Curve
from dff.evaluation.datasets.base import Dataset, examples
from dff.evaluation.described import (
    ALONE,
    Setup,
    Tell,
    choose,
    depends_on_k,
    describe_all,
    describers,
    readable_rows,
)
from dff.evaluation.features import Features
from dff.evaluation.locating import Method, locate_all
from dff.evaluation.noise import Noise, noise_of
from dff.evaluation.protocols import Difference
from dff.evaluation.retrieval import Row, main_task, rows_of
from dff.evaluation.whitenings import PAIRS, Fitted, whitenings_of
from dff.reranker import chosen

DIGITS = 6
LEAST, MOST = 32, 4096  # the longest side a network may see, pixels


@dataclass(frozen=True)
class Options:
    """What a run compares. Each adds rows, and takes none away.

    descriptors: names, or "all". ks: parts a picture; descriptors that do not depend on it have
    rows for the first alone, which is also what is located with. scales: factors of the size,
    together seen as one picture, beside the size alone. reranks: second rankings, or "all".
    whiten_on: another dataset to fit whitenings on. crop: queries with a box are cropped to it.
    """

    descriptors: Sequence[str] = ("all",)
    ks: Sequence[int] = (4,)
    scales: Sequence[float] = ()
    reranks: Sequence[str] = ()
    whiten_on: Dataset | None = None
    crop: bool = False


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The tables of one run, and what a reader must know about it.

    k: what was located with. curves: of the methods that have a heatmap.
    """

    dataset: Dataset
    k: int
    crop: bool
    rows: tuple[Row, ...]
    localization: tuple[Method, ...]
    notes: tuple[str, ...]
    curves: tuple[Curve, ...] = ()

    @cached_property
    def noise(self) -> list[Noise]:
        """How certain each row is, in their order."""
        return noise_of(self.rows)

    def document(self) -> dict[str, Any]:
        """The tables as JSON values (DESIGN: mAP, P@1 and CorLoc in percent, IoU 0..1).

        Of each row also the 95 % interval of its mAP, and of its paired difference to the default.
        """
        main = main_task(self.dataset)
        rows = [
            asdict(row.settings)
            | {
                "scales": list(row.settings.scales),
                "dimensions": row.dimensions,
                "regions": round(row.regions, 2),
                "map": round(row.mean_precisions[main], DIGITS),
                "map_low": round(noise.low, DIGITS),
                "map_high": round(noise.high, DIGITS),
                "vs_default": _difference(noise.vs_default),
                "level_with_best": noise.level,
                "p_at_1": round(row.first, DIGITS),
                "seconds": round(row.seconds, DIGITS),
                "bytes": row.bytes,
                "default": row.default,
            }
            | ({"map_by_task": row.mean_precisions} if len(self.dataset.tasks) > 1 else {})
            for row, noise in zip(self.rows, self.noise, strict=True)
        ]
        return {
            "dataset": self.dataset.name,
            "queries": len(self.dataset.queries),
            "images": len(self.dataset.images),
            "k": self.k,
            "cropped": self.crop,
            "rows": rows,
            "localization": [asdict(method) for method in self.localization],
            "threshold_curves": [asdict(curve) for curve in self.curves],
            "notes": list(self.notes),
        }


def evaluate(
    dataset: Dataset,
    layers: Sequence[Features],
    options: Options,
    *,
    usual: str | None = None,
    tell: Tell = lambda what, done, total: None,
) -> Evaluation:
    """Run descriptors on every layer, and localisation methods on the first.

    usual: the layer of a user who chooses nothing, of the first one's network; None for the first
    itself. Only its rows can be the default. tell: called with what is being done, how much of it
    is done and how much there is.

    Activations are computed once a picture, layer and size and kept, so a run that was stopped
    goes on, and a repeated one gives the same numbers. Raises ValueError for an unknown descriptor
    or reranking, if no picture could be read, and for a dataset to whiten on that shares pictures
    with this one: its labels would be learnt from.
    """
    if not layers:
        raise ValueError("layers: expected at least one, got none")
    options = replace(options, reranks=chosen(options.reranks))
    if options.whiten_on is not None:
        _check_apart(dataset, options.whiten_on)
    default = layers[0].backbone.name, usual or layers[0].backbone.layer
    rows: list[Row] = []
    notes = list(dataset.notes)
    for features in layers:
        names, told = choose(options.descriptors, features.backbone.class_weights is not None)
        usual_layer = (features.backbone.name, features.backbone.layer) == default
        for setup in _setups(features, options):
            able = [name for name in names if depends_on_k(name) or setup.k == options.ks[0]]
            if able:
                seen_as_usual = setup.k == options.ks[0] and setup.scales == ALONE
                found, unreadable = _rows(
                    dataset, setup, able, options, usual=usual_layer and seen_as_usual, tell=tell
                )
                rows += found
                told += unreadable
        notes += told
    located = locate_all(dataset, layers[0], k=options.ks[0], tell=tell)
    return Evaluation(
        dataset=dataset,
        k=options.ks[0],
        crop=options.crop,
        rows=tuple(rows),
        localization=located.rows,
        notes=tuple(dict.fromkeys([*notes, *located.notes])),
        curves=located.curves,
    )


def _rows(
    dataset: Dataset,
    setup: Setup,
    names: Sequence[str],
    options: Options,
    *,
    usual: bool,
    tell: Tell,
) -> tuple[list[Row], list[str]]:
    """The rows of pictures that are seen in one way, and sentences on what is not in them."""
    readable, notes = readable_rows(dataset, setup, tell)
    if not readable:
        raise ValueError(f"{dataset.name}: expected pictures, none could be read: {notes[0]}")
    functions = describers(dataset, readable, setup, names)
    described = describe_all(dataset, readable, setup, functions, crop=options.crop, tell=tell)
    fitted: dict[str, list[Fitted]] = {}
    if options.whiten_on is not None:
        # The same functions: what a descriptor has learnt is part of it.
        other, unreadable = readable_rows(options.whiten_on, setup, tell)
        fitted = {
            one.name: list(whitenings_of(options.whiten_on, one))
            for one in describe_all(
                options.whiten_on, other, setup, functions, crop=False, tell=tell
            )
        }
        notes += [f"{options.whiten_on.name}: {note}" for note in unreadable]
        if all(one.name != PAIRS for ones in fitted.values() for one in ones):
            notes.append(f"{options.whiten_on.name}: no two pictures share a label to learn from")
    rows: list[Row] = []
    for one in described:
        elsewhere = fitted.get(one.name, [])
        rows += rows_of(
            dataset, one, elsewhere=elsewhere, reranks=options.reranks, usual=usual, tell=tell
        )
    return rows, notes


def _setups(features: Features, options: Options) -> list[Setup]:
    """Every k with the size alone, and with the scales.

    Raises ValueError for a scale that leaves too few or too many pixels."""
    for scale in options.scales:
        if not LEAST <= features.size * scale <= MOST:
            raise ValueError(
                f"scales: expected factors that make {features.size} pixels {LEAST} to {MOST}, "
                f"got {scale:g}"
            )
    ways = dict.fromkeys([ALONE, *([tuple(options.scales)] if options.scales else [])])
    return [Setup(features, k, scales) for k in dict.fromkeys(options.ks) for scales in ways]


def _check_apart(dataset: Dataset, other: Dataset) -> None:
    """ValueError if two datasets share a picture file."""
    paths = {image.path.resolve() for image in dataset.images}
    shared = [image.name for image in other.images if image.path.resolve() in paths]
    if shared:
        raise ValueError(
            f"whiten_on: expected other pictures than those of {dataset.name}, got "
            f"{len(shared)} of them: {examples(shared)}"
        )


def _difference(found: Difference | None) -> dict[str, float] | None:
    if found is None:
        return None
    ends = {"difference": found.mean, "low": found.low, "high": found.high}
    return {name: round(value, DIGITS) for name, value in ends.items()}
