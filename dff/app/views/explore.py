"""Explore: pick a picture, see its parts, find their like, see where and why; or pick several and
see what they share (`concepts`), or find what is like them together (`several`)."""

import random
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from dff.app import naming, scene, shortlist, takeaway
from dff.app.components.stage import stage
from dff.app.controls import choose_picture, k_slider, results_select
from dff.app.deletion_panel import result_dialog
from dff.app.engine import Engine, Source
from dff.app.errors import say
from dff.app.state import (
    CONCEPTS,
    ONE,
    SEVERAL,
    Session,
    ask_for,
    link_to,
    read_address,
    sent,
    session,
    valid_box,
    valid_weights,
    write_address,
    write_one,
)
from dff.app.stories import load, story_of
from dff.app.takeaway_files import search_view
from dff.app.turns import Busy, turn
from dff.app.views import concepts, several
from dff.explain import best
from dff.geometry import Box
from dff.images import read_image
from dff.index import Query
from dff.shared_parts import JOINT, Joint, exact_joint_parts, joint_parts

VIEWS = {ONE: "One picture", CONCEPTS: "Concepts", SEVERAL: "Several pictures"}
WAITING, JOINING = "Reading the pictures", "Factorizing together"
# On a phone the picture comes first: the words of the actions are for screen readers there.
ONLY_ICONS = """<style>@media (max-width: 640px) {
.st-key-actions p { position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); white-space: nowrap; } }</style>"""
OPTIONS = {"opacity": 0.65, "threshold": 0.25, "scale": "shared"}


@dataclass(frozen=True)
class Choice:
    """What the controls say. status: the place above them for what is being waited for; there,
    nothing on the page moves when it comes and goes."""

    source: Source
    k: int
    top: int
    exact: bool
    status: Any


def page(engine: Engine) -> None:
    """Draw the page."""
    current = session()
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        view = _view(current)
        status = st.empty()
        # What can be done with what is on the page; the pictures' controls come first.
        actions = st.container(horizontal=True, gap="small", width="content", key="actions")
    with actions:
        st.html(ONLY_ICONS)
    if view != ONE:
        write_one("result", None)
        (concepts if view == CONCEPTS else several).page(engine, actions)
        return
    choice = _toolbar(engine, status)
    with actions:
        _actions(engine, choice)
    slot = st.container()
    if current.notice:
        say(current.notice, slot)
        current.notice = None
    try:
        read_address(current, choice.source, choice.source.size(engine.index), choice.k)
        with slot:
            _show_or_say(engine, current, choice)
    except ValueError as error:
        say(error, slot)
    write_address(current)


# --- choosing --------------------------------------------------------------------------


def _view(current: Session) -> str:
    """One picture, what a set of them shares, or several as one query."""
    if current.view is None:
        asked = st.query_params.get("view")
        current.view = asked if asked in VIEWS else ONE
    turns = current.turns
    key = f"explore_view{turns}"
    # Set in every run: other pages forget the widget.
    st.session_state[key] = current.view

    def chosen() -> None:
        if turns == current.turns:
            current.view = st.session_state[key]

    st.segmented_control(
        "View",
        tuple(VIEWS),
        format_func=VIEWS.__getitem__,
        required=True,
        key=key,
        on_change=chosen,
        label_visibility="collapsed",
    )
    write_one("view", None if current.view == ONE else current.view)
    return current.view


def _toolbar(engine: Engine, status: Any) -> Choice:
    """The row of controls; what they say."""
    index = engine.index
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        source = choose_picture(index)
        st.button("Surprise me", icon=":material/casino:", on_click=_surprise, args=(engine,))
        k = k_slider(index)
        top = results_select()
        exact = st.toggle(
            "Refine",
            key="refine",
            bind="query-params",
            help="Factorize the query and its first results together, from their pixels: exact, "
            "and a few seconds slower. Otherwise the shared parts come from stored factors.",
        )
    return Choice(source, k, top, exact, status)


def _actions(engine: Engine, choice: Choice) -> None:
    shortlist.popover(engine.index)
    st.button(
        "Concepts of these",
        icon=":material/category:",
        key="concepts_of_these",
        on_click=_concepts_of,
        args=(engine, choice),
        help="What this picture and its results have in common.",
    )
    takeaway.button()
    row = choice.source.row
    # A tab of its own has no upload.
    st.link_button(
        "Present",
        "" if row is None else _slides(engine.index.pictures[row].id, choice.k),
        icon=":material/slideshow:",
        disabled=row is None,
        help="Slides for a lecture hall, in a tab of their own."
        if row is not None
        else "Slides are for pictures of the collection.",
    )


