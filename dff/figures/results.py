"""The figure of a search: the query and its best results, in the parts they share."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from dff.figures.panel import Panel, credits, cropped, draw, draw_photo
from dff.figures.sheet import FINE, MUTED, RADIUS, TEXT, TITLE, WIDTH, Sheet, number
from dff.marks import colour_of

QUERY, SPACE, GAP = 1.85, 0.24, 0.14  # inches: the query's column, beside it, between results
COLUMNS = 3
HEAD, STEP, LINE = 0.2, 0.1, 0.19
BAR = 0.05  # of the split of a score


def results_figure(
    query: Panel, results: Sequence[Panel], names: Sequence[str], *, note: str = ""
) -> Figure:
    """A query, the names of its parts, and its results, best first, with scores and boxes.

    All panels hold the same k parts: part j is one colour everywhere. Below each result its score
    is split by the parts of the query, what lowers it to the left of the line. names: one a part
    of the query, "" for none. note: a line below the title, such as the settings.
    """
    counts = [panel.parts.k for panel in (query, *results)]
    if not results or any(count != len(names) for count in counts):
        raise ValueError(
            f"expected a query and results with {len(names)} parts each, as there are names, got "
            f"{counts}"
        )
    cell = (WIDTH - QUERY - SPACE - (COLUMNS - 1) * GAP) / COLUMNS
    tall = cell * 0.75
    row = HEAD + tall + BAR + 0.17
    rows = -(-len(results) // COLUMNS)
    inside = cropped(query)
    size, whole = inside.size(QUERY, 2.6), query.size(QUERY, 2.0)
    # With a box: first where it is in the photo, then what is in it.
    below = HEAD + (0 if query.parts.box is None else whole[1] + 0.1)
    left = below + size[1] + 0.36 + LINE * len(names)
    told = [("query", query), *((f"{n}.", panel) for n, panel in enumerate(results, start=1))]
    credit = credits(told)
    top = 0.42
    end = top + max(rows * row, left)
    sheet = Sheet(end + 0.06 + STEP * len(credit))
    sheet.text(0, 0.09, f"Most similar to {query.title}", TITLE, bold=True, width=WIDTH)
    sheet.text(0, 0.27, note, FINE + 0.5, colour=MUTED, width=WIDTH)

    maximum = max(float(panel.parts.heatmaps.max()) for panel in (query, *results))
    labels = [str(j + 1) for j in range(len(names))]
    sheet.text(0, top + HEAD / 2 - 0.01, "Query", bold=True)
    if query.parts.box is not None:
        draw_photo(sheet, query, 0, top + HEAD, whole)
    draw(sheet, inside, 0, top + below, size, maximum=maximum, labels=labels)
    for j, name in enumerate(names):
        y = top + below + size[1] + 0.2 + j * LINE
        sheet.badge(RADIUS, y, labels[j], query.colours[j])
        sheet.text(0.21, y, name or f"part {j + 1}", width=QUERY - 0.21)
    told_bars = "Bars: what each part adds to the score."
    sheet.text(0, top + left - 0.13, told_bars, FINE, colour=MUTED, width=QUERY)

    lower, upper = _range(results)
    for n, panel in enumerate(results):
        x = QUERY + SPACE + (n % COLUMNS) * (cell + GAP)
        y = top + (n // COLUMNS) * row
        score = "" if panel.score is None else number(panel.score)
        sheet.text(x, y + HEAD / 2 - 0.01, str(n + 1), bold=True)
        sheet.text(x + 0.17, y + HEAD / 2 - 0.01, panel.title, width=cell - 0.58)
        sheet.text(x + cell, y + HEAD / 2 - 0.01, score, TEXT, align="right")
        inner = panel.size(cell, tall)
        draw(sheet, panel, x, y + HEAD, inner, maximum=maximum, labels=labels)
        if panel.shares is not None and lower + upper > 0:
            unit = cell / (lower + upper)
            _bar(sheet, x + lower * unit, y + HEAD + tall + 0.06, unit, panel, query.colours)
    sheet.lines(0, end + 0.07, credit, FINE, STEP)
    return sheet.figure


def _range(results: Sequence[Panel]) -> tuple[float, float]:
    """How far the longest bar reaches below 0, and above."""
    known = [panel.shares for panel in results if panel.shares is not None]
    below = max((float(-np.minimum(shares, 0).sum()) for shares in known), default=0.0)
    above = max((float(np.maximum(shares, 0).sum()) for shares in known), default=0.0)
    return below, above


def _bar(
    sheet: Sheet, zero: float, y: float, unit: float, panel: Panel, colours: Sequence[int]
) -> None:
    """What each part adds, side by side: to the right of zero, or to its left if it lowers."""
    right = left = zero
    for share, colour in zip(
        panel.shares if panel.shares is not None else (), colours, strict=True
    ):
        rgb, hatched = colour_of(colour)
        length = abs(float(share)) * unit
        if share < 0:
            left -= length
        start = left if share < 0 else right
        if share >= 0:
            right += length
        sheet.rectangle(start, y, (length, BAR), fill=rgb, hatched=hatched)
    sheet.rectangle(zero - 0.003, y - 0.025, (0.006, BAR + 0.05), fill=MUTED)
