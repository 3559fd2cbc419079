"""What a session has chosen: read from the address, checked, and written back.

The number of results is a widget bound to the address by Streamlit. The rest is kept here:
Streamlit would write a picture's title where a short, stable id belongs, forget picture and k on a
change of page, and the box and the weights belong to the stage, a component. Everything in an
address is a stranger's text: what does not fit is dropped, not shown as an error.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import streamlit as st

from dff.app.engine import Source
from dff.app.garbage import look_again
from dff.app.limits import limits
from dff.app.memo import Traces
from dff.app.stories import load
from dff.explain import check_weights
from dff.geometry import Box, check_box
from dff.index import Index

LEAST_BOX = 8  # pixels
ONE, CONCEPTS, SEVERAL = "one", "concepts", "several"  # Explore's views, as in the address


@dataclass
class Session:
    """One user's choices beyond the bound widgets.

    picture, k: the chosen picture's id and number of parts. upload: the uploaded picture while it
    is the query; uploads: how many files there were; traces: what was computed from them. box and
    weights belong to `subject`, the query they were chosen for. opened: the id of the result whose
    detail is open; arrived: the same as the address gave it, until it is closed. view: of
    Explore's, ONE, CONCEPTS or SEVERAL; turns: how often it was changed by anything but its switch.
    chosen: the ids of the set of Concepts; asked: the ids of several pictures as one query, those
    that results are to be like and those that they are not. View, chosen and asked are None before
    the address has been read.
    """

    picture: str | None = None
    k: int | None = None
    upload: Source | None = None
    uploads: int = 0
    traces: Traces = field(default_factory=Traces)
    subject: tuple[str, int] | None = None
    box: Box | None = None
    weights: tuple[float, ...] | None = None
    opened: str | None = None
    arrived: str | None = None
    notice: str | None = None
    view: str | None = None
    turns: int = 0
    chosen: tuple[str, ...] | None = None
    asked: tuple[tuple[str, ...], tuple[str, ...]] | None = None

    def turn_to(self, view: str) -> None:
        """Show another of Explore's views in the next run.

        The switch is another widget then: a browser that has not heard of the change yet sends its
        old value with whatever the user does next, and that would turn the view back.
        """
        if self.view != view:
            self.view = view
            self.turns += 1

    def close_detail(self) -> None:
        """No result's detail is open."""
        self.opened = self.arrived = None


def session() -> Session:
    """This user's session."""
    if "session" not in st.session_state:
        st.session_state["session"] = Session()
        look_again()
    found: Session = st.session_state["session"]
    return found


def sent(key: str, event: str) -> Any:
    """What the component of this key sent, to be read in its callback and to be checked.

    None where the component has left the page meanwhile: its last message can come after that.
    """
    return (st.session_state.get(key) or {}).get(event)


def ask_for(picture: str) -> None:
    """Make a picture the chosen one in the next run."""
    st.session_state["asked_picture"] = picture


def default_picture(index: Index) -> str:
    """What a visitor sees who chooses nothing: the first story's picture, or the first of all."""
    stories, _ = load()
    return next((s.picture for s in stories if s.picture in index.row_of), index.pictures[0].id)


def read_address(current: Session, source: Source, size: tuple[int, int], k: int) -> None:
    """Take box, weights and open result from the address once, on a session's first query; drop
    them when the query becomes another one."""
    subject = (source.sha256, k)
    if current.subject is None:
        current.box = _box(st.query_params.get("box", ""), size)
        current.weights = _weights(st.query_params.get("weights", ""), k)
        current.opened = current.arrived = st.query_params.get("result")
    else:
        if current.subject[0] != source.sha256:
            current.box = None
        if current.subject != subject:
            current.weights = None
            current.close_detail()
    current.subject = subject


def write_address(current: Session) -> None:
    """Make the address reproduce the box, the weights and the open result."""
    weights = current.weights if current.weights and set(current.weights) != {1.0} else None
    write_one("box", ",".join(map(str, current.box)) if current.box else None)
    write_one("weights", ",".join(f"{w:g}" for w in weights) if weights else None)
    write_one("result", current.opened)


def valid_box(value: object, size: tuple[int, int]) -> Box | None:
    """A box from the browser, or None; a box around everything is none."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return None
    try:
        box = check_box(value, *size, minimum=LEAST_BOX)
    except (TypeError, ValueError):
        return None
    return None if box == (0, 0, *size) else box


def valid_weights(value: object, k: int) -> tuple[float, ...] | None:
    """Weights from the browser, or None."""
    try:
        return tuple(round(float(w), 3) for w in check_weights(value, k))
    except (TypeError, ValueError):
        return None


def valid_k(text: str) -> int | None:
    """A number of parts from the address, or None."""
    return valid_whole(text, limits().parts)


def valid_whole(text: str, most: int) -> int | None:
    """A whole number from 1 to `most` from the address, or None."""
    # Python refuses to convert thousands of digits, with an error.
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most))):
        return None
    return int(text) if 1 <= int(text) <= most else None


def _box(text: str, size: tuple[int, int]) -> Box | None:
    try:
        return valid_box([int(v) for v in text.split(",")], size)
    except ValueError:
        return None


def _weights(text: str, k: int) -> tuple[float, ...] | None:
    try:
        return valid_weights([float(v) for v in text.split(",")], k)
    except ValueError:
        return None


def valid_ids(text: str, index: Index, most: int) -> tuple[str, ...]:
    """Ids of an index from the address, each once, at most `most`."""
    ids = dict.fromkeys(id for id in text.split(",", 2 * most) if id in index.row_of)
    return tuple(ids)[:most]


def link_to(page: str, **chosen: object) -> str:
    """The relative address of a page in a tab of its own, with the open collection. What is None
    is left out."""
    told = {"collection": st.query_params.get("collection"), **chosen}
    given = {name: value for name, value in told.items() if value is not None}
    query = urlencode(given, safe=",", quote_via=quote)
    return f"{page or './'}?{query}"


def write_one(name: str, value: str | None) -> None:
    """Set one parameter of the address, or take it out."""
    if value is None:
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != value:
        st.query_params[name] = value
