"""CAM-weighted features (Jimenez, Alvarez & Giró-i-Nieto, BMVC 2017), aggregated offline.

One region a class: the class activation map (Zhou et al., CVPR 2016), rectified and divided by its
maximum, weighs the positions of a sum, CroW's weights the channels. The classes are the most
probable ones of the picture itself, so that a picture is described before any query is known, which
the authors call offline. Online they take the query's classes for all pictures, which no index can
keep: `dff.evaluation.online` measures it.

Departures from the paper: the activations that are pooled are those the maps are made of, where
the authors pool a layer further down; 8 classes, where they have up to 64.
"""

from collections.abc import Sequence

import numpy as np

from dff.descriptors.base import Regions, View, classifier
from dff.descriptors.crow import channel_weights
from dff.saliency import cam, top_classes

TITLE = "CAM-weighted"
SAYS = "Responses added up where the network sees one of the picture's eight likeliest classes."
PAPER = "Jimenez, Alvarez & Giró-i-Nieto, BMVC 2017"
REGION = "class"

NEEDS_CLASSIFIER = True
CLASSES = 8


def regions(view: View) -> Regions:
    """8 regions (fewer if the network has fewer classes), the most probable class first.

    vectors (r, channels), uniform weights, the scaled maps as heatmaps. A class for which nothing
    in the picture speaks has an empty region. Raises ValueError for a view without a classifier.
    """
    return regions_of(view, likeliest(class_probabilities(view)))


def likeliest(odds: np.ndarray) -> list[int]:
    """The 8 classes (or all, if there are fewer) with the largest of (classes,) odds, in order."""
    return top_classes(odds, min(CLASSES, len(odds)))


def regions_of(view: View, classes: Sequence[int]) -> Regions:
    """The regions of given classes, as in `regions`.

    Raises ValueError for a view without a classifier, no class, or one the network does not have.
    """
    weights, _ = classifier(view)
    if len(classes) == 0 or min(classes) < 0 or max(classes) >= len(weights):
        raise ValueError(f"classes: expected some of 0 to {len(weights) - 1}, got {classes}")
    maps = np.stack([cam(view.activations, weights[number]) for number in classes])
    tops = maps.max(axis=(1, 2), keepdims=True)
    heatmaps = maps / np.where(tops > 0, tops, 1)
    sums = np.tensordot(heatmaps, view.activations, axes=((1, 2), (1, 2)))
    vectors = sums * channel_weights(view.activations)
    return Regions(vectors.astype(np.float32), np.ones(len(classes), np.float32), heatmaps)


def class_probabilities(view: View) -> np.ndarray:
    """What the network's classifier says of the picture: (classes,) float64, which sum to 1.

    Raises ValueError for a view without a classifier.
    """
    weights, bias = classifier(view)
    logits = weights @ view.activations.mean(axis=(1, 2), dtype=np.float64) + bias
    odds = np.exp(logits - logits.max())
    probabilities: np.ndarray = odds / odds.sum()
    return probabilities
