"""HTML of the deletion check: two bars on one scale, and tables of them. Every text is escaped."""

from collections.abc import Sequence
from html import escape

from dff.app.deletion_data import HiddenOnFactors, HiddenPart, number
from dff.app.factors_data import PartFacts
from dff.app.markup import badge, percent
from dff.marks import PALETTE_HEX

# Written once on a page, after `markup.STYLE`.
STYLE = """<style>
.dff-two { display: grid; gap: 6px 12px; grid-template-columns: auto minmax(60px, 1fr) 52px;
  align-items: center; font-size: 14px; font-variant-numeric: tabular-nums; }
.dff-zero { position: relative; height: 12px; border-radius: 3px; overflow: hidden;
  background: color-mix(in srgb, currentColor 10%, transparent); }
.dff-zero > * { position: absolute; top: 0; bottom: 0; }
.dff-zero > i { border-radius: 2px; background: var(--part); }
.dff-zero > b { width: 1px; background: currentColor; }
.dff-ink { --part: color-mix(in srgb, currentColor 62%, transparent); }
.dff-wide { overflow-x: auto; }
.dff-parts th.dff-number { text-align: right; }
.dff-parts td.dff-number, .dff-parts th.dff-number { width: 60px; white-space: nowrap; }
.dff-guesses td:first-child { width: 50%; }
.dff-after td:first-child, .dff-after th:first-child { padding-left: 6px; }
.dff-after td:last-child, .dff-after th:last-child { padding-right: 6px; }
.dff-parts tr.dff-chosen td { background: color-mix(in srgb, currentColor 6%, transparent); }
div.dff-cell { display: grid; grid-template-columns: minmax(36px, 1fr) 52px; gap: 8px;
  align-items: center; min-width: 96px; margin-right: 12px; }
.dff-parts td:last-child .dff-cell { margin-right: 0; }
@media (max-width: 640px) {
  .dff-tests td .dff-zero { display: none; }
  .dff-tests td .dff-cell { grid-template-columns: 1fr; min-width: 0; margin-right: 4px; }
  .dff-tests td.dff-number, .dff-tests th.dff-number { width: 40px; padding-right: 4px; }
  .dff-tests th { vertical-align: bottom; }
  .dff-tests .dff-name { overflow-wrap: normal; }
}
</style>"""


def expected_and_measured(part: PartFacts, test: HiddenPart) -> str:
    """Two bars on one scale: what the split credits, and what hiding takes."""
    values = (test.contribution, test.told)
    low, high = _scale(values)
    rows = (
        ("Credited by the split", _colour(part), test.contribution),
        ("Lost when hidden", "", test.told),
    )
    cells = "".join(
        f"<span>{name}</span>{_bar(value, low, high, style)}"
        f"<span class='dff-number'>{number(value)}</span>"
        for name, style, value in rows
    )
    return f"<div class='dff-two'>{cells}</div>"


def tests_table(parts: Sequence[PartFacts], tests: Sequence[HiddenPart], chosen: int) -> str:
    """All parts of a query: contribution, measured fall, hidden area, rank afterwards.

    chosen: the part (from 0) whose pictures are shown. The largest of each column is bold.
    """
    low, high = _scale([v for test in tests for v in (test.contribution, test.told)])
    credit = max(test.contribution for test in tests)
    most = max(test.drop for test in tests)
    rows = []
    for test in tests:
        part = parts[test.part]
        cells = (
            _cell(test.contribution, low, high, _colour(part), test.contribution == credit),
            _cell(test.told, low, high, "", test.drop == most),
        )
        mark = " class='dff-chosen'" if test.part == chosen else ""
        rows.append(
            f"<tr{mark}><td>{badge(part)}</td><td>{_name(part)}</td><td>{cells[0]}</td>"
            f"<td>{cells[1]}</td><td class='dff-number'>{percent(test.area)}</td>"
            f"<td class='dff-number'>{test.after.rank}</td></tr>"
        )
    return (
        "<div class='dff-wide'><table class='dff-parts dff-after dff-tests'><thead><tr>"
        "<th scope='col' colspan='2'>Part</th><th scope='col'>Contribution</th>"
        "<th scope='col'>Fall when hidden</th><th scope='col' class='dff-number'>Area</th>"
        "<th scope='col' class='dff-number'>Rank then</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def guesses_table(test: HiddenOnFactors) -> str:
    """The network's first guesses, before and after."""
    nothing = ("", None)
    before = [*test.before, *(nothing,) * max(0, len(test.after) - len(test.before))]
    rows = "".join(
        f"<tr><td>{_guess(*one)}</td><td>{_guess(*two)}</td></tr>"
        for one, two in zip(before, test.after, strict=True)
    )
    return (
        "<table class='dff-parts dff-after dff-guesses'><thead><tr>"
        "<th scope='col'>Guesses before</th>"
        f"<th scope='col'>Guesses after</th></tr></thead><tbody>{rows}</tbody></table>"
    )


def remaining_table(parts: Sequence[PartFacts], test: HiddenOnFactors, chosen: int) -> str:
    """How much of each part's activation energy is left, with a line at 100 % where there is
    more. chosen: the hidden part, from 0."""
    top = max(1.0, float(test.remaining.max()))
    rows = []
    for j, part in enumerate(parts):
        if part.dead:
            continue
        mark = " class='dff-chosen'" if j == chosen else ""
        left = float(test.remaining[j])
        note = " <span class='dff-muted'>hidden</span>" if j == chosen else ""
        bar = _bar(left, 0, top, _colour(part), mark=1)
        rows.append(
            f"<tr{mark}><td>{badge(part)}</td><td>{_name(part)}{note}</td>"
            f"<td><div class='dff-cell'>{bar}<span class='dff-number'>{percent(left)}</span></div>"
            "</td></tr>"
        )
    return (
        "<table class='dff-parts dff-after'><thead><tr><th scope='col' colspan='2'>Part</th>"
        f"<th scope='col'>Energy left</th></tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _scale(values: Sequence[float]) -> tuple[float, float]:
    """The ends of a common axis that holds 0 and all values."""
    low, high = min(0.0, *values), max(0.0, *values)
    return (low, high) if high > low else (0.0, 1.0)


def _bar(value: float, low: float, high: float, style: str, mark: float = 0) -> str:
    """A bar from 0 to the value, with a line at `mark` where that is inside the axis; in the
    page's ink without a style of its own."""
    zero, at, here = (100 * (v - low) / (high - low) for v in (0.0, value, mark))
    left, width = min(zero, at), abs(at - zero)
    line = f"<b style='left: {here:.1f}%'></b>" if low < mark < high else ""
    ink = "" if style else " dff-ink"
    return (
        f"<div class='dff-zero{ink}' style='{style}'>"
        f"<i style='left: {left:.1f}%; width: {width:.1f}%'></i>{line}</div>"
    )


def _cell(value: float, low: float, high: float, style: str, largest: bool) -> str:
    text = f"<strong>{number(value)}</strong>" if largest else number(value)
    return (
        f"<div class='dff-cell'>{_bar(value, low, high, style)}"
        f"<span class='dff-number'>{text}</span></div>"
    )


def _name(part: PartFacts) -> str:
    return f"<span class='dff-name'>{escape(part.name or f'part {part.number}')}</span>"


def _guess(label: str, probability: float | None) -> str:
    if probability is None:
        return ""
    return (
        f"<span class='dff-name'>{escape(label)}</span> "
        f"<span class='dff-muted dff-fine'>{probability:.2f}</span>"
    )


def _colour(part: PartFacts) -> str:
    return f"--part: {PALETTE_HEX[part.colour % len(PALETTE_HEX)]}"
