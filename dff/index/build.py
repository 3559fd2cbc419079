"""Build an index from a folder of photos: resumable, with progress, old or new but never half."""

import io
import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dff.backbones import Backbone
from dff.descriptors import DEFAULT_DESCRIPTOR, regions_of
from dff.factorization import factorize_activations
from dff.images import ImageError, pixels_sha256, safe_name, thumbnail
from dff.index.ahead import Ahead
from dff.index.collection import decode
from dff.index.format import IndexProblem, Settings
from dff.index.journal import append_line, read_journal
from dff.index.photos import PhotoSource
from dff.index.plan import Place, Plan, given_whitenings
from dff.index.state import alone, manifest_of, replace
from dff.index.store import Record, Shard, fit_whitening, write_generation, write_shard
from dff.names import name_parts
from dff.whitening import Whitening

CHUNK = 128  # pictures a shard
THUMBNAIL_SIDE = 320
READS = 3  # of a file that is another one after it was read

# Of a picture: what its file was like just before it was read (`Plan.stamp`), and its record, or
# why it has none.
Made = tuple[list[Any], Record | str]


@dataclass(frozen=True)
class Progress:
    """How far a build is. rate: pictures a second in this run; left: seconds, None if unknown."""

    done: int
    total: int
    path: str
    rate: float
    left: float | None


@dataclass(frozen=True)
class Report:
    """What a build did. unreadable: [(relative path, reason)]; resumed: pictures taken over from
    an unfinished build; changed: paths of pictures whose files were others when they were read than
    when the build began, and that are in the index as they were read."""

    folder: Path
    count: int
    unreadable: list[tuple[str, str]]
    resumed: int
    seconds: float
    changed: list[str] = field(default_factory=list)


