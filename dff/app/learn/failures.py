"""Step 7: where it fails, on pictures of the sample collection. Nothing here is told that the open
index does not show: an example that is not true of it is left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dff.app.learn.matching import result_facts
from dff.app.scene import heat_facts, part_facts
from dff.deletion import largest_agrees
from dff.explain import best
from dff.export.page import data_uri
from dff.index import Index
from dff.index.query import Query


@dataclass(frozen=True)
class Failure:
    """One example.

    kind: "match", the first result is not what `right`, another picture of the same thing, is;
    "name", the network is sure of a wrong name; "reason", hiding the part with the largest
    contribution does not lower the score most. picture, found, right: ids; found is the first
    result. part: from 0. name: what the network says. title: a few words; why: a sentence that the
    numbers do not tell.
    """

    kind: str
    picture: str
    title: str
    question: str
    why: str
    found: str = ""
    right: str = ""
    part: int = 0
    name: str = ""


FAILURES = (
    Failure(
        "match", "giraffe_2", "Giraffes find a jaguar", "What do these two pictures share?",
        "A coat of dark patches is a coat of dark patches, whoever wears it.",
        found="jaguar", right="giraffe_1",
    ),
    Failure(
        "match", "cow_1", "A calf finds a giraffe", "What do these two pictures share?",
        "Both are heads, near and from the front, and the collection's other cow is small and far.",
        found="giraffe_1", right="cow_2",
    ),
    Failure(
        "match", "cutlery_1", "Cutlery finds scissors", "What do these two pictures share?",
        "Long, thin, shiny metal on a plain ground: what it is for cannot be seen.",
        found="scissors_4", right="cutlery_2",
    ),
    Failure(
        "name", "cow_2", "A sure and wrong name",
        "This is a cow. What does the network call part 2?",
        "The names are the 1000 that its classifier was taught. A high number says that no other "
        "of them fits better, not that this one is right.",
        part=1, name="Great Dane",
    ),
    Failure(
        "reason", "cow_2", "A reason that does not hold",
        "One part has the largest contribution. Does the score fall most without its pixels?",
        "The split is exact arithmetic, not proof of cause.",
        found="horse_2",
    ),
)  # fmt: skip


def examples(index: Index) -> list[Failure]:
    """The failures that are true of this index: its pictures, its first results, its names."""
    return [failure for failure in FAILURES if _holds(index, failure)]


def facts(index: Index, falls: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """All examples of an index. falls: {picture: what the score falls by without each part}, for
    the deletions that have been computed."""
    return {"examples": [_example(index, f, falls.get(f.picture)) for f in examples(index)]}


def _holds(index: Index, failure: Failure) -> bool:
    needed = [failure.picture, *filter(None, (failure.found, failure.right))]
    if not all(id in index.row_of for id in needed):
        return False
    query = index.indexed_query(failure.picture)
    if failure.kind == "name":
        names = query.names[failure.part] if failure.part < len(query.names) else ()
        return bool(names) and names[0][0] == failure.name
    return best(_scores(index, query), 1, query.same) == [index.row_of[failure.found]]


def _example(index: Index, failure: Failure, falls: Sequence[float] | None) -> dict[str, Any]:
    query = index.indexed_query(failure.picture)
    row = index.row_of[failure.picture]
    picture = index.pictures[row]
    colours = tuple(range(query.parts.k))
    parts = part_facts(query, colours, {})
    example: dict[str, Any] = {
        "kind": failure.kind,
        "title": failure.title,
        "question": failure.question,
        "picture": {
            "id": picture.id,
            "title": picture.title,
            "image": data_uri(index.thumbnail(row)),
            "width": picture.width,
            "height": picture.height,
            "heat": heat_facts(query.parts),
            "colours": list(colours),
        },
        "parts": parts,
        "pair": None,
    }
    if failure.kind == "name":
        label, probability = query.names[failure.part][0]
        example["pair"] = [failure.part, None]
        example["answer"] = f"“{label}”, with a probability of {probability:.2f}. {failure.why}"
        return example
    found = index.row_of[failure.found]
    scores = _scores(index, query)
    example["result"] = {
        "rank": 1,
        "score": float(scores[found]),
        **result_facts(index, query, found, colours),
    }
    table = index.contributions(query, found)
    if failure.kind == "match":
        i, j = (int(v) for v in np.unravel_index(int(table.argmax()), table.shape))
        right = index.row_of[failure.right]
        rank = best(scores, len(scores), query.same).index(right) + 1
        example["pair"] = [i, j]
        example["right"] = {
            "title": index.pictures[right].title,
            "image": data_uri(index.thumbnail(right)),
            "rank": rank,
        }
        example["answer"] = (
            f"Part {i + 1} with its part {chr(65 + j)} alone adds {float(table[i, j]):.3f} of the "
            f"score {float(scores[found]):.3f}. {failure.why} “{index.pictures[right].title}”, "
            f"the right answer, is at rank {rank}."
        )
        return example
    credit = table.sum(axis=1)
    example["credit"] = [round(float(v), 5) for v in credit]
    example["falls"] = None if falls is None else [round(float(v), 5) for v in falls]
    example["answer"] = "" if falls is None else f"{told(credit, np.asarray(falls))} {failure.why}"
    return example


def told(credit: np.ndarray, falls: np.ndarray) -> str:
    """What the deletion says of the part with the largest contribution."""
    first, worst = int(credit.argmax()), int(falls.argmax())
    said = f"Part {first + 1} is credited with the most, {credit[first]:.3f}."
    if largest_agrees(credit, falls):
        return f"{said} Without its pixels the score falls by {falls[first]:.3f}: here it holds."
    change = (
        f"falls by {falls[first]:.3f} only" if falls[first] > 0 else f"rises by {-falls[first]:.3f}"
    )
    return (
        f"{said} Without its pixels the score {change}; it falls most, by {falls[worst]:.3f}, "
        f"without part {worst + 1}."
    )


def _scores(index: Index, query: Query) -> np.ndarray:
    scores: np.ndarray = index.row_scores(query).sum(axis=1)
    return scores
