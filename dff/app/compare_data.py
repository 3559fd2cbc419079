"""One query by several descriptors: who finds what, at which rank, and who agrees with whom.

Arrays in, plain records out, no Streamlit. Scores of different descriptors are on different scales
and are never compared here: ranks are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dff.descriptors import PART, about
from dff.export.page import data_uri
from dff.index import Index, Query

MOST = 4  # descriptors side by side
# After the index's default, as far as the index stores them: the paper's, then those that most
# papers compare with.
FIRST = ("dff", "rmac", "gem", "crow", "spoc", "mac", "cam")


COMPARED = {
    "vector": " in one vector",
    "regions": ", matched one by one",
    "mutual": ", matched one by one in both directions",
}


@dataclass(frozen=True, eq=False)
class Ranking:
    """A whole index in the order in which one descriptor finds it.

    scores: (n,) float32. order: (m,) int32 rows, best first, without the query's own picture.
    ranks: (n,) int32, from 1, and 0 for the query's own picture.
    """

    query: Query
    scores: np.ndarray
    order: np.ndarray
    ranks: np.ndarray

    @property
    def descriptor(self) -> str:
        """By which it was ranked."""
        return self.query.descriptor

    def first(self, top: int) -> list[int]:
        """The rows of the `top` best."""
        return [int(row) for row in self.order[:top]]


def preferred(stored: Sequence[str], default: str) -> list[str]:
    """The descriptors of an index in the order in which they are offered, its default first."""
    known = (default, *(name for name in FIRST if name != default))
    ordered = [name for name in known if name in stored]
    return ordered + sorted(name for name in stored if name not in ordered)


def chosen(names: Sequence[str], stored: Sequence[str]) -> list[str]:
    """What can be shown of a choice: those that are stored, each once, at most four."""
    return [name for name in dict.fromkeys(names) if name in stored][:MOST]


def rank(index: Index, query: Query) -> Ranking:
    """Rank a whole index as `Index.search` does: highest score first, equal ones in order."""
    rows = index.row_scores(query)
    scores = rows @ np.ones(rows.shape[1], np.float32)
    order = np.argsort(-scores, kind="stable").astype(np.int32)
    if query.same:
        order = order[~np.isin(order, list(query.same))]
    ranks = np.zeros(len(scores), np.int32)
    ranks[order] = np.arange(1, len(order) + 1)
    return Ranking(query, scores, order, ranks)


def overlap(rankings: Sequence[Ranking], top: int) -> list[list[int]]:
    """How many of the first `top` two descriptors share: a symmetric table, ones' own count on
    its diagonal."""
    found = [set(ranking.first(top)) for ranking in rankings]
    return [[len(one & other) for other in found] for one in found]


def in_all(rankings: Sequence[Ranking], top: int) -> int:
    """How many pictures are among the first `top` of every descriptor."""
    return len(set.intersection(*(set(ranking.first(top)) for ranking in rankings)))


def category_of(index: Index, query: Query) -> str:
    """The category of the query, "" for a picture that is not in the index or has none."""
    return index.pictures[query.row].category if query.row is not None else ""


def hits(index: Index, ranking: Ranking, top: int) -> int:
    """How many of the first `top` have the query's category."""
    category = category_of(index, ranking.query)
    return sum(index.pictures[row].category == category for row in ranking.first(top))


def relevant(index: Index, query: Query) -> int:
    """How many pictures of the index, the query's own aside, have its category."""
    category = category_of(index, query)
    return sum(
        picture.category == category
        for row, picture in enumerate(index.pictures)
        if row not in query.same
    )


def shown_rows(rankings: Sequence[Ranking], top: int) -> list[int]:
    """All pictures among the first `top` of any descriptor, by their best rank."""
    rows = dict.fromkeys(row for ranking in rankings for row in ranking.first(top))
    return sorted(rows, key=lambda row: min(int(ranking.ranks[row]) for ranking in rankings))


def method(query: Query) -> str:
    """What a descriptor compares, in words: "4 parts, matched one by one"."""
    count = len(query.described.regions)
    if count == 1:
        return "one vector for the whole picture"
    members = query.described.members
    if members is None:
        what = f"{count} {plural(about(query.descriptor).region)}"
    else:
        what = f"{count} regions, credited to {members.shape[1]} parts"
    return what + COMPARED[query.matching]


def capital(text: str) -> str:
    """The text as the start of a sentence."""
    return text[:1].upper() + text[1:]


def plural(word: str) -> str:
    """ "parts", "classes"."""
    return word + ("es" if word.endswith("s") else "s")


def chart_facts(index: Index, rankings: Sequence[Ranking], top: int, marked: int) -> dict[str, Any]:
    """The chart of ranks as JSON values: its columns, and each picture once.

    marked: the row of the result that is looked at.
    """
    category = category_of(index, rankings[0].query)
    columns = []
    for ranking in rankings:
        words = about(ranking.descriptor)
        columns.append(
            {
                "title": words.title,
                "says": words.says,
                "paper": capital(words.paper),
                "method": capital(method(ranking.query)),
                "rows": ranking.first(top),
            }
        )
    pictures = {}
    for row in shown_rows(rankings, top):
        picture = index.pictures[row]
        pictures[str(row)] = {
            "title": picture.title,
            "category": picture.category.replace("_", " "),
            "correct": bool(category) and picture.category == category,
            "image": data_uri(index.thumbnail(row)),
            "ranks": [int(ranking.ranks[row]) for ranking in rankings],
            "scores": [round(float(ranking.scores[row]), 4) for ranking in rankings],
        }
    return {
        "columns": columns,
        "pictures": pictures,
        "top": top,
        "count": len(rankings[0].order),
        "category": category.replace("_", " "),
        "marked": marked,
    }


@dataclass(frozen=True, eq=False)
class Split:
    """How one descriptor came to a picture's score.

    table: contributions (query regions, target regions) float32, or those of the parts that the
    regions are made of; they sum to `score`. colours: of the query's and the target's regions
    where these are parts, else none.
    """

    ranking: Ranking
    row: int
    table: np.ndarray
    colours: tuple[tuple[int, ...], tuple[int, ...]] | None
    score: float
    rank: int

    @property
    def single(self) -> bool:
        """Whether there is nothing to split."""
        return self.table.size == 1

    @property
    def strongest(self) -> tuple[int, int]:
        """The pair (query region, target region), from 0, that moves the score most."""
        i, j = np.unravel_index(int(np.abs(self.table).argmax()), self.table.shape)
        return int(i), int(j)


def split(index: Index, ranking: Ranking, row: int) -> Split:
    """How a descriptor came to the score of a row."""
    query = ranking.query
    table = index.contributions(query, row)
    parts = about(query.descriptor).region == PART
    colours = None
    if parts:  # a target's part has the colour of the query's part that it goes with
        own = tuple(range(len(table)))
        colours = (own, tuple(own[i] for i in index.partners(query, row)))
    score, place = float(ranking.scores[row]), int(ranking.ranks[row])
    return Split(ranking, row, table, colours, score, place)
