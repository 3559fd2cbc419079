"""GeM: generalised mean pooling over the whole picture (Radenović et al., TPAMI 2018), p = 3."""

import numpy as np

from dff.descriptors.base import Regions
from dff.factorization import Factorization

POWER = 3.0


def regions(activations: np.ndarray, factorization: Factorization) -> Regions:
    """One region, the picture: vectors (1, channels), weight 1.

    activations: (channels, rows, columns) float32 >= 0.
    """
    mean = np.mean(activations.astype(np.float64) ** POWER, axis=(1, 2))
    return Regions((mean ** (1 / POWER)).astype(np.float32)[None], np.ones(1, np.float32))
