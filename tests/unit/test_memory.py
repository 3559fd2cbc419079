"""What is kept for users goes when the last of them has left, and not before."""

import threading
from types import SimpleNamespace

import pytest
from streamlit.runtime.memory_session_storage import MemorySessionStorage

from dff.app import memory
from dff.app.engine import DECODED, Engine, Source
from dff.app.memo import Cache
from tests.conftest import draw


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        # (seconds, whether anybody is there): when it is time to tidy up
        ([(0, False), (500, False)], []),  # nobody has ever been there
        ([(0, True), (10, False), (129, False), (130, False), (140, False)], [130]),
        ([(0, True), (10, False), (100, True), (110, False), (140, False), (230, False)], [230]),
        (
            [(0, True), (10, False), (130, False), (140, True), (150, False), (270, False)],
            [130, 270],
        ),
        ([(0, True), (1000, True)], []),
    ],
)
def test_nobody_has_been_there_for_two_minutes(seen, told):
    absence = memory.Absence(120)
    assert [now for now, anybody in seen if absence.look(now, anybody=anybody)] == told


def test_tidying_up_empties_the_caches_and_lets_the_network_rest(index, counting):
    rested = []
    counting.rest = lambda: rested.append(1)
    index._backbone = counting  # other tests' engines have another
    engine, cache, computed = Engine(index), Cache(10), []
    kept = engine.query(Source.of_row(index, 0), index.settings.k, None)
    assert engine.query(Source.of_row(index, 0), index.settings.k, None) is kept
    cache.get("key", lambda: computed.append(1))
    memory.tidy()
    assert not rested  # it is not loaded yet
    engine.settle()
    memory.tidy()
    assert rested
    cache.get("key", lambda: computed.append(1))
    again = engine.query(Source.of_row(index, 0), index.settings.k, None)
    assert computed == [1, 1] and again is not kept


def test_what_is_being_computed_meanwhile_is_kept():
    cache, begun, go_on = Cache(10), threading.Event(), threading.Event()

    def slow():
        begun.set()
        assert go_on.wait(20)
        return "value"

    thread = threading.Thread(target=cache.get, args=("key", slow))
    thread.start()
    assert begun.wait(20)
    cache.forget()
    go_on.set()
    thread.join(20)
    assert cache.get("key", lambda: "another") == "value"


def test_sessions_that_are_too_old_are_forgotten(monkeypatch):
    ended = []

    class Session:
        id = "old"

        def __del__(self):
            ended.append(self.id)

    storage = MemorySessionStorage(ttl_seconds=0)
    storage.save(SimpleNamespace(session=Session()))
    assert not ended  # Streamlit alone waits for the next one
    server = SimpleNamespace(_session_mgr=SimpleNamespace(_session_storage=storage))
    monkeypatch.setattr(memory.runtime, "exists", lambda: True)
    monkeypatch.setattr(memory.runtime, "get_instance", lambda: server)
    memory._expire_sessions()
    assert ended == ["old"]


def test_the_pixels_of_few_uploads_wait_for_the_network(tmp_path):
    sources = []
    for number in range(DECODED + 2):
        draw(number).save(tmp_path / "one.png")
        sources.append(Source.of_upload("one.png", (tmp_path / "one.png").read_bytes()))
    there = [source.take() is not None for source in sources]
    assert there == [False, False] + [True] * DECODED
