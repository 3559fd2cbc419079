"""Explore as a visitor meets it, without a browser: what is drawn, from what, at what cost."""

import io
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
from PIL import Image

from dff.app.engine import Engine, opened
from dff.app.state import valid_box, valid_weights
from dff.app.stories import load
from dff.index import Index

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "sample_index"
FIRST = "windmill_01"
TOP = 6  # results shown if nothing is asked for


@pytest.fixture(scope="module")
def index() -> Index:
    return Index.open(SAMPLE)


def photo(index: Index, id: str) -> bytes:
    return index.photo_path(index.row_of[id]).read_bytes()


def picture_file(format: str, size: tuple[int, int] = (90, 60)) -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, format)
    return file.getvalue()


def ids(dashboard) -> list[str]:
    return [card["id"] for card in dashboard.stage["cards"]]


# --- the first view ---------------------------------------------------------------------------


def test_the_first_view_needs_neither_torch_nor_the_network():
    script = f"""
import sys
from dff.app import engine
from dff.app.views import explore
from streamlit.testing.v1 import AppTest

events = []
drawn = explore.stage
explore.stage = lambda *a, **o: (events.append("drawn"), drawn(*a, **o))[1]
heavy = lambda: sorted({{"torch", "timm", "torchvision", "matplotlib"}} & set(sys.modules))
engine.Engine.start = lambda self: events.append(f"network {{heavy()}}")
at = AppTest.from_file({str(ROOT / "streamlit_app.py")!r}, default_timeout=60).run()
print(events, len(at.exception), len(at.error), heavy())
"""
    environment = {name: value for name, value in os.environ.items() if name != "DFF_INDEX"}
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert run.stdout.strip() == "['drawn', 'network []'] 0 0 []", run.stderr


def test_it_opens_on_the_first_story(visit, index):
    dashboard = visit()
    stage = dashboard.stage
    assert dashboard.errors == []
    assert stage["query"]["id"] == FIRST
    assert stage["story"]["button"] == load()[0][0].button
    assert stage["weights"] == [1, 1, 1, 1] and stage["top"] == TOP
    assert all(part["name"] for part in stage["parts"])
    found = dashboard.ranking()
    assert [card["row"] for card in stage["cards"][:TOP]] == [row for row, _ in found[:TOP]]
    matches = index.search(index.indexed_query(FIRST), top=TOP)
    assert [(m.row, pytest.approx(m.score, abs=1e-5)) for m in matches] == found[:TOP]
    assert dashboard.at.query_params == {}


def test_every_card_is_made_of_one_picture(visit, index):
    stage = visit(picture="taj_mahal_1", top="24").stage
    assert len(stage["cards"]) >= 24
    for card in stage["cards"]:
        picture = index.pictures[card["row"]]
        assert (card["id"], card["title"]) == (picture.id, picture.title)
        assert (card["width"], card["height"]) == (picture.width, picture.height)


# --- the address ------------------------------------------------------------------------------


def test_the_address_reproduces_picture_results_and_weights(visit, index):
    address = {"picture": "neuschwanstein_castle_1", "top": "12", "weights": "1,0,0.5,2"}
    dashboard = visit(**address)
    assert dashboard.query == "neuschwanstein_castle_1"
    assert dashboard.stage["top"] == 12
    assert dashboard.stage["weights"] == [1, 0, 0.5, 2]
    assert ids(dashboard)[:12] == [index.pictures[row].id for row, _ in dashboard.ranking()[:12]]
    assert dashboard.at.query_params == address


def test_the_address_reproduces_box_and_k(visit):
    address = {"picture": "taj_mahal_1", "k": "3", "box": "395,170,600,360", "weights": "1,2,0"}
    dashboard = visit(**address)
    assert dashboard.stage["query"]["box"] == [395, 170, 600, 360]
    assert dashboard.stage["weights"] == [1, 2, 0]
    assert len(dashboard.stage["parts"]) == 3
    assert dashboard.at.query_params == address


