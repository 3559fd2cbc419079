"""Where the parts of one picture are in another, and the box around them.

Three ways, cheapest first. *Instant*: the stored factors of a target, expressed in the query's own
parts. (Lit up by their cosine with what is wanted, as in one layer they may be, they point at
nearly everything once two layers are joined.) *Joint from stored factors*: one small NMF over the
stored bases of the query and its results, started from the query's own parts, so that part j keeps
its number and colour in every picture; no network pass. *Joint*: one NMF over the activations of
query and targets together (Collins & Süsstrunk, ICIP 2019), the exact form. Where layers are joined
it looks at the first alone, which locates better. Measured in docs/evaluation.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dff import nmf
from dff.backbones import Backbone
from dff.factorization import factorize_jointly
from dff.geometry import Box, check_box, fit_size, grid_extent
from dff.images import resize
from dff.parts import Parts
from dff.refine import refine_mask

THRESHOLD = 0.35  # of a picture's own maximum: docs/evaluation.md
JOINT_THRESHOLD = 0.4  # the same for joint parts
# Under this share of the heat that the region of interest reaches in the query there is nothing
# to point at in a target: it loses no true pair, and is silent on a fifth to a third of unrelated
# ones.
FLOOR = 0.25
WHOLE_PICTURE = 0.95  # a box that covers more marks nothing
# The joint parts are given this many steps away from the query's own. More hardly agree better
# with a true joint factorization (k = 6, after 0 / 5 / 100: 58 / 63 / 64 % of positions), but the
# query's heatmaps drift from the parts that made the score (cosine 1.00 / 1.00 / 0.97).
JOINT_ITERATIONS = 5
CANVAS = 256  # longest side on which boxes are drawn, in pixels: 4 px of a 1024 px photo


@dataclass(frozen=True, eq=False)
class Located:
    """The region of interest in one picture.

    heatmap: (rows, columns) float32 >= 0, the grid of the picture's parts. box: pixels of the
    original, None where nothing is found. mask: (height, width) bool at a longest side of 256
    pixels, the largest connected region over the threshold; all False where nothing is found.
    """

    heatmap: np.ndarray
    box: Box | None
    mask: np.ndarray


def region_of_interest(parts: Parts, box: Box | None = None) -> np.ndarray:
    """How much each part belongs to what the user means: (k,) float32, 0..1.

    With a box: max(0, (share - area) / (1 - area)), share = how much of the part's heat lies in
    the box, area = the box's share of the picture: 0 for a part that is no denser inside than
    outside. Without one, or with a box over 95 % of the picture: the part's share of energy in the
    deepest of the joined layers. Over all of them, grounds weigh as much as things, and the answer
    is the whole picture (docs/evaluation.md).
    """
    if box is not None:
        x0, y0, x1, y1 = check_box(box, parts.width, parts.height)
        area = (x1 - x0) * (y1 - y0) / (parts.width * parts.height)
        if area <= WHOLE_PICTURE:
            shares = np.array([_share(parts, heat, box) for heat in parts.heatmaps])
            weights = np.maximum(0, (shares - area) / (1 - area))
            if weights.any():
                return weights.astype(np.float32)
    return parts.deepest_energy


def joint_from_stored(query: Parts, targets: Sequence[Parts]) -> list[Parts]:
    """The query's parts found in every target, without a network pass.

    query: its parts; targets: their stored factors, as many as there are (see `Index.detail`).
    Returns one `Parts` a picture, the query first, all with one basis, `joint_basis`: each
    picture's factors are expressed in it, and their heatmaps summed accordingly.
    """
    return all_expressed_in([query, *targets], joint_basis(query, targets))


def joint_basis(query: Parts, targets: Sequence[Parts]) -> np.ndarray:
    """What the query's parts and the targets' stored factors have in common: (k, channels) float32,
    unit rows, row j grown out of the query's part j.

    The rows of all bases, each weighted by its heatmap's length, are factorized with the query's
    basis as the start.
    """
    stacked = np.concatenate([weighted_basis(parts) for parts in (query, *targets)])
    start = nmf.project(stacked, query.basis)
    solution = nmf.solve(
        stacked,
        query.k,
        init=(np.maximum(start, 1e-6), query.basis),
        max_iterations=JOINT_ITERATIONS,
        tolerance=0,
    )
    lengths = np.linalg.norm(solution.basis, axis=1, keepdims=True)
    basis = np.where(query.dead[:, None], 0, solution.basis / np.where(lengths > 0, lengths, 1))
    return basis.astype(np.float32)


def expressed_in(parts: Parts, basis: np.ndarray) -> Parts:
    """A picture's factors in another basis (j, channels), by non-negative least squares."""
    return all_expressed_in([parts], basis)[0]


