"""Many visitors at once for minutes, against the real server: is any answer another one's, or late?

    python benchmarks/crowd.py [--users 20] [--minutes 10] [--public] [--seed 0] [--write]

Every visitor has a plan, drawn from the seed: pictures of the index, uploads of their own that
nobody else has, numbers of parts, boxes, weights, results, Refine, the deletion test, with pauses
between them (exponential, 10 s on average). First one visitor after the other does all of it alone,
without pauses: these are the right answers, and the time that each takes. Then all do the same at
once on a server just started, and every answer must be the same: the picture, the heatmaps and the
scores, byte by byte. At last all leave, half of them in the middle of something.

It is here and not in scripts/ because it shares the visitor and the tables of the benchmarks.
Memory (Linux only) is what is the server's own, without mapped files. The exit status is 1 where
anything was wrong.
"""

import hashlib
import io
import json
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from common import PHOTOS, ROOT, parser, progress, publish, table
from page import NO_COOKIES, own_memory
from PIL import Image
from visitor import Visitor, server

THINKING = 10.0  # seconds, on average
KS = (3, 4, 5, 6)
LEVELS = (0.0, 0.5, 1.0, 2.0)  # of a part's weight
LEAST_BOX, MOST_BOX = 0.25, 0.75  # of a side
UPLOAD, REFINE = "Your own picture", "Refine"
# How often each is done, of a hundred. Refine goes off again with the next click.
KINDS = {
    "picture of the index": 24,
    "upload": 16,
    "number of parts": 22,
    "box": 16,
    "weights": 14,
    "Refine": 4,
    "deletion test": 4,
}
LOOK = 1.0  # seconds between two looks at the memory
REST = 150.0  # seconds after which a session is forgotten, and some more
LIMIT = 4.0  # times the time of a visitor alone
KEPT = 100.0  # MB that may be left


@dataclass(frozen=True)
class Step:
    """One thing that a visitor does. pause: seconds before it. draws: numbers from 0 to 1 by which
    its details are chosen."""

    pause: float
    kind: str
    draws: tuple[float, ...]


@dataclass
class Answer:
    """What came of a step. parts: a digest of each part of the answer, by its name."""

    kind: str
    seconds: float
    parts: dict[str, str]
    errors: list[str]


@dataclass
class Memory(threading.Thread):
    """Looks at a process's own memory each second. most: MB."""

    process: int
    most: float = 0.0
    done: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def run(self) -> None:
        """Until `done`."""
        while not self.done.wait(LOOK):
            self.most = max(self.most, own_memory(self.process))

    __hash__ = threading.Thread.__hash__


# --- what is done ------------------------------------------------------------------------


def plan(user: int, seed: int, seconds: float) -> list[Step]:
    """What a visitor does in that time."""
    rng = random.Random(f"{seed} {user}")
    steps, spent = [], 0.0
    while (pause := rng.expovariate(1 / THINKING)) + spent < seconds:
        spent += pause
        kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
        steps.append(Step(pause, kind, _draws(rng)))
    return steps


def _draws(rng: random.Random) -> tuple[float, ...]:
    return tuple(rng.random() for _ in range(12))


