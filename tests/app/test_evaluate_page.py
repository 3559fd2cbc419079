"""Lab, Evaluate as a user meets it, without a browser."""

import json
import re
from functools import partial

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from dff.app import evaluate_data
from dff.app.engine import opened
from dff.descriptors import about
from dff.evaluation.stored import measure, questions
from dff.index import Index, IndexProblem
from dff.index.build import build

SCRIPT = (
    "from dff.app.engine import engine, index_folder\n"
    "from dff.app.views import evaluate\n"
    "evaluate.page(engine(str(index_folder())))"
)
REPORT = {
    "dataset": "logos *27*",
    "queries": 1200,
    "images": 4000,
    "rows": [
        {
            "descriptor": "rmac",
            "whitening": "1/16",
            "matching": "vector",
            "dimensions": 512,
            "map": 61.5,
            "p_at_1": 80.0,
            "seconds": 0.1,
            "default": False,
        }
    ],
    "localization": [
        {"method": "CAM", "mask_iou": None, "box_iou": 0.5, "corloc": 55.0, "default": False}
    ],
}


@pytest.fixture
def open_page(open_script):
    """This page for an address."""
    return partial(open_script, SCRIPT)


def checked(at: AppTest) -> AppTest:
    assert not at.exception, at.exception
    return at


def cards(at: AppTest) -> list[str]:
    return [h.value for h in at.html if "<section class='dff-answer'>" in h.value]


def asked(at: AppTest) -> list[str]:
    """The ids of the queries in the gallery, in order."""
    return [re.findall(r"href='\./\?picture=(.*?)'", card)[0] for card in cards(at)]


def said(at: AppTest) -> str:
    return re.sub(r"\\(.)", r"\1", " ".join(e.value for e in (*at.caption, *at.markdown)))


@pytest.fixture
def measured(index_folder):
    index = Index.open(index_folder)
    (question,) = questions(index)
    return index, question, measure(index, question)


def test_the_page_shows_what_the_package_measures(open_page, measured):
    index, question, rows = measured
    at = open_page()
    assert not at.error
    assert "Each of the 12 pictures was the query once" in said(at)
    assert "Right is a picture of the same folder." in said(at)
    table = at.dataframe[0].value
    assert list(table["Descriptor"]) == [evaluate_data.title_of(row.descriptor) for row in rows]
    assert list(table["mAP"]) == [row.precision.mean for row in rows]
    assert list(table["Bytes a picture"]) == [row.bytes for row in rows]
    marked = list(table["Compared with the default"])
    assert [mark == "the default" for mark in marked] == [row.default for row in rows]
    assert len(at.get("vega_lite_chart")) == 1

    usual = evaluate_data.default_row(rows)
    worst = evaluate_data.ordered_outcomes(question, usual, None, True)
    assert asked(at) == [index.pictures[outcome.query].id for outcome in worst[:6]]
    assert f"average precision {100 * worst[0].precision:.1f} · first right" in cards(at)[0]
    right = [word == "right" for word in re.findall(r"\d [✕✓] (\w+)<", cards(at)[0])]
    labels = [image.label for image in question.dataset.images]
    assert right == [labels[row] == labels[worst[0].query] for row in worst[0].results[:7]]


def test_a_row_a_label_and_an_order_can_be_chosen(open_page, measured):
    index, question, rows = measured
    row = next(r for r in rows if (r.descriptor, r.matching) == ("rmac", "regions"))
    at = open_page()
    checked(at.selectbox(key="measured").set_value("R-MAC, regions").run())
    checked(at.selectbox(key="only").set_value("round").run())
    checked(at.segmented_control(key="order").set_value("Best queries").run())
    best = evaluate_data.ordered_outcomes(question, row, "round", False)
    assert asked(at) == [index.pictures[outcome.query].id for outcome in best]
    assert len(best) == 6 and not at.button  # all are shown


