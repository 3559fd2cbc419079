"""Records of a search and of a factorization: exact JSON and CSV."""

import csv
import io
import json
from types import SimpleNamespace

import numpy as np
import pytest

from dff.export.records import (
    contributions_csv,
    factorization_record,
    parts_csv,
    results_csv,
    search_record,
)
from dff.factorization import factorize_activations


def match(rank: int, id: str, table: np.ndarray | None, **more) -> SimpleNamespace:
    score = 0.5 if table is None else float(table.sum())
    facts = {"path": f"{id}.jpg", "score": score, "is_query": False, **more}
    return SimpleNamespace(rank=rank, id=id, contributions=table, **facts)


@pytest.fixture
def record(index):
    """Two results: one with a table of 2 x 3 and a box, one without either."""
    table = np.array([[0.25, 0, -0.125], [0.5, 0.0625, 0]], np.float32)
    query = index.indexed_query("shape_00", "rmac")
    found = [match(1, "a", table), match(2, "=cmd()", None, is_query=True)]
    boxes = [(1, 2, 30, 40), None]
    return search_record(index, query, found, boxes, path="square/a.png", weights=[1, 0.5])


def test_a_search_is_the_commands_document(index, record):
    assert record == {
        "query": {
            "path": "square/a.png",
            "box": None,
            "k": 4,
            "size": 128,
            "seed": 0,
            "backbone": "efficientnet_lite0",
            "layer": "block6+last",
            "weights": [1.0, 0.5],
        },
        "descriptor": "rmac",
        "matching": "vector",
        "results": [
            {
                "rank": 1,
                "id": "a",
                "path": "a.jpg",
                "score": 0.6875,
                "box": [1, 2, 30, 40],
                "contributions": [[0.25, 0.0, -0.125], [0.5, 0.0625, 0.0]],
                "is_query": False,
            },
            {
                "rank": 2,
                "id": "=cmd()",
                "path": "=cmd().jpg",
                "score": 0.5,
                "box": None,
                "contributions": None,
                "is_query": True,
            },
        ],
    }
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    plain = search_record(index, index.indexed_query("shape_00"), [], [], path="x", rerank="aqe")
    assert "weights" not in plain["query"]
    assert (plain["rerank"], plain["matching"], plain["results"]) == ("aqe", "vector", [])


def test_results_as_csv(record):
    assert results_csv(record) == (
        "rank,id,path,score,x0,y0,x1,y1,is_query\n"
        "1,a,a.jpg,0.6875,1,2,30,40,false\n"
        "2,'=cmd(),'=cmd().jpg,0.5,,,,,true\n"
    )


def test_contributions_as_csv_sum_to_the_scores(record):
    text = contributions_csv(record)
    assert text == (
        "rank,id,query_part,target_part,contribution\n"
        "1,a,1,1,0.25\n1,a,1,2,0.0\n1,a,1,3,-0.125\n"
        "1,a,2,1,0.5\n1,a,2,2,0.0625\n1,a,2,3,0.0\n"
    )
    cells = [float(row["contribution"]) for row in csv.DictReader(io.StringIO(text))]
    assert sum(cells) == record["results"][0]["score"]


@pytest.mark.parametrize("name", ["=1+1", "+x", "-x", "@sum", "\tx", 'a,"b"\nc'])
def test_no_text_is_a_formula_and_every_text_is_one_cell(record, name):
    record["results"][0]["id"] = name
    (first, _) = csv.DictReader(io.StringIO(results_csv(record)))
    assert first["id"].removeprefix("'") == name
    assert first["id"][0] not in "=+-@\t"


def test_parts_as_csv_and_json():
    """Two parts that share nothing: one in the upper left cell, one in the lower right."""
    activations = np.zeros((2, 2, 3), np.float32)
    activations[0, 0, 0], activations[1, 1, 2] = 2, 1
    parts = factorize_activations(activations, 2)
    assert parts_csv(parts, ["left", "-x"]) == (
        "part,name,energy,peak,row,column,dead\n"
        "1,left,0.800000,2.000000,0,0,false\n"
        "2,'-x,0.200000,1.000000,1,2,false\n"
    )
    record = factorization_record(parts, (300, 200), "net", "last")
    assert (record["backbone"], record["layer"], record["k"]) == ("net", "last", 2)
    assert (record["grid"], record["size"]) == ([2, 3], [300, 200])
    assert record["energy"] == pytest.approx([0.8, 0.2]) and record["dead"] == [False, False]
    assert json.loads(json.dumps(record, allow_nan=False)) == record
