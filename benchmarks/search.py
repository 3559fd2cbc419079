"""Search in large indexes: exact beside faiss, approximate, region matching, re-ranking, opening.

    python benchmarks/search.py [--only exact approximate regions opening half] [--count 1000000]
        [--write]

Writes the tables of docs/performance.md and, from all of them, docs/plots/search.png. Needs
faiss-cpu, some 6 GB of memory and 4 GB of space for temporary files.

The vectors are blends: each is one real region vector of the sample index and a random share of
another, at unit length, so that they lie as densely and unevenly as real ones do; pictures of the
region matching are blended region by region.
"""

import os

os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX")  # faiss's BLAS is too old to know newer CPUs

import argparse
import csv
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from common import DOCS, ROOT, average_precision, publish, table
from matplotlib.figure import Figure

from dff import explain
from dff.index import Index
from dff.index import coarse as first
from dff.index.approximate import Nearest, grouped
from dff.index.manifest import write_manifest
from dff.index.pictures import regions_of_all
from dff.matching import Stored, matched_rows
from dff.products import cores, products
from dff.threads import prepare

PARTS = ("exact", "approximate", "regions", "opening", "half")
DIMENSIONS = 512
TOP = 10
CURVE = DOCS / "plots" / "search.csv"
SAMPLE = ROOT / "sample_index"
TREE = "dff_tree"

Points = list[tuple[str, int, float]]  # (curve, pictures, milliseconds of processor time)


# --- data ------------------------------------------------------------------------------------


def blends(count: int, path: Path, seed: int = 0) -> np.ndarray:
    """(count, 512) float32, written to a file and mapped."""
    real = np.array(Index.open(SAMPLE).regions(TREE).regions)
    rng = np.random.default_rng(seed)
    out = np.lib.format.open_memmap(path, "w+", np.float32, (count, DIMENSIONS))
    for start in range(0, count, 50_000):
        rows = out[start : start + 50_000]
        share = rng.random((len(rows), 1), dtype=np.float32)
        mixed = real[rng.integers(0, len(real), len(rows))]
        mixed = mixed + share * real[rng.integers(0, len(real), len(rows))]
        rows[:] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    out.flush()
    return np.load(path, mmap_mode="r")


def blended_pictures(count: int, path: Path, seed: int = 0) -> tuple[Stored, np.ndarray]:
    """Pictures of 15 regions, mapped, and their vectors (count, 512)."""
    stored = Index.open(SAMPLE).regions(TREE)
    each = len(stored.regions) // (len(stored.starts) - 1)
    real = np.array(stored.regions).reshape(-1, each, DIMENSIONS)
    shares = stored.shares.reshape(-1, each)
    rng = np.random.default_rng(seed)
    one, other = rng.integers(0, len(real), (2, count))
    out = np.lib.format.open_memmap(path, "w+", np.float32, (count, each, DIMENSIONS))
    vectors = np.empty((count, DIMENSIONS), np.float32)
    for start in range(0, count, 2000):
        here = slice(start, start + 2000)
        mixed = real[one[here]]
        mixed += rng.random((len(mixed), 1, 1), dtype=np.float32) * real[other[here]]
        mixed /= np.linalg.norm(mixed, axis=2, keepdims=True)
        out[here] = mixed
        total = np.matmul(shares[one[here]][:, None], mixed)[:, 0]
        vectors[here] = total / np.linalg.norm(total, axis=1, keepdims=True)
    out.flush()
    mapped = np.load(path, mmap_mode="r").reshape(-1, DIMENSIONS)
    starts = np.arange(0, len(mapped) + 1, each)
    return Stored(mapped, starts, shares[one].ravel()), vectors


# --- measuring -------------------------------------------------------------------------------


class Took(NamedTuple):
    """Median milliseconds: by the clock, and of processor time on all threads together, which
    other programs on the machine do not lengthen."""

    wall: float
    cpu: float


