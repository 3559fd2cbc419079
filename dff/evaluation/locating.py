"""Where a query's box is in other pictures of its label, by every method on equal terms.

The protocol: for each label with at least three boxed or masked pictures one of them is the query,
with its box, and up to eight others are the targets; three draws with a fixed seed.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dff.evaluation.datasets.base import Dataset, Sample
from dff.evaluation.features import Features, Sight, mask_box
from dff.evaluation.protocols import box_iou, corloc, mask_iou
from dff.evaluation.retrieval import Tell
from dff.factorization import factorize_activations
from dff.geometry import Box, check_box
from dff.images import ImageError, read_image
from dff.index.build import DETAIL_K
from dff.localization import (
    Located,
    expressed_in,
    instant_heatmap,
    joint_from_activations,
    locate,
    locate_parts,
    refined,
    region_of_interest,
)
from dff.parts import Parts
from dff.saliency import (
    aml,
    box_of_window,
    cam,
    grad_cam,
    max_pooled,
    summed_activations,
    top_classes,
    window_of_box,
)

FEWEST, DRAWS, TARGETS, SEED = 3, 3, 8, 0
CENTRE = 0.5  # the centre box's share of the picture
DEFAULT_METHOD = "joint DFF, refined"


@dataclass(frozen=True, eq=False)
class Found:
    """What a method says of one target: a box in pixels, None for nothing, and a mask of any size
    or None for the box itself."""

    box: Box | None
    mask: np.ndarray | None = None


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


@dataclass(frozen=True, eq=False)
class _Shown:
    """A picture of the draw: what is known of it and what the network saw."""

    row: int
    sample: Sample
    sight: Sight
    box: Box
    mask: np.ndarray | None


Way = Callable[[_Shown, Sequence[_Shown]], list[Found]]


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


def locate_all(
    dataset: Dataset, features: Features, *, k: int, tell: Tell
) -> tuple[list[Method], list[str]]:
    """The table, best method first named last; empty without boxes. And what could not be read."""
    chosen = draws(dataset)
    ways = _ways(features, k)
    overlaps: dict[str, list[float]] = {name: [] for name in ways}
    masks: dict[str, list[float]] = {name: [] for name in ways}
    seconds: dict[str, float] = dict.fromkeys(ways, 0.0)
    notes: list[str] = []
    seen: dict[int, _Shown | None] = {}
    for done, (query_row, target_rows) in enumerate(chosen, start=1):
        for row in (query_row, *target_rows):
            if row not in seen:
                try:
                    seen[row] = _show(row, dataset.images[row], features)
                except (ImageError, OSError, ValueError) as error:
                    seen[row] = None
                    notes.append(f"not located: {dataset.images[row].name}: {error}")
        query = seen[query_row]
        targets = [shown for row in target_rows if (shown := seen[row]) is not None]
        if query is None or not targets:
            continue
        for name, way in ways.items():
            start = time.perf_counter()
            found = way(query, targets)
            seconds[name] += time.perf_counter() - start
            for answer, target in zip(found, targets, strict=True):
                overlaps[name].append(box_iou(answer.box, target.box))
                if target.mask is not None:
                    masks[name].append(mask_iou(_as_mask(answer, target), target.mask))
        tell("localisation", done, len(chosen))
        if done % DRAWS == 0:
            seen.clear()  # a label's pictures are not another's
    rows = [
        Method(
            method=name,
            mask_iou=float(np.mean(masks[name])) if masks[name] else None,
            box_iou=float(np.mean(overlaps[name])),
            corloc=100 * corloc(overlaps[name]),
            seconds=seconds[name] / len(overlaps[name]),
            default=name == DEFAULT_METHOD,
        )
        for name in ways
        if overlaps[name]
    ]
    return rows, notes


def _show(row: int, sample: Sample, features: Features) -> _Shown:
    sight = features.see(sample.path)
    width, height = sight.size
    mask = None
    if sample.mask is not None:
        grey = read_image(sample.mask).max(axis=2) > 127
        mask = grey if grey.shape == (height, width) else _resized(grey, width, height)
    box = sample.box if sample.box is not None else mask_box(mask) if mask is not None else None
    if box is None:
        raise ValueError("expected a box or a mask that is not empty")
    x0, y0, x1, y1 = box  # hand-drawn ones reach past the border by a pixel or two
    clipped = (max(0, x0), max(0, y0), min(width, x1), min(height, y1))
    return _Shown(row, sample, sight, check_box(clipped, width, height), mask)


def _as_mask(found: Found, target: _Shown) -> np.ndarray:
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


# --- the methods -----------------------------------------------------------------------


def _ways(features: Features, k: int) -> dict[str, Way]:
    backbone = features.backbone

    def place(shown: _Shown) -> Parts:
        """The picture's place, for a heatmap that is no part's."""
        return features.parts_of(
            shown.sight,
            shown.sight.activations[:1],
            np.ones((1, 1), np.float32),
        )

    def by_heat(heat: Callable[[_Shown, _Shown], np.ndarray]) -> Way:
        def way(query: _Shown, targets: Sequence[_Shown]) -> list[Found]:
            return [_found(locate(place(t), heat(query, t))) for t in targets]

        return way

    def of_class(query: _Shown) -> int:
        """What the network's classifier sees in the query's box."""
        window = _window(features, query)
        inside = query.sight.activations[:, window[0] : window[2], window[1] : window[3]]
        odds = backbone.classify(inside.mean(axis=(1, 2))[None])
        return top_classes(odds[0])[0] if odds is not None else 0

    def by_window(query: _Shown, targets: Sequence[_Shown]) -> list[Found]:
        window = _window(features, query)
        wanted = max_pooled(query.sight.activations, window)
        aspect = (window[2] - window[0]) / (window[3] - window[1])
        answers = []
        for target in targets:
            found, _ = aml(target.sight.activations, wanted, aspect)
            parts = place(target)
            box = box_of_window(found, parts.grid, target.sight.size, parts.extent)
            answers.append(Found(box))
        return answers

    def parts(shown: _Shown, count: int) -> Parts:
        made = factorize_activations(shown.sight.activations, count)
        return features.parts_of(shown.sight, made.heatmaps, made.basis)

    def by_cosine(query: _Shown, targets: Sequence[_Shown]) -> list[Found]:
        own = parts(query, k)
        weights = region_of_interest(own, query.box)
        return [
            _found(locate(detail, instant_heatmap(detail, own.basis, weights)))
            for detail in (parts(target, DETAIL_K) for target in targets)
        ]

    def instant(query: _Shown, targets: Sequence[_Shown]) -> list[Found]:
        """As search results are located: the query's parts in the target's stored factors."""
        own = parts(query, k)
        weights = region_of_interest(own, query.box)
        found = []
        for target in targets:
            shared = expressed_in(parts(target, DETAIL_K), own.basis)
            heat = np.tensordot(weights, shared.heatmaps, axes=1).astype(np.float32)
            found.append(_found(locate(shared, heat)))
        return found

    def joint(query: _Shown, targets: Sequence[_Shown]) -> list[tuple[Located, Parts]]:
        shown = [query, *targets]
        found = joint_from_activations(
            [s.sight.activations for s in shown],
            [s.sight.size for s in shown],
            k,
            stride=backbone.stride,
            size=features.size,
        )
        located = locate_parts(found, region_of_interest(found[0], query.box))
        return list(zip(located[1:], found[1:], strict=True))

    def joint_plain(query: _Shown, targets: Sequence[_Shown]) -> list[Found]:
        return [_found(located) for located, _ in joint(query, targets)]

    def joint_refined(query: _Shown, targets: Sequence[_Shown]) -> list[Found]:
        found = joint(query, targets)
        return [
            _found(refined(located, own, read_image(target.sample.path)))
            for (located, own), target in zip(found, targets, strict=True)
        ]

    ways: dict[str, Way] = {
        "whole image": lambda _, targets: [Found((0, 0, *t.sight.size)) for t in targets],
        "centre box": lambda _, targets: [Found(_centre(*t.sight.size)) for t in targets],
        "summed activations": by_heat(lambda _, t: summed_activations(t.sight.activations)),
        "AML window search": by_window,
    }
    weights = backbone.class_weights
    if weights is not None:
        ways["CAM"] = by_heat(lambda q, t: cam(t.sight.activations, weights[of_class(q)]))
        ways["Grad-CAM"] = by_heat(lambda q, t: _grad_cam(features, t, of_class(q)))
    ways |= {
        "DFF by cosine": by_cosine,
        "instant DFF": instant,
        "joint DFF": joint_plain,
        DEFAULT_METHOD: joint_refined,
    }
    return ways


def _grad_cam(features: Features, target: _Shown, class_index: int) -> np.ndarray:
    picture = read_image(target.sample.path)
    activations, gradient, _ = features.backbone.gradient(picture, class_index, features.size)
    return grad_cam(activations, gradient)


def _window(features: Features, query: _Shown) -> tuple[int, int, int, int]:
    grid = (query.sight.activations.shape[1], query.sight.activations.shape[2])
    extent = features.parts_of(
        query.sight, query.sight.activations[:1], np.ones((1, 1), np.float32)
    ).extent
    return window_of_box(query.box, grid, query.sight.size, extent)


def _centre(width: int, height: int) -> Box:
    dx, dy = (side * (1 - CENTRE**0.5) / 2 for side in (width, height))
    return round(dx), round(dy), round(width - dx), round(height - dy)


def _found(located: Located) -> Found:
    return Found(located.box, located.mask)
