"""Kill a build or a change of an index at random moments, again and again, and see what is left.

    python scripts/crashes.py [--kills 100] [--seed 0]

Each time a process of its own builds an index, adds to it, takes pictures out or renames them, and
is killed (SIGKILL) after a random part of the time that the same takes undisturbed. Afterwards the
index must open and be either the old or the new one, every byte of it; and when the same is asked
for again, it must end with the bytes of the undisturbed run and leave nothing behind.
"""

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # runnable from a checkout that is not installed

from dff.threads import prepare  # noqa: E402

PICTURES, MORE, SHARD, SIZE = 20, 6, 8, 96
OPERATIONS = ("build", "add", "remove", "rename")
SPARE = 1.1  # of the undisturbed time: some processes end before they are killed


def operate(operation: str, folder: Path) -> None:
    """What the killed process does, once it is told to begin."""
    from dff.backbones import load_backbone
    from dff.index import Index, edit
    from dff.index import build as building

    building.CHUNK = SHARD  # several shards of few pictures
    work = folder.parent
    backbone = load_backbone()
    print("ready", flush=True)
    sys.stdin.readline()
    if operation == "build":
        building.build(work / "photos", folder, backbone, size=SIZE)
        return
    ids = [picture.id for picture in Index.open(folder).pictures]
    if operation == "add":
        edit.add(folder, work / "more", backbone)
    elif operation == "remove":
        edit.remove(folder, [id for id in ids if id in ("p03", "p04", "p11", "p19")])
    else:
        edit.rename(folder, {"p00": "Another title", "p12": "And another"})


def run(operation: str, folder: Path, kill_after: float | None = None) -> float:
    """Seconds that an operation took, or after which it was killed."""
    command = [sys.executable, __file__, "--operation", operation, "--folder", str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise SystemExit(f"{operation}: the process did not begin")
        began = time.perf_counter()
        process.stdin.write("\n")
        process.stdin.flush()
        if kill_after is not None:
            try:
                process.wait(kill_after)
            except subprocess.TimeoutExpired:
                process.kill()
        status = process.wait()
        if status not in (0, -9):
            raise SystemExit(f"{operation}: status {status}")
        return time.perf_counter() - began


def files(folder: Path) -> dict[str, bytes]:
    """What belongs to the state in force."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock" and path.parent.name != "before"
    }


def state(folder: Path) -> bytes | None:
    """The manifest in force, after every file that it names was checked; None without an index."""
    from dff.index import Index
    from dff.index.check import verify

    if not (folder / "index.json").exists():
        return None
    Index.open(folder)
    wrong = [text for text in verify(folder) if "does not belong to the index" not in text]
    if wrong:
        raise SystemExit(f"damaged: {wrong}")
    return (folder / "index.json").read_bytes()


def photos(folder: Path, first: int, count: int) -> None:
    """Small pictures, no two alike."""
    import numpy as np
    from PIL import Image

    folder.mkdir()
    for number in range(first, first + count):
        noise = np.random.default_rng(number).integers(0, 256, (6, 8, 3), np.uint8)
        Image.fromarray(noise).resize((120, 90)).save(folder / f"p{number:02}.png")


def undisturbed(work: Path) -> dict[str, tuple[Path, dict[str, bytes], float]]:
    """Of each operation: the folder it begins from, the files it ends with, and its seconds."""
    known = {}
    built = work / "built"
    run("build", built)  # its first run warms what the system caches
    for operation in OPERATIONS:
        start, done = work / f"{operation} start", work / f"{operation} done"
        if operation == "build":
            start.mkdir()
        else:
            shutil.copytree(built, start)
        shutil.copytree(start, done)
        seconds = run(operation, done)
        known[operation] = (start, files(done), seconds)
    return known


def main() -> None:
    """Kill, look, go on, compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--operation", choices=OPERATIONS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    prepare()
    if args.operation:
        operate(args.operation, args.folder)
        return
    rng = random.Random(args.seed)
    found: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        photos(work / "photos", 0, PICTURES)
        photos(work / "more", PICTURES, MORE)
        known = undisturbed(work)
        for number in range(args.kills):
            operation = OPERATIONS[number % len(OPERATIONS)]
            start, expected, seconds = known[operation]
            folder = work / "index"
            shutil.copytree(start, folder)
            old = state(folder)
            run(operation, folder, rng.uniform(0, SPARE * seconds))
            now = state(folder)
            if now not in (old, expected["index.json"]):
                raise SystemExit(f"{operation}, kill {number}: neither the old nor the new state")
            was = "old" if now == old else "new"
            if was == "old":
                run(operation, folder)
            left = files(folder)
            if was == "old" and left != expected:
                names = {n for n in {*left, *expected} if left.get(n) != expected.get(n)}
                raise SystemExit(f"{operation}, kill {number}: other bytes in {sorted(names)}")
            found[operation, was] += 1
            shutil.rmtree(folder)
            print(f"\r{number + 1} of {args.kills}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    for operation in OPERATIONS:
        counts = f"{found[operation, 'old']} old, {found[operation, 'new']} new"
        print(f"{operation}: {counts}; all went on to the undisturbed bytes")


if __name__ == "__main__":
    main()
