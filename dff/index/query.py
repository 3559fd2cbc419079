"""What goes into a search and what comes out of it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dff.descriptors import Described
from dff.geometry import Box, Extent
from dff.images import file_sha256, pixels_sha256, read_image
from dff.names import Name
from dff.parts import Parts

if TYPE_CHECKING:
    from dff.index.search import Index


@dataclass(frozen=True, eq=False)
class Seen:
    """A picture as the index's network saw it.

    activations: (channels, rows, columns) float32. size: (width, height) of the original. extent:
    what the grid covers. box: the rectangle that was seen, None for all. same: rows of the index
    that hold the same picture.
    """

    activations: np.ndarray
    size: tuple[int, int]
    extent: Extent
    box: Box | None
    same: frozenset[int]
    path: str | None


@dataclass(frozen=True, eq=False)
class Query:
    """A described picture, ready to be compared with an index.

    described: its whitened regions. parts: its factors, on which everything is drawn. names: one
    a part. row: its row if it is a picture of the index. same: rows of the same picture.
    descriptor: by which it was described, and is compared. matching: "vector", as sums of their
    regions, "regions", each region of the query with its best in the target, or "mutual", that
    both ways.
    """

    described: Described
    parts: Parts
    names: tuple[Name, ...]
    box: Box | None
    row: int | None
    same: frozenset[int]
    path: str | None = None
    descriptor: str = "dff"
    matching: str = "vector"


@dataclass(frozen=True, eq=False)
class Match:
    """One result. contributions: (query regions, target regions) float32, summing to `score`;
    parts instead of regions where those are shares of parts; None after a second ranking.
    """

    rank: int
    row: int
    id: str
    path: str
    score: float
    percentile: float
    contributions: np.ndarray | None
    box: Box | None
    is_query: bool
    index: "Index"

    def picture(self) -> np.ndarray:
        """The photo, (height, width, 3) uint8."""
        return self.index.picture(self.row)


def read_source(
    source: str | os.PathLike[str] | bytes | np.ndarray, name: str | None
) -> tuple[np.ndarray, tuple[str, ...], str | None]:
    """The picture, the hashes it may be known by, and its path."""
    if isinstance(source, np.ndarray):
        return source, (pixels_sha256(source),), None
    if isinstance(source, bytes):
        return read_image(source, name), (file_sha256(source),), name
    picture = read_image(source, name)
    path = os.fsdecode(source)
    return picture, (file_sha256(Path(path).read_bytes()),), path
