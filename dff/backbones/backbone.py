"""A network that runs up to one layer, or several joined: picture -> activations."""

import difflib
import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from dff.backbones.ending import end_at, running
from dff.backbones.networks import Network, build_network
from dff.backbones.taps import Probe, Tap, probe
from dff.backbones.weights import DEFAULT_NAME, reason
from dff.descriptors.base import View
from dff.geometry import fit_size
from dff.images import check_picture, resize

if TYPE_CHECKING:
    from torch import Tensor, nn

DEFAULT_SIZE = 512
SHOWN = 12  # layers named in a message
JOIN = "+"  # between the names of layers that are seen as one


def load_backbone(
    name: str = DEFAULT_NAME,
    layer: str | None = None,
    *,
    pretrained: bool = True,
    device: str = "cpu",
    seed: int = 0,
) -> "Backbone":
    """Load a network and choose the layer whose activations it gives.

    name: "efficientnet_lite0" (weights bundled), else a classification network of torchvision or,
        failing that, of timm ("resnet50", "resnet18.a1_in1k"). "NAME:LAYER" names the layer too.
    layer: a module's name in the network, such as "layer4" of resnet50; of efficientnet_lite0
        also "block5", "block6" and "last", of vgg16 "relu5_3" and others of papers' names.
        `Backbone.taps` lists those that can be factorized. Layers of one stride can be joined,
        "block6+last": their channels stand one after another, each layer divided by its usual
        strength where the preset knows it.
        Default: the preset's ("block6+last" of efficientnet_lite0), else of the coarsest ones the
        widest, which in most networks is the last.
    pretrained: False gives random weights, drawn from `seed`, and needs no network connection.
    device: a PyTorch device, such as "cpu" or "cuda".

    Raises ValueError for an unknown name, layer or device and for a layer that cannot be
    factorized, WeightsUnavailable (a ValueError) when the weights cannot be fetched.
    """
    name, _, suffix = name.partition(":")
    if suffix and layer is not None and layer != suffix:
        raise ValueError(f"layer: expected one, got {suffix!r} in the name and {layer!r} beside it")
    network = build_network(name, pretrained=pretrained, seed=seed)
    return Backbone(name, network, layer=layer or suffix or None, device=device)