def build(
    photos: str | os.PathLike[str] | PhotoSource,
    out: str | os.PathLike[str],
    backbone: Backbone,
    *,
    k: int = 4,
    descriptors: Sequence[str] = (DEFAULT_DESCRIPTOR,),
    size: int | None = None,
    seed: int = 0,
    whitening: Whitening | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Build (or build again) the index `out` of all pictures under the folder or URL `photos`.

    Unreadable files are reported and left out. Stopped by Ctrl-C or an error, it keeps what is
    done in `out`/building and the next call with the same settings goes on from there; an index
    that was there before stays valid until the new one takes its place in one step.

    whitening: one that was fitted elsewhere, for the descriptor that its provenance names, or else
    for the one that pictures are found by; the others are fitted on this collection. A file
    photos.csv in the folder (columns file, title, category, licence, author) gives titles,
    categories and credits.

    Raises IndexProblem without pictures, or while another build writes to `out`; ValueError for
    wrong settings.
    """
    out = Path(out)
    start = time.perf_counter()
    plan = Plan.of(photos, backbone, k=k, descriptors=descriptors, size=size, seed=seed)
    given = given_whitenings(whitening, plan.settings)
    out.mkdir(parents=True, exist_ok=True)
    with alone(out):
        work = Work(plan, out, backbone, progress=progress)
        shard_folders, damaged = work.run()
        unreadable = sorted([*plan.refused, *damaged])
        count = finish(out, plan.settings, plan.place(out), shard_folders, given, unreadable)
    seconds = time.perf_counter() - start
    return Report(out, count, unreadable, work.resumed, seconds, work.changed)


class Work:
    """One run over the pictures of a plan, chunk by chunk, with a journal to go on from.

    Pictures are worked on several at once (`dff.index.ahead`) and collected in order: what is
    written does not depend on how many those are.

    first: the number of the first chunk, where the plan is a piece of a larger one. journal: a name
    of its own, where others write to `out` as well. prefix: what stands before the path in the
    index.
    """

    def __init__(
        self,
        plan: Plan,
        out: Path,
        backbone: Backbone,
        *,
        first: int = 0,
        journal: str | None = None,
        prefix: str = "",
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self.plan, self.out, self.backbone, self.settings = plan, out, backbone, plan.settings
        self.first, self.prefix, self.progress = first, prefix, progress
        self.paths = list(plan.ids)
        self.total = len(self.paths)
        name = journal or "-".join([plan.settings.fingerprint(), *Path(prefix).parts])
        self.journal = out / "building" / f"{name}.jsonl"
        self.journal.parent.mkdir(exist_ok=True)
        self.done = 0
        self.resumed = 0
        self.changed: list[str] = []
        self.started = time.perf_counter()

    def run(self) -> tuple[list[Path], list[tuple[str, str]]]:
        """All shards, and the unreadable files with their reasons."""
        shards: list[Path] = []
        unreadable: list[tuple[str, str]] = []
        known = read_journal(self.journal)
        chunks = deque(self._begun(start // CHUNK, known) for start in range(0, self.total, CHUNK))
        left = [path for chunk in chunks for path in chunk.left]
        with Ahead(self._make, left) as made:
            while chunks:  # none is held longer than it is worked on
                chunk = chunks.popleft()
                try:
                    self._complete(chunk, made)
                finally:  # stopped or not, what is done is kept
                    self._keep(chunk)
                shards += [chunk.shard] if chunk.shard else []
                unreadable += chunk.unreadable
        return shards, unreadable

    def _begun(self, number: int, known: Mapping[int, dict[str, Any]]) -> "_Chunk":
        paths = self.paths[number * CHUNK : (number + 1) * CHUNK]
        chunk = _Chunk(self.first + number, [self.plan.stamp(path) for path in paths])
        self._take_over(chunk, known.get(chunk.number))
        return chunk

    def _take_over(self, chunk: "_Chunk", entry: dict[str, Any] | None) -> None:
        """Fill a chunk with what an earlier run has done of it, as long as the files agree."""
        if entry is None or entry["stamps"] != chunk.stamps[: len(entry["stamps"])]:
            return
        if entry["shard"]:
            folder = self.out / "shards" / entry["shard"]
            try:
                shard = Shard(folder, self.settings)
            except IndexProblem:  # the machine stopped while it was written: do it again
                return
            chunk.shard = folder
            if len(entry["stamps"]) < len(chunk.stamps):
                chunk.records = [shard.record(row) for row in range(len(shard.pictures))]
        chunk.unreadable = [(path, reason) for path, reason in entry["unreadable"]]
        chunk.taken = len(entry["stamps"])
        self.done += chunk.taken
        self.resumed += chunk.taken

    def _complete(self, chunk: "_Chunk", made: Ahead[str, Made]) -> None:
        try:
            for path in chunk.left:
                _, result = next(made)
                self._take(chunk, path, result)
                self._tell(path)
        except BaseException:
            for path, result in made.rest():
                # Ctrl-C may come between any two statements: none twice, and no gap.
                if path == next(iter(chunk.left), None):
                    self._take(chunk, path, result)
            raise

    def _take(self, chunk: "_Chunk", path: str, made: Made) -> None:
        planned = chunk.stamps[chunk.done]
        chunk.take(path, made)
        if made[0] != planned and isinstance(made[1], Record):
            self.changed.append(self.prefix + path)

    def _keep(self, chunk: "_Chunk") -> None:
        if chunk.done > chunk.taken:
            chunk.shard = None
            if chunk.records:
                chunk.shard = write_shard(chunk.records, self.settings, self.out / "shards")
            self._note(chunk)

    def _make(self, path: str) -> Made:
        """All of one picture, in a thread of its own: its record, or why it has none."""
        for _ in range(READS):
            stamp = self.plan.stamp(path)
            decoded = decode(self.plan.photos, path)
            if self.plan.stamp(path) == stamp:
                break
        else:
            name = safe_name(Path(path).name)
            return stamp, f"'{name}' changes while it is read: add it when it is complete."
        if isinstance(decoded, ImageError):
            return stamp, str(decoded)
        return stamp, self._record(path, *decoded)

    def _record(self, path: str, picture: np.ndarray, sha256: str) -> Record:
        settings = self.settings
        activations = self.backbone.activations(picture, settings.size)
        view = self.backbone.view(activations, settings.k, settings.seed)
        detail = factorize_activations(activations, settings.detail_k, seed=settings.seed)
        given = self.plan.facts.get(path, {})
        facts = {
            "id": self.plan.ids[path],
            "path": self.prefix + path,
            "width": picture.shape[1],
            "height": picture.shape[0],
            "sha256": sha256,
            "pixels_sha256": pixels_sha256(picture),
            "title": given.get("title") or Path(path).stem.replace("_", " ").strip(),
            "category": given.get("category") or "",
            "credit": ", ".join(v for v in (given.get("author"), given.get("licence")) if v),
            "names": name_parts(view.parts, self.backbone),
        }
        regions = {
            name: regions_of(name, view).stored() for name in settings.descriptors if name != "dff"
        }
        small = thumbnail(picture, THUMBNAIL_SIDE)
        with Image.open(io.BytesIO(small)) as image:
            return Record.of(facts, view.parts, detail, regions, (small, image.size))

    def _tell(self, path: str) -> None:
        self.done += 1
        if self.progress is None:
            return
        fresh = self.done - self.resumed
        rate = fresh / max(1e-9, time.perf_counter() - self.started)
        left = (self.total - self.done) / rate if fresh else None
        self.progress(Progress(self.done, self.total, path, rate, left))

    def _note(self, chunk: "_Chunk") -> None:
        entry = {
            "chunk": chunk.number,
            "stamps": chunk.stamps[: chunk.done],
            "shard": chunk.shard.name if chunk.shard else None,
            "unreadable": chunk.unreadable,
        }
        append_line(self.journal, entry)


@dataclass
class _Chunk:
    """The pictures of one shard, being collected, in the order of `stamps`.

    taken: how many an earlier run has done. If that is all of them, the shard is not read again
    and `records` stays empty.
    """

    number: int
    stamps: list[list[Any]]
    taken: int = 0
    shard: Path | None = None
    records: list[Record] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)

    @property
    def done(self) -> int:
        """Counted, not kept: Ctrl-C may come between any two statements."""
        return max(self.taken, len(self.records) + len(self.unreadable))

    @property
    def left(self) -> list[str]:
        """The paths that are not done."""
        return [path for path, *_ in self.stamps[self.done :]]

    def take(self, path: str, made: Made) -> None:
        """Add what has been made of the next path."""
        self.stamps[self.done], result = made
        if isinstance(result, str):
            self.unreadable.append((path, result))
        else:
            self.records.append(result)


def finish(
    out: Path,
    settings: Settings,
    place: Place,
    shard_folders: list[Path],
    given: Mapping[str, Whitening],
    unreadable: list[tuple[str, str]],
) -> int:
    """Fit, whiten, and put the new manifest in place of the old one; how many pictures it has.

    given: whitenings that are not to be fitted. The caller holds the lock.
    """
    if not shard_folders:
        reasons = "; ".join(reason for _, reason in unreadable[:3])
        raise IndexProblem(f"none of {len(unreadable)} files could be read: {reasons}")
    shards = [Shard(folder, settings) for folder in shard_folders]
    provenance = {"photos": place.name}

    def fitted(name: str) -> Whitening:
        return given.get(name) or fit_whitening(shards, name, provenance)

    with Ahead(fitted, settings.descriptors) as made:
        whitenings = dict(made)
    generation = write_generation(shards, whitenings, out / "generations")
    count = sum(len(shard.pictures) for shard in shards)
    places = {"photos_root": place.root}
    manifest = manifest_of(
        out, settings, shard_folders, generation, whitenings, count, unreadable, places, {}
    )
    replace(out, manifest)
    return count
