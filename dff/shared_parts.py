"""The parts that a query and its results have in common: one part is one colour in every picture.

They shape what is drawn and where it is, never the score: that comes from each picture's own
parts, and must not depend on what else was found.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import numpy as np

from dff.factorization import match_parts
from dff.geometry import Box
from dff.images import crop
from dff.index import Index, Query
from dff.localization import (
    JOINT_THRESHOLD,
    THRESHOLD,
    all_expressed_in,
    expressed_in,
    joint_basis,
    joint_from_activations,
    locate_in,
    region_of_interest,
)
from dff.parts import Parts

JOINT = 12  # the results that shape the joint parts, with the query
MATCH_SIDE = 64  # of the pictures on which parts are compared by their places
NEARLY_ALL = 0.9  # of a picture: a larger box says no more than "the picture"


@dataclass(frozen=True, eq=False)
class Joint:
    """The parts that a query and its results have in common: what is drawn by default.

    basis: (k, channels), row j grown out of the query's part j. query: the query's own picture in
    these parts. exact: parts of pictures (by row) from a true joint factorization; empty until
    somebody asks for it.
    """

    basis: np.ndarray
    query: Parts
    exact: dict[int, Parts]

    def of(self, index: Index, row: int) -> Parts:
        """A picture of the index in the joint parts."""
        return self.all_of(index, [row])[0]

    def all_of(self, index: Index, rows: Sequence[int]) -> list[Parts]:
        """Pictures of the index in the joint parts: cheaper together than one after another."""
        stored = [row for row in rows if row not in self.exact]
        found = all_expressed_in([index.detail(row) for row in stored], self.basis)
        known = {**self.exact, **dict(zip(stored, found, strict=True))}
        return [known[row] for row in rows]

    def box(self, index: Index, row: int, weights: Sequence[float] | np.ndarray) -> Box | None:
        """Where a picture of the index has what the weighted parts of the query are."""
        return located_box(self.query, self.of(index, row), weights, exact=row in self.exact)


def joint_parts(index: Index, query: Query, rows: Sequence[int]) -> Joint:
    """Joint parts from the stored factors: no network pass."""
    basis = joint_basis(query.parts, [index.detail(row) for row in rows])
    return Joint(basis, expressed_in(query.parts, basis), {})


def exact_joint_parts(
    index: Index,
    query: Query,
    picture: np.ndarray,
    rows: Sequence[int],
    progress: Callable[[int, int], None] | None = None,
    turn: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Joint:
    """True joint factorization of the query (of its box, if it has one) and the photos of `rows`.

    Slow: progress is that of `dff.localization.joint`, and each network pass and the factorization
    are done within a `turn()`, so that others' work can go in between. One photo is in memory at a
    time. Its parts are put in the order of the
    query's own, by where they lie in the query: what looks alike may lie elsewhere, and a number
    that moves to another thing would mislead.
    """
    settings, backbone, count = index.settings, index.backbone(), 1 + len(rows)
    tell = progress or (lambda done, count: None)
    shown = picture if query.box is None else crop(picture, query.box)
    activations, sizes = [], []
    for done in range(count):
        tell(done, count)
        with turn():
            if done > 0:
                shown = index.picture(rows[done - 1])
            activations.append(backbone.activations(shown, settings.size))
            sizes.append((shown.shape[1], shown.shape[0]))
    tell(count, count)
    with turn():
        found = joint_from_activations(
            activations,
            sizes,
            query.parts.k,
            stride=backbone.stride,
            size=settings.size,
            blocks=backbone.blocks,
            seed=settings.seed,
        )
    own = replace(found[0], width=query.parts.width, height=query.parts.height, box=query.box)
    match = match_parts(places(query.parts), places(own))
    order = np.argsort(match, kind="stable")
    basis = own.basis[order]
    own, *ordered = (
        parts.with_heatmaps(parts.heatmaps[order], basis) for parts in (own, *found[1:])
    )
    return Joint(basis, own, dict(zip(rows, ordered, strict=True)))


def located_box(
    query: Parts, common: Parts, weights: Sequence[float] | np.ndarray, *, exact: bool
) -> Box | None:
    """The box around what the weighted parts of the query are in another picture.

    weights: (k,). exact: whether `common` comes from a true joint factorization (`Joint.exact`),
    whose sharper heat is cut higher. None where nothing is found, and where the box would be
    nearly the whole picture.
    """
    interest = region_of_interest(query) * np.asarray(weights, np.float32)
    if not interest.any():
        return None
    threshold = JOINT_THRESHOLD if exact else THRESHOLD
    box = locate_in(query, common, interest, threshold=threshold).box
    if box is None:
        return None
    x0, y0, x1, y1 = box
    covers = (x1 - x0) * (y1 - y0) > NEARLY_ALL * common.width * common.height
    return None if covers else box


def places(parts: Parts) -> np.ndarray:
    """Where each part is, whatever the grid: (k, pixels) float32."""
    return np.stack([parts.on_picture(heat, MATCH_SIDE).ravel() for heat in parts.heatmaps])
