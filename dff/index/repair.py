"""Make an index whole again from what is left of it: `dff index repair`.

A shard's name is the hash of its content, so whether it is intact needs no other file. Intact
shards stay as they are; the whitened vectors are made again from them, by the whitening that was in
force or, where that is damaged, by a new one. Nothing is read from photos, and nothing is guessed.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dff.images import safe_name
from dff.index.check import shard_problems, verify
from dff.index.format import (
    EITHER,
    MANIFEST,
    IndexProblem,
    Settings,
    content_name,
    file_record,
    is_content_name,
    load_array,
    new_folder,
    put,
    read_places,
)
from dff.index.manifest import read_damaged, read_manifest
from dff.index.precision import halved
from dff.index.state import alone, changes, manifest_of, replace
from dff.index.store import Shard, fit_whitening, read_pictures, write_generation
from dff.whitening import Whitening

SHOWN = 5  # ids in a sentence


@dataclass(frozen=True)
class Repaired:
    """What became of an index. count: pictures that it holds. lost: sentences, one a shard that
    could not be kept. mended: sentences, what was made again. Both are empty where nothing was
    wrong."""

    count: int
    lost: list[str]
    mended: list[str]


def repair(folder: str | os.PathLike[str]) -> Repaired:
    """Bring an index back to a state in which all that it names is as it was written.

    What is damaged beyond help is deleted, and so is what was kept for undo. Lost pictures come
    back with `add`, from their photos. An index with nothing wrong is not touched, and neither are
    files that do not belong to it.

    Raises IndexProblem where nothing says any more how the index was built, or no shard is intact.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise IndexProblem(f"{safe_name(str(folder))}: expected the folder of an index")
    with alone(folder):
        mended: list[str] = []
        manifest, settings = _described(folder, mended)
        if not mended and not verify(folder):
            return Repaired(int(manifest["count"]), [], [])
        lost: list[str] = []
        shards = []
        for name in _shard_names(manifest):
            shard = _intact(folder / "shards" / name, settings)
            if shard is not None:
                shards.append(shard)
            else:
                lost.append(_lost(folder / "shards" / name, manifest))
        if lost and len(shards) >= len(_list(manifest.get("shards"))):
            lost = []  # all are there: one of the names was damaged, not what it names
            mended.append(f"{MANIFEST} named a shard wrongly")
        if not shards:
            raise IndexProblem(
                f"{safe_name(str(folder))}: no shard of this index is intact; build it again"
            )
        whitenings = _whitenings(folder, manifest, settings, shards, mended)
        before = folder / "generations" / _generation_name(manifest)
        half = _is_half(before / settings.descriptor)
        if not before.is_dir() or content_name(before) != before.name:
            mended.append("the whitened vectors were made again")
        with new_folder(folder / "generations") as scratch:
            # Not beside the one in force, which stays what it is until all is there.
            made = write_generation(shards, whitenings, scratch)
            made = halved(made) if half else made
            generation = put(made, folder / "generations" / made.name)
        count = sum(len(shard.pictures) for shard in shards)
        kept = [shard.folder for shard in shards]
        unreadable = _pairs(manifest.get("unreadable"))
        places = _places(folder, manifest, mended)
        whole = manifest_of(
            folder, settings, kept, generation, whitenings, count, unreadable, places, {}
        )
        if whole != manifest and not lost and not mended:
            mended.append(f"{MANIFEST} was written again")
        if lost or mended:
            replace(folder, whole)
    return Repaired(count, lost, mended)


def _described(folder: Path, mended: list[str]) -> tuple[dict[str, Any], Settings]:
    """The manifest and its settings, or those of the last state kept for undo."""
    try:
        manifest = read_damaged(folder)
        settings = Settings.of(manifest)
    except IndexProblem as problem:
        for change in reversed(changes(folder)):
            mended.append(f"{MANIFEST} could not be read: the state before the last change is back")
            return change.manifest, Settings.of(change.manifest)
        raise IndexProblem(
            f"{problem}; nothing else says how this index was made, so it cannot be repaired"
        ) from problem
    try:
        read_manifest(folder)
    except IndexProblem:
        mended.append(
            f"{MANIFEST} was damaged and is written again from what it says: look with `index "
            "info` whether the network, the settings and the photos' folder are right"
        )
    return manifest, settings


