"""Ask for sample photos on one thread and on all, in the inference engine and in PyTorch, and see
whether the answers are the same.

    python scripts/same_answers.py [--photos 222] [--write]

Every way runs in a process of its own: decoding, network, factorization, search in sample_index.
Run again in the same way, every byte must be the same. Between ways, the first ten must be the same
pictures in the same order, their boxes within 2 pixels and all scores within 0.001, for 99 % of the
photos. Ends with 1 if that does not hold.
"""

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]  # runnable from a checkout

from common import progress, publish, table  # noqa: E402

from dff.backbones import Backbone, load_backbone  # noqa: E402
from dff.backbones.networks import build_network  # noqa: E402
from dff.backbones.weights import DEFAULT_NAME  # noqa: E402
from dff.index import Index  # noqa: E402
from dff.threads import prepare, use_threads  # noqa: E402

TOP = 10
PIXELS, SCORE, SHARE = 2, 1e-3, 0.99
WAYS = {"engine, 2 threads": ("engine", 2), "engine, 1 thread": ("engine", 1)}
WAYS |= {"PyTorch, 2 threads": ("torch", 2), "PyTorch, 1 thread": ("torch", 1)}
REFERENCE = "engine, 2 threads"


@dataclass(frozen=True, eq=False)
class Answers:
    """What came out, a line a photo. heat: (photos, values) float32, all heatmaps with zeros behind
    them; ids: (photos, TOP) rows of the index; boxes: (photos, TOP, 4) pixels, -1 for none;
    scores: (photos, pictures of the index)."""

    heat: np.ndarray
    ids: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray


def ask(engine: str, threads: int, photos: int, out: Path) -> None:
    """Ask in one way, and write what came out."""
    prepare()
    use_threads(threads)
    index = Index.open(ROOT / "sample_index")
    if engine == "torch":
        index._backbone = Backbone(DEFAULT_NAME, build_network(DEFAULT_NAME))
    else:
        index._backbone = load_backbone()
    heat, ids, boxes, scores = [], [], [], []
    for row in progress(drawn(len(index), photos), f"{engine}, {threads}"):
        query = index.query(index.photo_path(row))
        found = index.search(query, top=TOP)
        heat.append(query.parts.heatmaps.ravel())
        ids.append([match.row for match in found])
        boxes.append([match.box or (-1,) * 4 for match in found])
        scores.append(index.row_scores(query).sum(axis=1))
    longest = max(map(len, heat))
    even = [np.pad(one, (0, longest - len(one))) for one in heat]
    np.savez(out, heat=even, ids=ids, boxes=boxes, scores=scores)


def drawn(count: int, photos: int) -> list[int]:
    """Rows evenly spread over the index."""
    return np.linspace(0, count - 1, min(photos, count)).round().astype(int).tolist()


def answers(way: str, photos: int, folder: Path) -> Answers:
    """The answers of a process of its own."""
    engine, threads = WAYS[way]
    out = folder / "answers.npz"
    command = [sys.executable, __file__, "--photos", str(photos), "--way", engine, str(threads)]
    subprocess.run([*command, "--out", str(out)], check=True)
    with np.load(out) as kept:
        return Answers(**{name: kept[name] for name in kept.files})


def same_bytes(one: Answers, other: Answers) -> bool:
    """Whether every number is the same to the last bit."""
    fields = [(vars(one)[name], vars(other)[name]) for name in vars(one)]
    return all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in fields)


def compared(reference: Answers, other: Answers) -> tuple[list[float], bool]:
    """How many photos agree, in percent, by each rule, with the largest differences of heatmaps
    (relative to the photo's strongest) and scores; and whether enough of them do."""
    ids = (reference.ids == other.ids).all(axis=1)
    boxes = (np.abs(reference.boxes - other.boxes) <= PIXELS).all(axis=(1, 2))
    apart = np.abs(reference.scores - other.scores).max(axis=1)
    heat = np.abs(reference.heat - other.heat).max(axis=1) / reference.heat.max(axis=1)
    shares = [float(agree.mean()) for agree in (ids, ids & boxes, apart <= SCORE)]
    row = [100 * share for share in shares]
    row += [float(np.quantile(heat, SHARE)), float(apart.max())]
    return row, min(shares) >= SHARE


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made.add_argument("--photos", type=int, default=222)
    made.add_argument("--write", action="store_true", help="put the table into docs/")
    made.add_argument("--way", nargs=2, help=argparse.SUPPRESS)
    made.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    asked = made.parse_args()
    if asked.way:
        ask(asked.way[0], int(asked.way[1]), asked.photos, asked.out)
        return
    with tempfile.TemporaryDirectory() as folder:
        found = {way: answers(way, asked.photos, Path(folder)) for way in WAYS}
        again = answers(REFERENCE, asked.photos, Path(folder))
    reference = found[REFERENCE]
    same = same_bytes(reference, again)
    again_is = "every byte" if same else "other bytes"
    rows: list[list[object]] = [[f"{REFERENCE}, again", again_is, "", "", "", ""]]
    held = same
    for way in WAYS:
        if way != REFERENCE:
            (ids, boxes, scores, heat, apart), enough = compared(reference, found[way])
            held = held and enough
            rows.append([way, ids, boxes, scores, f"{heat:.0e}", f"{apart:.0e}"])
    head = [f"{len(reference.ids)} photos, beside {REFERENCE}", "same first ten, %"]
    head += [f"and boxes within {PIXELS} px, %", f"scores within {SCORE}, %"]
    head += ["heatmaps differ by (99 %)", "scores differ by (at most)"]
    publish("same-answers", table(head, rows), write=asked.write)
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
