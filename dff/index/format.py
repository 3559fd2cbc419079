"""The on-disk format: which files there are, how they are written and read. Nothing about networks.

    INDEX/
      index.json              settings, counts, the list of shards and the generation in use,
                              the size and sha256 of every other file, and last its own sha256
      shards/NAME/            immutable, 128 pictures each, named by its content
        pictures.jsonl        one picture a line
        basis.npy             (pictures, k, channels) float16
        detail_basis.npy      (pictures, detail_k, channels) float16
        cells.npy             all heatmaps one after another, float16
        thumbnails.npy        all JPEG thumbnails one after another, uint8
        regions-NAME.npy      further descriptors: (regions, channels) float16
        weights-NAME.npy      how much each region weighs, float32
        members-NAME.npy      (regions, k) float32, the shares of each region in the k parts, for
                              descriptors whose regions are not those parts
      generations/NAME/       whitening and whitened descriptors: one folder a descriptor
        DESCRIPTOR/whitening.json, .npy, vectors.npy (pictures, dimensions) float32, and
        regions.npy (regions, dimensions) float32 where pictures are matched by them; both float16
        where `index halve` has made them so
      nearest/                files for approximate search, of the generation in their names

A new state is written beside the old one; replacing `index.json` is the one atomic step between
them. `building/` holds an unfinished build.
"""

import hashlib
import json
import os
import re
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, Self

import numpy as np

from dff.descriptors import DEFAULT_DESCRIPTOR

VERSION = 3  # 2: whitened regions, joined layers; 3: regions that are shares of parts
MANIFEST = "index.json"
EITHER = "float32 float16"  # the types of whitened descriptors
# Of the settings that are numbers: what is beyond was not written by a build.
_RANGES = {
    "channels": (1, 10**6),
    "stride": (1, 10**4),
    "size": (1, 10**5),
    "k": (1, 100),
    "detail_k": (1, 100),
    "seed": (0, 2**32 - 1),
}
MOST_BYTES = 2**50  # of a file
_HUGE = 1e30
_LISTS: dict[str, Callable[[Any], bool]] = {  # the settings that are lists, and of what
    "blocks": lambda value: type(value) is int and 0 < value <= _RANGES["channels"][1],
    "descriptors": lambda value: isinstance(value, str) and re.fullmatch(r"\w+", value) is not None,
}


class IndexProblem(ValueError):
    """An index that cannot be used or built. The message says which file and what to do."""


