"""A codebook of patches, and VLAD: what a set of patches differs by from its words.

VLAD is Jégou, Perronnin, Douze, Sánchez, Pérez & Schmid (TPAMI 2012): each patch goes to its
nearest word, the differences are summed word by word, and the signed square root is taken of each
entry, so that what repeats within one picture does not drown the rest. With few patches a picture
two like ones easily go to different words and are never compared, so here, as in MOP-CNN, a patch
is spread over its nearest words.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from dff.principal import principal, unit64

MOST_STEPS = 50  # of k-means
SPREAD = 5  # words that a patch is shared out to, evenly


@dataclass(frozen=True, eq=False)
class Codebook:
    """Words learnt from patches at unit length.

    mean: (channels,), directions: (d, channels), to d dimensions. words: (c, d). All float64.
    """

    mean: np.ndarray
    directions: np.ndarray
    words: np.ndarray

    @classmethod
    def fit(cls, patches: np.ndarray, count: int, dimensions: int, seed: int = 0) -> Self:
        """Learn `count` words in `dimensions` principal directions of (n, channels) patches.

        Fewer of both come out where the patches have fewer different directions. Rows of zeros
        are left out. Deterministic by `seed`. Raises ValueError for fewer than two different
        patches, or for a count or dimensions under 1.
        """
        if count < 1 or dimensions < 1:
            raise ValueError(
                f"expected at least 1 word and 1 dimension, got {count} and {dimensions}"
            )
        found = principal(patches)
        mean, directions = found.mean, found.directions[:dimensions]
        alive = unit64(patches[patches.any(axis=1)])
        return cls(mean, directions, k_means((alive - mean) @ directions.T, count, seed))

    def vlad(self, patches: np.ndarray) -> np.ndarray:
        """(n, channels) patches -> (c * d,) float64 of unit length, word by word.

        Each patch counts 1/5 in each of its 5 nearest words (1/c if there are only c). Rows of
        zeros do not count; without any other row, and where nothing differs from its words, all is
        zero.
        """
        alive = unit64(patches[patches.any(axis=1)])
        points = (alive - self.mean) @ self.directions.T
        order = np.argsort(_closeness(points, self.words), axis=1, kind="stable")[:, :SPREAD]
        shares = np.zeros((len(points), len(self.words)))
        np.put_along_axis(shares, order, 1 / order.shape[1], axis=1)
        sums = shares.T @ points - shares.sum(axis=0)[:, None] * self.words
        rooted = np.sign(sums) * np.sqrt(np.abs(sums))
        flat: np.ndarray = unit64(rooted.reshape(1, -1))[0]
        return flat


def k_means(points: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Centres (c, d) of (n, d) points, n >= 1: Lloyd's algorithm from a k-means++ start.

    (Arthur & Vassilvitskii, SODA 2007.) At most 50 steps; c is `count`, or the number of different
    points if that is smaller. A centre that loses its last point stays where it is.
    """
    centres = _spread(points, count, np.random.default_rng(seed))
    nearest = _nearest(points, centres)
    for _ in range(MOST_STEPS):
        for number in np.unique(nearest):
            centres[number] = points[nearest == number].mean(axis=0)
        before, nearest = nearest, _nearest(points, centres)
        if (nearest == before).all():
            break
    return centres


def _spread(points: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """The start: each centre a point drawn by its squared distance from those before it."""
    chosen = [int(random.integers(len(points)))]
    distances = np.full(len(points), np.inf)
    while len(chosen) < count:
        # Differences, not norms and products: those of equal points are exactly zero.
        distances = np.minimum(distances, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
        total = distances.sum()
        if total == 0:
            break
        chosen.append(int(random.choice(len(points), p=distances / total)))
    return points[chosen]


def _nearest(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The nearest centre of every point, (n,); the first on ties."""
    nearest: np.ndarray = _closeness(points, centres).argmin(axis=1)
    return nearest


def _closeness(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(n, c): squared distances, less what is the same for all centres of a point."""
    distances: np.ndarray = (centres**2).sum(axis=1) - 2 * (points @ centres.T)
    return distances
