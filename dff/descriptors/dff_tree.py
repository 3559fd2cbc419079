"""DFF tree: the picture's finest parts, and the groups they form step by step up to the whole.

Eight parts of the deepest layer, joined two by two, the most alike first, until one group is left:
fifteen regions, from a detail to the whole picture. Each is described by the maxima of the
activations inside it, as in `dff_pooled`; the maxima of a group are those of its members, so the
groups cost nothing. It gives DFF (Collins & Süsstrunk, ICIP 2019) what makes the windows of
Razavian et al. (CVPR Workshops 2014) and R-MAC's squares (Tolias et al., ICLR 2016) strong, regions
of several sizes, with borders that the network draws. Agglomerative grouping of regions is old
(van de Sande et al., ICCV 2011); here it is one of DFF's parts. Nothing of it is in the paper.

The page shows k parts. Each fine part is credited to them by how much of its strength lies where
each of them is, and a group as its members are, by their energy.
"""

import numpy as np

from dff.descriptors.base import Regions, View
from dff.factorization import Factorization, factorize_activations
from dff.whitening import l2_normalise

TITLE = "DFF tree"
SAYS = "The strongest responses inside fine parts and the groups they form, up to the whole."
PAPER = "ours, after Collins & Süsstrunk 2019 and Razavian et al. 2014"
REGION = "part"
MATCHING = "mutual"
LEAVES = 8
CHANNELS = 304  # pooled at a time


def regions(view: View) -> Regions:
    """Up to 15 regions, the live leaves first: vectors (r, channels); weights (r,), the square root
    of the energy; heatmaps (r, rows, columns), those of a group's leaves added up; members (r, k),
    shares in the parts of the view. A picture that holds nothing has one region of zeros.
    """
    leaves = factorize_activations(view.deepest, LEAVES, seed=view.seed)
    live = np.flatnonzero(leaves.energy > 0)
    if len(live) == 0:
        nothing = np.zeros((1, len(view.activations)), np.float32)
        even = np.full((1, view.k), 1 / view.k, np.float32)
        return Regions(nothing, np.zeros(1, np.float32), leaves.heatmaps[:1], even)
    heat, energy = leaves.heatmaps[live], leaves.energy[live].astype(np.float64)
    inside = heat / heat.max(axis=(1, 2), keepdims=True)
    tops = maxima(view.activations, inside)
    groups = grouped(tops[:, -len(view.deepest) :])
    belongs = np.zeros((len(groups), len(live)))
    for row, group in zip(belongs, groups, strict=True):
        row[list(group)] = 1
    total = belongs @ energy
    return Regions(
        vectors=np.stack([tops[list(group)].max(axis=0) for group in groups]).astype(np.float32),
        weights=np.sqrt(total).astype(np.float32),
        heatmaps=np.tensordot(belongs, heat, axes=1).astype(np.float32),
        members=((belongs * energy) @ shares(heat, view.parts) / total[:, None]).astype(np.float32),
    )


def maxima(activations: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The maximum of every channel of activations (channels, rows, columns) times each heatmap of
    inside (r, rows, columns): (r, channels) float32."""
    cells = inside.reshape(len(inside), -1, 1)
    found = np.empty((len(inside), len(activations)), np.float32)
    # A few channels at a time stay in the cache, and maxima over whole rows are the fast ones.
    for start in range(0, len(activations), CHANNELS):
        some = activations[start : start + CHANNELS]
        positions = np.ascontiguousarray(some.reshape(len(some), -1).T)
        for row, own in zip(found, cells, strict=True):
            row[start : start + CHANNELS] = (positions * own).max(axis=0)
    return found


def grouped(vectors: np.ndarray) -> list[tuple[int, ...]]:
    """The tree over vectors (n, channels) >= 0: n groups of one, then n - 1 joins, each of the two
    open groups of the highest cosine (the first of equal ones), where a group's vector is the
    maximum of its members'. Members are sorted.
    """
    groups: list[tuple[int, ...]] = [(j,) for j in range(len(vectors))]
    open_groups = list(range(len(vectors)))
    tops = list(np.asarray(vectors, np.float64))
    while len(open_groups) > 1:
        units = l2_normalise(np.stack([tops[j] for j in open_groups]))
        cosines = np.triu(units @ units.T, 1) + np.tril(np.full((len(units),) * 2, -np.inf))
        first, second = np.unravel_index(int(cosines.argmax()), cosines.shape)
        one, other = open_groups[int(first)], open_groups[int(second)]
        groups.append(tuple(sorted(groups[one] + groups[other])))
        tops.append(np.maximum(tops[one], tops[other]))
        open_groups = [j for j in open_groups if j not in (one, other)] + [len(groups) - 1]
    return groups


def shares(heat: np.ndarray, parts: Factorization) -> np.ndarray:
    """How much of each leaf lies where each part is: (leaves, k), rows of sum 1.

    heat: (leaves, rows, columns) >= 0. At every position a part has its share of the parts' heat
    there; a leaf's share in it is the mean of that, weighted by the leaf's own heat. A leaf that
    lies where no part is belongs to all evenly.
    """
    cells = parts.heatmaps.reshape(parts.k, -1).astype(np.float64)
    there = cells.sum(axis=0)
    split = np.where(there > 0, cells / np.where(there > 0, there, 1), 0)
    found: np.ndarray = heat.reshape(len(heat), -1).astype(np.float64) @ split.T
    total = found.sum(axis=1, keepdims=True)
    return np.where(total > 0, found / np.where(total > 0, total, 1), 1 / parts.k)
