"""Change an index: add pictures, take some out, give them other titles, fit the whitening again,
keep descriptors at half precision.

Each is one step from a whole state to the next (`dff.index.state`), and can be undone. Shards are
written again only where their pictures change, and vectors are whitened only for new pictures: the
whitening stays as it is until `rewhiten`, so that no score moves when others come or go.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from dff.backbones import Backbone
from dff.descriptors import matching_of
from dff.images import EXTENSIONS, safe_name
from dff.index import build as building
from dff.index.build import Progress, Report, Work
from dff.index.collection import find_pictures, longer_id, refuse_name, slug
from dff.index.format import MANIFEST, IndexProblem, Settings
from dff.index.manifest import read_manifest, read_sealed, write_manifest
from dff.index.photos import Folder
from dff.index.plan import Plan
from dff.index.precision import halved
from dff.index.search import Index
from dff.index.state import alone, change, manifest_of
from dff.index.store import (
    Record,
    Shard,
    Whitened,
    fit_whitening,
    write_generation,
    write_shard,
)
from dff.whitening import Whitening

LONGEST_TITLE = 120  # characters


def remove(folder: str | os.PathLike[str], ids: Iterable[str]) -> int:
    """Take pictures out of an index; how many. Their files are not touched.

    Raises ValueError for an unknown id, IndexProblem where no picture would be left.
    """
    folder, wanted = Path(folder), set(ids)
    with _opened(folder) as index:
        titles = _titles(index, wanted)
        kept = [row for row, picture in enumerate(index.pictures) if picture.id not in wanted]
        if not kept:
            raise IndexProblem(
                f"{safe_name(str(folder))}: expected at least one picture to be left; delete the "
                "index's folder instead"
            )
        shards = _rewritten(index, wanted, lambda record: None)
        generation = _generation(index, shards, kept)
        _put(index, shards, generation, ("remove", len(wanted), titles[0]))
    return len(wanted)


def rename(folder: str | os.PathLike[str], titles: Mapping[str, str]) -> None:
    """Give pictures other titles: {id: title}.

    Raises ValueError for an unknown id, and for a title without a character that can be seen.
    """
    folder = Path(folder)
    clean = {id: clean_title(title) for id, title in titles.items()}
    with _opened(folder) as index:
        old = _titles(index, set(clean))

        def titled(record: Record) -> Record:
            return replace(record, facts={**record.facts, "title": clean[record.facts["id"]]})

        shards = _rewritten(index, set(clean), titled)
        generation = folder / "generations" / index.manifest["generation"]
        _put(index, shards, generation, ("rename", len(clean), old[0]))


def rewhiten(
    folder: str | os.PathLike[str], progress: Callable[[int, int], None] | None = None
) -> bool:
    """Fit the whitening of every descriptor on the pictures that the index holds now; whether
    anything is different then.

    progress: called before each descriptor and after the last, with how many are done, of how many.
    """
    folder = Path(folder)
    with _opened(folder) as index:
        provenance = {"photos": index.photos_root.resolve().name}
        names = index.settings.descriptors
        whitenings = {}
        tell = progress or (lambda done, total: None)
        for done, name in enumerate(names):
            tell(done, len(names))
            whitenings[name] = fit_whitening(index.shards, name, provenance)
        tell(len(names), len(names))
        generation = write_generation(index.shards, whitenings, folder / "generations")
        shards = [shard.folder for shard in index.shards]
        note = ("rewhiten", len(index), "")
        return _put(index, shards, generation, note, whitenings=whitenings)


def halve(folder: str | os.PathLike[str]) -> bool:
    """Keep the descriptors of an index at half precision from now on, until `rewhiten`; whether
    anything is different then."""
    folder = Path(folder)
    with _opened(folder) as index:
        generation = halved(folder / "generations" / index.manifest["generation"])
        shards = [shard.folder for shard in index.shards]
        return _put(index, shards, generation, ("halve", len(index), ""))


def add(
    folder: str | os.PathLike[str],
    photos: str | os.PathLike[str],
    backbone: Backbone | None = None,
    *,
    paths: Sequence[str] | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Add the pictures under a folder, or one picture, that an index does not hold yet.

    The folder may lie anywhere: its place is kept (`added_roots`). Pictures keep their ids, new
    ones come last. backbone: the index's own by default. paths: only these, relative to the
    folder. Stopped, it keeps what is done, as `build` does, and the same call goes on from there.

    Report.count is the number of pictures added. Raises IndexProblem where there is no picture,
    and for a backbone that is not the index's.
    """
    folder, photos = Path(folder), Path(photos)
    start = time.perf_counter()
    with _opened(folder) as index:
        begin, root, found = _found(index, photos, paths)
        refused = [(begin + safe_name(p), reason) for p in found if (reason := refuse_name(p))]
        fresh = _fresh(index, begin, root, [path for path in found if not refuse_name(path)])
        if not fresh:
            return Report(folder, 0, refused, 0, time.perf_counter() - start)
        backbone = backbone or index.backbone()
        _check_backbone(index.settings, backbone)
        source = Folder(root)
        plan = Plan(source, index.settings, fresh, source.facts())
        work = Work(plan, folder, backbone, prefix=begin, progress=progress)
        new, damaged = work.run()
        unreadable = sorted([*refused, *((begin + path, reason) for path, reason in damaged)])
        count = _append(index, new, begin, root, unreadable) if new else 0
    seconds = time.perf_counter() - start
    return Report(folder, count, unreadable, work.resumed, seconds, work.changed)