def all_expressed_in(pictures: Sequence[Parts], basis: np.ndarray) -> list[Parts]:
    """Many pictures' factors in another basis (j, channels), solved together: that takes hardly
    longer than one picture alone."""
    if not pictures:
        return []
    shares = nmf.project_several([parts.basis for parts in pictures], basis)
    found = []
    for parts, own in zip(pictures, shares, strict=True):
        heatmaps = np.tensordot(own.T, parts.heatmaps, axes=1).astype(np.float32)
        found.append(parts.with_heatmaps(heatmaps, basis))
    return found


def instant_heatmap(target: Parts, query_basis: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """By cosine, for comparison: (rows, columns) float32 of the target's grid.

    heat = sum_j heatmap_j * max(0, cos(basis_j, q)), q = the query's parts weighted by the region
    of interest: query_basis (k, channels) unit rows, weights (k,).
    """
    wanted = weights @ query_basis
    length = float(np.linalg.norm(wanted))
    if length == 0:
        return np.zeros(target.grid, np.float32)
    cosines = np.maximum(0, target.basis @ (wanted / length))
    return np.tensordot(cosines, target.heatmaps, axes=1).astype(np.float32)


def locate(
    parts: Parts, heatmap: np.ndarray, *, threshold: float = THRESHOLD, floor: float = 0.0
) -> Located:
    """The largest connected region of a heatmap (rows, columns) over threshold * its maximum.

    floor: the heat under which the maximum counts as nothing found.
    """
    canvas = parts.on_picture(heatmap, CANVAS)
    top = float(canvas.max())
    nothing = np.zeros(canvas.shape, bool)
    if top <= 0 or top < floor:
        return Located(heatmap, None, nothing)
    largest, box = _largest_box(parts, canvas >= threshold * top)
    return Located(heatmap, box, largest)


def refined(found: Located, parts: Parts, picture: np.ndarray) -> Located:
    """The same with a mask that follows the picture's edges (see `dff.refine`).

    picture: (height, width, 3) uint8, the one of `parts`, at any size. The box becomes the mean of
    the heat's and that of the mask's largest piece: each is wrong in its own way.
    """
    if found.box is None:
        return found
    height, width = found.mask.shape
    mask = refine_mask(
        resize(picture, width, height), np.maximum(0, parts.on_picture(found.heatmap, CANVAS))
    )
    edges = _largest_box(parts, mask)[1]
    box = tuple(round((a + b) / 2) for a, b in zip(found.box, edges, strict=True))
    return Located(found.heatmap, (box[0], box[1], box[2], box[3]), mask)


def locate_parts(
    pictures: Sequence[Parts], weights: np.ndarray, *, threshold: float = THRESHOLD
) -> list[Located]:
    """The region of interest in pictures that share their parts, the query first.

    weights: (k,), from `region_of_interest`. threshold: see `locate`; JOINT_THRESHOLD for parts
    from `joint`.
    """
    return [locate_in(pictures[0], parts, weights, threshold=threshold) for parts in pictures]


def locate_in(
    query: Parts, parts: Parts, weights: np.ndarray, *, threshold: float = THRESHOLD
) -> Located:
    """A query's region of interest in one picture that shares its parts. See `locate_parts`."""
    own, there = (np.tensordot(weights, one.heatmaps, axes=1) for one in (query, parts))
    floor = FLOOR * float(own.max())
    return locate(parts, there.astype(np.float32), threshold=threshold, floor=floor)


def joint(
    pictures: Sequence[np.ndarray],
    k: int,
    backbone: Backbone,
    *,
    size: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[Parts]:
    """True joint factorization of pictures, (height, width, 3) uint8 each: one `Parts` each.

    Where the backbone joins layers, the parts are found in the first of them.
    progress: called before each picture's network pass and after the last, with how many pictures
    are done, of how many.
    """
    size = size or backbone.size
    tell = progress or (lambda done, count: None)
    activations: list[np.ndarray] = []
    for picture in pictures:
        tell(len(activations), len(pictures))
        activations.append(backbone.activations(picture, size))
    tell(len(pictures), len(pictures))
    sizes = [(picture.shape[1], picture.shape[0]) for picture in pictures]
    return joint_from_activations(
        activations,
        sizes,
        k,
        stride=backbone.stride,
        size=size,
        blocks=backbone.blocks,
        seed=seed,
    )


def joint_from_activations(
    activations: Sequence[np.ndarray],
    sizes: Sequence[tuple[int, int]],
    k: int,
    *,
    stride: int,
    size: int,
    blocks: tuple[int, ...] = (),
    seed: int = 0,
) -> list[Parts]:
    """The same from activations (channels, rows, columns), one a picture of `sizes` (width,
    height), as a network of that stride gave them at a longest side of `size` pixels.

    blocks: the channels of each layer where several are joined. Parts are then found in the first
    of them; the basis has all channels: what best explains those with the heatmaps found.
    """
    channels = len(activations[0]) if activations else 0
    if blocks and sum(blocks) != channels:
        raise ValueError(f"blocks: expected {channels} channels together, got {blocks}")
    first = blocks[0] if blocks else channels
    factors = factorize_jointly([one[:first] for one in activations], k, seed=seed)
    basis = factors[0].basis
    if first < channels:
        basis = _described(activations, [one.heatmaps for one in factors])
    found = []
    for one, (width, height) in zip(factors, sizes, strict=True):
        extent = grid_extent(one.grid, stride, fit_size(width, height, size))
        parts = Parts.of(one, (width, height), extent, blocks=blocks)
        found.append(parts.with_heatmaps(one.heatmaps, basis))
    return found


def localize(
    picture: np.ndarray,
    targets: Sequence[np.ndarray],
    k: int = 4,
    *,
    backbone: Backbone,
    box: Sequence[float] | None = None,
    size: int | None = None,
) -> list[Located]:
    """Where what the user means in `picture` is in each of `targets`, by joint factorization.

    picture, targets: (height, width, 3) uint8. box: what is meant, (x0, y0, x1, y1) pixels of
    `picture`; without one, everything, by energy in the deepest layer.
    Returns one `Located` a target, its mask
    refined along the picture's edges.
    """
    height, width = picture.shape[:2]
    checked = None if box is None else check_box(box, width, height)
    found = joint([picture, *targets], k, backbone, size=size)
    weights = region_of_interest(found[0], checked)
    located = locate_parts(found, weights, threshold=JOINT_THRESHOLD)[1:]
    return [
        refined(where, parts, target)
        for where, parts, target in zip(located, found[1:], targets, strict=True)
    ]


def _share(parts: Parts, heatmap: np.ndarray, box: Box) -> float:
    """The share of a heatmap's sum that lies inside a box."""
    canvas = parts.on_picture(heatmap, CANVAS)
    total = float(canvas.sum())
    if total <= 0:
        return 0.0
    scale = CANVAS / max(parts.width, parts.height)
    x0, y0, x1, y1 = (round(v * scale) for v in box)
    x0, y0 = min(x0, canvas.shape[1] - 1), min(y0, canvas.shape[0] - 1)
    return float(canvas[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)].sum()) / total


def _largest_box(parts: Parts, mask: np.ndarray) -> tuple[np.ndarray, Box]:
    """The largest connected piece of a mask that is not empty, and the box around it in pixels of
    the original."""
    import cv2

    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    best = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    x, y, w, h = (int(v) for v in stats[best, :4])
    across, down = parts.width / mask.shape[1], parts.height / mask.shape[0]
    box = (
        int(np.floor(x * across)),
        int(np.floor(y * down)),
        min(parts.width, int(np.ceil((x + w) * across))),
        min(parts.height, int(np.ceil((y + h) * down))),
    )
    return labels == best, box


def _described(activations: Sequence[np.ndarray], heatmaps: Sequence[np.ndarray]) -> np.ndarray:
    """What parts at known places look like: (k, channels) float32, unit rows.

    The non-negative least squares fit of all activations by all heatmaps.
    """
    positions = np.concatenate([one.reshape(len(one), -1) for one in activations], axis=1)
    where = np.concatenate([one.reshape(len(one), -1) for one in heatmaps], axis=1)
    basis = nmf.project(positions, where).T
    lengths = np.linalg.norm(basis, axis=1, keepdims=True)
    unit: np.ndarray = (basis / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return unit


def weighted_basis(parts: Parts) -> np.ndarray:
    """The basis (k, channels), each row as long as its heatmap is strong."""
    lengths = np.linalg.norm(parts.heatmaps.reshape(parts.k, -1), axis=1)
    weighted: np.ndarray = parts.basis * lengths[:, None].astype(np.float32)
    return weighted
