"""How well a heatmap's region fits over the threshold it is cut at, for each method that has one.

Everything is measured on the heat's own canvas, its longest side 256 pixels, so that many
thresholds cost little: a cut at the default threshold may differ from the table, where masks have
the size of their picture, by a few thousandths.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from dff.evaluation.protocols import box_iou, corloc, mask_iou
from dff.geometry import Box

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(2, 15))
PIECES = ("largest", "all")


@dataclass(frozen=True)
class Curve:
    """A method's mask IoU (None without masks), box IoU and CorLoc in percent at each threshold.

    pieces: whether the region is the largest connected piece over the threshold, or all of them.
    thresholds: shares of a heatmap's own maximum.
    """

    method: str
    pieces: str
    thresholds: tuple[float, ...]
    mask_iou: tuple[float, ...] | None
    box_iou: tuple[float, ...]
    corloc: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Cut:
    """One heatmap cut at every threshold: mask_iou (pieces, thresholds) float64 or None, box_iou
    (pieces, thresholds) float64."""

    mask_iou: np.ndarray | None
    box_iou: np.ndarray


class Curves:
    """Collects cuts, method by method."""

    def __init__(self) -> None:
        self._cuts: dict[str, list[Cut]] = defaultdict(list)

    def add(self, method: str, cut: Cut) -> None:
        """One more target of a method."""
        self._cuts[method].append(cut)

    def means(self) -> list[Curve]:
        """The curves so far: for each method that of the largest piece, then that of all."""
        found = []
        for method, cuts in self._cuts.items():
            boxes = np.stack([cut.box_iou for cut in cuts])
            masks = [cut.mask_iou for cut in cuts if cut.mask_iou is not None]
            for place, pieces in enumerate(PIECES):
                own = boxes[:, place]
                found.append(
                    Curve(
                        method=method,
                        pieces=pieces,
                        thresholds=THRESHOLDS,
                        mask_iou=_floats(np.mean(masks, axis=0)[place]) if masks else None,
                        box_iou=_floats(own.mean(axis=0)),
                        corloc=tuple(100 * corloc(column.tolist()) for column in own.T),
                    )
                )
        return found


def cut_at_all(canvas: np.ndarray, size: tuple[int, int], box: Box, mask: np.ndarray | None) -> Cut:
    """Cut a heatmap, (height, width) float32 on any canvas, at every threshold.

    size: (width, height) of its picture. box: the true one, pixels of the picture. mask: the true
    one, bool at any size. Nothing hot overlaps nothing.
    """
    import cv2

    rows, columns = canvas.shape
    truth = None
    if mask is not None:
        small = cv2.resize(mask.astype(np.uint8), (columns, rows), interpolation=cv2.INTER_NEAREST)
        truth = small > 0
    boxes = np.zeros((len(PIECES), len(THRESHOLDS)))
    masks = np.zeros_like(boxes)
    top = float(canvas.max())
    for place, threshold in enumerate(THRESHOLDS if top > 0 else ()):
        over = (canvas >= threshold * top).astype(np.uint8)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(over, connectivity=8)
        best = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
        x, y, w, h = (int(v) for v in stats[best, :4])
        pieces = ((x, y, w, h), labels == best), (cv2.boundingRect(over), over > 0)
        for kind, ((x, y, w, h), region) in enumerate(pieces):
            boxes[kind, place] = box_iou(_scaled((x, y, x + w, y + h), canvas.shape, size), box)
            if truth is not None:
                masks[kind, place] = mask_iou(region, truth)
    return Cut(None if truth is None else masks, boxes)


def _scaled(box: Box, canvas: tuple[int, ...], size: tuple[int, int]) -> Box:
    """A box of a canvas (rows, columns) in pixels of the picture, grown to whole ones."""
    across, down = size[0] / canvas[1], size[1] / canvas[0]
    x0, y0, x1, y1 = box
    return (
        int(np.floor(x0 * across)),
        int(np.floor(y0 * down)),
        min(size[0], int(np.ceil(x1 * across))),
        min(size[1], int(np.ceil(y1 * down))),
    )


def _floats(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
