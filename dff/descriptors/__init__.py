"""Descriptors: one file a family, all on equal terms.

A family is a module of this package with a function `regions(view)` that turns what the network
sees of one picture into `Regions`: vectors, how much each weighs, and where it is. Everything
after that (whitening, sum or matching, the split of a score) is the same code for all of them, in
`dff.descriptors.base`, `dff.matching` and `dff.explain`. A new descriptor is one new file here,
and nothing else.

A family that has to learn from a collection first has a function `learn(views)` instead, which
goes once through the views of its pictures and returns such a `regions` function.

A module may also say
- MATCHING = "regions" or "mutual": its pictures are compared region by region, one way or both,
  unless something else is asked for, instead of as one vector;
- NEEDS_CLASSIFIER = True: it raises ValueError for a view without `class_weights`;
- TITLE, SAYS, PAPER, REGION: what a page says of it (see `About`).
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial
from types import ModuleType

from dff.descriptors.base import Described, Regions, View, balanced, describe
from dff.descriptors.scales import across_scales

__all__ = [
    "DEFAULT_DESCRIPTOR",
    "MATCHINGS",
    "PART",
    "About",
    "Described",
    "Regions",
    "View",
    "about",
    "across_scales",
    "describe",
    "describer",
    "families",
    "family",
    "learned",
    "matching_of",
    "needs_classifier",
    "regions_of",
]

DEFAULT_DESCRIPTOR = "dff_tree"  # of a new index: what pictures are found by
MATCHINGS = ("vector", "regions", "mutual")
PART = "part"  # `About.region` of the descriptors whose regions are the parts of the picture


@dataclass(frozen=True)
class About:
    """A descriptor in words.

    title: its name as the field writes it. says: what it does, in one plain sentence. paper: who
    proposed it, where and when. region: the word for one of its regions ("square").
    """

    title: str
    says: str
    paper: str
    region: str


def families() -> tuple[str, ...]:
    """The names of all descriptors that need one picture and nothing else, "dff" first."""
    return _named("regions")


def learned() -> tuple[str, ...]:
    """The names of the descriptors that learn from a collection first."""
    return _named("learn")


def family(name: str) -> ModuleType:
    """The module of a descriptor of either kind; ValueError for an unknown name."""
    known = (*families(), *learned())
    if name not in known:
        raise ValueError(f"descriptor: expected one of {', '.join(known)}, got {name!r}")
    return _modules()[name]


def regions_of(name: str, view: View) -> Regions:
    """The regions of a picture by a descriptor that needs nothing else, joined layers balanced.

    Basis rows are left as they are: their layers had their say in the factorization.
    """
    found: Regions = family(name).regions(view)
    return found if name == "dff" else balanced(found, view.blocks)


def describer(name: str, views: Iterable[View]) -> Callable[[View], Regions]:
    """The function that gives a picture's regions, whichever kind the descriptor is of.

    views: the pictures to learn from, gone through once; of a descriptor that does not learn
    they are not touched. Raises ValueError for an unknown name, or what `learn` raises.
    """
    module = family(name)  # an unknown name shows here, not at the first picture
    if name not in learned():
        return partial(regions_of, name)
    found: Callable[[View], Regions] = module.learn(views)
    return lambda view: balanced(found(view), view.blocks)


def matching_of(name: str) -> str:
    """How a descriptor compares pictures by default, one of `MATCHINGS`."""
    found: str = getattr(family(name), "MATCHING", MATCHINGS[0])
    return found


def about(name: str) -> About:
    """What a page says of a descriptor; its module's name where the module says nothing."""
    module = family(name)
    return About(
        title=getattr(module, "TITLE", name),
        says=getattr(module, "SAYS", ""),
        paper=getattr(module, "PAPER", ""),
        region=getattr(module, "REGION", "region"),
    )


def needs_classifier(name: str) -> bool:
    """Whether a descriptor works only on the layer whose mean the network's classifier sees."""
    return bool(getattr(family(name), "NEEDS_CLASSIFIER", False))


def _named(function: str) -> tuple[str, ...]:
    found = [name for name, module in _modules().items() if hasattr(module, function)]
    return tuple(sorted(found, key=lambda name: (name != "dff", name)))


@cache
def _modules() -> dict[str, ModuleType]:
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    return {name: importlib.import_module(f"{__name__}.{name}") for name in names}
