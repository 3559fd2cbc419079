import gc
import time
import weakref

from dff.app import garbage
from dff.app.garbage import set_aside


class Node:
    pass


def test_what_is_set_aside_is_not_looked_through_and_garbage_does_not_stay():
    gc.disable()  # so that nothing else collects it
    try:
        before = Node()
        before.self = before
        gone = weakref.ref(before)
        gc.freeze()  # as an engine before this one did
        del before
        set_aside()
        assert gone() is None
        kept = Node()
        assert gc.get_freeze_count() > 0
        assert any(one is kept for one in gc.get_objects())  # new ones are looked through
    finally:
        gc.unfreeze()
        gc.enable()


def test_a_session_that_was_set_aside_goes_after_all(monkeypatch):
    class Visit:
        def __init__(self):
            self.own = self  # as Streamlit's sessions are: only a search finds them

    visit = Visit()
    gone = weakref.ref(visit)
    set_aside()
    try:
        del visit
        gc.collect()
        garbage.look_again()  # not long ago
        assert garbage._set_aside is not None and gone() is not None
        monkeypatch.setattr(garbage, "AGAIN", 0.0)
        monkeypatch.setattr(garbage, "SOON", 0.0)
        garbage.look_again()
        until = time.monotonic() + 20
        while gone() is not None and time.monotonic() < until:
            time.sleep(0.01)
        assert gone() is None
    finally:
        gc.unfreeze()
