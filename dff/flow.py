"""How the parts of a picture split and merge when it is cut into another number of them.

Every position of the grid goes with its strongest part; what two factorizations share is counted in
positions, so it can be drawn as streams between two columns of parts.
"""

from collections.abc import Mapping

import numpy as np

LEAST = 0.25  # of a part: less of it that goes elsewhere is a border that moved


def strongest(heatmaps: np.ndarray) -> np.ndarray:
    """The strongest part at each position: (rows, columns) int, -1 where no part has any heat.

    heatmaps: (k, rows, columns) >= 0. On ties the first part has it.
    Raises ValueError for another shape and for numbers that are negative or not finite.
    """
    heatmaps = np.asarray(heatmaps, np.float32)
    if heatmaps.ndim != 3 or 0 in heatmaps.shape:
        raise ValueError(f"heatmaps: expected (k, rows, columns), got shape {heatmaps.shape}")
    if not np.isfinite(heatmaps).all() or heatmaps.min() < 0:
        raise ValueError("heatmaps: expected finite numbers >= 0, got negative ones or NaN")
    owner: np.ndarray = np.where(heatmaps.any(axis=0), heatmaps.argmax(axis=0), -1)
    return owner


def part_flow(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """What the parts of one picture become: (k before, k after) float32, shares of the picture.

    before, after: heatmaps (k, rows, columns) of the same picture on the same grid. Cell (i, j) is
    the share of all positions that were part i and are part j; row i sums to the share of part i,
    so that the streams into a part and out of it are equally wide, whatever comes next.
    Raises ValueError for grids that differ, and as `strongest`.
    """
    first, second = strongest(before), strongest(after)
    if first.shape != second.shape:
        raise ValueError(
            f"before and after: expected one grid, got {first.shape} and {second.shape}"
        )
    flow = np.zeros((len(before), len(after)), np.float64)
    both = (first >= 0) & (second >= 0)
    np.add.at(flow, (first[both], second[both]), 1)
    return (flow / first.size).astype(np.float32)


def flows(heatmaps: Mapping[int, np.ndarray]) -> list[np.ndarray]:
    """`part_flow` from each k to the next, for factorizations {k: heatmaps} of one picture."""
    steps = sorted(heatmaps)
    return [
        part_flow(heatmaps[k], heatmaps[after]) for k, after in zip(steps, steps[1:], strict=False)
    ]


def splits(flow: np.ndarray, least: float = LEAST) -> dict[int, tuple[int, ...]]:
    """The parts that split: {part before: its parts after, the largest share first}.

    A part splits if at least two parts each take `least` of it. The parts that merge are
    `splits(flow.T)`. Raises ValueError unless flow is (before, after) >= 0 and 0 < least <= 1/2.
    """
    flow = np.asarray(flow, np.float64)
    if flow.ndim != 2 or not (np.isfinite(flow) & (flow >= 0)).all():
        raise ValueError(f"flow: expected finite (before, after) >= 0, got shape {flow.shape}")
    if not 0 < least <= 0.5:
        raise ValueError(f"least: expected above 0 and at most 1/2, got {least}")
    found = {}
    for i, row in enumerate(flow):
        order = np.argsort(-row, kind="stable")
        taken = tuple(int(j) for j in order if row[j] > 0 and row[j] >= least * row.sum())
        if len(taken) > 1:
            found[i] = taken
    return found
