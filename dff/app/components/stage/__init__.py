"""The stage: Explore's one component, drawn in the browser.

It shows the query, its parts and its results, and re-ranks them without the server. The
JavaScript is plain and split by job; the files share one module scope and are joined in the
order of ``SCRIPTS`` (only the last one exports).
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

SCRIPTS = (
    "dom.js",
    "ranking.js",
    "heat.js",
    "contour.js",
    "paint.js",
    "story.js",
    "query.js",
    "parts.js",
    "toolbar.js",
    "results.js",
    "box.js",
    "detail.js",
    "tables.js",
    "stage.js",
)

_FOLDER = Path(__file__).parent


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _nothing() -> None:
    """Declare a key: Streamlit drops triggers that have no callback."""


_STAGE = st.components.v2.component(
    "dff_stage",
    html="<div class='stage' part='stage' data-testid='stage'></div>",
    css=_read("stage.css"),
    js="\n".join(_read(name) for name in SCRIPTS),
)


def stage(
    data: dict[str, Any],
    cards: Sequence[str],
    *,
    key: str,
    on_weights: Callable[[], None] = _nothing,
    on_box: Callable[[], None] = _nothing,
    on_use_as_query: Callable[[], None] = _nothing,
    on_rename: Callable[[], None] = _nothing,
    on_test: Callable[[], None] = _nothing,
    on_open: Callable[[], None] = _nothing,
    on_keep: Callable[[], None] = _nothing,
    on_ask: Callable[[], None] = _nothing,
) -> Any:
    """Mount the stage and return what the user did.

    Parameters
    ----------
    data
        What to show. The caller has validated it; the texts in it may be untrusted, the
        component only ever sets them as text.
    cards
        The results, each as JSON: most are the same as in the last run, and written already. Their
        boxes, which change with the weights, are ``data["boxes"]``, in the same order.
    key
        The element's key; what the user did is in ``st.session_state[key]`` in the callbacks.
    on_weights, on_box, on_use_as_query, on_rename, on_test, on_open, on_keep, on_ask
        Called before the script runs again, as any widget's ``on_change``.

    Returns
    -------
    The result with, for one run only, ``weights`` (list of floats 0 to 2), ``box`` (four ints in
    pixels of the original picture, or none to clear it), ``use_as_query`` (a row of the index),
    ``rename`` (``{"part": index, "name": text}``; an empty name means the network's own name
    again), ``test`` (a row whose explanation is to be tested), ``open`` (the row whose detail is
    open now, -1 for none), ``keep`` (a row for the shortlist, or off it) and ``ask`` (``{"row":
    row, "sign": 1 or -1}``, a result that is to be part of the query, liked or not). All of it
    comes from the browser: check it before use. They are triggers and not state: the caller keeps
    what is chosen for which query, and the same weights chosen again for another query must be
    reported again.
    """
    return _STAGE(
        key=key,
        # Texts: in search of tables Streamlit would import pandas for lists, 0.3 s at the start.
        data={"json": json.dumps(data, allow_nan=False), "cards": f"[{','.join(cards)}]"},
        on_weights_change=on_weights,
        on_box_change=on_box,
        on_use_as_query_change=on_use_as_query,
        on_rename_change=on_rename,
        on_test_change=on_test,
        on_open_change=on_open,
        on_keep_change=on_keep,
        on_ask_change=on_ask,
    )
