"""How fast an index is built, beside the bare network pass of the same pictures, and whether it
stays as fast, and in as little memory, as the collection grows.

    python benchmarks/build.py                     # rates and parts, on sample photos
    python benchmarks/build.py --only build-growth --count 1 10 100 1000 10000 50000

The growing collections are made up: crops of sample photos, each turned, brightened and with noise
of its own, so that no two are equal. The last is also watched while it is built (on Linux).
"""

import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from common import DOCS, PHOTOS, network, parser, progress, publish, table
from PIL import Image

from dff import Backbone, read_image
from dff.descriptors import DEFAULT_DESCRIPTOR, regions_of
from dff.factorization import factorize_activations
from dff.images import file_sha256, pixels_sha256, thumbnail
from dff.index.ahead import WORKERS, Ahead
from dff.index.build import THUMBNAIL_SIDE, Progress, build
from dff.index.collection import find_pictures
from dff.index.plan import DETAIL_K
from dff.names import name_parts
from dff.threads import one_thread_here, use_all_cores

MADE_FROM = 24  # photos that made-up pictures are cut out of
STEPS = 10  # of a growing collection, for its rate from beginning to end


# --- beside the bare pass ----------------------------------------------------------------


def rates(backbone: Backbone, paths: Sequence[Path], rounds: int) -> str:
    """Pictures a second of the pass alone and of a build, in turn."""
    decoded = [read_image(path) for path in paths]
    count = len(paths)

    def one_by_one() -> None:
        for picture in decoded:
            backbone.activations(picture)

    def decode_and_pass() -> None:
        for path in paths:
            backbone.activations(read_image(path))

    def side_by_side() -> None:
        with Ahead(backbone.activations, decoded) as made:
            for _ in made:
                pass

    bare = "network pass alone, decoded pictures, one after the other"
    ways: dict[str, Callable[[], None]] = {
        bare: one_by_one,
        "decoding and network pass, one after the other": decode_and_pass,
        f"network pass alone, {WORKERS} pictures at once": side_by_side,
    }
    built, whole = "build, until the last picture", "build, whitening and all"
    times: dict[str, list[float]] = {name: [] for name in (*ways, built, whole)}
    cores: dict[str, list[float]] = {name: [] for name in times}
    one_by_one()  # warm
    for _ in progress(range(rounds), "rounds"):
        for name, way in ways.items():
            start, busy = time.perf_counter(), time.process_time()
            way()
            times[name].append(time.perf_counter() - start)
            cores[name].append(time.process_time() - busy)
        with linked(paths) as photos, tempfile.TemporaryDirectory() as out:
            start, busy = time.perf_counter(), time.process_time()
            last = [start, busy]

            def tell(_: Progress, last: list[float] = last) -> None:
                last[:] = time.perf_counter(), time.process_time()

            build(photos, out, backbone, progress=tell)
            for name, now in ((built, last), (whole, (time.perf_counter(), time.process_time()))):
                times[name].append(now[0] - start)
                cores[name].append(now[1] - busy)
    median = {name: statistics.median(each) for name, each in times.items()}
    rows = [
        (
            name,
            count / median[name],
            f"{median[bare] / median[name]:.2f}",
            1000 * statistics.median(cores[name]) / count,
        )
        for name in times
    ]
    return table((f"{count} sample photos", "pictures/s", "of the pass", "core-ms a picture"), rows)


@contextmanager
def linked(paths: Sequence[Path]) -> Iterator[Path]:
    """A folder of these photos and no others."""
    with tempfile.TemporaryDirectory() as folder:
        for number, path in enumerate(paths):
            (Path(folder) / f"{number:04}_{path.name}").symlink_to(path)
        yield Path(folder)


# --- where the time of a picture goes ---------------------------------------------------------


