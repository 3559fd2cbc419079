"""What a user's session keeps of an index beyond the session: names and shortlists.

One JSON document a kind and index. It lies beside the index of an own collection, so that it goes
where that goes, and in the data folder for an index that is only read. This module alone decides
whether anything is kept: where strangers share a server, a document lives in the session.
"""

import hashlib
import json
import os
import threading
import uuid
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import streamlit as st

from dff.app.collections import own_folder
from dff.app.limits import limits
from dff.userdata import data_folder

_writing = threading.Lock()


def is_kept() -> bool:
    """Whether anything outlives the session here."""
    return limits().changes


def path_of(kind: str, index_folder: Path) -> Path:
    """The file of a kind ("names", "shortlists") for an index."""
    folder = index_folder.resolve()
    if folder.is_relative_to(own_folder().resolve()):
        return folder.parent / f"{kind}.json"
    identity = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    return data_folder() / kind / f"{identity}.json"


def read(kind: str, index_folder: Path) -> Any:
    """The document, None where there is none yet."""
    path = path_of(kind, index_folder)
    if not is_kept():
        return st.session_state.get(_key(path))
    try:
        state = path.stat()
    except OSError:
        return None
    return _parsed(path, state.st_mtime_ns, state.st_size)


def change(kind: str, index_folder: Path, how: Callable[[Any], Any]) -> None:
    """Replace the document by `how(document)`, which must not change what it is given.

    Atomic, and one after another: other sessions lose nothing. Raises OSError where the folder
    cannot be written.
    """
    path = path_of(kind, index_folder)
    with _writing:
        document = how(read(kind, index_folder))
        if not is_kept():
            st.session_state[_key(path)] = document
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
        try:
            scratch.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
            os.replace(scratch, path)
        finally:
            scratch.unlink(missing_ok=True)


def _key(path: Path) -> str:
    return f"kept-{path}"


@lru_cache(maxsize=16)
def _parsed(path: Path, written: int, size: int) -> Any:
    """A file's document, read once a state; one that cannot be read is put aside, not lost."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        os.replace(path, path.with_name(path.name + ".unreadable"))
    except OSError:
        pass
    return None
