"""Learn as a user meets it, without a browser."""

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from streamlit.components.v2.bidi_component.main import _make_trigger_id
from streamlit.testing.v1 import AppTest

from dff.app.engine import opened

SAMPLE = Path(__file__).parents[2] / "sample_index"
SCRIPT = (
    "from dff.app.engine import engine, index_folder\n"
    "from dff.app.views import learn\n"
    "learn.page(engine(str(index_folder())))"
)
SHOWS = {
    1: {"ids", "maps", "magma"},
    2: {"heats", "errors", "cells", "pulls"},
    3: {"columns", "flows", "splits"},
    4: {"raw", "unit", "whitened", "sum", "vector"},
    5: {"results", "rule"},
    6: {"scores", "cards"},
    7: {"examples"},
}


@pytest.fixture
def open_page(open_script):
    """This page for an address."""
    return partial(open_script, SCRIPT)


def shown(at: AppTest) -> dict[str, Any]:
    """What the lesson was given."""
    assert not at.exception, at.exception
    (node,) = at.get("bidi_component")
    data: dict[str, Any] = json.loads(json.loads(node.proto.json)["json"])
    return data


def send(at: AppTest, event: str, value: object) -> dict[str, Any]:
    """What the lesson sends when the user does something, and what it is then given."""
    (node,) = at.get("bidi_component")
    states = at._tree.get_widget_states()
    state = states.widgets.add()
    state.id = _make_trigger_id(node.proto.id, "events")
    state.json_trigger_value = json.dumps([{"event": event, "value": value}])
    at._run(states)
    return shown(at)


@pytest.mark.parametrize("step", SHOWS)
def test_each_step_has_its_address_and_its_picture(open_page, step):
    data = shown(open_page(step=str(step), picture="shape_02", k="3"))
    assert (data["step"], data["k"], data["problem"], data["busy"]) == (step, 3, "", "")
    assert SHOWS[step] <= set(data["picture"])
    assert len(data["steps"]) == 7
    assert data["source"]["image"].startswith("data:image/jpeg;base64,")
    if "parts" in data["picture"]:
        assert len(data["picture"]["parts"]) == 3


@pytest.mark.parametrize("step", ["99", "x", "0", "-1", "1.5", "², ", ""])
def test_a_bad_step_is_the_first(open_page, step):
    at = open_page(step=step, picture="<script>", k="999")
    data = shown(at)
    assert data["step"] == 1 and data["k"] == 4
    assert not at.error and "step" not in at.query_params


def test_the_pages_are_turned_and_the_address_follows(open_page):
    at = open_page(step="4")
    assert send(at, "step", 5)["step"] == 5
    assert at.query_params["step"] == "5"
    for nonsense in (0, 8, "6", 2.5, True, None, [1]):
        assert send(at, "step", nonsense)["step"] == 5
    assert send(at, "step", 1)["step"] == 1
    assert "step" not in at.query_params


def test_k_is_that_of_the_page(open_page):
    at = open_page(step="3")
    assert len(shown(at)["picture"]["columns"]) == 10
    assert send(at, "k", 7)["k"] == 7
    assert at.slider(key="k").value == 7 and at.query_params["k"] == "7"
    for nonsense in (0, 11, "5", None):
        assert send(at, "k", nonsense)["k"] == 7
    assert len(send(at, "step", 4)["picture"]["parts"]) == 7


def test_another_picture_is_another_lesson(open_page):
    at = open_page(step="5", picture="shape_02")
    before = shown(at)
    at.selectbox(key="picture").set_value("shape_04").run()
    after = shown(at)
    assert after["step"] == 5
    assert after["source"]["title"] != before["source"]["title"]
    assert after["version"] != before["version"]


def test_an_uploaded_picture_can_be_learned_from(open_page, photos):
    at = open_page(step="2")
    file = photos / "square" / "shape_00.png"
    at.file_uploader[0].set_value(("<b>.png", file.read_bytes(), "")).run()
    data = shown(at)
    assert data["source"]["title"] == "<b>.png"
    assert (data["source"]["width"], data["source"]["height"]) == (160, 120)
    assert data["picture"]["iterations"] == 30


def test_a_photo_that_is_gone_is_told_and_the_rest_goes_on(open_page, index_folder, tmp_path):
    folder = shutil.copytree(index_folder, tmp_path / "index")  # its photos are not beside it
    at = open_page(folder, step="1")
    data = shown(at)
    assert data["picture"] is None and "photo" in data["problem"]
    data = send(at, "step", 5)
    assert data["problem"] == "" and data["picture"]["results"]


def test_a_network_that_cannot_be_loaded_is_told(open_page, monkeypatch):
    def broken(*_):
        raise ValueError("the weights are not here")

    monkeypatch.setattr("dff.index.search.load_backbone", broken)
    opened.clear()
    try:
        data = shown(open_page(step="3"))
        assert data["picture"] is None and data["problem"] == "the weights are not here"
    finally:
        opened.clear()


def test_nothing_is_computed_twice(open_page, passes, calls):
    made = calls("dff.app.learn.iterations.facts")
    at = open_page(step="2")
    send(at, "step", 6)
    send(at, "step", 2)
    assert (len(made), passes.passes) == (1, 1)


def test_the_last_step_hides_each_part_when_asked(open_page):
    at = open_page(SAMPLE, step="7")
    reason = shown(at)["picture"]["examples"][-1]
    assert reason["kind"] == "reason" and reason["falls"] is None
    told = send(at, "test", True)["picture"]["examples"][-1]
    credit, falls = told["credit"], told["falls"]
    # The claim of the example: the largest contribution is not the largest fall, and not even one.
    first = credit.index(max(credit))
    assert first == 1 and falls[first] < 0 and falls.index(max(falls)) != first
    assert f"rises by {-falls[first]:.3f}" in told["answer"]


def test_other_collections_have_no_such_examples(open_page):
    assert shown(open_page(step="7"))["picture"]["examples"] == []
