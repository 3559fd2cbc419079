"""The lesson: one component that draws all seven steps of Learn in the browser.

It shares the stage's drawing of heatmaps and outlines; each step is a file of its own that
registers how its picture is built and brought up to date.
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
        for name in (
            "dom.js",
            "ranking.js",
            "heat.js",
            "contour.js",
            "paint.js",
            "parts.js",
            "results.js",
            "tables.js",
            "flow.js",
        )
    ),
    *(
        _FOLDER / name
        for name in (
            "pictures.js",
            "maps.js",
            "iterations.js",
            "splitting.js",
            "adding.js",
            "matching.js",
            "switching.js",
            "failures.js",
            "lesson.js",
        )
    ),
)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


_LESSON = st.components.v2.component(
    "dff_lesson",
    html="<div class='stage lesson' part='lesson' data-testid='lesson'></div>",
    css="".join(
        _read(path) for path in (_STAGE / "stage.css", _STAGE / "flow.css", _FOLDER / "lesson.css")
    ),
    js="\n".join(_read(path) for path in SCRIPTS),
)


def lesson(
    data: dict[str, Any],
    *,
    key: str,
    on_step: Callable[[], None],
    on_k: Callable[[], None],
    on_test: Callable[[], None],
) -> None:
    """Mount the lesson.

    Parameters
    ----------
    data
        What to show (see `dff.app.views.learn`). Its texts are only ever set as text.
    key
        The element's key; what the user did is in ``st.session_state[key]`` in the callbacks.
    on_step, on_k, on_test
        Called when the user turns the page (``step``, from 1), chooses another number of parts
        (``k``), or asks for the deletion of the last step (``test``). The values come from the
        browser: check them before use.
    """
    _LESSON(
        key=key,
        data={"json": json.dumps(data, allow_nan=False)},
        on_step_change=on_step,
        on_k_change=on_k,
        on_test_change=on_test,
    )
