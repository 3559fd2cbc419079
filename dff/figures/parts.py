"""The figure of one picture's parts: the photo, all parts on it, and where each one is."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from dff.figures.panel import Panel, credits, cropped, dots, draw, draw_photo, fitted_size
from dff.figures.sheet import FINE, MUTED, RADIUS, TITLE, WIDTH, Sheet
from dff.images import resize
from dff.render import Scale, single_heatmap

# The panels a row for so many panels (k + 2): rows that are full, or nearly.
COLUMNS = {3: 3, 4: 4, 5: 3, 6: 3, 7: 4, 8: 4, 9: 3, 10: 4, 11: 4, 12: 4}
GAP, HEAD, STEP = 0.16, 0.22, 0.1  # inches: between panels, of a heading, of a fine line
TALLEST = 2.2
BAR = 0.26  # of a colour bar with its numbers


def parts_figure(
    panel: Panel,
    names: Sequence[str],
    *,
    note: str = "",
    how: Scale = "shared",
    smooth: bool = True,
) -> Figure:
    """One picture's k parts (1 to 10), each with its number, name and share of energy.

    names: one a part, "" for none. note: a line below the title, such as the settings. how,
    smooth: see `dff.render.overlay`; the colour bars carry the heat's own numbers. If a box was
    factorized, the parts are shown on its crop.
    """
    parts = panel.parts
    if len(names) != parts.k or parts.k + 2 not in COLUMNS:
        raise ValueError(f"names: expected 1 to 10, one a part, got {len(names)} for {parts.k}")
    inside = cropped(panel)
    shown = inside.picture
    columns = COLUMNS[parts.k + 2]
    cell = (WIDTH - (columns - 1) * GAP) / columns
    shape = (shown.shape[1], shown.shape[0])
    size = fitted_size(*shape, cell, TALLEST)
    tall = max(size[1], panel.size(cell, TALLEST)[1])
    row = HEAD + tall + (BAR if how == "per_factor" else 0) + 0.1
    rows = -(-(parts.k + 2) // columns)
    credit = credits([("", panel)])
    top = 0.42
    end = top + rows * row + (BAR if how == "shared" else 0)
    sheet = Sheet(end + 0.06 + STEP * len(credit))
    sheet.text(0, 0.09, panel.title, TITLE, bold=True, width=WIDTH)
    sheet.text(0, 0.27, note, FINE + 0.5, colour=MUTED, width=WIDTH)
    places = [
        ((n % columns) * (cell + GAP), top + (n // columns) * row) for n in range(parts.k + 2)
    ]
    x, y = places[0]
    sheet.text(x, y + HEAD / 2, "Photo" if parts.box is None else "Photo and box", bold=True)
    draw_photo(sheet, panel, x, y + HEAD, panel.size(cell, tall))
    largest = float(parts.heatmaps.max())
    x, y = places[1]
    word = "part" if parts.k == 1 else "parts"
    sheet.text(x, y + HEAD / 2, f"{parts.k} {word}", bold=True)
    labels = [str(j + 1) for j in range(parts.k)]
    draw(sheet, inside, x, y + HEAD, size, maximum=largest, labels=labels)
    small = resize(shown, *dots(size))
    for j, (x, y) in enumerate(places[2:]):
        energy = f"{100 * parts.energy[j]:.0f} %"
        sheet.badge(x + RADIUS, y + HEAD / 2, str(j + 1), panel.colours[j])
        name = "holds nothing" if parts.dead[j] else names[j]
        sheet.text(x + 0.2, y + HEAD / 2, name, width=cell - 0.55)
        sheet.text(x + size[0], y + HEAD / 2, energy, align="right", colour=MUTED)
        own = largest if how == "shared" else float(parts.heatmaps[j].max())
        heat = single_heatmap(
            small,
            parts.heatmaps[j],
            maximum=own,
            opacity=0.65,
            smooth=smooth,
            extent=parts.extent,
        )
        sheet.picture(x, y + HEAD, size, heat)
        if how == "per_factor":
            sheet.colour_bar(x, y + HEAD + size[1] + 0.05, min(size[0], cell), own, "magma")
    if how == "shared":
        sheet.colour_bar(0, end - BAR + 0.02, 2.2, largest, "magma")
        told = "strength of the part's activations, on one scale; percent: share of energy"
        sheet.text(2.35, end - BAR + 0.055, told, FINE, colour=MUTED)
    sheet.lines(0, end + 0.07, credit, FINE, STEP)
    return sheet.figure