def in_turn(ways: Mapping[str, Callable[[], object]], rounds: int = 5) -> dict[str, Took]:
    """How long each takes, in turn, after one round that does not count."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            way()
            found = time.perf_counter() - wall, time.process_time() - cpu
            times[name].append((1000 * found[0], 1000 * found[1]))
    return {name: Took(*np.median(found[1:], axis=0)) for name, found in times.items()}


def found_exactly(vectors: np.ndarray, queries: np.ndarray) -> list[list[int]]:
    """What `Index.search` does with one vector: all scores, then the best."""
    scores = products(vectors, queries.T)
    return [explain.best(column, TOP) for column in np.ascontiguousarray(scores.T)]


def flat_index(faiss, vectors: np.ndarray):
    made = faiss.IndexFlatIP(DIMENSIONS)
    made.add(np.ascontiguousarray(vectors))
    return made


# --- parts -----------------------------------------------------------------------------------


def exact(options: argparse.Namespace, folder: Path) -> Points:
    """One vector and batches, beside faiss; the curve over the number of pictures."""
    import faiss

    faiss.omp_set_num_threads(cores())
    vectors = blends(options.count, folder / "vectors.npy")
    queries = np.array(vectors[:: options.count // 16][:16])
    one = queries[:1]
    points: Points = []
    flat = None
    for count in sizes(options.count):
        some = vectors[:count]
        flat = flat_index(faiss, some)
        ways = {
            "exact, one vector": lambda some=some: found_exactly(some, one),
            "faiss, exact": lambda flat=flat: flat.search(one, min(TOP, len(vectors))),
        }
        points += [(name, count, took.cpu) for name, took in in_turn(ways).items()]
    four = queries[:4].T
    half = vectors.astype(np.float16)
    ours = products(vectors, queries.T)
    ours = np.array([ours[rows, n] for n, rows in enumerate(found_exactly(vectors, queries))])
    if not np.allclose(ours, flat.search(queries, TOP)[0], atol=1e-5):
        raise SystemExit("the two do not find the same")
    found = in_turn(
        {
            "one": lambda: found_exactly(vectors, one),
            "one, faiss": lambda: flat.search(one, TOP),
            "split": lambda: explain.best(products(vectors, four) @ np.ones(4, np.float32), TOP),
            "16": lambda: found_exactly(vectors, queries),
            "16, faiss": lambda: flat.search(queries, TOP),
            "half": lambda: found_exactly(half, one),
        },
        rounds=5,
    )
    head = [f"{options.count:,} x {DIMENSIONS}, {cores()} threads", "DFF, ms", "processor, ms"]
    head += ["faiss IndexFlatIP, ms", "processor, ms", "ratio", "of processor time"]

    def line(what: str, name: str) -> list[object]:
        ours, theirs = found[name], found.get(f"{name}, faiss")
        if theirs is None:
            return [what, *ours, None, None, "", ""]
        return [what, *ours, *theirs, *(f"{a / b:.2f}" for a, b in zip(ours, theirs, strict=True))]

    rows = [
        line("one query", "one"),
        line("one query, split into 4 parts", "split"),
        line("16 queries", "16"),
        line("one query, half precision", "half"),
    ]
    publish("search exact", table(head, rows), write=options.write)
    start = json.loads(
        subprocess.run(
            [sys.executable, __file__, "--start", folder / "vectors.npy"],
            capture_output=True,
            check=True,
            text=True,
        ).stdout
    )
    head = ["a new process", ""]
    rows = [
        ["maps the array", f"{start['map'] * 1000:.1f} ms"],
        ["first search after that", f"{start['first'] * 1000:.0f} ms"],
        ["memory for it, of the array's size", f"{start['grown'] / vectors.nbytes:.2f}"],
    ]
    publish("search start", table(head, rows), write=options.write)
    return points


def started(path: Path) -> None:
    """In a process of its own: how long from a file to the first result, and what memory."""
    query = np.ones((1, DIMENSIONS), np.float32)
    found_exactly(np.ones((1000, DIMENSIONS), np.float32), query)
    before = resident()
    begin = time.perf_counter()
    vectors = np.load(path, mmap_mode="r")
    mapped = time.perf_counter()
    found_exactly(vectors, query)
    end = time.perf_counter()
    grown = resident() - before
    print(json.dumps({"map": mapped - begin, "first": end - mapped, "grown": grown}))


def resident() -> int:
    """The bytes of memory that this process holds (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def approximate(options: argparse.Namespace, folder: Path) -> Points:
    """Recall and speed of what faiss offers and we score."""
    import faiss

    faiss.omp_set_num_threads(cores())
    vectors = blends(options.count, folder / "vectors.npy")
    asked = blends(50, folder / "queries.npy", seed=1)
    points: Points = []
    rows = []
    for count in (10_000, 100_000, options.count):
        if count > options.count:
            continue
        some = vectors[:count]
        begin = time.perf_counter()
        made = grouped(some)
        seconds = time.perf_counter() - begin
        faiss.write_index(made, str(folder / "x.faiss"))
        nearest = Nearest(folder / "x.faiss", count)
        right = found_exactly(some, asked)

        def near(query: np.ndarray, some=some, nearest=nearest) -> list[int]:
            offered = nearest.offered(query)
            scores = products(some[offered], query[:, None])[:, 0]
            return offered[explain.best(scores, TOP)].tolist()

        def both(near=near, some=some) -> dict[str, Took]:
            ways = {"near": lambda: [near(query) for query in asked[:10]]}
            return in_turn({**ways, "all": lambda: found_exactly(some, asked[:1])})

        got = [near(query) for query in asked]
        took = both()
        recall = np.mean([len({*a} & {*b}) / TOP for a, b in zip(right, got, strict=True)])
        ours, plain = Took(*(value / 10 for value in took["near"])), took["all"]
        size = (folder / "x.faiss").stat().st_size / (4 * DIMENSIONS * count)
        times = f"{plain.wall / ours.wall:.0f}", f"{plain.cpu / ours.cpu:.0f}"
        near_ms = f"{ours.wall:.2f}", f"{ours.cpu:.2f}"
        rows.append(
            [f"{count:,}", *plain, *near_ms, *times, f"{recall:.3f}", f"{seconds:.0f}"]
            + [f"{size:.2f}"]
        )
        points.append(("approximate (faiss), scored exactly", count, ours.cpu))
    head = ["pictures", "exact, ms", "processor", "approximate, ms", "processor", "times as fast"]
    head += ["by processor", "recall@10", "made in, s", "file, of the array"]
    publish("search approximate", table(head, rows), write=options.write)
    return points


def regions(options: argparse.Namespace, folder: Path) -> Points:
    """Region matching, all pictures and coarse first; re-ranking by weights."""
    count = min(options.count, 100_000)
    stored, vectors = blended_pictures(count, folder / "regions.npy")
    sample = Index.open(SAMPLE)
    queries = [sample.described(row, TREE) for row in range(0, len(sample), 15)]
    query = queries[0]
    six = Stored(
        stored.regions[: 6 * count],
        np.arange(0, 6 * count + 1, 6),
        np.full(6 * count, 1 / 6, np.float32),
    )
    own, even = query.regions[:6], np.ones(6)

    def all_rows(one, way: bool = True) -> np.ndarray:
        rows = matched_rows(one.regions, one.weights, stored, mutual=way)
        return products(rows, one.members)

    def coarse_first(one) -> np.ndarray:
        rough = explain.row_scores(one, vectors)
        chosen = first.choose(rough)
        rows = matched_rows(one.regions, one.weights, stored, mutual=True, chosen=chosen)
        return first.filled(rough, chosen, products(rows, one.members), 1)

    rows_of_one = coarse_first(query)
    weights = np.array([1, 0.5, 2, 0], np.float32)
    ten = np.random.default_rng(0).random((count, 10), dtype=np.float32)
    found = in_turn(
        {
            "six": lambda: matched_rows(own, even, six),
            "six, mutual": lambda: matched_rows(own, even, six, mutual=True),
            "tree": lambda: all_rows(query, False),
            "tree, mutual": lambda: all_rows(query),
            "coarse": lambda: coarse_first(query),
            "rank": lambda: explain.best(rows_of_one @ weights, 12),
            "rank, 10": lambda: explain.best(ten @ np.ones(10, np.float32), 12),
        },
        rounds=5,
    )
    head = [f"{count:,} pictures, {cores()} threads", "ms", "processor, ms"]
    rows = [
        ["6 regions with 6 of the query, one way", *found["six"]],
        ["the same, both ways", *found["six, mutual"]],
        ["15 regions with 15 (the default), one way", *found["tree"]],
        ["the same, both ways, every picture", *found["tree, mutual"]],
        ["the same, coarse search first (what a search does)", *found["coarse"]],
        ["re-ranking by the weights of 4 parts, and the best 12", *found["rank"]],
        ["the same with 10 parts", *found["rank, 10"]],
    ]
    publish("search regions", table(head, rows), write=options.write)

    points: Points = [("region matching, coarse first", count, found["coarse"].cpu)]
    for size in sizes(count):
        end = stored.starts[size]
        some = Stored(stored.regions[:end], stored.starts[: size + 1], stored.shares[:end])
        ways = {
            "region matching, every picture": lambda some=some: matched_rows(
                query.regions, query.weights, some, mutual=True
            )
        }
        points += [(name, size, took.cpu) for name, took in in_turn(ways, rounds=3).items()]

    rows = [
        ["222 sample photos, one vector chooses 8 % of them", *sample_recall(sample, 0.08)],
        ["222 sample photos, 16 %", *sample_recall(sample, 0.16)],
        [f"{count:,} blends, as a search does", *blends_recall(queries, all_rows, coarse_first)],
    ]
    head = ["share of the exact first that is found, %", "first 10", "first 50"]
    publish("search coarse", table(head, rows), write=options.write)
    return points


def sample_recall(sample: Index, share: float) -> list[float | None]:
    """Of real pictures; the first 50 only where more than 50 are chosen."""
    most = round(share * len(sample))
    kept: dict[int, list[float]] = {10: [], 50: []}
    for row in range(len(sample)):
        query = sample.indexed_query(sample.pictures[row].id)
        scores = sample.exact_rows(query).sum(axis=1)
        rough = sample.vectors() @ query.described.vector
        chosen = set(explain.best(rough, most, {row}))
        for top, found in kept.items():
            found.append(len(chosen & {*explain.best(scores, top, {row})}) / top)
    return [100 * float(np.mean(found)) if most >= top else None for top, found in kept.items()]


def blends_recall(queries, all_rows, coarse_first) -> list[float]:
    kept: dict[int, list[float]] = {10: [], 50: []}
    for query in queries[:8]:
        scores, rough = all_rows(query).sum(axis=1), coarse_first(query).sum(axis=1)
        for top, found in kept.items():
            found.append(len({*explain.best(scores, top)} & {*explain.best(rough, top)}) / top)
    return [100 * float(np.mean(found)) for found in kept.values()]


def opening(options: argparse.Namespace, folder: Path) -> Points:
    """Opening an index and looking things up in it. The shards are one and the same, all files of
    which have many names."""
    sample = Index.open(SAMPLE)
    shard = sample.shards[0].folder
    held = len(sample.shards[0].pictures)
    once = Path(shutil.copytree(shard, folder / "once"))  # where links to it can be made
    facts = {k: v for k, v in sample.manifest.items() if k not in ("files", "shards", "count")}
    rows = []
    for count in (10_000, 100_000, 1_000_000):
        out = folder / str(count)
        (out / "shards").mkdir(parents=True)
        names = [f"{number:012}" for number in range(round(count / held))]
        for name in names:
            (out / "shards" / name).mkdir()
            for path in once.iterdir():
                os.link(path, out / "shards" / name / path.name)
        sizes_of = {path.name: {"bytes": path.stat().st_size} for path in shard.iterdir()}
        files = {f"shards/{n}/{file}": size for n in names for file, size in sizes_of.items()}
        manifest = {**facts, "count": held * len(names), "shards": names, "files": files}
        write_manifest(out, manifest)
        begin = time.perf_counter()
        index = Index.open(out)
        opened = time.perf_counter()
        _ = index.pictures[len(index) // 2]
        one = time.perf_counter()
        _ = index.row_of
        ids = time.perf_counter()
        index.rows_of_file("")
        hashes = time.perf_counter()
        regions_of_all(index.shards, TREE)
        counted = time.perf_counter()
        row = [opened - begin, one - opened, ids - one, hashes - ids, counted - hashes, None]
        if count <= 10_000:
            begin = time.perf_counter()
            _ = list(index.pictures)
            row[-1] = time.perf_counter() - begin
        cells = ["" if value is None else f"{value:.2f}" for value in row]
        rows.append([f"{count:,}", *cells])
    head = [
        "pictures; seconds for",
        "opening",
        "one picture",
        "ids",
        "hashes",
        "numbers of regions",
    ]
    head += ["every picture (formerly part of opening)"]
    publish("search opening", table(head, rows), write=options.write)
    return []


def half(options: argparse.Namespace, folder: Path) -> Points:
    """What half precision costs in mAP: the sample photos by category, each asking for its own."""
    sample = Index.open(SAMPLE)
    categories = np.array([picture.category for picture in sample.pictures])
    stored, vectors = sample.regions(), sample.vectors()
    rounded = Stored(stored.regions.astype(np.float16), stored.starts, stored.shares)
    halves = vectors.astype(np.float16)
    means = {name: [[], []] for name in ("one vector", "regions, one way", "regions, both ways")}
    moved = {name: 0.0 for name in means}
    for row in range(len(sample)):
        asking = [sample.described(row)]
        asking.append(sample.described(row))
        own = slice(stored.starts[row], stored.starts[row + 1])
        pair = {name: [] for name in means}
        for regions_, vectors_ in ((stored, vectors), (rounded, halves)):
            asked = np.asarray(regions_.regions[own], np.float32)
            weights = asking[0].weights
            vector = np.asarray(vectors_[row], np.float32)
            pair["one vector"].append(products(vectors_, vector[:, None])[:, 0])
            for name, both in (("regions, one way", False), ("regions, both ways", True)):
                pair[name].append(matched_rows(asked, weights, regions_, mutual=both).sum(axis=1))
        right = (categories == categories[row]) & (np.arange(len(sample)) != row)
        if not right.any():
            continue
        for name, (plain, less) in pair.items():
            moved[name] = max(moved[name], float(np.abs(plain - less).max()))
            for scores, found in zip((plain, less), means[name], strict=True):
                order = np.array(explain.best(scores, len(scores), {row}))
                found.append(average_precision(np.flatnonzero(right[order]), int(right.sum())))
    rows = []
    for name, (plain, less) in means.items():
        whole, rough = 100 * np.mean(plain), 100 * np.mean(less)
        rows.append(
            [name, f"{whole:.3f}", f"{rough:.3f}", f"{rough - whole:+.4f}", f"{moved[name]:.1e}"]
        )
    head = ["mAP, sample photos by category", "float32", "float16", "difference"]
    publish("search half", table([*head, "most that a score moves"], rows), write=options.write)
    return []


# --- the curve -------------------------------------------------------------------------------


def sizes(most: int) -> list[int]:
    """1, 10, 100 ... and `most`."""
    return [*(10**power for power in range(9) if 10**power < most), most]


def draw(points: Points) -> None:
    """Put the points into docs/plots/search.csv, in place of those of the same curves, and draw
    all that are there."""
    kept: Points = []
    if CURVE.is_file():
        with open(CURVE, encoding="utf-8") as file:
            kept = [(name, int(n), float(ms)) for name, n, ms in list(csv.reader(file))[1:]]
    new = {name for name, _, _ in points}
    points = sorted([*(point for point in kept if point[0] not in new), *points])
    CURVE.parent.mkdir(exist_ok=True)
    with open(CURVE, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["curve", "pictures", "milliseconds"])
        writer.writerows([name, n, f"{ms:.4f}"] for name, n, ms in points)
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for name in dict.fromkeys(name for name, _, _ in points):
        own = [(n, ms) for curve, n, ms in points if curve == name]
        axes.plot(*zip(*own, strict=True), marker="o", markersize=4, label=name)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="pictures",
        ylabel="milliseconds of processor time a query",
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(CURVE.with_suffix(".png"), dpi=110, metadata={"Software": None})


def main() -> None:
    """Run the parts that are asked for."""
    prepare()
    made = argparse.ArgumentParser(description="Search in large indexes.")
    made.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts")
    made.add_argument("--count", type=int, default=1_000_000, help="pictures at most")
    made.add_argument("--write", action="store_true", help="put tables and plot into docs/")
    made.add_argument("--start", type=Path, help=argparse.SUPPRESS)
    options = made.parse_args()
    if options.start:
        started(options.start)
        return
    points: Points = []
    for part in options.only:
        with tempfile.TemporaryDirectory() as folder:
            points += globals()[part](options, Path(folder))
    if options.write and points:
        draw(points)


if __name__ == "__main__":
    main()