@dataclass
class Stopwatch:
    """Processor time, by what it was spent on: the process's, as the engine has its own threads."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        start = time.process_time()
        yield
        self.seconds[what] = self.seconds.get(what, 0.0) + time.process_time() - start


def parts(backbone: Backbone, paths: Sequence[Path]) -> str:
    """Core-milliseconds of everything that is done for a picture, one after the other."""
    watch = Stopwatch()

    def measure(path: Path, watch: Stopwatch) -> None:
        with watch.on("file: reading, decoding, hashes"):
            data = path.read_bytes()
            picture = read_image(data)
            file_sha256(data)
            pixels_sha256(picture)
        with watch.on("network pass"):
            activations = backbone.activations(picture)
        view = backbone.view(activations)
        with watch.on("factorization: 4 parts"):
            found = view.parts
        with watch.on(f"factorization: {DETAIL_K} finer factors"):
            factorize_activations(activations, DETAIL_K)
        with watch.on(f"descriptor {DEFAULT_DESCRIPTOR}, with a factorization of its own"):
            regions_of(DEFAULT_DESCRIPTOR, view).stored()
        with watch.on("names of the parts"):
            name_parts(found, backbone)
        with watch.on("thumbnail"):
            thumbnail(picture, THUMBNAIL_SIDE)

    def alone() -> None:
        one_thread_here()
        measure(paths[0], Stopwatch())  # warm
        for path in paths:
            measure(path, watch)

    thread = threading.Thread(target=alone)
    thread.start()
    thread.join()
    each = {name: 1000 * spent / len(paths) for name, spent in watch.seconds.items()}
    total = sum(each.values())
    rows = [(name, spent, 100 * spent / total) for name, spent in each.items()]
    head = ("of one picture", "core-ms", "share, %")
    return table(head, [*rows, ("**all**", total, 100.0)])


# --- as the collection grows ----------------------------------------------------------------


@dataclass
class Watched:
    """One build. done: [(seconds, pictures, seconds of a core)]; memory: [(seconds, own MB, MB with
    mapped files)]."""

    count: int
    seconds: float
    done: list[tuple[float, int, float]]
    memory: list[tuple[float, float, float]]

    @property
    def pictures(self) -> float:
        """Seconds until the last picture."""
        return self.done[-1][0]

    def peak(self, start: float = 0.0, end: float = np.inf) -> float:
        """The most memory of its own, in MB, between two moments."""
        return max((own for at, own, _ in self.memory if start <= at <= end), default=np.nan)


def made_up(folder: Path, count: int, size: int) -> None:
    """Write that many small JPEGs, in folders of a thousand."""
    photos = find_pictures(PHOTOS)
    sources = [read_image(PHOTOS / path) for path in photos[:: len(photos) // MADE_FROM]]
    generator = np.random.default_rng(0)
    side = size * 3 // 2
    for number in progress(range(count), "pictures"):
        source = sources[number % len(sources)]
        width = min(source.shape[0], source.shape[1], int(generator.integers(side, 3 * side)))
        y = int(generator.integers(source.shape[0] - width + 1))
        x = int(generator.integers(source.shape[1] - width + 1))
        crop = Image.fromarray(source[y : y + width, x : x + width]).resize((side, side))
        pixels = np.rot90(np.asarray(crop), int(generator.integers(4))).astype(np.float32)
        pixels = pixels * generator.uniform(0.7, 1.2) + generator.normal(0, 4, pixels.shape)
        place = folder / f"{number // 1000:03}"
        place.mkdir(exist_ok=True)
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        image.save(place / f"made_{number:05}.jpg", quality=85)


def watched(backbone: Backbone, photos: Path, count: int, size: int) -> Watched:
    """Build an index of the first pictures of a folder, and watch it."""
    with linked([photos / path for path in find_pictures(photos)[:count]]) as some:
        memory: list[tuple[float, float, float]] = []
        done: list[tuple[float, int, float]] = []
        stopped = threading.Event()
        start, work = time.perf_counter(), time.process_time()

        def look() -> None:
            while not stopped.wait(0.25):
                memory.append((time.perf_counter() - start, *resident()))

        looking = threading.Thread(target=look, daemon=True)
        looking.start()
        with tempfile.TemporaryDirectory() as out:
            build(
                some,
                out,
                backbone,
                size=size,
                progress=lambda now: done.append(
                    (time.perf_counter() - start, now.done, time.process_time() - work)
                ),
            )
            seconds = time.perf_counter() - start
        stopped.set()
        looking.join()
    return Watched(count, seconds, done, memory)


def resident() -> tuple[float, float]:
    """MB of memory that is this process's own, and with the files that it has mapped; not a number
    where the system does not tell (it is asked as Linux is)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return np.nan, np.nan
    lines = status.read_text().splitlines()
    found = {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}
    return int(found["RssAnon"][0]) / 1024, int(found["VmRSS"][0]) / 1024


