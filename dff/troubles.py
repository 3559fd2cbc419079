"""What people read when something goes wrong: one catalogue, for the pages and the command line.

Two kinds of errors. Those that are foreseen are ValueErrors whose own sentence says what was
expected and got; nothing here changes it but `without_folders`. All others are found in the
catalogue by `trouble_of`: what happened, why, and what to do. Their details go to a log, under an
id that people are shown, so that a report of one can be found again.
"""

import errno
import os
import re
import secrets
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from dff.userdata import data_folder

LOG = "errors.log"
LARGEST_LOG = 1_000_000  # bytes, then a new one is begun
# A path from the top, of at least two names, on any system: "/srv/photos", "C:\\photos". Not an
# address of the web, nor a fraction.
_NAME = r"[^\\/\s'\",;:()]"
_PATH = re.compile(rf"(?<![\w:/.~])(?:~|[A-Za-z]:)?(?:[\\/]{_NAME}+)+[\\/]({_NAME}*)")


@dataclass(frozen=True)
class Trouble:
    """An entry of the catalogue, each field a sentence. why: empty where it cannot be known."""

    what: str
    why: str
    advice: str

    def sentence(self, id: str, where: str = "the log has the details.") -> str:
        """All of it, with the error's id and where its details are."""
        number = f"Error {id}: {where}"
        return " ".join(part for part in (self.what, self.why, self.advice, number) if part)


UNFORESEEN = Trouble(
    "Something went wrong here.",
    "It is an error of DFF and not yours.",
    "Try it once more; if it comes back, please report it.",
)
UNFORESEEN_WORK = Trouble(
    "This work stopped on an error.",
    "It is an error of DFF and not yours; what was done is kept.",
    "Try it once more; if it comes back, please report it.",
)
NO_MEMORY = Trouble(
    "There is not enough memory for this.",
    "The computer has none left to give.",
    "Close other programs, or take smaller pictures or fewer at once.",
)
DISK_FULL = Trouble(
    "Nothing more can be written.",
    "The disk is full.",
    "Free some space and try again: what was done is kept.",
)
NOT_ALLOWED = Trouble(
    "A file or folder could not be opened or written.",
    "Its permissions do not allow it.",
    "Change them, or choose another folder.",
)
NOT_THERE = Trouble(
    "A file that is needed is not there.",
    "It may have been moved or deleted while it was in use.",
    "Put it back, or load the page again.",
)
CLOSED_COLLECTION = Trouble(
    "The collection of this server cannot be opened.",
    "",
    "Whoever runs the server finds the reason in its log.",
)
NO_NETWORK = Trouble(
    "The network could not be loaded.",
    "",
    "What needs none of it still works: the collection's own pictures, with its own number of "
    "parts and without a box.",
)

_BY_NUMBER = {
    errno.ENOSPC: DISK_FULL,
    errno.EDQUOT: DISK_FULL,
    errno.ENOMEM: NO_MEMORY,
    errno.EACCES: NOT_ALLOWED,
    errno.EPERM: NOT_ALLOWED,
    errno.EROFS: NOT_ALLOWED,
    errno.ENOENT: NOT_THERE,
}


def trouble_of(error: BaseException, otherwise: Trouble = UNFORESEEN) -> Trouble:
    """The entry for an error that is not a sentence for people itself."""
    if isinstance(error, MemoryError):
        return NO_MEMORY
    if isinstance(error, OSError):
        return _BY_NUMBER.get(error.errno or 0, otherwise)
    return otherwise


def new_id() -> str:
    """Eight characters by which an error is found in the log."""
    return secrets.token_hex(4)


def without_folders(text: str) -> str:
    """A message without the folders of this machine: of each path its last name is left."""
    for folder in _own_folders():  # these may have spaces in their names
        text = text.replace(folder, "")
    return _PATH.sub(lambda found: found[1] or "…", text)


def _own_folders() -> list[str]:
    """The folders that this server works in, each with the slash after it, the longest first."""
    index = Path(os.environ.get("DFF_INDEX", "."))
    places = [Path.home(), Path.cwd(), data_folder(), Path(__file__).parents[1], index.parent]
    found = {str(form) for place in places for form in (place, place.resolve())}
    inner = {f"{folder}{os.sep}" for folder in found if len(Path(folder).parts) > 1}
    return sorted(inner, key=len, reverse=True)


def shortened(path: Path | str) -> str:
    """A path as it can be shown to others: the user's own folder, whose name says who, is "~"."""
    text, home = str(path), str(Path.home())
    if text == home or text.startswith((home + "/", home + "\\")):
        return "~" + text[len(home) :]
    return text


def write_down(error: BaseException, id: str) -> Path | None:
    """Add an error's details to the log in the data folder; its file, None if it cannot be written.

    A log over `LARGEST_LOG` bytes becomes "errors.log.1", and that of before is gone.
    """
    path = data_folder() / LOG
    when = time.strftime("%Y-%m-%d %H:%M:%S")
    told = "".join(traceback.format_exception(error))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file() and path.stat().st_size > LARGEST_LOG:
            path.replace(path.with_name(f"{LOG}.1"))
        with path.open("a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(f"--- error {id}, {when}\n{told}\n")
    except OSError:
        return None
    return path
