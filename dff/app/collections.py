"""The collections a user can look at: the one the dashboard was started on, and their own.

A collection of the user's own is a folder below the data folder: `collections/NAME/index`, and
the photos that came with an upload beside it. Its name is its address.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from dff.app.engine import index_folder
from dff.app.state import write_one
from dff.index.format import MANIFEST
from dff.userdata import data_folder

STARTED_ON = ""
VALID = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")


@dataclass(frozen=True)
class Collection:
    """An index that can be opened.

    name: its address, empty for the one the dashboard was started on. folder: the index. own:
    whether it lies in the user's data folder, so that the dashboard may change it.
    """

    name: str
    folder: Path
    own: bool

    @property
    def title(self) -> str:
        """What people read."""
        return (self.name or self.folder.name).replace("_", " ").capitalize()


def own_folder() -> Path:
    """Where the user's own collections are. It may not exist yet."""
    return data_folder() / "collections"


def collections() -> list[Collection]:
    """All that can be opened, the one the dashboard was started on first."""
    found = [Collection(STARTED_ON, index_folder(), own=False)]
    root = own_folder()
    if root.is_dir():
        for folder in sorted(root.iterdir()):
            if VALID.fullmatch(folder.name) and (folder / "index" / MANIFEST).is_file():
                found.append(Collection(folder.name, folder / "index", own=True))
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
