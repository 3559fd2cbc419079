"""Why the default descriptor is a tree of eight parts of the deepest layer, matched both ways.

    python benchmarks/tree.py MANIFEST [MANIFEST ...] [--cache FOLDER]

One row a variant, one column a collection (any dataset that `dff evaluate` reads): mAP with power 0
fitted on the collection itself, one way / both ways. All rows share activations, normalisation and
scoring; the windows of Razavian et al. and R-MAC's squares stand beside the trees at the same
layers and with as many regions.
"""

import argparse
import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # runnable from a checkout that is not installed

from dff import load_backbone  # noqa: E402
from dff.cache import cache_folder  # noqa: E402
from dff.descriptors import MATCHINGS, Regions, View, family  # noqa: E402
from dff.descriptors.base import balanced  # noqa: E402
from dff.descriptors.dff_tree import grouped  # noqa: E402
from dff.descriptors.gem import POWER  # noqa: E402
from dff.evaluation.datasets import open_dataset  # noqa: E402
from dff.evaluation.described import Setup, describe_all, readable_rows  # noqa: E402
from dff.evaluation.features import Features  # noqa: E402
from dff.evaluation.retrieval import main_task, rows_of  # noqa: E402
from dff.evaluation.whitenings import DEFAULT_WHITENING  # noqa: E402
from dff.factorization import factorize_activations  # noqa: E402
from dff.threads import prepare  # noqa: E402


def tree(
    leaves: int,
    *,
    groups: bool = True,
    deepest: bool = True,
    gem: bool = False,
    uniform: bool = False,
) -> Callable[[View], Regions]:
    """Regions of a tree of so many parts.

    groups: with the groups, or the parts alone. deepest: parts of the deepest layer, or of all
    joined ones. gem: generalised means instead of maxima. uniform: equal weights instead of the
    square root of the energy.
    """

    def regions(view: View) -> Regions:
        seen = view.deepest if deepest else view.activations
        parts = factorize_activations(seen, leaves, seed=view.seed)
        live = np.flatnonzero(parts.energy > 0)
        heat, energy = parts.heatmaps[live], parts.energy[live].astype(np.float64)
        tops = np.stack([_pooled(view.activations, own, gem) for own in heat])
        joins = grouped(tops[:, -len(seen) :]) if groups else [(j,) for j in range(len(live))]
        belongs = np.array([[j in join for j in range(len(live))] for join in joins], np.float64)
        if gem:
            mass = belongs * heat.sum(axis=(1, 2))
            vectors = ((mass @ tops**POWER) / mass.sum(axis=1, keepdims=True)) ** (1 / POWER)
        else:
            vectors = np.stack([tops[list(join)].max(axis=0) for join in joins])
        weights = np.ones(len(joins)) if uniform else np.sqrt(belongs @ energy)
        found = Regions(vectors.astype(np.float32), weights.astype(np.float32))
        return balanced(found, view.blocks)

    return regions


def together(*functions: Callable[[View], Regions]) -> Callable[[View], Regions]:
    """The regions of several descriptors side by side, each of them with half of the weight."""

    def regions(view: View) -> Regions:
        found = [function(view) for function in functions]
        weights = [one.weights / max(1e-12, float(one.weights.sum())) for one in found]
        return Regions(np.concatenate([f.vectors for f in found]), np.concatenate(weights))

    return regions


def plain(name: str) -> Callable[[View], Regions]:
    """A descriptor of the package."""
    return lambda view: balanced(family(name).regions(view), view.blocks)


VARIANTS: dict[str, Callable[[View], Regions]] = {
    "tree of 8 (in use)": plain("dff_tree"),
    "8 parts without groups": tree(8, groups=False),
    "4 parts without groups": tree(4, groups=False),
    "tree of 4": tree(4),
    "tree of 6": tree(6),
    "tree of 10": tree(10),
    "4 and 8 parts together": together(tree(4, groups=False), tree(8, groups=False)),
    "tree of 8, parts of both layers": tree(8, deepest=False),
    "tree of 8, generalised means": tree(8, gem=True),
    "tree of 8, equal weights": tree(8, uniform=True),
    "14 windows": plain("off_the_shelf"),
    "R-MAC's squares": plain("rmac"),
    "tree of 8 and 14 windows": together(plain("dff_tree"), plain("off_the_shelf")),
    "tree of 8 and R-MAC's squares": together(plain("dff_tree"), plain("rmac")),
}


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("datasets", metavar="MANIFEST", type=Path, nargs="+")
    parser.add_argument("--cache", type=Path, default=cache_folder() / "activations")
    args = parser.parse_args()
    prepare()
    setup = Setup(Features(load_backbone(), args.cache), 4)
    names = [path.stem if path.stem != "manifest" else path.parent.name for path in args.datasets]
    cells: dict[str, list[str]] = {name: [] for name in VARIANTS}
    for path in args.datasets:
        for name, cell in _column(path, setup).items():
            cells[name].append(cell)
    print("| regions | " + " | ".join(names) + " |")
    print("| --- |" + " ---: |" * len(names))
    for name, row in cells.items():
        print(f"| {name} | " + " | ".join(row) + " |")


def _column(path: Path, setup: Setup) -> dict[str, str]:
    dataset = open_dataset(path)
    task = main_task(dataset)
    readable, _ = readable_rows(dataset, setup, _quiet)
    found = {}
    for name, function in VARIANTS.items():  # one at a time: memory
        (described,) = describe_all(
            dataset, readable, setup, {name: function}, crop=False, tell=_quiet
        )
        rows = rows_of(dataset, described, usual=False, tell=_quiet)
        wanted = (row for row in rows if row.settings.whitening == DEFAULT_WHITENING)
        precisions = {  # rows come one whitening after another, and the rest is not asked for
            row.settings.matching: row.mean_precisions[task]
            for row in itertools.islice(wanted, len(MATCHINGS))
        }
        found[name] = f"{precisions['regions']:.1f} / {precisions['mutual']:.1f}"
        print(path.parent.name, name, found[name], file=sys.stderr, flush=True)
    return found


def _pooled(activations: np.ndarray, heat: np.ndarray, gem: bool) -> np.ndarray:
    inside = heat / heat.max()
    if not gem:
        return np.asarray((activations * inside).max(axis=(1, 2)))
    cubes = activations.astype(np.float64) ** POWER
    return np.asarray(((cubes * inside).sum(axis=(1, 2)) / inside.sum()) ** (1 / POWER))


def _quiet(what: str, done: int, total: int) -> None:
    pass


if __name__ == "__main__":
    main()
