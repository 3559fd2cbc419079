"""Changing a collection as a whole: its name, its bin, a copy of one's own, the way back."""

from collections.abc import Callable
from datetime import UTC, datetime

import streamlit as st

from dff.app import photos_store
from dff.app.collections import Collection, choose
from dff.app.errors import say, shown
from dff.app.factors_data import plain
from dff.app.jobs import jobs
from dff.app.photos_words import counted, duration, megabytes
from dff.app.photos_work import start, start_rewhiten
from dff.images import safe_name
from dff.index import Index, IndexProblem
from dff.index.edit import LONGEST_TITLE
from dff.index.state import Change, bytes_before, changes, undo
from dff.index.store import FEWEST_TO_WHITEN

PROBLEM = "photos_problem"


def rename_popover(collection: Collection) -> None:
    """Another title for the collection; its address stays."""
    with (
        st.popover("Rename", icon=":material/edit:", key=f"rename_{form()}"),
        st.form("rename_collection", border=False),
    ):
        title = st.text_input("Name of the collection", collection.title, LONGEST_TITLE)
        if st.form_submit_button("Save"):
            attempt(lambda: photos_store.retitle(collection.name, title))
            next_form()
            st.rerun()


def delete_button(collection: Collection) -> None:
    """To the bin, from which it can be brought back."""
    busy = jobs().of(collection.name) is not None
    st.button(
        "Delete",
        icon=":material/delete:",
        key="delete_collection",
        on_click=_delete,
        args=(collection,),
        disabled=busy,
        help="It goes to the bin, with its uploaded photos, and can be brought back for "
        f"{photos_store.KEPT_DAYS} days. Photos in a folder of yours are not touched.",
    )


def _delete(collection: Collection) -> None:
    if jobs().of(collection.name) is not None:  # a button that is disabled can be pressed still
        return
    photos_store.delete(collection.name)
    jobs().dismiss_of(collection.name)
    choose("")
    st.toast(
        plain(f"“{safe_name(collection.title)}” is in the bin."), icon=":material/delete_sweep:"
    )


def copy_popover(collection: Collection) -> None:
    """A copy that can be changed, of a collection that is only looked at."""
    with (
        st.popover("Make it my own", icon=":material/content_copy:", key=f"copy_{form()}"),
        st.form("copy_collection", border=False),
    ):
        st.caption(
            "This collection is only looked at. In a copy of your own you can add, remove and "
            "rename pictures; the photos themselves stay where they are."
        )
        title = st.text_input("Name of the copy", _mine(collection.title))
        if st.form_submit_button("Make a copy"):

            def run() -> None:
                source = str(collection.folder.resolve())
                start(photos_store.create(title, None, {"copy_of": source}))

            attempt(run)
            next_form()
            st.rerun()


def _mine(title: str) -> str:
    return f"My {title[:1].lower()}{title[1:]}"[:LONGEST_TITLE]


def form() -> int:
    """Which form this is: a new one, closed and empty, after each that was sent."""
    return int(st.session_state.get("photos_form", 0))


def next_form() -> None:
    """The form was sent."""
    st.session_state["photos_form"] = form() + 1


def cannot_open(collection: Collection, problem: IndexProblem) -> None:
    """In place of all pages: an own collection that is damaged, and the ways out."""
    say_problem()
    st.title(plain(safe_name(collection.title)))
    st.error(f"This collection cannot be opened: {plain(str(problem))}", icon=":material/error:")
    with st.container(horizontal=True, gap="small"):
        st.button("Open the first collection", type="primary", on_click=choose, args=("",))
        delete_button(collection)


def after_changes(collection: Collection, index: Index) -> None:
    """What was changed last, with its undo; and what should be done after many changes."""
    found = changes(collection.folder)
    busy = jobs().of(collection.name) is not None
    if found:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f":small[{plain(_words(found[-1]))}]")
            st.button(
                "Undo",
                icon=":material/undo:",
                key="undo_change",
                on_click=_undo,
                args=(collection,),
                disabled=busy,
            )
            st.button(
                f"Give up undo, free {megabytes(bytes_before(collection.folder))}",
                key="forget",
                type="tertiary",
                on_click=_forget,
                args=(collection,),
                disabled=busy,
                help="Delete what is only kept for undo, and uploaded photos that were removed.",
            )
    if _outgrown(index):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(
                ":small[Scores are fitted to the pictures that were here when the collection was "
                "made. Many are new.]"
            )
            st.button(
                "Fit again",
                key="rewhiten",
                on_click=attempt,
                args=(lambda: start_rewhiten(collection.name),),
                disabled=busy,
                help="Scores change a little, and usually for the better.",
            )


def _outgrown(index: Index) -> bool:
    """Whether the whitening was fitted on far fewer pictures than there are now, or on none."""
    fitted = index.whitening().provenance.get("pictures")
    now = len(index)
    return isinstance(fitted, int) and now >= max(FEWEST_TO_WHITEN, 2 * fitted)


def _words(change: Change) -> str:
    count = counted(change.count, "picture")
    what = {
        "add": f"{count} added",
        "remove": f"{count} removed",
        "rename": f"{count} renamed",
        "rewhiten": "scores fitted again",
        "halve": "scores kept at half precision",
    }[change.kind]
    named = f" (“{safe_name(change.title)}”)" if change.count == 1 and change.title else ""
    ago = duration((datetime.now(UTC) - change.when).total_seconds())
    return f"Last change: {what}{named}, {ago} ago."


def _undo(collection: Collection) -> None:
    def run() -> None:
        undo(collection.folder)
        st.toast("Undone.", icon=":material/undo:")

    attempt(run)


def _forget(collection: Collection) -> None:
    attempt(lambda: photos_store.forget(collection.name))


def attempt(run: Callable[[], object]) -> None:
    """Do something that may be refused; `say_problem` tells why in the next run."""
    try:
        run()
    except (ValueError, OSError) as problem:
        st.session_state[PROBLEM] = shown(problem)


def say_problem() -> None:
    """What was refused in the last run."""
    if problem := st.session_state.pop(PROBLEM, None):
        say(problem)