@pytest.mark.parametrize(
    "address",
    [
        {"k": "999"},
        {"k": "-1"},
        {"k": "four"},
        {"top": "7"},
        {"picture": "nope"},
        {"picture": "../../etc/passwd"},
        {"picture": "x" * 20_000},
        {"box": "1,2,3"},
        {"box": "-5,0,1e9,9"},
        {"box": "0,0,5,5"},
        {"box": "9,9,1,1"},
        {"box": "a,b,c,d"},
        {"box": "9" * 400 + ",1,2,3"},
        {"box": "1," * 20_000},
        {"box": "whole"},
        {"weights": "nan,2,3,9"},
        {"weights": "1,1,1"},
        {"weights": "1,1,1,2.01"},
        {"weights": "-1,1,1,1"},
        {"weights": "inf,1,1,1"},
        {"weights": "1," * 20_000},
        {"refine": "yes", "stage": "{}", "session": "1", "upload": "x", "asked_picture": "dam_3"},
    ],
    ids=lambda address: str(address)[:40],
)
def test_hostile_addresses_fall_back_silently(visit, index, address):
    if address.get("box") == "whole":
        picture = index.pictures[index.row_of[FIRST]]
        address = {"box": f"0,0,{picture.width},{picture.height}"}
    dashboard = visit(**address)
    stage = dashboard.stage
    assert dashboard.errors == []
    assert stage["query"]["id"] == FIRST and stage["query"]["box"] is None
    assert stage["weights"] == [1, 1, 1, 1] and stage["top"] == TOP
    assert not {"k", "top", "picture", "box", "weights"} & set(dashboard.at.query_params)


# --- a picture of one's own -------------------------------------------------------------------


def test_an_uploaded_picture_is_the_query(visit, index):
    dashboard = visit()
    dashboard.upload("my holiday.jpg", photo(index, "eiffel_tower_2"))
    stage = dashboard.stage
    assert dashboard.errors == []
    assert stage["query"]["title"] == "my holiday.jpg"
    # It is a picture of the collection, so it is not among its own results.
    assert index.row_of["eiffel_tower_2"] in stage["scores"]["exclude"]
    assert ids(dashboard)[0].startswith("eiffel_tower")
    assert stage["story"] is None


def test_an_upload_is_decoded_once_and_its_pixels_do_not_stay(visit, index, calls):
    dashboard = visit()
    data = photo(index, "eiffel_tower_2")
    decoded = calls("dff.images._decode")
    dashboard.upload("mine.jpg", data)
    assert dashboard.query == "eiffel_tower_2"
    assert len(decoded) == 1
    assert dashboard.session.upload.take() is None
    before = len(decoded)
    dashboard.at.slider(key="k").set_value(3).run()
    assert len(dashboard.stage["parts"]) == 3 and len(decoded) == before


def test_the_name_of_an_upload_stays_in_its_session(visit, index):
    mine = visit().upload("my holiday.jpg", photo(index, FIRST))
    assert mine.stage["query"]["title"] == "my holiday.jpg"
    other = visit()
    assert other.stage["query"]["title"] == index.pictures[index.row_of[FIRST]].title


def test_an_upload_ends_with_another_choice(visit, index):
    dashboard = visit().upload("mine.jpg", photo(index, "eiffel_tower_2"))
    dashboard.at.selectbox(key="picture").set_value("dam_3").run()
    assert dashboard.query == "dam_3"
    dashboard.upload("mine.jpg", photo(index, "eiffel_tower_2"))
    assert dashboard.stage["query"]["title"] == "mine.jpg"
    dashboard.at.button(key="drop_upload").click().run()
    assert dashboard.query == "dam_3"
    dashboard.upload("mine.jpg", photo(index, "eiffel_tower_2"))
    dashboard.send("use_as_query", index.row_of["clownfish"])
    assert dashboard.query == "clownfish"


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("cut.jpg", picture_file("JPEG", (400, 300))[:3000], "cut.jpg"),
        ("notes.png", b"Dear diary, this is no picture.\n" * 20, "notes.png"),
        ("tiny.png", picture_file("PNG", (20, 20)), "32"),
        ("empty.jpg", b"", "empty"),
    ],
)
def test_a_bad_upload_gets_one_sentence_and_changes_nothing(visit, index, name, data, words):
    dashboard = visit(picture="clownfish", weights="1,0,1,1")
    dashboard.upload(name, data)
    assert not dashboard.at.exception
    assert len(dashboard.errors) == 1 and words in dashboard.errors[0]
    assert "Traceback" not in dashboard.errors[0] and "\n" not in dashboard.errors[0].strip()
    assert dashboard.query == "clownfish"
    assert dashboard.stage["weights"] == [1, 0, 1, 1]
    dashboard.at.run()
    assert dashboard.errors == []


