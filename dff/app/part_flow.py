"""The parts for every k, and what becomes of each from one k to the next: plain JSON values."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dff.app.markup import percent
from dff.flow import flows, splits


def flow_facts(
    heatmaps: Mapping[int, np.ndarray], parts: Mapping[int, list[dict[str, Any]]]
) -> dict[str, Any]:
    """Columns of parts for k = 1, 2, ..., the streams between them, and what each step splits.

    heatmaps: (k, rows, columns) on one grid, parts: a record each, with number and name; for every
    k from 1.
    """
    steps = sorted(heatmaps)
    streams = flows(heatmaps)
    return {
        "columns": [{"k": step, "parts": parts[step]} for step in steps],
        "flows": [[[round(float(v), 5) for v in row] for row in flow] for flow in streams],
        "splits": [
            split_facts(flow, parts[step]) for step, flow in zip(steps, streams, strict=False)
        ],
    }


def split_facts(flow: np.ndarray, before: list[dict[str, Any]]) -> dict[str, Any]:
    """Which part splits from one k to the next (the one that loses most), and a sentence on it.

    flow: (k, k + 1) from `dff.flow`. before: the `part_facts` of the k parts.
    """
    k = len(flow)
    found = splits(flow)
    step = f"From {k} to {k + 1}"
    if not found:
        i, j = _widest_away(flow)
        share = _share(flow, i, j)
        answer = (
            f"{step}, no part splits in two: the new part takes little. The widest stream that "
        )
        answer += f"leaves a part is {share} of {_label(before, i)}, which go to part {j + 1}."
        return {"part": None, "targets": [], "answer": answer}
    part = max(found, key=lambda i: float(flow[i].sum() - flow[i].max()))
    taken = _listed([f"{_share(flow, part, j)} go to part {j + 1}" for j in found[part]])
    others = [i for i in found if i != part]
    more = f" So {_verb(others)} {_parts(others)}." if others else ""
    merged = "".join(
        f" Part {j + 1} is put together from {_parts(sorted(own))}."
        for j, own in splits(flow.T).items()
    )
    return {
        "part": part,
        "targets": list(found[part]),
        "answer": f"{step}, {_label(before, part)} splits: {taken}.{more}{merged}",
    }


def _widest_away(flow: np.ndarray) -> tuple[int, int]:
    """The widest stream that is not the widest of its part."""
    away = flow.copy()
    away[np.arange(len(flow)), flow.argmax(axis=1)] = -1
    i, j = np.unravel_index(int(away.argmax()), away.shape)
    return int(i), int(j)


def _share(flow: np.ndarray, i: int, j: int) -> str:
    total = float(flow[i].sum())
    return percent(float(flow[i, j]) / total if total > 0 else 0.0)


def _label(before: list[dict[str, Any]], i: int) -> str:
    name = before[i]["name"]
    return f"part {i + 1} ({name})" if name else f"part {i + 1}"


def _parts(numbers: Sequence[int]) -> str:
    """ "part 3", "parts 1 and 3"; numbers from 0."""
    plural = "s" if len(numbers) > 1 else ""
    return f"part{plural} {_listed([str(i + 1) for i in numbers])}"


def _verb(numbers: Sequence[int]) -> str:
    return "do" if len(numbers) > 1 else "does"


def _listed(items: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
