"""Neural codes: what the network's classifier sees (Babenko et al., ECCV 2014).

The paper takes the last layers before the classes, which see the picture as a whole. In networks
whose classifier sees the mean of a layer, that is this mean. Departures: the picture keeps its
aspect and size, where the paper squeezes it to the network's 224 pixels; nothing is fine-tuned. A
network whose classifier comes after more layers (VGG-16) has no neural code here: they are behind
the activations. Channels that the classifier does not see (another layer joined to its own) are
zero, which is what tells this one from `ucrow`.
"""

import numpy as np

from dff.descriptors.base import Regions, View, classifier, whole

TITLE = "Neural codes"
SAYS = "What the network's classifier sees: the average of its last layer."
PAPER = "Babenko et al., ECCV 2014"

NEEDS_CLASSIFIER = True


def regions(view: View) -> Regions:
    """One region, the picture: vectors (1, channels), weight 1.

    Raises ValueError for a view without a classifier.
    """
    weights, _ = classifier(view)
    code = view.activations.mean(axis=(1, 2), dtype=np.float64) * weights.any(axis=0)
    return Regions(code.astype(np.float32)[None], np.ones(1, np.float32), whole(view))
