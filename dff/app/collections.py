"""The collections a user can look at: the one the dashboard was started on, and their own.

A collection of the user's own is a folder below the data folder: `collections/NAME/index`, the
photos that came with an upload beside it, and `collection.json`: what it is called and how it is
made. Its name is its address; what people read is its title.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from dff.app.engine import index_folder
from dff.app.limits import limits
from dff.app.state import write_one
from dff.index.format import MANIFEST
from dff.userdata import data_folder

STARTED_ON = ""
VALID = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
RECORD = "collection.json"


@dataclass(frozen=True)
class Collection:
    """An index that can be opened.

    name: its address, empty for the one the dashboard was started on. title: what people read.
    folder: the index. own: whether it lies in the user's data folder, so that the dashboard may
    change it.
    """

    name: str
    title: str
    folder: Path
    own: bool


def own_folder() -> Path:
    """Where the user's own collections are. It may not exist yet."""
    return data_folder() / "collections"


def own_names() -> list[str]:
    """The names of all collections of the user's own, also of those not built yet."""
    root = own_folder()
    folders = sorted(root.iterdir()) if root.is_dir() else []
    return [folder.name for folder in folders if VALID.fullmatch(folder.name)]


def read_record(folder: Path) -> dict[str, Any]:
    """What a collection's collection.json says; empty where there is none that can be read."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def title_of(name: str, folder: Path | None = None) -> str:
    """What an own collection is called. folder: where it is, if that is not its usual place."""
    title = read_record(folder or own_folder() / name).get("title")
    return title if isinstance(title, str) and title.strip() else _readable(name)


def collections() -> list[Collection]:
    """All that can be opened, the one the dashboard was started on first."""
    started = index_folder()
    found = [Collection(STARTED_ON, _readable(started.name), started, own=False)]
    # Where strangers come, nobody sees what else there is on the machine.
    for name in own_names() if limits().changes else ():
        folder = own_folder() / name / "index"
        if (folder / MANIFEST).is_file():
            found.append(Collection(name, title_of(name), folder, own=True))
    return found


def chosen() -> Collection:
    """The session's collection, by the address; one that is not there is the first one."""
    known = {one.name: one for one in collections()}
    wanted = st.session_state.get("collection", st.query_params.get("collection", STARTED_ON))
    found = known.get(wanted, known[STARTED_ON])
    st.session_state["collection"] = found.name
    write_one("collection", found.name or None)
    return found


def choose(name: str) -> None:
    """Make another collection the session's own in the next run."""
    st.session_state["collection"] = name


def _readable(name: str) -> str:
    return re.sub("[-_]+", " ", name).strip().capitalize()
