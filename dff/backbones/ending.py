"""How a network is made to stop at its layers, and what they gave is got out of it.

No hooks with lists: what a pass collects lives in a context variable, so threads cannot mix.
Unlike cutting a network, this works for every one of them and keeps the names of its weights.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(eq=False)
class Pass:
    """One run of a network: what its layers gave, in the order in which they ran.

    to_the_end: run on to the network's result, with gradients from the first layer on.
    """

    to_the_end: bool = False
    outputs: "list[Tensor]" = field(default_factory=list)


class Reached(Exception):
    """Leaves the network at its last layer, past everything that would come after it."""


_RUNNING: ContextVar[Pass | None] = ContextVar("_RUNNING", default=None)


@contextmanager
def running(to_the_end: bool = False) -> Iterator[Pass]:
    """A pass of this thread; its outputs are there after the block, however it ended."""
    made = Pass(to_the_end)
    token = _RUNNING.set(made)
    try:
        with suppress(Reached):
            yield made
    finally:
        _RUNNING.reset(token)


def end_at(modules: "Sequence[nn.Module]") -> None:
    """Make a network give what each of `modules` gives to the pass that runs it, and stop when
    all have run, unless the pass goes to the end."""
    for module in modules:
        _watch(module, len(modules))


def _watch(module: "nn.Module", expected: int) -> None:
    import torch

    forward = module.forward

    def watched(*args: Any, **kwargs: Any) -> "Tensor":
        output: Tensor = forward(*args, **kwargs)
        this = _RUNNING.get()
        if this is None:
            return output
        if not this.to_the_end:
            # A copy where the network runs on: the next layer may work in place.
            last = len(this.outputs) + 1 == expected
            this.outputs.append(output if last else output.clone())
            if last:
                raise Reached
            return output
        torch.set_grad_enabled(True)  # the no_grad around the whole pass puts it back
        # The first one begins the graph, and so does a branch that does not come from it.
        leaf = not output.requires_grad
        this.outputs.append(output.detach().requires_grad_() if leaf else output)
        return this.outputs[-1].clone()  # in place on a leaf is forbidden

    module.forward = watched
