"""Part names: what the network's own classifier says of a basis vector.

A part's basis row has unit length; the classifier expects the mean of a picture's activations.
So the row is brought to the strength it has where the part is: the mean of its heatmap, weighted
by the heatmap itself. A name with a high probability can still be wrong: the network has only the
classes it was trained on.
"""

from typing import Any

import numpy as np

from dff.factorization import Factorization

Name = tuple[tuple[str, float], ...]  # (label, probability), most probable first
KEPT = 3


def name_parts(factorization: Factorization, backbone: Any) -> tuple[Name, ...]:
    """Names of the k parts, each up to three (label, probability); empty for dead parts and for
    layers that are not the classifier's input."""
    heat = factorization.heatmaps.reshape(factorization.k, -1).astype(np.float64)
    total = heat.sum(axis=1)
    strength = np.divide((heat**2).sum(axis=1), total, out=np.zeros_like(total), where=total > 0)
    vectors = (factorization.basis * strength[:, None]).astype(np.float32)
    labels = backbone.labels
    odds = backbone.classify(vectors) if labels is not None else None
    if odds is None:
        return ((),) * factorization.k
    names = []
    for row, dead in zip(odds, factorization.dead, strict=True):
        best = np.argsort(-row, kind="stable")[:KEPT]
        names.append(() if dead else tuple((labels[i], round(float(row[i]), 4)) for i in best))
    return tuple(names)


def short_name(name: Name) -> tuple[str, float] | None:
    """One line for the page: ("mosque", 0.41), or ("mosque / beacon", 0.23) where the second
    label is nearly as probable as the first. None for a part without a name."""
    if not name:
        return None
    (label, probability), *others = name
    if others and others[0][1] >= 0.6 * probability:
        label = f"{label} / {others[0][0]}"
    return label, probability
