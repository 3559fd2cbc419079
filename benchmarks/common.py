"""What the benchmarks share: collections of pictures, the default's regions, mAP, tables.

Collections are the sample photos of this repository and, with `--eval FOLDER`, any folders there
that hold a `manifest.jsonl`. What the network gives is kept outside the repository (`--cache`), in
the folder that `python -m dff evaluate` uses too.
"""

import argparse
import csv
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # runnable from a checkout that is not installed

from dff import Backbone, load_backbone  # noqa: E402
from dff.cache import cache_folder  # noqa: E402
from dff.descriptors import (  # noqa: E402
    DEFAULT_DESCRIPTOR,
    Regions,
    View,
    describe,
    matching_of,
    regions_of,
)
from dff.evaluation.datasets import Ask, Dataset, Sample, open_dataset  # noqa: E402
from dff.evaluation.datasets.base import ALL, asks_by_label, assemble  # noqa: E402
from dff.evaluation.features import Features  # noqa: E402
from dff.evaluation.protocols import average_precision, rank, relevant_ranks  # noqa: E402
from dff.geometry import Box  # noqa: E402
from dff.images import ImageError  # noqa: E402
from dff.index.store import DIMENSIONS, POWER  # noqa: E402
from dff.matching import Stored, matched_rows  # noqa: E402
from dff.threads import prepare  # noqa: E402
from dff.whitening import Whitening  # noqa: E402

PHOTOS = ROOT / "assets" / "photos"
DOCS = ROOT / "docs"
LANDMARKS = (
    "christ_the_redeemer",
    "eiffel_tower",
    "great_wall_of_china",
    "louvre",
    "mount_rushmore",
    "qutub_minar",
    "statue_of_liberty",
    "sydney_opera_house",
    "taj_mahal",
    "giza_pyramids",
    "chateau_de_chenonceau",
    "neuschwanstein_castle",
)
# The external collections that tables have a column for: folder -> heading.
EXTERNAL = {"flickrlogos27": "FlickrLogos-27", "pascal_cosegmentation_a": "PASCAL"}
SIZE = 512

Described = Mapping[int, Regions]  # by row of `Dataset.images`; unreadable pictures are not in it


# --- collections -----------------------------------------------------------------------