def test_a_bad_upload_leaves_an_earlier_upload(visit, index):
    dashboard = visit().upload("mine.jpg", photo(index, "eiffel_tower_2"))
    dashboard.upload("notes.png", b"no picture")
    assert len(dashboard.errors) == 1
    assert dashboard.stage["query"]["title"] == "mine.jpg"


# --- what the stage sends ---------------------------------------------------------------------


def test_weights_reach_the_address_and_the_same_ones_again_for_the_next_picture(visit):
    dashboard = visit().send("weights", [1, 1, 1, 0])
    assert dashboard.stage["weights"] == [1, 1, 1, 0]
    assert dashboard.at.query_params["weights"] == "1,1,1,0"
    dashboard.send("use_as_query", dashboard.stage["cards"][0]["row"])
    assert dashboard.stage["weights"] == [1, 1, 1, 1]
    assert "weights" not in dashboard.at.query_params
    dashboard.send("weights", [1, 1, 1, 0])
    assert dashboard.stage["weights"] == [1, 1, 1, 0]
    assert dashboard.at.query_params["weights"] == "1,1,1,0"


def test_a_box_reaches_the_address_and_is_cleared(visit):
    dashboard = visit(picture="taj_mahal_1").send("weights", [0, 1, 1, 1])
    whole = dashboard.ranking([1, 1, 1, 1])
    dashboard.send("box", [395, 170, 600, 360])
    assert dashboard.at.query_params["box"] == "395,170,600,360"
    assert dashboard.stage["query"]["box"] == [395, 170, 600, 360]
    assert dashboard.stage["weights"] == [1, 1, 1, 1]  # they belonged to other parts
    assert dashboard.ranking() != whole
    dashboard.send("box", [])
    assert "box" not in dashboard.at.query_params
    assert dashboard.ranking() == whole


@pytest.mark.parametrize(
    ("event", "value"),
    [
        ("weights", "1,1,1,0"),
        ("weights", [1, 1]),
        ("weights", [1, 1, 1, float("nan")]),
        ("weights", [1, 1, 1, 10**400]),
        ("weights", [3, 1, 1, 1]),
        ("weights", {"0": 1}),
        ("weights", None),
        ("box", "all"),
        ("box", [1, 2, 3]),
        ("box", [0, 0, 10**400, 9]),
        ("box", [0.5, 0, 100, 100]),
        ("box", {"x0": 1}),
        ("use_as_query", "dam_3"),
        ("use_as_query", -1),
        ("use_as_query", 222),
        ("use_as_query", True),
        ("rename", "valley"),
        ("rename", {"part": 4, "name": "x"}),
        ("rename", {"part": "0", "name": "x"}),
        ("rename", {"name": "x"}),
        ("no_such_event", 1),
    ],
    ids=lambda value: str(value)[:30],
)
def test_nonsense_from_the_browser_changes_nothing(visit, event, value):
    dashboard = visit()
    before = dashboard.stage
    dashboard.send(event, value)
    assert not dashboard.at.exception and dashboard.errors == []
    assert dashboard.stage == before


def test_a_part_keeps_the_name_it_is_given(visit):
    dashboard = visit()
    own = dashboard.stage["parts"][3]
    dashboard.send("rename", {"part": 3, "name": "  the <b>hills</b>  "})
    part = dashboard.stage["parts"][3]
    assert (part["name"], part["renamed"]) == ("the <b>hills</b>", True)
    assert part["confidence"] is None  # it is the very part that was named
    dashboard.send("use_as_query", dashboard.stage["cards"][0]["row"])
    assert dashboard.query != FIRST
    assert visit().stage["parts"][3]["name"] == "the <b>hills</b>"
    dashboard.at.selectbox(key="picture").set_value(FIRST).run()
    assert dashboard.stage["parts"][3]["name"] == "the <b>hills</b>"
    dashboard.send("rename", {"part": 3, "name": "y" * 500})
    assert dashboard.stage["parts"][3]["name"] == "y" * 60
    dashboard.send("rename", {"part": 3, "name": ""})
    assert dashboard.stage["parts"][3] == own
    assert visit().stage["parts"][3] == own


