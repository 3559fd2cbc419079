"""index.json and what is kept of it in before/: tables with a checksum of their own.

The manifest holds the size and sha256 of every other file, so it must be sure of itself. Its tables
come from strangers, and are checked before anything is done with them.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dff.index.format import (
    MANIFEST,
    MOST_BYTES,
    VERSION,
    IndexProblem,
    check_plain,
    is_content_name,
    json_text,
    write_whole,
)

_SEAL = b',\n "sha256": "'
# Shards and generations, and no way out of them.
_FILE = re.compile(r"(shards/[0-9a-f]{12}|generations/[0-9a-f]{12}/\w+)/[\w-][\w.-]*")
_TABLES: dict[str, Callable[[Any], bool]] = {
    "shards": lambda value: (
        isinstance(value, list) and value != [] and all(is_content_name(one) for one in value)
    ),
    "generation": lambda value: is_content_name(value),
    "count": lambda value: type(value) is int and 0 <= value < MOST_BYTES,
    "unreadable": lambda value: (
        isinstance(value, list)
        and all(
            isinstance(one, list) and len(one) == 2 and all(isinstance(text, str) for text in one)
            for one in value
        )
    ),
    "whitening": lambda value: (
        isinstance(value, dict)
        and all(
            isinstance(one, dict)
            and type(one.get("power")) in (int, float)
            and type(one.get("dimensions")) is int
            for one in value.values()
        )
    ),
    "files": lambda value: isinstance(value, dict),
}


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Put another index.json in place of the present one, in one step."""
    write_sealed(folder / MANIFEST, manifest)


def read_manifest(folder: Path) -> dict[str, Any]:
    """index.json without its checksum, which must fit, of this version and with valid tables."""
    manifest = _of_version(folder, read_sealed(folder / MANIFEST)[0])
    check_tables(manifest, folder / MANIFEST)
    return manifest


def read_damaged(folder: Path) -> dict[str, Any]:
    """index.json whatever its checksum and its tables are, as long as it is of this version."""
    document = _parsed(folder / MANIFEST, _bytes(folder / MANIFEST))
    if isinstance(document, dict):
        document.pop("sha256", None)
    return _of_version(folder, document)


def _of_version(folder: Path, manifest: Any) -> dict[str, Any]:
    if not isinstance(manifest, dict) or manifest.get("format") != VERSION:
        got = manifest.get("format") if isinstance(manifest, dict) else type(manifest).__name__
        raise IndexProblem(
            f"{folder / MANIFEST}: expected format {VERSION}, got {got}; build the index again"
        )
    return manifest


def check_tables(manifest: Mapping[str, Any], path: Path) -> None:
    """IndexProblem unless the tables of a manifest, from the file `path`, hold what a build writes
    there, and name no file outside of shards and generations."""
    for name, valid in _TABLES.items():
        value = manifest.get(name)
        if not valid(value):
            shown = repr(value)[:80]
            raise IndexProblem(f"{path}: expected a valid {name!r}, got {shown}; {_way_out(path)}")
    for name, record in manifest["files"].items():
        size = record.get("bytes") if isinstance(record, dict) else None
        if not _FILE.fullmatch(name) or type(size) is not int or not 0 <= size < MOST_BYTES:
            raise IndexProblem(
                f"{path}: the entry of {name!r} among its files is not valid; {_way_out(path)}"
            )


def write_sealed(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON table whole or not at all, with its own checksum as the last entry: the sha256
    of every byte before the comma that the entry begins with."""
    body = json_text(document).encode().removesuffix(b"\n}\n")
    write_whole(path, body + _seal(body))


def read_sealed(path: Path) -> tuple[Any, bool]:
    """What `write_sealed` was given, and whether the file has a checksum: older ones have none.

    IndexProblem where the file is missing or not as it was written.
    """
    data = _bytes(path)
    body, found, _ = data.rpartition(_SEAL)
    if found and data == body + _seal(body):
        return _parsed(path, body + b"\n}"), True
    document = _parsed(path, data)
    # Older tables end with another table. One that ends with a text had a checksum.
    last = next(reversed(document.values()), None) if isinstance(document, dict) else None
    if found or isinstance(last, str):
        raise IndexProblem(
            f"{path} is not as it was written (its sha256 is another one); {_way_out(path)}"
        )
    return document, False


def _seal(body: bytes) -> bytes:
    return _SEAL + hashlib.sha256(body).hexdigest().encode() + b'"\n}\n'


def _bytes(path: Path) -> bytes:
    try:
        check_plain(path)
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise IndexProblem(
            f"no index in {path.parent}: expected a file {path.name}; build one with "
            "`python -m dff index build PHOTOS --out INDEX`"
        ) from error
    except OSError as error:
        raise IndexProblem(f"{path} cannot be read ({error.strerror}); {_way_out(path)}") from error


def _parsed(path: Path, data: bytes) -> Any:
    try:
        document = json.loads(data, parse_constant=_refuse_constant)
        if _HALF_A_LETTER.search(data):  # JSON can spell what is no text
            json_text(document).encode()
        return document
    except (ValueError, RecursionError) as error:
        raise IndexProblem(f"{path} cannot be read ({error}); {_way_out(path)}") from error


_HALF_A_LETTER = re.compile(rb"\\u[dD][89a-fA-F]")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"expected JSON, got {name}")


def _way_out(path: Path) -> str:
    if path.name == MANIFEST:
        return f"run `python -m dff index repair {path.parent}` or build the index again"
    return "delete it"
