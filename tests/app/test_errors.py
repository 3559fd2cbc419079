"""An error that nobody foresaw: one sentence with an id, the log has the rest, the page goes on."""

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dff.app import errors
from tests.app.test_hostile_client import send, state
from tests.app.test_hostile_state import said

SCRIPT = Path(__file__).parents[2] / "streamlit_app.py"
PLANTED = "/srv/secret/pictures: it broke"


@pytest.fixture(autouse=True)
def tiny(index_folder, monkeypatch):
    monkeypatch.setenv("DFF_INDEX", str(index_folder))


@pytest.fixture(autouse=True)
def expected(unforeseen):
    yield
    unforeseen.clear()


def fail(*_, **__) -> None:
    raise RuntimeError(PLANTED)


def opened() -> AppTest:
    return AppTest.from_file(SCRIPT, default_timeout=60).run()


def told_once(at: AppTest, caplog) -> None:
    """The page has one sentence with an id; the log has the traceback under it."""
    assert not at.exception
    (sentence,) = [error.value for error in at.error]
    assert "report it" in sentence and "secret" not in " ".join(said(at))
    assert "Traceback" not in " ".join(said(at)) and "RuntimeError" not in " ".join(said(at))
    (id,) = re.findall(r"Error (\w{8})", sentence)
    (record,) = [record for record in caplog.records if id in record.getMessage()]
    assert PLANTED in str(record.exc_info[1]) and record.exc_info[2] is not None


@pytest.mark.parametrize("public", ["0", "1"])
def test_an_error_in_a_page(public, monkeypatch, caplog):
    monkeypatch.setenv("DFF_PUBLIC", public)
    monkeypatch.setattr("dff.app.views.explore._show", fail)
    at = opened()
    told_once(at, caplog)
    assert at.selectbox(key="picture").options  # what was drawn before it is there
    monkeypatch.undo()
    assert not at.run().error


def test_an_error_in_a_callback(monkeypatch, caplog):
    at = opened()
    monkeypatch.setattr("dff.app.views.explore.ask_for", fail)
    at.button[[b.label for b in at.button].index("Surprise me")].click().run()
    told_once(at, caplog)
    at.button(key="show_page_again").click().run()
    assert not at.error and at.selectbox(key="picture").options


def test_an_error_in_a_dialog(monkeypatch, caplog):
    monkeypatch.setattr("dff.app.takeaway._address", fail)
    at = opened()
    at.button(key="take_away").click().run()
    told_once(at, caplog)
    assert at.selectbox(key="picture").options  # the page below it is there


@pytest.mark.parametrize(
    "value",
    [
        {"double_value": float("nan")},
        {"string_array_value": ["a"]},
        {"bool_value": True},
        {"json_value": '{"needed": ' + "9" * 5000 + "}"},
        {"json_value": "[" * 100_000},
    ],
)
def test_a_value_that_streamlit_cannot_read(value):
    """It fails before any code of ours: whoever sends it reads a sentence."""
    at = opened()
    component = at.get("bidi_component")[0].proto.id
    send(at, *(state(id, **value) for id in (component, at.selectbox(key="picture").proto.id)))
    assert not at.exception and len(at.error) == 1 and "Error " in at.error[0].value


def test_the_system_words_are_nobodys(monkeypatch):
    text = errors.shown(OSError(28, "No space left on device", "/srv/secret"))
    assert "The disk is full" in text and "secret" not in text and "Errno" not in text


def test_folders_are_for_the_owner_of_the_machine(monkeypatch):
    problem = ValueError("/srv/my photos/index: no, expected /srv/a/b.npy, see https://a.org/b/c")
    assert errors.shown(problem) == str(problem)
    monkeypatch.setenv("DFF_PUBLIC", "1")
    assert "/srv" not in errors.shown(problem) and "https://a.org/b/c" in errors.shown(problem)
