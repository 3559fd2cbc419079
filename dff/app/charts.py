"""Charts of the factors page (Altair). Inks are mid-tones that read on light and dark pages."""

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

from dff.app.factors_data import Record
from dff.marks import colour_map

INK = "#71809a"  # for what belongs to no part
HEIGHT = 240
LEGEND = 40  # pixels of a legend above a chart

Chart = alt.Chart | alt.LayerChart | alt.FacetChart


def _rows(records: Sequence[Record]) -> Any:
    return alt.Data(values=list(records))  # type: ignore[no-untyped-call]


def ink_on(colour: Sequence[float]) -> str:
    """Black or white, whichever is the easier to read on a colour (r, g, b) of 0..255.

    Its contrast is at least 4.58:1, whatever the colour (WCAG 2.2, relative luminance).
    """
    channels = np.asarray(colour, np.float64) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    light = float(linear @ (0.2126, 0.7152, 0.0722))
    return "#000000" if light + 0.05 > math.sqrt(1.05 * 0.05) else "#ffffff"


def quality_chart(records: Sequence[Record], k: int) -> Chart:
    """Explained share and relative error against k; the present k is marked."""
    # "kl" minimises something else: its explained share can be negative, its error above 1.
    values = [record["value"] for record in records]
    ends = [min(0.0, *values), max(1.0, *values)]
    base = alt.Chart(_rows(records)).encode(
        x=alt.X("k:O", title="number of parts k", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("value:Q", title=None, scale=alt.Scale(domain=ends), axis=alt.Axis(tickCount=5)),
        tooltip=[
            alt.Tooltip("k:O", title="parts"),
            alt.Tooltip("measure:N", title="measure"),
            alt.Tooltip("value:Q", title="value", format=".3f"),
        ],
    )
    dash = alt.StrokeDash(
        "measure:N",
        scale=alt.Scale(domain=["explained share", "relative error"], range=[[1, 0], [5, 4]]),
        # Written in the theme's ink: no mid-tone can be read on both a light and a dark page.
        legend=alt.Legend(
            title=None, orient="top", offset=4, symbolStrokeColor=INK, symbolSize=600
        ),
    )
    lines = base.mark_line(color=INK, strokeWidth=2).encode(strokeDash=dash)
    here = (
        alt.Chart(_rows([{"k": k}]))
        .mark_rule(color=INK, opacity=0.35, strokeWidth=14)
        .encode(x="k:O")
    )
    points = base.mark_circle(color=INK, opacity=1).encode(
        size=alt.condition(f"datum.k == {int(k)}", alt.value(90), alt.value(30))
    )
    return alt.layer(here, lines, points).properties(height=HEIGHT + LEGEND)


def convergence_chart(records: Sequence[Record], measure: str = "relative error") -> Chart:
    """What a solver minimises after each iteration; its axis starts where the curve does, not at
    0. measure: its name."""
    chart: alt.Chart = (
        alt.Chart(_rows(records))
        .mark_line(color=INK, strokeWidth=2)
        .encode(
            x=alt.X("iteration:Q", title="iteration", axis=alt.Axis(tickMinStep=1, grid=False)),
            y=alt.Y(
                "error:Q",
                title=None,
                scale=alt.Scale(zero=False),
                axis=alt.Axis(format=".3f", tickCount=5),
            ),
            tooltip=[
                alt.Tooltip("iteration:Q", title="iteration"),
                alt.Tooltip("error:Q", title=measure, format=".4f"),
            ],
        )
        .properties(height=HEIGHT)
    )
    return chart


def profile_chart(records: Sequence[Record], colour: str, what: str) -> Chart:
    """The strongest channels of a part as bars of its colour, with a tick at what `what` has."""
    ends = [0, max((max(r["value"], r["other"]) for r in records), default=1.0)]
    base = alt.Chart(_rows(records)).encode(
        y=alt.Y(
            "channel:N",
            sort=None,
            title=None,
            axis=alt.Axis(labelLimit=130, labelOverlap=False, labelFlush=False, ticks=False),
        ),
        tooltip=[
            alt.Tooltip("channel:N", title="channel"),
            alt.Tooltip("value:Q", title="this part", format=".3f"),
            alt.Tooltip("other:Q", title=what, format=".3f"),
        ],
    )
    axis = alt.Axis(tickCount=4, format=".2f")
    bars = base.mark_bar(color=colour, height={"band": 0.7}, cornerRadius=2).encode(
        x=alt.X("value:Q", title=None, scale=alt.Scale(domain=ends), axis=axis)
    )
    # In the middle of the tones, with a rim, so that it is seen on bars and on any page.
    rim, ticks = (
        base.mark_tick(color=ink, thickness=thickness, size=15, opacity=1).encode(x="other:Q")
        for ink, thickness in (("#ffffff", 4), ("#1c1c1e", 2))
    )
    return alt.layer(bars, rim, ticks).properties(height=17 * len(records))


def ramp_colour(stops: np.ndarray, share: float) -> list[float]:
    """The colour (r, g, b) at a share 0..1 of a ramp of evenly spaced stops (n, 3)."""
    places = np.linspace(0, 1, len(stops))
    return [float(np.interp(share, places, stops[:, channel])) for channel in range(3)]


def similarity_chart(records: Sequence[Record]) -> Chart:
    """Cosines between the parts' basis vectors, as a matrix with its numbers."""
    stops = colour_map("viridis")[::15]
    ramp = [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in stops.tolist()]
    inked = [{**record, "ink": ink_on(ramp_colour(stops, record["cosine"]))} for record in records]
    base = alt.Chart(_rows(inked)).encode(
        x=alt.X(
            "other:O", title="part", axis=alt.Axis(labelAngle=0, labelOverlap=False, orient="top")
        ),
        y=alt.Y("part:O", title="part", axis=alt.Axis(labelOverlap=False)),
        tooltip=[
            alt.Tooltip("part:O", title="part"),
            alt.Tooltip("other:O", title="and part"),
            alt.Tooltip("cosine:Q", title="cosine", format=".3f"),
        ],
    )
    cells = base.mark_rect(cornerRadius=3, stroke=None).encode(
        color=alt.Color("cosine:Q", scale=alt.Scale(domain=[0, 1], range=ramp), legend=None)
    )
    size = 12 if len(records) <= 36 else 9
    numbers = base.mark_text(fontSize=size).encode(
        text=alt.Text("cosine:Q", format=".2f"),
        color=alt.Color("ink:N", scale=None),
    )
    height = HEIGHT + (24 if len(records) <= 36 else 80)
    both = alt.layer(cells, numbers).properties(height=height)
    chart: alt.LayerChart = both.resolve_scale(color="independent")  # or inks get onto the ramp
    return chart
