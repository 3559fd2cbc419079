"""The pictures of a collection: look at them, name them, take some out."""

from collections.abc import Sequence

import streamlit as st

from dff.app.collections import Collection
from dff.app.components.gallery import gallery, gallery_of_many
from dff.app.engine import Engine
from dff.app.factors_data import label, plain
from dff.app.jobs import jobs
from dff.app.limits import limits
from dff.app.photos_change import attempt
from dff.export.page import data_uri
from dff.images import safe_name
from dff.index import Index
from dff.index.edit import LONGEST_TITLE, remove, rename

MOST = 500  # pictures changed at once
NAMED = 8  # of them that can be renamed at once


def pictures(collection: Collection, engine: Engine) -> None:
    """All pictures; choosing some opens what can be done with them."""
    index = engine.index
    if not (collection.own and limits().changes):
        row = gallery(index, key="photos_look", inline=True)
        if row is not None:
            _look(index, row)
        return
    rows = gallery_of_many(
        index, key="photos_edit", chosen=(), most=MOST, verb="Change", inline=True
    )
    if rows:
        _change(collection, index, rows)


@st.dialog("Picture")
def _look(index: Index, row: int) -> None:
    _facts(index, row)


@st.dialog("Change pictures", width="medium")
def _change(collection: Collection, index: Index, rows: Sequence[int]) -> None:
    """Names of the first few, and the button that takes all of them out."""
    ids = [index.pictures[row].id for row in rows]
    busy = jobs().of(collection.name) is not None
    if busy:
        st.info("This collection has work under way: wait for it or stop it.")
    with st.form("titles", border=False):
        titles = {}
        for row in rows[:NAMED]:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                picture = index.pictures[row]
                st.image(data_uri(index.thumbnail(row)), width=96, alt=safe_name(picture.title))
                titles[picture.id] = st.text_input(
                    f"Name of {label(safe_name(picture.title))}",
                    picture.title,
                    LONGEST_TITLE,
                    key=f"title_{picture.id}",
                    label_visibility="collapsed",
                )
        if len(rows) > NAMED:
            st.caption(f"And {len(rows) - NAMED} more.")
        save = st.form_submit_button("Save names", disabled=busy)
    many = "this picture" if len(rows) == 1 else f"these {len(rows)} pictures"
    if st.button(
        f"Remove {many}",
        icon=":material/delete:",
        key="remove_pictures",
        disabled=busy,
        help="Out of the collection. It can be undone, and no file is deleted.",
    ):
        attempt(lambda: remove(collection.folder, ids))
        st.rerun()
    if save:
        attempt(lambda: rename(collection.folder, titles))
        st.rerun()


def _facts(index: Index, row: int) -> None:
    picture = index.pictures[row]
    st.image(data_uri(index.thumbnail(row)), width="stretch", alt=safe_name(picture.title))
    st.markdown(f"**{plain(safe_name(picture.title))}**")
    facts = [f"{picture.width} × {picture.height} pixels", picture.path]
    if picture.credit:
        facts.insert(0, picture.credit)
    for fact in facts:
        st.caption(plain(fact))
