"""A client that is no browser of ours: it sends values that no widget and no component offers.

Whoever speaks Streamlit's protocol can set any value of any widget that is on a page, and send any
event to any component. Streamlit checks some of it when it reads the message, and the pages check
all of it. No page may end in an error, and nothing may be had that is not offered.
"""

import json
import math
import re
from pathlib import Path

import pytest
from streamlit.components.v2.bidi_component.main import _make_trigger_id
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.testing.v1 import AppTest

from dff.app.limits import limits
from tests.app.test_hostile_state import MARKUP, drawn, said, visit

SCRIPT = Path(__file__).parents[2] / "streamlit_app.py"
VIEWS = {
    "explore": {},
    "explore (concepts)": {"splits": "true"},
    "explore (several)": {},
    "learn": {},
    "photos": {},
    "photos (map)": {"photos_show": "Map"},
    "photos (duplicates)": {"photos_show": "Near-duplicates"},
    "present": {},
    "factors": {"beside": "true"},
    "compare": {},
    "evaluate": {},
}
APP = Path(__file__).parents[2] / "dff/app"
# The events of all components; one that a component does not know does nothing.
EVENTS = {
    event
    for file in (APP / "components").glob("*/__init__.py")
    for event in re.findall(r"\bon_(\w+)_change=", file.read_text())
}
# All that the pages read from an address, by themselves or through Streamlit.
PARAMETERS = {
    found
    for file in APP.rglob("*.py")
    for pattern in (
        r'query_params(?:\.get\(|\[)"(\w+)"',
        r'key="(\w+)",\s+bind="query-params"',
        r'panel\(\s*"(\w+)"',
        r'^        \("(\w+)", "[^"]+", _\w+\),$',  # the panels of Factors
    )
    for found in re.findall(pattern, file.read_text(), re.MULTILINE)
} | {"also", "less", "beside", "top"}
FEWER = 3  # where nobody is a stranger, every third of what is tried where all are
LONG = 50_000  # more at once, to all components, and Streamlit refuses the message: 25 MB
TEXTS = ("../../etc/passwd", MARKUP, "", "1000000", "=cmd|' /C calc'!A0", "9" * 5000, "x" * LONG)
NUMBERS = (float("nan"), float("inf"), 1e308, -1.0, 2.0**70, 0.5, 99.0)
VALUES = (  # as JSON
    "null", "true", "NaN", "1e999", "-1", "0.5", "1" + "0" * 400, '"../../etc/passwd"',
    json.dumps(MARKUP), '"' + "x" * LONG + '"', "[]", "{}", "[" + "1," * LONG + "1]",
    "[0, 0, 1e308, NaN]", "[-5, -5, 40, 40]", "[0, 0, 9999, 9999]", "[1" + "0" * 400 + ", 0, 5, 5]",
    "[3, 3, 4, 4]", "[null, {}, [], \"a\"]", '{"row": 0.5, "sign": 7}', '{"row": 10000, "sign": 1}',
    '{"row": true, "sign": true}', '{"part": -1, "name": "x"}', '{"part": 0, "name": "\\ud800"}',
    '{"part": 0, "name": {"a": [1]}}', '{"part": 0, "name": ' + json.dumps(MARKUP * 999) + "}",
)  # fmt: skip


@pytest.fixture(autouse=True)
def tiny(index_folder, monkeypatch):
    monkeypatch.setenv("DFF_INDEX", str(index_folder))


def page_of(view: str) -> str:
    """The page that shows a view."""
    return view if view.startswith("explore") else view.split()[0]


def nodes(at: AppTest):
    """What is on the page and can be told something."""
    found = (getattr(node, "proto", None) for node in at._tree)
    return [proto for proto in found if proto is not None and getattr(proto, "id", "")]


def state(id: str, **value) -> WidgetState:
    """A widget's value as it comes over the wire."""
    made = WidgetState(id=id)
    ((field, given),) = value.items()
    if isinstance(given, list):
        getattr(made, field).SetInParent()
        getattr(made, field).data.extend(given)
    else:
        setattr(made, field, given)
    return made


def widget_states(proto, turn: int) -> list[WidgetState]:
    """A widget's value that it does not offer, of the kind that it sends; another each turn."""
    text, number = TEXTS[turn], NUMBERS[turn]
    match type(proto).__name__:
        case "Selectbox" if proto.accept_new_options:  # a network by any name
            return []
        case "Selectbox" | "TextInput" | "TextArea":
            return [state(proto.id, string_value=text)]
        case "NumberInput":  # one that is no number: test_a_value_that_streamlit_cannot_read
            return [state(proto.id, double_value=number if math.isfinite(number) else 2e9)]
        case "Slider":
            several = [[number], [], [1.0, 2.0], [number] * LONG][turn % 4]
            return [state(proto.id, double_array_value=several)]
        case "ButtonGroup":
            return [state(proto.id, string_array_value=[text])]
        case "MultiSelect":
            return [state(proto.id, string_array_value=[text[:999]] * (1 + turn % 2 * 999))]
    return []


