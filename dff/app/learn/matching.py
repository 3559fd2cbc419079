"""Steps 5 and 6: a score split into pairs of parts, and a ranking with parts switched off."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dff.app.scene import (
    BROWSER_LIMIT,
    FEW,
    candidates,
    heat_facts,
    rule_facts,
    score_facts,
)
from dff.explain import best
from dff.export.page import data_uri
from dff.index import Index
from dff.index.query import Query

RESULTS = 5  # that can be looked into


def match_facts(
    index: Index, query: Query, rows: np.ndarray, colours: Sequence[int]
) -> dict[str, Any]:
    """The first results, each with its table of contributions and its own parts.

    rows: (n, k) what each part adds to every picture's score.
    """
    scores = rows.sum(axis=1)
    found = [
        {"rank": rank, **result_facts(index, query, row, colours), "score": float(scores[row])}
        for rank, row in enumerate(best(scores, RESULTS, query.same), start=1)
    ]
    return {"results": found, "rule": rule_facts(query)["text"]}


def result_facts(index: Index, query: Query, row: int, colours: Sequence[int]) -> dict[str, Any]:
    """One picture beside the query: its parts in the colours they go with, and the table."""
    picture = index.pictures[row]
    return {
        "id": picture.id,
        "title": picture.title,
        "note": picture.credit,
        "image": data_uri(index.thumbnail(row)),
        "width": picture.width,
        "height": picture.height,
        "heat": heat_facts(index.parts(row)),
        "colours": [int(colours[i]) for i in index.partners(query, row)],
        "table": [[round(float(v), 7) for v in line] for line in index.contributions(query, row)],
    }


def ranking_facts(index: Index, query: Query, rows: np.ndarray) -> dict[str, Any]:
    """All that the browser needs to rank, and the pictures that may come to the front."""
    ones = np.ones(rows.shape[1], np.float32)
    shown = candidates(rows, ones, FEW, query.same)
    return {
        "top": FEW,
        "limit": BROWSER_LIMIT,
        "scores": score_facts(query, rows),
        "cards": {
            str(row): {
                "title": index.pictures[row].title,
                "image": data_uri(index.thumbnail(row)),
            }
            for row in shown
        },
    }
