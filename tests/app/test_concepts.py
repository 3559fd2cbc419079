"""Concepts as a visitor meets it, without a browser: the set, its parts, names that are kept."""

import json
from pathlib import Path

import numpy as np
import pytest

from dff.app import kept
from dff.app.concepts_data import MOST, common_from_stored, pooled
from dff.flow import part_flow
from dff.index import Index

SAMPLE = Path(__file__).parents[2] / "sample_index"
DAMS = "dam_1,dam_2,dam_3"


@pytest.fixture(scope="module")
def index() -> Index:
    return Index.open(SAMPLE)


@pytest.fixture
def concepts(visit):
    """Open the view: concepts(set="dam_1,dam_2")."""

    def run(**address: str):
        dashboard = visit(view="concepts", **address)
        assert dashboard.errors == []
        return dashboard

    return run


def ids(dashboard) -> list[str]:
    return [picture["id"] for picture in dashboard.stage["pictures"]]


def names(dashboard) -> list[str]:
    return [part["name"] for part in dashboard.stage["parts"]]


# --- the set ----------------------------------------------------------------------------------


def test_an_address_shows_its_set_without_a_network_pass(concepts, passes):
    dashboard = concepts(set=DAMS, k="3")
    stage = dashboard.stage
    assert ids(dashboard) == DAMS.split(",")
    assert passes.passes == 0
    assert [part["number"] for part in stage["parts"]] == [1, 2, 3]
    assert len({part["colour"] for part in stage["parts"]}) == 3
    assert sum(part["energy"] for part in stage["parts"]) == pytest.approx(1, abs=1e-3)
    assert all(picture["joint"]["k"] == 3 for picture in stage["pictures"])
    # The places come from the whole index, the clearest first.
    crops = [crop for part in stage["parts"] for crop in part["crops"]]
    assert {crop["row"] for crop in crops} - {row["row"] for row in stage["pictures"]}
    for part in stage["parts"]:
        scores = [crop["score"] for crop in part["crops"]]
        assert scores == sorted(scores, reverse=True) and len(scores) <= 8


@pytest.mark.parametrize(
    "given",
    ["", "nobody", "../etc,%00,<b>", ",,,,", "x" * 5000, ",".join(["nobody"] * 500)],
    ids=lambda value: value[:12],
)
def test_a_set_of_strangers_is_the_picture_and_its_results(concepts, given):
    dashboard = concepts(set=given, picture="dam_3")
    assert ids(dashboard)[0] == "dam_3" and len(ids(dashboard)) == 9


def test_a_set_has_a_most_and_no_picture_twice(concepts, index):
    every = [picture.id for picture in index.pictures]
    dashboard = concepts(set=",".join(["dam_3", "dam_3", "nobody", *every[:60]]))
    assert len(ids(dashboard)) == len(set(ids(dashboard))) == MOST
    assert ids(dashboard)[0] == "dam_3"


@pytest.mark.parametrize("view", ["Concepts", "<b>", "One at a time", ""])
def test_another_view_in_the_address_is_one_picture(visit, view):
    dashboard = visit(view=view, set=DAMS)
    assert "query" in dashboard.stage and dashboard.errors == []


def test_one_picture_is_a_set_too(concepts):
    dashboard = concepts(set="dam_3", k="1")
    assert ids(dashboard) == ["dam_3"] and len(dashboard.stage["parts"]) == 1


def test_how_the_parts_split_is_told_from_the_stored_factors(visit, index, passes):
    dashboard = visit(view="concepts", set=DAMS, splits="true", k="3")
    assert dashboard.errors == [] and passes.passes == 0
    shown = [json.loads(node.proto.json) for node in dashboard.at.get("bidi_component")]
    (facts,) = [data for data in map(json.loads, (one["json"] for one in shown)) if "flows" in data]
    assert facts["k"] == 3 and [column["k"] for column in facts["columns"]] == [*range(1, 11)]
    # Every stream is a share of the positions of all pictures of the set.
    rows = [index.row_of[id] for id in DAMS.split(",")]
    commons = {k: common_from_stored(index, rows, k) for k in (3, 4)}
    flow = part_flow(pooled(commons[3]), pooled(commons[4]))
    assert np.array(facts["flows"][2]) == pytest.approx(flow, abs=1e-5)
    assert facts["splits"][2]["answer"].startswith("From 3 to 4, ")


def test_pictures_leave_are_opened_and_come_by_category(concepts, index):
    dashboard = concepts(set=DAMS)
    dashboard.send("leave", index.row_of["dam_2"])
    assert ids(dashboard) == ["dam_1", "dam_3"]
    assert dashboard.at.query_params["set"] == "dam_1,dam_3"
    dashboard.at.selectbox(key="set_category").set_value("pyramid").run()
    pyramids = [p.id for p in index.pictures if p.category == "pyramid"]
    assert ids(dashboard) == pyramids
    dashboard.send("open", index.row_of["dam_4"])
    assert dashboard.query == "dam_4" and "view" not in dashboard.at.query_params
    # Back again, the set is still there.
    dashboard.at.segmented_control(key="explore_view1").set_value("Concepts").run()
    assert ids(dashboard) == pyramids


