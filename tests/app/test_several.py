"""Several pictures as one query, without a browser; and the shortlist that all views share."""

import csv
import io
import json
from pathlib import Path

import pytest
from streamlit.components.v2.bidi_component.main import _make_trigger_id

from dff.app import kept, shortlist
from dff.app.shortlist import Entry
from dff.app.views.several import MOST
from dff.index import Index

SAMPLE = Path(__file__).parents[2] / "sample_index"


@pytest.fixture(scope="module")
def index() -> Index:
    return Index.open(SAMPLE)


@pytest.fixture
def several(visit):
    """Open the view: several(also="dam_1,dam_2", less="clownfish")."""

    def run(**address: str):
        dashboard = visit(view="several", **address)
        assert dashboard.errors == []
        return dashboard

    return run


def signs(dashboard) -> dict[str, int]:
    return {one["id"]: one["sign"] for one in dashboard.stage["asked"]}


def results(dashboard) -> list[str]:
    return [one["id"] for one in dashboard.stage["results"]]


# --- several pictures as one query ------------------------------------------------------------


def test_the_page_shows_what_the_library_finds_and_the_exact_split(several, index, passes):
    dashboard = several(also="dam_1,dam_2", less="clownfish")
    assert passes.passes == 0
    assert signs(dashboard) == {"dam_1": 1, "dam_2": 1, "clownfish": -1}
    one, two, no = (index.indexed_query(id) for id in signs(dashboard))
    found = index.search(one, also=[two], less=[no], top=6)
    assert results(dashboard) == [match.id for match in found]
    k = index.settings.k
    for shown, match in zip(dashboard.stage["results"], found, strict=True):
        rows = match.contributions.sum(axis=1)
        parts = [rows[:k].sum(), rows[k : 2 * k].sum(), rows[2 * k :].sum()]
        assert shown["shares"] == pytest.approx(parts, abs=1e-5)
        assert sum(shown["shares"]) == pytest.approx(shown["score"], abs=1e-5)
        assert shown["score"] == pytest.approx(match.score, abs=1e-5)


def test_pictures_are_added_turned_and_left_out(several, index):
    dashboard = several(also="dam_1")
    (only,) = dashboard.stage["asked"]
    assert only["only"]  # a query needs a picture to be like
    for sign in (-1, 0):
        dashboard.send("ask", {"row": only["row"], "sign": sign})
        assert signs(dashboard) == {"dam_1": 1}
    first = dashboard.stage["results"][0]
    dashboard.send("ask", {"row": first["row"], "sign": 1})
    assert signs(dashboard) == {"dam_1": 1, first["id"]: 1}
    assert first["id"] not in results(dashboard)
    dashboard.send("ask", {"row": first["row"], "sign": -1})
    assert signs(dashboard) == {"dam_1": 1, first["id"]: -1}
    address = dashboard.at.query_params
    assert (address["also"], address["less"]) == ("dam_1", first["id"])
    dashboard.send("ask", {"row": first["row"], "sign": 0})
    assert signs(dashboard) == {"dam_1": 1}
    assert "less" not in dashboard.at.query_params
    dashboard.at.selectbox(key="several_add").set_value("dam_3").run()
    assert signs(dashboard) == {"dam_1": 1, "dam_3": 1}
    dashboard.send("open", index.row_of["dam_4"])
    assert dashboard.query == "dam_4"


def test_explore_and_concepts_lead_here(visit, index):
    dashboard = visit(picture="dam_1")
    row = dashboard.stage["cards"][0]["row"]
    dashboard.send("ask", {"row": row, "sign": -1})
    assert signs(dashboard) == {"dam_1": 1, index.pictures[row].id: -1}
    dashboard = visit(view="concepts", set="dam_2,dam_3")
    dashboard.at.button(key="search_with_set").click().run()
    assert signs(dashboard) == {"dam_2": 1, "dam_3": 1}


def test_the_last_message_of_a_view_that_is_left_is_no_error(visit):
    dashboard = visit(picture="dam_3")
    (node,) = dashboard.at.get("bidi_component")
    left = dashboard.at._tree.get_widget_states()
    del left.widgets[:]
    state = left.widgets.add()
    state.id = _make_trigger_id(node.proto.id, "events")
    state.json_trigger_value = json.dumps([{"event": "open", "value": -1}])
    dashboard.send("ask", {"row": dashboard.stage["cards"][1]["row"], "sign": -1})
    dashboard.at._run(left)  # the detail has closed with its view
    assert not dashboard.at.exception and len(signs(dashboard)) == 2


