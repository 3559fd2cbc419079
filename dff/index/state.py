"""One state of an index after another: who may write, what comes first, and the way back.

A state is a manifest; everything it names is immutable and lies beside it. A change writes its new
shards and generation, keeps the manifest that was in force as `before/NUMBER.json`, and replaces
`index.json`: the one step that counts. To undo is to put the last kept manifest back. So a crash
leaves the old state or the new one, undo outlives a restart, and readers know nothing of it.
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dff.images import safe_name
from dff.index.format import (
    MANIFEST,
    VERSION,
    IndexProblem,
    Settings,
    file_record,
    list_files,
    settings_facts,
)
from dff.index.journal import journals
from dff.index.lock import locked, room
from dff.index.manifest import (
    check_tables,
    read_manifest,
    read_sealed,
    write_manifest,
    write_sealed,
)
from dff.whitening import Whitening

BEFORE = "before"
MOST_BEFORE = 5  # changes that can be undone; each keeps its shards and its generation
PASSING = 5.0  # seconds in which all parts that begin at once have looked for a writer
KINDS = ("add", "remove", "rename", "rewhiten", "halve")


@dataclass(frozen=True)
class Change:
    """A change that can be undone.

    kind: one of `KINDS`. count: pictures it was about. title: of the first of them. when: the
    time, with its zone. manifest: the state before it.
    """

    kind: str
    count: int
    title: str
    when: datetime
    manifest: dict[str, Any]


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the writer's lock and those of all parts; the system frees them however the process
    ends.

    A block that fails leaves nothing behind but what a state or an unfinished build names. Raises
    IndexProblem where the disk is full.
    """
    with ExitStack() as held:
        held.enter_context(locked(folder / ".lock"))
        for path in sorted((folder / "building").glob("*.lock")):
            held.enter_context(locked(path))
        try:
            with room(folder):
                yield
        except BaseException:
            _tidy(folder)
            raise


@contextmanager
def alone_with(folder: Path, part: str) -> Iterator[None]:
    """Hold the lock of one part of a build: others may write other parts, nobody a whole index."""
    with room(folder):
        (folder / "building").mkdir(parents=True, exist_ok=True)
    with locked(folder / "building" / f"{part}.lock"):
        # Whoever comes after this sees our lock. Other parts pass here too, each in no time.
        with locked(folder / ".lock", PASSING):
            pass
        with room(folder):
            yield


def manifest_of(
    folder: Path,
    settings: Settings,
    shards: Sequence[Path],
    generation: Path,
    whitenings: Mapping[str, Whitening],
    count: int,
    unreadable: Sequence[Sequence[str]],
    places: Mapping[str, Any],
    known: Mapping[str, Any],
) -> dict[str, Any]:
    """The manifest of a state whose files are written.

    places: photos_root, and added_roots. known: the records of files that an earlier state has
    too: as they were written, whatever became of them since.
    """
    names = [
        path.relative_to(folder).as_posix()
        for used in [*shards, generation]
        for path in list_files(used)
    ]
    files = {name: known.get(name) or file_record(folder / name) for name in names}
    return {
        "format": VERSION,
        "count": count,
        **places,
        **settings_facts(settings),
        "generation": generation.name,
        "shards": [shard.name for shard in shards],
        "unreadable": [list(one) for one in unreadable],
        "whitening": {
            name: {"power": w.power, "dimensions": w.dimensions, **w.provenance}
            for name, w in whitenings.items()
        },
        "files": files,
    }


