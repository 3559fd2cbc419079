"""The concepts of a set of pictures: their shared parts as cards, and where each is in each.

Drawn in the browser with the stage's own files, so that a part looks the same on both.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

_FOLDER = Path(__file__).parent
_STAGE = _FOLDER.parent / "stage"
SCRIPTS = (
    *(
        _STAGE / name
        for name in ("dom.js", "heat.js", "contour.js", "paint.js", "query.js", "parts.js")
    ),
    _STAGE / "toolbar.js",
    _FOLDER / "concepts.js",
)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


_CONCEPTS = st.components.v2.component(
    "dff_concepts",
    html="<div class='stage concepts' part='concepts' data-testid='concepts'></div>",
    css=_read(_STAGE / "stage.css") + _read(_FOLDER / "concepts.css"),
    js="\n".join(_read(path) for path in SCRIPTS),
)


def concepts(
    data: dict[str, Any],
    *,
    key: str,
    on_rename: Callable[[], None],
    on_open: Callable[[], None],
    on_leave: Callable[[], None],
) -> None:
    """Mount the view.

    data: what to show; its texts may be untrusted, they are only ever set as text. What the user
    did is in ``st.session_state[key]`` in the callbacks, for one run: ``rename`` ({"part": index,
    "name": text}), ``open`` (a row of the index) and ``leave`` (a row that is to leave the set).
    All of it comes from the browser: check it before use.
    """
    _CONCEPTS(
        key=key,
        data={"json": json.dumps(data, allow_nan=False)},
        on_rename_change=on_rename,
        on_open_change=on_open,
        on_leave_change=on_leave,
    )
