"""The controls that pages share: which picture, and how many parts."""

from collections.abc import Callable

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from dff.app.components.gallery import gallery
from dff.app.engine import Source
from dff.app.errors import say
from dff.app.factors_data import plain
from dff.app.limits import limits
from dff.app.state import (
    ask_for,
    default_picture,
    session,
    valid_k,
    write_one,
)
from dff.app.turns import Busy, turn
from dff.images import EXTENSIONS, ImageError, safe_name
from dff.index import Index

MEGABYTE = 1 << 20  # as Streamlit counts
TOP_CHOICES = (6, 12, 24, 48)  # full rows of two, three and six cards


def choose_picture(index: Index, *, width: int = 260) -> Source:
    """A picture of the collection, by title or from the gallery, or an uploaded one."""
    chosen = _picture_select(index, width)
    if st.button("Browse", icon=":material/grid_view:", key="browse"):
        _browse(index)
    current = session()
    with st.popover("Upload", icon=":material/upload:"):
        st.file_uploader(
            "Your own picture",
            type=[e[1:] for e in EXTENSIONS],
            # A new one after each file: replacing a file would first take the old one away.
            key=f"upload{current.uploads}",
            max_upload_size=limits().megabytes,
            on_change=_upload,
            help="It stays in this session and is not added to the collection.",
        )
    if current.upload is not None:
        st.button(
            plain(current.upload.name, 24),
            icon=":material/close:",
            key="drop_upload",
            on_click=_drop_upload,
            help="Go back to the collection's picture.",
        )
    return current.upload or Source.of_row(index, index.row_of[chosen])


def _picture_select(index: Index, width: int) -> str:
    """The select box of all pictures, by title; the chosen picture's id.

    It starts with the session's picture, the address's, or the first story's.
    """
    current = session()
    ids = list(index.row_of)
    if (asked := st.session_state.pop("asked_picture", None)) in index.row_of:
        current.picture, current.upload = asked, None
    wanted = current.picture or st.query_params.get("picture")
    chosen: str = wanted if wanted in index.row_of else default_picture(index)
    # Set in every run: the widget of another page with the same key would keep its own value.
    st.session_state["picture"] = current.picture = chosen
    st.selectbox(
        "Picture",
        ids,
        format_func=lambda id: index.pictures[index.row_of[id]].title,
        key="picture",
        on_change=_picture_chosen,
        width=width,
    )
    write_one("picture", None if chosen == default_picture(index) else chosen)
    return chosen


def k_slider(index: Index, *, width: int = 200) -> int:
    """The slider of the number of parts. It keeps its value from page to page."""
    current = session()
    if current.k is None:
        current.k = valid_k(st.query_params.get("k", "")) or index.settings.k
    st.session_state["k"] = current.k
    st.slider(
        "Parts",
        1,
        limits().parts,
        key="k",
        on_change=_k_chosen,
        width=width,
        help="Into how many parts the picture is split.",
    )
    write_one("k", None if current.k == index.settings.k else str(current.k))
    return current.k


def choose_k(k: object) -> None:
    """Take a number of parts from the browser; what is none is left."""
    if type(k) is int and 1 <= k <= limits().parts:
        session().k = k


def results_select() -> int:
    """How many results are shown."""
    choices = [top for top in TOP_CHOICES if top <= limits().results]
    return int(st.selectbox("Results", choices, key="top", bind="query-params", width=100))


def panel(key: str, title: str, draw: Callable[[], None]) -> None:
    """An expander that draws only while it is open."""
    box = st.expander(title, key=key, bind="query-params")
    if box.open:
        with box:
            try:
                draw()
            except ValueError as problem:
                say(problem)


@st.dialog("Choose a picture", width="large")
def _browse(index: Index) -> None:
    row = gallery(index, key="gallery", selected=index.row_of.get(st.session_state["picture"]))
    if row is not None:
        ask_for(index.pictures[row].id)
        st.rerun()


def _upload() -> None:
    current = session()
    file = st.session_state.get(f"upload{current.uploads}")
    if not isinstance(file, UploadedFile):  # none, or one of another session
        return
    current.uploads += 1
    data = file.getvalue()
    # Streamlit would keep it beside ours, and that of every upload before, until the session ends.
    if (context := get_script_run_ctx()) is not None:
        context.uploaded_file_mgr.remove_session_files(context.session_id)
    try:
        if len(data) > limits().megabytes * MEGABYTE:  # browsers are told, others are not
            raise ImageError(
                f"{safe_name(file.name)}: expected at most {limits().megabytes} MB, "
                f"got {len(data) / MEGABYTE:.1f}"
            )
        # Refused here, before anything else depends on it. One at a time: a large one takes 200 MB.
        with turn():
            source = Source.of_upload(file.name, data, limits().megapixels * 10**6)
        current.traces.add(source.sha256)
        current.upload = source
    except (ImageError, Busy) as error:
        current.notice = str(error)


def _drop_upload() -> None:
    session().upload = None


def _picture_chosen() -> None:
    current = session()
    current.picture, current.upload = st.session_state["picture"], None


def _k_chosen() -> None:
    session().k = st.session_state["k"]
