"""The retrieval table in words: which columns it has, and what it comes to."""

from dataclasses import replace

import pytest

from dff.evaluation.datasets.base import ALL, Dataset
from dff.evaluation.retrieval import Answer, Row, Settings
from dff.evaluation.runner import Evaluation
from dff.evaluation.table import name_of, networks_of, retrieval_table, verdict

SETTINGS = Settings("dff", "net", "last", 128, (1.0,), 4, "none", None, "vector")
ALWAYS = ["descriptor", "whitening", "matching"]
NUMBERS = ["dimensions", "mAP", "95 %", "against the default", "P@1", "ms", "bytes", ""]


def row(settings: Settings, precisions: tuple[float, ...], default: bool = False) -> Row:
    answers = tuple(Answer(n, p, ()) for n, p in enumerate(precisions))
    mean = {ALL: 100 * sum(precisions) / len(precisions)}
    return Row(settings, 8, 1.0, mean, 50.0, 0.25, 32, default, answers)


def run_of(*rows: Row) -> Evaluation:
    dataset = Dataset("planted", "finite", (), (), None, (ALL,), {})
    return Evaluation(dataset, 4, False, rows, (), ())


@pytest.mark.parametrize(
    ("changes", "heads"),
    [
        ({}, ALWAYS),
        ({"descriptor": "gem", "k": None}, ALWAYS),
        ({"whitening": "1/4", "whitening_on": "itself"}, ALWAYS),
        ({"backbone": "vgg16"}, ["descriptor", "network", "whitening", "matching"]),
        ({"layer": "block5"}, ["descriptor", "layer", "whitening", "matching"]),
        ({"scales": (1.0, 0.7)}, ["descriptor", "scales", "whitening", "matching"]),
        ({"k": 8}, ["descriptor", "k", "whitening", "matching"]),
        ({"rerank": "aqe"}, [*ALWAYS, "ranked again"]),
    ],
)
def test_settings_that_differ_have_a_column(changes, heads):
    found, lines = retrieval_table(
        run_of(row(SETTINGS, (0.5,)), row(replace(SETTINGS, **changes), (0.25,)))
    )
    assert found == [*heads, *NUMBERS]
    assert {len(line.cells) for line in lines} == {len(found)}


def test_cells_are_worked_out_by_hand():
    other = replace(SETTINGS, whitening="1/4", whitening_on="logos", scales=(1.0, 0.5))
    third = replace(SETTINGS, whitening="1/4", whitening_on="itself", rerank="dba")
    head, lines = retrieval_table(
        run_of(row(SETTINGS, (0.5,), True), row(other, (0.75,)), row(third, (0.25,)))
    )
    assert head[:6] == [
        "descriptor",
        "scales",
        "whitening",
        "fitted on",
        "matching",
        "ranked again",
    ]
    first = ("dff", "1, 0.5", "1/4", "logos", "vector", "", "8", "75.0", "75.0 to 75.0")
    end = ("+25.0 (+25.0 to +25.0)", "50.0", "250", "32", "best of dff, level with the best")
    assert lines[0].cells == (*first, *end) and lines[0].kinds == ("best", "level")
    assert [line.kinds for line in lines[1:]] == [("default",), ("level",)]
    assert retrieval_table(run_of()) == ([], [])


def test_the_verdict_says_what_is_within_noise_of_the_best():
    best = replace(SETTINGS, whitening="pairs", whitening_on="logos", rerank="aqe")
    assert name_of(best) == "dff, whitening pairs fitted on logos, vector, ranked again by aqe"
    best = replace(best, rerank=None)
    named = "dff, whitening pairs fitted on logos, vector"
    clear = run_of(row(best, (0.9, 0.9)), row(SETTINGS, (0.5, 0.5)))
    start = f"The best row is {named}"
    assert verdict(clear) == f"{start}; none of 1 others may be as good."
    mixed = verdict(run_of(row(best, (0.9, 0.5)), row(SETTINGS, (0.4, 0.9), True)))
    assert mixed.startswith(f"{start}; 1 of 1 others may be as good, the default among them.")
    assert "marked “level with the best”: the 95 % interval" in mixed
    worse = [row(SETTINGS, (0.4, 0.9)), row(SETTINGS, (0.4, 0.9)), row(SETTINGS, (0, 0), True)]
    told = verdict(run_of(row(best, (0.9, 0.5)), *worse))
    assert told.startswith(f"{start}; 2 of 3 others may be as good, the default not.")
    both = run_of(row(best, (0.5, 0.5)), row(replace(best, rerank="aqe"), (0.9, 0.9)))
    assert verdict(both) == (
        f"The best row is {named}. Of those ranked again it is {named}, ranked again by aqe."
    )
    assert verdict(run_of()) == ""


def test_what_the_rows_were_made_from():
    several = [SETTINGS, replace(SETTINGS, layer="block5", k=8), replace(SETTINGS, k=None)]
    assert networks_of(several) == (
        "Network net, layer last and net, layer block5; longest side 128 pixels; "
        "k = 4, 8 parts a picture."
    )
    assert networks_of(several[2:]) == "Network net, layer last; longest side 128 pixels."
