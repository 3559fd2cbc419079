"""The dashboard: its pages and what they share."""

import os
from collections.abc import Callable
from pathlib import Path

import streamlit as st
from PIL import Image

from dff.app.engine import Engine, engine, index_folder
from dff.index import IndexProblem
from dff.marks import badge
from dff.threads import prepare


def main() -> None:
    """Run the dashboard's script: Streamlit calls it anew for every interaction."""
    prepare()
    # A drawn icon: Streamlit fetches named ones from the web, and a laptop may have none.
    st.set_page_config("DFF", page_icon=Image.fromarray(badge(1, 0, 64)), layout="wide")
    # Streamlit leaves six rem above a wide page; there is nothing to put there.
    st.html("<style>.stMainBlockContainer {padding-top: 4.25rem; padding-bottom: 3rem}</style>")
    folder = index_folder()
    try:
        shared = engine(str(folder))
    except IndexProblem as problem:
        _no_index(folder, problem)
        return
    st.navigation(
        {
            "": [st.Page(_explore(shared), title="Explore", url_path="explore", default=True)],
            "Lab": [
                st.Page(_factors, title="Factors", url_path="factors"),
                st.Page(_compare(shared), title="Compare", url_path="compare"),
                st.Page(_evaluate(shared), title="Evaluate", url_path="evaluate"),
            ],
        },
        position="top",
    ).run()
    shared.start()


def _explore(shared: Engine) -> Callable[[], None]:
    def explore() -> None:
        from dff.app.views import explore as view

        view.page(shared)

    return explore


def _factors() -> None:
    from dff.app.views import factors

    factors.page()


def _compare(shared: Engine) -> Callable[[], None]:
    def compare() -> None:
        from dff.app.views import compare as view

        view.page(shared)

    return compare


def _evaluate(shared: Engine) -> Callable[[], None]:
    def evaluate() -> None:
        from dff.app.views import evaluate as view

        view.page(shared)

    return evaluate


def _no_index(folder: Path, problem: IndexProblem) -> None:
    st.title("No collection yet")
    st.write(
        "The dashboard shows an index: the parts of every photo of a collection. Build one from a "
        "folder of your photos, then start the dashboard on it:"
    )
    st.code(
        "python -m dff index build PHOTOS --out my_index\npython -m dff app my_index",
        language="bash",
    )
    st.caption(f"Tried {os.fspath(folder)}: {problem}")
