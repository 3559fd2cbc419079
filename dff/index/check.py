"""Is an index whole, and what does it hold: `dff index verify` and `dff index info`.

`verify` trusts nothing: it compares every file with the sizes and hashes that the manifest
recorded, then looks into the files themselves, so that an index that was put together wrongly is
found as well as one that was damaged later.
"""

import io
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dff.index.format import (
    EITHER,
    MANIFEST,
    IndexProblem,
    Picture,
    Settings,
    check_plain,
    content_name,
    file_record,
    list_files,
    load_array,
    read_places,
)
from dff.index.journal import journals
from dff.index.manifest import read_manifest, read_sealed
from dff.index.search import Index
from dff.index.state import BEFORE, bytes_before, changes, read_change
from dff.index.store import Shard
from dff.whitening import Whitening

UNIT = 1e-3  # how far a stored vector's length may be from 1; half precision keeps 5e-4
AGAIN = "run `index repair` or build the index again"


def verify(folder: str | os.PathLike[str]) -> list[str]:
    """What is wrong with an index: sentences that name the file and say what to do; [] if nothing.

    Checks that the files are those that were written (size, sha256, none missing, none besides),
    and then their content: shapes, types, finite numbers, vectors of unit length, thumbnails that
    decode, ids that are unique, paths that stay inside, counts that agree. Photos are not touched.

    Raises IndexProblem where there is no index at all.
    """
    folder = Path(folder)
    if not (folder / MANIFEST).exists():
        read_manifest(folder)  # raises, saying so
    links = list(_links(folder))
    try:
        manifest = read_manifest(folder)
        settings = Settings.of(manifest)
        read_places(folder, manifest)
    except IndexProblem as problem:
        return list(dict.fromkeys([str(problem), *links, *_check_names(folder)]))
    if links:  # nothing is read through them
        return links
    damaged = dict(_check_files(folder, manifest))
    problems = list(damaged.values())
    pictures: list[Picture] = []
    # A damaged file is reported once, above, and not again for each thing in it.
    for name in manifest["shards"]:
        if _sound(f"shards/{name}", damaged):
            problems += shard_problems(folder / "shards" / name, settings, pictures)
    whole = not damaged and not problems
    if whole:
        problems += _check_pictures(pictures, manifest)
    count = len(pictures) if whole else manifest["count"]
    made = f"generations/{manifest['generation']}"
    if not (folder / made).is_dir() and _sound(made, damaged):
        return [*problems, f"{made} is missing; {AGAIN}"]
    for descriptor in settings.descriptors:
        place = f"{made}/{descriptor}"
        if _sound(place, damaged):
            # How many regions there must be only sound shards can tell.
            regions = _count_regions(pictures, descriptor, settings) if whole else None
            problems += _check_generation(folder / place, count, regions, settings)
    return problems


def notes(folder: str | os.PathLike[str]) -> list[str]:
    """What is no problem of a sound index, and still good to know: sentences."""
    folder = Path(folder)
    found = []
    states = [folder / MANIFEST, *sorted((folder / BEFORE).glob("*.json"))]
    old = [path for path in states if not read_sealed(path)[1]]
    if old:
        names = ", ".join(path.relative_to(folder).as_posix() for path in old)
        found.append(
            f"{names}: written by an older version, without a checksum of its own; `index "
            "rewhiten`, or any change, adds that of index.json"
        )
    if (folder / "nearest").is_dir():
        found.append(
            "nearest/ is not checked, and only `search --approximate` reads it, with faiss, which "
            "trusts such files: if the index came from others, delete that folder and make it "
            "again with `index approximate`"
        )
    return found


def _links(folder: Path) -> Iterator[str]:
    """A sentence for all that is neither a file nor a folder of the index's own."""
    for place, folders, names in os.walk(folder):
        for name in sorted([*folders, *names]):
            path = Path(place, name)
            if name not in folders or path.is_symlink():
                try:
                    check_plain(path)
                except IndexProblem as problem:
                    yield str(problem)


def _check_names(folder: Path) -> Iterator[str]:
    """Where the manifest cannot be believed: shards and generations that are not what their names
    say, which are hashes of their content."""
    for path in sorted([*(folder / "shards").glob("*"), *(folder / "generations").glob("*")]):
        if path.is_dir() and not path.is_symlink() and content_name(path) != path.name:
            yield (
                f"{path.relative_to(folder).as_posix()}: its name is the hash of its files, and "
                f"they have another one; {AGAIN}"
            )