def own_picture(user: int, number: int) -> bytes:
    """A JPEG that nobody else has: a part of a sample photo, turned over or not."""
    rng = random.Random(f"picture {user} {number}")
    with Image.open(rng.choice(sorted(PHOTOS.glob("*/*.jpg")))) as photo:
        picture = photo.convert("RGB")
    width, height = picture.size
    x, y = rng.randrange(1, width // 4), rng.randrange(1, height // 4)
    picture = picture.crop((x, y, x + width * 3 // 4, y + height * 3 // 4))
    if rng.random() < 0.5:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=90)
    return out.getvalue()


class User:
    """A visitor who follows a plan."""

    def __init__(self, number: int, port: int) -> None:
        self._number = number
        self._uploads = 0
        self._refined = False
        self.visitor = Visitor(port)

    def do(self, step: Step) -> Answer:
        """Do one thing and look at what came."""
        visitor, kind, draws = self.visitor, step.kind, step.draws
        if self._refined:
            self._refined = False
            kind, seconds = "Refine off", visitor.tick(REFINE, False)
        elif kind == "Refine":
            self._refined = True
            seconds = visitor.tick(REFINE, True)
        elif kind == "upload":
            self._uploads += 1
            data = own_picture(self._number, self._uploads)
            name = f"visitor {self._number} picture {self._uploads}.jpg"
            seconds = visitor.upload(UPLOAD, name, data)
        elif kind == "number of parts":
            now = len(visitor.stage["parts"])
            others = [k for k in KS if k != now]
            seconds = visitor.slide("Parts", others[int(draws[0] * len(others))])
        else:
            seconds = visitor.send(*self._event(kind, draws))
        return Answer(kind, seconds, digests(visitor), visitor.errors)

    def _event(self, kind: str, draws: tuple[float, ...]) -> tuple[str, Any]:
        stage = self.visitor.stage
        if kind == "picture of the index":
            return "use_as_query", int(draws[0] * stage["scores"]["n"])
        if kind == "box":
            spans = []
            for place, side in enumerate((stage["query"]["width"], stage["query"]["height"])):
                size = int(side * (LEAST_BOX + draws[place] * (MOST_BOX - LEAST_BOX)))
                start = int(draws[2 + place] * (side - size))
                spans.append((start, start + size))
            (x0, x1), (y0, y1) = spans
            return "box", [x0, y0, x1, y1]
        if kind == "weights":
            count = len(stage["parts"])
            return "weights", [LEVELS[int(d * len(LEVELS))] for d in draws[:count]]
        return "test", self.visitor.cards[int(draws[0] * len(self.visitor.cards))]["row"]


def digests(visitor: Visitor) -> dict[str, str]:
    """A digest of each part of what a visitor sees."""
    stage, cards = visitor.stage, visitor.cards
    query = stage["query"]
    seen = [_seen(element) for element in visitor.elements]
    return {
        "picture": _digest(query["image"], query["title"], query["width"], query["height"]),
        "heatmaps": _digest(
            query["heat"], query["joint"], [(card["joint"], card["own"]) for card in cards]
        ),
        "scores": _digest(
            stage["scores"], stage["weights"], [card["contributions"] for card in cards]
        ),
        "rest": _digest(stage, cards, [one for one in seen if one]),
    }


def _seen(element: Any) -> Any:
    """Texts and pictures beside the stage, as in the deletion test."""
    kind = element.WhichOneof("type")
    if kind in ("markdown", "html"):
        return getattr(element, kind).body
    if kind == "imgs":
        return [image.url for image in element.imgs.imgs]  # named by their bytes
    return None


def _digest(*values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


# --- alone, and together -----------------------------------------------------------------


def alone(port: int, plans: list[list[Step]]) -> list[list[Answer]]:
    """One visitor after another."""
    found = []
    for number, steps in enumerate(progress(plans, "one by one")):
        user = User(number, port)
        found.append([user.do(step) for step in steps])
        user.visitor.close()
    return found


def together(port: int, plans: list[list[Step]]) -> tuple[list[list[Answer]], list[User]]:
    """All at once, with their pauses; their visitors are still there."""
    users = [User(number, port) for number in range(len(plans))]

    def run(number: int) -> list[Answer]:
        found = []
        for step in plans[number]:
            time.sleep(step.pause)
            found.append(users[number].do(step))
        return found

    with ThreadPoolExecutor(len(plans)) as pool:
        return list(pool.map(run, range(len(plans)))), users


def leave(users: list[User]) -> None:
    """All go, every other one without waiting for what was asked for last."""
    for number, user in enumerate(users):
        if number % 2:
            user.visitor.ask_and_leave("box", [0, 0, 60 + number, 60])
        else:
            user.visitor.close()


def newcomer(number: int, port: int) -> Answer:
    """Somebody who comes when all have left, and does not wait for what they had asked for."""
    user = User(number, port)
    answer = user.do(Step(0.0, "upload", ()))
    user.visitor.close()
    return answer


def warm(port: int) -> None:
    """Somebody has done each thing once, and has left."""
    user = User(-1, port)
    for kind in KINDS:
        user.do(Step(0.0, kind, (0.5,) * 12))
    user.visitor.close()


def crowd(folder: Path, users: int, minutes: float, seed: int, *, public: bool) -> tuple[str, bool]:
    """The table, and whether all was right."""
    plans = [plan(user, seed, 60 * minutes) for user in range(users)]
    with tempfile.TemporaryDirectory() as scratch, open(Path(scratch) / "log", "w+b") as log:
        # A data folder each: what one server keeps must not be seen by the next.
        def started(name: str) -> Any:
            data = {"DFF_DATA": str(Path(scratch) / name), "DFF_PUBLIC": "1" if public else "0"}
            return server(folder, NO_COOKIES, environment=data, log=log)

        with started("alone") as (_, port):
            warm(port)
            right = alone(port, plans)
        began = os.getloadavg()[0]
        with started("together") as (process, port):
            warm(port)
            time.sleep(LOOK)
            start = own_memory(process.pid)
            memory = Memory(process.pid)
            memory.start()
            found, there = together(port, plans)
            load = os.getloadavg()[0]
            held = own_memory(process.pid)
            leave(there)
            after = newcomer(users, port)
            time.sleep(REST)
            left = own_memory(process.pid)
            memory.done.set()
        log.seek(0)
        failures = sum(b"Traceback" in line for line in log)
    text, good = _report(
        right, found, after, (start, memory.most, held, left), failures, (began, load)
    )
    mode = "for strangers" if public else "of one's own"
    return f"{users} visitors for {minutes:g} minutes, a server {mode}.\n\n{text}", good


def _report(
    right: list[list[Answer]],
    found: list[list[Answer]],
    after: Answer,
    memory: tuple[float, float, float, float],
    failures: int,
    load: tuple[float, float],
) -> tuple[str, bool]:
    pairs = [
        pair
        for one, other in zip(right, found, strict=True)
        for pair in zip(one, other, strict=True)
    ]
    wrong = {
        name: sum(one.parts[name] != other.parts[name] for one, other in pairs)
        for name in pairs[0][0].parts
    }
    errors = [text for _, other in pairs for text in other.errors]
    kinds = dict.fromkeys(other.kind for _, other in pairs)
    rows: list[list[object]] = []
    for kind in sorted(kinds):
        some = [(one, other) for one, other in pairs if other.kind == kind]
        rows.append([kind, *_times(some)])
    rows.append(["all", *_times(pairs)])
    ratio = float(np.percentile([o.seconds / a.seconds for a, o in pairs], 95))
    (start, most, held, left), (first, last) = memory, load
    times = table(
        ["milliseconds", "answers", "alone, median", "95 %", "together, median", "95 %"]
        + ["times the median alone", "times the 95 % alone"],
        rows,
    )
    facts: list[list[object]] = [
        *([f"wrong: {name}", str(count), "0"] for name, count in wrong.items()),
        ["error messages on the page", str(len(errors)), "0"],
        ["errors in the server's log", str(failures), "0"],
        ["95 % of answers within so many times the time alone", f"{ratio:.1f}", f"{LIMIT:.0f}"],
        ["milliseconds of an upload just after all left", f"{1000 * after.seconds:.0f}", ""],
        ["MB of the server at the start, everything used once", f"{start:.0f}", ""],
        ["MB at most", f"{most:.0f}", ""],
        ["MB when the last was answered", f"{held:.0f}", ""],
        [f"MB more than at the start, {REST:.0f} s after all left", f"{left - start:.0f}", "100"],
        ["load of the machine, at the beginning and at the end", f"{first:.1f}, {last:.1f}", ""],
    ]
    for text in dict.fromkeys(errors):
        print(f"on a page: {text}", file=sys.stderr)
    good = not any(wrong.values()) and not errors and not failures
    good = good and ratio < LIMIT and left - start < KEPT
    return f"{times}\n\n{table(['', 'found', 'expected'], facts)}", good


def _times(pairs: list[tuple[Answer, Answer]]) -> Iterator[object]:
    alone, others = ([1000 * pair[place].seconds for pair in pairs] for place in (0, 1))
    usual, long = np.percentile(alone, [50, 95])
    middle, high = np.percentile(others, [50, 95])
    yield str(len(pairs))
    yield from (f"{value:.0f}" for value in (usual, long, middle, high))
    yield from (f"{high / usual:.1f}", f"{high / long:.1f}")


def main() -> int:
    """Try it, print what came out and, with --write, put it into docs/; 1 if anything is wrong."""
    made = parser(__doc__.splitlines()[0], ["crowd"])
    made.add_argument("--index", type=Path, default=ROOT / "sample_index")
    made.add_argument("--users", type=int, default=20)
    made.add_argument("--minutes", type=float, default=10.0)
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--public", action="store_true", help="as a server for strangers")
    args = made.parse_args()
    text, good = crowd(args.index, args.users, args.minutes, args.seed, public=args.public)
    publish("crowd", text, write=args.write)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
