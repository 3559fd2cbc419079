"""What unfinished builds have done: `building/*.jsonl`, a line for each chunk of pictures."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dff.index.format import check_plain, is_content_name


def append_line(journal: Path, document: Mapping[str, Any]) -> None:
    """Add a line to a journal, for good, or leave it as it was."""
    line = json.dumps(document, ensure_ascii=False) + "\n"
    with open(journal, "ab") as file:
        end = file.tell()
        try:
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            os.truncate(journal, end)
            raise


def read_journal(path: Path) -> dict[int, dict[str, Any]]:
    """{number of a chunk: what the last run over it has done}."""
    return dict(read_entries(path)) if path.exists() else {}


def journals(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(file name, entry) of all unfinished builds; lines that are cut off are passed over."""
    for path in sorted((folder / "building").glob("*.jsonl")):
        for _, entry in read_entries(path):
            yield path.name, entry


def read_entries(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number of a chunk, what was done of it), line by line, of a journal; IndexProblem where it
    is no file. Lines that were being written when the machine stopped are passed over."""
    check_plain(path)
    # File names may hold other line ends.
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            entry = json.loads(line)
            number, shard = entry["chunk"], entry["shard"]
            stamps, unreadable = entry["stamps"], entry["unreadable"]
            sound = (
                type(number) is int
                and (shard is None or is_content_name(shard))
                and isinstance(stamps, list)
                and all(isinstance(one, list) and len(one) == 2 for one in unreadable)
            )
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
        if sound:
            yield number, entry
