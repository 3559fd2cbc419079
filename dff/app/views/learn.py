"""Learn: a lesson of seven steps on a picture of the user's own choice."""

from typing import Any

import streamlit as st

from dff.app import naming, scene
from dff.app.components.lesson import lesson
from dff.app.controls import choose_picture, k_slider
from dff.app.engine import Engine, Source
from dff.app.errors import say, shown
from dff.app.learn.lesson import (
    LAST,
    needs_network,
    step_data,
    step_key,
    tested_failures,
)
from dff.app.learn.texts import step_facts
from dff.app.limits import limits
from dff.app.state import sent, session, valid_whole, write_one
from dff.export.page import data_uri

# On paper there is the step alone.
PRINT = """<style>@media print {
  [data-testid="stHeader"], [data-testid="stToolbar"], .st-key-learn_controls { display: none; }
  .stApp { background: #fff !important; }
  .stMainBlockContainer { padding: 0 !important; }
}</style>"""


def page(engine: Engine) -> None:
    """Draw the page."""
    st.html(PRINT)
    with st.container(
        horizontal=True, vertical_alignment="bottom", gap="small", key="learn_controls"
    ):
        source = choose_picture(engine.index)
        k = k_slider(engine.index)
        status = st.empty()
    step = _step()
    write_one("step", None if step == 1 else str(step))
    current = session()
    if current.notice:
        say(current.notice)
        current.notice = None
    seen: set[tuple[Any, ...]] = st.session_state.setdefault("lesson_seen", set())
    key = step_key(source, k, step)
    waits = needs_network(engine, source, k, step) and key not in seen
    if waits:
        # The words, the photo and an empty picture of the same size are there while this runs.
        _mount(engine, source, k, step, busy="Looking at the picture.")
    picture, problem = None, _problem_of(key)
    try:
        if not problem:
            picture = _picture(engine, source, k, step, status)
    except ValueError as error:
        problem = shown(error)
    seen.add(key)
    if waits:
        st.session_state["lesson_problem"] = (key, problem)
        st.rerun()
    if problem and step == LAST:
        st.session_state["lesson_tested"] = False
        picture = step_data(engine, source, k, step)
    _mount(engine, source, k, step, picture=picture, problem=problem)


def _problem_of(key: tuple[Any, ...]) -> str:
    """What went wrong in the run before, if that was for the same picture."""
    of, problem = st.session_state.pop("lesson_problem", (None, ""))
    return str(problem) if of == key else ""


def _step() -> int:
    """The step of the session, or at first the address's; anything else is the first."""
    asked = valid_whole(st.query_params.get("step", ""), LAST)
    st.session_state["lesson_step"] = step = st.session_state.get("lesson_step") or asked or 1
    return int(step)


def _picture(engine: Engine, source: Source, k: int, step: int, status: Any) -> dict[str, Any]:
    if step == LAST and st.session_state.get("lesson_tested"):

        def progress(part: int, of: int) -> None:
            status.markdown(f"Hiding part {part} of {of} and scoring again.")

        with status:
            with st.spinner("Loading the network: once, a few seconds."):
                engine.wait()
            return tested_failures(engine, progress)
    if needs_network(engine, source, k, step) and not engine.ready.is_set():
        with status, st.spinner("Loading the network: once, a few seconds."):
            engine.wait()
    index = engine.index
    names = scene.version_of([(one.id, one.name) for one in naming.named(index)])
    return step_data(
        engine,
        source,
        k,
        step,
        lambda query: naming.own_names(index, query.parts.basis),
        names,
    )


def _mount(
    engine: Engine,
    source: Source,
    k: int,
    step: int,
    *,
    picture: dict[str, Any] | None = None,
    busy: str = "",
    problem: str = "",
) -> None:
    lesson(
        {
            "step": step,
            "steps": step_facts(),
            "k": k,
            "most": limits().parts,
            "version": scene.version_of(step_key(source, k, step)),
            "source": _source_facts(engine, source),
            "palette": scene.palette_facts(),
            "picture": picture,
            "busy": busy,
            "problem": problem,
        },
        key="lesson",
        on_step=_turned,
        on_k=_k_chosen,
        on_test=_test_wanted,
    )


def _source_facts(engine: Engine, source: Source) -> dict[str, Any]:
    index = engine.index
    width, height = source.size(index)
    return {
        "title": source.name,
        "note": "" if source.row is None else index.pictures[source.row].credit,
        "image": data_uri(engine.large(source)),
        "width": width,
        "height": height,
    }


# --- what the browser sends ----------------------------------------------------------------


def _turned() -> None:
    step = sent("lesson", "step")
    if type(step) is int and 1 <= step <= LAST:
        st.session_state["lesson_step"] = step


def _k_chosen() -> None:
    k = sent("lesson", "k")
    if type(k) is int and 1 <= k <= limits().parts:
        session().k = k


def _test_wanted() -> None:
    st.session_state["lesson_tested"] = True
