"""Every descriptor on equal terms: each whitening, matching and second ranking, one row each."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dff.descriptors import DEFAULT_DESCRIPTOR, MATCHINGS, Regions, describe, matching_of
from dff.evaluation.datasets.base import Ask, Dataset
from dff.evaluation.described import Described, Tell, depends_on_k
from dff.evaluation.online import OF, ONLINE, aggregate_online
from dff.evaluation.protocols import (
    AVERAGE_PRECISION,
    Relevance,
    precision_at,
    rank,
    relevant_ranks,
)
from dff.evaluation.whitenings import Fitted, own_whitenings
from dff.matching import Stored, matched_rows
from dff.reranker import Reranker
from dff.whitening import Whitening

WATCHED = 20  # results kept of each query, for the report

Ranking = Callable[[Ask, Regions], np.ndarray]  # a query -> image rows, best first


@dataclass(frozen=True, eq=False)
class Answer:
    """How one query went: its average precision, 0..1, and its first results, as image rows."""

    query: int
    precision: float
    results: tuple[int, ...]


@dataclass(frozen=True)
class Settings:
    """All in which the rows of a table can differ.

    k: None for descriptors that do not depend on it. scales: factors of size. whitening_on:
    "itself", another dataset, or None without whitening. matching: of `MATCHINGS`, or "online"
    (`dff.evaluation.online`). rerank: of `dff.reranker`, None for the plain ranking.
    """

    descriptor: str
    backbone: str
    layer: str
    size: int
    scales: tuple[float, ...]
    k: int | None
    whitening: str
    whitening_on: str | None
    matching: str
    rerank: str | None = None


@dataclass(frozen=True, eq=False)
class Row:
    """One row of the table. regions: per picture. mean_precisions: mAP by task, percent. first:
    P@1, percent. seconds: per picture, from its pixels to its regions. bytes: per picture, of what
    a search reads. answers: by query."""

    settings: Settings
    dimensions: int
    regions: float
    mean_precisions: dict[str, float]
    first: float
    seconds: float
    bytes: int
    default: bool
    answers: tuple[Answer, ...]


def main_task(dataset: Dataset) -> str:
    """The task that a single number is of."""
    return "medium" if "medium" in dataset.tasks else dataset.tasks[0]


def rows_of(
    dataset: Dataset,
    described: Described,
    *,
    elsewhere: Sequence[Fitted] = (),
    reranks: Sequence[str] = (),
    usual: bool = True,
    tell: Tell,
) -> Iterator[Row]:
    """The table's rows of one descriptor: each whitening, each matching; and at the default
    whitening, as one vector, each second ranking. `cam` has rows aggregated online beside.

    elsewhere: whitenings that were fitted on another dataset. usual: whether the pictures are seen
    as by a user who chooses nothing. A task that no query could be asked has no mean. Raises
    ValueError if that is all of them, or nothing that is searched could be read.
    """
    read = {int(row): described.pictures[int(row)] for row in dataset.database}
    own = {row: regions for row, regions in read.items() if regions is not None}
    if not own:
        raise ValueError(f"{dataset.name}: expected pictures to search, none could be read")
    vectors = np.concatenate([regions.vectors for regions in own.values()])
    matchings = MATCHINGS if len(vectors) > len(own) else MATCHINGS[:1]
    whitenings = [*own_whitenings(vectors, len(own)), *elsewhere]
    online = None
    if described.name == OF:
        online = aggregate_online(
            dataset, described, list(own), [fitted.whitening for fitted in whitenings], tell
        )
    done, total = 0, len(whitenings) * len(matchings) + len(reranks)
    for number, fitted in enumerate(whitenings):
        searched = _Searched(dataset, own, vectors, fitted.whitening)
        ways: list[tuple[str, str | None]] = [(matching, None) for matching in matchings]
        ways += [("vector", name) for name in reranks if fitted.default]
        for matching, rerank in ways:
            ranking = searched.ranking(matching) if rerank is None else searched.reranking(rerank)
            settings = _settings(described, fitted, matching, rerank)
            default = usual and fitted.default and rerank is None
            default &= described.name == DEFAULT_DESCRIPTOR and matching == matching_of(
                described.name
            )
            yield _row(dataset, described, searched, ranking, settings, default)
            done += 1
            tell(f"{described.name}, {len(own)} pictures", done, total)
        if online is not None:
            scores = dict(zip(dataset.queries, online.scores[number], strict=True))
            settings = _settings(described, fitted, ONLINE, None)
            row = _row(dataset, described, searched, searched.by_scores(scores), settings, False)
            yield replace(row, bytes=online.bytes)


class _Searched:
    """The database by one descriptor and whitening: its regions and their sums, in the order of
    `rows`, the rows of the dataset's pictures."""

    def __init__(
        self,
        dataset: Dataset,
        own: Mapping[int, Regions],
        vectors: np.ndarray,
        whitening: Whitening,
    ) -> None:
        self.rows = np.array(list(own))
        self.whitening = whitening
        # One product for all pictures; `describe` then has nothing left to whiten.
        self.regions = whitening.apply(vectors)
        identity = Whitening.identity(self.regions.shape[1])
        weights = [regions.weights for regions in own.values()]
        self._stored = Stored.of(self.regions, weights)
        pieces = np.split(self.regions, self._stored.starts[1:-1])
        self.vectors = np.stack(
            [
                describe(Regions(piece, one), identity).vector
                for piece, one in zip(pieces, weights, strict=True)
            ]
        )
        self._paths = np.array([str(dataset.images[row].path) for row in own])
        self._images = dataset.images

    def ranking(self, matching: str) -> Ranking:
        """By the score, as one vector or region by region."""
        mutual = matching == "mutual"

        def by_vector(ask: Ask, query: Regions) -> np.ndarray:
            scores = self.vectors @ describe(query, self.whitening).vector
            return np.asarray(self.rows[rank(scores)])

        def by_regions(ask: Ask, query: Regions) -> np.ndarray:
            regions = describe(query, self.whitening).regions
            matched = matched_rows(regions, query.weights, self._stored, mutual=mutual)
            return np.asarray(self.rows[rank(matched.sum(axis=1))])

        return by_vector if matching == "vector" else by_regions

    def by_scores(self, scores: Mapping[Ask, np.ndarray]) -> Ranking:
        """By a query's scores of all pictures, which are known already."""
        return lambda ask, query: np.asarray(self.rows[rank(scores[ask])])

    def reranking(self, name: str) -> Ranking:
        """By a second ranking of vectors."""
        _, copies = np.unique(self._paths, return_counts=True)
        reranker = Reranker(name, self.vectors, most_own=int(copies.max()))

        def again(ask: Ask, query: Regions) -> np.ndarray:
            vector = describe(query, self.whitening).vector
            return np.asarray(self.rows[reranker.ranking(vector, self._own(ask))[0]])

        return again

    def _own(self, ask: Ask) -> np.ndarray:
        """Where the query's own picture is, unless it may find it."""
        junk = np.concatenate([relevance.junk for relevance in ask.tasks.values()])
        same = self._paths == str(self._images[ask.image].path)
        return np.flatnonzero(same & np.isin(self.rows, junk))


def _settings(described: Described, fitted: Fitted, matching: str, rerank: str | None) -> Settings:
    setup = described.setup
    return Settings(
        descriptor=described.name,
        backbone=setup.backbone.name,
        layer=setup.backbone.layer,
        size=setup.features.size,
        scales=setup.scales,
        k=setup.k if depends_on_k(described.name) else None,
        whitening=fitted.name,
        whitening_on=fitted.on,
        matching=matching,
        rerank=rerank,
    )


def _row(
    dataset: Dataset,
    described: Described,
    searched: _Searched,
    ranking: Ranking,
    settings: Settings,
    default: bool,
) -> Row:
    answers, precisions, firsts = _ask(dataset, described, searched.rows, ranking)
    if not answers:
        raise ValueError(
            f"{dataset.name}: expected queries and something relevant to them, none of "
            "these pictures could be read"
        )
    wide = searched.regions.shape[1]
    regions = len(searched.regions) / len(searched.rows)
    return Row(
        settings,
        dimensions=wide,
        regions=regions,
        mean_precisions={t: 100 * float(np.mean(p)) for t, p in precisions.items() if p},
        first=100 * float(np.mean(firsts)),
        seconds=described.seconds,
        bytes=round(4 * wide * (regions if settings.matching != "vector" else 1)),
        default=default,
        answers=tuple(answers),
    )


def _ask(
    dataset: Dataset, described: Described, rows: np.ndarray, ranking: Ranking
) -> tuple[list[Answer], dict[str, list[float]], list[bool]]:
    judge = AVERAGE_PRECISION[dataset.protocol]
    there = set(map(int, rows))
    precisions: dict[str, list[float]] = {task: [] for task in dataset.tasks}
    main = main_task(dataset)
    answers, firsts = [], []
    for ask, own in zip(dataset.queries, described.asked, strict=True):
        query = own if own is not None else described.pictures[ask.image]
        if query is None:
            continue
        found = ranking(ask, query)
        for task, asked in ask.tasks.items():
            positives = [int(row) for row in asked.positives if int(row) in there]
            if not positives:  # none of them could be read
                continue
            relevance = Relevance.of(positives, [int(row) for row in asked.junk])
            ranks = relevant_ranks(found, relevance)
            precision = judge(ranks, len(positives))
            precisions[task].append(precision)
            if task == main:
                firsts.append(precision_at(1, ranks, len(positives)) > 0)
                junk = set(map(int, asked.junk))
                shown = [int(row) for row in found[: WATCHED + len(junk)] if int(row) not in junk]
                answers.append(Answer(ask.image, precision, tuple(shown[:WATCHED])))
    return answers, precisions, firsts
