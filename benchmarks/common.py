"""What the benchmarks share: collections of pictures, a cache, average precision, tables.

Collections are the sample photos of this repository and, with `--eval FOLDER`, any folders there
that hold a `manifest.jsonl`. What the network and the factorizations give is kept outside the
repository (`--cache`), under a name that holds everything it depends on, the code included.
"""

import argparse
import ast
import csv
import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # runnable from a checkout that is not installed

from dff import Backbone, load_backbone, read_image  # noqa: E402
from dff.cache import cache_folder  # noqa: E402
from dff.descriptors import Regions, describe, regions_of  # noqa: E402
from dff.geometry import Box  # noqa: E402
from dff.images import MIN_SIDE  # noqa: E402
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
EVERY = 3  # a collection without query rows is searched with every third picture


# --- collections -----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Collection:
    """Pictures, what they show, and who asks for what.

    labels: one set of labels a picture; relevant = the sets intersect. queries, database: rows.
    Rows that are in both are left out of their own results (leave one out). boxes: pixels of the
    upright picture.
    """

    name: str
    root: Path
    files: tuple[str, ...]
    labels: tuple[frozenset[str], ...]
    queries: np.ndarray
    database: np.ndarray
    boxes: tuple[Box | None, ...]

    def picture(self, row: int) -> np.ndarray:
        """(height, width, 3) uint8, upright."""
        return read_image(self.root / self.files[row])

    @cached_property
    def relevant(self) -> np.ndarray:
        """(queries, database) bool."""
        return np.array(
            [[bool(self.labels[q] & self.labels[d]) for d in self.database] for q in self.queries]
        )


