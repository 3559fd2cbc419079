"""Charts of the factors page (Altair). Inks are mid-tones that read on light and dark pages."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from dff.app.factors_data import Record
from dff.marks import colour_map

INK = "#71809a"  # for what belongs to no part
HEIGHT = 240

Chart = alt.Chart | alt.LayerChart | alt.FacetChart


def _rows(records: Sequence[Record]) -> Any:
    return alt.Data(values=list(records))  # type: ignore[no-untyped-call]


def quality_chart(records: Sequence[Record], k: int) -> Chart:
    """Explained share and relative error against k; the present k is marked."""
    base = alt.Chart(_rows(records)).encode(
        x=alt.X("k:O", title="number of parts k", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("value:Q", title=None, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(tickCount=5)),
        tooltip=[
            alt.Tooltip("k:O", title="parts"),
            alt.Tooltip("measure:N", title="measure"),
            alt.Tooltip("value:Q", title="value", format=".3f"),
        ],
    )
    dash = alt.StrokeDash(
        "measure:N",
        scale=alt.Scale(domain=["explained share", "relative error"], range=[[1, 0], [5, 4]]),
        legend=None,
    )
    lines = base.mark_line(color=INK, strokeWidth=2).encode(strokeDash=dash)
    # Written at the lines' left ends: one falls, the other rises, so there is room.
    labels = [
        base.transform_filter(f"datum.k == 1 && datum.measure == '{measure}'")
        .mark_text(align="left", dx=-4, dy=dy, color=INK, fontSize=12)
        .encode(text="measure:N")
        for measure, dy in (("explained share", 16), ("relative error", -14))
    ]
    here = (
        alt.Chart(_rows([{"k": k}]))
        .mark_rule(color=INK, opacity=0.35, strokeWidth=14)
        .encode(x="k:O")
    )
    points = base.mark_circle(color=INK, opacity=1).encode(
        size=alt.condition(f"datum.k == {int(k)}", alt.value(90), alt.value(30))
    )
    return alt.layer(here, lines, points, *labels).properties(height=HEIGHT)


def convergence_chart(records: Sequence[Record]) -> Chart:
    """The relative error after each iteration; its axis starts where the curve does, not at 0."""
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
                alt.Tooltip("error:Q", title="relative error", format=".4f"),
            ],
        )
        .properties(height=HEIGHT)
    )
    return chart


def similarity_chart(records: Sequence[Record]) -> Chart:
    """Cosines between the parts' basis vectors, as a matrix with its numbers."""
    ramp = [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in colour_map("viridis")[::15].tolist()]
    base = alt.Chart(_rows(records)).encode(
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
        color=alt.condition("datum.cosine > 0.55", alt.value("#16181d"), alt.value("#ffffff")),
    )
    return alt.layer(cells, numbers).properties(height=HEIGHT + (24 if len(records) <= 36 else 80))
