"""A build in parts: n builders, on one machine or several, then one merge.

A part is a run of consecutive shards of the one build, so the shards have the same bytes and names
whoever writes them. All parts write into the same `out` (a folder that all machines see), each with
a journal and a lock of its own in `building/`; the journal's head says what the part is one of. The
merge reads no photo and needs no network: it checks that the heads agree and that the journals
together tell of every picture, then fits the whitening and writes the manifest as `build` does.
"""

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from dff.backbones import Backbone
from dff.images import safe_name
from dff.index import build as building
from dff.index.build import Progress, Report, Work, finish
from dff.index.format import IndexProblem, Settings, settings_facts
from dff.index.journal import append_line, read_journal
from dff.index.photos import PhotoSource
from dff.index.plan import Place, Plan, digest_of, given_whitenings
from dff.index.state import alone, alone_with
from dff.index.store import Shard
from dff.whitening import Whitening

AGAIN = "what is done already is taken over"


@dataclass(frozen=True)
class Part:
    """Part `number` (from 1) of `of`."""

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise ValueError(f"part: expected 1/n to n/n, got {self}")

    @classmethod
    def of_text(cls, text: str) -> Self:
        """From "i/n"."""
        number, _, of = text.partition("/")
        if not (number.isascii() and number.isdecimal() and of.isascii() and of.isdecimal()):
            raise ValueError(f"part: expected i/n such as 2/5, got {text!r}")
        return cls(int(number), int(of))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @property
    def file(self) -> str:
        """How the names of its files end."""
        return f"part-{self.number}-of-{self.of}"

    def chunks(self, pictures: int) -> range:
        """The numbers of its shards, of a build of so many pictures; none where there are fewer
        shards than parts."""
        count = -(-pictures // building.CHUNK)
        return range(count * (self.number - 1) // self.of, count * self.number // self.of)


def build_part(
    photos: str | os.PathLike[str] | PhotoSource,
    out: str | os.PathLike[str],
    backbone: Backbone,
    part: Part,
    *,
    progress: Callable[[Progress], None] | None = None,
    **settings: Any,
) -> Report:
    """Build one part of the index `out`. settings: those of `dff.index.build.build`, the same for
    all parts. It can be stopped and goes on as a whole build does.

    Report.count is the number of the part's pictures. Raises as `build` does, and IndexProblem
    while another builder has the same part or the whole index.
    """
    out, start = Path(out), time.perf_counter()
    plan = Plan.of(photos, backbone, **settings)
    chunks = part.chunks(len(plan.ids))
    out.mkdir(parents=True, exist_ok=True)
    with alone_with(out, part.file):
        own = plan.pictures(chunks.start * building.CHUNK, chunks.stop * building.CHUNK)
        name = f"{plan.settings.fingerprint()}.{part.file}"
        work = Work(own, out, backbone, first=chunks.start, journal=name, progress=progress)
        for other in work.journal.parent.glob(f"*.{part.file}.jsonl"):
            if other != work.journal:  # the same part with other settings: it is made anew
                other.unlink()
        _write_head(work.journal, plan, out, part)
        _, damaged = work.run()
    count, seconds = len(own.ids) - len(damaged), time.perf_counter() - start
    return Report(out, count, sorted(damaged), work.resumed, seconds, work.changed)


def merge(out: str | os.PathLike[str], *, whitening: Whitening | None = None) -> Report:
    """Make one index of the parts in `out`, with the same files as `build` would have written.

    Raises IndexProblem, saying which parts to make (again), where a part is missing, unfinished or
    of other settings than the others, or where the photos changed while the parts were made.
    """
    out, start = Path(out), time.perf_counter()
    if not (out / "building").is_dir():
        raise IndexProblem(_nothing(out))
    with alone(out):
        heads = _heads(out)
        _check_agreement(heads)
        first = next(iter(heads.values())).facts
        settings = Settings.of(first["settings"])
        given = given_whitenings(whitening, settings)
        entries = [entry for head in heads.values() for entry in _entries(head, out, settings)]
        if digest_of(stamp for entry in entries for stamp in entry["stamps"]) != first["digest"]:
            raise IndexProblem(
                "the photos changed while the parts were made: give the command of each part "
                f"again; {AGAIN}"
            )
        shards = [out / "shards" / entry["shard"] for entry in entries if entry["shard"]]
        damaged = [tuple(one) for entry in entries for one in entry["unreadable"]]
        unreadable = sorted([*map(tuple, first["refused"]), *damaged])
        place = Place(**first["photos"])
        count = finish(out, settings, place, shards, given, unreadable)
    return Report(out, count, unreadable, 0, time.perf_counter() - start)


@dataclass(frozen=True)
class _Head:
    """What a part's journal begins with. facts: part [number, of], settings, photos, pictures (of
    all parts), digest (of all pictures' stamps), refused."""

    part: Part
    journal: Path
    facts: Mapping[str, Any]


def _write_head(journal: Path, plan: Plan, out: Path, part: Part) -> None:
    facts = {
        "part": [part.number, part.of],
        "settings": settings_facts(plan.settings),
        "photos": asdict(plan.place(out)),
        "pictures": len(plan.ids),
        "digest": plan.digest(),
        "refused": plan.refused,
    }
    append_line(journal, facts)


def _heads(out: Path) -> dict[Part, _Head]:
    """The heads of all parts there, the last of each journal, in order."""
    found = []
    for path in (out / "building").glob("*.part-*-of-*.jsonl"):
        facts = None
        for line in path.read_text(encoding="utf-8").split("\n"):
            try:
                facts = one if "digest" in (one := json.loads(line)) else facts
            except (ValueError, TypeError):
                continue  # the line that was being written when the machine stopped
        if facts is not None:
            found.append(_Head(Part(*facts["part"]), path, facts))
    if not found:
        raise IndexProblem(_nothing(out))
    return {head.part: head for head in sorted(found, key=lambda head: head.part.number)}


def _check_agreement(heads: Mapping[Part, _Head]) -> None:
    """IndexProblem unless these are all parts of one build."""
    (first, head), *others = heads.items()
    for part, other in others:
        if part.of != first.of:
            raise IndexProblem(
                f"expected parts of one build, got parts {first} and {part}: delete the files of "
                f"one of them, such as {other.journal}"
            )
    all_parts = [Part(number, first.of) for number in range(1, first.of + 1)]
    missing = [str(part) for part in all_parts if part not in heads]
    if missing:
        raise IndexProblem(
            f"missing of {first.of} parts: {', '.join(missing)}; make each with the command of the "
            f"others and --part {missing[0]}"
        )
    for part, other in others:
        for what, mine, its in _differences(head.facts, other.facts):
            raise IndexProblem(
                f"parts {first} and {part} are of different builds: {what} is {mine} in the one "
                f"and {its} in the other; give the command of the one that is wrong again"
            )
        if other.facts["digest"] != head.facts["digest"]:
            raise IndexProblem(
                f"the photos changed between part {first} ({head.facts['pictures']} pictures) and "
                f"part {part} ({other.facts['pictures']}): give the command of each part again; "
                f"{AGAIN}"
            )


def _differences(one: Mapping[str, Any], two: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """(name, value, other value) of settings and of the photos' place."""
    return [
        (name, one[kind][name], two[kind][name])
        for kind in ("settings", "photos")
        for name in one[kind]
        if one[kind][name] != two[kind].get(name)
    ]


def _entries(head: _Head, out: Path, settings: Settings) -> list[dict[str, Any]]:
    """What a part's journal says of each of its shards; IndexProblem unless all are there."""
    known = read_journal(head.journal)
    chunks = head.part.chunks(head.facts["pictures"])
    entries = [known[number] for number in chunks if number in known]
    done = sum(len(entry["stamps"]) for entry in entries)
    size = building.CHUNK
    total = min(chunks.stop * size, head.facts["pictures"]) - chunks.start * size
    if chunks and done != total:
        raise IndexProblem(
            f"part {head.part} is not finished, {done} of {total} pictures are done: give its "
            "command again"
        )
    for entry in entries:
        if entry["shard"]:
            try:
                Shard(out / "shards" / entry["shard"], settings)
            except IndexProblem as problem:
                raise IndexProblem(
                    f"part {head.part} is damaged: give its command again ({problem})"
                ) from problem
    return entries


def _nothing(out: Path) -> str:
    return (
        f"{safe_name(str(out))}: expected parts to merge, found none; make them with "
        "`index build PHOTOS --out INDEX --part 1/n`"
    )