def test_what_the_browser_sent_meanwhile_does_not_turn_the_view_back(visit):
    dashboard = visit(picture="dam_3")
    meanwhile = dashboard.at._tree.get_widget_states()  # as before the view has changed
    kept = [state for state in meanwhile.widgets if state.WhichOneof("value") != "trigger_value"]
    del meanwhile.widgets[:]
    meanwhile.widgets.extend(kept)
    row = dashboard.stage["cards"][1]["row"]
    dashboard.send("ask", {"row": row, "sign": -1})
    assert dashboard.at.query_params["view"] == "several"
    dashboard.at._run(meanwhile)
    assert dashboard.at.query_params["view"] == "several"
    assert len(signs(dashboard)) == 2


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ({}, {"dam_3": 1}),
        ({"also": "nobody,<b>,%00", "less": "x" * 5000}, {"dam_3": 1}),
        ({"also": "dam_1,dam_1", "less": "dam_1,dam_2"}, {"dam_1": 1, "dam_2": -1}),
        ({"less": "dam_3"}, {"dam_3": 1}),
    ],
    ids=str,
)
def test_an_address_of_strangers_is_cleaned(several, address, expected):
    assert signs(several(picture="dam_3", **address)) == expected


def test_a_query_has_no_more_pictures_than_there_are_colours(several, index):
    every = ",".join(picture.id for picture in index.pictures[:40])
    dashboard = several(also=every, less=every)
    assert len(signs(dashboard)) == MOST and dashboard.stage["full"]
    dashboard.send("ask", {"row": 100, "sign": 1})
    assert len(signs(dashboard)) == MOST


@pytest.mark.parametrize(
    ("event", "value"),
    [
        ("ask", None),
        ("ask", {"row": 3}),
        ("ask", {"row": "3", "sign": 1}),
        ("ask", {"row": 3, "sign": 2}),
        ("ask", {"row": 3, "sign": True}),
        ("ask", {"row": 10**9, "sign": 1}),
        ("open", -1),
        ("keep", "dam_3"),
        ("keep", 10**9),
        ("keep", True),
    ],
    ids=str,
)
def test_nonsense_from_the_browser_changes_nothing(several, own_data, event, value):
    dashboard = several(also="dam_1")
    before = dashboard.stage
    dashboard.send(event, value)
    assert not dashboard.at.exception and dashboard.errors == []
    assert dashboard.stage == before and not own_data.exists()


# --- the shortlist ----------------------------------------------------------------------------


def test_a_starred_picture_is_kept_with_its_note_and_can_be_had_back(visit, own_data, index):
    dashboard = visit(picture="dam_3")
    row = dashboard.stage["cards"][1]["row"]
    id = index.pictures[row].id
    dashboard.send("keep", row)
    assert dashboard.stage["kept"] == [row]
    dashboard.at.text_input(key=f"shortlist_note_{id}").set_value("=nice").run()
    (file,) = own_data.rglob("*.json")
    assert file.parent == own_data / "shortlists"
    # Another visitor of this machine sees it, in the other view too.
    other = visit(view="several", also="dam_3")
    assert [r["id"] for r in other.stage["results"] if r["kept"]] == [id]
    assert other.at.text_input(key=f"shortlist_note_{id}").value == "=nice"
    dashboard.at.button(key=f"shortlist_remove_{id}").click().run()
    assert dashboard.stage["kept"] == []
    dashboard.at.button(key="shortlist_undo_button").click().run()
    assert dashboard.stage["kept"] == [row]
    known = shortlist.entries(index)
    assert known == [Entry(id, index.pictures[row].sha256, "=nice")]
    title = index.pictures[row].title
    assert json.loads(shortlist.as_json(index, known))[0]["title"] == title
    head, line = csv.reader(io.StringIO(shortlist.as_csv(index, known)))
    assert head == ["id", "path", "title", "note"]
    assert line == [id, index.pictures[row].path, title, "'=nice"]


def test_a_kept_picture_is_found_by_its_file_where_its_id_has_changed(index, own_data):
    picture = index.pictures[7]
    renamed, gone = Entry("old_name", picture.sha256), Entry("gone", "0" * 64, "was nice")
    kept.change("shortlists", SAMPLE, lambda _: shortlist.document_of([renamed, gone]))
    assert shortlist.rows_of(index) == {7}
    assert [record["title"] for record in shortlist.records(index, [renamed, gone])] == [
        picture.title,
        "",
    ]


@pytest.mark.parametrize(
    "broken",
    [None, [], {"pictures": 3}, {"pictures": [None, 1, {}, {"id": 3}, {"id": "a", "note": 1}]}],
    ids=str,
)
def test_nonsense_in_a_shortlist_is_left_out(broken):
    assert shortlist.read_document(broken) == []


def test_where_strangers_share_a_server_the_shortlist_is_the_sessions(visit, own_data, monkeypatch):
    monkeypatch.setenv("DFF_PUBLIC", "1")
    dashboard = visit(picture="dam_3")
    dashboard.send("keep", 5)
    assert dashboard.stage["kept"] == [5] and not own_data.exists()
    assert visit(picture="dam_3").stage["kept"] == []