# --- collections that are not all there -------------------------------------------------------


def test_without_an_index_the_page_says_how_to_build_one(visit, monkeypatch, tmp_path):
    monkeypatch.setenv("DFF_INDEX", str(tmp_path / "nowhere"))
    at = visit().at
    assert [title.value for title in at.title] == ["No collection yet"]
    assert "dff index build" in at.code[0].value
    assert "nowhere" in at.caption[0].value
    assert not at.get("bidi_component")


@pytest.fixture
def without_photos(monkeypatch, tmp_path):
    """The sample index where its photos are not: all it says is still true."""
    home = tmp_path / "moved" / "index"
    shutil.copytree(SAMPLE, home, ignore=shutil.ignore_patterns(".lock"))
    monkeypatch.setenv("DFF_INDEX", str(home))


def test_without_the_photos_the_first_view_is_complete(visit, without_photos):
    dashboard = visit()
    assert dashboard.errors == []
    assert len(dashboard.stage["cards"]) >= 5
    assert dashboard.stage["query"]["image"].startswith("data:image/jpeg;base64,")


def test_without_the_photos_another_k_says_which_is_missing(visit, without_photos):
    dashboard = visit()
    dashboard.at.slider(key="k").set_value(5).run()
    assert len(dashboard.errors) == 1 and FIRST in dashboard.errors[0]
    dashboard.at.slider(key="k").set_value(4).run()
    assert dashboard.errors == [] and dashboard.query == FIRST


def test_without_the_photos_a_box_is_given_up(visit, without_photos):
    dashboard = visit().send("box", [10, 10, 200, 200])
    assert len(dashboard.errors) == 1 and FIRST in dashboard.errors[0]
    assert dashboard.stage["query"]["box"] is None
    assert "box" not in dashboard.at.query_params


def test_a_network_that_cannot_be_loaded_is_one_sentence(visit, monkeypatch, passes):
    def refuse(*_):
        raise ValueError("the weights are not there")

    monkeypatch.setattr("dff.index.search.load_backbone", refuse)
    dashboard = visit(k="5")
    assert dashboard.errors == ["the weights are not there"]
    dashboard.at.slider(key="k").set_value(4).run()
    assert dashboard.errors == [] and dashboard.query == FIRST


# --- what it costs ----------------------------------------------------------------------------


def test_the_first_view_costs_one_joint_factorization_and_weights_cost_nothing(
    visit, passes, calls
):
    solved, described = calls("dff.nmf.solve"), calls("dff.index.search.describe")
    dashboard = visit()
    assert (passes.passes, len(solved)) == (0, 1)
    del solved[:], described[:]
    for weights in ([1, 1, 1, 0], [0, 1, 1, 1], [2, 0.5, 1, 0]):
        dashboard.send("weights", weights)
        assert dashboard.stage["weights"] == weights
    dashboard.send("rename", {"part": 0, "name": "sky"})
    assert (passes.passes, len(solved)) == (0, 0)


def test_k_costs_one_factorization_and_the_picture_is_seen_once(visit, passes, calls):
    own = calls("dff.descriptors.base.factorize_activations")
    dashboard = visit()
    dashboard.at.slider(key="k").set_value(5).run()
    assert (passes.passes, len(own)) == (1, 1)
    dashboard.at.slider(key="k").set_value(6).run()
    assert (passes.passes, len(own)) == (1, 2)
    solved = calls("dff.nmf.solve")
    for k in (5, 4, 6):
        dashboard.at.slider(key="k").set_value(k).run()
        assert len(dashboard.stage["parts"]) == k
    assert (passes.passes, len(own), len(solved)) == (1, 2, 0)


def test_using_a_result_as_the_query_needs_no_pass(visit, passes):
    dashboard = visit()
    for _ in range(3):
        dashboard.send("use_as_query", dashboard.stage["cards"][0]["row"])
    assert passes.passes == 0


def test_a_second_visitor_costs_nothing(visit, passes, calls):
    visit(k="3")
    solved = calls("dff.nmf.solve")
    visit(k="3")
    assert (passes.passes, len(solved)) == (1, 0)


