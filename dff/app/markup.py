"""Small pieces of HTML that Streamlit has no element for: badges, a table of parts, colour bars.

They take their ink from the page (`currentColor`), so they suit any theme. Every text in them is
escaped; numbers and colours are ours.
"""

import math
from collections.abc import Sequence
from html import escape

from dff.app.factors_data import PartFacts
from dff.marks import PALETTE_HEX, colour_map

CSS = """
.dff-badge {
  display: inline-grid; place-items: center; width: 24px; height: 24px;
  border-radius: 50%; flex: none; color: #fff; font-size: 12px; font-weight: 700; line-height: 1;
  background: var(--part);
  text-shadow: 0 0 2px rgb(0 0 0 / .6), 0 0 2px rgb(0 0 0 / .6), 0 1px 1px rgb(0 0 0 / .6);
}
.dff-hatched { background: repeating-linear-gradient(135deg, var(--part) 0 4px,
  color-mix(in srgb, var(--part) 45%, #fff) 4px 7px); }
.dff-muted { color: color-mix(in srgb, currentColor 66%, transparent); }
.dff-fine { font-size: 12px; }
.dff-parts { width: 100%; border-collapse: collapse; font-size: 14px; line-height: 1.35;
  font-variant-numeric: tabular-nums; }
.dff-parts th { font-weight: 400; font-size: 12px; text-align: left; padding: 0 8px 6px 0;
  border: 0; color: color-mix(in srgb, currentColor 66%, transparent); }
.dff-parts td { padding: 8px 8px 8px 0; border: 0; vertical-align: middle; height: 44px;
  border-top: 1px solid color-mix(in srgb, currentColor 14%, transparent); }
.dff-parts td:first-child { width: 32px; }
.dff-parts td:last-child, .dff-parts th:last-child { padding-right: 0; }
.dff-name { font-weight: 600; overflow-wrap: anywhere; }
.dff-energy { display: grid; grid-template-columns: minmax(28px, 1fr) 38px; align-items: center;
  gap: 8px; min-width: 90px; }
.dff-track { height: 8px; border-radius: 4px; overflow: hidden;
  background: color-mix(in srgb, currentColor 10%, transparent); }
.dff-fill { height: 100%; border-radius: 4px; background: var(--part); }
.dff-number { text-align: right; }
.dff-mark { display: inline-flex; align-items: center; gap: 6px; white-space: nowrap; }
.dff-dots { letter-spacing: 1px; font-size: 10px; }
.dff-head { display: flex; align-items: center; gap: 8px; min-height: 24px; font-size: 14px; }
.dff-head > span:not(.dff-badge) { display: flex; align-items: baseline; gap: 4px; min-width: 0;
  white-space: nowrap; }
.dff-head span.dff-name { display: block; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; }
.dff-bar { position: relative; height: 10px; border-radius: 3px; margin-top: 8px; }
.dff-peak { position: absolute; top: -4px; bottom: -4px; width: 2px; margin-left: -1px;
  background: currentColor; }
.dff-scale { display: flex; justify-content: space-between; font-size: 12px; margin-top: 4px;
  font-variant-numeric: tabular-nums; }
.dff-facts { display: flex; flex-wrap: wrap; gap: 4px 20px; font-size: 14px; }
.dff-pair { flex-wrap: wrap; font-size: 15px; }
.dff-new { flex: none; padding: 1px 6px; border-radius: 8px; border: 1px dashed currentColor;
  font-size: 11px; font-weight: 600; line-height: 1.2; }
"""
# Written once on a page.
STYLE = f"<style>{CSS}</style>"

NEW_NOTE = "No part of the picture as Explore shows it lies in the same place."
DOTS = {"steady": "●●●", "varies": "●●○", "changes": "●○○"}