@dataclass(frozen=True)
class Settings:
    """What an index is built with; a search always uses the same."""

    backbone: str
    layer: str
    weights: str  # the backbone's fingerprint
    channels: int
    stride: int
    size: int
    k: int
    detail_k: int
    seed: int
    blocks: tuple[int, ...]  # the channels of each of the joined layers
    descriptors: tuple[str, ...]

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """From the JSON of a manifest; ValueError where something is missing or of a wrong type."""
        values: dict[str, Any] = {}
        for field in fields(cls):
            value: Any = facts.get(field.name)
            least, most = _RANGES.get(field.name, (0, 0))
            if field.name in _LISTS:
                of_all = isinstance(value, list) and all(map(_LISTS[field.name], value))
                value = tuple(value) if value and of_all else None
            expected = field.type if isinstance(field.type, type) else tuple
            sound = isinstance(value, expected)
            if expected is int:
                sound = type(value) is int and least <= value <= most
            if not sound:
                raise IndexProblem(
                    f"{MANIFEST}: expected a valid {field.name!r}, got {value!r}; build the index "
                    "again"
                )
            values[field.name] = value
        return cls(**values)

    @property
    def descriptor(self) -> str:
        """What pictures are found by unless something else is asked for."""
        own = self.descriptors
        return DEFAULT_DESCRIPTOR if DEFAULT_DESCRIPTOR in own else own[0]

    def fingerprint(self) -> str:
        """12 hexadecimal digits: indexes with equal settings can share shards."""
        text = json.dumps([VERSION, asdict(self)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Picture:
    """One line of pictures.jsonl.

    path: relative to photos_root, with forward slashes. sha256: of the file; pixels_sha256: of
    the upright pixels. grid: (rows, columns). energy, names: one entry a part; detail_energy: one
    a detail factor; a name is [[label, probability], ...], best first. explained: share of the
    activations' energy that the k parts explain. thumbnail: [width, height, offset, bytes].
    cells: offset of the picture's heatmaps. regions: {descriptor: [offset, count]}.
    """

    id: str
    path: str
    width: int
    height: int
    sha256: str
    pixels_sha256: str
    title: str
    category: str
    credit: str
    grid: tuple[int, int]
    energy: tuple[float, ...]
    detail_energy: tuple[float, ...]
    names: tuple[tuple[tuple[str, float], ...], ...]
    explained: float
    thumbnail: tuple[int, int, int, int]
    cells: int
    regions: dict[str, tuple[int, int]]

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """From the JSON of one line. Raises KeyError, TypeError or ValueError for other JSON."""
        values = {field.name: facts[field.name] for field in fields(cls)}
        for name in ("grid", "energy", "detail_energy", "thumbnail"):
            values[name] = tuple(values[name])
        values["names"] = tuple(
            tuple((str(label), float(p)) for label, p in part) for part in values["names"]
        )
        values["regions"] = {str(k): (a, b) for k, (a, b) in values["regions"].items()}
        picture = cls(**values)
        picture._check()
        return picture

    def _check(self) -> None:
        """Raise where a value is of another type, or beyond what a build writes."""
        for text in (self.id, self.sha256, self.pixels_sha256, self.title, self.category):
            text.encode()  # JSON can spell what is no text
        self.credit.encode()
        check_relative(self.path).encode()
        counts = (self.width, self.height, self.cells, *self.grid, *self.thumbnail)
        for count in chain(counts, *self.regions.values()):
            if type(count) is not int or not 0 <= count < MOST_BYTES:
                raise ValueError(f"expected a count, got {count!r}")
        shares = (share for part in self.names for _, share in part)
        for number in chain((self.explained,), self.energy, self.detail_energy, shares):
            if type(number) not in (int, float) or not -_HUGE < number < _HUGE:
                raise ValueError(f"expected a number, got {number!r}")
        if len(self.grid) != 2 or len(self.thumbnail) != 4:
            raise ValueError("expected 2 numbers for grid and 4 for thumbnail")


def check_relative(path: str) -> str:
    """A stored path, or IndexProblem where it would leave its folder."""
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts or "\\" in path or "\0" in path:
        raise IndexProblem(f"expected a path inside the photos' folder, got {path!r}")
    return path


def is_url(place: str) -> bool:
    """Whether a place of photos is a URL, as fsspec reads them ("s3://bucket/photos", also
    "zip://::s3://bucket/photos.zip"), and no folder."""
    return "://" in place


def root_folder(folder: Path, root: str) -> Path:
    """The folder that a photos_root means; of a URL one that is not there: an index is data from
    strangers, and what it names is never fetched."""
    if is_url(root):
        digest = hashlib.sha256(root.encode(errors="replace")).hexdigest()
        return folder / f"url-{digest[:12]}"
    return folder / root


def read_places(folder: Path, manifest: Mapping[str, Any]) -> dict[str, Path]:
    """{how a picture's path begins: the folder it is in}. "" is photos_root, which takes the rest.

    Folders that were added to an index later have a name in `added_roots`, and "NAME/" stands
    before the paths of their pictures. Raises IndexProblem for other JSON.
    """
    root, added = manifest.get("photos_root"), manifest.get("added_roots", {})
    if not isinstance(root, str) or "\0" in root:
        raise IndexProblem(
            f"{MANIFEST}: expected photos_root to be a path, got {root!r}; build the index again"
        )
    places = {"": root_folder(folder, root)}
    if not isinstance(added, dict):
        raise IndexProblem(
            f"{MANIFEST}: expected added_roots to be a table, got {added!r}; build the index again"
        )
    for name, path in added.items():
        own = name not in ("", ".", "..") and not {*"/\\\0"} & {*name}
        if not own or not isinstance(path, str) or "\0" in path:
            raise IndexProblem(
                f"{MANIFEST}: the entry {name!r} of added_roots is not valid; build the index again"
            )
        places[f"{name}/"] = folder / path
    return places


def write_json(path: Path, document: Any) -> None:
    """Write a JSON file whole or not at all."""
    write_whole(path, json_text(document).encode())


def json_text(document: Any) -> str:
    """JSON as the files of an index have it."""
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def check_plain(path: Path) -> None:
    """IndexProblem unless this is a file, and no link, pipe or device.

    A link could lead out of the index, and a pipe would block its reader for ever. Raises OSError
    where nothing is there.
    """
    mode = os.lstat(path).st_mode
    if not stat.S_ISREG(mode):
        kind = "a link" if stat.S_ISLNK(mode) else "no file"
        raise IndexProblem(f"{path} is {kind}, an index has only files of its own; {_COPY}")


def check_folder(folder: Path, depth: int) -> None:
    """IndexProblem unless a folder, which is `depth` folders below that of its index, is no link,
    lies in none, and holds only files. Raises OSError where it is not there."""
    for path in (folder, *folder.parents[: depth - 1]):
        if stat.S_ISLNK(os.lstat(path).st_mode):
            raise IndexProblem(f"{path} is a link, an index has only folders of its own; {_COPY}")
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.is_file(follow_symlinks=False):
                check_plain(folder / entry.name)


_COPY = "put a copy in its place (`cp -rL` follows links) or build the index again"


def load_array(path: Path, dtype: str, ndim: int) -> np.ndarray:
    """Map an array into memory, read-only; IndexProblem for another type or shape. dtype: or
    several that it may have, the usual one first, as "float32 float16"."""
    types = dtype.split()
    try:
        check_plain(path)
        array = _mapped(path)
    except FileNotFoundError as error:
        raise IndexProblem(
            f"{path} is not there; open the index again if it was built again meanwhile, else run "
            "`python -m dff index verify`"
        ) from error
    except IndexProblem:
        raise
    except (ValueError, OSError, OverflowError, MemoryError) as error:
        raise IndexProblem(
            f"{path} cannot be read ({error}); run `python -m dff index verify`"
        ) from error
    if array.dtype not in [np.dtype(one) for one in types] or array.ndim != ndim:
        raise IndexProblem(
            f"{path}: expected a {ndim}-D {types[0]} array, got {array.ndim}-D {array.dtype}; "
            "build the index again"
        )
    return array


# As NumPy writes it for numbers and texts, not for objects or tables.
_HEAD = re.compile(
    rb"\{'descr': '([<>|][a-zA-Z]\d{1,2})', 'fortran_order': (True|False), "
    rb"'shape': \(([\d, ]{0,80})\), \} *\n"
)


def _mapped(path: Path) -> np.ndarray:
    """A .npy file as a memory map; ValueError where it is not one that NumPy writes.

    NumPy reads the header with Python's own parser, which fails now and then in Python 3.11 where
    two threads use it at once ("AST constructor recursion depth mismatch"), and for strange ones
    with any error there is.
    """
    with open(path, "rb") as file:
        version = np.lib.format.read_magic(file)
        found = _HEAD.fullmatch(file.read(int.from_bytes(file.read(2), "little")))
        start = file.tell()
    if version != (1, 0) or found is None:
        raise ValueError("expected the header of a .npy file of numbers")
    shape = tuple(int(side) for side in found[3].split(b",") if side.strip())
    kind = np.dtype(found[1].decode())
    return np.memmap(path, kind, "r", start, shape, "F" if found[2] == b"True" else "C")


def save_array(path: Path, array: np.ndarray) -> None:
    """Write an array as np.save does, which says of a full disk only how many numbers it wrote."""
    with open(path, "wb") as file:
        head = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape}
        np.lib.format.write_array_header_1_0(file, head)
        file.write(np.ascontiguousarray(array).data)


def file_record(path: Path) -> dict[str, Any]:
    """{"bytes", "sha256"} of a file."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}


def list_files(folder: Path) -> Iterator[Path]:
    """All files under a folder, sorted."""
    yield from sorted(p for p in folder.rglob("*") if p.is_file())


@contextmanager
def new_folder(parent: Path) -> Iterator[Path]:
    """A scratch folder under `parent`, deleted unless the block renames it away."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = parent / f".new-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def content_name(folder: Path) -> str:
    """The name that a shard or a generation has for what is in it: 12 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in list_files(folder):
        digest.update(f"{path.relative_to(folder).as_posix()} {file_record(path)}".encode())
    return digest.hexdigest()[:12]


def is_content_name(name: Any) -> bool:
    """Whether this can be the name of a shard or of a generation."""
    return isinstance(name, str) and re.fullmatch(r"[0-9a-f]{12}", name) is not None


def settle(folder: Path) -> Path:
    """Rename a finished scratch folder to the name of its content; the new path."""
    return put(folder, folder.with_name(content_name(folder)))


def put(folder: Path, target: Path) -> Path:
    """Rename a folder to the name of its content, whatever has that name already; the new path."""
    try:
        os.rename(folder, target)
    except OSError:
        if not target.is_dir():
            raise
        if content_name(target) == target.name:
            shutil.rmtree(folder)  # the same content is there already, perhaps since this moment
        else:  # damaged, and now made again
            aside = folder.with_name(f".damaged-{uuid.uuid4().hex[:8]}")
            os.rename(target, aside)
            os.rename(folder, target)
            shutil.rmtree(aside, ignore_errors=True)
    return target


def settings_facts(settings: Settings) -> dict[str, Any]:
    """Settings as the JSON of a manifest."""
    return {
        **asdict(settings),
        "blocks": list(settings.blocks),
        "descriptors": list(settings.descriptors),
    }
