"""The whitenings that are compared: every power, fitted on the collection itself or elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from dff.descriptors import describe
from dff.evaluation.datasets.base import Dataset
from dff.evaluation.described import Described
from dff.index.store import DIMENSIONS, FEWEST_TO_WHITEN, MOST_VECTORS, POWER
from dff.principal import gains, principal
from dff.whitening import Whitening
from dff.whitening_pairs import fit_pairs, matching_pairs

NONE, PAIRS, ITSELF = "none", "pairs", "itself"
POWERS = {"0": 0.0, "1/16": 1 / 16, "1/4": 1 / 4, "1/2": 1 / 2}
DEFAULT_WHITENING = next(name for name, power in POWERS.items() if power == POWER)
PAIRS_POWER = 1 / 2  # the full whitening of the papers; what its shrinkage was measured with


@dataclass(frozen=True, eq=False)
class Fitted:
    """A whitening with its name in the tables.

    on: "itself", the name of another dataset, or None where nothing was fitted. default: whether
    an index of the collection would carry it.
    """

    name: str
    on: str | None
    whitening: Whitening
    default: bool = False


def own_whitenings(vectors: np.ndarray, pictures: int) -> Iterator[Fitted]:
    """None, and each power fitted on the vectors (n, channels) that are searched; the former alone
    where there are too few pictures to fit any."""
    few = pictures < FEWEST_TO_WHITEN
    yield Fitted(NONE, None, Whitening.identity(vectors.shape[1]), default=few)
    if not few:
        for fitted in _powers(vectors, ITSELF):
            yield replace(fitted, default=fitted.name == DEFAULT_WHITENING)


def whitenings_of(dataset: Dataset, described: Described) -> Iterator[Fitted]:
    """Each power fitted on the database of another dataset, and one learnt from its labels.

    The latter ("pairs") is learnt from whole pictures: the unwhitened sums of their regions are
    the vectors, and two that share a label are a pair. A dataset without labels, or in which no
    two pictures share one, has none. Raises ValueError for too few pictures.
    """
    own = {int(row): described.pictures[int(row)] for row in dataset.database}
    there = {row: regions for row, regions in own.items() if regions is not None}
    if len(there) < FEWEST_TO_WHITEN:
        raise ValueError(
            f"{dataset.name}: expected at least {FEWEST_TO_WHITEN} readable pictures to fit a "
            f"whitening on, got {len(there)}"
        )
    vectors = np.concatenate([regions.vectors for regions in there.values()])
    yield from _powers(vectors, dataset.name)
    pairs = label_pairs([dataset.images[row].labels for row in there])
    if len(pairs):
        identity = Whitening.identity(vectors.shape[1])
        sums = np.stack([describe(regions, identity).vector for regions in there.values()])
        fitted = fit_pairs(sums, pairs, PAIRS_POWER, DIMENSIONS)
        yield Fitted(PAIRS, dataset.name, fitted)


def label_pairs(labels: list[frozenset[str]]) -> np.ndarray:
    """Pairs of pictures that share a label: (m, 2) integers, each pair once.

    labels: of each picture, none or several. Of too many, `matching_pairs` draws some.
    """
    marked = [(row, label) for row, own in enumerate(labels) for label in sorted(own)]
    owners = np.array([row for row, _ in marked], np.intp)
    pairs = owners[matching_pairs([label for _, label in marked])]
    return np.unique(pairs, axis=0)


def _powers(vectors: np.ndarray, on: str) -> Iterator[Fitted]:
    """Each power's, from one decomposition."""
    step = -(-len(vectors) // MOST_VECTORS)
    found = principal(vectors[::step])
    kept = min(DIMENSIONS, len(found.variances))
    mean = found.mean.astype(np.float32)
    for name, power in POWERS.items():
        projection = gains(found.variances, power)[:kept, None] * found.directions[:kept]
        facts = {"count": found.count}
        yield Fitted(name, on, Whitening(mean, projection.astype(np.float32), power, kept, facts))
