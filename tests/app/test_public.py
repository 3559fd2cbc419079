"""A server for strangers: what DFF_PUBLIC=1 takes away, page by page, on the server's side."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from dff.app.limits import OWN_MACHINE, PUBLIC, limits
from tests.app.test_hostile_state import PAGES, said, visit

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def public(monkeypatch, index_folder):
    monkeypatch.setenv("DFF_PUBLIC", "1")
    monkeypatch.setenv("DFF_INDEX", str(index_folder))


def picture(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.zeros((height, width), np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("value, strangers", [("", False), ("0", False), ("1", True), ("y", True)])
def test_one_switch(monkeypatch, value, strangers):
    monkeypatch.setenv("DFF_PUBLIC", value)
    assert limits() == (PUBLIC if strangers else OWN_MACHINE)
    monkeypatch.delenv("DFF_PUBLIC")
    assert limits() == OWN_MACHINE


@pytest.mark.parametrize("page", PAGES)
def test_no_page_shows_a_path_of_the_server(page, index_folder, own_data):
    at = visit(page, collection="anything", photos_show="About")
    assert not at.exception, at.exception
    told = " ".join(said(at)).replace("\\", "")
    options = [option for box in at.selectbox for option in box.options]
    for path in (index_folder.parent, own_data, ROOT, Path.home()):
        assert str(path) not in told and str(path) not in " ".join(options)
    assert not at.text_input or all("folder" not in t.label.lower() for t in at.text_input)


@pytest.mark.parametrize("page", ["explore", "learn", "factors", "present"])
def test_more_parts_than_are_offered_are_not_to_be_had_by_address(page):
    most, over = visit(page, k=str(PUBLIC.parts)), visit(page, k=str(PUBLIC.parts + 1))
    assert not most.exception and not over.exception
    assert most.query_params.get("k") == str(PUBLIC.parts)
    assert over.query_params.get("k") is None
    for at in most, over:
        assert all(slider.max == PUBLIC.parts for slider in at.slider if slider.key == "k")


def test_more_results_than_are_offered_are_not_to_be_had_by_address(visit):
    assert len(visit(top="24").stage["cards"]) > 0
    at = visit(top="48").at
    assert "48" not in at.selectbox(key="top").options and at.selectbox(key="top").value == 6


def test_a_large_upload_is_refused_in_one_sentence(visit):
    dashboard = visit()
    before = dashboard.stage["query"]["title"]
    dashboard.upload("large.png", picture(5000, 4000))
    (error,) = dashboard.at.error
    assert "at most 16 megapixels, got 5000 x 4000" in error.value
    assert dashboard.stage["query"]["title"] == before
    dashboard.upload("small.png", picture(90, 60))
    assert not dashboard.at.error and dashboard.stage["query"]["title"] == "small.png"


def test_networks_are_not_fetched_for_strangers():
    at = visit("factors", network="resnet101.a1_in1k")
    assert not at.exception and not at.error
    assert at.selectbox(key="network").value == "efficientnet_lite0"


def test_a_collection_cannot_be_changed():
    at = visit("photos", photos_show="New collection")
    assert not at.exception
    assert not {b.key for b in at.button} & {"make", "remove", "rename", "undo", "add"}


def test_the_log_says_what_the_page_does_not(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("DFF_INDEX", str(tmp_path / "nowhere"))
    at = AppTest.from_file(str(ROOT / "streamlit_app.py")).run()
    assert [title.value for title in at.title] == ["No collection yet"]
    assert str(tmp_path) not in " ".join(said(at)) and not at.code
    assert os.fspath(tmp_path / "nowhere") in caplog.text
