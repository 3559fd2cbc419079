"""Revisited Oxford and Paris (Radenović et al., CVPR 2018), from JSON.

The JSON is made once from the authors' file by `convert_revisited`, and reads

    {"format": "revisited", "name": "roxford5k",
     "images": ["all_souls_000000", ...],
     "queries": [{"image": "all_souls_000013", "box": [136.5, 34.1, 648.5, 955.7],
                  "easy": [row, ...], "hard": [row, ...], "junk": [row, ...]}, ...]}

where a row counts `images` from 0 and names are without ".jpg". The pictures lie beside the file
or below it. Queries are not in the database; their boxes are what they are cropped to. Pictures
have no labels here: the ground truth does not say which landmark a query shows.
"""

import json
from pathlib import Path
from typing import Any

from dff.evaluation.datasets.base import (
    Ask,
    Dataset,
    DatasetProblem,
    Sample,
    assemble,
    crop_box,
    examples,
    pictures_by_stem,
    read_text,
    require,
    shown,
    whole_box,
)
from dff.evaluation.protocols import revisited_tasks

FORMAT = "revisited"
TASKS = ("easy", "medium", "hard")
_LISTS = ("easy", "hard", "junk")


def read_revisited(path: Path) -> Dataset:
    """The dataset of a converted ground truth file, with the tasks easy, medium and hard.

    Raises DatasetProblem for another content, and for names that are no picture's.
    """
    try:
        document = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        if isinstance(error, DatasetProblem):
            raise
        raise DatasetProblem(f"{path}: expected JSON, got {shown(str(error))}") from error
    check_document(document, path)
    pictures = pictures_by_stem(path.parent)
    names, queries = document["images"], document["queries"]
    require([*names, *(query["image"] for query in queries)], pictures, path.parent)
    images = [Sample(pictures[name], name) for name in names]
    asks = []
    for query in queries:
        where = pictures[query["image"]]
        box = crop_box(query["box"], where)
        tasks = revisited_tasks(*(query[key] for key in _LISTS))
        asks.append(Ask(len(images), box, tasks))
        images.append(Sample(where, query["image"], box=box))
    return assemble(document["name"], "trapezoid", images, asks, range(len(names)), tasks=TASKS)


def check_document(document: Any, path: Path) -> None:
    """Raise DatasetProblem unless `document` is what this module's docstring says."""

    def expect(fine: bool, what: str, got: object) -> None:
        if not fine:
            raise DatasetProblem(f"{path}: expected {what}, got {shown(got)}")

    expect(
        isinstance(document, dict) and document.get("format") == FORMAT,
        f'revisited ground truth, {{"format": "{FORMAT}", ...}}',
        document.get("format") if isinstance(document, dict) else document,
    )
    name, images, queries = (document.get(key) for key in ("name", "images", "queries"))
    expect(_is_name(name), "a name", name)
    expect(isinstance(images, list) and all(map(_is_name, images)), "names as images", images)
    expect(len(set(images)) == len(images) > 0, "each image once, at least one", images)
    expect(isinstance(queries, list) and len(queries) > 0, "a list of queries", queries)
    for number, query in enumerate(queries):
        where = f"query {number}"
        expect(isinstance(query, dict), f"{where} as a dictionary", query)
        expect(_is_name(query.get("image")), f"{where}: the image's name", query.get("image"))
        box = query.get("box")
        expect(whole_box(box) is not None, f"{where}: a box x0, y0, x1, y1", box)
        for key in _LISTS:
            rows = query.get(key)
            fine = isinstance(rows, list) and all(_is_row(row, len(images)) for row in rows)
            expect(fine, f"{where}: '{key}' as rows from 0 to {len(images) - 1}", rows)
    both = sorted({query["image"] for query in queries} & set(images))
    if both:
        raise DatasetProblem(
            f"{path}: expected queries that are not in the database, got {examples(both)}"
        )


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_row(value: object, count: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < count
