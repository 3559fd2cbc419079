"""The dashboard: its pages and what they share."""

import logging
import os
from importlib import import_module
from pathlib import Path
from typing import Literal

import streamlit as st
from PIL import Image
from streamlit.errors import FragmentHandledException
from streamlit.navigation.page import StreamlitPage

from dff.app import errors
from dff.app.collections import chosen
from dff.app.engine import Engine, engine
from dff.app.limits import cap_uploads, limits
from dff.app.memory import few_heaps, tidier
from dff.index import IndexProblem
from dff.index.format import MANIFEST
from dff.marks import badge
from dff.threads import prepare
from dff.troubles import CLOSED_COLLECTION, new_id

log = logging.getLogger(__name__)

# Streamlit leaves six rem above a wide page, and there is nothing to put there; it writes white on
# the dark theme's light blue.
STYLE = """<style>
.stMainBlockContainer { padding-top: 4.25rem; padding-bottom: 3rem }
[data-tag], [data-tag] * { color: light-dark(white, #14120f) }
</style>"""


def main() -> None:
    """Run the dashboard's script: Streamlit calls it anew for every interaction."""
    prepare()
    few_heaps()
    tidier()
    errors.take_over()
    cap_uploads()
    # A drawn icon: Streamlit fetches named ones from the web, and a laptop may have none.
    st.set_page_config("DFF", page_icon=Image.fromarray(badge(1, 0, 64)), layout="wide")
    st.html(STYLE)
    collection = chosen()
    try:
        shared = engine(str(collection.folder))
    except IndexProblem as problem:
        if collection.own:
            import_module("dff.app.photos_change").cannot_open(collection, problem)
        else:
            _no_index(collection.folder, problem)
        return
    st.navigation(
        {
            "": [
                _page(shared, "explore", "Explore", default=True),
                _page(shared, "learn", "Learn"),
                _page(shared, "photos", "My photos"),
                # Opened from Explore, in a tab of its own.
                _page(shared, "present", "Present", visibility="hidden"),
            ],
            "Lab": [
                _page(shared, "factors", "Factors"),
                _page(shared, "compare", "Compare"),
                _page(shared, "evaluate", "Evaluate"),
            ],
        },
        position="top",
    ).run()
    shared.start()


def _page(
    shared: Engine,
    name: str,
    title: str,
    *,
    default: bool = False,
    visibility: Literal["visible", "hidden"] = "visible",
) -> StreamlitPage:
    """A page of `dff.app.views`, imported when it is opened: the first view waits for no other."""

    def run() -> None:
        try:
            import_module(f"dff.app.views.{name}").page(shared)
        except FragmentHandledException:
            pass  # it has said so itself
        except Exception as error:
            errors.tell(error, f"the page {name}")

    return st.Page(run, title=title, url_path=name, default=default, visibility=visibility)


def _no_index(folder: Path, problem: IndexProblem) -> None:
    there = (folder / MANIFEST).exists()
    st.title("This collection cannot be opened" if there else "No collection yet")
    if not limits().changes:
        id = new_id()
        log.error("error %s, %s: %s", id, folder, problem)
        st.write(CLOSED_COLLECTION.sentence(id))
        return
    if there:
        errors.say(problem)
        return
    st.write(
        "The dashboard shows an index: the parts of every photo of a collection. Build one from a "
        "folder of your photos, then start the dashboard on it:"
    )
    st.code(
        "python -m dff index build PHOTOS --out my_index\npython -m dff app my_index",
        language="bash",
    )
    st.caption(f"Tried {os.fspath(folder)}: {problem}")
