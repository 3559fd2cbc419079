"""DFF-GeM: the generalised mean of activations inside each part of a picture's factorization.

As `dff_pooled`, with the pooling of GeM (Radenović et al., TPAMI 2018), p = 3, between the average
that a basis row is and the maximum. Nothing of it is in the paper.
"""

import numpy as np

from dff.descriptors.base import Regions, View
from dff.descriptors.gem import POWER

TITLE = "DFF-GeM"
SAYS = "Inside each part of the picture, an average in which strong responses count most."
PAPER = "ours, after Collins & Süsstrunk 2019 and Radenović et al. 2018"
REGION = "part"
MATCHING = "regions"


def regions(view: View) -> Regions:
    """k regions: vectors (k, channels), the mean of activations^3 weighted by the part's heatmap,
    cube root; weights (k,), the square root of the energy; the parts' heatmaps. Dead parts are
    all zero.
    """
    parts = view.parts
    heat = parts.heatmaps.reshape(parts.k, -1).astype(np.float64)
    total = heat.sum(axis=1, keepdims=True)
    shares = heat / np.where(total > 0, total, 1)
    cubes = view.activations.reshape(len(view.activations), -1).astype(np.float64) ** POWER
    vectors = (shares @ cubes.T) ** (1 / POWER)
    return Regions(vectors.astype(np.float32), np.sqrt(parts.energy), parts.heatmaps)
