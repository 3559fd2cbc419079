"""The figure of a set of pictures: where in each one the parts are that they share."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from dff.figures.panel import Panel, credits, draw
from dff.figures.sheet import FINE, MUTED, RADIUS, TITLE, WIDTH, Sheet

LEGEND, SPACE, GAP = 1.75, 0.22, 0.12  # inches: the parts' column, beside it, between pictures
COLUMNS = 4
HEAD, STEP, LINE, ROW = 0.2, 0.1, 0.22, 0.1


def concepts_figure(
    panels: Sequence[Panel], names: Sequence[str], energy: Sequence[float], *, note: str = ""
) -> Figure:
    """Pictures that were factorized together, and the names and shares of their common parts.

    panels: all with the same k parts and colours. names: one a part, "" for none. energy: (k,),
    each part's share of the set's, 0 to 1. note: a line below the title, such as the settings.
    """
    counts = [panel.parts.k for panel in panels]
    if not panels or any(count != len(names) for count in (*counts, len(energy))):
        raise ValueError(
            f"expected pictures and energies of {len(names)} parts, as there are names, got "
            f"{counts} and {len(energy)}"
        )
    columns = min(COLUMNS, len(panels))
    cell = (WIDTH - LEGEND - SPACE - (COLUMNS - 1) * GAP) / COLUMNS
    tall = cell * 0.8
    rows = -(-len(panels) // columns)
    top = 0.42
    end = top + max(rows * (HEAD + tall + ROW), HEAD + LINE * len(names))
    told = [(f"{n}.", panel) for n, panel in enumerate(panels, start=1)]
    credit = credits(told)
    sheet = Sheet(end + 0.06 + STEP * len(credit))
    many = "one picture holds" if len(panels) == 1 else f"{len(panels)} pictures share"
    sheet.text(0, 0.09, f"What {many}", TITLE, bold=True, width=WIDTH)
    sheet.text(0, 0.27, note, FINE + 0.5, colour=MUTED, width=WIDTH)

    labels = [str(j + 1) for j in range(len(names))]
    sheet.text(0, top + HEAD / 2 - 0.01, "Parts", bold=True)
    for j, name in enumerate(names):
        y = top + HEAD + 0.1 + j * LINE
        sheet.badge(RADIUS, y, labels[j], panels[0].colours[j])
        sheet.text(0.21, y, name or f"part {j + 1}", width=LEGEND - 0.6)
        sheet.text(LEGEND, y, f"{100 * energy[j]:.0f} %", align="right")

    maximum = max(float(panel.parts.heatmaps.max()) for panel in panels)
    for n, panel in enumerate(panels):
        x = LEGEND + SPACE + (n % columns) * (cell + GAP)
        y = top + (n // columns) * (HEAD + tall + ROW)
        sheet.text(x, y + HEAD / 2 - 0.01, str(n + 1), bold=True)
        sheet.text(x + 0.17, y + HEAD / 2 - 0.01, panel.title, width=cell - 0.17)
        draw(sheet, panel, x, y + HEAD, panel.size(cell, tall), maximum=maximum, labels=labels)
    sheet.lines(0, end + 0.07, credit, FINE, STEP)
    return sheet.figure
