"""What the evaluate page says: measured rows and reports in, plain records out, no Streamlit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dff.descriptors import about
from dff.evaluation.datasets.base import ALL
from dff.evaluation.protocols import Difference
from dff.evaluation.report_file import ReportMethod, ReportRow
from dff.evaluation.stored import LabelMean, Measured, Outcome, Question, is_right
from dff.export.page import data_uri
from dff.index import Index

RESULTS = 7  # shown of each query: with the query itself, rows of eight, or of four on a phone
MOST_LABELS = 20  # bars of the chart

MATCHING = {"vector": "one vector", "regions": "regions", "mutual": "regions, both ways"}
DEFAULT = "the default"
AGAINST = "Compared with the default"
# The columns of a report for what its rows may differ in (`dff.evaluation.report_file.SETTINGS`).
SETTING = {
    "backbone": "Network",
    "layer": "Layer",
    "size": "Size",
    "scales": "Scales",
    "k": "Parts",
    "whitening_on": "Whitening from",
    "rerank": "Ranked again by",
}
# What a right answer shares with the query: for the control, and within a sentence.
KINDS = {"category": "Same category", "folder": "Same folder", "instance": "Same place or thing"}
SHARED = {"category": "category", "folder": "folder", "instance": "place or thing"}

Record = dict[str, Any]


@dataclass(frozen=True)
class ResultFacts:
    """One result of a query. place: from 1. source: of its image."""

    place: int
    right: bool
    title: str
    label: str
    source: str


@dataclass(frozen=True)
class AnswerFacts:
    """One query with its first results. precision: in percent. first: the place of the first
    right picture, from 1. right: how many pictures it should find. results: none after the last
    of those, where all that follows would be wrong without any fault."""

    id: str
    title: str
    label: str
    source: str
    precision: float
    first: int
    right: int
    results: tuple[ResultFacts, ...]


def title_of(descriptor: str) -> str:
    """A descriptor's plain name; a stranger's name as it is."""
    try:
        return about(descriptor).title
    except ValueError:
        return descriptor


def row_name(row: Measured) -> str:
    """What a row of the table is called where it is chosen."""
    return f"{title_of(row.descriptor)}, {MATCHING[row.matching]}"


def default_row(rows: Sequence[Measured]) -> Measured:
    """The row of what a search uses."""
    return next(row for row in rows if row.default)


def words(label: str) -> str:
    """A label as people write it: "solar panel"."""
    return label.replace("_", " ").strip() or label


def measured_sentence(question: Question) -> str:
    """How many pictures ask, and what counts as right."""
    data, shared = question.dataset, SHARED[question.kind]
    asking, pictures = len(data.queries), len(data.images)
    if asking == pictures:
        asked = f"Each of the {pictures} pictures was the query once"
    elif asking < question.possible:
        asked = f"{asking} of the {pictures} pictures, evenly drawn, were the query once"
    else:
        asked = f"{asking} of the {pictures} pictures were the query once"
    told = f"{asked}, and all others were ranked. Right is a picture of the same {shared}."
    if alone := pictures - question.possible:
        are = "One picture is" if alone == 1 else f"{alone} pictures are"
        told += f" {are} searched but never asked for: no other has the same {shared}."
    return told


def certainty_sentence(rows: Sequence[Measured], question: Question) -> str:
    """How much of a difference may be chance."""
    precision = default_row(rows).precision
    reach = (precision.high - precision.low) / 2
    told = (
        "mAP, mean average precision, says how early the right pictures come; 100 is all of them "
        f"first. With {len(question.dataset.queries)} queries it is known to about "
        f"{max(reach, 0.1):.1f} points either way."
    )
    if len(rows) > 1:
        told += (
            " The comparison with the default goes query by query, so it can tell smaller "
            "differences from chance."
        )
    return told


def measured_records(rows: Sequence[Measured]) -> list[Record]:
    """The table of an index, in the order of its rows."""
    return [
        {
            "Descriptor": title_of(row.descriptor),
            "Matching": MATCHING[row.matching],
            "mAP": row.precision.mean,
            "95 % interval": _interval(row.precision.low, row.precision.high),
            "P@1": row.first,
            AGAINST: comparison(row.default, row.against),
            "Dimensions": row.dimensions,
            "Bytes a picture": row.bytes,
        }
        for row in rows
    ]


def comparison(default: bool, against: Difference | None) -> str:
    """ "worse: −2.2 (−3.6 to −1.1)", "may be chance: ..." where the interval holds 0."""
    if default:
        return DEFAULT
    if against is None:  # there is no default to compare with
        return ""
    low, high = round(against.low, 1), round(against.high, 1)  # as they are written
    verdict = "better" if low > 0 else "worse" if high < 0 else "may be chance"
    return f"{verdict}: {signed(against.mean)} ({signed(low)} to {signed(high)})"


def signed(points: float) -> str:
    """ "+1.2", "−0.3" with a true minus, and "0.0" without a sign."""
    text = f"{points:+.1f}".replace("-", "−")
    return "0.0" if text in ("+0.0", "−0.0") else text


def report_records(rows: Iterable[ReportRow]) -> list[Record]:
    """The retrieval table of a report, best first.

    There is a column for each task if there are several, and for each setting in which rows
    differ.
    """
    ordered = sorted(rows, key=lambda row: -row.precision)
    tasks = list(dict.fromkeys(task for row in ordered for task in row.by_task))
    differ = [
        (name, title)
        for name, title in SETTING.items()
        if len({row.settings.get(name) for row in ordered}) > 1
    ]
    records = []
    for row in ordered:
        means: Record = {f"mAP {task}": row.by_task.get(task) for task in tasks}
        records.append(
            {
                "Descriptor": title_of(row.descriptor),
                "Matching": MATCHING.get(row.matching, row.matching),
                "Whitening": row.whitening,
                **{title: row.settings.get(name, "") for name, title in differ},
                **(means or {"mAP": row.precision}),
                "95 % interval": _interval(*row.interval) if row.interval else "",
                "P@1": row.first,
                AGAINST: comparison(row.default, row.against),
                "Dimensions": row.dimensions,
                "Bytes a picture": row.bytes,
                "ms a picture": _milliseconds(row.seconds),
            }
        )
    return records


def method_records(methods: Iterable[ReportMethod]) -> list[Record]:
    """The localisation table of a report, in its order."""
    return [
        {
            "Method": method.method,
            "Mask IoU": method.mask_iou,
            "Box IoU": method.box_iou,
            "CorLoc": method.corloc,
            "Note": DEFAULT if method.default else "",
            "ms a picture": _milliseconds(method.seconds),
        }
        for method in methods
    ]


def label_records(means: Sequence[LabelMean]) -> list[Record]:
    """The bars of the chart, worst first, at most 20."""
    return [
        {"label": words(mean.label), "mAP": mean.precision, "queries": mean.queries}
        for mean in means[:MOST_LABELS]
    ]


def ordered_outcomes(
    question: Question, row: Measured, label: str | None, worst: bool
) -> list[Outcome]:
    """The queries of a label (all of them for None), worst or best first; ties by their rows."""
    images = question.dataset.images
    found = [o for o in row.outcomes if label is None or images[o.query].label == label]
    direction = 1 if worst else -1
    return sorted(found, key=lambda o: (direction * o.precision, -direction * o.first, o.query))


def answer_facts(index: Index, question: Question, outcome: Outcome) -> AnswerFacts:
    """A query and its first results, as the gallery shows them."""
    images = question.dataset.images
    asking = index.pictures[outcome.query]
    (wanted,) = (
        len(ask.tasks[ALL].positives)
        for ask in question.dataset.queries
        if ask.image == outcome.query
    )
    results: list[ResultFacts] = []
    for place, row in enumerate(outcome.results[:RESULTS], start=1):
        if sum(result.right for result in results) == wanted:
            break
        results.append(
            ResultFacts(
                place=place,
                right=is_right(question, outcome.query, row),
                title=index.pictures[row].title,
                label=words(images[row].label),
                source=data_uri(index.thumbnail(row)),
            )
        )
    return AnswerFacts(
        id=asking.id,
        title=asking.title,
        label=words(images[outcome.query].label),
        source=data_uri(index.thumbnail(outcome.query)),
        precision=100 * outcome.precision,
        first=outcome.first,
        right=wanted,
        results=tuple(results),
    )


def _interval(low: float, high: float) -> str:
    return f"{low:.1f} to {high:.1f}"


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds
