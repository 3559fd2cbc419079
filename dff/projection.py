"""A collection as a map: descriptors in the plane, alike pictures near each other.

t-SNE (van der Maaten & Hinton 2008), as scikit-learn computes it, from a start along the two
principal directions: the same pictures give the same map. Only nearness means something on it;
the axes and the distances between groups do not.
"""

import numpy as np
from threadpoolctl import threadpool_limits

from dff.principal import check_finite, positive_signs, unit64

FEWEST = 8  # below this there are no neighbourhoods to keep
PERPLEXITY = 20.0  # about how many neighbours of a picture count
DIRECTIONS = 50  # principal directions that t-SNE sees, as its authors have it
SPREAD = 1e-4  # of the start, as its authors have it
ROUNDING = 1e-6  # lengths below this are noise: equal pictures lie in one place


def principal_plane(vectors: np.ndarray) -> np.ndarray:
    """Where pictures lie along their two principal directions.

    vectors: (n, dimensions), unit or zero. Returns (n, 2) float32 in 0..1, each axis filled;
    0.5 where all pictures agree. Raises ValueError for another shape, NaN or infinity.
    """
    return _filled(_along(_checked(vectors))[:, :2])


def neighbour_plane(vectors: np.ndarray) -> np.ndarray:
    """Where pictures lie by t-SNE; for few or equal ones, along their principal directions.

    vectors, returns, errors: as in `principal_plane`. One thread; 222 pictures take a second,
    10,000 about a minute.
    """
    vectors = _checked(vectors)
    along = _along(vectors)
    start = along[:, :2]
    if len(vectors) < FEWEST or not start[:, 0].any():
        return _filled(start)
    from sklearn.manifold import TSNE  # a second to import, and only maps need it

    begin = (start / start[:, 0].std() * SPREAD).astype(np.float32)
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    with threadpool_limits(1, user_api="openmp"):  # this thread's; the other core is for queries
        found = TSNE(perplexity=perplexity, init=begin, random_state=0, n_jobs=1).fit_transform(
            along.astype(np.float32)
        )
    return _filled(found)


def _checked(vectors: np.ndarray) -> np.ndarray:
    vectors = np.asarray(vectors)
    if vectors.ndim != 2:
        raise ValueError(f"vectors: expected (n, dimensions), got shape {vectors.shape}")
    check_finite(vectors)
    return vectors


def _along(vectors: np.ndarray) -> np.ndarray:
    """Coordinates along the first principal directions, (n, DIRECTIONS) float64, zeros where the
    pictures span fewer. A picture without a descriptor lies in the middle."""
    rows = vectors.any(axis=1)
    found = np.zeros((len(vectors), DIRECTIONS))
    if rows.any():
        alive = unit64(vectors[rows])
        # Of the pictures, not of the channels: a small collection has many more of these.
        left, lengths, _ = np.linalg.svd(alive - alive.mean(axis=0), full_matrices=False)
        kept = lengths[:DIRECTIONS] > ROUNDING * np.sqrt(len(alive))
        along = (left * lengths)[:, :DIRECTIONS][:, kept]
        found[rows, : along.shape[1]] = positive_signs(along.T).T
    return found


def _filled(points: np.ndarray) -> np.ndarray:
    """Each axis in 0..1, halfway between its values and their ranks: groups get room, and order
    and equal places stay. A window is wider than it is high, and axes mean nothing."""
    filled = np.full(points.shape, 0.5, np.float32)
    for axis, values in enumerate(points.T):
        different, places = np.unique(values, return_inverse=True)
        if len(different) > 1:
            linear = (values - different[0]) / (different[-1] - different[0])
            filled[:, axis] = (linear + places / (len(different) - 1)) / 2
    return filled
