"""The atlas: a collection as a map that is looked at closely, and framed in pieces.

The browser draws, moves and enlarges it; it asks for the pictures it has room for.
"""

import json
from pathlib import Path
from typing import Any

import streamlit as st

MOST_NEEDED = 400  # pictures that are asked for at once

_FOLDER = Path(__file__).parent
_STAGE = _FOLDER.parent / "stage"
SCRIPTS = (_STAGE / "dom.js", _FOLDER / "plane.js", _FOLDER / "atlas.js")


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _nothing() -> None:
    """Declare a key: Streamlit drops state that has no callback."""


_ATLAS = st.components.v2.component(
    "dff_atlas",
    html="<div class='stage atlas' data-testid='atlas'></div>",
    css=_read(_STAGE / "stage.css") + _read(_FOLDER / "atlas.css"),
    js="\n".join(_read(path) for path in SCRIPTS),
)


def atlas(data: dict[str, Any], *, key: str) -> None:
    """Mount the map.

    data: what `dff.app.photos_map.map_data` gives; its texts may be untrusted, they are only ever
    set as text. ``st.session_state[key]["needed"]``, from the browser and to be checked, are the
    rows whose pictures it lacks.
    """
    _ATLAS(key=key, data={"json": json.dumps(data, allow_nan=False)}, on_needed_change=_nothing)
