"""The pictures of an index, read when they are asked for: opening a million takes no longer.

A line of pictures.jsonl becomes a `Picture` in 60 microseconds and takes 4 kB then. So a shard is
read when one of its pictures is wanted, and what is needed of all of them (ids, hashes, numbers of
regions) is taken out of the lines by its name. No other text can look like it there: in JSON the
quotes inside of texts are escaped.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, overload

import numpy as np

from dff.index.format import IndexProblem, Picture, Settings, check_folder, load_array
from dff.index.store import Shard

_HEADER = 128  # bytes before the numbers of a .npy file


class Shards(Sequence[Shard]):
    """The shards in some folders, each opened when it is asked for."""

    def __init__(self, folders: Sequence[Path], settings: Settings) -> None:
        self.folders = tuple(folders)
        self.settings = settings
        self._open: dict[int, Shard] = {}

    def __len__(self) -> int:
        return len(self.folders)

    @overload
    def __getitem__(self, number: int) -> Shard: ...
    @overload
    def __getitem__(self, number: slice) -> tuple[Shard, ...]: ...
    def __getitem__(self, number: int | slice) -> Shard | tuple[Shard, ...]:
        if isinstance(number, slice):
            return tuple(self[one] for one in range(*number.indices(len(self))))
        if number not in self._open:
            self._open[number] = Shard(self.folders[number], self.settings)
        return self._open[number]


class Pictures(Sequence[Picture]):
    """All pictures of some shards, by row. counts: how many each shard holds."""

    def __init__(self, shards: Shards, counts: Sequence[int]) -> None:
        self._shards = shards
        self._starts = [0, *accumulate(counts)]

    def __len__(self) -> int:
        return self._starts[-1]

    @overload
    def __getitem__(self, row: int) -> Picture: ...
    @overload
    def __getitem__(self, row: slice) -> tuple[Picture, ...]: ...
    def __getitem__(self, row: int | slice) -> Picture | tuple[Picture, ...]:
        if isinstance(row, slice):
            return tuple(self[one] for one in range(*row.indices(len(self))))
        if not -len(self) <= row < len(self):
            raise IndexError(f"row: expected 0 to {len(self) - 1}, got {row}")
        shard, local = self.place(row % len(self))
        return shard.pictures[local]

    def __iter__(self) -> Iterator[Picture]:
        for shard in self._shards:
            yield from shard.pictures

    def place(self, row: int) -> tuple[Shard, int]:
        """The shard that holds a row, and the row within it."""
        number = bisect_right(self._starts, row) - 1
        start, stop = self._starts[number : number + 2]
        shard = self._shards[number]
        if len(shard.pictures) != stop - start:
            raise IndexProblem(
                f"{shard.folder}: expected {stop - start} pictures, as its basis.npy has, got "
                f"{len(shard.pictures)}; run `python -m dff index verify`"
            )
        return shard, row - start

    @cached_property
    def row_of(self) -> dict[str, int]:
        """{id: row}."""
        return {id: row for row, (id,) in enumerate(self._values("id"))}

    @cached_property
    def rows_by_hash(self) -> dict[str, list[int]]:
        """{sha256 of a file or of its pixels: rows}."""
        found: dict[str, list[int]] = {}
        for row, digests in enumerate(self._values("sha256", "pixels_sha256")):
            for digest in set(digests):
                found.setdefault(digest, []).append(row)
        return found

    def _values(self, *names: str) -> Iterator[tuple[Any, ...]]:
        for folder in self._shards.folders:
            yield from values(folder, *names)


def values(folder: Path, *names: str) -> Iterator[tuple[Any, ...]]:
    """Some fields of every picture of a shard, as JSON has them: texts, and tables without inner
    ones."""
    patterns = {
        name: re.compile(rf'"{name}": ("(?:[^"\\]|\\.)*"|\{{[^{{}}]*\}})') for name in names
    }
    path = folder / "pictures.jsonl"
    try:
        check_folder(folder, 2)
        with open(path, encoding="utf-8", newline="\n") as file:
            for line in file:
                yield tuple(_value(line, name, pattern) for name, pattern in patterns.items())
    except (OSError, ValueError, RecursionError) as error:
        raise IndexProblem(
            f"{path} cannot be read ({error}); run `python -m dff index verify`"
        ) from error


def _value(line: str, name: str, pattern: re.Pattern[str]) -> Any:
    found = pattern.search(line)
    if found is None:
        raise ValueError(f"expected {name} in every line")
    text = found[1]
    return text[1:-1] if text[0] == '"' and "\\" not in text else json.loads(text)


def regions_of_all(shards: Shards, descriptor: str) -> tuple[np.ndarray, np.ndarray]:
    """How many regions each picture has, (n,) integers, and all their weights, (total,) float32."""
    counts: list[int] = []
    weights = [np.zeros(0, np.float32)]
    for number, folder in enumerate(shards.folders):
        if descriptor == "dff":
            energies = [np.array(one.energy, np.float32) for one in shards[number].pictures]
            counts += [len(energy) for energy in energies]
            weights += energies
        else:
            counts += [
                _count(folder, places, descriptor) for (places,) in values(folder, "regions")
            ]
            weights.append(load_array(folder / f"weights-{descriptor}.npy", "float32", 1))
    return np.array(counts, np.int64), np.concatenate(weights)


def _count(folder: Path, places: Any, descriptor: str) -> int:
    """How many regions a line says that a picture has."""
    place = places.get(descriptor) if isinstance(places, dict) else None
    if not isinstance(place, list) or len(place) != 2 or type(place[1]) is not int:
        raise IndexProblem(
            f"{folder / 'pictures.jsonl'}: expected the regions of {descriptor}, got {place!r}; "
            "run `python -m dff index verify`"
        )
    return int(place[1])


def counted(manifest: dict[str, Any], shards: Shards) -> list[int]:
    """How many pictures each shard holds, by the size that its basis was written with."""
    files: Any = manifest.get("files")
    row = 2 * shards.settings.k * shards.settings.channels
    found = []
    for number, folder in enumerate(shards.folders):
        try:
            size = files[f"shards/{folder.name}/basis.npy"]["bytes"]
            found.append((int(size) - _HEADER) // row)
        except (TypeError, KeyError, ValueError):
            found.append(len(shards[number].pictures))
    return found