def test_parts_keep_their_colours_when_k_changes(visit):
    dashboard = visit()
    assert [part["colour"] for part in dashboard.stage["parts"]] == [0, 1, 2, 3]
    for k in (5, 10, 3, 1, 4):
        dashboard.at.slider(key="k").set_value(k).run()
        colours = [part["colour"] for part in dashboard.stage["parts"]]
        assert len(set(colours)) == k and all(0 <= colour < 10 for colour in colours)
    assert colours == [0, 1, 2, 3]


# --- two visitors at once ---------------------------------------------------------------------


@contextmanager
def at_once(monkeypatch) -> Iterator[None]:
    """Let several AppTests run at the same time.

    Each makes a runtime and sets an option for the whole process, and takes both away when it has
    finished. Here all of them share one runtime that stays.
    """
    from streamlit.components.v2.component_manager import BidiComponentManager
    from streamlit.runtime import Runtime
    from streamlit.runtime.caching.storage.dummy_cache_storage import (
        MemoryCacheStorageManager,
    )
    from streamlit.runtime.media_file_manager import MediaFileManager
    from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage
    from streamlit.testing.v1 import app_test

    class Unused(Runtime):
        """What the AppTests take for the runtime."""

    shared = MagicMock(spec=Runtime)
    shared.media_file_mgr = MediaFileManager(MemoryMediaFileStorage("/media"))
    shared.cache_storage_manager = MemoryCacheStorageManager()
    shared.bidi_component_registry = BidiComponentManager()
    monkeypatch.setattr(app_test, "Runtime", Unused)
    monkeypatch.setattr(Runtime, "_instance", shared)
    with app_test.patch_config_options({"global.appTest": True}):
        monkeypatch.setattr(app_test, "patch_config_options", lambda _: nullcontext())
        yield


def facts(dashboard) -> dict:
    """All that must belong to one visitor's picture; binary texts and numbers included."""
    stage = dashboard.stage
    return {name: stage[name] for name in ("version", "query", "parts", "scores", "cards")}


def in_two_threads(work: Callable[[int], Any]) -> list[Any]:
    """What work(0) and work(1) return when they start at the same moment."""
    start = threading.Barrier(2)

    def run(number: int) -> Any:
        start.wait()
        return work(number)

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(run, (0, 1)))


def test_two_visitors_with_different_pictures_never_mix(visit, passes, monkeypatch):
    asked = [{"picture": "eiffel_tower_1", "k": "4"}, {"picture": "taj_mahal_1", "k": "3"}]

    def tour(address):
        dashboard = visit(**address)
        told = [facts(dashboard)]
        for k in (2, 4, 5):
            dashboard.at.slider(key="k").set_value(k).run()
            told.append(facts(dashboard))
        return told

    alone = [tour(address) for address in asked]
    assert alone[0] != alone[1]
    with at_once(monkeypatch):
        for _ in range(3):
            opened.clear()  # nothing is in the caches: both compute
            together = in_two_threads(lambda number: tour(asked[number]))
            assert together == alone


def test_what_is_asked_for_twice_at_once_is_computed_once(index):
    for number in range(20):
        shared, made = Engine(index), []

        def ask(_: int, shared=shared, made=made) -> str:
            return shared.scene("key", lambda: made.append(None) or "value")

        assert in_two_threads(ask) == ["value", "value"]
        assert len(made) == 1, number


# --- checks of what comes from outside --------------------------------------------------------


def test_boxes_from_outside():
    assert valid_box([10, 20, 30, 40], (100, 50)) == (10, 20, 30, 40)
    assert valid_box((10.0, 20, 30, 40), (100, 50)) == (10, 20, 30, 40)
    assert valid_box([0, 0, 100, 50], (100, 50)) is None  # everything: no box
    for bad in (None, 5, "1234", [1, 2, 3], [0, 0, 7, 50], [0, 0, 101, 50], [float("nan")] * 4):
        assert valid_box(bad, (100, 50)) is None


def test_weights_from_outside():
    assert valid_weights([0, 2, 0.123456], 3) == (0, 2, 0.123)
    for bad in (None, [1], "11", [1, 1, 2.1], [1, 1, -0.1], [1, 1, float("inf")], [1, 1, []]):
        got = valid_weights(bad, 3)
        assert got is None or (bad is None and got == (1, 1, 1))
