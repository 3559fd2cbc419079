"""Where photos are read from: a folder, or anything fsspec knows (object stores, archives).

A build asks three things of a source: which pictures there are, by what a change of one would
show, and the bytes of one. An index is data from strangers: nothing here is called when one is
opened, and a place that it names is never fetched.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.parse import urlsplit
from urllib.request import url2pathname

from dff.images import MAX_PIXELS, ImageError, safe_name
from dff.index.collection import FACTS, find_pictures, is_picture, parse_facts, read_facts
from dff.index.format import IndexProblem, is_url

# The largest picture that the reader takes, uncompressed at 16 bits in four channels, and some.
MOST_BYTES = 8 * MAX_PIXELS + 2**24


class PhotoSource(Protocol):
    """Photos to build from. Paths are relative, with forward slashes.

    name: of the place, without what leads to it.
    """

    @property
    def name(self) -> str: ...

    def find(self) -> list[str]:
        """All pictures, sorted; hidden ones are left out."""
        ...

    def facts(self) -> dict[str, dict[str, str]]:
        """What photos.csv says of each file, by path."""
        ...

    def stamp(self, path: str) -> list[int | str]:
        """What is another one, with near certainty, when the file is."""
        ...

    def read(self, path: str) -> bytes:
        """A file's bytes. Raises ImageError where that file cannot be had, IndexProblem where the
        place cannot be reached."""
        ...

    def root(self, out: Path) -> str:
        """The place as an index in the folder `out` records it."""
        ...

    def of(self, paths: Iterable[str]) -> "PhotoSource":
        """The same, of which only these pictures will be asked for: less to send elsewhere."""
        ...


def open_photos(photos: "str | os.PathLike[str] | PhotoSource") -> PhotoSource:
    """A source from a folder's path or from a URL; others are returned as they are.

    Raises IndexProblem where there is no such folder, where fsspec is needed and not installed,
    and for a URL with a password: it would stand in the index.
    """
    if not isinstance(photos, str | os.PathLike):
        return photos
    text = os.fsdecode(photos)
    if text.startswith("file://"):
        text = url2pathname(urlsplit(text).path)
    if is_url(text):
        return Remote.open(text)
    if not Path(text).is_dir():
        raise IndexProblem(f"photos: expected a folder or a URL, got {safe_name(text)}")
    return Folder(Path(os.path.abspath(text)))


@dataclass(frozen=True)
class Folder:
    """A folder with all below it."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    def find(self) -> list[str]:
        return find_pictures(self.path)

    def facts(self) -> dict[str, dict[str, str]]:
        return read_facts(self.path)

    def stamp(self, path: str) -> list[int | str]:
        try:
            status = (self.path / path).stat()
        except OSError:
            return [-1, -1]
        return [status.st_size, status.st_mtime_ns]

    def read(self, path: str) -> bytes:
        name = safe_name(Path(path).name)
        try:
            with open(self.path / path, "rb") as file:
                return _bounded(file.read(MOST_BYTES + 1), name)
        except OSError as error:
            raise ImageError(f"'{name}' cannot be opened ({error.strerror}).") from error

    def root(self, out: Path) -> str:
        return Path(os.path.relpath(self.path.resolve(), out.resolve())).as_posix()

    def of(self, paths: Iterable[str]) -> Self:
        return self


@dataclass(frozen=True)
class Remote:
    """What lies below a URL, through fsspec, whose own settings and the environment hold what
    opens it (keys, regions).

    stamps: {path: [bytes or -1, hash of what the listing says of the file]}.
    """

    url: str
    stamps: Mapping[str, list[int | str]] = field(repr=False)

    @classmethod
    def open(cls, url: str) -> Self:
        """List it: one listing serves the whole build."""
        if re.search(r"://[^/@:]*:[^/@]+@", url):
            raise IndexProblem(
                "photos: expected a URL without a password, because it is written into the index; "
                "give it to fsspec by its configuration or the environment"
            )
        place = cls(url, {})
        try:
            files, root = place._files
            found = files.find(root, detail=True)
        except IndexProblem:
            raise
        except Exception as error:  # each file system raises its own
            raise place._lost(error) from error
        stamps: dict[str, list[int | str]] = {}
        for path, info in found.items():
            # As fsspec's own `ukey`, but from the listing: some systems know an ETag, some a date.
            digest = sha256(repr(sorted(info.items())).encode()).hexdigest()[:16]
            inner = path.strip("/").removeprefix(root.strip("/")).strip("/")
            size = info.get("size")
            stamps[inner] = [-1 if size is None else int(size), digest]
        return cls(url, stamps)

    @property
    def name(self) -> str:
        ends = (link.rstrip("/").rpartition("/")[2] for link in self.url.split("::"))
        return next((end for end in ends if end and not end.endswith(":")), self.url)

    def find(self) -> list[str]:
        return sorted(path for path in self.stamps if is_picture(path))

    def facts(self) -> dict[str, dict[str, str]]:
        if FACTS not in self.stamps:
            return {}
        return parse_facts(self.read(FACTS), f"{self.url}/{FACTS}")

    def stamp(self, path: str) -> list[int | str]:
        return self.stamps[path]

    def read(self, path: str) -> bytes:
        name = safe_name(path.rpartition("/")[2])
        if self.stamps[path][0] == 0:
            return b""  # some stores refuse to send a range of nothing
        files, root = self._files
        try:
            full = f"{root.rstrip('/')}/{path}" if root else path
            data = files.cat_file(full, 0, MOST_BYTES + 1)
        except (FileNotFoundError, PermissionError) as error:
            reason = "it is not there" if isinstance(error, FileNotFoundError) else "not allowed"
            raise ImageError(f"'{name}' cannot be opened ({reason}).") from error
        except Exception as error:  # a connection that breaks is no reason to leave a photo out
            raise self._lost(error) from error
        return _bounded(data, name)

    def root(self, out: Path) -> str:
        return self.url

    def of(self, paths: Iterable[str]) -> Self:
        return type(self)(self.url, {path: self.stamps[path] for path in paths})

    @cached_property
    def _files(self) -> tuple[Any, str]:
        """The file system and the place in it."""
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise IndexProblem(
                "photos at a URL need fsspec: `pip install fsspec`, and what it needs for this "
                "kind of URL, such as s3fs or gcsfs"
            ) from error
        try:
            files, root = url_to_fs(self.url)
        except (ImportError, ValueError) as error:  # not installed, or not known
            raise IndexProblem(f"{safe_name(self.url)}: {error}") from error
        return files, root

    def _lost(self, error: Exception) -> IndexProblem:
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return IndexProblem(
            f"{safe_name(self.url)} cannot be read ({what}); what is done is kept, give the same "
            "command again to go on"
        )


def _bounded(data: bytes, name: str) -> bytes:
    if len(data) > MOST_BYTES:
        raise ImageError(
            f"'{name}' is too large: expected at most {MOST_BYTES // 10**6} MB, make it smaller "
            "first."
        )
    return data
