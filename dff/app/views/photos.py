"""My photos: what is in a collection; making, changing and deleting collections of one's own."""

from collections.abc import Callable

import streamlit as st

from dff.app import markup, photos_store
from dff.app.collections import Collection, choose, chosen, collections
from dff.app.engine import Engine
from dff.app.errors import say
from dff.app.factors_data import plain
from dff.app.limits import limits
from dff.app.photos_about import about, credits_list
from dff.app.photos_change import (
    after_changes,
    copy_popover,
    delete_button,
    rename_popover,
    say_problem,
)
from dff.app.photos_duplicates import duplicates
from dff.app.photos_jobs import TO_PICTURES, progress_of_jobs
from dff.app.photos_make import add_photos, new_collection
from dff.app.photos_map import collection_map
from dff.app.photos_pictures import pictures
from dff.images import safe_name

NEW = "New collection"
Section = Callable[[Collection, Engine], None]


def page(engine: Engine) -> None:
    """Draw the page."""
    st.html(markup.STYLE)
    collection = chosen()
    _toolbar(collection)
    say_problem()
    progress_of_jobs()
    if collection.own and limits().changes:
        after_changes(collection, engine.index)
    shown = _sections(collection)
    if st.session_state.pop(TO_PICTURES, False):
        st.session_state["photos_show"] = next(iter(shown))
    name = st.segmented_control(
        "Show",
        list(shown),
        default=next(iter(shown)),
        required=True,
        key="photos_show",
        bind="query-params",
        label_visibility="collapsed",
    )
    try:
        shown.get(name or "", pictures)(collection, engine)
    except ValueError as problem:  # an index that is damaged
        say(problem)


def _sections(collection: Collection) -> dict[str, Section]:
    """What the page can show, in order."""
    found: dict[str, Section] = {
        "Pictures": pictures,
        "Map": collection_map,
        "Near-duplicates": duplicates,
        "About": about,
        "Credits": credits_list,
    }
    if limits().changes:
        if collection.own:
            found["Add photos"] = add_photos
        found[NEW] = new_collection
    return found


def _toolbar(collection: Collection) -> None:
    """Which collection, and what can be done with it as a whole."""
    known = {one.name: one.title for one in collections()}
    st.session_state["photos_collection"] = collection.name

    def open_it() -> None:
        choose(st.session_state["photos_collection"])

    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.selectbox(
            "Collection",
            list(known),
            format_func=lambda name: safe_name(known[name]),
            key="photos_collection",
            on_change=open_it,
            width=320,
            help="All pages show the collection that is chosen here.",
        )
        if not limits().changes:
            return
        if collection.own:
            rename_popover(collection)
            delete_button(collection)
        else:
            copy_popover(collection)
        _bin_popover()


def _bin_popover() -> None:
    """Deleted collections, to be brought back."""
    photos_store.empty_bin(older_than=photos_store.KEPT_DAYS)
    binned = photos_store.binned()
    if not binned:
        return
    with st.popover(f"Bin ({len(binned)})", icon=":material/delete_sweep:", key="bin"):
        st.markdown("**Deleted collections**")
        st.caption(f"They are kept for {photos_store.KEPT_DAYS} days.")
        for one in binned:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.markdown(plain(safe_name(one.title)))
                st.button(
                    "Bring back",
                    icon=":material/undo:",
                    type="tertiary",
                    key=f"restore_{one.folder.name}",
                    on_click=_restore,
                    args=(one,),
                )
        if st.button("Empty the bin for good", icon=":material/delete_forever:", key="empty_bin"):
            photos_store.empty_bin()
            st.rerun()


def _restore(one: photos_store.Binned) -> None:
    choose(photos_store.restore(one))
    st.toast(plain(f"“{safe_name(one.title)}” is back."), icon=":material/undo:")
