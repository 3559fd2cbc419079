"""A folder of photos: which files, called what, known for what."""

import csv
import hashlib
import io
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dff.images import EXTENSIONS, ImageError, file_sha256, read_image, safe_name
from dff.index.format import IndexProblem

if TYPE_CHECKING:
    from dff.index.photos import PhotoSource

FACTS = "photos.csv"


def find_pictures(photos: Path) -> list[str]:
    """Relative paths of all files with a picture's extension, recursively, sorted.

    Hidden files and folders are left out: thumbnails and waste bins are kept in them.
    """
    found = []
    for folder, below, names in os.walk(photos):
        below[:] = [name for name in below if not name.startswith(".")]
        for name in filter(is_picture, names):
            found.append((Path(folder) / name).relative_to(photos).as_posix())
    return sorted(found)


def is_picture(path: str) -> bool:
    """Whether a relative path has a picture's extension and no hidden part."""
    hidden = any(part.startswith(".") for part in path.split("/"))
    return path.lower().endswith(EXTENSIONS) and not hidden


def decode(photos: "PhotoSource", path: str) -> tuple[np.ndarray, str] | ImageError:
    """A picture and its file's sha256, the file read once; or why there is none."""
    try:
        data = photos.read(path)
        return read_image(data, Path(path).name), file_sha256(data)
    except ImageError as error:
        return error


def refuse_name(path: str) -> str | None:
    """Why an index cannot hold a file of this name; None where it can."""
    if "\\" in path:  # a folder's border on Windows, where the index may be opened
        return "its name has a backslash: rename it"
    if ".." in path.split("/") or "\0" in path:  # archives may hold such names
        return "its name leads out of its folder: rename it"
    try:
        path.encode()
    except UnicodeEncodeError:
        return "its name is not valid text: rename it"
    return None


def ids_of(paths: Sequence[str]) -> dict[str, str]:
    """A short id for each path: its file name in lower case, with a piece of the path's hash
    where several files share it."""
    slugs = {path: slug(Path(path).stem) for path in paths}
    shared = Counter(slugs.values())
    return {
        path: short if shared[short] == 1 else longer_id(short, path)
        for path, short in slugs.items()
    }


def longer_id(short: str, path: str) -> str:
    """An id that is taken, with a piece of the path's hash."""
    return f"{short}-{hashlib.sha256(path.encode()).hexdigest()[:10]}"


def slug(text: str) -> str:
    """A text as a short name of lower-case letters, digits and underlines."""
    return re.sub(r"[^\w]+", "_", text.lower()).strip("_")[:60] or "picture"


def read_facts(photos: Path) -> dict[str, dict[str, str]]:
    """What photos.csv says of each file, by path; empty without one."""
    path = photos / FACTS
    if not path.is_file():
        return {}
    try:
        data = path.read_bytes()
    except OSError as error:
        raise IndexProblem(f"{path} cannot be read ({error}); mend or remove it") from error
    return parse_facts(data, str(path))


def parse_facts(data: bytes, where: str) -> dict[str, dict[str, str]]:
    """The same from the file's bytes. where: its name in messages."""
    try:
        rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise IndexProblem(f"{where} cannot be read ({error}); mend or remove it") from error
    if rows and "file" not in rows[0]:
        names = safe_name(", ".join(name for name in rows[0] if name is not None))
        raise IndexProblem(f"{where}: expected a column 'file', got {names}")
    return {row["file"]: {k: v for k, v in row.items() if k and v} for row in rows}
