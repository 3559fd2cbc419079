"""Which layers of a network can be factorized: found by running it once, not by its documentation.

A tap is a module whose output is a non-negative map (channels, rows, columns) that follows the
input's size. Documented feature layers are no guide: many of them are linear and go below zero.
"""

import hashlib
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor, nn

MIN_STRIDE = 4  # finer maps are edges and colours, and have tens of thousands of positions
# Twice as wide as high, so that square maps (adaptive pooling, attention) give themselves away.
PROBE_HEIGHT, PROBE_WIDTH = 128, 256


@dataclass(frozen=True)
class Tap:
    """A layer that can be factorized: its name, its channels, and its stride in input pixels."""

    name: str
    channels: int
    stride: int


@dataclass(frozen=True, eq=False)
class Probe:
    """What one pass through a network has shown."""

    taps: tuple[Tap, ...]  # in order of depth
    modules: dict[str, str]  # every module that gives a tap's output -> the name of that tap
    refused: dict[str, str]  # every other module -> why it is no tap
    head_tap: str | None  # the tap whose mean over the grid is the classifier's input
    head: tuple[np.ndarray, np.ndarray] | None  # its weights (classes, channels) and bias, float32


@dataclass(frozen=True, eq=False)
class _Map:
    channels: int
    stride: int
    mean: "Tensor"  # (1, channels)
    digest: bytes  # of the values: equal for a container and its last module


def probe(network: "nn.Module") -> Probe:
    """Run `network` (in eval mode, on the CPU) once on noise and look at every module's output.

    Modules that give the same values count once, under the outermost name. A linear layer that
    gives the network's result from the mean of a tap is its classifier.
    Raises ValueError when the network does not accept the probe's input.
    """
    import torch
    from torch import nn

    calls: Counter[str] = Counter()
    seen: dict[str, _Map | str] = {}
    linears: list[tuple[nn.Linear, Tensor, Tensor]] = []

    def watch(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            calls[name] += 1
            # Judged here and now: a ReLU that follows in place would make any output look good.
            seen[name] = _look(output)
            if isinstance(module, nn.Linear):
                linears.append((module, inputs[0].clone(), output.clone()))

        return hook

    names = [(name, module) for name, module in network.named_modules() if name]
    handles = [module.register_forward_hook(watch(name)) for name, module in names]
    noise = torch.randn(
        (1, 3, PROBE_HEIGHT, PROBE_WIDTH), generator=torch.Generator().manual_seed(0)
    )
    try:
        with torch.inference_mode():
            result = network(noise)
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"expected a network that accepts pictures of any size, got one that fails on "
            f"{PROBE_WIDTH} x {PROBE_HEIGHT} pixels: {error}"
        ) from error
    finally:
        for handle in handles:
            handle.remove()

    maps: dict[str, _Map] = {}
    refused = {name: "does not run" for name, _ in names}
    for name, found in seen.items():  # in the order in which the modules finished
        if calls[name] > 1:
            refused[name] = "runs more than once"
        elif isinstance(found, str):
            refused[name] = found
        else:
            maps[name] = found
            del refused[name]
    outermost: dict[bytes, str] = {}
    for name, found in maps.items():
        # Taken out and put back, so that the order is that of the last of the equals.
        rival = outermost.pop(found.digest, name)
        outer = name if name.count(".") < rival.count(".") else rival
        outermost[found.digest] = outer
    taps = [Tap(name, maps[name].channels, maps[name].stride) for name in outermost.values()]
    modules = {name: outermost[found.digest] for name, found in maps.items()}
    for linear, received, gave in linears:
        if not (isinstance(result, torch.Tensor) and torch.equal(gave, result)):
            continue
        for tap in taps:
            if _same(maps[tap.name].mean, received):
                return Probe(tuple(taps), modules, refused, tap.name, _arrays(linear))
    return Probe(tuple(taps), modules, refused, None, None)


def _look(output: Any) -> _Map | str:
    """The map that a module gave, or why it is none."""
    import torch

    if not (isinstance(output, torch.Tensor) and output.ndim == 4 and output.shape[0] == 1):
        return "does not give a map of (channels, rows, columns)"
    rows, columns = output.shape[2:]
    if columns < 1.5 * rows:
        return "gives a grid that does not follow the input's size"
    stride = 2 ** round(math.log2(PROBE_WIDTH / columns))
    if stride < MIN_STRIDE:
        return f"has a stride below {MIN_STRIDE}"
    if not bool((output >= 0).all()):
        return "gives negative values"
    values = output.contiguous().numpy()
    digest = hashlib.sha256(repr(values.shape).encode() + values.tobytes()).digest()
    return _Map(output.shape[1], stride, output.mean(dim=(2, 3)), digest)


def _same(mean: "Tensor", received: "Tensor") -> bool:
    """Whether two (1, channels) vectors are equal but for rounding."""
    if mean.shape != received.shape:
        return False
    return float((mean - received).abs().max()) <= 1e-4 * float(received.abs().max())


def _arrays(head: "nn.Linear") -> tuple[np.ndarray, np.ndarray]:
    """The weights and bias of a linear layer, as read-only copies."""
    weights = head.weight.detach().cpu().numpy().astype(np.float32)
    bias = np.zeros(len(weights), dtype=np.float32)
    if head.bias is not None:
        bias = head.bias.detach().cpu().numpy().astype(np.float32)
    weights.setflags(write=False)
    bias.setflags(write=False)
    return weights, bias
