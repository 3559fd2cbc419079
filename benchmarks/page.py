"""How long the server takes for what a visitor of the dashboard does, and how its memory grows.

    python benchmarks/page.py [--index FOLDER] [--write]

Without a browser: a visitor that speaks Streamlit's protocol waits for each complete answer. What
the browser adds is in `benchmarks/interactions.py`. The uploads stand beside the bare network pass
over the same photos, in turn, in this process. Memory (Linux only) is what is the server's own,
without mapped files.
"""

import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from common import PHOTOS, ROOT, SIZE, network, parser, progress, publish, table
from PIL import Image
from visitor import Visitor, server

from dff.geometry import fit_size
from dff.images import read_image, resize
from dff.index import Index
from dff.threads import use_all_cores

STARTS = 3
QUERIES = 20
FIRST, DIFFERENT = 60, 200  # queries before memory is measured, and while
KS = (3, 4, 5, 6)
UPLOADS = 5
CAMERA = (4000, 3000)  # 12 megapixels
PAUSE = 0.05  # seconds between two clicks
NO_COOKIES = "--server.enableXsrfProtection=false"  # the visitor is no browser
COMMANDS = {
    "python alone": ["-c", "pass"],
    "import numpy": ["-c", "import numpy"],
    "import dff": ["-c", "import dff"],
    "python -m dff --help": ["-m", "dff", "--help"],
}
GOALS = {"import dff": "300", "python -m dff --help": "500"}


def clicks(actions: list[Callable[[], float]], what: str) -> list[float]:
    """Milliseconds until each is answered."""
    times = []
    for act in progress(actions, what):
        time.sleep(PAUSE)
        times.append(1000 * act())
    return times


def camera_photos(count: int) -> Iterator[bytes]:
    """JPEGs as large as a camera's, no two alike: a sample photo, moved, with a sensor's noise."""
    rng = np.random.default_rng(0)
    source = Image.fromarray(read_image(min(PHOTOS.glob("castles/*.jpg"))))
    large = np.asarray(source.resize(CAMERA, Image.Resampling.LANCZOS)).astype(np.int16)
    for number in range(count):
        noise = rng.integers(-6, 7, large.shape, dtype=np.int16)
        photo = np.clip(np.roll(large, 97 * number, axis=1) + noise, 0, 255).astype(np.uint8)
        out = io.BytesIO()
        Image.fromarray(photo).save(out, "JPEG", quality=88)
        yield out.getvalue()


def uploads(visitor: Visitor) -> tuple[list[float], list[float]]:
    """Milliseconds from an upload to its results, and of the bare pass over the same photo."""
    use_all_cores()
    backbone = network()
    answered, passes = [], []
    for number, photo in enumerate(progress(list(camera_photos(UPLOADS + 1)), "uploads")):
        picture = read_image(photo)
        ready = resize(picture, *fit_size(picture.shape[1], picture.shape[0], SIZE))
        began = time.perf_counter()
        backbone.activations(ready, SIZE)
        passes.append(1000 * (time.perf_counter() - began))
        answered.append(1000 * visitor.upload("Your own picture", f"{number}.jpg", photo))
    return answered[1:], passes[1:]


def own_memory(process: int) -> float:
    """MB that a process has for itself."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("RssAnon"))) / 1000


def starts(folder: Path) -> list[float]:
    """Milliseconds from the start of the server to its first complete answer."""
    times = []
    for _ in range(STARTS):
        began = time.perf_counter()
        with server(folder, NO_COOKIES) as (_, port):
            Visitor(port).close()
            times.append(1000 * (time.perf_counter() - began))
    return times


def page(folder: Path) -> str:
    """The table of the page."""
    index = Index.open(folder)
    count, own = len(index), index.settings.k
    rows = [_row("first complete answer, from the start of the server", starts(folder), "5000")]
    with server(folder, NO_COOKIES) as (process, port):
        visitor = Visitor(port)
        visitor.slide("Parts", own + 1)  # the network is there when this is answered
        visitor.slide("Parts", own)

        def ask(row: int) -> Callable[[], float]:
            return lambda: visitor.send("use_as_query", row % count)

        asked = clicks([ask(7 * n) for n in range(1, QUERIES + 1)], "queries")
        size = visitor.received
        clicks([lambda k=k: visitor.slide("Parts", k) for k in KS], "k, first")  # type: ignore[misc]
        seen = clicks([lambda k=k: visitor.slide("Parts", k) for k in KS * 5], "k, seen")  # type: ignore[misc]
        visitor.slide("Parts", own)
        answered, passes = uploads(visitor)
        clicks([ask(n) for n in range(FIRST)], "before")
        before = own_memory(process.pid)
        clicks([ask(FIRST + n) for n in range(DIFFERENT)], "memory")
        grown = own_memory(process.pid) - before
        visitor.close()
    bound = 1.5 * float(np.median(passes)) + 300
    return table(
        ["milliseconds", "median", "95 %", "goal"],
        [
            *rows,
            _row(f"another picture of the index ({size / 1000:.0f} kB sent)", asked, "150"),
            _row("k, seen before", seen, "150"),
            _row("upload of 12 megapixels to results", answered, f"{bound:.0f}"),
            _row("the bare network pass over the same photos", passes, ""),
            [f"MB more after {DIFFERENT} different queries", f"{grown:.0f}", "", "50"],
        ],
    )


def start_up() -> str:
    """The table of imports."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    # With the compiled modules that Python keeps, as everywhere outside of test machines.
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    for _ in progress(range(11), "imports"):
        for name, command in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, *command],
                cwd=ROOT,
                env=kept,
                stdout=subprocess.DEVNULL,
                check=True,
            )
            times[name].append(1000 * (time.perf_counter() - began))
    rows = [_row(name, taken[1:], GOALS.get(name, "")) for name, taken in times.items()]
    return table(["milliseconds", "median", "95 %", "goal"], rows)


def _row(name: str, times: list[float], goal: str) -> list[str]:
    middle, high = np.percentile(times, [50, 95])
    return [name, f"{middle:.0f}", f"{high:.0f}", goal]


def main() -> None:
    """Measure, print and, with --write, put the tables into docs/."""
    made = parser(__doc__, ["page", "start-up"])
    made.add_argument("--index", type=Path, default=ROOT / "sample_index")
    args = made.parse_args()
    if "start-up" in args.only:
        publish("start-up", start_up(), write=args.write)
    if "page" in args.only:
        publish("page", page(args.index), write=args.write)


if __name__ == "__main__":
    main()
