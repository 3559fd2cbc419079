"""Sessions take turns: in what order, who gives up a place, and what happens when work is stuck."""

import threading
import time

import pytest

from dff.app.memo import Cache
from dff.app.turns import Busy, Turns, turn, wait_for

SOON = 20  # seconds


class Gone(BaseException):
    """What ends the run of a session that has left: not an Exception, as Streamlit's own."""


class Sessions:
    """Threads that want turns, each to be seen in line before the next one comes."""

    def __init__(self, turns):
        self.turns = turns
        self.order = []
        self.ended = {}
        self.threads = []
        self.open = threading.Event()

    def hold(self):
        """Somebody has the turn until `open` is set."""
        self._start("holder", lambda: None, lambda: self.open.wait(3 * SOON))
        self._until(lambda: "holder" in self.order)

    def wants(self, who, check=lambda: None):
        before = self.turns.waiting()
        self._start(who, check, lambda: None)
        self._until(lambda: self.turns.waiting() == before + 1)

    def finish(self):
        self.open.set()
        for thread in self.threads:
            thread.join(SOON)
            assert not thread.is_alive()

    def _start(self, who, check, work):
        def run():
            try:
                with self.turns.turn(who, check):
                    self.order.append(who)
                    work()
            except BaseException as error:
                self.ended[who] = error

        thread = threading.Thread(target=run, daemon=True)
        self.threads.append(thread)
        thread.start()

    @staticmethod
    def _until(condition):
        end = time.monotonic() + SOON
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.001)


def test_who_asks_often_does_not_hold_up_the_others():
    sessions = Sessions(Turns())
    sessions.hold()
    for _ in range(5):
        sessions.wants("moves a slider")
    sessions.wants("b")
    sessions.wants("c")
    sessions.wants("b")
    sessions.finish()
    slider = "moves a slider"
    expected = ["holder", slider, "b", "c", slider, "b", slider, slider, slider]
    assert sessions.order == expected and sessions.ended == {}


def test_no_more_than_the_limit_at_once():
    turns, inside, most, counting = Turns(2), [], [], threading.Lock()

    def work(number):
        with turns.turn(number):
            with counting:
                inside.append(number)
                most.append(len(inside))
            time.sleep(0.005)
            with counting:
                inside.remove(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON)
    assert len(most) == 12 and max(most) == 2 and turns.waiting() == 0


def one_leaves():
    """One holds the turn, one has left while waiting for it, one stays."""
    sessions, left = Sessions(Turns()), threading.Event()

    def check():
        if left.is_set():
            raise Gone

    sessions.hold()
    sessions.wants("leaves", check)
    sessions.wants("stays")
    left.set()
    return sessions


def test_who_leaves_while_waiting_gives_up_the_place():
    sessions = one_leaves()
    sessions._until(lambda: "leaves" in sessions.ended)
    assert isinstance(sessions.ended["leaves"], Gone) and sessions.turns.waiting() == 1
    sessions.finish()
    assert sessions.order == ["holder", "stays"]


def test_who_has_left_before_the_turn_comes_passes_it_on():
    sessions = one_leaves()
    sessions.finish()  # who waits is asked when the turn has come, too
    assert sessions.order == ["holder", "stays"] and isinstance(sessions.ended["leaves"], Gone)


def test_work_that_fails_frees_its_place():
    turns = Turns()
    with pytest.raises(ZeroDivisionError), turns.turn("a"):
        raise ZeroDivisionError
    with turns.turn("b"):
        assert turns.waiting() == 0


def test_a_wait_ends_and_says_what_to_do():
    sessions = Sessions(Turns(patience=0.05))
    sessions.hold()
    with pytest.raises(Busy) as caught, sessions.turns.turn("b"):
        pytest.fail("the turn was taken")
    assert str(caught.value) == (
        "This server has been busy for 0 seconds, so this was not done. "
        "Wait a moment and try again."
    )
    assert sessions.turns.waiting() == 0
    sessions.finish()


def test_stuck_work_does_not_keep_the_others_waiting():
    sessions = Sessions(Turns(longest=0.15))
    sessions.hold()
    sessions.wants("b")
    sessions._until(lambda: "b" in sessions.order)
    assert not sessions.open.is_set()
    sessions.turns._longest = SOON
    late = Sessions(sessions.turns)
    late.hold()
    sessions.finish()  # the stuck one wakes: it must not free the place of who has the turn now
    late.wants("c")
    assert late.order == ["holder"]
    late.finish()
    assert late.order == ["holder", "c"]


def test_outside_of_a_session_the_servers_turns_are_taken_too():
    with turn():
        pass


def test_waiting_for_anything_else_ends_when_it_is_there():
    seen = []
    wait_for(lambda seconds: seen.append(seconds) or len(seen) == 3)
    assert seen == [0.1] * 3


def test_who_waits_for_anothers_value_may_leave(monkeypatch):
    cache, begun, go_on = Cache(10), threading.Event(), threading.Event()

    def slow():
        begun.set()
        go_on.wait(SOON)
        return "value"

    def gone():
        raise Gone

    thread = threading.Thread(target=cache.get, args=("key", slow))
    thread.start()
    assert begun.wait(SOON)
    monkeypatch.setattr("dff.app.turns._session", lambda: ("b", gone))
    with pytest.raises(Gone):
        cache.get("key", lambda: pytest.fail("computed twice"))
    go_on.set()
    thread.join(SOON)
    assert cache.get("key", lambda: "another") == "value"
