"""SPoC: sum pooling under a centre prior (Babenko & Lempitsky, ICCV 2015).

A position at distance d from the centre counts exp(-d^2 / (2 sigma^2)), sigma a third of the
distance from the centre to the nearest border. Distances are between the centres of cells, where
the paper's formula counts rows and columns. `ucrow` is the same without the prior.
"""

import numpy as np

from dff.descriptors.base import Regions, View

TITLE = "SPoC"
SAYS = "All responses added up, those at the picture's centre counting most."
PAPER = "Babenko & Lempitsky, ICCV 2015"


def regions(view: View) -> Regions:
    """One region, the picture: vectors (1, channels), weight 1, the prior as its heatmap."""
    _, rows, columns = view.activations.shape
    prior = centre_prior(rows, columns)
    vectors = np.tensordot(view.activations, prior, axes=2).astype(np.float32)[None]
    return Regions(vectors, np.ones(1, np.float32), prior[None].astype(np.float32))


def centre_prior(rows: int, columns: int) -> np.ndarray:
    """The weight of every position: (rows, columns) float64, over 0 to 1."""
    sigma = min(rows, columns) / 2 / 3
    down, across = (np.arange(n) + 0.5 - n / 2 for n in (rows, columns))
    prior: np.ndarray = np.exp(-(down[:, None] ** 2 + across**2) / (2 * sigma**2))
    return prior
