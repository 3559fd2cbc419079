"""Oxford5k and Paris6k with their original ground truth (Philbin et al., CVPR 2007 and 2008).

For each query there are four text files: `<landmark>_<n>_query.txt` with one line "name x0 y0 x1
y1" (Oxford puts "oxc1_" before the name), and `_good.txt`, `_ok.txt`, `_junk.txt` with a name a
line. They and the pictures lie somewhere in or below one folder. Positives are good and ok; junk
is ignored; the query stays in the database, and finds itself first.
"""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from dff.evaluation.datasets.base import (
    ALL,
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
)
from dff.evaluation.protocols import Relevance
from dff.geometry import Box

# In the authors' archive these files are error pages of a web server. They publish the list
# (corrupt.txt) and everybody leaves them out: 6392 pictures remain of 6412.
DAMAGED = frozenset(
    f"paris_{landmark}_{number}"
    for landmark, numbers in {
        "louvre": ("000136", "000146"),
        "moulinrouge": ("000422",),
        "museedorsay": ("001059",),
        "notredame": ("000188",),
        "pantheon": ("000284", "000960", "000974"),
        "pompidou": ("000195", "000196", "000201", "000467", "000640"),
        "sacrecoeur": ("000299", "000330", "000353"),
        "triomphe": ("000662", "000833", "000863", "000867"),
    }.items()
    for number in numbers
)
_PREFIX = "oxc1_"
_QUERY = re.compile(r"(.+)_\d+_query\.txt")


@dataclass(frozen=True)
class _Truth:
    """One query as its files say it."""

    landmark: str
    image: str
    box: tuple[float, ...]
    positives: frozenset[str]
    junk: frozenset[str]


def query_files(folder: Path) -> list[Path]:
    """The `*_query.txt` in or below a folder, sorted."""
    found = folder.rglob("*_query.txt")
    return sorted(path for path in found if not path.name.startswith("."))


def read_oxford(folder: Path) -> Dataset:
    """The dataset in or below a folder, old protocol: all its pictures are the database.

    A picture's labels are the landmarks it is a positive of; the queries' pictures have boxes.
    The damaged pictures of Paris are left out of pictures and ground truth, and a note says so.
    Raises DatasetProblem for malformed files, and for other names that are no picture's.
    """
    files = query_files(folder)
    if not files:
        raise DatasetProblem(f"{folder}: expected ground truth '*_query.txt', found none")
    twice = [name for name, count in Counter(path.name for path in files).items() if count > 1]
    if twice:
        raise DatasetProblem(
            f"{folder}: expected each query's files once, found more than once {examples(twice)}"
        )
    truths = [_read(path) for path in files]
    pictures = pictures_by_stem(folder)
    wanted = set().union(*({t.image} | t.positives | t.junk for t in truths))
    names = [name for name in pictures if name not in DAMAGED]
    require((wanted - DAMAGED) | {truth.image for truth in truths}, names, folder)
    left_out = sorted(DAMAGED & (wanted | pictures.keys()))
    rows = {name: row for row, name in enumerate(names)}

    boxes: dict[str, list[tuple[str, Box]]] = defaultdict(list)
    labels = defaultdict(set)
    asks = []
    for truth in truths:
        crop = crop_box(truth.box, pictures[truth.image])
        boxes[truth.image].append((truth.landmark, crop))
        for name in truth.positives | {truth.image}:
            labels[name].add(truth.landmark)
        positives, junk = (
            [rows[name] for name in group if name in rows]
            for group in (truth.positives, truth.junk)
        )
        asks.append(Ask(rows[truth.image], crop, {ALL: Relevance.of(positives, junk)}))

    images = []
    for name in names:
        marked = tuple(boxes[name])
        label, box = marked[0] if marked else (min(labels[name], default=""), None)
        known = frozenset(labels[name])
        images.append(Sample(pictures[name], name, known, label, box, objects=marked))
    notes: tuple[str, ...] = ()
    if left_out:
        notes = (
            f"{len(left_out)} pictures that the authors list as damaged are left out: "
            f"{examples(left_out)}",
        )
    return assemble(_name(files, folder), "trapezoid", images, asks, range(len(names)), notes=notes)


def _read(path: Path) -> _Truth:
    matched = _QUERY.fullmatch(path.name)
    words = read_text(path).split()
    try:
        box = tuple(float(word) for word in words[1:])
    except ValueError:
        box = ()
    if matched is None or len(box) != 4:
        raise DatasetProblem(
            f"{path}: expected '<landmark>_<n>_query.txt' with 'name x0 y0 x1 y1', "
            f"got {shown(' '.join(words))}"
        )
    stem = path.name.removesuffix("query.txt")
    good, ok, junk = (
        frozenset(read_text(path.with_name(f"{stem}{kind}.txt")).split())
        for kind in ("good", "ok", "junk")
    )
    return _Truth(matched[1], words[0].removeprefix(_PREFIX), box, good | ok, junk)


def _name(files: list[Path], folder: Path) -> str:
    first = read_text(files[0])
    if first.startswith(_PREFIX):
        return "oxford5k"
    return "paris6k" if first.startswith("paris_") else folder.resolve().name
