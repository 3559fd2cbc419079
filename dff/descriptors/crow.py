"""CroW: cross-dimensional weighting (Kalantidis, Mellina & Osindero, ECCV Workshops 2016).

A sum over the picture in which positions weigh by how active they are and channels by how rare
they are. As in the authors' code, a channel that is zero everywhere has weight 0, where the paper's
formula adds a small constant. If only one channel is not zero, its weight is log 1 = 0, and the
descriptor is zero.
"""

import numpy as np

from dff.descriptors.base import Regions, View

TITLE = "CroW"
SAYS = "All responses added up, active places and rare channels counting most."
PAPER = "Kalantidis, Mellina & Osindero, ECCV Workshops 2016"


def regions(view: View) -> Regions:
    """One region, the picture: vectors (1, channels), weight 1, spatial weights as heatmap."""
    space = spatial_weights(view.activations)
    vector = np.tensordot(view.activations, space, axes=2) * channel_weights(view.activations)
    return Regions(
        vector.astype(np.float32)[None], np.ones(1, np.float32), space[None].astype(np.float32)
    )


def spatial_weights(activations: np.ndarray) -> np.ndarray:
    """The weight of every position, (rows, columns) float64, 0 to 1: the sum of its channels,
    divided by the length of all sums, square root.

    activations: (channels, rows, columns) >= 0.
    """
    total = activations.sum(axis=0, dtype=np.float64)
    length = np.linalg.norm(total)
    weights: np.ndarray = np.sqrt(total / length) if length > 0 else total
    return weights


def channel_weights(activations: np.ndarray) -> np.ndarray:
    """The weight of every channel, (channels,) float64 >= 0: log(sum of all shares / its share),
    share = the number of positions where it is not zero; 0 for a channel that is zero.

    activations: (channels, rows, columns) >= 0.
    """
    shares = np.count_nonzero(activations, axis=(1, 2))
    ratios = np.divide(shares.sum(), shares, out=np.ones(len(shares)), where=shares > 0)
    weights: np.ndarray = np.log(ratios)
    return weights
