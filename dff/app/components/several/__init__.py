"""Several pictures as one query: which they are, and what is found, split by picture."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

_FOLDER = Path(__file__).parent
_STAGE = _FOLDER.parent / "stage"
SCRIPTS = (_STAGE / "dom.js", _STAGE / "results.js", _FOLDER / "several.js")


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


_SEVERAL = st.components.v2.component(
    "dff_several",
    html="<div class='stage several' part='several' data-testid='several'></div>",
    css=_read(_STAGE / "stage.css") + _read(_FOLDER / "several.css"),
    js="\n".join(_read(path) for path in SCRIPTS),
)


def several(
    data: dict[str, Any],
    *,
    key: str,
    on_ask: Callable[[], None],
    on_open: Callable[[], None],
    on_keep: Callable[[], None],
) -> None:
    """Mount the view.

    data: what to show; its texts may be untrusted, they are only ever set as text. What the user
    did is in ``st.session_state[key]`` in the callbacks, for one run: ``ask`` ({"row": row of the
    index, "sign": 1 to be like it, -1 to be unlike it, 0 to leave it out}), ``open`` (a row) and
    ``keep`` (a row, for or from the shortlist). All of it comes from the browser: check it before
    use.
    """
    _SEVERAL(
        key=key,
        data={"json": json.dumps(data, allow_nan=False)},
        on_ask_change=on_ask,
        on_open_change=on_open,
        on_keep_change=on_keep,
    )
