"""Files that were uploaded, one by one or in a ZIP, written into a collection's folder of photos.

Everything about them is a stranger's: names, sizes, what the archive says of itself. Nothing is
written outside the folder, nothing over another file, nothing unbounded; what is refused gets a
sentence.
"""

import hashlib
import os
import stat
import uuid
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from dff.images import EXTENSIONS, safe_name
from dff.index.format import file_record

ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".gz", ".bz2", ".xz", ".tgz")
FACTS = "photos.csv"
MOST_FILES = 5000  # pictures of one upload
MOST_ENTRIES = 20_000  # files of any kind in a ZIP
MOST_MEGABYTES = 50  # a picture
MOST_TOTAL = 2000  # megabytes of one upload, unpacked
LONGEST = 80  # characters of a folder's or file's name
DEEPEST = 8  # folders in one another
PIECE = 1 << 20  # bytes copied at a time


@dataclass
class Taken:
    """What became of an upload. written: paths in the folder. refused: [(name, sentence)]."""

    written: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)


class _Refused(Exception):
    """A file that is not taken, and why."""


def take_in(files: Sequence[tuple[str, IO[bytes]]], folder: Path) -> Taken:
    """Write pictures, and those in ZIPs, into the folder: [(name, open file)] -> what was done.

    A file that is there already, byte for byte, is not written again; another file of the same
    name gets a number. A ZIP's photos.csv is kept if the folder has none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    intake = _Intake(folder)
    for name, file in files:
        if name.lower().endswith(".zip"):
            intake.archive(name, file)
        else:
            intake.picture(name, file)
    return intake.taken


class _Intake:
    """One upload on its way into the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.taken = Taken()
        self.bytes = MOST_TOTAL * 10**6  # that may still be written
        # By lower-case path: some systems know no other case.
        self.names = {
            (name := path.relative_to(folder).as_posix()).lower(): name
            for path in folder.rglob("*")
        }

    def archive(self, name: str, file: IO[bytes]) -> None:
        """Take what is in a ZIP; refusals are noted."""
        try:
            with zipfile.ZipFile(file) as archive:
                found = [
                    e for e in archive.infolist() if not e.is_dir() and not _hidden(e.filename)
                ]
                if len(found) > MOST_ENTRIES:
                    count = f"there are {len(found):,} files in it"
                    self._refuse(name, f"{count}, expected at most {MOST_ENTRIES:,}: make several.")
                    return
                for entry in found:
                    self._entry(archive, entry)
        except Exception:  # damaged archives raise nearly every type there is
            self._refuse(name, "it is damaged, or not a ZIP: make it again.")
            return
        if not found:
            self._refuse(name, "there is no file in it.")

    def _entry(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
        try:
            _check_entry(entry)
            with archive.open(entry) as content:
                self.picture(entry.filename, content)
        except _Refused as why:
            self._refuse(entry.filename, str(why))
        except Exception:
            self._refuse(
                entry.filename, "it is damaged in the ZIP, or packed in a way that cannot be read."
            )

    def picture(self, name: str, file: IO[bytes]) -> None:
        """Take one picture, or the facts about them; a refusal is noted."""
        try:
            path = clean_path(name)
            if path != FACTS:
                _check_kind(path)
                if len(self.taken.written) >= MOST_FILES:
                    raise _Refused(f"only the first {MOST_FILES} pictures of an upload are taken.")
            written = self._write(path, file)
            if path != FACTS:
                self.taken.written.append(written)
        except _Refused as why:
            self._refuse(name, str(why))

    def _refuse(self, name: str, why: str) -> None:
        self.taken.refused.append((safe_name(name), why))

    def _write(self, path: str, file: IO[bytes]) -> str:
        """Copy into the folder, whole or not at all; the path it got."""
        scratch = self.folder / f".part-{uuid.uuid4().hex}"
        size, digest = 0, hashlib.sha256()
        try:
            with open(scratch, "wb") as out:
                while piece := file.read(PIECE):
                    size += len(piece)
                    self.bytes -= len(piece)
                    if size > MOST_MEGABYTES * 10**6:
                        raise _Refused(f"it is larger than {MOST_MEGABYTES} MB: make it smaller.")
                    if self.bytes < 0:
                        raise _Refused(f"only the first {MOST_TOTAL} MB of an upload are taken.")
                    digest.update(piece)
                    out.write(piece)
            return self._settle(scratch, path, digest.hexdigest())
        finally:
            scratch.unlink(missing_ok=True)

    def _settle(self, scratch: Path, path: str, sha256: str) -> str:
        """Give a written file its name, or another one where that is taken by other content."""
        stem, suffix = os.path.splitext(path)
        number, wanted = 1, path
        while (there := self.names.get(wanted.lower())) is not None:
            if path == FACTS or _has(self.folder / there, sha256):
                return there
            number += 1
            wanted = f"{stem}-{number}{suffix}"
        target = self.folder / wanted
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError:  # a file where a folder is wanted
            raise _Refused("another file has the name of its folder.") from None
        os.replace(scratch, target)
        self.names[wanted.lower()] = wanted
        return wanted


def _has(path: Path, sha256: str) -> bool:
    return path.is_file() and file_record(path)["sha256"] == sha256


def _hidden(name: str) -> bool:
    """Thumbnails and notes that systems put into archives."""
    parts = _slashes(name).split("/")
    return any(part.startswith((".", "__MACOSX")) for part in parts if part != "..")


def _slashes(name: str) -> str:
    return name.replace("\\", "/")


def _check_entry(entry: zipfile.ZipInfo) -> None:
    if entry.flag_bits & 1:
        raise _Refused("it is locked with a password: make the ZIP without one.")
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise _Refused("it is a link, not a file.")


def _check_kind(path: str) -> None:
    if path.lower().endswith(ARCHIVES):
        raise _Refused("an archive inside an archive is not opened: unpack it first.")
    if not path.lower().endswith(EXTENSIONS):
        raise _Refused(f"it is not a picture: expected {', '.join(EXTENSIONS)}.")


def clean_path(name: str) -> str:
    """A stranger's file name as a path inside a folder that every system can have.

    Raises _Refused where it would leave the folder.
    """
    text = _slashes(name)
    if "\0" in text or text.startswith("/") or text[1:2] == ":" or ".." in text.split("/"):
        raise _Refused("its name leads out of the folder.")
    parts = [_clean(part) for part in PurePosixPath(text).parts]
    if not parts or not all(parts):
        raise _Refused("it has no name.")
    if len(parts) > DEEPEST:
        raise _Refused(f"it lies more than {DEEPEST} folders deep.")
    return "/".join(parts)


def _clean(part: str) -> str:
    shown = "".join(c if c.isprintable() and c not in '<>:"|?*' else "_" for c in part)
    stem, suffix = os.path.splitext(shown.strip().lstrip("."))
    return stem[: LONGEST - len(suffix[:10])].rstrip(". ") + suffix[:10]