def info(
    folder: str | os.PathLike[str], photos_root: str | os.PathLike[str] | None = None
) -> dict[str, Any]:
    """What an index holds, as JSON. Raises IndexProblem where it cannot be opened.

    Its settings (`dff.index.Settings`), and: count, photos_root (resolved, or a URL),
    photos_missing (on this machine), categories {name: pictures}, unreadable [[path, reason], ...],
    whitening {descriptor: power, dimensions, provenance}, shards and bytes (of the files in use),
    changes (that can be undone) and changes_bytes (that they take besides), and unfinished: how
    many pictures an interrupted build has done, or null.
    """
    index = Index.open(folder, photos_root)
    manifest = index.manifest
    present = sum(index.photo_path(row) is not None for row in range(len(index)))
    files = manifest.get("files", {})
    facts = {name: manifest[name] for name in ("format", "count", "generation", "unreadable")}
    return {
        "folder": str(folder),
        **facts,
        **{name: manifest[name] for name in Settings.__dataclass_fields__},
        "photos_root": index.photos_url or str(index.photos_root.resolve()),
        "photos_missing": len(index) - present,
        "categories": dict(sorted(Counter(p.category for p in index.pictures).items())),
        "whitening": manifest["whitening"],
        "shards": len(manifest["shards"]),
        "bytes": sum(int(record["bytes"]) for record in files.values()),
        "changes": len(changes(index.folder)),
        "changes_bytes": bytes_before(index.folder),
        "unfinished": _unfinished(index.folder),
    }


def _unfinished(folder: Path) -> int | None:
    """Pictures done by an interrupted build; None without one."""
    done: dict[tuple[str, int], int] = {}
    for journal, entry in journals(folder):
        done[journal, entry["chunk"]] = len(entry["stamps"])
    if not done:
        return None
    sums: Counter[str] = Counter()
    for (journal, _), number in done.items():
        sums[journal.split(".")[0]] += number  # the parts of one build together
    return max(sums.values())


def _sound(place: str, damaged: dict[str, str]) -> bool:
    return not any(name.startswith(f"{place}/") for name in damaged)


