import threading
import time
from dataclasses import dataclass

import numpy as np

from dff.app.memo import AROUND, Cache, Traces, bytes_of


@dataclass(frozen=True, eq=False)
class Pair:
    array: np.ndarray
    texts: tuple[str, ...]


def test_bytes_are_counted_however_deep():
    array = np.zeros((10, 10), np.float32)
    assert bytes_of(array) == AROUND + 400
    assert bytes_of("abc") == AROUND + 3
    assert bytes_of([array, b"12"]) == 3 * AROUND + 402
    assert bytes_of({"a": {"b": array}}) == 3 * AROUND + 400
    assert bytes_of(Pair(array, ("ab", "c"))) == 5 * AROUND + 403
    assert bytes_of(None) == AROUND


def test_the_oldest_go_first_and_what_was_asked_for_stays():
    cache = Cache(2)
    made = []

    def make(name):
        return lambda: made.append(name) or name

    for name in ("a", "b", "a", "c", "a", "b"):
        assert cache.get(name, make(name)) == name
    assert made == ["a", "b", "c", "b"]


def test_bytes_are_the_bound():
    cache = Cache(1000, len)
    for name in "abc":
        cache.get(name, lambda: b"x" * 400)
    made = []
    for name in "cba":
        cache.get(name, lambda name=name: made.append(name) or b"x" * 400)
    assert made == ["a"]


def test_a_value_over_the_bound_is_kept_alone():
    cache = Cache(10, len)
    cache.get("small", lambda: b"12")
    cache.get("large", lambda: b"x" * 50)
    assert cache.get("large", lambda: b"") == b"x" * 50
    assert cache.get("small", lambda: b"new") == b"new"


def test_many_are_made_in_one_go_and_once():
    cache = Cache(10)
    cache.get("b", lambda: "B")
    asked = []

    def make(places):
        asked.append(places)
        return [("a", "b", "c")[place].upper() for place in places]

    assert cache.get_all(["a", "b", "c"], make) == ["A", "B", "C"]
    assert cache.get_all(["c", "a"], make) == ["C", "A"]
    assert asked == [[0, 2]]


def test_more_than_fit_are_all_given():
    cache = Cache(2)
    assert cache.get_all([1, 2, 3, 4], lambda places: [10 * p for p in places]) == [0, 10, 20, 30]


def test_what_failed_is_tried_again():
    cache = Cache(2)

    def fail():
        raise ValueError("not now")

    for _ in range(2):
        try:
            cache.get("a", fail)
        except ValueError as error:
            assert str(error) == "not now"
    assert cache.get("a", lambda: 1) == 1


def test_two_threads_compute_once():
    cache = Cache(2)
    begun, go = threading.Event(), threading.Event()
    made = []

    def slow():
        begun.set()
        go.wait(10)
        made.append(1)
        return "value"

    found = []
    threads = [threading.Thread(target=lambda: found.append(cache.get("a", slow))) for _ in "ab"]
    threads[0].start()
    assert begun.wait(10)
    threads[1].start()
    go.set()
    for thread in threads:
        thread.join(10)
    assert found == ["value", "value"] and made == [1]


def test_what_a_session_left_is_forgotten_with_it():
    cache, other = Cache(100, bytes_of), Cache(10)
    traces = Traces()
    traces.add("an upload")
    for key in (("an upload", 4), (("an upload", None), "rows"), ("a picture", 4), "an upload too"):
        cache.get(key, lambda: b"")
        other.get(key, lambda: b"")
    del traces
    until = time.monotonic() + 10
    while time.monotonic() < until and (len(cache._values), len(other._values)) != (1, 2):
        time.sleep(0.01)
    assert list(other._values) == [("a picture", 4), "an upload too"]
    assert list(cache._values) == ["an upload too"] and cache._total == bytes_of(b"")
