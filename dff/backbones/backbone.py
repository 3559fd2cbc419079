"""A network that runs up to one layer, or several joined: picture -> activations."""

import difflib
import threading
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from dff.backbones.engine import EnginePass
from dff.backbones.networks import Network, build_network, module_of
from dff.backbones.prepared import Prepared, imagenet_labels, prepared_network
from dff.backbones.taps import Probe, Tap, probe
from dff.backbones.torch_pass import TorchPass, fingerprint_of
from dff.backbones.weights import DEFAULT_NAME
from dff.descriptors.base import View
from dff.geometry import fit_size
from dff.images import check_picture, resize

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

    The bundled network runs on the CPU without PyTorch, which is imported for gradients alone (and
    once, to prepare it: see `prepared`). Everything else runs in PyTorch.

    Raises ValueError for an unknown name, layer or device and for a layer that cannot be
    factorized, WeightsUnavailable (a ValueError) when the weights cannot be fetched.
    """
    name, _, suffix = name.partition(":")
    if suffix and layer is not None and layer != suffix:
        raise ValueError(f"layer: expected one, got {suffix!r} in the name and {layer!r} beside it")
    layer = layer or suffix or None
    if name == DEFAULT_NAME and pretrained and device == "cpu":
        ready = prepared_network()
        if ready is not None:
            return Backbone(name, ready, layer=layer)
    network = build_network(name, pretrained=pretrained, seed=seed)
    return Backbone(name, network, layer=layer, device=device)


class Backbone:
    """A network up to its layers; load_backbone makes them. Safe to share between threads.

    name, layer: what was loaded; channels, stride: the layer's (stride in input pixels)
    blocks: the channels of each layer, where several are joined
    size: the longest side, in pixels, to which pictures are scaled unless another is given
    mean, std: of the input's normalisation, on the scale 0 to 1
    engine: what runs it, with its version
    weights, licence: where the weights come from, and their licence as far as it is stated
    taps: the layers that can be factorized, in order of depth
    class_weights (classes, channels), class_bias (classes,): float32, read-only, of the classifier
        whose input is the mean of this layer's activations; None for every other layer
    """

    def __init__(
        self,
        name: str,
        network: Network | Prepared,
        *,
        layer: str | None = None,
        device: str = "cpu",
    ) -> None:
        ready = network if isinstance(network, Prepared) else None
        if isinstance(network, Prepared):
            found, network = network.found, network.network
        else:
            try:
                found = probe(module_of(network))
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
            weights, self.class_bias = found.head
            self.class_weights = self._widened(weights, modules.index(found.head_tap), joined)
        self._ready = ready
        self._modules = modules
        self._table = _normalised_values(self.mean, self.std)
        self._loading = threading.Lock()
        self._torch: TorchPass | None = None
        self._pass: TorchPass | EnginePass
        if ready is None:
            self._torch = self._pass = TorchPass(module_of(network), modules, device)
        else:
            self._pass = EnginePass(ready.model, places)

    def __repr__(self) -> str:
        return (
            f"Backbone({self.name}:{self.layer}, {self.channels} channels, stride {self.stride}, "
            f"weights: {self.weights})"
        )

    @property
    def engine(self) -> str:
        """What runs the network, with its version."""
        return self._pass.engine

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of the SHA-256 over all weights: names, shapes and values."""
        return (
            fingerprint_of(self._gradients.module)
            if self._ready is None
            else (self._ready.fingerprint)
        )

    @cached_property
    def labels(self) -> tuple[str, ...] | None:
        """The classes' English names if they are ImageNet's 1000 and `classify` applies."""
        if self.class_weights is None or len(self.class_weights) != 1000:
            return None
        return imagenet_labels() if self._ready is None else self._ready.labels

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
            batch = self._input([pictures[number] for number in numbers], width, height)
            outputs = self._pass.run(batch)
            for place, number in enumerate(numbers):
                found[number] = self._checked(self._join([one[place] for one in outputs]))
        return [found[number] for number in range(len(pictures))]

    def rest(self) -> None:
        """Let go of memory that is kept for pictures to come, if what runs the network keeps any.
        The next pass takes a little longer."""
        if isinstance(self._pass, EnginePass):
            self._pass.rest()

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
        check_picture(picture, minimum=1)
        height, width = picture.shape[:2]
        fitted = fit_size(width, height, self.size if size is None else size)
        try:
            outputs, slopes, class_index = self._gradients.gradient(
                self._input([picture], *fitted), class_index
            )
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from error
        maps = self._join([one[0] for one in outputs])
        # What is divided by a scale changes the logit by as much more.
        pairs = zip(slopes, self._scales, strict=True)
        gradient = np.concatenate([one[0] * np.float32(scale) for one, scale in pairs])
        return self._checked(maps), np.ascontiguousarray(gradient), class_index

    @property
    def _gradients(self) -> TorchPass:
        """The network in PyTorch, loaded when it is first asked for."""
        with self._loading:
            if self._torch is None:
                self._torch = TorchPass(module_of(build_network(self.name)), self._modules)
            return self._torch

    def _input(self, pictures: Sequence[np.ndarray], width: int, height: int) -> np.ndarray:
        """Pictures -> the network's input (n, 3, height, width), float32, normalised."""
        import cv2

        batch = np.empty((len(pictures), 3, height, width), np.float32)
        for own, picture in zip(batch, pictures, strict=True):
            planes = cv2.split(resize(picture, width, height))
            for plane, values, target in zip(planes, self._table, own, strict=True):
                cv2.LUT(plane, values, target)
        return batch

    def _join(self, maps: Sequence[np.ndarray]) -> np.ndarray:
        """What the layers gave for one picture, (channels, rows, columns) each, as one array of its
        own: it keeps no batch in memory."""
        joined = np.empty((self.channels, *maps[0].shape[1:]), np.float32)
        start = 0
        for one, scale in zip(maps, self._scales, strict=True):
            np.divide(one, np.float32(scale), out=joined[start : start + len(one)])
            start += len(one)
        return joined

    def _widened(self, weights: np.ndarray, place: int, joined: Sequence[Tap]) -> np.ndarray:
        """The classifier of one layer for vectors of all joined ones: it sees only its own."""
        blocks = [np.zeros((len(weights), tap.channels), np.float32) for tap in joined]
        blocks[place] = weights * np.float32(self._scales[place])
        wide = np.concatenate(blocks, axis=1)
        wide.setflags(write=False)
        return wide

    def _checked(self, maps: np.ndarray) -> np.ndarray:
        """The same activations, or ValueError if they cannot be factorized."""
        # The probe saw one input; NaN fails this too.
        if not (maps.min() >= 0 and np.isfinite(maps.max())):
            raise ValueError(
                f"expected non-negative, finite activations, but layer {self.layer} of {self.name} "
                "gave others for this picture; choose another layer"
            )
        return maps


def _normalised_values(mean: Sequence[float], std: Sequence[float]) -> np.ndarray:
    """What each value of a pixel, 0 to 255, becomes: (3, 256), float32."""
    values = np.arange(256, dtype=np.float32)[None] / np.float32(255)
    centre, spread = (np.array(one, np.float32)[:, None] for one in (mean, std))
    return np.asarray((values - centre) / spread, dtype=np.float32)


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
