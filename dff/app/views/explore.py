"""Explore: pick a picture, see its parts, find their like, see where and why."""

import random
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from dff.app import scene
from dff.app.components.stage import stage
from dff.app.controls import choose_picture, k_slider
from dff.app.deletion_panel import result_dialog
from dff.app.engine import Engine, Source
from dff.app.factors_data import plain
from dff.app.state import (
    Session,
    ask_for,
    read_address,
    session,
    valid_box,
    valid_weights,
    write_address,
)
from dff.app.stories import load, story_of
from dff.geometry import Box
from dff.images import read_image
from dff.index import Query

TOP_CHOICES = (6, 12, 24, 48)  # full rows of two, three and six cards
LONGEST_NAME = 60
OPTIONS = {"opacity": 0.65, "threshold": 0.25, "scale": "shared"}


@dataclass(frozen=True)
class Choice:
    """What the controls say. status: the place beside them for what is being waited for; there,
    nothing on the page moves when it comes and goes."""

    source: Source
    k: int
    top: int
    exact: bool
    status: Any


def page(engine: Engine) -> None:
    """Draw the page."""
    current = session()
    choice = _toolbar(engine)
    slot = st.container()
    if current.notice:
        slot.error(plain(current.notice), icon=":material/error:")
        current.notice = None
    try:
        read_address(current, choice.source, _size(engine, choice.source), choice.k)
        with slot:
            _show_or_say(engine, current, choice)
    except ValueError as error:
        slot.error(plain(str(error)), icon=":material/error:")
    write_address(current)


# --- choosing --------------------------------------------------------------------------


def _toolbar(engine: Engine) -> Choice:
    """The row of controls; what they say."""
    index = engine.index
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        source = choose_picture(index)
        st.button("Surprise me", icon=":material/casino:", on_click=_surprise, args=(engine,))
        k = k_slider(index)
        top = st.selectbox("Results", TOP_CHOICES, key="top", bind="query-params", width=100)
        exact = st.toggle(
            "Refine",
            key="refine",
            help="Factorize the query and its first results together, from their pixels: exact, "
            "and a few seconds slower. Otherwise the shared parts come from stored factors.",
        )
        status = st.empty()
    return Choice(source, k, top, exact, status)


def _surprise(engine: Engine) -> None:
    known = engine.index.row_of
    vetted = [id for id in load()[1] if id in known] or list(known)
    others = [id for id in vetted if id != st.session_state["picture"]] or vetted
    ask_for(random.Random().choice(others))


def _size(engine: Engine, source: Source) -> tuple[int, int]:
    if source.row is not None:
        picture = engine.index.pictures[source.row]
        return picture.width, picture.height
    data = source.read(engine.index)
    key = ("size", source.sha256)
    size: tuple[int, int] = engine.scene(key, lambda: read_image(data, source.name).shape[1::-1])
    return size


# --- showing ---------------------------------------------------------------------------


def _show_or_say(engine: Engine, current: Session, choice: Choice) -> None:
    """Show the query; if its region cannot be looked at, say why and show the whole picture."""
    try:
        _show(engine, current, choice)
    except ValueError as error:
        if current.box is None:
            raise
        st.error(plain(str(error)), icon=":material/error:")
        current.box = current.weights = None
        _show(engine, current, choice)


def _show(engine: Engine, current: Session, choice: Choice) -> None:
    index, source, k, box = engine.index, choice.source, choice.k, current.box
    needed = engine.needs_network(source.row, k, box) or choice.exact
    if needed and not engine.ready.is_set():
        with choice.status, st.spinner("Loading the network: once, a few seconds."):
            engine.wait()
    query = engine.query(source, k, box)
    data = _stage_data(engine, current, choice, query)
    subject = (source.sha256, k, box)

    def on_weights() -> None:
        value = st.session_state["stage"].get("weights")
        current.weights = valid_weights(value, k) or current.weights

    def on_box() -> None:
        value = st.session_state["stage"].get("box")
        current.box = valid_box(value, (query.parts.width, query.parts.height))
        current.weights = None

    def on_use_as_query() -> None:
        row = st.session_state["stage"].get("use_as_query")
        if type(row) is int and 0 <= row < len(index):
            ask_for(index.pictures[row].id)

    def on_test() -> None:
        st.session_state["test"] = st.session_state["stage"].get("test")

    def on_rename() -> None:
        _rename(current, subject, st.session_state["stage"].get("rename"), k)

    stage(
        data,
        key="stage",
        on_weights=on_weights,
        on_box=on_box,
        on_use_as_query=on_use_as_query,
        on_rename=on_rename,
        on_test=on_test,
    )
    row = st.session_state.pop("test", None)
    if type(row) is int and 0 <= row < len(index):
        result_dialog(engine, source, query, row, current.renamed.get(subject, {}))


