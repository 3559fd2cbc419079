"""Lab, Compare as a user meets it, without a browser."""

import json
import re
from functools import partial

import pytest
from streamlit.testing.v1 import AppTest

from dff.app import compare_data
from dff.app.engine import opened
from dff.index import Index
from dff.index.build import build

SCRIPT = (
    "from dff.app.engine import engine, index_folder\n"
    "from dff.app.views import compare\n"
    "compare.page(engine(str(index_folder())))"
)
TITLES = ["DFF", "R-MAC", "GeM"]  # of what the index of the tests stores, as they are offered


@pytest.fixture
def open_page(open_script):
    """This page for an address."""
    return partial(open_script, SCRIPT)


def checked(at: AppTest) -> AppTest:
    assert not at.exception, at.exception
    return at


def chart(at: AppTest) -> dict:
    (node,) = at.get("bidi_component")
    return json.loads(node.proto.json)


def titles(at: AppTest) -> list[str]:
    return [column["title"] for column in chart(at)["columns"]]


def texts(at: AppTest) -> str:
    return " ".join(h.value for h in at.html)


def said(at: AppTest) -> str:
    return " ".join(element.value for element in (*at.caption, *at.markdown))


def test_all_descriptors_are_side_by_side(open_page):
    at = open_page()
    assert not at.error
    assert titles(at) == TITLES
    assert [len(column["rows"]) for column in chart(at)["columns"]] == [8, 8, 8]
    assert "compare ranks, not scores" in said(at)
    assert texts(at).count("class='dff-table dff-split") == 2
    assert "there is nothing to split" in said(at)  # GeM has one region
    assert "4 × 4 cells sum to" in said(at)
    assert "How many of the 20 squares" in said(at) and "there is no heatmap" in said(at)


def test_the_results_are_those_of_a_search(open_page, index):
    at = open_page(picture=index.pictures[3].id)
    for name, column in zip(("dff", "rmac", "gem"), chart(at)["columns"], strict=True):
        query = index.indexed_query(index.pictures[3].id, name)
        assert column["rows"] == [match.row for match in index.search(query, top=8)]


def test_descriptors_are_chosen_or_come_with_the_address(open_page):
    at = open_page()
    checked(at.multiselect(key="descriptors").set_value(["gem", "dff"]).run())
    assert titles(at) == ["GeM", "DFF"]
    assert titles(open_page(descriptors=["GeM", "DFF"])) == ["GeM", "DFF"]


def test_one_descriptor_is_not_a_comparison(open_page):
    at = open_page(descriptors=["GeM"])
    assert any("at least two" in info.value for info in at.info)
    assert not at.get("bidi_component")


def test_the_number_of_results_changes_the_chart_and_the_table(open_page):
    at = open_page(first="5")
    assert [len(column["rows"]) for column in chart(at)["columns"]] == [5, 5, 5]
    assert re.search(r">\d of 5<", texts(at)) and "of 8<" not in texts(at)


def test_more_results_than_there_are_pictures(open_page):
    at = open_page(first="20")
    assert [len(column["rows"]) for column in chart(at)["columns"]] == [11, 11, 11]
    assert texts(at).count("11 of 11") >= 6


def test_a_result_is_looked_at_by_all(open_page, index):
    at = open_page()
    row = chart(at)["columns"][0]["rows"][2]
    checked(at.selectbox(key="result").set_value(index.pictures[row].id).run())
    assert chart(at)["marked"] == row
    assert "rank 3 of 11" in texts(at)
    assert at.query_params["result"] in (index.pictures[row].id, [index.pictures[row].id])
    assert chart(open_page(result=index.pictures[row].id))["marked"] == row


def test_hostile_addresses_fall_back(open_page):
    at = open_page(descriptors=["../x", "<b>"], first="-1", result="<script>", picture="' or 1")
    assert not at.error
    assert titles(at) == TITLES
    assert at.selectbox(key="first").value == 8


def test_an_uploaded_picture_is_compared(open_page, photos):
    at = open_page()
    data = (photos / "round" / "shape_03.png").read_bytes()
    checked(at.file_uploader[0].upload("mine.png", data).run())
    assert not at.error and titles(at) == TITLES
    # It is a picture of the index under another name: its own row is left out.
    own = next(p for p in Index.open(engine_folder()).pictures if p.path.endswith("shape_03.png"))
    same = open_page(picture=own.id)
    ranks = [[column["rows"] for column in chart(page)["columns"]] for page in (at, same)]
    assert ranks[0] == ranks[1]


def engine_folder() -> str:
    from dff.app.engine import index_folder

    return str(index_folder())


def test_results_do_not_wait_for_the_network(open_page, monkeypatch):
    def fails(*_):
        raise ValueError("no weights on this machine")

    monkeypatch.setattr("dff.index.search.load_backbone", fails)
    opened.clear()
    try:
        at = open_page()
        assert titles(at) == TITLES and not at.error
        assert any("no weights on this machine" in info.value.replace("\\", "") for info in at.info)
        assert "The 4 parts, numbered" in said(at)  # those are stored
    finally:
        opened.clear()


def test_nothing_is_ranked_again_when_only_the_result_changes(open_page, index, calls):
    at = open_page(picture=index.pictures[6].id)
    made = calls("dff.app.compare_data.rank")
    row = chart(at)["columns"][1]["rows"][1]
    checked(at.selectbox(key="result").set_value(index.pictures[row].id).run())
    assert made == []
    compare_data.rank(index, index.indexed_query(index.pictures[0].id))
    assert made  # the counter does count


def test_an_index_with_one_descriptor_says_what_to_do(open_page, photos, backbone, tmp_path):
    out = tmp_path / "one"
    build(photos, out, backbone, descriptors=("dff",), size=64)
    at = AppTest.from_string(SCRIPT.replace("str(index_folder())", repr(str(out))))
    checked(at.run(timeout=60))
    (command,) = at.code
    assert f"index build {photos.resolve()} --out {out}_compare" in command.value
    assert "--descriptors dff_tree,dff_pooled,rmac,gem," in command.value
    assert not at.get("bidi_component")
