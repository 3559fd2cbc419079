"""The server's memory: how many heaps it has, and what goes when the last user has left.

While users are there, caches keep what others may ask for, each within its bound, and a session
that was cut off is kept for a while, in case that its browser comes back. When nobody has been
there for longer than that, all of it is of no use: the next user's first answer takes a tenth of a
second more without it.
"""

import ctypes
import logging
import sys
import threading
import time
from typing import Any

import streamlit as st
from streamlit import config, runtime
from streamlit.runtime import RuntimeState

from dff.app.engine import rest_all
from dff.app.garbage import set_aside
from dff.app.memo import forget_all

log = logging.getLogger(__name__)

HEAPS = 2
M_ARENA_MAX = -8  # of glibc's malloc.h
LOOK = 10.0  # seconds between two looks whether somebody is there


def few_heaps() -> None:
    """Let the threads to come share the heaps there are, at least two.

    glibc makes up to eight a core. Every run of the page has a thread of its own, and what is free
    in one heap is of no use in another: twenty users took and left 100 MB more that way. Where
    MALLOC_ARENA_MAX is set there are few from the beginning.
    """
    mallopt = getattr(_libc(), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, HEAPS)


def tidy() -> None:
    """Let go of what is of use to nobody once all have left, and give its memory back."""
    _expire_sessions()
    forget_all()
    rest_all()
    set_aside()
    trim = getattr(_libc(), "malloc_trim", None)
    if trim is not None:
        trim(0)


class Absence:
    """Tells once each time that nobody has been there for `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: float | None = None
        self._told = True  # before the first has come there is nothing to tidy

    def look(self, now: float, *, anybody: bool) -> bool:
        """Whether it is time. now: seconds of any clock."""
        if anybody:
            self._since, self._told = None, False
        elif self._since is None:
            self._since = now
        if self._told or self._since is None or now - self._since < self._seconds:
            return False
        self._told = True
        return True


@st.cache_resource(show_spinner=False)
def tidier() -> threading.Thread | None:
    """The thread that tidies up; None where the script runs without a server."""
    if not runtime.exists():
        return None
    thread = threading.Thread(target=_watch, name="dff-tidy", daemon=True)
    thread.start()
    return thread


def _watch() -> None:
    server = runtime.get_instance()
    absence = Absence(float(config.get_option("server.disconnectedSessionTTL")))
    while True:
        time.sleep(LOOK)
        anybody = server.state is RuntimeState.ONE_OR_MORE_SESSIONS_CONNECTED
        if absence.look(time.monotonic(), anybody=anybody):
            try:
                tidy()
            except Exception:  # memory is not worth the thread
                log.exception("what was left could not be tidied up")


def _expire_sessions() -> None:
    """Streamlit forgets sessions that are too old only when another one is cut off."""
    if runtime.exists():
        manager: Any = runtime.get_instance()._session_mgr
        manager._session_storage._cache.expire()


def _libc() -> ctypes.CDLL | None:
    """The C library, on Linux. Only glibc has the functions that are used here."""
    return ctypes.CDLL(None) if sys.platform == "linux" else None