def _slides(id: str, k: int) -> str:
    box = session().box
    return link_to("present", picture=id, k=k, box=",".join(map(str, box)) if box else None)


def _concepts_of(engine: Engine, choice: Choice) -> None:
    """The picture, where the collection has it, and its results become Concepts' set."""
    index, current = engine.index, session()
    source, k, top = choice.source, choice.k, choice.top
    query = engine.query(source, k, current.box)
    rows = engine.scene((source.sha256, k, current.box, "rows"), lambda: index.row_scores(query))
    weights = np.array(current.weights or (1.0,) * k, np.float32)
    own = [] if source.row is None else [source.row]
    found = [*own, *best(rows @ weights, top, query.same)]
    concepts.show_set([index.pictures[row].id for row in found])


def _surprise(engine: Engine) -> None:
    known = engine.index.row_of
    vetted = [id for id in load()[1] if id in known] or list(known)
    others = [id for id in vetted if id != st.session_state["picture"]] or vetted
    ask_for(random.Random().choice(others))  # noqa: S311 (a photo, no secret)


# --- showing ---------------------------------------------------------------------------


def _show_or_say(engine: Engine, current: Session, choice: Choice) -> None:
    """Show the query; if its region cannot be looked at, say why and show the whole picture."""
    try:
        _show(engine, current, choice)
    except ValueError as error:
        if current.box is None or isinstance(error, Busy):
            raise
        say(error)
        current.box = current.weights = None
        _show(engine, current, choice)


def _show(engine: Engine, current: Session, choice: Choice) -> None:
    index, source, k, box = engine.index, choice.source, choice.k, current.box
    needed = engine.needs_network(source.row, k, box) or choice.exact
    if needed and not engine.ready.is_set():
        with choice.status, st.spinner("Loading the network: once, a few seconds."):
            engine.wait()
    query = engine.query(source, k, box)
    data, cards = _stage_data(engine, current, choice, query)

    def on_weights() -> None:
        value = sent("stage", "weights")
        current.weights = valid_weights(value, k) or current.weights

    def on_box() -> None:
        value = sent("stage", "box")
        current.box = valid_box(value, (query.parts.width, query.parts.height))
        current.weights = None

    def on_use_as_query() -> None:
        row = sent("stage", "use_as_query")
        if type(row) is int and 0 <= row < len(index):
            ask_for(index.pictures[row].id)

    def on_test() -> None:
        st.session_state["test"] = sent("stage", "test")
        current.close_detail()

    def on_open() -> None:
        row = sent("stage", "open")
        known = type(row) is int and 0 <= row < len(index)
        current.opened, current.arrived = index.pictures[row].id if known else None, None

    def on_rename() -> None:
        shown = index.pictures[query.row].id if query.row is not None else ""
        naming.rename(index, query.parts.basis, sent("stage", "rename"), shown)

    def on_keep() -> None:
        shortlist.toggle(index, sent("stage", "keep"))

    def on_ask() -> None:
        value = sent("stage", "ask")
        if query.row is not None and several.asked_by(index, value, index.pictures[query.row].id):
            current.turn_to(SEVERAL)
            current.close_detail()

    stage(
        data,
        cards,
        key="stage",
        on_weights=on_weights,
        on_box=on_box,
        on_use_as_query=on_use_as_query,
        on_rename=on_rename,
        on_test=on_test,
        on_open=on_open,
        on_keep=on_keep,
        on_ask=on_ask,
    )
    row = st.session_state.pop("test", None)
    if type(row) is int and 0 <= row < len(index):
        names = naming.own_names(index, query.parts.basis)
        result_dialog(engine, source, query, row, {j: name for j, (name, _) in names.items()})
    if takeaway.pressed():
        _take_away(engine, choice, query, data)


def _take_away(engine: Engine, choice: Choice, query: Query, data: dict[str, Any]) -> None:
    key = (choice.source.sha256, query.parts.k, query.box, "rows")
    rows = engine.scene(key, lambda: engine.index.row_scores(query))
    takeaway.search_dialog(
        search_view(
            engine,
            choice.source,
            query,
            _joint(engine, choice, query, rows),
            names=[part["name"] for part in data["parts"]],
            weights=data["weights"],
            top=choice.top,
            refined=choice.exact,
        )
    )


