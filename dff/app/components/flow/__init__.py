"""How the parts of a set split from k to k + 1, drawn as streams, as the lesson draws them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

_FOLDER = Path(__file__).parent
_STAGE = _FOLDER.parent / "stage"
SCRIPTS = (_STAGE / "dom.js", _STAGE / "flow.js", _FOLDER / "panel.js")
STYLES = (_STAGE / "stage.css", _STAGE / "flow.css", _FOLDER / "panel.css")


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


_FLOW = st.components.v2.component(
    "dff_flow",
    html="<div class='stage flow-panel' data-testid='flow-panel'></div>",
    css="".join(_read(path) for path in STYLES),
    js="\n".join(_read(path) for path in SCRIPTS),
)


def flow(data: dict[str, Any], *, key: str, on_k: Callable[[], None]) -> None:
    """Mount the drawing.

    data: `dff.app.part_flow.flow_facts` with ``k``, the present one, and ``palette``. on_k is
    called when a column is chosen; ``st.session_state[key]["k"]`` is then its k, as the browser
    sent it.
    """
    _FLOW(key=key, data={"json": json.dumps(data, allow_nan=False)}, on_k_change=on_k)