def component_states(proto, turn: int) -> list[WidgetState]:
    """All events of a component, and all that it keeps, with a value that it never sends."""
    if type(proto).__name__ != "BidiComponent":
        return []
    value = VALUES[turn]
    events = ", ".join(f'{{"event": "{event}", "value": {value}}}' for event in EVENTS)
    kept = ", ".join(f'"{event}": {value}' for event in ("needed", "value"))
    return [
        state(proto.id, json_value=f"{{{kept}}}"),
        state(_make_trigger_id(proto.id, "events"), json_trigger_value=f"[{events}]"),
    ]


def send(at: AppTest, *states: WidgetState) -> AppTest:
    """Send values beside those that the page has."""
    given = at._tree.get_widget_states()
    known = {one.id for one in states}
    kept = [one for one in given.widgets if one.id not in known]
    del given.widgets[:]
    given.widgets.extend([*kept, *states])
    return at._run(given)


@pytest.mark.parametrize("public", ["0", "1"])
@pytest.mark.parametrize("view", VIEWS)
def test_values_that_nothing_offers(view, public, monkeypatch, own_data, index_folder):
    monkeypatch.setenv("DFF_PUBLIC", public)
    before = {file: file.stat().st_mtime_ns for file in index_folder.rglob("*")}
    at = visit(page_of(view), **VIEWS[view])
    assert not at.exception and nodes(at)
    # Components first: without what widgets choose, some are not on the page.
    turns = [(component_states, turn) for turn in range(len(VALUES))]
    turns += [(widget_states, turn) for turn in range(len(TEXTS))]
    turns = turns[:: 1 if public == "1" else FEWER]
    for made, turn in turns:
        send(at, *(one for proto in nodes(at) for one in made(proto, turn)))
        assert not at.exception, (made, turn, at.exception)
        assert drawn(at) or at.error or at.info, (made, turn)
        assert not any("<script" in text or "etc/passwd" in text for text in html_of(at))
        assert all(slider.value <= limits().parts for slider in at.slider if slider.key == "k")
        assert all(int(box.value) <= limits().results for box in at.selectbox if box.key == "top")
    assert before == {file: file.stat().st_mtime_ns for file in index_folder.rglob("*")}
    if public == "1":
        assert not own_data.exists()  # nothing of a stranger's is kept


def html_of(at: AppTest) -> list[str]:
    """What a browser would read as HTML."""
    return [element.value for element in at.html]


ADDRESSES = {
    "a long number": "9" * 5000,
    "a negative number": "-1",
    "a large number": "1e308",
    "no number": "nan",
    "markup": MARKUP,
    "a path": "../../etc/passwd",
    "many": "1," * 5000,
    "another alphabet's digits": "\u0663\u00b2",
}


def test_the_list_of_parameters_is_the_whole_one():
    known = {"picture", "k", "box", "weights", "result", "view", "set", "also", "less", "with"}
    known |= {"collection", "step", "slide", "layer", "network", "solver", "init", "seed", "grid"}
    known |= {"scale", "refine", "splits", "beside", "channels", "layers", "starts", "pairs"}
    known |= {"other_layer", "duplicates_threshold", "photos_show", "descriptors", "first", "top"}
    known |= {"right", "measured", "order", "only"}
    assert known == PARAMETERS


@pytest.mark.parametrize("public", ["0", "1"])
@pytest.mark.parametrize("view", VIEWS)
def test_parameters_that_nothing_writes(view, public, monkeypatch):
    monkeypatch.setenv("DFF_PUBLIC", public)
    for kind, value in list(ADDRESSES.items())[:: 1 if public == "1" else FEWER]:
        given = dict.fromkeys(PARAMETERS - set(VIEWS[view]) - {"view"}, value)
        if public == "0":
            given.pop("network")  # any name may be typed there: test_hostile_state.py
        at = visit(page_of(view), **given, **VIEWS[view])
        assert not at.exception, (kind, at.exception)
        assert not at.error and (drawn(at) or at.info), kind
        assert not any("etc/passwd" in text or "alert(1)" in text for text in said(at)), kind


def test_more_descriptors_than_can_be_chosen(monkeypatch):
    monkeypatch.delenv("DFF_INDEX")  # the sample index has nine
    at = visit("compare", descriptors=["dff_tree", "dff_pooled", "rmac", "gem", "mac", "spoc"])
    assert not at.exception and not at.error and drawn(at)
    assert len(at.multiselect(key="descriptors").value) <= 4
