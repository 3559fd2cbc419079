"""What every reader returns, and what they share: finding pictures, and failing loudly.

A reader never guesses. Names in the ground truth that match no picture would quietly give a
number that looks like a result, so they stop it, with examples of both sides.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from dff.evaluation.protocols import Relevance
from dff.geometry import Box
from dff.images import FORMATS, safe_name
from dff.index.collection import find_pictures

Protocol = Literal["finite", "trapezoid"]
_FAR = 2**31  # no picture has so many pixels a side
ALL = "all"  # the one task of every dataset but the revisited ones


class DatasetProblem(ValueError):
    """A dataset that cannot be used as it is. One line: where, what was expected and found."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One picture of a dataset.

    path: absolute. name: what the dataset calls it. labels: what it is relevant for. label: the
    one its box and mask belong to, "" where there is none. box: pixels of the upright picture.
    mask: a picture file, absolute. objects: (label, box) of everything marked in it.
    """

    path: Path
    name: str
    labels: frozenset[str] = frozenset()
    label: str = ""
    box: Box | None = None
    mask: Path | None = None
    objects: tuple[tuple[str, Box], ...] = ()


@dataclass(frozen=True, eq=False)
class Ask:
    """One query.

    image: its row in `Dataset.images`. box: what to crop it to where queries are cropped. tasks:
    what it asks for, by the task's name; a task in which it has no positives is not there. A
    query that is in the database and must not find itself has its own row among the junk.
    """

    image: int
    box: Box | None
    tasks: Mapping[str, Relevance]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Pictures, who asks for what, and how answers are judged.

    protocol: which of `dff.evaluation.protocols.AVERAGE_PRECISION`. database: (n,) int64 rows of
    `images` that are searched. tasks: "all", or the three of the revisited datasets. skipped: how
    many queries each task leaves out, because nothing in the database is relevant to them; a
    query without any task is not among `queries`. notes: what a report must say about the data.
    """

    name: str
    protocol: Protocol
    images: tuple[Sample, ...]
    queries: tuple[Ask, ...]
    database: np.ndarray
    tasks: tuple[str, ...]
    skipped: Mapping[str, int]
    notes: tuple[str, ...] = ()


def assemble(
    name: str,
    protocol: Protocol,
    images: Sequence[Sample],
    asks: Sequence[Ask],
    database: Sequence[int] | np.ndarray,
    *,
    tasks: tuple[str, ...] = (ALL,),
    notes: tuple[str, ...] = (),
) -> Dataset:
    """A dataset without queries that have nothing to find.

    Raises DatasetProblem if no query is left, or nothing is searched.
    """
    if len(database) == 0:
        raise DatasetProblem(f"{name}: expected pictures to search, found only queries")
    kept = []
    for ask in asks:
        possible = {task: r for task, r in ask.tasks.items() if len(r.positives)}
        if possible:
            kept.append(Ask(ask.image, ask.box, possible))
    if not kept:
        found = examples([images[ask.image].name for ask in asks])
        raise DatasetProblem(
            f"{name}: expected queries with something relevant to them in the database, found "
            f"none among {len(asks)}: {found}"
        )
    skipped = {task: len(asks) - sum(task in ask.tasks for ask in kept) for task in tasks}
    rows = np.array(database, np.int64)
    return Dataset(name, protocol, tuple(images), tuple(kept), rows, tasks, skipped, tuple(notes))


def asks_by_label(
    images: Sequence[Sample], queries: Iterable[int], database: Iterable[int]
) -> list[Ask]:
    """Relevant is what shares a label. The query's own picture, if it is in the database under
    whatever row, is junk: leave one out."""
    labelled, same = defaultdict(set), defaultdict(set)
    for row in database:
        same[images[row].path].add(row)
        for label in images[row].labels:
            labelled[label].add(row)
    asks = []
    for row in queries:
        own = same.get(images[row].path, set())
        kin: set[int] = set().union(*(labelled.get(label, ()) for label in images[row].labels))
        relevance = Relevance.of(list(kin - own), list(own))
        asks.append(Ask(row, images[row].box, {ALL: relevance}))
    return asks


def pictures_in(folder: Path) -> list[str]:
    """Relative paths of the pictures in or below a folder, or DatasetProblem for none."""
    found = find_pictures(folder)
    if not found:
        raise DatasetProblem(f"{folder}: expected pictures in it or below it, found none")
    return found


def pictures_by_stem(folder: Path) -> dict[str, Path]:
    """The pictures in or below a folder by file name without its ending, sorted by it.

    Raises DatasetProblem for none, and for names that are there twice: the ground truth could
    mean either.
    """
    found: dict[str, Path] = {}
    twice = []
    for relative in pictures_in(folder):
        path = absolute(folder, relative)
        if path.stem in found:
            twice.append(path.stem)
        found[path.stem] = path
    if twice:
        raise DatasetProblem(
            f"{folder}: expected each picture's name once, found more than once {examples(twice)}"
        )
    return dict(sorted(found.items()))


def require(names: Iterable[str], known: Iterable[str], where: Path) -> None:
    """Raise DatasetProblem unless every name of the ground truth is a picture's."""
    wanted, there = set(names), set(known)
    missing = sorted(wanted - there)
    if missing:
        raise DatasetProblem(
            f"{where}: expected a picture for each of the {len(wanted)} names in the ground truth, "
            f"found none for {len(missing)}: {examples(missing)}; pictures there are called "
            f"{examples(sorted(there))}"
        )


def whole_box(values: object) -> Box | None:
    """Four finite numbers (x0, y0, x1, y1), rounded to pixels; None for anything else, and for
    boxes that hold no pixel."""
    if not isinstance(values, list | tuple) or len(values) != 4:
        return None
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return None
    if not all(-_FAR < v < _FAR for v in values):  # NaN is not, and no int is too long for it
        return None
    x0, y0, x1, y1 = (round(v) for v in values)
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def crop_box(values: object, path: Path) -> Box:
    """The box of an official query, rounded and clipped to its picture as the authors' programs
    do: some reach a pixel past the border.

    Raises DatasetProblem if nothing is left, or the picture's size cannot be read.
    """
    from PIL import Image

    try:
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise DatasetProblem(f"{path}: expected a picture, got {shown(str(error))}") from error
    box = whole_box(values)
    if box is not None:
        x0, y0, x1, y1 = box
        box = whole_box((max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)))
    if box is None:
        raise DatasetProblem(
            f"{path.name}: expected a query's box x0, y0, x1, y1 within {width} x {height} pixels, "
            f"got {shown(values)}"
        )
    return box


def absolute(folder: Path, relative: str) -> Path:
    """A path as the operating system names it, without `..`; links are not followed."""
    return Path(os.path.abspath(folder / relative))


def read_text(path: Path) -> str:
    """A text file, or DatasetProblem."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetProblem(f"{path}: expected a text file, got {shown(str(error))}") from error


def examples(names: Sequence[str], most: int = 3) -> str:
    """The first few names, and how many more there are."""
    told = ", ".join(f"'{safe_name(name)}'" for name in names[:most])
    return told if len(names) <= most else f"{told} and {len(names) - most} more"


def shown(value: object) -> str:
    """A value fit for a message."""
    return (
        "nothing" if value is None else safe_name(value if isinstance(value, str) else repr(value))
    )
