"""DFF: Deep Feature Factorization for image retrieval and localization.

Pick a picture, mark what you mean, and see which regions a network finds in it, which other
pictures share them, where in them they are, and exactly how much each pair of regions added to
the score. After Collins & Süsstrunk (ICIP 2019). Heavy imports wait until they are needed.
"""

from dff.backbones import Backbone, WeightsUnavailable, load_backbone
from dff.factorization import (
    Factorization,
    factorize,
    factorize_activations,
    factorize_jointly,
    project_onto,
)
from dff.images import ImageError, read_image
from dff.index import Index, IndexProblem, Match, Query
from dff.localization import Located, localize
from dff.whitening import Whitening

__version__ = "0.1.0"

__all__ = [
    "Backbone",
    "Factorization",
    "ImageError",
    "Index",
    "IndexProblem",
    "Located",
    "Match",
    "Query",
    "WeightsUnavailable",
    "Whitening",
    "factorize",
    "factorize_activations",
    "factorize_jointly",
    "load_backbone",
    "localize",
    "project_onto",
    "read_image",
]