def _check_files(folder: Path, manifest: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(relative path, problem) of every file that is not as the manifest says."""
    files = manifest["files"]
    states: list[Path] = sorted((folder / BEFORE).glob("*"))
    for path in states:  # what undo needs must be whole too
        try:
            files = {**read_change(path).manifest["files"], **files}
        except IndexProblem as problem:
            yield path.relative_to(folder).as_posix(), str(problem)
    for name, record in sorted(files.items()):
        path = folder / name
        if not path.is_file():
            yield name, f"{name} is missing; copy it from a backup, {AGAIN}"
        elif path.stat().st_size != record["bytes"]:
            got = path.stat().st_size
            yield name, f"{name}: expected {record['bytes']} bytes, got {got}; {AGAIN}"
        elif file_record(path)["sha256"] != record.get("sha256"):
            yield name, f"{name} is not as it was written (another sha256); {AGAIN}"
    unfinished = {f"shards/{e['shard']}/" for _, e in journals(folder) if e["shard"]}
    for path in list_files(folder):
        name = path.relative_to(folder).as_posix()
        known = name in files or path in states or name in (MANIFEST, ".lock")
        known = known or name.startswith(("building/", "nearest/"))
        if not known and not name.startswith(tuple(unfinished)):
            yield name, f"{name} does not belong to the index; delete it"


def shard_problems(folder: Path, settings: Settings, pictures: list[Picture]) -> Iterator[str]:
    """Problems of one shard; its pictures are added to `pictures`."""
    name = f"shards/{folder.name}"
    try:
        shard = Shard(folder, settings)
        cells = load_array(folder / "cells.npy", "float16", 1)
        thumbnails = load_array(folder / "thumbnails.npy", "uint8", 1)
    except IndexProblem as problem:
        yield str(problem)
        return
    pictures += shard.pictures
    for kind, basis in (("basis", shard.basis), ("detail_basis", shard.detail_basis)):
        lengths = np.linalg.norm(basis[:].astype(np.float32), axis=2)
        if not _finite_and_positive(basis):
            yield f"{name}/{kind}.npy: expected finite numbers >= 0, got others; {AGAIN}"
        elif not _unit_or_zero(lengths):
            yield f"{name}/{kind}.npy: expected rows of unit length, got others; {AGAIN}"
    if not _finite_and_positive(cells):
        yield f"{name}/cells.npy: expected finite numbers >= 0, got others; {AGAIN}"
    heat = preview = 0
    for row, picture in enumerate(shard.pictures):
        wrong = _check_row(picture, settings, heat, preview)
        if wrong:
            yield f"{name}/pictures.jsonl, line {row + 1} ({picture.id}): {wrong}; {AGAIN}"
            return  # the offsets of all that follow are wrong as well
        heat += (settings.k + settings.detail_k) * picture.grid[0] * picture.grid[1]
        preview += picture.thumbnail[3]
        if not _decodes(shard.thumbnail(row), picture.thumbnail[:2]):
            yield f"{name}/thumbnails.npy: that of {picture.id} is not its JPEG; {AGAIN}"
    for kind, expected, got in (("cells", heat, cells), ("thumbnails", preview, thumbnails)):
        if expected != len(got):
            yield f"{name}/{kind}.npy: expected {expected} entries, got {len(got)}; {AGAIN}"
    for descriptor in settings.descriptors:
        if descriptor != "dff":
            yield from _check_regions(shard, descriptor)


def _check_row(picture: Picture, settings: Settings, heat: int, preview: int) -> str | None:
    """What is wrong with a line of pictures.jsonl, given where its data must begin."""
    lengths = {
        "energy": (len(picture.energy), settings.k),
        "names": (len(picture.names), settings.k),
        "detail_energy": (len(picture.detail_energy), settings.detail_k),
        "cells": (picture.cells, heat),
        "thumbnail": (picture.thumbnail[2], preview),
        "width and height": (min(1, picture.width, picture.height), 1),
        "grid": (min(1, *picture.grid), 1),
    }
    for field, (got, expected) in lengths.items():
        if got != expected:
            return f"expected {expected} for {field}, got {got}"
    return None


def _check_regions(shard: Shard, descriptor: str) -> Iterator[str]:
    """Problems of a further descriptor's regions in one shard."""
    name = f"shards/{shard.folder.name}/regions-{descriptor}.npy"
    try:
        vectors = load_array(shard.folder / f"regions-{descriptor}.npy", "float16", 2)
        weights = load_array(shard.folder / f"weights-{descriptor}.npy", "float32", 1)
    except IndexProblem as problem:
        yield str(problem)
        return
    start = 0
    for picture in shard.pictures:
        place = picture.regions.get(descriptor)
        if place is None or place[0] != start or place[1] < 1:
            yield f"{name}: expected the regions of {picture.id} at {start}, got {place}; {AGAIN}"
            return
        start += place[1]
    expected = (start, shard.settings.channels)
    if vectors.shape != expected or len(weights) != start:
        got = f"{vectors.shape} and {len(weights)} weights"
        yield f"{name}: expected {expected}, got {got}; {AGAIN}"
    elif not (_finite_and_positive(vectors) and _finite_and_positive(weights)):
        yield f"{name}: expected finite numbers >= 0, got others; {AGAIN}"
    shared = shard.folder / f"members-{descriptor}.npy"
    if shared.is_file():
        members = load_array(shared, "float32", 2)
        if members.shape != (start, shard.settings.k) or not _finite_and_positive(members):
            yield (
                f"shards/{shard.folder.name}/{shared.name}: expected finite numbers >= 0 of shape "
                f"{(start, shard.settings.k)}, got {members.shape}; {AGAIN}"
            )


def _check_pictures(pictures: list[Picture], manifest: dict[str, Any]) -> Iterator[str]:
    """Problems of the pictures of all shards together. (Paths were checked when read.)"""
    if len(pictures) != manifest["count"]:
        yield (
            f"{MANIFEST}: expected {manifest['count']} pictures, the shards hold "
            f"{len(pictures)}; {AGAIN}"
        )
    for field in ("id", "path"):
        counts = Counter(getattr(picture, field) for picture in pictures)
        for value, number in counts.items():
            if number > 1:
                yield f"pictures.jsonl: {number} pictures have the {field} {value!r}; {AGAIN}"


def _count_regions(pictures: list[Picture], descriptor: str, settings: Settings) -> int:
    if descriptor == "dff":
        return len(pictures) * settings.k
    return sum(picture.regions[descriptor][1] for picture in pictures)


def _check_generation(
    folder: Path, count: Any, total: int | None, settings: Settings
) -> Iterator[str]:
    """Problems of one descriptor's whitening, whitened vectors and whitened regions, of which
    there must be `total`, unless that is not known."""
    name = f"generations/{folder.parent.name}/{folder.name}"
    try:
        whitening = Whitening.load(folder)
        vectors = load_array(folder / "vectors.npy", EITHER, 2)
    except ValueError as problem:
        yield str(problem)
        return
    if whitening.channels != settings.channels:
        yield (
            f"{name}: expected a whitening of {settings.channels} channels, got "
            f"{whitening.channels}; {AGAIN}"
        )
    yield from _check_units(f"{name}/vectors.npy", vectors, (count, whitening.dimensions))
    if (folder / "regions.npy").is_file():
        try:
            regions = load_array(folder / "regions.npy", vectors.dtype.name, 2)
        except IndexProblem as problem:
            yield str(problem)
            return
        expected = (len(regions) if total is None else total, whitening.dimensions)
        yield from _check_units(f"{name}/regions.npy", regions, expected)


def _check_units(name: str, vectors: np.ndarray, expected: tuple[Any, int]) -> Iterator[str]:
    """Problems of an array of unit vectors."""
    if vectors.shape != expected:
        yield f"{name}: expected {expected}, got {vectors.shape}; {AGAIN}"
    elif not np.isfinite(vectors).all():
        yield f"{name}: expected finite numbers, got NaN or infinity; {AGAIN}"
    elif not _unit_or_zero(np.linalg.norm(vectors.astype(np.float32, copy=False), axis=1)):
        yield f"{name}: expected vectors of unit length, got others; {AGAIN}"


def _finite_and_positive(array: np.ndarray) -> bool:
    return bool(array.size == 0 or (np.isfinite(array).all() and array.min() >= 0))


def _unit_or_zero(lengths: np.ndarray) -> bool:
    """Dead parts, and pictures with nothing in them, are stored as zeros."""
    return bool(((np.abs(lengths - 1) < UNIT) | (lengths == 0)).all())


def _decodes(data: bytes, size: tuple[int, ...]) -> bool:
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            image.load()
            return image.size == tuple(size)
    except Exception:  # decoders of damaged files raise nearly every type there is
        return False