def parts_table(parts: Sequence[PartFacts], *, pending: bool = False) -> str:
    """The parts: number, name, share of energy, stability ("…" while it is `pending`)."""
    rows = "".join(
        f"<tr><td>{badge(part)}</td><td>{_name(part)}</td><td>{_energy(part)}</td>"
        f"<td>{_mark(part, pending)}</td></tr>"
        for part in parts
    )
    return (
        f"<table class='dff-parts'><thead><tr><th scope='col' colspan='2'>Part</th>"
        "<th scope='col'>Share of energy</th><th scope='col'>When started again</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def part_head(part: PartFacts) -> str:
    """A part's badge and name, in one line."""
    return f"<div class='dff-head'>{badge(part)}{_name(part)}</div>"


def short_head(part: PartFacts) -> str:
    """The same where there is little room."""
    name = "holds nothing" if part.dead else part.name or f"part {part.number}"
    return (
        f"<div class='dff-head'>{badge(part)}<span class='dff-name'>{escape(name)}</span>"
        f"{_new(part)}</div>"
    )


def pair_head(part: PartFacts, other: PartFacts) -> str:
    """A part of one picture and a part of another."""
    return (
        f"<div class='dff-head dff-pair'>{badge(part)}{_name(part)}<span aria-label='with'>↔</span>"
        f"{badge(other)}{_name(other)}</div>"
    )


def plain_head(title: str, note: str = "") -> str:
    """A head like a part's, for what is not a part."""
    return (
        f"<div class='dff-head'><span class='dff-name'>{escape(title)}</span>"
        f"<span class='dff-muted'>{escape(note)}</span></div>"
    )


def badge(part: PartFacts) -> str:
    """A numbered disc in the part's colour; a ninth and a tenth colour are hatched."""
    hatched = " dff-hatched" if part.colour >= len(PALETTE_HEX) else ""
    return f"<span class='dff-badge{hatched}' style='{_colour(part)}'>{part.number}</span>"


def colour_bar(maximum: float, *, peak: float | None = None, cmap: str = "magma") -> str:
    """The scale of a heatmap from 0 to `maximum`, with its numbers; a tick marks the `peak`."""
    table = colour_map(cmap)[::17]
    stops = ", ".join(f"rgb({r} {g} {b})" for r, g, b in table.tolist())
    tick, middle = "", number(maximum / 2)
    if peak is not None and peak < 0.995 * maximum:
        tick = f"<div class='dff-peak' style='left: {100 * peak / maximum:.1f}%'></div>"
        middle = f"peak {number(peak)}"
    return (
        f"<div class='dff-bar' style='background: linear-gradient(90deg, {stops})'>{tick}"
        f"</div><div class='dff-scale'><span>0</span><span>{middle}</span>"
        f"<span>{number(maximum)}</span></div>"
    )


def fine(text: str) -> str:
    """A fine line, or nothing."""
    return f"<div class='dff-muted dff-fine'>{escape(text)}</div>" if text else ""


def facts_line(facts: Sequence[str]) -> str:
    """Short facts in a row, quietly."""
    items = "".join(f"<span>{escape(fact)}</span>" for fact in facts)
    return f"<div class='dff-facts dff-muted'>{items}</div>"


def number(value: float) -> str:
    """Three significant digits, without exponents for what is usual here."""
    if value == 0:
        return "0"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def percent(share: float) -> str:
    """ "31 %", and "<1 %" instead of a false zero."""
    return "<1 %" if 0 < share < 0.01 else f"{100 * share:.0f} %"


def _name(part: PartFacts) -> str:
    if part.dead:
        return "<span class='dff-muted'>holds nothing</span>"
    if part.name is None:
        return f"<span><span class='dff-name'>part {part.number}</span>{_new(part)}</span>"
    lead = "" if part.own else "<span class='dff-muted'>looks like:</span> "
    probability = ""
    if part.probability is not None:
        probability = f"<span class='dff-muted dff-fine'>{part.probability:.2f}</span>"
    return (
        f"<span>{lead}<span class='dff-name'>{escape(part.name)}</span> "
        f"{probability}{_new(part)}</span>"
    )


def _new(part: PartFacts) -> str:
    return f" <span class='dff-new' title='{NEW_NOTE}'>new</span>" if part.new else ""


def _energy(part: PartFacts) -> str:
    hatched = " dff-hatched" if part.colour >= len(PALETTE_HEX) else ""
    width = max(0.0, min(100.0, 100 * part.energy))
    return (
        "<div class='dff-energy'><div class='dff-track'>"
        f"<div class='dff-fill{hatched}' style='{_colour(part)}; width: {width:.1f}%'></div></div>"
        f"<span class='dff-number'>{percent(part.energy)}</span></div>"
    )


def _mark(part: PartFacts, pending: bool) -> str:
    if part.mark is None or part.stability is None:
        return f"<span class='dff-muted'>{'…' if pending and not part.dead else '–'}</span>"
    # Down, or 0.699 would read as the 0.70 that it has not reached.
    rounded_down = math.floor(part.stability * 100) / 100
    return (
        f"<span class='dff-mark'><span class='dff-dots' aria-hidden='true'>{DOTS[part.mark]}</span>"
        f"{part.mark}<span class='dff-muted dff-fine'>{rounded_down:.2f}</span></span>"
    )


def _colour(part: PartFacts) -> str:
    return f"--part: {PALETTE_HEX[part.colour % len(PALETTE_HEX)]}"