def sample_photos() -> tuple[Dataset, Dataset]:
    """The sample photos twice: by landmark (26 queries of 12 landmarks) and by category (all)."""
    with open(PHOTOS / "photos.csv", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    boxes = [_box([line[c] for c in ("x0", "y0", "x1", "y1")]) for line in lines]

    def dataset(name: str, field: str, asked: Callable[[dict[str, str]], bool]) -> Dataset:
        images = [
            Sample(PHOTOS / x["file"], x["file"], frozenset(filter(None, [x[field]])), box=box)
            for x, box in zip(lines, boxes, strict=True)
        ]
        queries = [row for row, line in enumerate(lines) if asked(line)]
        asks = asks_by_label(images, queries, range(len(images)))
        return assemble(name, "finite", images, asks, range(len(images)))

    return (
        dataset("landmarks", "instance", lambda line: line["instance"] in LANDMARKS),
        dataset("category", "category", lambda line: True),
    )


def external(folder: Path | None) -> list[Dataset]:
    """The collections of `--eval FOLDER` that are there."""
    if folder is None:
        return []
    found = [
        replace(open_dataset(folder / name / "manifest.jsonl"), name=heading)
        for name, heading in EXTERNAL.items()
        if (folder / name / "manifest.jsonl").is_file()
    ]
    if not found:
        raise SystemExit(f"--eval: expected a folder with {' or '.join(EXTERNAL)}, got {folder}")
    return found


def _box(values: Sequence[str]) -> Box | None:
    if "" in values:
        return None
    x0, y0, x1, y1 = (round(float(v)) for v in values)
    return x0, y0, x1, y1


# --- what the default sees -----------------------------------------------------------------


def default_regions(view: View) -> Regions:
    """A picture's regions by the default descriptor, at the precision of an index."""
    return replace(regions_of(DEFAULT_DESCRIPTOR, view).stored(), heatmaps=None)


def described(
    dataset: Dataset,
    features: Features,
    look: Callable[[np.ndarray], View] | None = None,
) -> dict[int, Regions]:
    """The default's regions of every picture of a collection that can be read.

    look: what the descriptor sees of activations (channels, rows, columns), by default all.
    """
    look = look or features.backbone.view
    found = {}
    what = f"{dataset.name} {features.size} px"
    for row, image in enumerate(progress(dataset.images, what)):
        try:
            activations = features.see(image.path).activations
        except ImageError as error:
            print(f"left out: {error}", file=sys.stderr)
        else:
            found[row] = default_regions(look(activations))
    return found


def network() -> Backbone:
    """The default network, joined layers and all."""
    return load_backbone()


# --- from regions to mAP -----------------------------------------------------------------


def fit(
    regions: Iterable[Regions], power: float = POWER, dimensions: int | None = DIMENSIONS
) -> Whitening:
    """The package's whitening, with all directions for None."""
    vectors = np.concatenate([r.vectors for r in regions])
    return Whitening.fit(vectors, power, dimensions or vectors.shape[1])


Ranks = list[tuple[Ask, np.ndarray, int]]  # (query, ranks of the positives from 0, how many exist)


def searched(regions: Sequence[Regions], whitening: Whitening) -> Callable[[Regions], np.ndarray]:
    """A search among pictures: a query's regions -> the scores (n,), by the default's matching."""
    white = whitening.apply(np.concatenate([one.vectors for one in regions]))
    stored = Stored.of(white, [one.weights for one in regions])
    mutual = matching_of(DEFAULT_DESCRIPTOR) == "mutual"

    def scores(query: Regions) -> np.ndarray:
        own = describe(query, whitening).regions
        return matched_rows(own, query.weights, stored, mutual=mutual).sum(axis=1)

    return scores


def judged(dataset: Dataset, rows: np.ndarray, scores: Callable[[int], np.ndarray]) -> Ranks:
    """What the scores of the pictures `rows`, (n,) for an image row that asks, are worth.

    Queries whose positives could not be read are left out.
    """
    found = []
    for ask in dataset.queries:
        count = len(np.intersect1d(ask.tasks[ALL].positives, rows))
        if count:
            order = rows[rank(scores(ask.image))]
            found.append((ask, relevant_ranks(order, ask.tasks[ALL]), count))
    return found


def mean_precision(found: Ranks) -> float:
    """mAP in percent."""
    return 100 * float(np.mean([average_precision(there, count) for _, there, count in found]))


def ranks(
    dataset: Dataset,
    regions: Described,
    whitening: Whitening,
    asked: Described | None = None,
) -> Ranks:
    """How the default finds a collection's pictures. asked: other regions of the queries, by
    image row; then only these ask."""
    asked = regions if asked is None else asked
    rows = np.array([int(row) for row in dataset.database if int(row) in regions])
    search = searched([regions[int(row)] for row in rows], whitening)
    asks = tuple(ask for ask in dataset.queries if ask.image in asked)
    return judged(replace(dataset, queries=asks), rows, lambda image: search(asked[image]))


def mean_ap(
    dataset: Dataset, regions: Described, whitening: Whitening, asked: Described | None = None
) -> float:
    """mAP in percent."""
    return mean_precision(ranks(dataset, regions, whitening, asked))


def subset(dataset: Dataset, queries: Iterable[int], database: Iterable[int]) -> Dataset:
    """Some of a collection's pictures as a smaller collection; rows keep their numbers."""
    database = list(database)
    asks = asks_by_label(dataset.images, queries, database)
    return assemble(dataset.name, dataset.protocol, dataset.images, asks, database)


# --- command line and tables ---------------------------------------------------------------


def parser(description: str, parts: Sequence[str]) -> argparse.ArgumentParser:
    """--eval, --cache, --only and --write; `parts` are the tables that can be made alone."""
    prepare()
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--eval", type=Path, help="folder of flickrlogos27/, pascal_cosegmentation_a")
    made.add_argument(
        "--cache", type=Path, default=cache_folder() / "activations", help="default: %(default)s"
    )
    made.add_argument("--only", nargs="+", choices=parts, default=list(parts), help="tables")
    made.add_argument("--write", action="store_true", help="put the tables into docs/")
    return made


def progress(items: Iterable, what: str) -> Iterable:
    """The same items, with a bar on stderr."""
    return tqdm(items, desc=what, file=sys.stderr, mininterval=1, leave=False)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Markdown. Floats with one decimal; the columns after the first aligned right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def publish(name: str, text: str, *, write: bool) -> None:
    """Print a table; with `write` also put it between its two markers in docs/.

    The markers are <!-- table: NAME --> and <!-- end --> on lines of their own.
    """
    print(f"\n{name}\n\n{text}", flush=True)
    if not write:
        return
    pattern = re.compile(rf"(<!-- table: {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    for path in sorted(DOCS.glob("*.md")):
        before = path.read_text(encoding="utf-8")
        after, count = pattern.subn(lambda m: f"{m[1]}\n{text}\n\n{m[2]}", before)
        if count:
            path.write_text(after, encoding="utf-8")
            return
    raise SystemExit(f"no place for the table {name!r} in docs/: expected a marker")


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.1f}" if isinstance(value, float) else str(value)
