"""uCroW: the plain sum over the picture (Kalantidis, Mellina & Osindero, ECCV Workshops 2016).

What CroW is measured against: all positions and all channels weigh the same.
"""

import numpy as np

from dff.descriptors.base import Regions, View, whole

TITLE = "uCroW"
SAYS = "All responses added up, every place counting alike."
PAPER = "Kalantidis, Mellina & Osindero, ECCV Workshops 2016"


def regions(view: View) -> Regions:
    """One region, the picture: vectors (1, channels), weight 1."""
    total = view.activations.sum(axis=(1, 2), dtype=np.float64)
    return Regions(total.astype(np.float32)[None], np.ones(1, np.float32), whole(view))
