"""Explore's view over a chosen set: what the pictures share, where it is, what to call it."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dff.app import concepts_data, naming, takeaway
from dff.app.colours import chain_colours
from dff.app.components.concepts import concepts
from dff.app.components.flow import flow
from dff.app.components.gallery import gallery_of_many
from dff.app.concepts_data import MOST, Common
from dff.app.concepts_masks import masks_popover
from dff.app.controls import choose_k, k_slider, panel
from dff.app.engine import Engine, Source
from dff.app.errors import say
from dff.app.limits import limits
from dff.app.part_flow import flow_facts
from dff.app.scene import palette_facts, version_of
from dff.app.state import (
    CONCEPTS,
    ONE,
    ask_for,
    default_picture,
    sent,
    session,
    valid_ids,
    write_one,
)
from dff.app.turns import turn
from dff.app.views import several
from dff.explain import best
from dff.index import Index

FIRST = 8  # results in the set of a visitor who has chosen none
KEY, SPLITS = "concepts", "concepts splits"


def page(engine: Engine, actions: DeltaGenerator) -> None:
    """Draw the view, below Explore's switch. actions: room beside that."""
    index = engine.index
    rows = chosen_rows(engine)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        _choose(index, rows)
        k = k_slider(index)
        exact = st.toggle(
            "Refine",
            key="refine_set",
            help="Factorize the pictures together from their pixels: exact, and a few seconds a "
            "picture slower. Otherwise the shared parts come from stored factors.",
        )
        st.button(
            "Search with these",
            icon=":material/search:",
            key="search_with_set",
            on_click=several.begin,
            args=([index.pictures[row].id for row in rows],),
            help="What is like all of them together.",
        )
        status = st.empty()
    with actions:
        naming.names_popover(index)
        masks = st.container(width="content")
        takeaway.button()
    try:
        stored = _stored(engine, rows, k)
        common = _exact(engine, stored, status) if exact else stored
        colours = _colours(engine, rows, k)
        own = naming.own_names(index, common.basis)
        _draw(engine, common, colours, own, exact=exact)
        with masks:
            masks_popover(engine, common, colours, own, exact=exact)
        if takeaway.pressed():
            names = [record["name"] for record in concepts_data.part_records(common, colours, own)]
            takeaway.concepts_dialog(index, common, colours, names)
        panel("splits", "How the parts split when k grows", lambda: _splits(engine, rows, k))
    except (ValueError, OSError) as error:
        say(error)


def show_set(ids: Sequence[str]) -> None:
    """Make these pictures the set, and this the view, in the next run."""
    current = session()
    current.chosen = tuple(dict.fromkeys(ids))[:MOST]
    current.turn_to(CONCEPTS)


def chosen_rows(engine: Engine) -> list[int]:
    """The set: the session's, the address's, or the present picture and its first results."""
    index, current = engine.index, session()
    # Checked again: another collection may be open by now.
    wanted = st.query_params.get("set", "") if current.chosen is None else ",".join(current.chosen)
    ids = list(valid_ids(wanted, index, MOST))
    if not ids:
        ids = like_picture(engine, FIRST)
    current.chosen = tuple(ids)
    write_one("set", ",".join(ids))
    return [index.row_of[id] for id in ids]


def like_picture(engine: Engine, count: int) -> list[str]:
    """The ids of Explore's picture and of its first results."""
    index = engine.index
    wanted = session().picture or st.query_params.get("picture")
    id = wanted if wanted in index.row_of else default_picture(index)
    source = Source.of_row(index, index.row_of[id])
    query = engine.query(source, index.settings.k, None)
    subject = (source.sha256, index.settings.k, None)
    scores = engine.scene((*subject, "rows"), lambda: index.row_scores(query)).sum(axis=1)
    return [id, *(index.pictures[row].id for row in best(scores, count, query.same))]


# --- choosing --------------------------------------------------------------------------


def _choose(index: Index, rows: list[int]) -> None:
    """A category at once, or pictures one by one."""
    categories = sorted({picture.category for picture in index.pictures if picture.category})
    if len(categories) > 1:
        st.selectbox(
            "Pictures",
            categories,
            index=None,
            placeholder=f"{len(rows)} chosen",
            format_func=lambda name: name.replace("_", " ").capitalize(),
            key="set_category",
            on_change=_choose_category,
            args=(index,),
            width=200,
            help=f"The first {MOST} pictures of a category. Choose others with the button.",
        )
    if st.button("Choose pictures", icon=":material/grid_view:", key="choose_set"):
        _browse(index, rows)