class Backbone:
    """A network up to its layers; load_backbone makes them. Safe to share between threads.

    name, layer: what was loaded; channels, stride: the layer's (stride in input pixels)
    blocks: the channels of each layer, where several are joined
    size: the longest side, in pixels, to which pictures are scaled unless another is given
    mean, std: of the input's normalisation, on the scale 0 to 1
    weights, licence: where the weights come from, and their licence as far as it is stated
    taps: the layers that can be factorized, in order of depth
    class_weights (classes, channels), class_bias (classes,): float32, read-only, of the classifier
        whose input is the mean of this layer's activations; None for every other layer
    """

    def __init__(
        self, name: str, network: Network, *, layer: str | None = None, device: str = "cpu"
    ) -> None:
        import torch

        try:
            found = probe(network.module)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        short = {found.modules[module]: alias for alias, module in network.layers.items()}
        self.taps = tuple(
            Tap(short.get(tap.name, tap.name), tap.channels, tap.stride) for tap in found.taps
        )
        wanted = layer or network.default
        modules = [
            _choose(name, one and network.layers.get(one, one), found, self.taps)
            for one in (wanted.split(JOIN) if wanted else [None])
        ]
        names = [tap.name for tap in found.taps]
        places = sorted({names.index(module) for module in modules})
        joined = [self.taps[place] for place in places]
        if len({tap.stride for tap in joined}) > 1:
            strides = ", ".join(f"{tap.name}: {tap.stride}" for tap in joined)
            raise ValueError(f"{name}: joined layers need one stride, got {strides}")
        modules = [names[place] for place in places]
        self.name = name
        self.layer = JOIN.join(tap.name for tap in joined)
        self.blocks = tuple(tap.channels for tap in joined)
        self.channels = sum(self.blocks)
        self.stride = joined[0].stride
        # A layer alone keeps its values; joined ones are brought to one strength.
        alone = len(joined) == 1
        self._scales = tuple(1.0 if alone else network.scales.get(t.name, 1.0) for t in joined)
        self.size = DEFAULT_SIZE
        self.mean = network.mean
        self.std = network.std
        self.weights = network.weights
        self.licence = network.licence
        self.device = device
        self.class_weights: np.ndarray | None = None
        self.class_bias: np.ndarray | None = None
        if found.head is not None and found.head_tap in modules:
            weights, self.class_bias = _arrays(found.head)
            self.class_weights = self._widened(weights, modules.index(found.head_tap), joined)
        try:
            self._network = network.module.to(device).to(memory_format=torch.channels_last)
        except (AssertionError, RuntimeError) as error:
            raise ValueError(
                f"device: expected one that PyTorch has here, such as 'cpu', got {device!r} "
                f"({reason(error)})"
            ) from error
        end_at([self._network.get_submodule(module) for module in modules])

    def __repr__(self) -> str:
        return (
            f"Backbone({self.name}:{self.layer}, {self.channels} channels, stride {self.stride}, "
            f"weights: {self.weights})"
        )

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of the SHA-256 over all weights: names, shapes and values."""
        digest = hashlib.sha256()
        for name, tensor in self._network.state_dict().items():
            values = tensor.cpu().contiguous().numpy()
            digest.update(f"{name} {values.dtype} {values.shape}".encode())
            digest.update(values.tobytes())
        return digest.hexdigest()[:16]

    @cached_property
    def labels(self) -> tuple[str, ...] | None:
        """The classes' English names if they are ImageNet's 1000 and `classify` applies."""
        if self.class_weights is None or len(self.class_weights) != 1000:
            return None
        from timm.data import ImageNetInfo

        return tuple(text.split(",")[0] for text in ImageNetInfo().label_descriptions())

    def activations(self, picture: np.ndarray, size: int | None = None) -> np.ndarray:
        """Activations (channels, rows, columns), float32 and non-negative, of one picture.

        picture: uint8 (height, width, 3), RGB; a crop may be as small as one pixel.
        size: the longest side of the network's input in pixels (see geometry.fit_size).
        """
        return self.activations_batch([picture], size)[0]

    def activations_batch(
        self, pictures: Sequence[np.ndarray], size: int | None = None
    ) -> list[np.ndarray]:
        """`activations` of several pictures; those with equal input sizes share one pass.

        The memory needed grows with the number of pictures: hand over a few at a time.
        """
        size = self.size if size is None else size
        groups: dict[tuple[int, int], list[int]] = {}
        for number, picture in enumerate(pictures):
            check_picture(picture, minimum=1)
            height, width = picture.shape[:2]
            groups.setdefault(fit_size(width, height, size), []).append(number)
        found: dict[int, np.ndarray] = {}
        for (width, height), numbers in groups.items():
            batch = np.stack([resize(pictures[number], width, height) for number in numbers])
            # Copies, so that one picture's activations do not keep the whole batch in memory.
            maps = [np.array(one, order="C") for one in self._run(batch)]
            found.update(zip(numbers, maps, strict=True))
        return [found[number] for number in range(len(pictures))]

    def view(self, activations: np.ndarray, k: int = 4, seed: int = 0) -> View:
        """What descriptors look at: activations of this network, with its classifier."""
        return View(activations, k, seed, self.class_weights, self.class_bias, self.blocks)

    def classify(self, vectors: np.ndarray) -> np.ndarray | None:
        """Class probabilities (n, classes), float32, of vectors (n, channels) of this layer.

        The network's own classifier, for which a picture is the mean of its activations; a unit
        vector, such as a basis row, must first be scaled to a picture's strength. None when the
        classifier's input is not the mean of this layer.
        """
        vectors = np.asarray(vectors)
        if vectors.ndim != 2 or vectors.shape[1] != self.channels:
            raise ValueError(f"vectors: expected (n, {self.channels}), got {vectors.shape}")
        if not np.isfinite(vectors).all():
            raise ValueError("vectors: expected finite numbers, got NaN or infinity")
        if self.class_weights is None or self.class_bias is None:
            return None
        logits = vectors.astype(np.float32) @ self.class_weights.T + self.class_bias
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True), dtype=np.float32)

    def gradient(
        self, picture: np.ndarray, class_index: int | None = None, size: int | None = None
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """Activations of one picture, the gradient of a class's logit in them, and the class.

        picture, size: as for `activations`, which gives the same activations.
        class_index: a class of the network's classifier; by default the most probable one.

        Both arrays are (channels, rows, columns) float32; `dff.saliency.grad_cam` takes them. The
        gradient goes from the logit back to this layer and no further: the network's weights
        are left alone, and threads do not mix.
        Raises ValueError for a class that the network does not have, and for a network whose
        result is not one logit a class.
        """
        import torch

        check_picture(picture, minimum=1)
        height, width = picture.shape[:2]
        fitted = fit_size(width, height, self.size if size is None else size)
        with torch.no_grad(), running(to_the_end=True) as this:  # gradients on from the layer
            logits = self._network(self._input(resize(picture, *fitted)[None]))
            shape = tuple(getattr(logits, "shape", ()))
            if len(shape) != 2:
                raise ValueError(f"{self.name}: expected (1, classes) logits, got {shape}")
            classes = shape[1]
            if class_index is None:
                class_index = int(logits.argmax())
            if not 0 <= class_index < classes:
                raise ValueError(f"class_index: expected 0 to {classes - 1}, got {class_index}")
            slopes = torch.autograd.grad(logits[0, class_index], this.outputs)
        maps = self._join([_numpy(one) for one in this.outputs])[0]
        # What is divided by a scale changes the logit by as much more.
        pairs = zip(slopes, self._scales, strict=True)
        gradient = np.concatenate([_numpy(one)[0] * scale for one, scale in pairs])
        maps, gradient = (np.ascontiguousarray(one) for one in (maps, gradient))
        return self._checked(maps), gradient, class_index

    def _run(self, batch: np.ndarray) -> np.ndarray:
        """uint8 (n, height, width, 3) -> (n, channels, rows, columns)."""
        import torch

        with torch.inference_mode(), running() as this:
            self._network(self._input(batch))
        return self._checked(self._join([_numpy(one) for one in this.outputs]))

    def _join(self, maps: Sequence[np.ndarray]) -> np.ndarray:
        """What the layers gave, (n, channels, rows, columns) each, as one array."""
        if len(maps) == 1:
            return maps[0]
        pairs = zip(maps, self._scales, strict=True)
        return np.concatenate([one / np.float32(scale) for one, scale in pairs], axis=1)

    def _widened(self, weights: np.ndarray, place: int, joined: Sequence[Tap]) -> np.ndarray:
        """The classifier of one layer for vectors of all joined ones: it sees only its own."""
        blocks = [np.zeros((len(weights), tap.channels), np.float32) for tap in joined]
        blocks[place] = weights * np.float32(self._scales[place])
        wide = np.concatenate(blocks, axis=1)
        wide.setflags(write=False)
        return wide

    def _input(self, batch: np.ndarray) -> "Tensor":
        """uint8 (n, height, width, 3) -> the network's input, normalised."""
        import torch

        # The permuted batch is in channels_last order, the fast one, as the network is.
        x = torch.from_numpy(batch).to(self.device).permute(0, 3, 1, 2).float() / 255
        mean, std = (torch.tensor(v, device=x.device) for v in (self.mean, self.std))
        return (x - mean.view(3, 1, 1)) / std.view(3, 1, 1)

    def _checked(self, maps: np.ndarray) -> np.ndarray:
        """The same activations, or ValueError if they cannot be factorized."""
        # The probe saw one input; NaN fails this too.
        if not (maps.min() >= 0 and np.isfinite(maps.max())):
            raise ValueError(
                f"expected non-negative, finite activations, but layer {self.layer} of {self.name} "
                "gave others for this picture; choose another layer"
            )
        return maps


