"""The user's own collections as folders: make a place for one, name it, bin it, bring it back.

Nothing here is deleted that cannot be brought back, but what the bin has kept for 30 days.
"""

import os
import re
import shutil
import time
import unicodedata
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dff.app.collections import RECORD, VALID, own_folder, own_names, read_record, title_of
from dff.index import Index
from dff.index.edit import clean_title
from dff.index.format import MANIFEST, write_json
from dff.index.manifest import write_manifest
from dff.index.state import compact
from dff.userdata import data_folder

KEPT_DAYS = 30
DAY = 86400
_BINNED = re.compile(rf"({VALID.pattern})--(\d{{1,12}})")


@dataclass(frozen=True)
class Binned:
    """A deleted collection. when: seconds since 1970."""

    name: str
    title: str
    when: int
    folder: Path


def create(title: str, photos: Path | None, settings: dict[str, Any]) -> str:
    """A place for a new collection; its name. photos: a folder elsewhere, None for its own.

    Raises ValueError for a title without a character that can be seen, OSError where the data
    folder cannot be written.
    """
    title = clean_title(title)
    name = free_name(title)
    folder = own_folder() / name
    folder.mkdir(parents=True)
    record = {"title": title, "photos": None if photos is None else str(photos.resolve())}
    write_json(folder / RECORD, {**record, **settings})
    return name


def drop(name: str) -> None:
    """Take back a place that came to nothing."""
    shutil.rmtree(own_folder() / name, ignore_errors=True)


def free_name(title: str) -> str:
    """An address for a title, that no own collection has: lower-case letters and digits."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    short = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-") or "collection"
    taken = {entry.name for entry in own_folder().iterdir()} if own_folder().is_dir() else set()
    name, number = short, 1
    while name in taken:
        number += 1
        name = f"{short}-{number}"
    return name


def retitle(name: str, title: str) -> None:
    """Call a collection something else; its address stays. Raises ValueError as `create`."""
    folder = own_folder() / name
    write_json(folder / RECORD, {**read_record(folder), "title": clean_title(title)})


def own_photos(name: str) -> Path:
    """Where the photos of an upload go. It may not exist yet."""
    return own_folder() / name / "photos"


def photos_of(name: str) -> Path:
    """The folder a collection is built from."""
    given = read_record(own_folder() / name).get("photos")
    return Path(given) if isinstance(given, str) else own_photos(name)


def unfinished() -> list[str]:
    """Collections whose index was begun and is not there yet."""
    return [
        name
        for name in own_names()
        if (own_folder() / name / RECORD).is_file()
        and not (own_folder() / name / "index" / MANIFEST).is_file()
    ]


def copy_index(source: Path, name: str, tell: Any) -> None:
    """Copy an index to be a collection's own: all or nothing. Its photos stay where they are.

    tell: called with (bytes copied, bytes of all) after each file.
    """
    index = Index.open(source)
    target = own_folder() / name / "index"
    scratch = target.with_name(f".copy-{uuid.uuid4().hex[:8]}")
    files = index.manifest["files"]
    total, done = sum(int(record["bytes"]) for record in files.values()), 0
    try:
        for file, record in files.items():
            (scratch / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / file, scratch / file)
            done += int(record["bytes"])
            tell(done, total)
        manifest = dict(index.manifest)
        roots = {
            begin: Path(os.path.relpath(place.resolve(), target.resolve())).as_posix()
            for begin, place in index.places.items()
        }
        root = roots.pop("")
        manifest["photos_root"] = index.photos_url or root
        if roots:
            manifest["added_roots"] = {begin[:-1]: path for begin, path in roots.items()}
        write_manifest(scratch, manifest)
        os.replace(scratch, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def forget(name: str) -> int:
    """Delete what is only kept for undo: old states of the index, and uploaded photos that are not
    in it any more; how many bytes."""
    folder = own_folder() / name / "index"
    freed = compact(folder)
    index = Index.open(folder)
    used = {index.photo_path(row) for row in range(len(index))}
    photos = own_photos(name)
    for path in sorted(photos.rglob("*")) if photos.is_dir() else []:
        if path.is_file() and path.resolve() not in used and path.name != "photos.csv":
            freed += path.stat().st_size
            path.unlink()
    return freed


# --- the bin ---------------------------------------------------------------------------


def bin_folder() -> Path:
    """Where deleted collections wait. It may not exist yet."""
    return data_folder() / "bin"


def delete(name: str) -> Binned:
    """Move a collection to the bin, with its photos if it has its own."""
    title, when = title_of(name), int(time.time())
    target = bin_folder() / f"{name}--{when}"
    while target.exists():
        when += 1
        target = bin_folder() / f"{name}--{when}"
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(own_folder() / name, target)
    return Binned(name, title, when, target)


def binned() -> list[Binned]:
    """What is in the bin, the latest first."""
    found = []
    for folder in bin_folder().iterdir() if bin_folder().is_dir() else []:
        match = _BINNED.fullmatch(folder.name)
        if match and folder.is_dir():
            title = title_of(match[1], folder)
            found.append(Binned(match[1], title, int(match[2]), folder))
    return sorted(found, key=lambda one: -one.when)


def restore(one: Binned) -> str:
    """Bring a collection back; its name, which is another one where its own is taken."""
    name = one.name if not (own_folder() / one.name).exists() else free_name(one.title)
    own_folder().mkdir(parents=True, exist_ok=True)
    os.replace(one.folder, own_folder() / name)
    return name


def empty_bin(*, older_than: int = 0) -> int:
    """Delete what is in the bin, or what is there for longer than so many days; how many."""
    old = [one for one in binned() if time.time() - one.when >= older_than * DAY]
    for one in old:
        shutil.rmtree(one.folder, ignore_errors=True)
    return len(old)