def clean_title(title: str) -> str:
    """A title on one line of at most 120 characters; ValueError where nothing is left of it."""
    text = "".join(c if c.isprintable() else " " for c in title)
    text = " ".join(text.split())[:LONGEST_TITLE].strip()
    if not text:
        raise ValueError(f"title: expected some text, got {title!r}")
    return text


# --- the pieces ------------------------------------------------------------------------


@contextmanager
def _opened(folder: Path) -> Iterator[Index]:
    """The index, with all the checks of opening one, while nobody else may write to it."""
    read_manifest(folder)  # no lock is left where there is no index
    with alone(folder):
        yield Index.open(folder)


def _titles(index: Index, ids: set[str]) -> list[str]:
    """The titles of these pictures, in the index's order; ValueError for an unknown id."""
    if not ids:
        raise ValueError("id: expected at least one, got none")
    return [index.pictures[row].title for row in sorted(index.row(id) for id in ids)]


def _rewritten(index: Index, ids: set[str], how: Callable[[Record], Record | None]) -> list[Path]:
    """The shards' folders. Those with these pictures are written again, with what `how` makes of
    each of them, or without them where that is None."""
    shards = []
    for shard in index.shards:
        if not any(picture.id in ids for picture in shard.pictures):
            shards.append(shard.folder)
            continue
        records = []
        for row, picture in enumerate(shard.pictures):
            record: Record | None = shard.record(row)
            if record is not None and picture.id in ids:
                record = how(record)
            if record is not None:
                records.append(record)
        if records:
            shards.append(write_shard(records, index.settings, index.folder / "shards"))
    return shards


def _generation(index: Index, shards: Sequence[Path], kept: Sequence[int]) -> Path:
    """A generation of these shards with the whitening as it is. They begin with the index's rows
    `kept`, whose vectors are taken over."""

    def known(descriptor: str) -> Iterator[Whitened]:
        vectors = index.stored_vectors(descriptor)
        if matching_of(descriptor) == "vector":
            return ((vectors[row], vectors[:0]) for row in kept)
        stored = index.regions(descriptor)
        bounds = [slice(*stored.starts[row : row + 2]) for row in kept]
        return ((vectors[row], stored.regions[own]) for row, own in zip(kept, bounds, strict=True))

    opened = [Shard(shard, index.settings) for shard in shards]
    made = write_generation(opened, _whitenings(index), index.folder / "generations", known)
    return halved(made) if index.stored_vectors().dtype == np.float16 else made


def _whitenings(index: Index) -> dict[str, Whitening]:
    return {name: index.whitening(name) for name in index.settings.descriptors}


