"""A server for strangers: what DFF_PUBLIC=1 takes away, page by page, on the server's side."""

import hashlib
import io
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit import config
from streamlit.testing.v1 import AppTest

from dff.app.limits import OWN_MACHINE, PUBLIC, limits
from dff.backbones import WeightsUnavailable
from tests.app.test_hostile_client import send, state
from tests.app.test_hostile_state import PAGES, damaged, drawn, said
from tests.app.test_hostile_state import visit as visit_page

__all__ = ["damaged"]  # a fixture

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def public(monkeypatch, index_folder):
    monkeypatch.setenv("DFF_PUBLIC", "1")
    monkeypatch.setenv("DFF_INDEX", str(index_folder))
    most = config.get_option("server.maxUploadSize")
    yield
    config.set_option("server.maxUploadSize", most)  # the server's own is lowered for strangers


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
    at = visit_page(page, collection="anything", photos_show="About")
    assert not at.exception, at.exception
    told = " ".join(said(at)).replace("\\", "")
    options = [option for box in at.selectbox for option in box.options]
    for path in (index_folder.parent, own_data, ROOT, Path.home()):
        assert str(path) not in told and str(path) not in " ".join(options)
    assert not at.text_input or all("folder" not in t.label.lower() for t in at.text_input)


@pytest.mark.parametrize("page", ["explore", "learn", "factors", "present"])
def test_more_parts_than_are_offered_are_not_to_be_had_by_address(page):
    most, over = visit_page(page, k=str(PUBLIC.parts)), visit_page(page, k=str(PUBLIC.parts + 1))
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
    at = visit_page("factors", network="resnet101.a1_in1k")
    assert not at.exception and not at.error
    assert at.selectbox(key="network").value == "efficientnet_lite0"


def test_a_collection_cannot_be_changed():
    at = visit_page("photos", photos_show="New collection")
    assert not at.exception
    assert not {b.key for b in at.button} & {"make", "remove", "rename", "undo", "add"}


def test_the_log_says_what_the_page_does_not(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("DFF_INDEX", str(tmp_path / "nowhere"))
    at = AppTest.from_file(str(ROOT / "streamlit_app.py")).run()
    assert [title.value for title in at.title] == ["No collection yet"]
    assert str(tmp_path) not in " ".join(said(at)) and not at.code
    assert os.fspath(tmp_path / "nowhere") in caplog.text


def marked(width: int = 90, height: int = 60) -> bytes:
    """A picture like no other."""
    file = io.BytesIO()
    noise = np.random.default_rng(7).integers(0, 255, (height, width, 3), np.uint8)
    Image.fromarray(noise).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("page", PAGES)
def test_an_upload_cannot_be_asked_for_by_another_session(page):
    data = marked()
    first = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=60).run()
    first.file_uploader[0].set_value(("mine.png", data, "image/png")).run()
    assert first.session_state["session"].upload is not None
    mark = hashlib.sha256(data).hexdigest()
    for name in (mark, mark[:16], "mine.png", "mine"):
        at = visit_page(page, **dict.fromkeys(("picture", "with", "result", "set", "also"), name))
        assert not at.exception
        assert "session" not in at.session_state or at.session_state["session"].upload is None
        assert "mine.png" not in " ".join(said(at))
        for node in at.get("bidi_component"):
            assert "mine.png" not in node.proto.json


def test_an_upload_of_too_many_bytes_is_refused_whoever_sends_it(visit, monkeypatch):
    dashboard = visit()
    assert config.get_option("server.maxUploadSize") == PUBLIC.megabytes
    dashboard.upload("large.png", marked() + bytes(PUBLIC.megabytes << 20))
    assert "expected at most 8 MB, got 8.0" in dashboard.errors[0]
    assert dashboard.session.upload is None


@pytest.mark.parametrize("page", PAGES)
def test_a_damaged_collection_is_told_without_folders(page, damaged, monkeypatch):
    """No photos, files that are cut off, no network: no folder of the server in what is said."""

    def no_network(*_):
        raise WeightsUnavailable(f"{damaged}/weights.pth: expected a network, got none")

    for place in ("dff.index.search.load_backbone", "dff.app.microscope.load_backbone"):
        monkeypatch.setattr(place, no_network)
    for file in damaged.glob("shards/*/*.npy"):
        if "thumb" in file.name or "detail" in file.name:
            np.save(file, np.load(file)[:0])
    shutil.rmtree(damaged.parent / "photos")
    at = visit_page(page, photos_show="About", k="5", box="0,0,60,60")
    verify = [button for button in at.button if button.key == "verify"]
    at = verify[0].click().run() if verify else at
    told = " ".join([*said(at), *(error.message for error in at.exception)]).replace("\\", "")
    assert at.error or at.exception or drawn(at)
    for path in (damaged, damaged.parent, damaged.resolve(), ROOT, Path.home()):
        assert str(path) not in told


@pytest.mark.parametrize("page", ["photos", "factors"])
def test_what_is_not_offered_is_not_to_be_had(page, index_folder):
    """A client that sends the name of a section or a network that its page does not have."""
    at = visit_page(page)
    for node in [*at.get("button_group"), *at.selectbox]:
        kind = type(node.proto).__name__
        given = "New collection" if kind == "ButtonGroup" else "resnet101.a1_in1k"
        value = (
            {"string_array_value": [given]} if kind == "ButtonGroup" else {"string_value": given}
        )
        send(at, state(node.proto.id, **value))
        assert not at.exception and not at.error
        assert "make" not in {button.key for button in at.button}
    if page == "factors":
        assert at.selectbox(key="network").value == "efficientnet_lite0"
