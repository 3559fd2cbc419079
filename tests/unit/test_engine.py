import gc
import weakref

from dff.app.engine import set_aside


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
