"""A network's name -> the network with its weights, and where they come from.

Who builds which network, and whose weights it gets, is in `dff.backbones.weights`.
"""

import sys
import threading
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dff.backbones.weights import (
    first_recipe,
    library_of,
    lite0_file,
    lite0_unreadable,
    lite0_weights,
    timm_config,
    timm_unavailable,
    timm_weights,
    torchvision_unavailable,
    torchvision_weights,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

# The outputs of timm's BatchNormAct2d modules, their ReLU6 included.
LITE0_LAYERS = {"block5": "blocks.5.0.bn1", "block6": "blocks.6.0.bn1", "last": "bn2"}
LITE0_DEFAULT = "block6+last"
# Root mean square over the positions of the sample photos at 512 pixels.
LITE0_SCALES = {"block6": 22.1, "last": 18.8}
# What its authors trained it with; ImageNet's mean and deviation lose 2 to 4 mAP.
LITE0_MEAN = LITE0_STD = (0.5, 0.5, 0.5)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# VGG's layers as papers call them, after their ReLU.
VGG16_LAYERS = {
    "relu3_3": "features.15",
    "relu4_3": "features.22",
    "relu5_1": "features.25",
    "relu5_2": "features.27",
    "relu5_3": "features.29",
    "pool5": "features.30",
}

# Building a network draws from the global generator, which fork_rng puts back afterwards; two
# threads that did so at once would put back each other's state. (So a second network waits while
# a first one's weights are being fetched.)
_BUILDING = threading.Lock()


@dataclass(frozen=True)
class Preset:
    """What we know of a torchvision network that a probe does not find out: short layer names,
    and the layer of those who choose none."""

    layers: dict[str, str]
    default: str | None


# VGG's last ReLU without the pool behind it, as Collins, Achanta & Süsstrunk (ECCV 2018) cut
# VGG-19 in their published code: four times the positions. No scales to join layers at one
# strength: that takes weights, which were out of reach where this was written.
PRESETS = {
    "vgg16": Preset(VGG16_LAYERS, "relu5_3"),
    "resnet50": Preset({}, "layer4"),
    "resnet101": Preset({}, "layer4"),
}
PLAIN = Preset({}, None)


@dataclass(frozen=True, eq=False)
class Network:
    """A network in eval mode on the CPU, with what is needed to feed it and to give credit.

    module: None where PyTorch is not needed and has not been loaded (see `prepared`).
    """

    module: "nn.Module | None"
    mean: tuple[float, ...]
    std: tuple[float, ...]
    weights: str
    licence: str
    layers: dict[str, str] = field(default_factory=dict)  # short layer name -> module name
    # Short layer name -> length of the activations at a position, to join layers at one strength.
    scales: dict[str, float] = field(default_factory=dict)
    default: str | None = None  # the layer, or layers, of those who choose none


def build_network(name: str, *, pretrained: bool = True, seed: int = 0) -> Network:
    """Build the network `name`; with pretrained=False its weights are random, from `seed`.

    Raises ValueError for an unknown name (with close ones) and WeightsUnavailable when the weights
    can be neither found nor fetched. The global random state is left as it was.
    """
    import torch

    library = library_of(name)
    with _BUILDING, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would also seed the GPUs
        if library == "package":
            network = _bundled(pretrained, seed)
        elif library == "torchvision":
            network = _from_torchvision(name, pretrained, seed)
        else:
            network = _from_timm(name, pretrained, seed)
    module_of(network).eval()
    return network


def module_of(network: Network) -> "nn.Module":
    """The PyTorch network itself. Raises ValueError where it has not been loaded."""
    if network.module is None:
        raise ValueError("network: expected a PyTorch network, got one without")
    return network.module


def load_in_order(module: "nn.Module", tensors: Sequence[tuple[str, "Tensor"]]) -> None:
    """Load tensors whose names differ from the module's, but not their order, shape and kind.

    The kind is a name's last part ("weight", "running_mean", ...). Raises ValueError otherwise.
    """
    own = module.state_dict()

    def kinds(items: Sequence[tuple[str, "Tensor"]]) -> list[tuple[str, tuple[int, ...]]]:
        return [(name.rpartition(".")[2], tuple(tensor.shape)) for name, tensor in items]

    expected, got = kinds(list(own.items())), kinds(tensors)
    if expected != got:
        pairs = enumerate(zip(expected, got, strict=False))
        differing = next((place for place, (a, b) in pairs if a != b), min(len(expected), len(got)))
        raise ValueError(
            f"weights: expected {len(expected)} tensors in the network's order, got {len(got)}, "
            f"the first difference at tensor {differing}; the file belongs to another network"
        )
    module.load_state_dict(dict(zip(own, (tensor for _, tensor in tensors), strict=True)))


def _bundled(pretrained: bool, seed: int) -> Network:
    import timm
    import torch

    module = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    weights, licence = _random(seed)
    if pretrained:
        path = lite0_file()
        try:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # a broken file, whatever its reader makes of it
            raise lite0_unreadable(error) from error
        load_in_order(module, list(tensors.items()))
        found = lite0_weights(path)
        weights, licence = found.origin, found.licence
    return Network(
        module,
        LITE0_MEAN,
        LITE0_STD,
        weights,
        licence,
        layers=LITE0_LAYERS,
        scales=LITE0_SCALES,
        default=LITE0_DEFAULT,
    )


def _from_torchvision(name: str, pretrained: bool, seed: int) -> Network:
    from torchvision import models

    entry = first_recipe(name)
    seen = entry.transforms()
    weights, licence = _random(seed)
    if pretrained:
        try:
            with redirect_stdout(sys.stderr):  # torch says there that it fetches a file
                module = models.get_model(name, weights=entry)
        except Exception as error:  # URLError, OSError, a wrong hash, a broken file: all the same
            raise torchvision_unavailable(name, entry, error) from error
        found = torchvision_weights(entry)
        weights, licence = found.origin, found.licence
    else:
        module = models.get_model(name, weights=None)
    preset = PRESETS.get(name, PLAIN)
    return Network(
        module,
        tuple(seen.mean),
        tuple(seen.std),
        weights,
        licence,
        layers=preset.layers,
        default=preset.default,
    )


def _from_timm(name: str, pretrained: bool, seed: int) -> Network:
    import timm

    config: Any = timm_config(name) if pretrained else timm.get_pretrained_cfg(name)
    weights, licence = _random(seed)
    if pretrained:
        try:
            with redirect_stdout(sys.stderr):
                module = timm.create_model(name, pretrained=True)
        except Exception as error:  # from URLError to the hub client's own classes
            raise timm_unavailable(name, config, error) from error
        found = timm_weights(config)
        weights, licence = found.origin, found.licence
    else:
        module = timm.create_model(name, pretrained=False)
    mean, std = config.mean or IMAGENET_MEAN, config.std or IMAGENET_STD
    return Network(module, tuple(mean), tuple(std), weights, licence)


def _random(seed: int) -> tuple[str, str]:
    return f"random (seed {seed})", "none (random weights)"
