"""Values that are computed once and remembered for all sessions, within a bound.

What was computed from something that is a session's own, such as an uploaded picture, is forgotten
with the session: `Traces`.
"""

import queue
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import is_dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from dff.app.turns import wait_for

AROUND = 100  # bytes that Python itself spends on a value


def bytes_of(value: object) -> int:
    """About how much memory a value takes: its arrays, texts and bytes, however deep inside."""
    if isinstance(value, str | bytes):
        return AROUND + len(value)
    if isinstance(value, np.ndarray):
        return AROUND + value.nbytes
    if isinstance(value, dict):
        return AROUND + sum(map(bytes_of, value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return AROUND + sum(map(bytes_of, value))
    if is_dataclass(value):
        return AROUND + sum(map(bytes_of, vars(value).values()))
    return AROUND


_CACHES: weakref.WeakSet["Cache"] = weakref.WeakSet()
_listing = threading.Lock()


@cache
def _forgetting() -> "queue.SimpleQueue[set[str]]":
    """Marks that are to be forgotten by all caches, and the thread that does it."""
    marks: queue.SimpleQueue[set[str]] = queue.SimpleQueue()

    def run() -> None:
        while True:
            gone = marks.get()
            with _listing:
                caches = list(_CACHES)
            for one in caches:
                for mark in gone:
                    one.forget_marked(mark)

    threading.Thread(target=run, name="dff-forget", daemon=True).start()
    return marks


def _has(key: Hashable, mark: str) -> bool:
    return any(_has(part, mark) for part in key) if isinstance(key, tuple) else key == mark


def one_each(value: object) -> int:
    """For a cache of so many values, whatever they weigh."""
    return 1


def forget_all() -> None:
    """Empty every cache there is."""
    with _listing:
        caches = list(_CACHES)
    for one in caches:
        one.forget()


class Traces:
    """What a session left in the caches: all of it is dropped when this object goes, or soon after.

    Whoever holds what it was computed from must not be kept by a cache, or neither ever goes.
    """

    def __init__(self) -> None:
        self._marks: set[str] = set()
        # Objects may go in the middle of anything, so nothing but this is done there.
        weakref.finalize(self, _forgetting().put, self._marks)

    def add(self, mark: str) -> None:
        """From now on: every value whose key has this text in it, such as a file's sha256."""
        self._marks.add(mark)


class Cache:
    """The most recently used values, computed once each, also when two threads ask at once.

    capacity: what all values together may weigh; the newest stays whatever it weighs. weight: of
    one value, by default `one_each`. What is kept is shared: nobody may change it.
    """

    def __init__(self, capacity: int, weight: Callable[[Any], int] = one_each) -> None:
        self._capacity = capacity
        self._weight = weight
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._total = 0
        self._locks: dict[Hashable, threading.Lock] = {}
        self._guard = threading.Lock()
        with _listing:
            _CACHES.add(self)

    def forget(self) -> None:
        """Keep nothing any more. What is being computed is kept when it is done."""
        with self._guard:
            self._values.clear()
            self._total = 0

    def get(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        """The value for `key`, computed by the first who asks."""
        with self._guard:
            if key in self._values:
                return self._used(key)
            lock = self._locks.setdefault(key, threading.Lock())
        if not lock.acquire(blocking=False):
            wait_for(partial(lock.acquire, True))  # its user may leave meanwhile
        try:
            with self._guard:
                if key in self._values:
                    return self._used(key)
            try:
                value = compute()
            except BaseException:
                with self._guard:
                    self._locks.pop(key, None)
                raise
            weight = self._weight(value)
            with self._guard:
                self._put(key, value, weight)
                self._locks.pop(key, None)
            return value
        finally:
            lock.release()

    def get_all(
        self, keys: Sequence[Hashable], compute: Callable[[list[int]], Sequence[Any]]
    ) -> list[Any]:
        """The values for `keys`. compute: from the places in `keys` of those that are not here,
        in one go, to their values. Two who ask for the same at once both compute it."""
        with self._guard:
            found = {key: self._used(key) for key in keys if key in self._values}
        missing = [place for place, key in enumerate(keys) if key not in found]
        if missing:
            made = dict(zip((keys[place] for place in missing), compute(missing), strict=True))
            weighed = [(key, value, self._weight(value)) for key, value in made.items()]
            with self._guard:
                for one in weighed:
                    self._put(*one)
            found.update(made)
        return [found[key] for key in keys]

    def forget_marked(self, mark: str) -> None:
        """Drop every value whose key has `mark` in it, however deep inside."""
        with self._guard:
            gone = [self._values.pop(key) for key in list(self._values) if _has(key, mark)]
            self._total -= sum(weight for _, weight in gone)

    def _used(self, key: Hashable) -> Any:
        self._values.move_to_end(key)
        return self._values[key][0]

    def _put(self, key: Hashable, value: Any, weight: int) -> None:
        self._total += weight - self._values.pop(key, (None, 0))[1]
        self._values[key] = value, weight
        while self._total > self._capacity and len(self._values) > 1:
            self._total -= self._values.popitem(last=False)[1][1]
