"""Which cosine says that a part is a named concept: the table of docs/method.md, *Names*.

A concept is named on one picture (its part with the most energy in the deepest layer), or on three
pictures together (their shared part with the most). Found: how many of the other pictures of its
kind have a part at least that near. Wrong: how many pictures of other kinds do.

    python benchmarks/concepts.py [INDEX]
"""

import itertools
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from dff.cli.common import print_table
from dff.concepts import common_parts, directions
from dff.index import Index

SAMPLE = Path(__file__).parents[1] / "sample_index"
THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7)
LEAST = 4  # pictures of a kind
# Kinds of the sample photos whose pictures do not show one kind of thing.
MIXED = ("tool", "household", "mammal", "fish", "underwater")


def main(folder: str) -> None:
    index = Index.open(folder)
    blocks = index.settings.blocks
    kinds = np.array(
        [
            re.sub(r"_?\d+$", "", picture.id)
            if picture.category == "landmark"
            else picture.category
            for picture in index.pictures
        ]
    )
    counts = Counter(kinds)
    use = [r for r, kind in enumerate(kinds) if counts[kind] >= LEAST and kind not in MIXED]
    own = [index.parts(row) for row in range(len(index))]
    all_parts = np.stack([directions(parts.basis, blocks) for parts in own])
    best = [all_parts[row, own[row].deepest_energy.argmax()] for row in use]
    one = [(([row]), vector) for row, vector in zip(use, best, strict=True)]
    several = []
    for kind in sorted(set(kinds[use])):
        for chosen in itertools.islice(itertools.combinations(np.flatnonzero(kinds == kind), 3), 9):
            shared = common_parts([index.detail(int(row)) for row in chosen], index.settings.k)
            deepest = np.mean([parts.deepest_energy for parts in shared], axis=0)
            vector = directions(shared[0].basis, blocks)[int(deepest.argmax())]
            several.append((list(chosen), vector))
    lines = [[f"{t:.2f}"] for t in THRESHOLDS]
    for concepts in (one, several):
        near = np.stack([(all_parts @ vector).max(axis=1) for _, vector in concepts])
        kind_of = np.array([kinds[rows[0]] for rows, _ in concepts])
        same = kinds[None] == kind_of[:, None]
        others = same.copy()
        for line, (rows, _) in enumerate(concepts):
            others[line, rows] = False
        for line, t in zip(lines, THRESHOLDS, strict=True):
            line += [f"{100 * (near[others] >= t).mean():.0f} %"]
            line += [f"{100 * (near[~same] >= t).mean():.1f} %"]
    print_table(["cosine", "one: found", "wrong", "three: found", "wrong"], lines)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else str(SAMPLE))
