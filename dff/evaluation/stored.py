"""How well an index finds its own pictures: measured from what it stores, leave one out.

No network runs and no photo is read. Scores are those of a search: what is measured is what a
user gets. Relevant is what shares a label; a picture that shares its label with nobody is searched
and does not ask. Finite-sum average precision (`dff.evaluation.protocols`).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dff.descriptors import MATCHINGS, matching_of
from dff.evaluation.datasets.base import Ask, Dataset, Sample, absolute, asks_by_label, assemble
from dff.evaluation.protocols import (
    Difference,
    average_precision,
    bootstrap_difference,
    rank,
    relevant_ranks,
)
from dff.evaluation.stored_scores import matched_scores
from dff.index import Index, IndexProblem
from dff.index.collection import read_facts

WATCHED = 20  # results kept of each query
# Query-picture pairs that are compared, or what a page waits for would take minutes: collections
# of more than 2000 pictures ask with an even selection of them.
MOST_PAIRS = 4_000_000
RESAMPLES = 1000  # the ends of an interval move by less than 0.1 mAP with more

Labels = Sequence[str]


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked of an index: its pictures, which of them ask, and what is right for each.

    kind: what a right picture shares with the query: "category" (photos.csv, kept in the index),
    "folder" (the sub-folder in which a photo lies, where categories do not do) or "instance"
    (the same place or thing: a column of the photos.csv beside the photos, if it is there).
    possible: how many pictures could ask; of large collections only some do.
    """

    kind: str
    dataset: Dataset
    possible: int


@dataclass(frozen=True, eq=False)
class Outcome:
    """How one query went. precision: its average precision, 0..1. first: the place of the first
    right picture, from 1. results: the first rows, best first, without the query's own picture."""

    query: int
    precision: float
    first: int
    results: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Measured:
    """One row of the table.

    precision: mAP in percent, and its 95 % interval over the queries. against: the same of the
    paired difference to the default row, in points; None for that row itself. first: P@1 in
    percent. bytes: a picture, of what a search reads. default: what a search uses if nothing else
    is asked for. outcomes: in the order of the question's queries.
    """

    descriptor: str
    matching: str
    dimensions: int
    regions: float
    precision: Difference
    against: Difference | None
    first: float
    bytes: int
    default: bool
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True)
class LabelMean:
    """The mAP, in percent, of the queries of one label, and how many they are."""

    label: str
    precision: float
    queries: int


def questions(index: Index) -> tuple[Question, ...]:
    """What an index can be asked; none where no two of its pictures share a label.

    Two files of the same pixels are one picture, as they are in a search.
    """
    paths = [picture.path for picture in index.pictures]
    category = _question(index, "category", [picture.category for picture in index.pictures])
    folders = [path.split("/")[0] if "/" in path else "" for path in paths]
    try:
        facts = read_facts(index.photos_root)
    except IndexProblem:  # a damaged file beside the photos does not spoil what is in the index
        facts = {}
    things = [facts.get(path, {}).get("instance", "") for path in paths]
    found = (
        category or _question(index, "folder", folders),
        _question(index, "instance", things),
    )
    return tuple(question for question in found if question is not None)


