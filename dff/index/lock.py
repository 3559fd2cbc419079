"""Who writes to an index, and what if there is no room to."""

import errno
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from dff.images import safe_name
from dff.index.format import IndexProblem, check_plain

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # a disk, a share of it, a limit on files


@contextmanager
def locked(path: Path, timeout: float = 0) -> Iterator[None]:
    """Hold a lock, whose file says who does. IndexProblem where somebody else holds it."""
    with suppress(FileNotFoundError):
        check_plain(path)
    lock = FileLock(path, timeout=timeout)
    folder = path.parent.parent if path.parent.name == "building" else path.parent
    try:
        with room(folder):
            lock.acquire()
    except Timeout as error:
        raise IndexProblem(
            f"another build is writing to {safe_name(str(folder))}{_holder(path)}: wait for it or "
            "stop it"
        ) from error
    try:
        with suppress(OSError):  # on a full disk nobody learns who it is
            now = datetime.now(UTC).isoformat(timespec="seconds")
            path.write_text(f"{os.getpid()} {socket.gethostname()} {now}\n", encoding="utf-8")
        yield
    finally:
        with suppress(OSError):  # a part's lock goes with the build
            os.truncate(path, 0)
        lock.release()


def _holder(path: Path) -> str:
    """Who holds a lock, in brackets, as far as its file says so."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(400)
    except OSError:  # on Windows nobody else may read it
        return ""
    found = re.fullmatch(r"(\d+) (\S+) (\S+)\n", text)
    if found is None:
        return ""
    process, host, since = (safe_name(one) for one in found.groups())
    return f" (process {process} on {host}, since {since})"


@contextmanager
def room(folder: Path) -> Iterator[None]:
    """IndexProblem where there is no room for what the block writes."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise IndexProblem(
            f"no room left to write to {safe_name(str(folder))} ({error.strerror}): the index that "
            "was there is as it was; free some space and give the same command again"
        ) from error
