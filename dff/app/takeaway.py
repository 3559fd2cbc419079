""" "Take away": the address, figures, report, tables and code of what is on the screen.

Nothing is drawn or computed before it is asked for: every button has a function behind it, which
runs when it is pressed.
"""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dff.app.engine import Source
from dff.app.factors_data import plain
from dff.app.takeaway_files import (
    FORMATS,
    ONE,
    PARTS,
    RESULTS,
    File,
    concepts_figure,
    concepts_table,
    parts_figure,
    parts_report,
    parts_script,
    parts_tables,
    parts_view,
    search_figure,
    search_report,
    search_script,
    search_tables,
)
from dff.export.view import IN_FIGURE, PartsView, SearchView
from dff.index import Index

if TYPE_CHECKING:
    from dff.app.concepts_data import Common
    from dff.app.factors_pictures import View
    from dff.app.microscope import Microscope, Slide

BUTTON = "take_away"
UPLOADED = (
    "An uploaded picture stays in this session, so no address can show it to others. Take a figure "
    "or the report instead."
)
IN_ADDRESS = "Whoever opens it here sees the same, with the same settings."
FIGURES = {
    PARTS: "The photo, its parts on it, and where each one is.",
    RESULTS: f"The query and its first results, up to {IN_FIGURE}, with boxes and scores.",
    ONE: "Both pictures in their own parts, and what each pair adds to the score.",
}
REPORT = "One page with pictures, numbers, settings and versions. It needs no network, and prints."


def button() -> None:
    """The button that opens the dialog."""
    st.button(
        "Take away",
        icon=":material/download:",
        key=BUTTON,
        help="An address to share, figures for print, a report, tables, and Python code.",
    )


def pressed() -> bool:
    """Whether the button was pressed just now."""
    return bool(st.session_state.get(BUTTON))


def address(picture: str) -> str:
    """Where this view can be opened again, with everything that is chosen.

    picture: its id. The page's own address leaves the default one out, which may become another.
    """
    chosen = {"picture": [picture]}
    chosen.update((name, st.query_params.get_all(name)) for name in st.query_params)
    asked = urlencode(chosen, doseq=True, safe=",")
    page = st.context.url or ""
    root = page.count("/") < 3  # "http://host": a path begins with a slash
    return f"{page}{'/' if root else ''}?{asked}"


@st.dialog("Take away", width="medium")
def search_dialog(view: SearchView) -> None:
    """What can be taken from Explore."""
    where = _address(view)
    kinds = tuple(FIGURES) if len(view.index) > len(view.query.same) else (PARTS,)
    kind = st.segmented_control(
        "**Figure**",
        kinds,
        default=RESULTS if RESULTS in kinds else PARTS,
        required=True,
        key="take_away_figure",
        help="At print resolution: 300 dots an inch, 183 mm wide.",
    )
    place = 0
    if kind == ONE:
        titles = [f"{n}. {view.index.pictures[m.row].title}" for n, m in enumerate(view.found, 1)]
        place = st.selectbox(
            "Result", range(len(titles)), format_func=lambda n: titles[n], key="take_away_result"
        )
    figures = [search_figure(view, kind, place or 0, format) for format in FORMATS]
    _files(FIGURES[kind], figures)
    _files(REPORT, [search_report(view, _today(), where)], "Report")
    tables = "The results, what each pair of parts adds, and both as JSON."
    _files(tables, search_tables(view), "Tables")
    _code(search_script(view), view)


def take_parts_away(lab: "Microscope", source: Source, slide: "Slide", view: "View") -> None:
    """The dialog of Factors, if its button was pressed."""
    if pressed():
        parts_dialog(parts_view(lab, source, slide, view))


@st.dialog("Take away", width="medium")
def parts_dialog(view: PartsView) -> None:
    """What can be taken from Factors."""
    where = _address(view)
    _files(FIGURES[PARTS], [parts_figure(view, format) for format in FORMATS], "Figure")
    _files(REPORT, [parts_report(view, _today(), where)], "Report")
    tables = "Name, energy and peak of each part, and how well they fit as JSON."
    _files(tables, parts_tables(view), "Tables")
    _code(parts_script(view), view)


@st.dialog("Take away", width="medium")
def concepts_dialog(
    index: Index, common: "Common", colours: Sequence[int], names: Sequence[str]
) -> None:
    """What can be taken from Concepts. Masks have a button of their own."""
    _copy(index.pictures[common.rows[0]].id)
    figures = [concepts_figure(index, common, colours, names, format) for format in FORMATS]
    _files("The pictures with their common parts, for print.", figures, "Figure")
    _files(
        "How strong each part is in each picture.", [concepts_table(index, common, names)], "Table"
    )


def _address(view: SearchView | PartsView) -> str | None:
    """The address, to be copied; None where there is none."""
    if not view.uploaded:
        return _copy(view.source)
    _section("Address", UPLOADED)
    return None


def _copy(picture: str) -> str:
    with _section("Address", IN_ADDRESS):
        where = address(picture)
        st.code(where, language=None, wrap_lines=True)
        return where


def _files(said: str, files: Sequence[File], title: str = "") -> None:
    with _section(title, said), st.container(horizontal=True, gap="small"):
        for file in files:
            _download(file)


def _code(file: File, view: SearchView | PartsView) -> None:
    beside = f" Put {plain(view.source, 60)} beside it." if view.uploaded else ""
    with _section("Python", f"The same computation as a script.{beside}"):
        with st.expander("Show the code"):
            st.code(file.make().decode(), language="python")
        _download(file)


def _section(title: str, said: str) -> DeltaGenerator:
    """A heading, a sentence, and room for more."""
    section = st.container(gap="xxsmall")
    with section:
        if title:
            st.markdown(f"**{title}**")
        st.caption(said)
    return section


def _download(file: File) -> None:
    st.download_button(
        file.label,
        file.make,
        file.name,
        file.mime,
        key=f"take_away_{file.label}",
        on_click="ignore",
    )


def _today() -> str:
    return datetime.date.today().isoformat()