def _stage_data(
    engine: Engine, current: Session, choice: Choice, query: Query
) -> tuple[dict[str, Any], list[str]]:
    """Everything the stage shows, as JSON values, and the cards of its results, as JSON."""
    index, source, top = engine.index, choice.source, choice.top
    k, box = query.parts.k, query.box
    subject = (source.sha256, k, box)
    weights = np.array(current.weights or (1.0,) * k, np.float32)
    colours = engine.colours(source, k, box)
    rows = engine.scene((*subject, "rows"), lambda: index.row_scores(query))
    shared = _joint(engine, choice, query, rows)
    shown = scene.candidates(rows, weights, top, query.same)
    title, note = source.name, ""
    if source.row is not None:
        note = index.pictures[source.row].credit
    image = engine.large(source)
    kind = "exact" if choice.exact else "stored"
    commons = engine.scenes(
        [(*subject, kind, row, "common") for row in shown],
        lambda places: shared.all_of(index, [shown[place] for place in places]),
    )
    cards = [
        engine.scene(
            (*subject, kind, row, "card"),
            partial(scene.card_text, index, query, row, common, colours),
        )
        for row, common in zip(shown, commons, strict=True)
    ]
    # Only the cards in front have a box: it depends on the weights.
    boxes: list[list[int] | None] = [None] * len(shown)
    for place, (row, common) in enumerate(zip(shown[:top], commons, strict=False)):
        exact = row in shared.exact
        boxes[place] = engine.scene(
            (*subject, kind, row, "box", tuple(weights)),
            partial(scene.box_facts, shared.query, common, weights, exact=exact),
        )
    arrived = index.row_of.get(current.arrived or "")
    if current.arrived is not None and arrived not in shown[:top]:
        arrived = None
        current.close_detail()
    data: dict[str, Any] = {
        "version": scene.version_of(index.folder, subject, kind, top),
        "busy": None,
        # The title is the session's own: two people may upload one picture under two names.
        "query": engine.scene(
            (*subject, kind, title, note, "query"),
            lambda: scene.query_facts(index, query, title, note, image, shared),
        ),
        "parts": scene.part_facts(query, colours, naming.own_names(index, query.parts.basis)),
        "refined": choice.exact,
        "rule": scene.rule_facts(query),
        "palette": scene.palette_facts(),
        "weights": [float(w) for w in weights],
        "scores": scene.score_facts(query, rows),
        "boxes": boxes,
        "top": top,
        "kept": sorted(shortlist.rows_of(index)),
        "opened": arrived,
        "story": _story(engine, source, k, box),
        "options": OPTIONS,
    }
    if data["scores"] is None:
        data["ranking"] = _ranking(rows, weights, top, query)
    return data, cards


def _joint(engine: Engine, choice: Choice, query: Query, rows: np.ndarray) -> Joint:
    """The shared parts. They come from the first results with all parts on, and stay the same
    when weights move, so that no colour changes under the user's hand."""
    index = engine.index
    subject = (choice.source.sha256, query.parts.k, query.box)
    ones = np.ones(rows.shape[1], np.float32)
    first = best(rows @ ones, JOINT, query.same)
    if not choice.exact:
        stored: Joint = engine.scene((*subject, "joint"), lambda: joint_parts(index, query, first))
        return stored

    def run() -> Joint:
        # Between pictures it tells how far it is, and can be stopped: whatever the user does next
        # ends this run there.
        with choice.status.container(horizontal=True, vertical_alignment="center", gap="small"):
            bar = st.progress(0.0, WAITING, width=180)
            st.button("Stop", key="stop_refining", on_click=_stop)

        def tell(done: int, count: int) -> None:
            bar.progress(
                done / count, f"Picture {done + 1} of {count}" if done < count else JOINING
            )

        picture = read_image(choice.source.read(index))
        found = exact_joint_parts(index, query, picture, first, tell, turn)
        choice.status.empty()
        return found

    found: Joint = engine.scene((*subject, "exact"), run)
    return found


def _stop() -> None:
    st.session_state["refine"] = False


def _ranking(rows: np.ndarray, weights: np.ndarray, top: int, query: Query) -> list[dict[str, Any]]:
    scores = rows @ weights
    return [
        {"row": row, "score": float(scores[row]), "rows": [float(v) for v in rows[row]]}
        for row in best(scores, top, query.same)
    ]


def _story(engine: Engine, source: Source, k: int, box: Box | None) -> dict[str, Any] | None:
    if source.row is None:
        return None
    index = engine.index
    story = story_of(index.pictures[source.row].id, k, box)
    if story is None or story.watch not in index.row_of:
        return None
    return {
        "text": story.invitation,
        "button": story.button,
        "undo": story.undo,
        "parts": list(story.switch),
        "watch": [index.row_of[story.watch]],
        "watch_title": story.watch_title,
    }
