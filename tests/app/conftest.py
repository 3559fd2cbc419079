"""The dashboard without a browser, and with what a browser would send."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit import error_util
from streamlit.components.v2.bidi_component.main import _make_trigger_id
from streamlit.testing.v1 import AppTest

from dff.app import errors
from dff.app.engine import opened

SCRIPT = Path(__file__).parents[2] / "streamlit_app.py"
SHOWN_BY_STREAMLIT = error_util.show_uncaught_app_exception


class Dashboard:
    """One visitor. `at` is the AppTest: the page's other widgets are used through it."""

    def __init__(self, **address: str) -> None:
        self.at = AppTest.from_file(SCRIPT, default_timeout=60)
        for name, value in address.items():
            self.at.query_params[name] = value
        self.at.run()

    @property
    def stage(self) -> dict[str, Any]:
        """What the stage was given."""
        nodes = self.at.get("bidi_component")
        assert len(nodes) == 1, f"the page has {len(nodes)} stages; errors: {self.errors}"
        (node,) = nodes
        sent = json.loads(node.proto.json)
        data: dict[str, Any] = json.loads(sent["json"])
        if "cards" not in sent:  # another view
            return data
        boxes = data.pop("boxes")
        cards = zip(json.loads(sent["cards"]), boxes, strict=True)
        return {**data, "cards": [{**card, "box": box} for card, box in cards]}

    @property
    def session(self) -> Any:
        return self.at.session_state["session"]

    @property
    def errors(self) -> list[str]:
        """What the page says went wrong, without the marks that make it plain Markdown."""
        return [re.sub(r"\\(.)", r"\1", element.value) for element in self.at.error]

    @property
    def query(self) -> str:
        return str(self.stage["query"]["id"])

    def send(self, event: str, value: object) -> "Dashboard":
        """What the stage sends when the user does something."""
        (node,) = self.at.get("bidi_component")
        states = self.at._tree.get_widget_states()
        state = states.widgets.add()
        state.id = _make_trigger_id(node.proto.id, "events")
        state.json_trigger_value = json.dumps([{"event": event, "value": value}])
        self.at._run(states)
        return self

    def upload(self, name: str, data: bytes) -> "Dashboard":
        self.at.file_uploader[0].set_value((name, data, "")).run()
        return self

    def ranking(self, weights: list[float] | None = None) -> list[tuple[int, float]]:
        """(row, score) as the browser ranks them, best first."""
        import base64

        import numpy as np

        facts = self.stage["scores"]
        rows = np.frombuffer(base64.b64decode(facts["rows"]), "<f4").reshape(facts["n"], -1)
        scores = rows.astype(np.float64) @ np.array(weights or self.stage["weights"])
        order = np.argsort(-scores, kind="stable")
        return [(int(r), float(scores[r])) for r in order if int(r) not in facts["exclude"]]


@pytest.fixture(autouse=True)
def sample_index(backbone, monkeypatch):
    """The committed index, and the network that the tests have loaded already."""
    monkeypatch.delenv("DFF_INDEX", raising=False)
    monkeypatch.setattr("dff.index.search.load_backbone", lambda *_: backbone)


@pytest.fixture(autouse=True)
def unforeseen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[BaseException]]:
    """The errors that pages told as nobody's: a test fails with one, unless it clears the list.

    Where `main` ran, Streamlit shows them as ours, and not as the exceptions that tests look for.
    """
    told: list[BaseException] = []
    logged = errors.logged

    def log(error: BaseException, *details: Any) -> str:
        told.append(error)
        return logged(error, *details)

    monkeypatch.setattr(error_util, "show_uncaught_app_exception", SHOWN_BY_STREAMLIT)
    monkeypatch.setattr(errors, "logged", log)
    yield told
    assert not told


@pytest.fixture
def visit() -> Callable[..., Dashboard]:
    """Open the dashboard at an address: visit(picture="dam_3", k="5")."""

    def run(**address: str) -> Dashboard:
        dashboard = Dashboard(**address)
        assert not dashboard.at.exception, dashboard.at.exception
        return dashboard

    return run


@pytest.fixture
def passes(counting, monkeypatch):
    """A server just started, whose network counts its passes in `passes.passes`."""
    monkeypatch.setattr("dff.index.search.load_backbone", lambda *_: counting)
    opened.clear()
    yield counting
    opened.clear()


@pytest.fixture
def calls(monkeypatch) -> Callable[[str], list[None]]:
    """calls("dff.nmf.solve") is a list that grows by one with every call of that function."""

    def count(target: str) -> list[None]:
        module, _, name = target.rpartition(".")
        original = getattr(__import__(module, fromlist=[name]), name)
        made: list[None] = []

        def counted(*args: Any, **options: Any) -> Any:
            made.append(None)
            return original(*args, **options)

        monkeypatch.setattr(target, counted)
        return made

    return count


@pytest.fixture
def open_script(index_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Run a page's script for an address; the AppTest, which ran without an exception."""

    def run(script: str, folder: Path | None = None, **address: str) -> AppTest:
        monkeypatch.setenv("DFF_INDEX", str(folder or index_folder))
        at = AppTest.from_string(script, default_timeout=60)
        for name, value in address.items():
            at.query_params[name] = value
        at.run()
        assert not at.exception, at.exception
        return at

    return run
