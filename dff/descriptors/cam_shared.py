"""CAM-weighted features (Jimenez, Alvarez & Giró-i-Nieto, BMVC 2017) of the same classes in all
pictures.

As in `cam`, but region i of every picture is one class: one of those that are most probable over a
collection. Such a list for good is not in the paper. Its authors take the picture's own classes
(offline: `cam`) or those of each query (online: `dff.evaluation.online`). The other departures are
those of `cam`.
"""

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from dff.descriptors.base import Regions, View
from dff.descriptors.cam import class_probabilities, likeliest, regions_of

TITLE = "CAM-weighted, shared classes"
SAYS = "Responses added up where the network sees one of eight classes, the same for all pictures."
PAPER = "after Jimenez, Alvarez & Giró-i-Nieto, BMVC 2017"
REGION = "class"

NEEDS_CLASSIFIER = True


def learn(views: Iterable[View]) -> Callable[[View], Regions]:
    """The `regions` function of the 8 classes with the largest sum of probabilities over `views`.

    Raises ValueError without views, or for one without a classifier.
    """
    total: np.ndarray | None = None
    for view in views:
        odds = class_probabilities(view)
        total = odds if total is None else total + odds
    if total is None:
        raise ValueError("views: expected at least one picture to learn the classes from, got none")
    return partial(regions_of, classes=likeliest(total))