def _numpy(tensor: "Tensor") -> np.ndarray:
    array: np.ndarray = tensor.detach().float().cpu().numpy()
    return array


def _choose(name: str, layer: str | None, found: Probe, taps: Sequence[Tap]) -> str:
    """The module to end at: `layer` or its equal, else the deepest of the widest, coarsest taps.

    The plain deepest would be one narrow branch of the last block in networks with branches.
    """
    if not taps:
        raise ValueError(f"{name}: expected a network with non-negative layers, it has none")
    if layer is None:
        return max(reversed(found.taps), key=lambda tap: (tap.stride, tap.channels)).name
    if layer in found.modules:
        return found.modules[layer]
    names = [tap.name for tap in taps]
    if layer in found.refused:
        problem = f"layer {layer} {found.refused[layer]}"
    else:
        close = difflib.get_close_matches(layer, {*names, *found.modules}, n=3)
        problem = f"no layer {layer!r}" + (f" (did you mean {', '.join(close)}?)" if close else "")
    raise ValueError(
        f"{name}: {problem}; expected a non-negative layer, one of {len(names)}, the deepest of "
        f"which are {', '.join(names[-SHOWN:])}"
    )


def _arrays(head: "nn.Linear") -> tuple[np.ndarray, np.ndarray]:
    """The weights and bias of a linear layer, as read-only copies."""
    weights = head.weight.detach().cpu().numpy().astype(np.float32)
    bias = np.zeros(len(weights), dtype=np.float32)
    if head.bias is not None:
        bias = head.bias.detach().cpu().numpy().astype(np.float32)
    weights.setflags(write=False)
    bias.setflags(write=False)
    return weights, bias
