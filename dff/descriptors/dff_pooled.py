"""DFF-pooled: the maxima of activations inside each part of a picture's factorization.

Our joining of DFF's regions (Collins & Süsstrunk, ICIP 2019) with the pooling of MAC (Tolias, Sicre
& Jégou, ICLR 2016): a basis row is an average over its part, in which small details drown; a
maximum keeps them. Nothing of it is in the paper.
"""

import numpy as np

from dff.descriptors.base import Regions, View

TITLE = "DFF-pooled"
SAYS = "The strongest response of every channel inside each part of the picture."
PAPER = "ours, after Collins & Süsstrunk 2019 and Tolias et al. 2016"
REGION = "part"
MATCHING = "regions"


def regions(view: View) -> Regions:
    """k regions: vectors (k, channels), the maximum of heatmap * activations, with the heatmap at
    a maximum of 1; the parts' heatmaps. Weights (k,): the square root of the energy, which is a
    part's share of strength where the energy is one of squares. Dead parts are all zero.
    """
    parts = view.parts
    vectors = np.empty(parts.basis.shape, np.float32)
    for vector, heatmap in zip(vectors, parts.heatmaps, strict=True):
        top = heatmap.max()
        inside = heatmap / (top if top > 0 else 1)
        vector[:] = (view.activations * inside).max(axis=(1, 2))
    return Regions(vectors, np.sqrt(parts.energy), parts.heatmaps)
