"""What `components/heatgrid` is given: drawn pictures, and the numbers behind them."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dff.app.factors_data import PartFacts
from dff.export.page import data_uri
from dff.geometry import Extent
from dff.marks import PALETTE_HEX

LEAST, MOST = 200, 260  # pixels of a column, by panels side by side in it
GAP = 8  # between these, as in heatgrid.css


@dataclass(frozen=True, eq=False)
class Grid:
    """Maps of one picture on one grid.

    values: (n, rows, columns) >= 0. extent: what the grid covers, as shares of the picture.
    picture: a place pointed at in one grid is marked in all grids of the same picture.
    """

    values: np.ndarray
    extent: Extent
    picture: int = 0


@dataclass(frozen=True)
class Read:
    """A map that a panel tells the values of. label: what a value is of; colour: of a part; peak:
    the maximum that a value is told a share of, 0 where that would say nothing."""

    map: int
    label: str
    colour: str = ""
    peak: float = 0.0


@dataclass(frozen=True)
class Panel:
    """One picture of the view.

    image: a JPEG file. size: (width, height) at which it is shown, in pixels of the page. alt: the
    takeaway. head, foot: HTML of `markup`. grid, reads: the numbers behind it, None and none for a
    picture alone. maximum: the value at the bright end of its scale.
    """

    image: bytes
    size: tuple[int, int]
    alt: str
    head: str = ""
    foot: str = ""
    grid: int | None = None
    reads: tuple[Read, ...] = ()
    maximum: float = 0.0


def facts(grids: Sequence[Grid], groups: Sequence[Sequence[Panel]]) -> dict[str, Any]:
    """The view as JSON values. groups: panels that stay side by side, at least one of each."""
    widths = [sum(panel.size[0] + GAP for panel in group) - GAP for group in groups]
    most = widths[0] if len(groups) == 1 else MOST * max(map(len, groups))
    return {
        "grids": [_grid(grid) for grid in grids],
        "groups": [[_panel(panel) for panel in group] for group in groups],
        "column": max(LEAST, min(max(widths), most)),
    }


def part_read(part: PartFacts) -> Read:
    """How a part's heat is told."""
    colour = PALETTE_HEX[part.colour % len(PALETTE_HEX)]
    return Read(part.number - 1, f"part {part.number}", colour, part.peak)


def _grid(grid: Grid) -> dict[str, Any]:
    _, rows, columns = grid.values.shape
    return {
        "rows": rows,
        "columns": columns,
        "values": base64.b64encode(grid.values.astype("<f4").tobytes()).decode(),
        "extent": [round(share, 6) for share in grid.extent],
        "picture": grid.picture,
    }


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "image": data_uri(panel.image),
        "width": panel.size[0],
        "height": panel.size[1],
        "alt": panel.alt,
        "head": panel.head,
        "foot": panel.foot,
        "grid": panel.grid,
        "reads": [
            {"map": read.map, "label": read.label, "colour": read.colour, "peak": read.peak}
            for read in panel.reads
        ],
        "maximum": panel.maximum,
    }
