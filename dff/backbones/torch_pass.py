"""A network run by PyTorch: on every device, with gradients."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dff.backbones.ending import end_at, running
from dff.backbones.weights import reason
from dff.threads import torch_threads

if TYPE_CHECKING:
    from torch import Tensor, nn


class TorchPass:
    """A network that stops at some of its modules. Safe to share between threads.

    module: on the CPU, in eval mode; it is moved to `device` and changed to stop.
    Raises ValueError for a device that PyTorch does not have here.
    """

    def __init__(self, module: "nn.Module", names: Sequence[str], device: str = "cpu") -> None:
        import torch

        torch_threads()
        try:
            self.module = module.to(device).to(memory_format=torch.channels_last)
        except (AssertionError, RuntimeError) as error:
            raise ValueError(
                f"device: expected one that PyTorch has here, such as 'cpu', got {device!r} "
                f"({reason(error)})"
            ) from error
        self._device = device
        self.engine = f"PyTorch {torch.__version__}"
        end_at([self.module.get_submodule(name) for name in names])

    def run(self, x: np.ndarray) -> list[np.ndarray]:
        """Normalised input (n, 3, height, width) -> each layer's (n, channels, rows, columns)."""
        import torch

        with torch.inference_mode(), running() as this:
            self.module(self._input(x))
        return [_numpy(one) for one in this.outputs]

    def gradient(
        self, x: np.ndarray, class_index: int | None
    ) -> tuple[list[np.ndarray], list[np.ndarray], int]:
        """One picture's `run`, the gradient of a class's logit in each layer, and the class.

        x: (1, 3, height, width), normalised. The gradient goes from the logit back to the first
        layer and no further. Raises ValueError as `Backbone.gradient` does.
        """
        import torch

        with torch.no_grad(), running(to_the_end=True) as this:  # gradients on from the layer
            logits = self.module(self._input(x))
            shape = tuple(getattr(logits, "shape", ()))
            if len(shape) != 2:
                raise ValueError(f"expected (1, classes) logits, got {shape}")
            classes = shape[1]
            if class_index is None:
                class_index = int(logits.argmax())
            if not 0 <= class_index < classes:
                raise ValueError(f"class_index: expected 0 to {classes - 1}, got {class_index}")
            slopes = torch.autograd.grad(logits[0, class_index], this.outputs)
        return [_numpy(one) for one in this.outputs], [_numpy(one) for one in slopes], class_index

    def _input(self, x: np.ndarray) -> "Tensor":
        import torch

        # In channels_last order, the fast one, as the network is.
        tensor = torch.from_numpy(x).to(self._device)
        return tensor.contiguous(memory_format=torch.channels_last)


def fingerprint_of(module: "nn.Module") -> str:
    """16 hexadecimal digits of the SHA-256 over all weights: names, shapes and values."""
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        values = tensor.cpu().contiguous().numpy()
        digest.update(f"{name} {values.dtype} {values.shape}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()[:16]


def _numpy(tensor: "Tensor") -> np.ndarray:
    array: np.ndarray = tensor.detach().float().cpu().numpy()
    return array
