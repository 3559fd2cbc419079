"""Making a collection, or adding to one: from uploads, a ZIP, or a folder of this machine."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from dff.app import photos_store
from dff.app.collections import Collection
from dff.app.engine import Engine
from dff.app.errors import say
from dff.app.factors_data import plain
from dff.app.jobs import jobs
from dff.app.photos_change import attempt, form, next_form
from dff.app.photos_uploads import FACTS, Taken, take_in
from dff.app.photos_words import counted, duration, megabytes
from dff.app.photos_work import settings_of, start, start_add
from dff.images import EXTENSIONS, safe_name
from dff.index.edit import LONGEST_TITLE

UPLOAD, FOLDER = "Upload photos or a ZIP", "A folder of this machine"
MOST_UPLOAD = 500  # megabytes at once, where the server allows that much
MOST_FOUND = 20_000  # pictures of a folder that are counted, and for how many seconds
PATIENCE = 3.0
REFUSED = "photos_refused"
SHOWN = 8
# On two cores at 512 pixels; and what an index keeps of a picture.
SECONDS, SECONDS_COMPARE = 0.4, 0.5
BYTES, BYTES_COMPARE = 190_000, 420_000


@dataclass
class Given:
    """What a user points at. files: uploaded. folder: of this machine. count: pictures, as far as
    is known before a ZIP is opened. problem: why it cannot be used."""

    files: list[Any] = field(default_factory=list)
    folder: Path | None = None
    count: int = 0
    problem: str = ""


def new_collection(_: Collection, engine: Engine) -> None:
    """The form that makes one."""
    _refusals()
    title = st.text_input(
        "Name of the collection",
        "",
        LONGEST_TITLE,
        key=f"new_title_{form()}",
        placeholder="Holidays 2026",
    )
    given = _source("new")
    with st.expander("Settings"):
        k = st.slider("Parts of each picture", 1, 10, 4, key="new_k", width=320)
        compare = st.toggle(
            "Also for Compare",
            key="new_compare",
            help="Stores what all descriptors of Lab, Compare need: about twice the space, and a "
            "quarter more time. Without it Compare has two descriptors.",
        )
    if given.count and not given.problem:
        st.caption(_estimate(given.count, compare=compare))
    ready = bool(title.strip()) and bool(given.files or given.count) and not given.problem
    if st.button("Make the collection", type="primary", key="make", disabled=not ready):
        attempt(lambda: _make(title, given, settings_of(k, compare=compare)))
        st.rerun()
    if not title.strip() and (given.files or given.count):
        st.caption("Give it a name first.")


def add_photos(collection: Collection, engine: Engine) -> None:
    """The form that adds pictures to this collection."""
    _refusals()
    busy = jobs().of(collection.name) is not None
    if busy:
        st.info("This collection has work under way: wait for it or stop it.")
    given = _source("add")
    if given.count and not given.problem:
        settings = engine.index.settings
        st.caption(_estimate(given.count, compare=len(settings.descriptors) > 2))
    ready = bool(given.files or given.count) and not given.problem and not busy
    if st.button("Add them", type="primary", key="add", disabled=not ready):
        attempt(lambda: _add(collection, given))
        st.rerun()


def _make(title: str, given: Given, settings: dict[str, Any]) -> None:
    st.session_state[REFUSED] = None
    name = photos_store.create(title, given.folder, settings)
    if given.folder is None and not _unpack(name, given).written:
        photos_store.drop(name)
        return
    start(name)
    next_form()


def _add(collection: Collection, given: Given) -> None:
    st.session_state[REFUSED] = None
    if given.folder is not None:
        start_add(collection.name, given.folder, [])
    elif written := _unpack(collection.name, given).written:
        start_add(collection.name, photos_store.own_photos(collection.name), written)
    next_form()


def _unpack(name: str, given: Given) -> Taken:
    with st.spinner("Unpacking."):
        taken = take_in([(f.name, f) for f in given.files], photos_store.own_photos(name))
    st.session_state[REFUSED] = taken
    return taken


def _refusals() -> None:
    """What was not taken of the last upload."""
    taken: Taken | None = st.session_state.get(REFUSED)
    if taken is None or (taken.written and not taken.refused):
        return
    count = len(taken.refused)
    if taken.written:
        head = f"{counted(count, 'file was', 'files were')} not taken:"
    else:
        head = "Nothing could be taken:" if count else "Nothing could be taken: no picture in it."
    lines = [f"- {plain(name)}: {plain(why)}" for name, why in taken.refused[:SHOWN]]
    if count > SHOWN:
        lines.append(f"- and {count - SHOWN} more")
    st.warning("\n".join([head, "", *lines]), icon=":material/warning:")


# --- where the photos are ---------------------------------------------------------------


def _source(key: str) -> Given:
    kind = st.segmented_control(
        "Photos", (UPLOAD, FOLDER), default=UPLOAD, required=True, key=f"{key}_source"
    )
    return _folder(key) if kind == FOLDER else _upload(key)


def _upload(key: str) -> Given:
    most = min(MOST_UPLOAD, int(st.get_option("server.maxUploadSize")))
    files = st.file_uploader(
        "Photos, or a ZIP of them",
        type=[*(e[1:] for e in EXTENSIONS), "zip", "csv"],
        accept_multiple_files=True,
        key=f"{key}_files_{form()}",
        max_upload_size=most,
        help=f"At most {most} MB a file. For more, use a folder of this machine. A file {FACTS} "
        "with the columns file, title, category, author and licence is read too.",
    )
    loose = [file for file in files if file.name.lower().endswith(EXTENSIONS)]
    return Given(files=list(files), count=len(loose))


def _folder(key: str) -> Given:
    text = st.text_input(
        "Folder",
        key=f"{key}_folder_{form()}",
        placeholder=str(Path.home() / "Pictures"),
        help="With all folders below it. The photos stay where they are and are only read.",
    ).strip()
    if not text:
        return Given()
    given = look(text)
    if given.problem:
        say(given.problem)
    else:
        st.caption(f"{counted(given.count, 'picture')} found.")
    return given


def look(text: str) -> Given:
    """What a typed path holds."""
    shown = safe_name(text)
    try:
        folder = Path(text).expanduser()
    except RuntimeError:  # somebody's home that there is not
        return Given(problem=f"“{shown}” is not there.")
    if "\0" in text:
        return Given(problem="This is not a path.")
    if not folder.is_absolute():
        return Given(problem=f"Type the whole path, from the top: “{shown}” begins in the middle.")
    try:
        if not folder.is_dir():
            what = "a file, not a folder" if folder.exists() else "not there"
            return Given(problem=f"“{shown}” is {what}.")
        os.scandir(folder).close()
    except OSError as error:
        return Given(problem=f"“{shown}” cannot be opened ({error.strerror}).")
    count, whole = _count(folder)
    if not whole:
        return Given(
            problem=f"“{shown}” holds too much: {count} pictures were found before we stopped "
            "looking. Choose a folder further down."
        )
    if not count:
        return Given(problem=f"There are no pictures in “{shown}”.")
    return Given(folder=folder, count=count)


def _count(folder: Path) -> tuple[int, bool]:
    """How many pictures a build would find, and whether that is all."""
    count, until = 0, time.monotonic() + PATIENCE
    for _, below, names in os.walk(folder):
        below[:] = [name for name in below if not name.startswith(".")]
        count += sum(n.lower().endswith(EXTENSIONS) and not n.startswith(".") for n in names)
        if count > MOST_FOUND or time.monotonic() > until:
            return count, False
    return count, True


def _estimate(count: int, *, compare: bool) -> str:
    seconds = count * (SECONDS_COMPARE if compare else SECONDS)
    size = count * (BYTES_COMPARE if compare else BYTES)
    return (
        f"About {duration(seconds)} on a laptop with two cores, and {megabytes(size)}. You can go "
        "on working meanwhile, stop it, and go on with it later."
    )
