"""MAC: the maximum of every channel over the picture (Tolias, Sicre & Jégou, ICLR 2016)."""

import numpy as np

from dff.descriptors.base import Regions, View, whole

TITLE = "MAC"
SAYS = "The strongest response of every channel, wherever in the picture it is."
PAPER = "Tolias, Sicre & Jégou, ICLR 2016"


def regions(view: View) -> Regions:
    """One region, the picture: vectors (1, channels), weight 1."""
    vectors = view.activations.max(axis=(1, 2)).astype(np.float32)[None]
    return Regions(vectors, np.ones(1, np.float32), whole(view))
