"""Explore's view of several pictures as one query: more like these, less like those."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dff.app import shortlist
from dff.app.components.several import several
from dff.app.controls import results_select
from dff.app.engine import Engine, Source
from dff.app.errors import say
from dff.app.scene import palette_facts
from dff.app.state import (
    ONE,
    SEVERAL,
    ask_for,
    default_picture,
    sent,
    session,
    valid_ids,
    write_one,
)
from dff.explain import best
from dff.export.page import data_uri
from dff.index import Index
from dff.index.several import LESS, Asked
from dff.marks import MAX_COLOURS

KEY = "several"
MOST = MAX_COLOURS  # pictures of a query: each has a colour of its own
NOTE = (
    "Every picture of the query is compared with every other picture. A score is the mean over "
    f"those with +, less {LESS:g} times the mean over those with −. A bar shows what each picture "
    "added, in its colour, left of the line what it took away."
)


def page(engine: Engine, actions: DeltaGenerator) -> None:
    """Draw the view, below Explore's switch. actions: room beside that."""
    index, current = engine.index, session()
    more, less = current.asked = _asked(index)
    write_one("also", ",".join(more))
    write_one("less", ",".join(less) or None)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        _add(index)
        top = results_select()
    with actions:
        shortlist.popover(index)
    try:
        _draw(engine, more, less, top)
    except ValueError as error:
        say(error)


def ask(index: Index, row: int, sign: int, *, first: str | None = None) -> None:
    """Take a picture into the query, to be like (1) or unlike (-1), or out of it (0).

    first: the picture that is asked about already where this begins a query. One picture to be
    like always stays, and no more than ten are taken.
    """
    current = session()
    more, less = (list(ids) for ids in (current.asked or ((), ())))
    if first is not None:
        more, less = [first], []
    id = index.pictures[row].id
    target = {1: more, -1: less}.get(sign)
    if target is not None and id in target:
        return
    rest = [other for other in more if other != id], [other for other in less if other != id]
    if sign == 1:
        rest[0].append(id)
    elif sign == -1:
        rest[1].append(id)
    if rest[0] and len(rest[0]) + len(rest[1]) <= MOST:
        current.asked = tuple(rest[0]), tuple(rest[1])


def asked_by(index: Index, value: Any, first: str | None = None) -> bool:
    """The same as a component sends it: {"row", "sign"}. Whether it was that; nonsense changes
    nothing."""
    if not isinstance(value, dict):
        return False
    row, sign = value.get("row"), value.get("sign")
    if type(row) is not int or not 0 <= row < len(index):
        return False
    if type(sign) is not int or sign not in (1, 0, -1):
        return False
    ask(index, row, sign, first=first)
    return True


def begin(ids: Sequence[str]) -> None:
    """Ask for what is like all these pictures, and make this the view, in the next run."""
    current = session()
    current.asked = tuple(ids)[:MOST], ()
    current.turn_to(SEVERAL)


# --- choosing --------------------------------------------------------------------------


def _asked(index: Index) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The query: the session's, the address's, or Explore's picture alone."""
    asked = session().asked
    # Joined and read again: another collection may be open by now.
    given = [st.query_params.get(key, "") for key in ("also", "less")]
    texts = given if asked is None else [",".join(ids) for ids in asked]
    more, less = (valid_ids(text, index, MOST) for text in texts)
    less = tuple(id for id in less if id not in more)
    if not more:
        wanted = session().picture or st.query_params.get("picture")
        more = (wanted if wanted in index.row_of else default_picture(index),)
        less = tuple(id for id in less if id not in more)
    return more, less[: MOST - len(more)]


def _add(index: Index) -> None:
    """Add a picture by its title."""
    st.selectbox(
        "Add a picture",
        list(index.row_of),
        index=None,
        placeholder="Its title",
        format_func=lambda id: index.pictures[index.row_of[id]].title,
        key="several_add",
        on_change=_added,
        args=(index,),
        width=320,
    )


def _added(index: Index) -> None:
    id = st.session_state["several_add"]
    st.session_state["several_add"] = None
    if id in index.row_of:
        ask(index, index.row_of[id], 1)


# --- showing ---------------------------------------------------------------------------


def _draw(engine: Engine, more: Sequence[str], less: Sequence[str], top: int) -> None:
    index, k = engine.index, engine.index.settings.k
    sources = [Source.of_row(index, index.row_of[id]) for id in (*more, *less)]
    queries = [engine.query(source, k, None) for source in sources]
    asked = Asked.of(queries[: len(more)], queries[len(more) :])
    # Together: in a large index it is for all of them that pictures are chosen to be matched.
    names = tuple(source.sha256 for source in sources)
    shares = engine.scene(
        (names, len(more), k, "shares"), lambda: asked.by_picture(asked.rows(index))
    )
    kept = shortlist.rows_of(index)

    def on_ask() -> None:
        asked_by(index, sent(KEY, "ask"))

    def on_open() -> None:
        row = sent(KEY, "open")
        if type(row) is int and 0 <= row < len(index):
            session().turn_to(ONE)
            ask_for(index.pictures[row].id)

    def on_keep() -> None:
        shortlist.toggle(index, sent(KEY, "keep"))

    several(
        _facts(index, (*more, *less), asked, shares, top, kept),
        key=KEY,
        on_ask=on_ask,
        on_open=on_open,
        on_keep=on_keep,
    )


def _facts(
    index: Index,
    ids: Sequence[str],
    asked: Asked,
    shares: np.ndarray,
    top: int,
    kept: frozenset[int],
) -> dict[str, Any]:
    """What the component shows. shares: (n, queries), what each picture adds to every score."""
    palette = palette_facts()
    positive = sum(share > 0 for share in asked.shares)
    scores = shares.sum(axis=1)
    order = best(scores, top, asked.same)
    count = len(ids)
    return {
        "asked": [
            {
                **_picture(index, index.row_of[id]),
                "sign": 1 if share > 0 else -1,
                "only": share > 0 and positive == 1,
                "colour": place,
                "hex": palette[place]["hex"],
            }
            for place, (id, share) in enumerate(zip(ids, asked.shares, strict=True))
        ],
        "results": [
            {
                **_picture(index, row),
                "rank": rank,
                "score": float(scores[row]),
                "shares": [round(float(v), 7) for v in shares[row]],
                "kept": row in kept,
            }
            for rank, row in enumerate(order, start=1)
        ],
        "palette": palette,
        "count": f"{count} picture" if count == 1 else f"{count} pictures",
        "found": f"{len(order)} of {len(index) - len(asked.same)}",
        "full": count >= MOST,
        "note": NOTE,
        "frame": 1.25,
    }


def _picture(index: Index, row: int) -> dict[str, Any]:
    picture = index.pictures[row]
    image = data_uri(index.thumbnail(row))
    return {"row": row, "id": picture.id, "title": picture.title, "image": image}
