"""A PyTorch network -> the engine's model, with one output a layer, compared with PyTorch."""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dff.backbones.engine import EnginePass, openvino

if TYPE_CHECKING:
    import openvino as ov
    from torch import Tensor, nn

# Height and width of the inputs on which both must agree: odd and even, long either way, tiny.
CHECKED = ((96, 160), (161, 97), (32, 32))
AGREE = 1e-3  # of the largest activation of a layer


def convert(network: "nn.Module", names: Sequence[str]) -> "ov.Model":
    """The network (in eval mode, on the CPU) as a model of inputs (n, 3, height, width) of any
    size; output i is what the module `names[i]` gives.

    Raises ValueError where the engine cannot convert it, or gives other values than PyTorch.
    """
    import torch

    ov = openvino()
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    layers = _layers(network, names)
    noise = torch.Generator().manual_seed(0)
    examples = [torch.randn((2, 3, *size), generator=noise) for size in CHECKED]
    try:
        with warnings.catch_warnings(), torch.no_grad():
            # Tracing is deprecated; torch.export took over four minutes with free sizes.
            warnings.simplefilter("ignore")
            # Its own check runs the network twice more; ours, below, is on several sizes.
            decoder = TorchScriptPythonDecoder(
                layers, example_input=(examples[0],), trace_kwargs={"check_trace": False}
            )
        front = FrontEndManager().load_by_framework("pytorch")
        model = front.convert(front.load(decoder))
        model.reshape(ov.PartialShape([-1, 3, -1, -1]))
        _pad_inside(model)
        passed = EnginePass(model, range(len(names)))
        got = [passed.run(example.numpy()) for example in examples]
    except Exception as error:  # whatever a compiler makes of an unknown network
        raise ValueError(f"{type(error).__name__}: {error}") from error
    with torch.inference_mode():
        expected = [layers(example) for example in examples]
    for size, ours, theirs in zip(CHECKED, got, expected, strict=True):
        for name, one, other in zip(names, ours, theirs, strict=True):
            difference = _difference(one, other.numpy())
            if not difference <= AGREE:  # NaN is a difference, too
                raise ValueError(
                    f"{name}: expected PyTorch's values within {AGREE:g} of the largest, got "
                    f"{difference:g} at {size[0]} x {size[1]} pixels"
                )
    return model


def _layers(network: "nn.Module", names: Sequence[str]) -> "nn.Module":
    """A network whose result is what some of its modules give."""
    from torch import nn

    class Layers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: "Tensor") -> "tuple[Tensor, ...]":
            seen: dict[str, Tensor] = {}

            def keep(name: str) -> Any:
                def hook(module: nn.Module, inputs: Any, output: "Tensor") -> None:
                    seen[name] = output.clone()  # the next layer may work in place

                return hook

            modules = [(name, self.network.get_submodule(name)) for name in names]
            handles = [module.register_forward_hook(keep(name)) for name, module in modules]
            try:
                self.network(x)
            finally:
                for handle in handles:
                    handle.remove()
            return tuple(seen[name] for name in names)

    return Layers().eval()


def _pad_inside(model: "ov.Model") -> None:
    """Let strided convolutions pad their input themselves, in place.

    Networks that came from TensorFlow compute their padding from the input's size. With free sizes
    that becomes a separate copy of the largest maps, a sixth of the whole pass. A convolution
    that pads "same, more at the end" gives the same numbers; `convert` compares them.
    """
    from openvino import opset13 as ops

    makers = {"Convolution": ops.convolution, "GroupConvolution": ops.group_convolution}
    for pad in model.get_ordered_ops():
        if pad.get_type_name() != "Pad":
            continue
        if pad.input_value(1).get_node().get_type_name() == "Constant":  # not from the input's size
            continue
        users = [user.get_node() for user in pad.output(0).get_target_inputs()]
        if any(user.get_type_name() not in makers for user in users):
            continue
        for old in users:
            own = old.get_attributes()
            new = makers[old.get_type_name()](
                pad.input_value(0),
                old.input_value(1),
                own["strides"],
                own["pads_begin"],
                own["pads_end"],
                own["dilations"],
                auto_pad="same_upper",
            )
            old.output(0).replace(new.output(0))
    model.validate_nodes_and_infer_types()


def _difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference as a share of the largest expected value."""
    if ours.shape != theirs.shape:
        return float("inf")
    largest = float(np.abs(theirs).max())
    return float(np.abs(ours - theirs).max()) / (largest or 1.0)
