"""Every descriptor on equal terms: one pass over the pictures, then each whitening and matching."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dff.descriptors import (
    DEFAULT_DESCRIPTOR,
    MATCHINGS,
    Regions,
    View,
    describe,
    describer,
    families,
    learned,
    matching_of,
    needs_classifier,
)
from dff.evaluation.datasets.base import Dataset
from dff.evaluation.features import Features, Sight, within
from dff.evaluation.protocols import (
    AVERAGE_PRECISION,
    Relevance,
    precision_at,
    rank,
    relevant_ranks,
)
from dff.images import ImageError
from dff.index.store import DIMENSIONS, FEWEST_TO_WHITEN, MOST_VECTORS, POWER
from dff.matching import matched_rows
from dff.principal import gains, principal
from dff.whitening import Whitening

POWERS: dict[str, float | None] = {"none": None, "1/16": 1 / 16, "1/4": 1 / 4, "1/2": 1 / 2}
DEFAULT_WHITENING = next(name for name, power in POWERS.items() if power == POWER)
WATCHED = 20  # results kept of each query, for the report

Tell = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Answer:
    """How one query went: its average precision, 0..1, and its first results, as image rows."""

    query: int
    precision: float
    results: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Row:
    """One row of the table. mean_precisions: mAP by task, percent. seconds: per picture, from its
    pixels to its regions. bytes: per picture, of what a search reads. answers: by query."""

    descriptor: str
    whitening: str
    matching: str
    dimensions: int
    regions: float
    mean_precisions: dict[str, float]
    first: float
    seconds: float
    bytes: int
    default: bool
    answers: tuple[Answer, ...]


@dataclass(frozen=True, eq=False)
class Described:
    """The regions of all pictures by one descriptor. pictures: by image row, None for those that
    could not be read; asked: by query, where queries are cropped."""

    name: str
    pictures: list[Regions | None]
    asked: list[Regions | None]
    seconds: float


def choose(names: Sequence[str], has_classifier: bool) -> tuple[list[str], list[str]]:
    """Which descriptors to run, and sentences on those that cannot. "all" is every one.

    Raises ValueError for an unknown name, and if none of them can run.
    """
    known = [*families(), *learned()]
    wanted = known if "all" in names else list(dict.fromkeys(names))
    if unknown := [name for name in wanted if name not in known]:
        raise ValueError(f"descriptors: expected all or some of {', '.join(known)}, got {unknown}")
    able = [name for name in wanted if has_classifier or not needs_classifier(name)]
    without = [name for name in wanted if name not in able]
    notes = [f"{', '.join(without)} left out: this layer has no classifier"] if without else []
    if not able:
        raise ValueError(f"descriptors: expected one that this layer can, got {', '.join(wanted)}")
    return able, notes


def describe_all(
    dataset: Dataset, features: Features, names: Sequence[str], *, k: int, crop: bool, tell: Tell
) -> tuple[list[Described], list[str]]:
    """The regions of every picture, and of every query's crop, by each descriptor.

    Also returns the sentences on pictures that could not be read.
    """
    rows = sorted({*map(int, dataset.database), *(ask.image for ask in dataset.queries)})
    notes: list[str] = []
    readable: list[int] = []
    for done, row in enumerate(rows, start=1):
        try:
            features.see(dataset.images[row].path)
            readable.append(row)
        except (ImageError, OSError) as error:
            notes.append(f"left out {dataset.images[row].name}: {error}")
        tell("activations", done, len(rows))
    searched = [row for row in readable if row in set(map(int, dataset.database))]

    def view(sight: Sight) -> View:
        return features.backbone.view(sight.activations, k)

    def collection() -> Iterator[View]:
        for row in searched:
            yield view(features.see(dataset.images[row].path))

    functions = {name: describer(name, collection()) for name in names}
    found = {
        name: Described(name, [None] * len(dataset.images), [None] * len(dataset.queries), 0.0)
        for name in names
    }
    spent = dict.fromkeys(names, 0.0)
    for done, row in enumerate(readable, start=1):
        sight = features.see(dataset.images[row].path)
        seen = view(sight)
        start = time.perf_counter()
        _ = seen.parts
        factorized = time.perf_counter() - start
        for name in names:
            start = time.perf_counter()
            found[name].pictures[row] = functions[name](seen).stored()
            spent[name] += sight.seconds + time.perf_counter() - start
            spent[name] += factorized if name.startswith("dff") else 0
        tell("descriptors", done, len(readable))
    if crop:
        for place, ask in enumerate(dataset.queries):
            if ask.box is not None and ask.image in readable:
                path = dataset.images[ask.image].path
                seen = view(features.see(path, within(ask.box, features.see(path).size)))
                for name in names:
                    found[name].asked[place] = functions[name](seen).stored()
            tell("cropped queries", place + 1, len(dataset.queries))
    mean = {name: seconds / max(1, len(readable)) for name, seconds in spent.items()}
    return [Described(name, d.pictures, d.asked, mean[name]) for name, d in found.items()], notes


def rows_of(dataset: Dataset, described: Described, *, tell: Tell) -> Iterator[Row]:
    """The table's rows of one descriptor: each whitening, each matching.

    A task that no query could be asked has no mean. Raises ValueError if that is all of them.
    """
    database = np.array([r for r in dataset.database if described.pictures[int(r)] is not None])
    own = [described.pictures[int(row)] for row in database]
    stacked = [regions for regions in own if regions is not None]
    if not stacked:
        raise ValueError(f"{dataset.name}: expected pictures to search, none could be read")
    counts = np.array([len(regions.weights) for regions in stacked])
    vectors = np.concatenate([regions.vectors for regions in stacked])
    few = len(database) < FEWEST_TO_WHITEN
    default = "none" if few else DEFAULT_WHITENING
    matchings = MATCHINGS if counts.max() > 1 else MATCHINGS[:1]
    done, total = 0, len(POWERS) * len(matchings)
    for whitening_name, whitening in _whitenings(vectors, few):
        searched = _Searched(database, stacked, counts, whitening)
        for matching in matchings:
            answers, precisions, firsts = _ask(dataset, described, searched, matching)
            if not answers:
                raise ValueError(
                    f"{dataset.name}: expected queries and something relevant to them, none of "
                    "these pictures could be read"
                )
            wide = searched.regions.shape[1]
            yield Row(
                descriptor=described.name,
                whitening=whitening_name,
                matching=matching,
                dimensions=wide,
                regions=float(counts.mean()),
                mean_precisions={t: 100 * float(np.mean(p)) for t, p in precisions.items() if p},
                first=100 * float(np.mean(firsts)),
                seconds=described.seconds,
                bytes=round(4 * wide * (float(counts.mean()) if matching == "regions" else 1)),
                default=described.name == DEFAULT_DESCRIPTOR
                and whitening_name == default
                and matching == matching_of(described.name),
                answers=tuple(answers),
            )
            done += 1
            tell(described.name, done, total)


class _Searched:
    """The database by one descriptor and whitening: its regions and their sums."""

    def __init__(
        self, rows: np.ndarray, own: Sequence[Regions], counts: np.ndarray, whitening: Whitening
    ) -> None:
        self.rows = rows
        self.whitening = whitening
        self.starts = np.concatenate([[0], np.cumsum(counts)])
        # One product for all pictures; `describe` then has nothing left to whiten.
        self.regions = whitening.apply(np.concatenate([r.vectors for r in own]))
        identity = Whitening.identity(self.regions.shape[1])
        pieces = np.split(self.regions, self.starts[1:-1])
        self.vectors = np.stack(
            [
                describe(Regions(piece, r.weights), identity).vector
                for piece, r in zip(pieces, own, strict=True)
            ]
        )

    def scores(self, query: Regions, matching: str) -> np.ndarray:
        """Of every picture of the database, (n,)."""
        described = describe(query, self.whitening)
        if matching == "vector":
            scores: np.ndarray = self.vectors @ described.vector
            return scores
        rows = matched_rows(described.regions, query.weights, self.regions, self.starts)
        return np.asarray(rows.sum(axis=1))


def _whitenings(vectors: np.ndarray, few: bool) -> Iterable[tuple[str, Whitening]]:
    """Each power's, from one decomposition; none where a collection is too small for any."""
    channels = vectors.shape[1]
    yield "none", Whitening.identity(channels)
    if few:
        return
    step = -(-len(vectors) // MOST_VECTORS)
    found = principal(vectors[::step])
    kept = min(DIMENSIONS, len(found.variances))
    for name, power in POWERS.items():
        if power is not None:
            projection = gains(found.variances, power)[:kept, None] * found.directions[:kept]
            yield (
                name,
                Whitening(
                    found.mean.astype(np.float32),
                    projection.astype(np.float32),
                    power,
                    kept,
                    {"count": found.count},
                ),
            )


def _ask(
    dataset: Dataset, described: Described, searched: _Searched, matching: str
) -> tuple[list[Answer], dict[str, list[float]], list[bool]]:
    judge = AVERAGE_PRECISION[dataset.protocol]
    there = set(map(int, searched.rows))
    precisions: dict[str, list[float]] = {task: [] for task in dataset.tasks}
    main = "medium" if "medium" in dataset.tasks else dataset.tasks[0]
    answers, firsts = [], []
    for ask, own in zip(dataset.queries, described.asked, strict=True):
        query = own if own is not None else described.pictures[ask.image]
        if query is None:
            continue
        ranking = searched.rows[rank(searched.scores(query, matching))]
        for task, asked in ask.tasks.items():
            positives = [int(row) for row in asked.positives if int(row) in there]
            if not positives:  # none of them could be read
                continue
            relevance = Relevance.of(positives, [int(row) for row in asked.junk])
            ranks = relevant_ranks(ranking, relevance)
            precision = judge(ranks, len(positives))
            precisions[task].append(precision)
            if task == main:
                firsts.append(precision_at(1, ranks, len(positives)) > 0)
                junk = set(map(int, asked.junk))
                shown = [int(row) for row in ranking[: WATCHED + len(junk)] if int(row) not in junk]
                answers.append(Answer(ask.image, precision, tuple(shown[:WATCHED])))
    return answers, precisions, firsts
