"""Errors on the pages: where they are said, logged, and kept from showing more than they should.

`say` tells one that was foreseen, in its own words. `tell` tells any other: a sentence of the
catalogue (`dff.troubles`) with an id, under which the server's log has the traceback. `take_over`
makes Streamlit use it for what no page of ours can catch: callbacks, and fragments such as dialogs.
"""

import logging
from typing import Any

import streamlit as st
from streamlit import error_util

from dff.app.factors_data import plain
from dff.app.limits import limits
from dff.troubles import UNFORESEEN, Trouble, new_id, trouble_of, without_folders

log = logging.getLogger(__name__)

ICON = ":material/error:"


def shown(problem: BaseException | str) -> str:
    """A foreseen problem in its own words; where strangers come, without the server's folders.

    The system's words ("[Errno 28]") are nobody's: for those it is the catalogue's, and logged.
    """
    if isinstance(problem, OSError) and problem.errno is not None:
        return logged(problem, "a file")
    text = str(problem)
    return text if limits().changes else without_folders(text)


def say(problem: BaseException | str, place: Any = st) -> None:
    """Tell a foreseen problem. place: a container."""
    place.error(plain(shown(problem)), icon=ICON)


def logged(error: BaseException, what: str, otherwise: Trouble = UNFORESEEN) -> str:
    """Log an unforeseen error and return the sentence for people. what: was being done."""
    id = new_id()
    log.error("error %s, %s", id, what, exc_info=error)
    return trouble_of(error, otherwise).sentence(id)


def tell(error: BaseException, what: str = "a page", place: Any = st) -> None:
    """Log an unforeseen error and say so on the page."""
    place.error(plain(logged(error, what)), icon=ICON)


def take_over() -> None:
    """Have Streamlit say what nobody has caught as `tell` does.

    Where this happens in a callback, Streamlit does not run the page: a button brings it back.
    Streamlit's own hook for this (`st.App`) needs another way to start a server than
    `streamlit run` on a script, so the function that shows such errors is replaced.
    """
    error_util.show_uncaught_app_exception = _uncaught


def _uncaught(ex: BaseException) -> None:
    try:
        tell(ex, "a callback or a dialog")
        st.button("Show the page again", icon=":material/refresh:", key="show_page_again")
    except Exception:  # as Streamlit's own: what is shown must not hide the error itself
        log.exception("an error could not be shown")