def _question(index: Index, kind: str, labels: Labels) -> Question | None:
    shared = {label for label, count in Counter(labels).items() if label and count > 1}
    asking = [row for row, label in enumerate(labels) if label in shared]
    # One label for all, such as the only sub-folder, would call every answer right.
    if not asking or len({*labels}) < 2:
        return None
    first_path: dict[str, str] = {}
    images = []
    for picture, label in zip(index.pictures, labels, strict=True):
        path = absolute(
            index.photos_root, first_path.setdefault(picture.pixels_sha256, picture.path)
        )
        images.append(Sample(path, picture.title, frozenset([label] if label else []), label))
    step = -(-len(asking) * len(images) // MOST_PAIRS)
    everything = range(len(images))
    asks = asks_by_label(images, asking[::step], everything)
    if not any(len(relevance.positives) for ask in asks for relevance in ask.tasks.values()):
        return None  # they share their labels with copies of themselves alone
    return Question(kind, assemble(kind, "finite", images, asks, everything), len(asking))


def measure(index: Index, question: Question) -> tuple[Measured, ...]:
    """Every descriptor that an index stores, by each way of matching its pictures, best first."""
    rows = [
        row
        for descriptor in index.settings.descriptors
        for row in _measured(index, question.dataset, descriptor)
    ]
    (base,) = (_precisions(row) for row in rows if row.default)
    rows = [
        row if row.default else replace(row, against=_percent(_precisions(row), base))
        for row in rows
    ]
    return tuple(sorted(rows, key=lambda row: -row.precision.mean))


def by_label(question: Question, row: Measured) -> list[LabelMean]:
    """The mAP of each label's queries, worst first."""
    found: dict[str, list[float]] = {}
    for outcome in row.outcomes:
        label = question.dataset.images[outcome.query].label
        found.setdefault(label, []).append(outcome.precision)
    means = [LabelMean(label, 100 * float(np.mean(p)), len(p)) for label, p in found.items()]
    return sorted(means, key=lambda mean: (mean.precision, mean.label))


def is_right(question: Question, query: int, row: int) -> bool:
    """Whether a result is right for a query: they share a label."""
    images = question.dataset.images
    return bool(images[query].labels & images[row].labels)


def _counts(index: Index, descriptor: str) -> np.ndarray:
    """How many regions each picture has: (n,). `Index.regions` would make them all to tell."""
    if descriptor == "dff":
        return np.full(len(index), index.settings.k)
    return np.array([picture.regions[descriptor][1] for picture in index.pictures])


def _measured(index: Index, dataset: Dataset, descriptor: str) -> Iterator[Measured]:
    """The rows of one descriptor."""
    counts = _counts(index, descriptor)
    # With one region a picture all ways are the same, and the first stands for them.
    ways = MATCHINGS if counts.max() > 1 else MATCHINGS[:1]
    usual = matching_of(descriptor) if matching_of(descriptor) in ways else ways[0]
    outcomes: dict[str, list[Outcome]] = {way: [] for way in ways}
    for ask, by_way in zip(dataset.queries, _scores(index, dataset, descriptor, ways), strict=True):
        for way, scores in zip(ways, by_way, strict=True):
            outcomes[way].append(_outcome(ask, scores))
    dimensions = index.vectors(descriptor).shape[1]
    regions = float(counts.mean())
    for way, found in outcomes.items():
        precisions = [outcome.precision for outcome in found]
        yield Measured(
            descriptor=descriptor,
            matching=way,
            dimensions=dimensions,
            regions=regions,
            precision=_percent(precisions, [0.0] * len(precisions)),
            against=None,
            first=100 * float(np.mean([outcome.first == 1 for outcome in found])),
            bytes=round(4 * dimensions * (1 if way == MATCHINGS[0] else regions)),
            default=descriptor == index.descriptor and way == usual,
            outcomes=tuple(found),
        )


def _scores(
    index: Index, dataset: Dataset, descriptor: str, ways: Sequence[str]
) -> Iterator[tuple[np.ndarray, ...]]:
    """For each query every picture's score (n,), by each way of matching: what
    `Index.row_scores` adds up to, not split first."""
    vectors = index.vectors(descriptor)
    rows = [ask.image for ask in dataset.queries]
    if len(ways) == 1:
        yield from ((vectors @ vectors[row],) for row in rows)
        return
    for row, (one_way, mutual) in zip(
        rows, matched_scores(index.regions(descriptor), rows), strict=True
    ):
        yield vectors @ vectors[row], one_way, mutual


def _outcome(ask: Ask, scores: np.ndarray) -> Outcome:
    (relevance,) = ask.tasks.values()
    ranking = rank(scores)
    ranks = relevant_ranks(ranking, relevance)
    shown = ranking[: WATCHED + len(relevance.junk)]
    shown = shown[~np.isin(shown, relevance.junk)][:WATCHED]
    precision = average_precision(ranks, len(relevance.positives))
    return Outcome(ask.image, precision, int(ranks[0]) + 1, tuple(map(int, shown)))


def _precisions(row: Measured) -> list[float]:
    return [outcome.precision for outcome in row.outcomes]


def _percent(first: Sequence[float], second: Sequence[float]) -> Difference:
    """The bootstrapped difference of two rows of shares, in points of a hundred."""
    found = bootstrap_difference(first, second, resamples=RESAMPLES)
    return Difference(100 * found.mean, 100 * found.low, 100 * found.high)
