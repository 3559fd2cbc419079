"""What a search or a factorization found, as plain records: JSON and CSV.

The same records whoever asks for them: `python -m dff search --json`, `factorize --json` and the
dashboard's "Take away".
"""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dff.geometry import Box

if TYPE_CHECKING:
    from dff.factorization import Factorization
    from dff.index import Index, Match, Query
    from dff.parts import Parts

DIGITS = 8  # of a contribution: a few hundred of them still sum to the score within 1e-5
# A spreadsheet takes a text that begins so for a formula, and file names come from strangers.
FORMULA = ("=", "+", "-", "@", "\t", "\r")

Record = dict[str, Any]


def search_record(
    index: "Index",
    query: "Query",
    found: Sequence["Match"],
    boxes: Sequence[Box | None],
    *,
    path: str,
    weights: Sequence[float] | None = None,
    rerank: str | None = None,
) -> Record:
    """A search as one JSON value: the query, how it was asked, and its results, best first.

    boxes: one a result, however they were found. path: of the query, as it is to be told.
    weights: the user's own, one a part of the query, if there are any.
    """
    from dff.index.search import BOX_SIZE

    settings = index.settings
    return {
        "query": {
            "path": path,
            "box": None if query.box is None else list(query.box),
            "k": query.parts.k,
            "size": settings.size if query.box is None else min(BOX_SIZE, settings.size),
            "seed": settings.seed,
            "backbone": settings.backbone,
            "layer": settings.layer,
            **({} if weights is None else {"weights": [float(w) for w in weights]}),
        },
        "descriptor": query.descriptor,
        "matching": query.matching if rerank is None else "vector",
        **({} if rerank is None else {"rerank": rerank}),
        "results": [
            {
                "rank": match.rank,
                "id": match.id,
                "path": match.path,
                "score": round(match.score, DIGITS),
                "box": None if where is None else list(where),
                "contributions": None
                if match.contributions is None
                else [[round(float(cell), DIGITS) for cell in row] for row in match.contributions],
                "is_query": match.is_query,
            }
            for match, where in zip(found, boxes, strict=True)
        ],
    }


def factorization_record(
    parts: "Factorization", size: tuple[int, int], backbone: str, layer: str
) -> Record:
    """A factorization as one JSON value. size: (width, height) of the original picture."""
    return {
        "k": parts.k,
        "backbone": backbone,
        "layer": layer,
        "grid": list(parts.grid),
        "size": list(size),
        "error": parts.error,
        "explained": parts.explained,
        "iterations": parts.iterations,
        "energy": [float(energy) for energy in parts.energy],
        "dead": [bool(dead) for dead in parts.dead],
    }


def results_csv(record: Record) -> str:
    """The results of a `search_record`, one a line; x0 to y1 is the box, empty without one."""
    return csv_table(
        ("rank", "id", "path", "score", "x0", "y0", "x1", "y1", "is_query"),
        (
            (
                result["rank"],
                csv_text(result["id"]),
                csv_text(result["path"]),
                result["score"],
                *(result["box"] or ("",) * 4),
                str(result["is_query"]).lower(),
            )
            for result in record["results"]
        ),
    )


def contributions_csv(record: Record) -> str:
    """What each pair of parts adds to each score of a `search_record`, one pair a line.

    Parts count from 1. The lines of one result sum to its score. Results without a split have none.
    """
    return csv_table(
        ("rank", "id", "query_part", "target_part", "contribution"),
        (
            (result["rank"], csv_text(result["id"]), i, j, cell)
            for result in record["results"]
            for i, row in enumerate(result["contributions"] or (), start=1)
            for j, cell in enumerate(row, start=1)
        ),
    )


def parts_csv(parts: "Factorization", names: Sequence[str]) -> str:
    """The parts of a factorization, one a line, counted from 1. names: one a part, or "".

    peak: the strongest heat, in the activations' unit; row and column: its cell, from 0.
    """
    peaks = [np.unravel_index(int(heatmap.argmax()), heatmap.shape) for heatmap in parts.heatmaps]
    return csv_table(
        ("part", "name", "energy", "peak", "row", "column", "dead"),
        (
            (
                j + 1,
                csv_text(names[j]),
                f"{parts.energy[j]:.6f}",
                f"{parts.heatmaps[j].max():.6f}",
                *(int(v) for v in peaks[j]),
                str(bool(parts.dead[j])).lower(),
            )
            for j in range(parts.k)
        ),
    )


def concepts_csv(
    ids: Sequence[str], pictures: "Sequence[Parts]", names: Sequence[str], energy: Sequence[float]
) -> str:
    """Which part of a set is where, one picture and part a line, counted from 1.

    pictures: the common parts in the pictures of `ids`. names: one a part, or "". energy: (k,) each
    part's share of the set's, 0 to 1. share: what the part holds of the picture's heat; peak: the
    strongest heat, in the activations' unit.
    """
    heats = [parts.heatmaps.sum(axis=(1, 2)) for parts in pictures]
    return csv_table(
        ("picture", "part", "name", "energy", "share", "peak"),
        (
            (
                csv_text(id),
                j + 1,
                csv_text(names[j]),
                f"{energy[j]:.6f}",
                f"{heat[j] / max(float(heat.sum()), 1e-12):.6f}",
                f"{parts.heatmaps[j].max():.6f}",
            )
            for id, parts, heat in zip(ids, pictures, heats, strict=True)
            for j in range(len(names))
        ),
    )


def csv_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table with a head. Texts that strangers wrote go through `csv_text` first."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return out.getvalue()


def csv_text(value: str) -> str:
    """A text that no spreadsheet runs."""
    return f"'{value}" if value.startswith(FORMULA) else value
