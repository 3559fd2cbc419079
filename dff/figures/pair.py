"""The figure of one score: two pictures in their own parts, and what each pair of parts adds."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from dff.figures.panel import Panel, credits, cropped, draw
from dff.figures.sheet import FINE, MUTED, RADIUS, TITLE, WIDTH, Sheet, number
from dff.marks import Colour

PICTURE, GAP = 2.2, 0.16  # inches
HEAD, STEP, LINE = 0.2, 0.1, 0.19
LABEL, SUM = 0.22, 0.34  # of the table: its row labels, its column of sums
# Below 0 and above: those of the page.
BLUE, ORANGE = (66, 133, 204), (236, 138, 44)
FULL = 0.75  # how much of its colour the largest cell has: numbers on it stay readable


def contributions_figure(
    query: Panel,
    match: Panel,
    table: np.ndarray,
    query_names: Sequence[str],
    match_names: Sequence[str],
    *,
    note: str = "",
) -> Figure:
    """Why a match has its score: the table (query parts, match parts) that sums to it.

    The parts of the query have numbers, those of the match letters and the colour of the part of
    the query they go with. Cells are coloured around 0. A box of the query is shown alone.
    """
    table = np.asarray(table)
    if table.shape != (query.parts.k, match.parts.k):
        raise ValueError(
            f"table: expected {query.parts.k} x {match.parts.k} cells, got {table.shape}"
        )
    if (len(query_names), len(match_names)) != table.shape:
        raise ValueError(
            f"names: expected {table.shape}, got {(len(query_names), len(match_names))}"
        )
    query = cropped(query)
    sizes = [panel.size(PICTURE, 2.6) for panel in (query, match)]
    letters = [chr(ord("A") + j) for j in range(match.parts.k)]
    numbers = [str(i + 1) for i in range(query.parts.k)]
    left = max(
        HEAD + size[1] + 0.2 + LINE * len(names)
        for size, names in zip(sizes, (query_names, match_names), strict=True)
    )
    room = WIDTH - 2 * (PICTURE + GAP) - LABEL - SUM
    cell = (min(0.42, room / match.parts.k), min(0.42, 2.6 / query.parts.k))
    right = HEAD + 0.2 + cell[1] * len(numbers) + 0.52
    credit = credits([("query", query), ("match", match)])
    top = 0.42
    end = top + max(left, right)
    sheet = Sheet(end + 0.06 + STEP * len(credit))
    title = f"Why {match.title} scores {number(float(table.sum()))} for {query.title}"
    sheet.text(0, 0.09, title, TITLE, bold=True, width=WIDTH)
    sheet.text(0, 0.27, note, FINE + 0.5, colour=MUTED, width=WIDTH)
    sides = ((query, "Query", numbers, query_names), (match, "Match", letters, match_names))
    for side, (panel, what, labels, names) in enumerate(sides):
        x = side * (PICTURE + GAP)
        told = f"{what}: {panel.title}"
        sheet.text(x, top + HEAD / 2 - 0.01, told, bold=True, width=PICTURE)
        maximum = float(panel.parts.heatmaps.max())
        draw(sheet, panel, x, top + HEAD, sizes[side], maximum=maximum, labels=labels)
        for j, name in enumerate(names):
            y = top + HEAD + sizes[side][1] + 0.2 + j * LINE
            sheet.badge(x + RADIUS, y, labels[j], panel.colours[j])
            sheet.text(x + 0.21, y, name or f"part {labels[j]}", width=PICTURE - 0.21)
    _table(sheet, 2 * (PICTURE + GAP), top, cell, table, (numbers, letters), (query, match))
    sheet.lines(0, end + 0.07, credit, FINE, STEP)
    return sheet.figure


def _table(
    sheet: Sheet,
    x: float,
    y: float,
    cell: tuple[float, float],
    table: np.ndarray,
    labels: tuple[Sequence[str], Sequence[str]],
    panels: tuple[Panel, Panel],
) -> None:
    """The cells, the sums of rows and columns, the score, and the scale of the colours."""
    sheet.text(x, y + HEAD / 2 - 0.01, "What each pair adds", bold=True)
    wide, high = cell
    size = 6.0 if wide > 0.34 else 5.0 if wide > 0.26 else 3.6
    largest = float(np.abs(table).max()) or 1.0
    left, top = x + LABEL, y + HEAD + 0.2
    end, below = left + table.shape[1] * wide + SUM, top + len(table) * high + 0.1
    for j, letter in enumerate(labels[1]):
        place = left + (j + 0.5) * wide
        sheet.badge(place, top - 0.1, letter, panels[1].colours[j])
        sheet.text(place, below, number(table[:, j].sum()), size, align="center")
    for i, numeral in enumerate(labels[0]):
        middle = top + (i + 0.5) * high
        sheet.badge(x + RADIUS, middle, numeral, panels[0].colours[i])
        for j, value in enumerate(table[i]):
            corner = (left + j * wide + 0.01, top + i * high + 0.01)
            fill = _shade(float(value) / largest)
            sheet.rectangle(*corner, (wide - 0.02, high - 0.02), fill=fill)
            sheet.text(left + (j + 0.5) * wide, middle, number(value), size, align="center")
        sheet.text(end, middle, number(table[i].sum()), max(size, 5.0), align="right")
    sheet.text(x, below, "sum", FINE, colour=MUTED)
    sheet.text(end, below, number(table.sum()), max(size, 5.0), align="right", bold=True)
    ramp = np.array([[_shade(v) for v in np.linspace(-1, 1, 255)]], np.uint8)
    sheet.picture(left, below + 0.17, (1.2, 0.07), ramp)
    for share, align in ((-1.0, "left"), (0.0, "center"), (1.0, "right")):
        told = "0" if share == 0 else number(share * largest)
        place = left + 0.6 * (1 + share)
        sheet.text(place, below + 0.32, told, FINE, align=align, colour=MUTED)


def _shade(share: float) -> Colour:
    """White at 0, orange above, blue below; share: -1..1."""
    towards = ORANGE if share > 0 else BLUE
    red, green, blue = (round(255 + abs(share) * FULL * (c - 255)) for c in towards)
    return red, green, blue
