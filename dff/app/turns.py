"""Heavy work of the pages: one piece at a time, and sessions take turns.

A network pass uses all cores, and a factorization most of Python's lock: several at once make each
other slow and need memory together. So each such piece is done in a turn. Sessions that wait are
served one after another, whatever each has asked for: who moves a slider thirty times waits as
often as the others, not in front of them. A user who leaves, or has asked for something else
meanwhile, gives up the place; nobody waits for ever.

Take a turn for what computes, never around something that may wait, such as a `Cache`: its key may
be held by somebody who waits for the turn.
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

from streamlit.runtime.scriptrunner_utils.script_run_context import (
    RunLocation,
    ThreadState,
    get_script_run_ctx,
)

AT_ONCE = 1
PATIENCE = 60.0  # seconds until somebody who waits is told to try again
LONGEST = 120.0  # seconds after which a piece of work is taken for stuck
SLICE = 0.1  # seconds between two looks whether who waits is still there


class Busy(ValueError):
    """The server had no time for this within `PATIENCE`."""


def _stay() -> None:
    """For who cannot leave."""


class _Ticket:
    """One wish for a turn. since: when it was given, in seconds of the clock."""

    def __init__(self, who: Hashable) -> None:
        self.who = who
        self.given = threading.Event()
        self.since = 0.0


class Turns:
    """A line in which each session waits at one place, with all that it wants.

    at_once: pieces of work at a time. patience: seconds until a wait ends in Busy. longest: seconds
    after which a piece of work no longer counts, so that the others can go on; a thread cannot be
    killed, and what it does ends whenever it does.
    """

    def __init__(
        self,
        at_once: int = AT_ONCE,
        *,
        patience: float = PATIENCE,
        longest: float = LONGEST,
    ) -> None:
        self._at_once = at_once
        self._patience = patience
        self._longest = longest
        self._line: OrderedDict[Hashable, deque[_Ticket]] = OrderedDict()
        self._held: list[_Ticket] = []
        self._change = threading.Lock()

    @contextmanager
    def turn(self, who: Hashable, check: Callable[[], None] = _stay) -> Iterator[None]:
        """Wait for a turn, and hold it within `with`.

        who: the session. check: called while it waits and once more before its turn begins; raises
        what ends the wait. Raises Busy after `patience`.
        """
        ticket = _Ticket(who)
        with self._change:
            self._line.setdefault(who, deque()).append(ticket)
            self._hand_out()
        try:
            patiently(lambda seconds: self._given(ticket, seconds), self._patience, check)
            check()
            yield
        finally:
            with self._change:
                self._drop(ticket)
                self._hand_out()

    def waiting(self) -> int:
        """How many pieces of work wait."""
        with self._change:
            return sum(map(len, self._line.values()))

    def _given(self, ticket: _Ticket, seconds: float) -> bool:
        if not ticket.given.wait(seconds):
            with self._change:
                self._hand_out()  # in case that who has the turn is stuck
        return ticket.given.is_set()

    def _hand_out(self) -> None:
        now = time.monotonic()
        self._held = [held for held in self._held if now - held.since < self._longest]
        while self._line and len(self._held) < self._at_once:
            who, tickets = self._line.popitem(last=False)
            ticket = tickets.popleft()
            if tickets:
                self._line[who] = tickets  # behind all others
            ticket.since = now
            self._held.append(ticket)
            ticket.given.set()

    def _drop(self, ticket: _Ticket) -> None:
        if ticket.given.is_set():
            self._held = [held for held in self._held if held is not ticket]
            return
        tickets = self._line[ticket.who]
        tickets.remove(ticket)
        if not tickets:
            del self._line[ticket.who]


def patiently(
    attempt: Callable[[float], bool], patience: float, check: Callable[[], None] = _stay
) -> None:
    """Wait in short slices: `attempt(seconds)` until it is true.

    check: called after every slice; raises what ends the wait. Raises Busy after `patience`
    seconds.
    """
    end = time.monotonic() + patience
    while not attempt(SLICE):
        check()
        if time.monotonic() >= end:
            raise Busy(
                f"This server has been busy for {patience:.0f} seconds, so this was not done. "
                "Wait a moment and try again."
            )


# --- in a session ------------------------------------------------------------------------

_turns = Turns()


@contextmanager
def turn() -> Iterator[None]:
    """One of the server's turns, for the session whose thread this is.

    Where the session has gone, or its user has done something else meanwhile, the run ends here.
    Raises Busy if it takes too long.
    """
    who, check = _session()
    with _turns.turn(who, check):
        yield


def wait_for(attempt: Callable[[float], bool]) -> None:
    """Wait as for a turn, but for anything else: `attempt(seconds)` until it is true."""
    patiently(attempt, PATIENCE, _session()[1])


def _session() -> tuple[Hashable, Callable[[], None]]:
    """The session of this thread, and what ends its run if it is to end: Streamlit's own check, as
    its caches use it. A callback is not stopped half-way: what it was told would be lost. Other
    threads are each a session of their own."""
    context = get_script_run_ctx(suppress_warning=True)
    if context is None:
        return threading.get_ident(), _stay
    if ThreadState.get().run_location is RunLocation.CALLBACK:
        return context.session_id, _stay
    return context.session_id, context.yield_check
