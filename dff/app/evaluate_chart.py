"""The evaluate page's chart (Altair): mAP by label, worst first."""

from collections.abc import Sequence

import altair as alt

from dff.app.charts import INK, Chart
from dff.app.evaluate_data import Record

BAR = 26  # pixels a label


def label_chart(records: Sequence[Record]) -> Chart:
    """A bar for each label, in the order of the records.

    Its number stands beside its name, where the theme's own ink is: no colour of ours reads well
    at that size on light and on dark pages.
    """
    rows = [{**record, "name": f"{record['label']}   {record['mAP']:.1f}"} for record in records]
    chart: alt.Chart = (
        alt.Chart(alt.Data(values=rows))  # type: ignore[no-untyped-call]
        .mark_bar(color=INK, cornerRadiusEnd=3, height={"band": 0.7})
        .encode(
            y=alt.Y(
                "name:N",
                title=None,
                sort=None,
                axis=alt.Axis(labelLimit=200, labelOverlap=False, ticks=False, domain=False),
            ),
            x=alt.X(
                "mAP:Q",
                title="mAP, percent",
                scale=alt.Scale(domain=[0, 100]),
                axis=alt.Axis(tickCount=5),
            ),
            tooltip=[
                alt.Tooltip("label:N", title="label"),
                alt.Tooltip("mAP:Q", title="mAP", format=".1f"),
                alt.Tooltip("queries:Q", title="queries"),
            ],
        )
        .properties(height=BAR * len(records) + 40)
    )
    return chart