def _put(
    index: Index,
    shards: Sequence[Path],
    generation: Path,
    note: tuple[str, int, str],
    *,
    whitenings: Mapping[str, Whitening] | None = None,
    unreadable: Sequence[Sequence[str]] | None = None,
    added_roots: Mapping[str, str] | None = None,
) -> bool:
    """Make these files the index; whether it is another one then. note: kind, count and title of
    the change. What is not given stays as it is."""
    before = index.manifest
    places = {"photos_root": before["photos_root"]}
    if added_roots := added_roots or before.get("added_roots"):
        places["added_roots"] = added_roots
    manifest = manifest_of(
        index.folder,
        index.settings,
        shards,
        generation,
        whitenings or _whitenings(index),
        sum(len(Shard(shard, index.settings).pictures) for shard in shards),
        before["unreadable"] if unreadable is None else unreadable,
        places,
        before["files"],
    )
    if manifest == before:
        if not read_sealed(index.folder / MANIFEST)[1]:
            write_manifest(index.folder, manifest)  # of an older index: with its checksum
        return False
    change(index.folder, manifest, *note)
    return True


def _found(index: Index, photos: Path, paths: Sequence[str] | None) -> tuple[str, Path, list[str]]:
    """How the paths begin in the index, the root they are relative to, and what is there."""
    if not photos.exists():
        raise IndexProblem(f"photos: expected a folder, got {safe_name(str(photos))}")
    given = photos.resolve()
    begin, root = _place(index, given)
    inner = given.relative_to(root)
    if given.is_file():
        found = [inner.as_posix()]
    else:
        found = [(inner / path).as_posix() for path in paths or find_pictures(given)]
    if not found:
        raise IndexProblem(
            f"no pictures under {safe_name(str(photos))}: expected files ending in "
            f"{', '.join(EXTENSIONS)}"
        )
    return begin, root, found


def _place(index: Index, given: Path) -> tuple[str, Path]:
    """The index's root that holds a folder or file, or a new one with a name of its own."""
    for begin, place in index.places.items():
        if given.is_relative_to(place.resolve()):
            return begin, place.resolve()
    number = 2
    while any(path.startswith(f"photos-{number}/") for path in _paths(index) | {*index.places}):
        number += 1
    return f"photos-{number}/", given.parent if given.is_file() else given


def _paths(index: Index) -> set[str]:
    return {picture.path for picture in index.pictures}


def _fresh(index: Index, begin: str, root: Path, found: Sequence[str]) -> dict[str, str]:
    """{path: id} of the pictures that are not in the index."""
    paths, ids = _paths(index), set(index.row_of)
    here = {index.photo_path(row) for row in range(len(index))}  # under another path
    fresh: dict[str, str] = {}
    for path in found:
        if begin + path in paths or (root / path).resolve() in here:
            continue
        id = slug(Path(path).stem)
        fresh[path] = longer_id(id, begin + path) if id in ids else id
        ids.add(fresh[path])
    return fresh


def _check_backbone(settings: Settings, backbone: Backbone) -> None:
    expected = (settings.backbone, settings.layer, settings.weights)
    got = (backbone.name, backbone.layer, backbone.fingerprint)
    if got != expected:
        raise IndexProblem(
            f"backbone: expected that of the index, {' '.join(expected)}, got {' '.join(got)}"
        )


def _append(
    index: Index, new: Sequence[Path], begin: str, root: Path, unreadable: Sequence[tuple[str, str]]
) -> int:
    """Put the new shards' pictures behind the others, the last shard filled up; how many."""
    settings = index.settings
    shards = [shard.folder for shard in index.shards]
    records = _records([shards.pop(), *new], settings)
    while chunk := list(islice(records, building.CHUNK)):
        shards.append(write_shard(chunk, settings, index.folder / "shards"))
    added = [picture for shard in new for picture in Shard(shard, settings).pictures]
    roots = index.manifest.get("added_roots", {})
    if begin not in index.places:
        relative = os.path.relpath(root, index.folder.resolve())
        roots = {**roots, begin[:-1]: Path(relative).as_posix()}
    _put(
        index,
        shards,
        _generation(index, shards, range(len(index))),
        ("add", len(added), added[0].title),
        unreadable=sorted({**dict(index.manifest["unreadable"]), **dict(unreadable)}.items()),
        added_roots=roots,
    )
    return len(added)


def _records(shards: Sequence[Path], settings: Settings) -> Iterator[Record]:
    for folder in shards:
        shard = Shard(folder, settings)
        for row in range(len(shard.pictures)):
            yield shard.record(row)
