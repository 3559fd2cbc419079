"""Activations of a collection's pictures, computed once and kept by content.

A cached file's name holds the picture's bytes and all that its activations depend on, so that a run
that was stopped goes on where it was and a second one needs no network. They are kept at half
precision and rounded the same way when they are fresh: a repeated run gives the same numbers.
"""

import hashlib
import os
import time
import uuid
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dff.backbones import Backbone
from dff.geometry import Box, check_box, fit_size, grid_extent
from dff.images import crop, read_image
from dff.parts import Parts


@dataclass(frozen=True, eq=False)
class Sight:
    """One picture as the network saw it.

    activations: (channels, rows, columns) float32, at half precision. size: (width, height) of
    what was seen. seconds: what the network pass took when it was made.
    """

    activations: np.ndarray
    size: tuple[int, int]
    seconds: float


class Features:
    """What a backbone sees of pictures at one size, kept in a folder."""

    def __init__(self, backbone: Backbone, folder: Path, size: int | None = None) -> None:
        self.backbone = backbone
        self.folder = folder
        self.size = size or backbone.size

    def see(self, path: Path, box: Sequence[int] | None = None) -> Sight:
        """The activations of a picture, or of the crop of a box.

        A crop is resized by the factor its full picture would get (Radenović et al., CVPR 2018).
        Raises ImageError for a file that cannot be used, ValueError for a box outside it.
        """
        data = path.read_bytes()
        file = self.folder / f"{self._key(data, box)}.npz"
        kept = _read(file)
        if kept is not None:
            return kept
        picture = read_image(data, path.name)
        size = self.size
        if box is not None:
            height, width = picture.shape[:2]
            checked = check_box(box, width, height)
            picture = crop(picture, checked)
            size = max(32, round(size * max(picture.shape[:2]) / max(height, width)))
        start = time.perf_counter()
        activations = self.backbone.activations(picture, size)
        seconds = time.perf_counter() - start
        made = Sight(
            activations.astype(np.float16).astype(np.float32),
            (picture.shape[1], picture.shape[0]),
            seconds,
        )
        _write(file, made)
        return made

    def parts_of(self, sight: Sight, heatmaps: np.ndarray, basis: np.ndarray) -> Parts:
        """Heatmaps (k, rows, columns) in a picture, with their place in it."""
        grid = (sight.activations.shape[1], sight.activations.shape[2])
        extent = grid_extent(grid, self.backbone.stride, fit_size(*sight.size, self.size))
        empty = Parts(
            heatmaps,
            basis,
            np.zeros(len(basis), np.float32),
            *sight.size,
            extent,
            blocks=self.backbone.blocks,
        )
        return empty.with_heatmaps(heatmaps, basis)

    def _key(self, data: bytes, box: Sequence[int] | None) -> str:
        backbone = self.backbone
        facts = (
            hashlib.sha256(data).hexdigest(),
            None if box is None else tuple(int(v) for v in box),
            backbone.fingerprint,
            backbone.layer,
            (*backbone.mean, *backbone.std),
            self.size,
        )
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:24]


def within(box: Box, size: tuple[int, int]) -> Box:
    """A box clipped to a picture of (width, height): drawn by hand, some reach past the border."""
    x0, y0, x1, y1 = box
    return max(0, x0), max(0, y0), min(size[0], x1), min(size[1], y1)


def mask_box(mask: np.ndarray) -> Box | None:
    """The box around a mask (height, width) bool; None around nothing."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _read(file: Path) -> Sight | None:
    try:
        with np.load(file, allow_pickle=False) as found:
            width, height, seconds = (float(v) for v in found["facts"])
            activations = found["activations"].astype(np.float32)
            return Sight(activations, (int(width), int(height)), seconds)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None  # not there, or cut off when the machine stopped: made again


def _write(file: Path, sight: Sight) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{uuid.uuid4().hex[:12]}.npz")
    try:
        np.savez(
            temporary,
            activations=sight.activations.astype(np.float16),
            facts=np.array([*sight.size, sight.seconds]),
        )
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)