def growth(backbone: Backbone, counts: Sequence[int], size: int) -> tuple[str, list[Watched]]:
    """A table of builds of growing collections, and one of the last build from start to end."""
    with tempfile.TemporaryDirectory() as folder:
        made_up(Path(folder), max(counts), size)
        builds = [watched(backbone, Path(folder), count, size) for count in sorted(counts)]
    rows = [
        (
            f"{one.count:,}",
            one.count / one.pictures,
            one.seconds - one.pictures,
            one.count / one.seconds,
            one.peak(end=one.pictures),
            one.peak(start=one.pictures),
        )
        for one in builds
    ]
    head = (
        f"made-up pictures, {size} px",
        "pictures/s until the last one",
        "seconds after it",
        "pictures/s, all",
        "peak MB until the last one",
        "peak MB after it",
    )
    last = builds[-1]
    steps = [last.done[round((len(last.done) - 1) * n / STEPS)] for n in range(STEPS + 1)]
    tenths = [
        (
            f"{100 * n // STEPS} to {100 * (n + 1) // STEPS} %",
            (to[1] - since[1]) / max(1e-9, to[0] - since[0]),
            1000 * (to[2] - since[2]) / max(1, to[1] - since[1]),
            last.peak(since[0], to[0]),
        )
        for n, (since, to) in enumerate(pairwise(steps))
    ]
    during = table(
        (f"of {last.count:,} pictures", "pictures/s", "core-ms a picture", "peak MB"), tenths
    )
    return f"{table(head, rows)}\n\n{during}", builds


def plot(builds: Sequence[Watched], size: int, path: Path) -> None:
    """The rate over the size of the collection, and the memory of the largest build over time."""
    from matplotlib.figure import Figure

    figure = Figure((9, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    counts = [one.count for one in builds]
    left.plot(counts, [c / b.pictures for c, b in zip(counts, builds, strict=True)], "o-")
    left.plot(counts, [c / b.seconds for c, b in zip(counts, builds, strict=True)], "s--")
    left.legend(["until the last picture", "with the whitening of all"])
    left.set(xscale="log", xlabel=f"pictures ({size} px)", ylabel="pictures a second")
    left.set_ylim(bottom=0)
    last = builds[-1]
    at = [seconds / 60 for seconds, *_ in last.memory]
    right.plot(at, [own for _, own, _ in last.memory])
    right.plot(at, [mapped for *_, mapped in last.memory], "--", linewidth=0.8)
    right.axvline(last.pictures / 60, color="grey", linewidth=0.8, linestyle=":")
    right.legend(["own", "with mapped files", "the last picture"])
    right.set(xlabel=f"minutes, {last.count:,} pictures", ylabel="resident memory, MB")
    right.set_ylim(bottom=0)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def main() -> None:
    made = parser(__doc__, ["build", "build-parts", "build-growth"])
    made.add_argument("--photos", type=int, default=72, help="sample photos (%(default)s)")
    made.add_argument("--rounds", type=int, default=3, help="%(default)s")
    made.add_argument("--count", type=int, nargs="+", default=[1, 10, 100, 500])
    made.add_argument("--size", type=int, default=96, help="of made-up pictures (%(default)s px)")
    args = made.parse_args()
    use_all_cores(side_by_side=True)
    backbone = network()
    found = find_pictures(PHOTOS)
    step = max(1, len(found) // args.photos)
    paths = [PHOTOS / path for path in found[::step][: args.photos]]
    if "build" in args.only:
        publish("build", rates(backbone, paths, args.rounds), write=args.write)
    if "build-parts" in args.only:
        publish("build-parts", parts(backbone, paths), write=args.write)
    if "build-growth" in args.only:
        text, builds = growth(backbone, args.count, args.size)
        publish("build-growth", text, write=args.write)
        if args.write:
            plot(builds, args.size, DOCS / "plots" / "build.png")


if __name__ == "__main__":
    main()
