"""A collection described by JSON lines, one a picture:

    {"image": path, "label": str, "labels"?: [str], "query"?: bool, "bbox"?: [x0, y0, x1, y1],
     "objects"?: [{"label": str, "bbox": [x0, y0, x1, y1]}], "mask"?: path}

Paths are relative to the manifest's folder; boxes are pixels of the upright picture. `label` is
what box and mask belong to. Relevant is what shares one of `labels`, or `label` where there are
none; an empty `label` is none: a distractor. Rows with "query": true ask, and are not in the
database; if there are none, every picture asks, leave one out. Finite-sum average precision.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from dff.evaluation.datasets.base import (
    Dataset,
    DatasetProblem,
    Sample,
    absolute,
    asks_by_label,
    assemble,
    examples,
    read_text,
    shown,
    whole_box,
)
from dff.geometry import Box

_MOST_LINES = 5  # malformed ones that a message tells
T = TypeVar("T")


def read_manifest(path: Path) -> Dataset:
    """The dataset of a manifest, named after its folder if it is called manifest.jsonl.

    Raises DatasetProblem for malformed lines, each with its number, and for files that are not
    there, all together.
    """
    images: list[Sample] = []
    queries: list[int] = []
    wrong = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            sample, asks = _parse(line, path.parent)
        except DatasetProblem as problem:
            wrong.append(f"line {number}: {problem}")
            continue
        if asks:
            queries.append(len(images))
        images.append(sample)
    if wrong:
        more = f"; and {len(wrong) - _MOST_LINES} more" if len(wrong) > _MOST_LINES else ""
        raise DatasetProblem(f"{path}: {'; '.join(wrong[:_MOST_LINES])}{more}")
    if not images:
        raise DatasetProblem(f"{path}: expected one JSON object a line, found none")
    _require_files(images, path)

    everything = range(len(images))
    asking = set(queries)
    database = [row for row in everything if row not in asking]
    asks_made = asks_by_label(images, queries or everything, database)
    name = path.parent.resolve().name if path.name == "manifest.jsonl" else path.stem
    return assemble(name, "finite", images, asks_made, database)


def _parse(line: str, folder: Path) -> tuple[Sample, bool]:
    """One line as a picture, and whether it asks; DatasetProblem with expected and got."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = line
    if not isinstance(row, dict):
        raise DatasetProblem(f"expected a JSON object, got {shown(row)}")
    image = _text(row.get("image"), "image")
    label = row.get("label")
    if not isinstance(label, str):
        raise DatasetProblem(f"label: expected text, got {_got(label)}")
    labels = _optional(row, "labels", _texts)
    mask = _optional(row, "mask", _text)
    asks = row.get("query")
    if asks is not None and not isinstance(asks, bool):
        raise DatasetProblem(f"query: expected true or false, got {shown(repr(asks))}")
    sample = Sample(
        absolute(folder, image),
        image,
        frozenset(labels or ([label] if label else [])),
        label,
        _optional(row, "bbox", _box),
        None if mask is None else absolute(folder, mask),
        _optional(row, "objects", _objects) or (),
    )
    return sample, bool(asks)


def _optional(row: dict[str, Any], key: str, read: Callable[[object, str], T]) -> T | None:
    value = row.get(key)
    return None if value is None else read(value, key)


def _text(value: object, key: str) -> str:
    if not isinstance(value, str) or not value:
        raise DatasetProblem(f"{key}: expected text, got {_got(value)}")
    return value


def _texts(value: object, key: str) -> list[str]:
    if not isinstance(value, list):
        raise DatasetProblem(f"{key}: expected a list of texts, got {_got(value)}")
    return [_text(item, key) for item in value]


def _box(value: object, key: str) -> Box:
    box = whole_box(value)
    if box is None or min(box) < 0:
        raise DatasetProblem(
            f"{key}: expected [x0, y0, x1, y1] with 0 <= x0 < x1 and 0 <= y0 < y1, "
            f"got {_got(value)}"
        )
    return box


def _objects(value: object, key: str) -> tuple[tuple[str, Box], ...]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise DatasetProblem(f'{key}: expected a list of {{"label", "bbox"}}, got {_got(value)}')
    return tuple(
        (_text(item.get("label"), f"{key}: label"), _box(item.get("bbox"), f"{key}: bbox"))
        for item in value
    )


def _got(value: object) -> str:
    return shown(None if value is None else repr(value))


def _require_files(images: list[Sample], path: Path) -> None:
    """Raise DatasetProblem that names what is missing of all pictures and masks."""
    missing = [image.name for image in images if not os.path.isfile(image.path)]
    missing += [str(i.mask) for i in images if i.mask is not None and not os.path.isfile(i.mask)]
    if missing:
        raise DatasetProblem(
            f"{path}: expected every picture and mask to exist, relative to its folder, "
            f"but {len(missing)} do not: {examples(missing)}"
        )