def _choose_category(index: Index) -> None:
    category = st.session_state["set_category"]
    st.session_state["set_category"] = None  # the field says how many are chosen, not which
    ids = [picture.id for picture in index.pictures if picture.category == category]
    if ids:
        session().chosen = tuple(ids[:MOST])


@st.dialog("Choose pictures", width="large")
def _browse(index: Index, rows: list[int]) -> None:
    found = gallery_of_many(index, key="set_gallery", chosen=rows, most=MOST)
    if found:
        session().chosen = tuple(index.pictures[row].id for row in found)
        st.rerun()


# --- showing ---------------------------------------------------------------------------


def _key(engine: Engine, rows: Sequence[int], k: int) -> tuple[Any, ...]:
    return ("set", tuple(engine.index.pictures[row].sha256 for row in rows), k)


def _stored(engine: Engine, rows: Sequence[int], k: int) -> Common:
    found: Common = engine.scene(
        (*_key(engine, rows, k), "stored"),
        lambda: concepts_data.common_from_stored(engine.index, rows, k),
    )
    return found


def _exact(engine: Engine, stored: Common, status: Any) -> Common:
    """The true joint factorization. Between pictures it tells how far it is, and can be stopped:
    whatever the user does next ends this run there."""
    index, rows = engine.index, stored.rows

    def run() -> Common:
        with status.container(horizontal=True, vertical_alignment="center", gap="small"):
            bar = st.progress(0.0, "Loading the network", width=280)
            st.button("Stop", key="stop_refining", on_click=_stop)
        seen = []
        for done, row in enumerate(rows):
            source = Source.of_row(index, row)
            seen.append(engine.seen(source, None).activations)
            bar.progress((done + 1) / len(rows), f"Picture {done + 1} of {len(rows)}")
        bar.progress(1.0, "Factorizing them together")
        with turn():
            found = concepts_data.common_exactly(index, stored, seen)
        status.empty()
        return found

    key = (*_key(engine, rows, len(stored.basis)), "exact")
    common: Common = engine.scene(key, run)
    return common


def _stop() -> None:
    st.session_state["refine_set"] = False


def _colours(engine: Engine, rows: Sequence[int], k: int) -> tuple[int, ...]:
    """A colour keeps its part when k changes, as on Explore."""
    own = engine.index.settings.k
    steps = range(min(own, k), max(own, k) + 1)
    return chain_colours({n: _stored(engine, rows, n).basis for n in steps}, own, k)


def _draw(
    engine: Engine,
    common: Common,
    colours: tuple[int, ...],
    own: naming.OwnNames,
    *,
    exact: bool,
) -> None:
    index, rows, k = engine.index, common.rows, len(common.basis)
    key = (*_key(engine, rows, k), exact)
    places = engine.scene((*key, "places"), lambda: concepts_data.places_of(index, common))
    cards = concepts_data.concept_facts(index, common, places, colours, own)
    for card in cards:
        card["crops"] = [
            engine.scene(("crop", *place), partial(concepts_data.crop_facts, index, *place))
            for place in card.pop("places")
        ]
    pictures = [
        engine.scene(
            (*key, "picture", row), partial(concepts_data.picture_facts, index, row, parts)
        )
        for row, parts in zip(rows, common.pictures, strict=True)
    ]
    version = version_of(index.folder, key)

    def on_rename() -> None:
        naming.rename(index, common.basis, sent(KEY, "rename"))

    def on_open() -> None:
        row = sent(KEY, "open")
        if type(row) is int and 0 <= row < len(index):
            session().turn_to(ONE)
            ask_for(index.pictures[row].id)

    def on_leave() -> None:
        row = sent(KEY, "leave")
        rest = tuple(index.pictures[r].id for r in rows if r != row)
        if rest and type(row) is int:
            session().chosen = rest

    concepts(
        concepts_data.view_facts(index, rows, pictures, cards, version),
        key=KEY,
        on_rename=on_rename,
        on_open=on_open,
        on_leave=on_leave,
    )


def _splits(engine: Engine, rows: Sequence[int], k: int) -> None:
    """What becomes of the set's parts from each k to the next, from the stored factors."""
    index = engine.index
    st.caption("All pictures of the set together, from their stored factors.")
    with st.spinner("Splitting the set into every number of parts"):
        commons = {n: _stored(engine, rows, n) for n in range(1, limits().parts + 1)}
    parts = {
        n: concepts_data.part_records(
            common, _colours(engine, rows, n), naming.own_names(index, common.basis)
        )
        for n, common in commons.items()
    }
    facts = flow_facts({n: concepts_data.pooled(common) for n, common in commons.items()}, parts)

    def on_k() -> None:
        choose_k(sent(SPLITS, "k"))

    flow({**facts, "k": k, "palette": palette_facts()}, key=SPLITS, on_k=on_k)
