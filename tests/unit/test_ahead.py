import threading
import time

import pytest

from dff.index import ahead
from dff.index.ahead import Ahead
from dff.threads import one_thread_here


@pytest.fixture(autouse=True)
def three_at_once(monkeypatch):
    monkeypatch.setattr(ahead, "WORKERS", 3)
    monkeypatch.setattr(ahead, "network_threads", lambda: None)
    monkeypatch.setattr(ahead, "AHEAD", 2)


def test_results_come_in_order_whatever_takes_longest():
    def work(number):
        time.sleep(0.02 if number % 4 == 0 else 0)
        return number**2

    with Ahead(work, range(20)) as made:
        assert list(made) == [(number, number**2) for number in range(20)]


def test_no_more_are_begun_than_the_caller_can_take():
    drawn = []

    def items():
        for number in range(1000):
            drawn.append(number)
            yield number

    with Ahead(lambda number: number, items()) as made:
        for number, _ in made:
            assert len(drawn) <= number + 5
            if number == 50:
                break
    assert len(drawn) == 55


def test_workers_are_really_side_by_side():
    meeting = threading.Barrier(3)
    with Ahead(lambda _: meeting.wait(timeout=20), range(3)) as made:
        assert sorted(place for _, place in made) == [0, 1, 2]


def test_an_error_is_raised_in_its_place_and_what_came_after_it_is_dropped():
    def work(number):
        if number == 3:
            raise ValueError("three")
        return number

    with Ahead(work, range(10)) as made:
        assert [next(made)[0] for _ in range(3)] == [0, 1, 2]
        with pytest.raises(ValueError, match="three"):
            next(made)
        assert list(made.rest()) == []


def test_the_rest_is_what_was_begun_and_no_more():
    held = threading.Event()
    begun = []

    def work(number):
        begun.append(number)
        if number:
            held.wait(20)
        return number

    with Ahead(work, range(100)) as made:
        assert next(made) == (0, 0)
        while len(begun) < 4:  # three are being worked on, one more waits
            time.sleep(0.001)
        threading.Timer(0.05, held.set).start()
        assert [number for number, _ in made.rest()] == [1, 2, 3]


def test_one_thread_here_leaves_other_threads_alone():
    import torch

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        seen = {}

        def limited():
            one_thread_here()
            one_thread_here()  # twice does no harm
            seen["limited"] = torch.get_num_threads()

        def free():
            seen["free"] = torch.get_num_threads()

        for work in (limited, free):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        assert seen == {"limited": 1, "free": 3} and torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
