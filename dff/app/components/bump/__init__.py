"""The chart of ranks: a column of results a descriptor, lines between the same pictures.

The browser draws and highlights; a picture that is chosen in it comes back as its row.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

_FOLDER = Path(__file__).parent


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


_BUMP = st.components.v2.component(
    "dff_bump",
    html="<div class='bump' data-testid='bump'></div>",
    css=_read("bump.css"),
    js=_read("bump.js"),
)


def bump(data: Mapping[str, Any], *, key: str, on_pick: Callable[[], None]) -> None:
    """Mount the chart for what `dff.app.compare_data.chart_facts` gives.

    on_pick is called when a picture is chosen; `st.session_state[key]["pick"]` is then its row,
    as the browser sent it.
    """
    _BUMP(key=key, data=dict(data), on_pick_change=on_pick)