def _shard_names(manifest: Mapping[str, Any]) -> list[str]:
    """The shards in order. Those that only the table of files names come last: a damaged name in
    one of the two places must not lose a shard."""
    listed = [str(name) for name in _list(manifest.get("shards"))]
    files = [str(name).split("/") for name in _table(manifest.get("files"))]
    filed = [parts[1] for parts in files if parts[0] == "shards" and len(parts) == 3]
    return [name for name in dict.fromkeys([*listed, *sorted(filed)]) if is_content_name(name)]


def _generation_name(manifest: Mapping[str, Any]) -> str:
    """That of the generation, or of none."""
    name = manifest.get("generation")
    return str(name) if is_content_name(name) else "unknown"


def _intact(folder: Path, settings: Settings) -> Shard | None:
    """A shard whose content is what its name says and fits the settings."""
    if not folder.is_dir() or content_name(folder) != folder.name:
        return None
    return None if any(shard_problems(folder, settings, [])) else Shard(folder, settings)


def _lost(folder: Path, manifest: Mapping[str, Any]) -> str:
    """What a damaged shard held, as far as its list of pictures is intact."""
    path = folder / "pictures.jsonl"
    known = _table(manifest.get("files")).get(f"shards/{folder.name}/{path.name}")
    try:
        if not _as_written(folder.parent.parent, f"shards/{folder.name}/{path.name}", known):
            raise IndexProblem("expected the file that was written")
        ids = [picture.id for picture in read_pictures(path)]
    except IndexProblem:
        return f"shards/{folder.name}: lost, and so is the list of its pictures"
    more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
    return f"shards/{folder.name}: lost, with {len(ids)} pictures: {', '.join(ids[:SHOWN])}{more}"


def _whitenings(
    folder: Path,
    manifest: Mapping[str, Any],
    settings: Settings,
    shards: list[Shard],
    mended: list[str],
) -> dict[str, Whitening]:
    """Of every descriptor the whitening that was in force, or a new one."""
    files = _table(manifest.get("files"))
    found = {}
    for name in settings.descriptors:
        place = f"generations/{_generation_name(manifest)}/{name}"
        own = [f for f in files if f.startswith(f"{place}/whitening")]
        sound = own and all(_as_written(folder, f, files[f]) for f in own)
        stored = _stored_whitening(folder / place) if sound else None
        if stored is not None and stored.channels == settings.channels:
            found[name] = stored
        else:
            found[name] = fit_whitening(shards, name, {"photos": "this collection, repaired"})
            mended.append(f"{name}: its whitening was fitted again, so its scores are others now")
    return found


def _stored_whitening(folder: Path) -> Whitening | None:
    """That of a descriptor, if it is one: a file may be as it was written, and written wrongly."""
    try:
        return Whitening.load(folder)
    except ValueError:
        return None


def _as_written(folder: Path, name: str, record: Any) -> bool:
    path = folder / name
    return path.is_file() and not path.is_symlink() and file_record(path) == record


def _places(folder: Path, manifest: Mapping[str, Any], mended: list[str]) -> dict[str, Any]:
    """Where photos are, if it is said properly."""
    try:
        read_places(folder, manifest)
    except IndexProblem:
        mended.append("where the photos are is not known any more: thumbnails are shown")
        return {"photos_root": "."}
    return {name: manifest[name] for name in ("photos_root", "added_roots") if name in manifest}


def _is_half(generation: Path) -> bool:
    """Whether a descriptor was kept at half precision, as far as can be seen."""
    try:
        return load_array(generation / "vectors.npy", EITHER, 2).dtype == np.float16
    except IndexProblem:
        return False


def _pairs(value: Any) -> list[list[str]]:
    """[path, reason] of unreadable files, as far as they are texts."""
    pairs = [one for one in _list(value) if isinstance(one, list) and len(one) == 2]
    return [one for one in pairs if all(isinstance(text, str) for text in one)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
