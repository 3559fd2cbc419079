"""Heatmaps whose numbers can be read: each cell's value under the pointer, and by the arrow keys.

The pictures are drawn by the server, as everywhere on the factors page; the browser only knows the
numbers behind them. `dff.app.factors_grid` makes what it is given.
"""

import json
from pathlib import Path
from typing import Any

import streamlit as st

from dff.app import markup

_FOLDER = Path(__file__).parent


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


_HEATGRID = st.components.v2.component(
    "dff_heatgrid",
    html="<div class='heatgrid' data-testid='heatgrid'></div>",
    css=markup.CSS + _read("heatgrid.css"),
    js=_read("heatgrid.js"),
)


def heatgrid(facts: dict[str, Any], *, key: str) -> None:
    """Mount what `dff.app.factors_grid.facts` gives.

    Heads and feet in it are HTML of `dff.app.markup`, which escapes every text; all other texts
    are only ever set as text. Nothing comes back from the browser.
    """
    # One text: in search of tables Streamlit would import pandas for lists, 0.3 s at the start.
    _HEATGRID(key=key, data={"json": json.dumps(facts, allow_nan=False)})
