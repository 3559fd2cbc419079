"""What the evaluate page says of planted measurements."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from dff.app import evaluate_data, evaluate_markup
from dff.app.evaluate_data import AnswerFacts, ResultFacts
from dff.evaluation.datasets.base import Sample, asks_by_label, assemble
from dff.evaluation.protocols import Difference
from dff.evaluation.report_file import ReportMethod, ReportRow
from dff.evaluation.stored import LabelMean, Measured, Outcome, Question

LABELS = ("solar_panel", "solar_panel", "dam", "dam", "dam", "")
PRECISIONS = (0.5, 1.0, 0.25, 1.0, 0.5)


def question(kind: str = "category", possible: int = 5) -> Question:
    images = [
        Sample(Path(f"/{n}"), f"{n}", frozenset([label] if label else []), label)
        for n, label in enumerate(LABELS)
    ]
    asks = asks_by_label(images, range(5), range(6))
    return Question(kind, assemble("six", "finite", images, asks, range(6)), possible)


def row(**changes: object) -> Measured:
    outcomes = tuple(Outcome(n, p, round(1 / p), (5,)) for n, p in enumerate(PRECISIONS))
    facts = {
        "descriptor": "gem",
        "matching": "vector",
        "dimensions": 8,
        "regions": 1.0,
        "precision": Difference(79.26, 76.96, 81.94),
        "against": Difference(-2.24, -3.59, -1.08),
        "first": 90.9,
        "bytes": 32,
        "default": False,
        "outcomes": outcomes,
    }
    return Measured(**{**facts, **changes})


DEFAULT = row(descriptor="dff_gem", matching="regions", against=None, default=True)


def test_the_table_of_an_index():
    first, second = evaluate_data.measured_records([row(), DEFAULT])
    assert first == {
        "Descriptor": "GeM",
        "Matching": "one vector",
        "mAP": 79.26,
        "95 % interval": "77.0 to 81.9",
        "P@1": 90.9,
        "Compared with the default": "worse: −2.2 (−3.6 to −1.1)",
        "Dimensions": 8,
        "Bytes a picture": 32,
    }
    assert second["Compared with the default"] == "the default"
    assert evaluate_data.row_name(DEFAULT).endswith(", regions")


@pytest.mark.parametrize(
    ("against", "told"),
    [
        (Difference(1.0, 0.5, 1.5), "better: +1.0 (+0.5 to +1.5)"),
        (Difference(-1.0, -2.0, 0.5), "may be chance: −1.0 (−2.0 to +0.5)"),
        # What is written as 0.0 may not be called a difference.
        (Difference(-0.5, -1.0, -0.04), "may be chance: −0.5 (−1.0 to 0.0)"),
        (Difference(0.5, 0.04, 1.0), "may be chance: +0.5 (0.0 to +1.0)"),
        (None, ""),
    ],
)
def test_a_comparison_says_whether_it_may_be_chance(against, told):
    assert evaluate_data.comparison(False, against) == told


def test_the_sentence_on_what_was_measured():
    told = evaluate_data.measured_sentence(question())
    assert told == (
        "5 of the 6 pictures were the query once, and all others were ranked. Right is a picture "
        "of the same category. One picture is searched but never asked for: no other has the same "
        "category."
    )
    drawn = evaluate_data.measured_sentence(question("instance", possible=6))
    assert drawn == (
        "5 of the 6 pictures, evenly drawn, were the query once, and all others were ranked. "
        "Right is a picture of the same place or thing."
    )


def test_the_sentence_on_chance_names_half_the_interval():
    told = evaluate_data.certainty_sentence([row(), DEFAULT], question())
    known = "With 5 queries it is known to about 2.5 points either way."
    assert told.startswith("mAP, mean average precision, says how early") and known in told
    assert "The comparison with the default goes query by query" in told
    alone = evaluate_data.certainty_sentence([DEFAULT], question())
    assert alone.endswith(known)


def test_queries_are_ordered_by_their_precision():
    def order(label: str | None, worst: bool) -> list[int]:
        found = evaluate_data.ordered_outcomes(question(), row(), label, worst)
        return [outcome.query for outcome in found]

    assert order(None, True) == [2, 0, 4, 1, 3]
    assert order(None, False) == [1, 3, 0, 4, 2]
    assert order("dam", True) == [2, 4, 3]


def test_the_chart_has_the_worst_labels_and_says_them_as_people_do():
    means = [LabelMean(f"label_{n:02}", float(n), 2) for n in range(30)]
    records = evaluate_data.label_records(means)
    assert len(records) == evaluate_data.MOST_LABELS == 20
    assert records[0] == {"label": "label 00", "mAP": 0.0, "queries": 2}
    assert evaluate_data.words("_") == "_"


# --- the gallery -----------------------------------------------------------------------


def facts_of(*results: int) -> AnswerFacts:
    """Of query 2, a dam: 3 and 4 are right."""
    pictures = [SimpleNamespace(id=f"id{n}", title=f"title {n}") for n in range(6)]
    index = SimpleNamespace(pictures=pictures, thumbnail=lambda row: bytes([row]))
    outcome = Outcome(2, 0.25, 2, results)
    return evaluate_data.answer_facts(index, question(), outcome)


def test_an_answer_has_the_query_and_judged_results():
    facts = facts_of(0, 3, 5, 4)
    assert (facts.id, facts.title, facts.label) == ("id2", "title 2", "dam")
    assert facts.source == "data:image/jpeg;base64,Ag=="  # byte 2
    assert facts.results[1].source == "data:image/jpeg;base64,Aw=="
    assert (facts.precision, facts.first, facts.right) == (25, 2, 2)
    assert [(r.place, r.right, r.title, r.label) for r in facts.results] == [
        (1, False, "title 0", "solar panel"),
        (2, True, "title 3", "dam"),
        (3, False, "title 5", ""),
        (4, True, "title 4", "dam"),
    ]


def test_after_the_last_right_one_nothing_is_called_wrong():
    assert [r.right for r in facts_of(3, 4, 0, 1, 5).results] == [True, True]


def test_right_and_wrong_differ_in_words_and_signs_and_names_are_escaped():
    hostile = "<b>&'\""
    results = (
        ResultFacts(1, False, hostile, "dam", "data:1"),
        ResultFacts(2, True, "t", "dam", "data:2"),
    )
    facts = AnswerFacts("a b&c", hostile, "dam", "data:0", 25.0, 2, 1, results)
    html = evaluate_markup.answer(facts, compare=True)
    assert re.findall(r"dff-verdict'>(.*?)</span>", html) == ["query", "1 ✕ wrong", "2 ✓ right"]
    assert re.findall(r"<figure class='(.*?)'", html) == ["dff-asks", "dff-wrong", "dff-right"]
    assert "<b><b>" not in html and "&lt;b&gt;&amp;&#x27;&quot;" in html
    assert re.findall(r"href='(.*?)'", html) == [
        "./?picture=a%20b%26c",
        "compare?picture=a%20b%26c",
    ]
    assert "average precision 25.0 · first right in place 2 · 1 right one to find" in html
    assert "No more right ones to find." in html
    assert "Compare" not in evaluate_markup.answer(facts, compare=False)


# --- reports ---------------------------------------------------------------------------


def report_row(descriptor: str, precision: float, **changes: object) -> ReportRow:
    facts = {
        "descriptor": descriptor,
        "whitening": "none",
        "matching": "regions",
        "settings": {"layer": "last", "k": "4"},
        "dimensions": 8,
        "precision": precision,
        "interval": None,
        "against": None,
        "by_task": {},
        "first": 50.0,
        "seconds": 0.25,
        "bytes": None,
        "default": False,
    }
    return ReportRow(**{**facts, **changes})


def test_the_table_of_a_report_is_sorted_and_its_default_marked_in_words():
    best, other = evaluate_data.report_records(
        [
            report_row("nobody's", 10.0, matching="αQE", against=Difference(-10.0, -12.0, -8.0)),
            report_row("gem", 20.0, default=True, interval=(18.04, 22.0)),
        ]
    )
    assert best == {
        "Descriptor": "GeM",
        "Matching": "regions",
        "Whitening": "none",
        "mAP": 20.0,
        "95 % interval": "18.0 to 22.0",
        "P@1": 50.0,
        "Compared with the default": "the default",
        "Dimensions": 8,
        "Bytes a picture": None,
        "ms a picture": 250.0,
    }
    assert (other["Descriptor"], other["Matching"]) == ("nobody's", "αQE")
    assert other["95 % interval"] == ""
    assert other["Compared with the default"] == "worse: −10.0 (−12.0 to −8.0)"


def test_settings_have_a_column_where_they_differ():
    first, second = evaluate_data.report_records(
        [
            report_row("dff", 20.0, settings={"layer": "last", "rerank": "dba"}),
            report_row("dff", 10.0, settings={"layer": "last", "k": "6"}),
        ]
    )
    assert [name for name in first if name in evaluate_data.SETTING.values()] == [
        "Parts",
        "Ranked again by",
    ]
    assert (first["Parts"], first["Ranked again by"]) == ("", "dba")
    assert (second["Parts"], second["Ranked again by"]) == ("6", "")


def test_every_task_has_its_column():
    tasks = {"easy": 80.0, "hard": 20.0}
    first, second = evaluate_data.report_records(
        [report_row("gem", 50.0, by_task=tasks), report_row("mac", 40.0, by_task={"easy": 70.0})]
    )
    assert "mAP" not in first
    assert (first["mAP easy"], first["mAP hard"]) == (80.0, 20.0)
    assert (second["mAP easy"], second["mAP hard"]) == (70.0, None)


def test_the_localisation_table_of_a_report():
    (record,) = evaluate_data.method_records(
        [ReportMethod("joint DFF", None, 0.5, 62.5, 0.031, True)]
    )
    assert record == {
        "Method": "joint DFF",
        "Mask IoU": None,
        "Box IoU": 0.5,
        "CorLoc": 62.5,
        "Note": "the default",
        "ms a picture": 31.0,
    }
