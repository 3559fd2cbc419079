"""Lab, Compare: one query, one index, up to four descriptors side by side."""

import shlex
from functools import partial
from typing import Any

import streamlit as st

from dff.app import compare_data, compare_maps, compare_markup, markup
from dff.app.compare_data import Ranking
from dff.app.compare_panels import looking, overlap, score_map, splits
from dff.app.components.bump import bump
from dff.app.controls import choose_picture
from dff.app.engine import Engine, Source
from dff.app.errors import say
from dff.app.factors_data import plain
from dff.app.limits import limits
from dff.app.state import sent, session, write_one
from dff.backbones import DEFAULT_NAME
from dff.descriptors import about
from dff.export.page import data_uri
from dff.index import Index, Query

FIRST_CHOICES = (5, 8, 12, 20)
FIRST = 8
MORE = "dff_tree,dff_pooled,rmac,gem,mac,spoc,crow,cam"  # for an index that has few

SCALES_NOTE = "Scores of different descriptors are on different scales: compare ranks, not scores."


def page(engine: Engine) -> None:
    """Draw the page."""
    st.html(markup.STYLE + compare_markup.STYLE)
    index = engine.index
    stored = index.settings.descriptors
    if len(stored) < 2:
        _too_few(index)
        return
    source, names, top = _toolbar(index)
    current = session()
    if current.notice:
        say(current.notice)
        current.notice = None
    if len(names) < 2:
        st.info("Choose at least two descriptors to compare.", icon=":material/info:")
        return
    body = st.container()
    try:
        with body:
            _show(engine, source, names, top)
    except ValueError as error:
        say(error, body)


# --- choosing --------------------------------------------------------------------------


def _toolbar(index: Index) -> tuple[Source, list[str], int]:
    """The row of controls: the picture, the descriptors' names, how many results."""
    offered = compare_data.preferred(index.settings.descriptors, index.descriptor)
    # Streamlit raises an error for more than can be chosen, and only browsers keep to it.
    if len(many := st.session_state.get("descriptors") or ()) > compare_data.MOST:
        st.session_state["descriptors"] = many[: compare_data.MOST]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        source = choose_picture(index, width=280)
        names = st.multiselect(
            "Descriptors",
            offered,
            default=offered[: compare_data.MOST],
            format_func=lambda name: about(name).title,
            key="descriptors",
            bind="query-params",
            max_selections=compare_data.MOST,
            width=460,
            help="Up to four, in the order in which they are chosen. All of them look at the same "
            "activations of the same network.",
        )
        top = st.selectbox(
            "First results",
            FIRST_CHOICES,
            index=FIRST_CHOICES.index(FIRST),
            key="first",
            bind="query-params",
            width=110,
        )
    return source, compare_data.chosen(names, offered), top


def _result(index: Index, rankings: list[Ranking], top: int) -> int:
    """The row of the result that is looked at: chosen here or in the chart."""
    rows = compare_data.shown_rows(rankings, top)
    first = rankings[0].first(1)[0]
    ids = {index.pictures[row].id: row for row in rows}
    wanted = st.session_state.get("asked_result") or st.query_params.get("result")
    usual = index.pictures[first].id
    chosen = wanted if wanted in ids else usual
    st.session_state["result"] = st.session_state["asked_result"] = chosen
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        title = index.pictures[ids[chosen]].title
        st.image(data_uri(index.thumbnail(ids[chosen])), width=128, alt=f"The result: {title}")
        st.selectbox(
            "Result",
            list(ids),
            format_func=lambda id: index.pictures[ids[id]].title,
            key="result",
            on_change=_result_chosen,
            width=320,
            help="Any picture of the chart above; you can also click it there.",
        )
    write_one("result", None if chosen == usual else chosen)
    return ids[chosen]


def _result_chosen() -> None:
    st.session_state["asked_result"] = st.session_state["result"]


def _picked(index: Index) -> None:
    row: Any = sent("bump", "pick")
    if type(row) is int and 0 <= row < len(index):
        st.session_state["asked_result"] = index.pictures[row].id


# --- showing ---------------------------------------------------------------------------


def _show(engine: Engine, source: Source, names: list[str], top: int) -> None:
    index = engine.index
    rankings = _rankings(engine, source, names)
    if not len(rankings[0].order):
        st.info("This index holds no other picture to find.", icon=":material/info:")
        return
    top = min(top, len(rankings[0].order))
    _query_line(engine, source, rankings[0].query)
    chart, below, slow = st.container(), st.container(), st.container()
    with st.container():
        st.markdown("#### One result, by each descriptor")
        row = _result(index, rankings, top)
        waiting = splits(engine, source, rankings, row)
    with chart:
        bump(
            compare_data.chart_facts(index, rankings, top, row),
            key="bump",
            on_pick=partial(_picked, index),
        )
    with below:
        overlap(index, rankings, top)
    if len(index.settings.descriptors) < compare_data.MOST and limits().changes:
        with st.expander("Compare with more descriptors"):
            st.write("Build an index that stores them, then start the dashboard on it:")
            st.code(_command(index), language="bash")
    # Last: the rest is on the screen while the network is being loaded.
    with slow:
        looking(engine, source, rankings)
    for slot, split in waiting:
        score_map(engine, source, split, slot)


def _rankings(engine: Engine, source: Source, names: list[str]) -> list[Ranking]:
    """The index ranked by each descriptor: at once for its own pictures."""
    index = engine.index

    def described(name: str) -> Query:
        if source.row is not None:
            return index.indexed_query(index.pictures[source.row].id, name)
        return engine.described(engine.seen(source, None), None, name)

    def run() -> list[Ranking]:
        return [
            engine.scene(
                (source.sha256, "ranking", name),
                partial(lambda name: compare_data.rank(index, described(name)), name),
            )
            for name in names
        ]

    if source.row is None and not engine.ready.is_set():
        with st.spinner("Loading the network: once, a few seconds."):
            return run()
    return run()


def _query_line(engine: Engine, source: Source, query: Query) -> None:
    """The query, small, and what is compared."""
    picture = compare_maps.query_picture(engine, source)
    height = 96
    width = round(height * picture.shape[1] / picture.shape[0])
    category = compare_data.category_of(engine.index, query).replace("_", " ")
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.image(picture, width=min(width, 200), alt=f"The query: {source.name}")
        with st.container(gap="xsmall"):
            of = f", of the category “{plain(category)}”" if category else ""
            st.markdown(f"**{plain(source.name)}**{of}: what each descriptor finds first.")
            whole = " The box of Explore is left aside." if session().box else ""
            st.caption(f"{SCALES_NOTE} The query is the whole picture.{whole}")


def _too_few(index: Index) -> None:
    """What to do with an index that has one descriptor."""
    st.markdown("#### This index stores one descriptor")
    if not limits().changes:
        st.write("There is nothing to compare it with on this server.")
        return
    st.write("To compare several, build an index that stores them, then start the dashboard on it:")
    st.code(_command(index), language="bash")


def _command(index: Index) -> str:
    """How to build the same index with more descriptors."""
    own = index.settings
    out = f"{index.folder.resolve()}_compare"
    photos = index.photos_url or str(index.photos_root.resolve())
    command = ["python", "-m", "dff", "index", "build", photos]
    command += ["--out", out, "--descriptors", MORE]
    if own.backbone != DEFAULT_NAME:
        command += ["--backbone", f"{own.backbone}:{own.layer}"]
    return f"{shlex.join(command)}\npython -m dff app {shlex.quote(out)}"