def _rename(current: Session, subject: tuple[str, int, Box | None], value: Any, k: int) -> None:
    if not isinstance(value, dict) or type(value.get("part")) is not int:
        return
    part, name = value["part"], str(value.get("name") or "").strip()[:LONGEST_NAME]
    if not 0 <= part < k:
        return
    names = current.renamed.setdefault(subject, {})
    if name:
        names[part] = name
    else:
        names.pop(part, None)


def _stage_data(engine: Engine, current: Session, choice: Choice, query: Query) -> dict[str, Any]:
    """Everything the stage shows, as JSON values."""
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
    image = engine.scene(
        (source.sha256, "large"),
        lambda: scene.large_image(
            index, source.row, None if source.row is not None else _bytes(engine, source)
        ),
    )
    kind = "exact" if choice.exact else "stored"
    cards = []
    for place, row in enumerate(shown):
        key = (*subject, kind, row)
        common = engine.scene((*key, "common"), partial(shared.of, index, row))
        card = engine.scene(
            (*key, "card"),
            partial(scene.card_facts, index, query, row, common, colours),
        )
        # Only the cards in front have a box: it depends on the weights.
        box_now = None
        if place < top:
            exact = row in shared.exact
            box_now = scene.box_facts(shared.query, common, weights, exact=exact)
        cards.append({**card, "box": box_now})
    data: dict[str, Any] = {
        "version": scene.version_of(index.folder, subject, kind, top),
        "busy": None,
        # The title is the session's own: two people may upload one picture under two names.
        "query": engine.scene(
            (*subject, kind, title, note, "query"),
            lambda: scene.query_facts(index, query, title, note, image, shared),
        ),
        "parts": scene.part_facts(query, colours, current.renamed.get(subject, {})),
        "refined": choice.exact,
        "rule": scene.rule_facts(query),
        "palette": scene.palette_facts(),
        "weights": [float(w) for w in weights],
        "scores": scene.score_facts(query, rows),
        "cards": cards,
        "top": top,
        "story": _story(engine, source, k, box),
        "options": OPTIONS,
    }
    if data["scores"] is None:
        data["ranking"] = _ranking(rows, weights, top, query)
    return data


def _joint(engine: Engine, choice: Choice, query: Query, rows: np.ndarray) -> scene.Joint:
    """The shared parts. They come from the first results with all parts on, and stay the same
    when weights move, so that no colour changes under the user's hand."""
    index = engine.index
    subject = (choice.source.sha256, query.parts.k, query.box)
    ones = np.ones(rows.shape[1], np.float32)
    first = scene.best(rows @ ones, scene.JOINT, query.same)
    if not choice.exact:
        stored: scene.Joint = engine.scene(
            (*subject, "joint"), lambda: scene.joint_parts(index, query, first)
        )
        return stored

    def run() -> scene.Joint:
        with choice.status, st.spinner("Factorizing all of them together."):
            picture = read_image(choice.source.read(index))
            return scene.exact_joint_parts(index, query, picture, first)

    found: scene.Joint = engine.scene((*subject, "exact"), run)
    return found


def _ranking(rows: np.ndarray, weights: np.ndarray, top: int, query: Query) -> list[dict[str, Any]]:
    scores = rows @ weights
    return [
        {"row": row, "score": float(scores[row]), "rows": [float(v) for v in rows[row]]}
        for row in scene.best(scores, top, query.same)
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


def _bytes(engine: Engine, source: Source) -> bytes:
    data = source.read(engine.index)
    return data if isinstance(data, bytes) else data.read_bytes()
