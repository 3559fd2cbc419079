"""A talk over the whole window: slides by keyboard, and the same as a page without a server."""

import hashlib
import json
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import streamlit as st

_FOLDER = Path(__file__).parent


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


_TALK = st.components.v2.component(
    "dff_talk",
    html="<div class='talk'></div>",
    css=_read("talk.css"),
    js=_read("talk.js") + _read("mount.js"),
)


def talk(
    slides: Sequence[dict[str, Any]],
    *,
    key: str,
    first: int,
    on_slide: Callable[[], None],
    leave: str,
) -> None:
    """Mount the slides of `dff.app.talk`, opened at `first` (from 0).

    on_slide: called after another slide was turned to; `st.session_state[key]["slide"]` is its
    number, as the browser sent it. leave: the address that Escape leads to.
    """
    text = json.dumps(slides, allow_nan=False)
    version = hashlib.sha256(text.encode()).hexdigest()[:16]
    _TALK(
        key=key,
        data={"json": text, "version": version, "first": first, "leave": leave},
        on_slide_change=on_slide,
    )


def page(title: str, slides: Sequence[dict[str, Any]]) -> str:
    """The slides as one HTML document that needs nothing else."""
    # A script ends at the first "</", wherever it stands.
    data = json.dumps(slides, allow_nan=False).replace("<", "\\u003c")
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{_read('talk.css')}</style>"
        "<body><noscript>This page turns its slides with JavaScript.</noscript>"
        f"<div class='talk'></div><script>{_read('talk.js')}\n"
        f"start(document.querySelector('.talk'), {data}, {{\n"
        "  first: parseInt(location.hash.slice(1), 10) - 1,\n"
        "  onSlide: (number) => history.replaceState(null, '', `#${number + 1}`),\n"
        "});</script></body></html>\n"
    )
