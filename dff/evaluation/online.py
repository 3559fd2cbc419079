"""CAM-weighted features aggregated online (Jimenez, Alvarez & Giró-i-Nieto, BMVC 2017).

Each query's own classes weigh the activations of every picture, so what describes a picture depends
on who asks. No index can keep that, and a search would have to read the activations themselves: it
is a row of the evaluation and nothing else. It stands beside the rows of `cam` (offline) and shares
their queries and whitenings, so that the classes are all that differs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dff.descriptors import Regions, View, describe
from dff.descriptors.base import balanced
from dff.descriptors.cam import class_probabilities, likeliest, regions_of
from dff.evaluation.datasets.base import Dataset
from dff.evaluation.described import Described, Tell, kept_regions, views_of_query
from dff.whitening import Whitening, l2_normalise

OF, ONLINE = "cam", "online"  # the descriptor that has such rows, and their matching


@dataclass(frozen=True, eq=False)
class Online:
    """scores: (whitenings, queries, pictures) float32, the cosines; 0 for a query that could not
    be read. bytes: per picture, of what a search would read: its activations in float32."""

    scores: np.ndarray
    bytes: int


def aggregate_online(
    dataset: Dataset,
    described: Described,
    rows: Sequence[int],
    whitenings: Sequence[Whitening],
    tell: Tell,
) -> Online:
    """The cosine of every query to some pictures, which are described by that query's classes.

    described: by `cam`, of the queries. rows: of the pictures in the dataset, at least one.
    l2 -> whiten -> l2 -> sum -> l2, as for all descriptors. A picture's regions of all the
    queries' classes are whitened once, and every query sums its own. They are in memory for one
    picture at a time; what stays is a number a query.
    """
    asking, queries, classes = _asked(dataset, described)
    scores = np.zeros((len(whitenings), len(dataset.queries), len(rows)), np.float32)
    if not asking:
        return Online(scores, 0)
    union, place = np.unique(classes, return_inverse=True)
    sizes = classes.shape[1]
    # The rows of a picture's regions that each query sums: one size's stand after another's.
    own = place.reshape(classes.shape) + len(union) * np.arange(sizes)[:, None]
    own = own.reshape(len(asking), -1)
    vectors = [
        np.stack([describe(query, whitening).vector for query in queries])
        for whitening in whitenings
    ]

    def regions(view: View) -> Regions:
        return balanced(regions_of(view, union.tolist()), view.blocks)

    read = 0
    for column, row in enumerate(rows):
        views = described.setup.views(dataset.images[row].path)
        read += 4 * sum(view.activations.size for view in views)
        found = kept_regions(regions, views).vectors
        for number, whitening in enumerate(whitenings):
            whitened = whitening.apply(found)
            sums = np.zeros_like(vectors[number])
            for one in own.T:
                sums += whitened[one]
            cosines = np.einsum("qd,qd->q", vectors[number], l2_normalise(sums))
            scores[number, asking, column] = cosines
        tell(f"{described.name}, {ONLINE}", column + 1, len(rows))
    return Online(scores, round(read / len(rows)))


def _asked(dataset: Dataset, described: Described) -> tuple[list[int], list[Regions], np.ndarray]:
    """Which queries could be read, their regions, and the classes of these: (queries, sizes, 8)."""
    asking, queries, classes = [], [], []
    for place, (ask, cropped) in enumerate(zip(dataset.queries, described.asked, strict=True)):
        query = cropped if cropped is not None else described.pictures[ask.image]
        if query is None:
            continue
        views = views_of_query(dataset, described.setup, ask, crop=cropped is not None)
        asking.append(place)
        queries.append(query)
        classes.append([likeliest(class_probabilities(view)) for view in views])
    return asking, queries, np.array(classes, np.intp)
