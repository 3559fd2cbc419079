"""Where a query's box is in other pictures of its label, by every method on equal terms.

The protocol: for each label with at least three boxed or masked pictures one of them is the query,
with its box, and up to eight others are the targets; three draws with a fixed seed.
"""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dff.evaluation.curves import Curve, Curves, cut_at_all
from dff.evaluation.datasets.base import Dataset, Sample
from dff.evaluation.described import Tell
from dff.evaluation.features import Features, mask_box, within
from dff.evaluation.protocols import box_iou, corloc, mask_iou
from dff.evaluation.ways import DEFAULT_METHOD, Found, Shown, Way, ways_of
from dff.geometry import check_box
from dff.images import ImageError, read_image
from dff.localization import CANVAS

FEWEST, DRAWS, TARGETS, SEED = 3, 3, 8, 0


@dataclass(frozen=True)
class Method:
    """One row. mask_iou: None for a collection without masks. seconds: per target, after the
    network pass (with it where a method needs another one)."""

    method: str
    mask_iou: float | None
    box_iou: float
    corloc: float
    seconds: float
    default: bool


@dataclass(frozen=True)
class Localisation:
    """What `locate_all` gives. rows: the table, the method in use last; empty without boxes.
    curves: the thresholds of methods that have a heatmap. notes: what could not be read."""

    rows: tuple[Method, ...]
    curves: tuple[Curve, ...]
    notes: tuple[str, ...]


def draws(dataset: Dataset) -> list[tuple[int, tuple[int, ...]]]:
    """(query row, target rows), always the same for one dataset."""
    generator = np.random.default_rng(SEED)
    by_label: dict[str, list[int]] = defaultdict(list)
    for row, sample in enumerate(dataset.images):
        if sample.label and (sample.box is not None or sample.mask is not None):
            by_label[sample.label].append(row)
    found = []
    for _, rows in sorted(by_label.items()):
        if len(rows) >= FEWEST:
            for _ in range(DRAWS):
                order = [rows[int(place)] for place in generator.permutation(len(rows))]
                found.append((order[0], tuple(order[1 : 1 + TARGETS])))
    return found


def locate_all(dataset: Dataset, features: Features, *, k: int, tell: Tell) -> Localisation:
    """Every method on every draw. k: parts of a factorization. tell: see `evaluate`."""
    chosen = draws(dataset)
    ways = ways_of(features, k)
    tallies = {name: _Tally() for name in ways}
    curves = Curves()
    notes: list[str] = []
    seen: dict[int, Shown | None] = {}
    for done, (query_row, target_rows) in enumerate(chosen, start=1):
        for row in (query_row, *target_rows):
            if row not in seen:
                try:
                    seen[row] = _show(dataset.images[row], features)
                except (ImageError, OSError, ValueError) as error:
                    seen[row] = None
                    notes.append(f"not located: {dataset.images[row].name}: {error}")
        query = seen[query_row]
        targets = [shown for row in target_rows if (shown := seen[row]) is not None]
        if query is not None and targets:
            for name, way in ways.items():
                found = tallies[name].run(way, query, targets)
                for answer, target in zip(found, targets, strict=True):
                    if answer.heat is not None:
                        heat, parts = answer.heat
                        canvas = parts.on_picture(heat, CANVAS)
                        curves.add(
                            name, cut_at_all(canvas, target.sight.size, target.box, target.mask)
                        )
        tell("localisation", done, len(chosen))
        if done % DRAWS == 0:
            seen.clear()  # a label's pictures are not another's
    rows = [tally.row(name) for name, tally in tallies.items() if tally.overlaps]
    return Localisation(tuple(rows), tuple(curves.means()), tuple(notes))


class _Tally:
    """What one method has come to."""

    def __init__(self) -> None:
        self.overlaps: list[float] = []
        self._masks: list[float] = []
        self._seconds = 0.0

    def run(self, way: Way, query: Shown, targets: Sequence[Shown]) -> list[Found]:
        start = time.perf_counter()
        found = way(query, targets)
        self._seconds += time.perf_counter() - start
        for answer, target in zip(found, targets, strict=True):
            self.overlaps.append(box_iou(answer.box, target.box))
            if target.mask is not None:
                self._masks.append(mask_iou(_as_mask(answer, target), target.mask))
        return found

    def row(self, name: str) -> Method:
        return Method(
            method=name,
            mask_iou=float(np.mean(self._masks)) if self._masks else None,
            box_iou=float(np.mean(self.overlaps)),
            corloc=100 * corloc(self.overlaps),
            seconds=self._seconds / len(self.overlaps),
            default=name == DEFAULT_METHOD,
        )


def _show(sample: Sample, features: Features) -> Shown:
    sight = features.see(sample.path)
    width, height = sight.size
    mask = None
    if sample.mask is not None:
        grey = read_image(sample.mask).max(axis=2) > 127
        mask = grey if grey.shape == (height, width) else _resized(grey, width, height)
    box = sample.box if sample.box is not None else mask_box(mask) if mask is not None else None
    if box is None:
        raise ValueError("expected a box or a mask that is not empty")
    return Shown(sample, sight, check_box(within(box, sight.size), width, height), mask)


def _as_mask(found: Found, target: Shown) -> np.ndarray:
    width, height = target.sight.size
    if found.mask is not None:
        return _resized(found.mask, width, height)
    mask = np.zeros((height, width), bool)
    if found.box is not None:
        x0, y0, x1, y1 = found.box
        mask[y0:y1, x0:x1] = True
    return mask


def _resized(mask: np.ndarray, width: int, height: int) -> np.ndarray:
    import cv2

    large = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(large > 0)
