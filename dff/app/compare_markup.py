"""The tables of the compare page as HTML: shared results, and the split of a score.

They take their ink from the page (`currentColor`), so they suit any theme. Every text in them is
escaped; numbers and colours are ours.
"""

from collections.abc import Sequence
from html import escape

import numpy as np

from dff.app.compare_data import Split
from dff.marks import PALETTE_HEX

# Regions a side up to which cells carry their numbers, and rows and columns theirs.
WRITTEN, MARKED = 5, 10
# Those of Explore: blue below 0, orange above, nothing at 0.
BLUE, ORANGE = "66 133 204", "236 138 44"
FULL = 0.75  # opacity of the largest cell: the numbers on it stay readable on any page

STYLE = """<style>
.dff-table { border-collapse: separate; border-spacing: 2px; font-size: 14px; line-height: 1.35;
  font-variant-numeric: tabular-nums; }
.dff-table th, .dff-table td { border: 0; padding: 4px 10px; text-align: center; }
.dff-table th { font-weight: 400; color: color-mix(in srgb, currentColor 70%, transparent); }
.dff-table th[scope=row] { text-align: left; }
.dff-table td { border-radius: 4px; white-space: nowrap; }
.dff-own { color: color-mix(in srgb, currentColor 45%, transparent); }
.dff-scroll { overflow-x: auto; }
.dff-split th, .dff-split td { padding: 2px 4px; }
.dff-split td.dff-cell { min-width: 46px; height: 34px; }
.dff-split td.dff-sum { font-weight: 600; text-align: right; padding-left: 8px; }
.dff-split.dff-plain th { padding: 0; }
.dff-split.dff-plain td.dff-cell { min-width: 24px; height: 26px; padding: 0; }
.dff-plain .dff-region { padding: 0; }
.dff-fine-grid { border-spacing: 1px; }
.dff-fine-grid td.dff-cell { min-width: 12px; width: 12px; height: 12px; padding: 0;
  border-radius: 2px; }
.dff-region { display: inline-grid; place-items: center; min-width: 24px; height: 24px;
  padding: 0 4px; border-radius: 12px; font-size: 12px; font-weight: 700; line-height: 1;
  background: color-mix(in srgb, currentColor 12%, transparent); }
.dff-coloured { color: #fff; background: var(--part);
  text-shadow: 0 0 2px rgb(0 0 0 / .6), 0 0 2px rgb(0 0 0 / .6), 0 1px 1px rgb(0 0 0 / .6); }
.dff-legend { display: inline-flex; align-items: center; gap: 8px; font-size: 12px;
  color: color-mix(in srgb, currentColor 70%, transparent); }
.dff-ramp { width: 96px; height: 10px; border-radius: 5px; }
</style>"""


def overlap_table(
    titles: Sequence[str],
    table: Sequence[Sequence[int]],
    top: int,
    correct: Sequence[int] | None = None,
) -> str:
    """How many of the first `top` each pair shares; correct: those of the query's category, in a
    last column, or None where there is no category."""
    extra = "" if correct is None else "<th scope='col'>Query's category</th>"
    heads = "".join(f"<th scope='col'>{escape(title)}</th>" for title in titles)
    body = ""
    for i, (title, row) in enumerate(zip(titles, table, strict=True)):
        cells = "".join(
            "<td class='dff-own'>–</td>" if i == j else _shade(shared, top)
            for j, shared in enumerate(row)
        )
        if correct is not None:
            cells += f"<td><b>{correct[i]} of {top}</b></td>"
        body += f"<tr><th scope='row'>{escape(title)}</th>{cells}</tr>"
    return (
        f"<div class='dff-scroll'><table class='dff-table'><thead><tr><td></td>{heads}{extra}"
        f"</tr></thead><tbody>{body}</tbody></table></div>"
    )


def split_table(split: Split, region: str) -> str:
    """The contributions of a score, each cell coloured around 0, with the sums of its rows.

    region: the word for one region. Up to 5 regions a side the cells carry their numbers; above,
    they tell them when pointed at, and above 10 rows and columns are not marked either.
    """
    table = split.table
    largest = float(np.abs(table).max())
    written, marked = max(table.shape) <= WRITTEN, max(table.shape) <= MARKED
    own, theirs = split.colours or (None, None)
    columns = range(table.shape[1])
    heads = "".join(f"<th scope='col'>{_mark(j + 1, theirs, j)}</th>" for j in columns)
    body = ""
    for i, row in enumerate(table):
        cells = "".join(_cell(float(row[j]), largest, i, j, region, written) for j in columns)
        head = f"<th scope='row'>{_mark(i + 1, own, i)}</th>" if marked else ""
        total = f"<td class='dff-sum'>{number(float(row.sum()))}</td>" if marked else ""
        body += f"<tr>{head}{cells}{total}</tr>"
    top = f"<thead><tr><td></td>{heads}<th scope='col'>sum</th></tr></thead>" if marked else ""
    fine = "" if written else " dff-plain" if marked else " dff-fine-grid"
    return (
        f"<div class='dff-scroll'><table class='dff-table dff-split{fine}'>{top}"
        f"<tbody>{body}</tbody></table></div>"
    )


def diverging_legend() -> str:
    """What the colours of the cells say."""
    stops = ", ".join(_ink(value) for value in (-1.0, 0.0, 1.0))
    return (
        "<span class='dff-legend'>lowers the score<span class='dff-ramp' "
        f"style='background: linear-gradient(90deg, {stops})'></span>raises the score</span>"
    )


def pair_sentence(split: Split, region: str) -> str:
    """The pair that moves the score most, in words."""
    i, j = split.strongest
    value = float(split.table[i, j])
    if value == 0:
        return "No pair adds anything."
    verb = "adds" if value > 0 else "takes away"
    return (
        f"Strongest pair: {region} {i + 1} of the query with {region} {j + 1} of the result "
        f"{verb} {number(abs(value))}."
    )


def number(value: float) -> str:
    """Three decimals, with a true minus sign, and no "-0.000"."""
    text = f"{value:.3f}"
    return text.replace("-", "") if float(text) == 0 else text.replace("-", "−")


def _cell(value: float, largest: float, i: int, j: int, region: str, written: bool) -> str:
    says = f"{region} {i + 1} of the query, {region} {j + 1} of the result: {number(value)}"
    share = value / largest if largest > 0 else 0.0
    text = ("·" if value == 0 else number(value)) if written else ""
    return (
        f"<td class='dff-cell' style='background: {_ink(share)}' title='{escape(says)}'>{text}</td>"
    )


def _ink(share: float) -> str:
    """The colour of a cell for its share of the largest one, -1 to 1."""
    if share == 0:
        return "color-mix(in srgb, currentColor 6%, transparent)"
    return f"rgb({BLUE if share < 0 else ORANGE} / {max(0.06, FULL * abs(share)):.3f})"


def _mark(number: int, colours: Sequence[int] | None, j: int) -> str:
    if colours is None:
        return f"<span class='dff-region'>{number}</span>"
    colour = PALETTE_HEX[colours[j] % len(PALETTE_HEX)]
    return f"<span class='dff-region dff-coloured' style='--part: {colour}'>{number}</span>"


def _shade(shared: int, top: int) -> str:
    strength = round(28 * shared / top)
    return (
        f"<td style='background: color-mix(in srgb, currentColor {strength}%, transparent)'>"
        f"{shared} of {top}</td>"
    )
