"""Concepts: the parts that a set of pictures has in common, and where else they are.

A set has no first picture, so its joint parts come from one NMF over the stored factors of all of
them, each row as long as its heatmap is strong; each picture's factors are then expressed in the
result (as in `dff.localization.joint_from_stored`, which starts from a query's own parts instead).
No network pass. Concepts are compared by their `directions`, and looked for in a whole index among
the whitened regions that a search compares.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dff.descriptors.base import Regions, balanced
from dff.factorization import factorize_activations
from dff.geometry import Box
from dff.index import Index
from dff.localization import (
    FLOOR,
    JOINT_THRESHOLD,
    all_expressed_in,
    expressed_in,
    locate,
    weighted_basis,
)
from dff.matching import matched_rows
from dff.names import KEPT, Name
from dff.parts import Parts
from dff.whitening import l2_normalise


@dataclass(frozen=True)
class Found:
    """A concept in a picture of an index: its row, the cosine that found it, and the box around
    it, (x0, y0, x1, y1) pixels of the original."""

    row: int
    score: float
    box: Box


def common_parts(pictures: Sequence[Parts], k: int, *, seed: int = 0) -> list[Parts]:
    """The k parts that pictures share, found in each of them.

    pictures: their stored factors, as many as there are (see `Index.detail`). Returns one `Parts`
    a picture, all with one basis (k, channels), by falling energy over the set, dead parts last.
    Raises ValueError without pictures or for a k below 1.
    """
    if not pictures:
        raise ValueError("pictures: expected at least one, got none")
    stacked = np.concatenate([weighted_basis(parts) for parts in pictures])
    basis = factorize_activations(stacked.T[:, :, None], k, seed=seed).basis
    return all_expressed_in(pictures, basis)


def energy_of(pictures: Sequence[Parts]) -> np.ndarray:
    """The share of the energy of all pictures together that each shared part holds: (k,) float32.

    pictures: with one basis, from `common_parts` or a joint factorization.
    """
    first = pictures[0]
    cells = np.concatenate([parts.heatmaps.reshape(parts.k, 1, -1) for parts in pictures], axis=2)
    return first.with_heatmaps(cells, first.basis).energy


def directions(basis: np.ndarray, blocks: tuple[int, ...]) -> np.ndarray:
    """Basis rows (k, channels) as unit vectors in which every joined layer has the same say."""
    rows = Regions(np.asarray(basis, np.float32), np.ones(len(basis), np.float32))
    return l2_normalise(balanced(rows, blocks).vectors)


def guesses(index: Index, rows: Sequence[int], pictures: Sequence[Parts]) -> list[Name]:
    """What the network's classifier says of the pictures' own parts most like each shared part.

    pictures: the shared parts in the pictures of `rows`. A picture has as much say as the part is
    strong in it. Three (label, probability) a part, best first; none for a dead part.
    """
    basis = pictures[0].basis
    wanted = directions(basis, index.settings.blocks)
    strengths = np.stack([parts.heatmaps.sum(axis=(1, 2)) for parts in pictures])  # (n, k)
    votes: list[Counter[str]] = [Counter() for _ in wanted]
    for row, strength in zip(rows, strengths, strict=True):
        own = directions(index.parts(row).basis, index.settings.blocks)
        for j, i in enumerate((wanted @ own.T).argmax(axis=1)):
            for label, probability in index.pictures[row].names[i]:
                votes[j][label] += probability * float(strength[j])
    totals = strengths.sum(axis=0)
    return [
        tuple((label, vote / float(totals[j])) for label, vote in votes[j].most_common(KEPT))
        if totals[j] > 0
        else ()
        for j in range(len(wanted))
    ]


def concept_scores(index: Index, basis: np.ndarray) -> np.ndarray:
    """How much each picture's best region is like each concept: (n, k) float32 cosines.

    basis: (k, channels), in the channels of the index. Compared where a search compares: among the
    whitened regions of the index's descriptor, or of its first one that lies in these channels.
    Raises ValueError where it has none.
    """
    own = (index.descriptor, *index.settings.descriptors)
    name = next((name for name in own if index.whitening(name).channels == basis.shape[1]), None)
    if name is None:
        raise ValueError(
            f"expected an index with regions of {basis.shape[1]} channels, got descriptors "
            f"{', '.join(index.settings.descriptors)}; build it with --descriptors dff_tree"
        )
    vectors = index.whitening(name).apply(directions(basis, index.settings.blocks))
    # Rows there are shares of a score: with equal weights, the cosine over their number.
    return matched_rows(vectors, np.ones(len(vectors)), index.regions(name)) * len(vectors)


def best_regions(
    index: Index, pictures: Sequence[Parts], scores: np.ndarray, count: int
) -> list[list[Found]]:
    """Where each concept is clearest in the whole index: `count` places each, best first.

    pictures: the shared parts of the set. scores: (n, k), from `concept_scores`. A picture in
    which a concept's heat stays below a quarter of its most in the set has none of it.
    """
    basis = pictures[0].basis
    floors = FLOOR * np.stack([parts.heatmaps.max(axis=(1, 2)) for parts in pictures]).max(axis=0)
    seen: dict[int, Parts] = {}
    found: list[list[Found]] = []
    for j, floor in enumerate(floors):
        places: list[Found] = []
        if basis[j].any():
            for row in np.argsort(-scores[:, j], kind="stable")[: 3 * count]:
                at = int(row)
                parts = seen.get(at) or seen.setdefault(at, expressed_in(index.detail(at), basis))
                where = locate(
                    parts, parts.heatmaps[j], threshold=JOINT_THRESHOLD, floor=float(floor)
                )
                if where.box is not None:
                    places.append(Found(at, float(scores[at, j]), where.box))
                if len(places) == count:
                    break
        found.append(places)
    return found
