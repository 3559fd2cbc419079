"""What Python's search for garbage looks through, which Streamlit asks for after every run."""

import gc
import threading
import time

AGAIN = 300.0  # seconds after which `look_again` looks
SOON = 1.0  # seconds until the visitor has the first page

_looking = threading.Lock()
_set_aside: float | None = None  # when `set_aside` was done


def set_aside() -> None:
    """Leave what is in memory now out of every later search for garbage.

    Streamlit looks through all objects after every run, before the browser has its answer: torch's
    alone take 0.2 s. What was set aside before is looked through once more, so nothing piles up.
    """
    global _set_aside
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    _set_aside = time.monotonic()


def look_again() -> None:
    """Look once more through what was set aside, soon and in the background, if that is long ago.

    Called when a visitor comes. A session that was open then is among it, and without this it
    would never go, nor what its visitor uploaded.
    """
    global _set_aside
    with _looking:
        if _set_aside is None or time.monotonic() - _set_aside < AGAIN:
            return
        _set_aside = None  # it is being done
    timer = threading.Timer(SOON, set_aside)
    timer.daemon = True
    timer.start()
