"""Every way to locate a query's box in other pictures, blind ones and classics included."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from dff.evaluation.datasets.base import Sample
from dff.evaluation.features import Features, Sight
from dff.factorization import factorize_activations
from dff.geometry import Box
from dff.images import read_image
from dff.index.plan import DETAIL_K
from dff.localization import (
    JOINT_THRESHOLD,
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

CENTRE = 0.5  # the centre box's share of the picture
DEFAULT_METHOD = "joint DFF, refined"


@dataclass(frozen=True, eq=False)
class Shown:
    """A picture of the draw: what is known of it and what the network saw."""

    sample: Sample
    sight: Sight
    box: Box
    mask: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Found:
    """What a method says of one target: a box in pixels, None for nothing, and a mask of any size
    or None for the box itself.

    heat: a heatmap (rows, columns) and the picture's parts that place it; None where the method
    has none, or only that of another one.
    """

    box: Box | None
    mask: np.ndarray | None = None
    heat: tuple[np.ndarray, Parts] | None = None


Way = Callable[[Shown, Sequence[Shown]], list[Found]]
Heat = Callable[[Shown, Shown], np.ndarray]


def ways_of(features: Features, k: int) -> dict[str, Way]:
    """The methods by name, those for comparison first, the one in use last.

    k: parts of the query, or of query and targets together. CAM and Grad-CAM are there if the
    layer is what a classifier looks at.
    """
    ways: dict[str, Way] = {
        "whole image": lambda _, targets: [Found((0, 0, *t.sight.size)) for t in targets],
        "centre box": lambda _, targets: [Found(_centre(*t.sight.size)) for t in targets],
        "summed activations": partial(_by_heat, features, _summed),
        "AML window search": partial(_by_window, features),
    }
    weights = features.backbone.class_weights
    if weights is not None:

        def cam_of(query: Shown, target: Shown) -> np.ndarray:
            return cam(target.sight.activations, weights[_class_of(features, query)])

        ways["CAM"] = partial(_by_heat, features, cam_of)
        ways["Grad-CAM"] = partial(_by_heat, features, partial(_grad_cam, features))
    ways |= {
        "DFF by cosine": partial(_by_cosine, features, k),
        "instant DFF": partial(_instant, features, k),
        "joint DFF": partial(_joint, features, k),
        DEFAULT_METHOD: partial(_joint_refined, features, k),
    }
    return ways


# --- blind ones and classics -----------------------------------------------------------


def _centre(width: int, height: int) -> Box:
    dx, dy = (side * (1 - CENTRE**0.5) / 2 for side in (width, height))
    return round(dx), round(dy), round(width - dx), round(height - dy)


def _by_heat(features: Features, heat: Heat, query: Shown, targets: Sequence[Shown]) -> list[Found]:
    """Methods that give one heatmap a target."""
    places = [_place(features, target) for target in targets]
    return [
        _found(place, locate(place, heat(query, target)))
        for place, target in zip(places, targets, strict=True)
    ]


def _summed(_: Shown, target: Shown) -> np.ndarray:
    return summed_activations(target.sight.activations)


def _grad_cam(features: Features, query: Shown, target: Shown) -> np.ndarray:
    picture, wanted = read_image(target.sample.path), _class_of(features, query)
    activations, gradient, _ = features.backbone.gradient(picture, wanted, features.size)
    return grad_cam(activations, gradient)


def _by_window(features: Features, query: Shown, targets: Sequence[Shown]) -> list[Found]:
    window = _window(features, query)
    wanted = max_pooled(query.sight.activations, window)
    aspect = (window[2] - window[0]) / (window[3] - window[1])
    answers = []
    for target in targets:
        found, _ = aml(target.sight.activations, wanted, aspect)
        place = _place(features, target)
        answers.append(Found(box_of_window(found, place.grid, target.sight.size, place.extent)))
    return answers


def _class_of(features: Features, query: Shown) -> int:
    """What the network's classifier sees in the query's box."""
    top, left, bottom, right = _window(features, query)
    inside = query.sight.activations[:, top:bottom, left:right]
    odds = features.backbone.classify(inside.mean(axis=(1, 2))[None])
    return top_classes(odds[0])[0] if odds is not None else 0


# --- factorizations --------------------------------------------------------------------


def _by_cosine(features: Features, k: int, query: Shown, targets: Sequence[Shown]) -> list[Found]:
    own = _parts(features, query, k)
    weights = region_of_interest(own, query.box)
    found = []
    for target in targets:
        detail = _parts(features, target, DETAIL_K)
        found.append(_found(detail, locate(detail, instant_heatmap(detail, own.basis, weights))))
    return found


def _instant(features: Features, k: int, query: Shown, targets: Sequence[Shown]) -> list[Found]:
    """As search results are located: the query's parts in the target's stored factors."""
    own = _parts(features, query, k)
    weights = region_of_interest(own, query.box)
    found = []
    for target in targets:
        shared = expressed_in(_parts(features, target, DETAIL_K), own.basis)
        heat = np.tensordot(weights, shared.heatmaps, axes=1).astype(np.float32)
        found.append(_found(shared, locate(shared, heat)))
    return found


def _joint(features: Features, k: int, query: Shown, targets: Sequence[Shown]) -> list[Found]:
    return [_found(parts, located) for located, parts in _jointly(features, k, query, targets)]


def _joint_refined(
    features: Features, k: int, query: Shown, targets: Sequence[Shown]
) -> list[Found]:
    found = []
    pairs = zip(_jointly(features, k, query, targets), targets, strict=True)
    for (located, parts), target in pairs:
        better = refined(located, parts, read_image(target.sample.path))
        found.append(Found(better.box, better.mask))
    return found


def _jointly(
    features: Features, k: int, query: Shown, targets: Sequence[Shown]
) -> list[tuple[Located, Parts]]:
    shown = [query, *targets]
    found = joint_from_activations(
        [one.sight.activations for one in shown],
        [one.sight.size for one in shown],
        k,
        stride=features.backbone.stride,
        size=features.size,
        blocks=features.backbone.blocks,
    )
    weights = region_of_interest(found[0], query.box)
    located = locate_parts(found, weights, threshold=JOINT_THRESHOLD)
    return list(zip(located[1:], found[1:], strict=True))


# --- pieces ----------------------------------------------------------------------------


def _place(features: Features, shown: Shown) -> Parts:
    """The picture's place, for a heatmap that is no part's."""
    return features.parts_of(shown.sight, shown.sight.activations[:1], np.ones((1, 1), np.float32))


def _window(features: Features, query: Shown) -> tuple[int, int, int, int]:
    place = _place(features, query)
    return window_of_box(query.box, place.grid, query.sight.size, place.extent)


def _parts(features: Features, shown: Shown, count: int) -> Parts:
    made = factorize_activations(shown.sight.activations, count)
    return features.parts_of(shown.sight, made.heatmaps, made.basis)


def _found(parts: Parts, located: Located) -> Found:
    return Found(located.box, located.mask, (located.heatmap, parts))
