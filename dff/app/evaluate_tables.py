"""The evaluate page's tables: records as a grid that sorts by any column, each explained."""

from collections.abc import Sequence

import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from dff.app.evaluate_data import Record

MEAN = 130  # pixels: on a phone the number is beside the names

MAP_HELP = (
    "Mean average precision, in percent: how early the right pictures come, the mean over all "
    "queries. 100 is all of them first."
)
FIRST_HELP = "Precision at 1, in percent: how many queries have a right picture in first place."
INTERVAL_HELP = "95 % of the bootstrap: how far mAP would move with other queries of this kind."
AGAINST_HELP = (
    "Points of mAP more or less than the default, query by query, with the 95 % interval. Where "
    "that holds 0, the difference may be chance."
)
BYTES_HELP = "What a search reads for each picture."
MATCHING_HELP = (
    "One vector: a picture is one list of numbers. Regions: each region of the query looks for its "
    "most similar region in the other picture. Both ways: the other picture's regions look, too."
)


def table(records: Sequence[Record], *, key: str) -> None:
    """Records of one kind (`dff.app.evaluate_data`) as a table, sized to its rows."""
    top = records[0]
    first, *_ = top.values()
    st.dataframe(
        list(records),
        key=key,
        hide_index=True,
        height="content",
        column_config={name: _column(name) for name in top},
        alt=f"{len(records)} rows, {first} on top",
    )


def _column(name: str) -> ColumnConfig:
    config = st.column_config
    if name.startswith("mAP"):
        return config.ProgressColumn(
            help=MAP_HELP, format="%.1f", min_value=0, max_value=100, width=MEAN
        )
    if name in ("P@1", "CorLoc"):
        told = FIRST_HELP if name == "P@1" else "How many boxes have an IoU of at least one half."
        return config.NumberColumn(help=told, format="%.1f")
    if name in ("Mask IoU", "Box IoU"):
        return config.NumberColumn(
            help="Overlap over union of what was found and the truth: 1 is a perfect fit.",
            format="%.3f",
        )
    if name in ("Dimensions", "Bytes a picture"):
        told = BYTES_HELP if name.startswith("Bytes") else "Numbers in one vector."
        return config.NumberColumn(help=told, format="localized")
    if name == "ms a picture":
        return config.NumberColumn(help="Milliseconds to describe one picture.", format="%.0f")
    helps = {
        "Matching": MATCHING_HELP,
        "95 % interval": INTERVAL_HELP,
        "Compared with the default": AGAINST_HELP,
    }
    return config.TextColumn(help=helps.get(name), pinned=name in ("Descriptor", "Method") or None)
