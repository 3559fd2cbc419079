"""Reading a report.json: what was written comes back, everything else is refused in one line."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dff.evaluation.datasets.base import Sample, asks_by_label, assemble
from dff.evaluation.locating import Method
from dff.evaluation.protocols import Difference
from dff.evaluation.report import write_report
from dff.evaluation.report_file import MOST_BYTES, MOST_ROWS, ReportProblem, read_report
from dff.evaluation.retrieval import Answer, Row, Settings
from dff.evaluation.runner import Evaluation

ROW = {
    "descriptor": "dff_gem",
    "backbone": "net",
    "whitening": "1/16",
    "matching": "regions",
    "dimensions": 512,
    "regions": 4.0,
    "map": 79.25,
    "p_at_1": 90,
    "seconds": 0.125,
    "bytes": 8192,
    "default": True,
}
METHOD = {
    "method": "joint DFF",
    "mask_iou": None,
    "box_iou": 0.5,
    "corloc": 62.5,
    "seconds": 0.03,
    "default": False,
}


def document(row: object = None, method: object = None, **changes: object) -> dict[str, object]:
    made = {
        "dataset": "logos",
        "queries": 10,
        "images": 20,
        "cropped": True,
        "rows": [ROW | row if isinstance(row, dict) else row or ROW],
        "localization": [METHOD | method if isinstance(method, dict) else METHOD],
    }
    return made | changes


def read(value: object) -> object:
    return read_report(json.dumps(value).encode())


def test_what_was_written_comes_back():
    report = read(document())
    assert (report.dataset, report.queries, report.images, report.cropped) == (
        "logos",
        10,
        20,
        True,
    )
    (row,), (method,) = report.rows, report.methods
    assert (row.descriptor, row.whitening, row.matching) == ("dff_gem", "1/16", "regions")
    assert (row.precision, row.first, row.dimensions, row.bytes) == (79.25, 90.0, 512, 8192)
    assert (row.seconds, row.default, row.by_task) == (0.125, True, {})
    assert (row.interval, row.against, row.settings) == (None, None, {"backbone": "net"})
    assert (method.method, method.mask_iou, method.box_iou) == ("joint DFF", None, 0.5)
    assert (method.corloc, method.seconds, method.default) == (62.5, 0.03, False)


def test_a_report_of_the_evaluation_itself_can_be_read(tmp_path):
    images = [Sample(Path(f"/{n}"), f"{n}", frozenset("a"), "a") for n in range(2)]
    dataset = assemble("two", "finite", images, asks_by_label(images, [0, 1], [0, 1]), [0, 1])
    settings = Settings("dff", "net", "last", 128, (1.0, 0.5), 4, "1/16", "itself", "vector")
    answers = (Answer(0, 0.25, ()), Answer(1, 0.75, ()))
    rows = (
        Row(settings, 8, 4.0, {"all": 50.0}, 25.0, 0.5, 32, True, answers),
        Row(replace(settings, rerank="dba"), 8, 4.0, {"all": 50.0}, 25.0, 0.5, 32, False, answers),
    )
    located = (Method("whole image", 0.25, 0.5, 75.0, 0.0, False),)
    write_report(Evaluation(dataset, 4, False, rows, located, ()), tmp_path)
    report = read_report((tmp_path / "report.json").read_bytes())
    first, second = report.rows
    assert (first.descriptor, first.whitening, first.matching) == ("dff", "1/16", "vector")
    assert (first.precision, first.first, first.bytes, first.default) == (50.0, 25.0, 32, True)
    assert first.settings["scales"] == "1, 0.5" and first.settings["whitening_on"] == "itself"
    assert second.settings == first.settings | {"rerank": "dba"}
    assert first.interval == (25.0, 75.0)
    assert second.against == Difference(0.0, 0.0, 0.0)
    (method,) = report.methods
    assert (method.method, method.mask_iou, method.corloc) == ("whole image", 0.25, 75.0)


def test_what_else_a_row_may_say():
    (row,) = read(
        document(
            {
                "layer": "block6+last",
                "size": 512,
                "scales": [1, 0.71],
                "k": None,
                "rerank": "dba",
                "map_low": 70.5,
                "map_high": 80,
                "vs_default": {"difference": -2, "low": -3.5, "high": 1},
            }
        )
    ).rows
    assert row.settings == {
        "backbone": "net",
        "layer": "block6+last",
        "size": "512",
        "scales": "1, 0.71",
        "rerank": "dba",
    }
    assert row.interval == (70.5, 80.0)
    assert row.against == Difference(-2.0, -3.5, 1.0)


def test_only_what_every_report_has_is_needed():
    lean = {name: value for name, value in ROW.items() if name not in ("seconds", "bytes")}
    report = read({"dataset": "d", "queries": 1, "images": 2, "rows": [lean]})
    assert (report.rows[0].seconds, report.rows[0].bytes) == (None, None)
    assert (report.methods, report.cropped) == ((), False)


def test_the_tasks_of_revisited_datasets():
    report = read(document({"map_by_task": {"easy": 80, "hard": 20.5}}))
    assert report.rows[0].by_task == {"easy": 80.0, "hard": 20.5}


def test_names_are_one_short_line():
    report = read(document({"descriptor": "a\nb\u202e" + "x" * 200}, dataset=" \ud800 d "))
    assert report.rows[0].descriptor == "a b " + "x" * 75 + "…"
    assert report.dataset == "d"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "not JSON"),
        (b"<html>", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"rows": ' + b"9" * 5000 + b"}", "not JSON"),
        (b'{"rows": NaN}', "got NaN"),
        (b'{"rows": -Infinity}', "got -Infinity"),
        (b"[]", "other JSON"),
        (b'"text"', "other JSON"),
        (b'{"type": "FeatureCollection"}', "other JSON"),
        (b" " * (MOST_BYTES + 1), "at most 4 MB"),
    ],
)
def test_other_files_are_refused(data, told):
    with pytest.raises(ReportProblem, match=told):
        read_report(data)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"map": "79"}, r"rows\[0\]: map: expected a number, got 79"),
        ({"map": True}, "map: .* got True"),
        ({"map": None}, "map: .* got nothing"),
        ({"map": 100.5}, "map: expected a number from 0 to 100, got 100.5"),
        ({"map": -1}, "map: .* got -1"),
        ({"map": 10**400}, "map: expected"),
        ({"p_at_1": [1]}, "p_at_1: .* got a list of 1"),
        ({"dimensions": 1.5}, "dimensions: expected a whole number"),
        ({"dimensions": 10**13}, "dimensions: expected a whole number"),
        ({"bytes": -1}, "bytes: expected a whole number"),
        ({"seconds": {}}, "seconds: .* got an object"),
        ({"default": 1}, "default: expected true or false, got 1"),
        ({"descriptor": " "}, "descriptor: expected text"),
        ({"descriptor": 3}, "descriptor: expected text, got 3"),
        ({"map_low": -1}, "map_low: .* got -1"),
        ({"vs_default": 3}, r"rows\[0\]: vs_default: expected a JSON object, got 3"),
        ({"vs_default": {"difference": -101, "low": 0, "high": 0}}, "from -100 to 100, got -101"),
        ({"vs_default": {"difference": 1}}, "vs_default: low: .* got nothing"),
        ({"layer": {}}, "layer: expected a number"),
        ({"scales": [1, "x"]}, "scales: expected a number, got x"),
        ({"scales": [1] * 11}, "scales: expected at most 10 numbers, got a list of 11"),
        ({"size": True}, "size: expected a number"),
        ({"map_by_task": [1]}, "map_by_task: expected an object"),
        ({"map_by_task": {"easy": 101}}, r"map_by_task\.easy: .* got 101"),
        ({"map_by_task": {str(n): 1 for n in range(11)}}, "at most 10 numbers"),
    ],
)
def test_rows_with_wrong_values_are_refused(changes, told):
    with pytest.raises(ReportProblem, match=told):
        read(document(changes))


@pytest.mark.parametrize("name", ["map", "p_at_1", "box_iou"])
def test_a_number_that_overflows_is_refused(name):
    text = json.dumps(document()).replace(f'"{name}": ', f'"{name}": 1e999, "old": ')
    with pytest.raises(ReportProblem, match=f"{name}: .* got inf"):
        read_report(text.encode())


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rows": {}}, "rows: expected a list"),
        ({"rows": ["x"]}, r"rows\[0\]: expected a JSON object, got x"),
        ({"rows": [ROW] * (MOST_ROWS + 1)}, "rows: expected a list of at most 5000"),
        ({"rows": [], "localization": []}, "got empty tables"),
        ({"localization": None}, "localization: expected a list .* got nothing"),
        ({"localization": [METHOD | {"box_iou": 1.5}]}, r"localization\[0\]: box_iou: .* 0 to 1"),
        ({"queries": "ten"}, "queries: expected a whole number"),
        ({"images": True}, "images: expected a whole number"),
        ({"dataset": ["d"]}, "dataset: expected text"),
        ({"cropped": "no"}, "cropped: expected true or false"),
    ],
)
def test_documents_with_wrong_values_are_refused(changes, told):
    with pytest.raises(ReportProblem, match=told):
        read(document(**changes))