def sample_photos() -> tuple[Collection, Collection]:
    """The sample photos twice: by landmark (37 queries of 12 landmarks) and by category (all)."""
    with open(PHOTOS / "photos.csv", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    files = tuple(line["file"] for line in lines)
    boxes = tuple(_box([line[c] for c in ("x0", "y0", "x1", "y1")]) for line in lines)
    everything = np.arange(len(lines))
    asked = np.array([n for n, line in enumerate(lines) if line["instance"] in LANDMARKS])
    # Pictures without an instance share it with nobody.
    instances = tuple(frozenset([line["instance"]] if line["instance"] else []) for line in lines)
    categories = tuple(frozenset([line["category"]]) for line in lines)
    return (
        Collection("landmarks", PHOTOS, files, instances, asked, everything, boxes),
        Collection("category", PHOTOS, files, categories, everything, everything, boxes),
    )


def from_manifest(folder: Path, name: str) -> Collection:
    """A collection described by `manifest.jsonl`: {"image", "label", "labels"?, "query"?, "bbox"?}.

    Query rows are not in the database; without any, every third picture asks, leave one out.
    Pictures that are too small for an index are left out here too, and named on stderr.
    """
    with open(folder / "manifest.jsonl", encoding="utf-8") as file:
        lines = [json.loads(line) for line in file if line.strip()]
    lines = [line for line in lines if _is_large_enough(folder / line["image"])]
    asks = np.array([bool(line.get("query")) for line in lines])
    rows = np.arange(len(lines))
    return Collection(
        name=name,
        root=folder,
        files=tuple(line["image"] for line in lines),
        labels=tuple(frozenset(line.get("labels") or [line["label"]]) for line in lines),
        queries=rows[asks] if asks.any() else rows[::EVERY],
        database=rows[~asks] if asks.any() else rows,
        boxes=tuple(_box(line.get("bbox")) for line in lines),
    )


def external(folder: Path | None) -> list[Collection]:
    """The collections of `--eval FOLDER` that are there."""
    if folder is None:
        return []
    found = [
        from_manifest(folder / name, heading)
        for name, heading in EXTERNAL.items()
        if (folder / name / "manifest.jsonl").is_file()
    ]
    if not found:
        raise SystemExit(f"--eval: expected a folder with {' or '.join(EXTERNAL)}, got {folder}")
    return found


def _is_large_enough(path: Path) -> bool:
    with Image.open(path) as image:  # the header only
        fine = min(image.size) >= MIN_SIDE
        if not fine:
            print(f"left out: {path.name}, {image.width} x {image.height}", file=sys.stderr)
    return fine


def _box(values: Sequence[object] | None) -> Box | None:
    if values is None or any(v in ("", None) for v in values):
        return None
    x0, y0, x1, y1 = (round(float(str(v))) for v in values)
    return x0, y0, x1, y1


# --- what the network and the factorization give, kept -----------------------------------


class Store:
    """Raw regions of whole collections, at the precision of an index, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def regions(
        self, collection: Collection, backbone: Backbone, names: Iterable[str], size: int = 512
    ) -> dict[str, list[Regions]]:
        """{name: one `Regions` a picture}. Names: "dff4" (k = 4), "gem", "rmac"."""
        missing = []
        found = {}
        for name in names:
            path = self._path(collection, backbone, name, size)
            if path.is_file():
                found[name] = _load(path)
            else:
                missing.append(name)
        if missing:
            made = _make(collection, backbone, missing, size)
            for name, regions in made.items():
                _save(self._path(collection, backbone, name, size), regions)
            found |= made
        return found

    def _path(self, collection: Collection, backbone: Backbone, name: str, size: int) -> Path:
        facts = (
            _files_digest(collection.root, collection.files),
            backbone.fingerprint,
            backbone.layer,
            tuple(float(v) for v in (*backbone.mean, *backbone.std)),
            name,
            size,
            _code_digest(),
        )
        key = hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
        return self.folder / f"{collection.root.name}-{backbone.layer}-{name}-{key}.npz"


def activations_of(
    collection: Collection, rows: Iterable[int], backbone: Backbone, size: int = 512
) -> dict[int, np.ndarray]:
    """Activations (channels, rows, columns) float32 of some pictures, kept in memory."""
    return {
        int(row): backbone.activations(collection.picture(row), size)
        for row in progress(list(rows), "activations")
    }


def _make(
    collection: Collection, backbone: Backbone, names: Sequence[str], size: int
) -> dict[str, list[Regions]]:
    made: dict[str, list[Regions]] = {name: [] for name in names}
    what = f"{collection.root.name} {backbone.layer} {' '.join(names)}"
    for row in progress(range(len(collection.files)), what):
        activations = backbone.activations(collection.picture(row), size)
        for name in names:
            kind, k = re.fullmatch(r"([a-z_]+)(\d*)", name).groups()
            view = backbone.view(activations, int(k or 1))
            made[name].append(regions_of(kind, view).stored())
    return made


def _save(path: Path, regions: Sequence[Regions]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.npz")
    np.savez(
        temporary,
        vectors=np.concatenate([r.vectors for r in regions]).astype(np.float16),
        weights=np.concatenate([r.weights for r in regions]),
        counts=np.array([len(r.weights) for r in regions]),
    )
    os.replace(temporary, path)


def _load(path: Path) -> list[Regions]:
    with np.load(path, allow_pickle=False) as file:
        ends = np.cumsum(file["counts"])[:-1]
        vectors = np.split(file["vectors"].astype(np.float32), ends)
        weights = np.split(file["weights"], ends)
    return [Regions(v, w) for v, w in zip(vectors, weights, strict=True)]


@cache
def _files_digest(root: Path, files: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(hashlib.sha256((root / file).read_bytes()).digest())
    return digest.hexdigest()


@cache
def _code_digest() -> str:
    """Of the modules between a file and its regions; comments do not count."""
    package = ROOT / "dff"
    names = ("images.py", "geometry.py", "factorization.py")
    paths = [package / name for name in names]
    patterns = ("nmf*.py", "backbones/*.py", "descriptors/*.py")
    paths += sorted(path for pattern in patterns for path in package.glob(pattern))
    trees = [ast.dump(ast.parse(path.read_text(encoding="utf-8"))) for path in paths]
    return hashlib.sha256("".join(trees).encode()).hexdigest()


# --- from regions to mAP -----------------------------------------------------------------


def fit(regions: Sequence[Regions], power: float | None, dimensions: int | None) -> Whitening:
    """The package's whitening. power None: no whitening at all; 0: mean and rotation only."""
    vectors = np.concatenate([r.vectors for r in regions])
    if power is None:
        return Whitening.identity(vectors.shape[1])
    return Whitening.fit(vectors, power, dimensions or vectors.shape[1])


def vectors_of(
    regions: Sequence[Regions], whitening: Whitening, *, weights: str = "energy"
) -> np.ndarray:
    """Descriptors (n, dimensions). weights: "energy", those of the family, or "uniform"."""
    counts = [len(r.weights) for r in regions]
    # One product for all pictures; `describe` then has nothing left to whiten.
    white = whitening.apply(np.concatenate([r.vectors for r in regions]))
    identity = Whitening.identity(white.shape[1])
    out = np.empty((len(regions), white.shape[1]), np.float32)
    for row, part in enumerate(np.split(white, np.cumsum(counts)[:-1])):
        own = regions[row].weights
        scale = own if weights == "energy" else np.ones_like(own)
        out[row] = describe(Regions(part, scale), identity).vector
    return out


def average_precision(relevant: np.ndarray) -> float:
    """Finite-sum AP of a ranking, (n,) bool: the mean precision at the rank of each positive."""
    ranks = np.flatnonzero(relevant) + 1
    return float(np.mean(np.arange(1, len(ranks) + 1) / ranks))


def rankings(
    collection: Collection, vectors: np.ndarray, asked: Callable[[int], np.ndarray] | None = None
) -> Iterable[tuple[int, np.ndarray, np.ndarray]]:
    """(query row, database rows by falling score, which of them are relevant), a query.

    asked: the query's descriptor by its row, by default that of the same picture. Queries
    without a relevant picture are left out.
    """
    for number, row in enumerate(map(int, collection.queries)):
        other = collection.database != row
        others, relevant = collection.database[other], collection.relevant[number][other]
        if not relevant.any():
            continue
        query = vectors[row] if asked is None else asked(row)
        order = np.argsort(-(vectors[others] @ query), kind="stable")
        yield row, others[order], relevant[order]


def mean_ap(
    collection: Collection, vectors: np.ndarray, asked: Callable[[int], np.ndarray] | None = None
) -> float:
    """mAP in percent."""
    return 100 * float(
        np.mean([average_precision(r) for _, _, r in rankings(collection, vectors, asked)])
    )


def landmarks_in_top(collection: Collection, vectors: np.ndarray, top: int = 5) -> int:
    """How many landmarks have, for each of their photos, all others in the first `top`."""
    good = dict.fromkeys(LANDMARKS, True)
    for row, _, relevant in rankings(collection, vectors):
        (landmark,) = collection.labels[row]
        good[landmark] &= bool(relevant[top:].sum() == 0)
    return sum(good.values())


# --- command line and tables ---------------------------------------------------------------


def parser(description: str, parts: Sequence[str]) -> argparse.ArgumentParser:
    """--eval, --cache, --only and --write; `parts` are the tables that can be made alone."""
    prepare()
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--eval", type=Path, help="folder of flickrlogos27/, pascal_cosegmentation_a")
    made.add_argument(
        "--cache", type=Path, default=cache_folder() / "benchmarks", help="default: %(default)s"
    )
    made.add_argument("--only", nargs="+", choices=parts, default=list(parts), help="tables")
    made.add_argument("--write", action="store_true", help="put the tables into docs/")
    return made


def progress(items: Iterable, what: str) -> Iterable:
    """The same items, with a bar on stderr."""
    return tqdm(items, desc=what, file=sys.stderr, mininterval=1, leave=False)


def network(layer: str | None = None) -> Backbone:
    """The default network."""
    return load_backbone(layer=layer)


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
