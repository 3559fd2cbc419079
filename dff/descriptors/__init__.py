"""Descriptors: one file a family, all on equal terms.

A family is a module of this package with a function `regions(activations, factorization)` that
turns one picture's activations into `Regions`: vectors, and how much each weighs. Everything
after that (whitening, sum, cosine, the split of a score) is the same code for all of them, in
`dff.descriptors.base`. A new descriptor is one new file here, and nothing else.
"""

import importlib
import pkgutil
from types import ModuleType

from dff.descriptors.base import Described, Regions, describe

__all__ = ["Described", "Regions", "describe", "families", "family"]


def families() -> tuple[str, ...]:
    """The names of all descriptors, "dff" first."""
    found = sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != "base")
    return tuple(sorted(found, key=lambda name: name != "dff"))


def family(name: str) -> ModuleType:
    """The module of a descriptor; ValueError for an unknown name."""
    if name not in families():
        raise ValueError(f"descriptor: expected one of {', '.join(families())}, got {name!r}")
    return importlib.import_module(f"{__name__}.{name}")