def test_the_results_of_a_search_become_the_set(visit):
    dashboard = visit(picture="dam_3")
    found = [card["id"] for card in dashboard.stage["cards"]][: dashboard.stage["top"]]
    dashboard.at.button(key="concepts_of_these").click().run()
    assert ids(dashboard) == ["dam_3", *found]


@pytest.mark.parametrize(
    ("event", "value"),
    [
        ("open", "dam_3"),
        ("open", -1),
        ("open", True),
        ("open", 10**9),
        ("leave", None),
        ("leave", "0"),
        ("leave", 10**9),
        ("rename", "sky"),
        ("rename", {"part": 9, "name": "x"}),
        ("rename", {"part": True, "name": "x"}),
        ("rename", {"part": 0, "name": "  \n"}),
    ],
    ids=str,
)
def test_nonsense_from_the_browser_changes_nothing(concepts, own_data, event, value):
    dashboard = concepts(set=DAMS)
    before = dashboard.stage
    dashboard.send(event, value)
    assert not dashboard.at.exception and dashboard.errors == []
    assert dashboard.stage == before and not own_data.exists()


def test_refined_parts_come_from_the_pixels_once(concepts, passes):
    dashboard = concepts(set=DAMS, k="2")
    stored = dashboard.stage
    dashboard.at.toggle(key="refine_set").set_value(True).run()
    exact = dashboard.stage
    assert passes.passes == 3 and dashboard.errors == []
    assert exact["pictures"][0]["joint"]["data"] != stored["pictures"][0]["joint"]["data"]
    dashboard.at.toggle(key="refine_set").set_value(False).run()
    dashboard.at.toggle(key="refine_set").set_value(True).run()
    assert passes.passes == 3 and dashboard.stage["pictures"] == exact["pictures"]


# --- names ------------------------------------------------------------------------------------


def test_a_name_is_kept_and_shown_wherever_the_part_is(concepts, visit, own_data):
    before = {path: path.stat().st_mtime_ns for path in SAMPLE.rglob("*")}
    dashboard = concepts(set=DAMS)
    dashboard.send("rename", {"part": 2, "name": "  falling <b>water</b> "})
    assert names(dashboard)[2] == "falling <b>water</b>"
    assert dashboard.stage["parts"][2]["renamed"]
    # In the data folder, as the index is only read; another visitor and Explore see it.
    (file,) = own_data.rglob("*.json")
    assert file.parent == own_data / "names"
    assert json.loads(file.read_text("utf-8"))["concepts"][0]["name"] == "falling <b>water</b>"
    assert {path: path.stat().st_mtime_ns for path in SAMPLE.rglob("*")} == before
    explore = visit(picture="dam_1")
    own = [part for part in explore.stage["parts"] if part["renamed"]]
    assert {part["name"] for part in own} == {"falling <b>water</b>"}
    assert all(0.6 <= part["confidence"] < 1 for part in own)
    assert not any(part["renamed"] for part in visit(picture="clownfish").stage["parts"])


def test_a_name_is_replaced_taken_away_and_given_back(concepts):
    dashboard = concepts(set=DAMS)
    guess = names(dashboard)[2]
    for name in ("water", "weir"):
        dashboard.send("rename", {"part": 2, "name": name})
    assert names(dashboard)[2] == "weir"
    (remove,) = [b for b in dashboard.at.button if str(b.key).startswith("remove_")]
    remove.click().run()
    assert names(dashboard)[2] == guess
    dashboard.at.button(key="names_undo_button").click().run()
    assert names(dashboard)[2] == "weir"
    dashboard.send("rename", {"part": 2, "name": ""})
    assert names(dashboard)[2] == guess
    dashboard.send("rename", {"part": 2, "name": "rapids"})
    dashboard.at.button(key="names_undo_button").click().run()
    assert names(dashboard)[2] == guess


def test_a_broken_file_of_names_is_put_aside(concepts, own_data):
    path = kept.path_of("names", SAMPLE)
    path.parent.mkdir(parents=True)
    path.write_text("{", "utf-8")
    dashboard = concepts(set=DAMS)
    dashboard.send("rename", {"part": 0, "name": "sky"})
    assert names(dashboard)[0] == "sky"
    assert path.with_name(path.name + ".unreadable").read_text("utf-8") == "{"


def test_where_strangers_share_a_server_names_stay_in_the_session(concepts, own_data, monkeypatch):
    monkeypatch.setenv("DFF_PUBLIC", "1")
    dashboard = concepts(set=DAMS)
    dashboard.send("rename", {"part": 0, "name": "sky"})
    assert names(dashboard)[0] == "sky"
    assert not own_data.exists()
    assert names(concepts(set=DAMS))[0] != "sky"


def test_the_names_of_an_own_collection_lie_beside_its_index(own_data):
    folder = own_data / "collections" / "holiday" / "index"
    assert kept.path_of("names", folder) == folder.parent / "names.json"
    elsewhere = kept.path_of("names", SAMPLE)
    assert elsewhere.parent == own_data / "names"
    assert elsewhere != kept.path_of("names", SAMPLE.parent)
    assert kept.path_of("shortlists", SAMPLE).parent == own_data / "shortlists"


def test_changes_of_two_sessions_at_once_are_all_kept(own_data):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(
                lambda i: kept.change("names", SAMPLE, lambda old: [*(old or []), i]), range(40)
            )
        )
    assert sorted(kept.read("names", SAMPLE)) == list(range(40))
