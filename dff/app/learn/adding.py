"""Step 4: from one vector a part to one vector a picture, with this picture's numbers."""

from typing import Any

import numpy as np

from dff.app.factors_data import similarity
from dff.app.learn.packing import floats
from dff.descriptors import Regions, about, describe
from dff.index.query import Query
from dff.whitening import Whitening, l2_normalise

SHOWN = 96  # numbers of each vector that are drawn


def facts(query: Query, whitening: Whitening, used: str) -> dict[str, Any]:
    """The strips: raw and unit vectors (k, SHOWN), centred ones, their weighted sum, the end.

    The regions are the basis vectors, weighed by energy: the paper's simplest form. used: by which
    descriptor the index searches, which is told.
    """
    parts = query.parts
    regions = Regions(parts.basis, parts.energy)
    described = describe(regions, whitening)
    strong = _strengths(parts.heatmaps)
    raw = parts.basis * strong[:, None]
    unit = l2_normalise(raw)
    channels = np.sort(np.argsort(-unit.max(axis=0), kind="stable")[:SHOWN])
    weighted = described.regions * parts.energy[:, None]
    summed = weighted.sum(axis=0)
    before, after = _mean_cosine(unit), _mean_cosine(described.regions)
    kept = whitening.projection is not None
    return {
        "channels": parts.basis.shape[1],
        "dimensions": whitening.dimensions,
        "shown": [len(channels), min(SHOWN, whitening.dimensions)],
        "centred": kept,
        "rescaled": kept and whitening.power > 0,
        "raw": floats(raw[:, channels]),
        "unit": floats(unit[:, channels]),
        "whitened": floats(described.regions[:, :SHOWN]),
        "sum": floats(summed[None, :SHOWN]),
        "vector": floats(described.vector[None, :SHOWN]),
        "lengths": {
            "raw": [round(float(v), 4) for v in np.linalg.norm(raw, axis=1)],
            "sum": round(float(np.linalg.norm(summed)), 4),
            "vector": round(float(np.linalg.norm(described.vector)), 4),
        },
        "weights": [round(float(v), 4) for v in parts.energy],
        "before": _rounded(similarity(unit)),
        "after": _rounded(similarity(described.regions)),
        "note": _note(used),
        "answer": _answer(before, after, kept),
    }


def _answer(before: float | None, after: float | None, kept: bool) -> str:
    if before is None or after is None:
        return "With one part there is nothing to compare: choose more parts."
    if not kept:
        return (
            "This collection has too few pictures to learn what all of them share, so nothing is "
            f"taken away: two parts of this picture have a cosine of {_signed(before)} on average."
        )
    return (
        f"Before, two parts of this picture have a cosine of {_signed(before)} on average: as if "
        f"they were much the same. After it is {_signed(after)}: what is left is what makes each "
        "part special."
    )


def _note(used: str) -> str:
    start = "Drawn is the paper's simplest form, one vector a part. "
    if used == "dff":
        return start + "This collection is searched by it."
    if used == "dff_tree":
        return start + (
            "The search itself takes fifteen vectors, of eight fine parts and the groups they "
            "form, made ready the same way, and compares them one by one instead of adding them up."
        )
    return start + f"This collection is searched by {about(used).title}."


def _strengths(heatmaps: np.ndarray) -> np.ndarray:
    """How strong each part is where it is: the mean of its heat weighted by itself, (k,)."""
    heat = heatmaps.reshape(len(heatmaps), -1).astype(np.float64)
    total = heat.sum(axis=1)
    strengths: np.ndarray = np.divide(
        (heat**2).sum(axis=1), total, out=np.zeros_like(total), where=total > 0
    )
    return strengths


def _mean_cosine(vectors: np.ndarray) -> float | None:
    """The mean over pairs of live rows; None with fewer than two."""
    live = vectors[vectors.any(axis=1)]
    if len(live) < 2:
        return None
    table = similarity(live)
    return float(table[np.triu_indices(len(live), 1)].mean())


def _rounded(table: np.ndarray) -> list[list[float]]:
    return [[round(float(v), 4) for v in row] for row in table]


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
