"""GeM: generalised mean pooling over the whole picture (Radenović et al., TPAMI 2018), p = 3."""

import numpy as np

from dff.descriptors.base import Regions, View, whole

TITLE = "GeM"
SAYS = "An average over the whole picture in which strong responses count most."
PAPER = "Radenović, Tolias & Chum, TPAMI 2018"

POWER = 3.0


def regions(view: View) -> Regions:
    """One region, the picture: vectors (1, channels), weight 1."""
    mean = np.mean(view.activations.astype(np.float64) ** POWER, axis=(1, 2))
    vectors = (mean ** (1 / POWER)).astype(np.float32)[None]
    return Regions(vectors, np.ones(1, np.float32), whole(view))