def replace(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Put a state in place of the present one, for good."""
    write_manifest(folder, manifest)
    shutil.rmtree(folder / BEFORE, ignore_errors=True)
    _sweep(folder)


def change(folder: Path, manifest: Mapping[str, Any], kind: str, count: int, title: str) -> None:
    """Put a state in place of the present one, which is kept for `undo`."""
    steps = _steps(folder)
    number = steps[-1][0] + 1 if steps else 1
    kept = {
        "kind": kind,
        "count": count,
        "title": title,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "index": read_manifest(folder),
    }
    (folder / BEFORE).mkdir(exist_ok=True)
    step = folder / BEFORE / f"{number:06}.json"
    try:
        write_sealed(step, kept)
        write_manifest(folder, manifest)
    except OSError:
        step.unlink(missing_ok=True)
        with suppress(OSError):  # others are in it
            step.parent.rmdir()
        raise
    for _, path in _steps(folder)[:-MOST_BEFORE]:
        path.unlink(missing_ok=True)
    _sweep(folder)


def undo(folder: str | os.PathLike[str]) -> Change:
    """Take the last change back. Raises IndexProblem where there is none."""
    folder = Path(folder)
    read_manifest(folder)
    with alone(folder):
        kept = _kept(folder)
        if not kept:
            raise IndexProblem(f"{safe_name(str(folder))}: there is no change to undo")
        path, found = kept[-1]
        write_manifest(folder, found.manifest)
        path.unlink()
        _sweep(folder)
    return found


def compact(folder: str | os.PathLike[str]) -> int:
    """Delete what is only kept for undo, for good; how many bytes that were."""
    folder = Path(folder)
    read_manifest(folder)
    with alone(folder):
        freed = bytes_before(folder)
        shutil.rmtree(folder / BEFORE, ignore_errors=True)
        _sweep(folder)
    return freed


def changes(folder: str | os.PathLike[str]) -> list[Change]:
    """What can be undone, the last change last."""
    return [found for _, found in _kept(Path(folder))]


def read_change(path: Path) -> Change:
    """One file of `before/`; IndexProblem where it is damaged."""
    facts, _ = read_sealed(path)
    try:
        manifest = facts["index"]
        check_tables(manifest, path)
        when = datetime.fromisoformat(facts["when"])
        found = Change(facts["kind"], facts["count"], facts["title"], when, manifest)
        sound = (
            found.kind in KINDS
            and type(found.count) is int
            and isinstance(found.title, str)
            and manifest["format"] == VERSION
        )
    except (AttributeError, KeyError, TypeError, ValueError, IndexError):
        sound = False
    if not sound:
        raise IndexProblem(f"{BEFORE}/{path.name} is not a state of this index; delete it")
    return found


def bytes_before(folder: str | os.PathLike[str]) -> int:
    """The space that undo takes beside the present state."""
    own = read_manifest(Path(folder)).get("files", {})
    kept = {
        name: int(record["bytes"])
        for change in changes(folder)
        for name, record in change.manifest["files"].items()
        if name not in own
    }
    return sum(kept.values())


def _kept(folder: Path) -> list[tuple[Path, Change]]:
    kept = []
    for _, path in _steps(folder):
        try:
            kept.append((path, read_change(path)))
        except IndexProblem:
            kept = []  # what came before it cannot be reached any more
    try:
        present = read_manifest(folder)
    except IndexProblem:
        present = None  # damaged: whatever is kept came before it
    # A process that ended between the two steps of a change, or of an undo, left one too many.
    if kept and kept[-1][1].manifest == present:
        kept.pop()
    return kept


def _steps(folder: Path) -> list[tuple[int, Path]]:
    found = [
        (int(path.stem), path) for path in (folder / BEFORE).glob("*.json") if path.stem.isdigit()
    ]
    return sorted(found)


def _sweep(folder: Path) -> None:
    """Delete what no state names any more. Readers that have it mapped keep it."""
    states = [read_manifest(folder), *(one.manifest for one in changes(folder))]
    _keep_only(folder, _named(states))
    shutil.rmtree(folder / "building", ignore_errors=True)


def _tidy(folder: Path) -> None:
    """Delete what a change has begun and not finished: what no state names, nor the journal of an
    unfinished build. Nothing, where any of them is damaged."""
    try:
        states = [read_manifest(folder)] if (folder / MANIFEST).exists() else []
        states += [read_change(path).manifest for _, path in _steps(folder)]
        used = _named(states)
    except (IndexProblem, KeyError, TypeError, OSError):
        return
    used |= {entry["shard"] for _, entry in journals(folder)}
    _keep_only(folder, used)


def _named(states: Sequence[Mapping[str, Any]]) -> set[str]:
    """The names of the shards and generations of some states."""
    return {name for state in states for name in [state["generation"], *state["shards"]]}


def _keep_only(folder: Path, used: set[str]) -> None:
    for parent in ("shards", "generations"):
        for path in (folder / parent).glob("*"):
            if path.name not in used:
                shutil.rmtree(path, ignore_errors=True)