def test_an_address_restores_the_choice_and_nonsense_is_dropped(open_page):
    at = open_page(measured="R-MAC, regions", only="square", order="Best queries")
    assert at.selectbox(key="measured").value == "R-MAC, regions"
    assert at.selectbox(key="only").value == "square"
    at = open_page(measured="<b>", only="x", order="-1", right="nothing")
    assert at.selectbox(key="only").value == "All labels"
    assert len(cards(at)) == 6


def test_more_queries_come_on_request_and_another_choice_starts_again(open_page):
    at = open_page()
    checked(at.button[0].click().run())
    assert len(cards(at)) == 12
    assert not at.button
    checked(at.segmented_control(key="order").set_value("Best queries").run())
    assert len(cards(at)) == 6


def test_nothing_is_measured_twice(open_page, calls):
    opened.clear()
    made = calls("dff.app.views.evaluate.measure")
    at = open_page()
    checked(at.selectbox(key="only").set_value("round").run())
    open_page()
    assert len(made) == 1
    opened.clear()


def test_the_sample_index_has_categories_and_places(open_page):
    at = open_page("sample_index")
    assert "220 of the 222 pictures were the query once" in said(at)
    assert list(at.dataframe[0].value["Compared with the default"]).count("the default") == 1
    usual = Index.open("sample_index").descriptor
    assert at.selectbox(key="measured").value.startswith(f"{about(usual).title}, ")
    assert f"This is the default: what a search uses. {about(usual).says}" in said(at)
    checked(at.selectbox(key="only").set_value("landmark").run())
    assert len(cards(at)) == 6
    checked(at.segmented_control(key="right").set_value("Same place or thing").run())
    assert at.selectbox(key="only").value == "All labels"  # there is no landmark among these
    assert "Right is a picture of the same place or thing." in said(at)
    assert "The worst 20 of 34 labels." in said(at)


def test_without_labels_the_page_says_what_to_do_and_opens_reports(open_page, tmp_path, backbone):
    photos = tmp_path / "my photos"
    photos.mkdir()
    for number in range(2):
        Image.new("RGB", (64, 64), (90 * number, 120, 60)).save(photos / f"{number}.png")
    build(photos, tmp_path / "index", backbone, descriptors=("dff",), size=64)
    at = open_page(tmp_path / "index")
    assert not at.error and not at.dataframe and not cards(at)
    assert "This collection has no labels" in said(at)
    assert "python -m dff index build 'my photos' --out my_index" in at.code[0].value
    upload(at, json.dumps(REPORT).encode())
    assert len(at.dataframe) == 2


def test_a_damaged_index_is_said_and_reports_still_open(open_page, monkeypatch):
    def damaged(*_):
        raise IndexProblem("vectors.npy cannot be read")

    opened.clear()
    monkeypatch.setattr("dff.app.views.evaluate.measure", damaged)
    at = open_page()
    assert "cannot be read" in at.error[0].value
    upload(at, json.dumps(REPORT).encode())
    assert len(at.dataframe) == 2
    opened.clear()


# --- reports ---------------------------------------------------------------------------


def upload(at: AppTest, data: bytes) -> AppTest:
    return checked(at.file_uploader(key="report").set_value(("report.json", data, "")).run())


def test_a_report_is_shown_below_the_collection(open_page):
    at = open_page()
    assert any("python -m dff evaluate PHOTOS" in block.value for block in at.code)
    upload(at, json.dumps(REPORT).encode())
    assert not at.error
    assert "logos *27*" in said(at) and "1,200 queries, 4,000 pictures" in said(at)
    finding, locating = at.dataframe[1].value, at.dataframe[2].value
    assert finding.loc[0, "Descriptor"] == "R-MAC" and finding.loc[0, "mAP"] == 61.5
    assert locating.loc[0, "Method"] == "CAM" and locating.loc[0, "CorLoc"] == 55.0


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b'{"dataset": "x", "rows": [{"map": NaN}]}', b'{"dataset": "x", "rows": [1]}'],
)
def test_what_is_no_report_is_refused_in_one_line(open_page, data):
    at = upload(open_page(), data)
    assert len(at.error) == 1 and "expected" in at.error[0].value
    assert len(at.dataframe) == 1 and len(cards(at)) == 6  # the rest of the page is there
