"""Shards and generations: pictures in memory <-> arrays on disk (layout in `dff.index.format`)."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np

from dff.descriptors import Described, Regions, matching_of
from dff.descriptors.base import scaled
from dff.factorization import Factorization
from dff.geometry import fit_size, grid_extent
from dff.index.ahead import Ahead
from dff.index.format import (
    IndexProblem,
    Picture,
    Settings,
    check_folder,
    load_array,
    new_folder,
    save_array,
    settle,
)
from dff.parts import Parts
from dff.whitening import Whitening

# Under this many pictures a whitening learnt from them does more harm than good, and none is used
# (docs/evaluation.md).
FEWEST_TO_WHITEN = 64
# Centred and brought to fewer dimensions, but not whitened: 1/16 gains half a point on logos and
# loses more elsewhere (docs/evaluation.md).
POWER = 0.0
DIMENSIONS = 512  # 128 do as well fitted on the collection itself, and lose 2 to 3 elsewhere
# Each mapped array keeps a file open, and some systems allow a process 256 of them.
MOST_MAPPED = 128
MOST_VECTORS = 50_000  # a whitening sees at most this many, evenly drawn

Whitened = tuple[np.ndarray, np.ndarray]  # a picture's vector (dimensions,) and regions (r, same)


@dataclass(frozen=True, eq=False)
class Record:
    """All that an index keeps of one picture, at the precision it keeps.

    facts: the fields of `Picture` that do not depend on the place in the shard. basis (k,
    channels), detail_basis (detail_k, channels), cells (all heatmaps, flat): float16. regions:
    of the descriptors other than "dff". thumbnail: a JPEG of thumbnail_size (width, height).
    """

    facts: dict[str, Any]
    basis: np.ndarray
    detail_basis: np.ndarray
    cells: np.ndarray
    regions: dict[str, Regions]
    thumbnail: bytes
    thumbnail_size: tuple[int, int]

    @classmethod
    def of(
        cls,
        facts: dict[str, Any],
        parts: Factorization,
        detail: Factorization,
        regions: dict[str, Regions],
        thumbnail: tuple[bytes, tuple[int, int]],
    ) -> Self:
        """From a picture's two factorizations; `facts` are what else is known of it."""
        own = {
            "grid": parts.grid,
            "energy": _exactly(parts.energy),
            "detail_energy": _exactly(detail.energy),
            "explained": round(parts.explained, 6),
        }
        cells = np.concatenate([parts.heatmaps.reshape(-1), detail.heatmaps.reshape(-1)])
        return cls(
            facts={**facts, **own},
            basis=parts.basis.astype(np.float16),
            detail_basis=detail.basis.astype(np.float16),
            cells=cells.astype(np.float16),
            regions=regions,
            thumbnail=thumbnail[0],
            thumbnail_size=thumbnail[1],
        )


def write_shard(records: Sequence[Record], settings: Settings, parent: Path) -> Path:
    """Write one immutable shard and return its folder, named by its content."""
    others = [name for name in settings.descriptors if name != "dff"]
    lines = []
    offset = thumbnail_offset = 0
    region_offsets = dict.fromkeys(others, 0)
    for record in records:
        places = {}
        for name in others:
            count = len(record.regions[name].vectors)
            places[name] = (region_offsets[name], count)
            region_offsets[name] += count
        picture = Picture(
            **record.facts,
            thumbnail=(*record.thumbnail_size, thumbnail_offset, len(record.thumbnail)),
            cells=offset,
            regions=places,
        )
        lines.append(json.dumps(asdict(picture), ensure_ascii=False, allow_nan=False))
        offset += len(record.cells)
        thumbnail_offset += len(record.thumbnail)
    arrays = {
        "basis": np.stack([r.basis for r in records]),
        "detail_basis": np.stack([r.detail_basis for r in records]),
        "cells": np.concatenate([r.cells for r in records]),
        "thumbnails": np.concatenate([np.frombuffer(r.thumbnail, np.uint8) for r in records]),
    }
    for name in others:
        stacked = [r.regions[name] for r in records]
        arrays[f"regions-{name}"] = np.concatenate([s.vectors for s in stacked]).astype(np.float16)
        arrays[f"weights-{name}"] = np.concatenate([s.weights for s in stacked]).astype(np.float32)
        members = [s.members for s in stacked if s.members is not None]
        if members:
            arrays[f"members-{name}"] = np.concatenate(members).astype(np.float32)
    with new_folder(parent) as folder:
        (folder / "pictures.jsonl").write_text("".join(f"{x}\n" for x in lines), encoding="utf-8")
        for name, array in arrays.items():
            save_array(folder / f"{name}.npy", array)
        return settle(folder)


class Shard:
    """A shard on disk. Arrays are mapped, not read; rows are numbered from 0 within the shard."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder = folder
        self.settings = settings
        self.pictures = read_pictures(folder / "pictures.jsonl")
        others = {*settings.descriptors} - {"dff"}
        for picture in self.pictures:
            if missing := others - picture.regions.keys():
                raise IndexProblem(
                    f"{folder / 'pictures.jsonl'}: expected the regions of {picture.id} for "
                    f"{', '.join(sorted(missing))}, got none; build the index again"
                )
        count, k, detail_k = len(self.pictures), settings.k, settings.detail_k
        for array, parts in ((self.basis, k), (self.detail_basis, detail_k)):
            if array.shape != (count, parts, settings.channels):
                expected = (count, parts, settings.channels)
                raise IndexProblem(
                    f"{folder}: expected a basis {expected}, got {array.shape}; build it again"
                )

    @property
    def basis(self) -> np.ndarray:
        """(pictures, k, channels) float16, mapped."""
        return _mapped(self.folder / "basis.npy", "float16", 3)

    @property
    def detail_basis(self) -> np.ndarray:
        """(pictures, detail_k, channels) float16, mapped."""
        return _mapped(self.folder / "detail_basis.npy", "float16", 3)

    @property
    def cells(self) -> np.ndarray:
        """All heatmaps one after another, float16, mapped."""
        return _mapped(self.folder / "cells.npy", "float16", 1)

    @property
    def thumbnails(self) -> np.ndarray:
        """All thumbnails one after another, uint8, mapped."""
        return _mapped(self.folder / "thumbnails.npy", "uint8", 1)

    def parts(self, row: int) -> Parts:
        """The k parts that make the score."""
        picture = self.pictures[row]
        return self._parts(row, self.basis, picture.energy, 0)

    def detail(self, row: int) -> Parts:
        """The finer factors that locate other pictures' parts in this one."""
        picture = self.pictures[row]
        skip = self.settings.k * picture.grid[0] * picture.grid[1]
        return self._parts(row, self.detail_basis, picture.detail_energy, skip)

    def thumbnail(self, row: int) -> bytes:
        """A JPEG."""
        _, _, offset, length = self.pictures[row].thumbnail
        return self.thumbnails[offset : offset + length].tobytes()

    def regions(self, row: int, descriptor: str) -> Regions:
        """The raw regions of a descriptor."""
        weights = self.weights(row, descriptor)
        if descriptor == "dff":
            return Regions(self.basis[row].astype(np.float32), weights)
        start, count = self.pictures[row].regions[descriptor]
        vectors = _mapped(self.folder / f"regions-{descriptor}.npy", "float16", 2)
        raw = vectors[start : start + count].astype(np.float32)
        return Regions(raw, weights, members=self.members(row, descriptor))

    def vectors(self, descriptor: str) -> np.ndarray:
        """The raw region vectors of all pictures, one after another: (regions, channels) float16,
        mapped for as long as they are held."""
        if descriptor == "dff":
            basis = load_array(self.folder / "basis.npy", "float16", 3)
            return basis.reshape(-1, basis.shape[2])
        return load_array(self.folder / f"regions-{descriptor}.npy", "float16", 2)

    def region_span(self, row: int, descriptor: str) -> slice:
        """Where a picture's regions are among `vectors`."""
        if descriptor == "dff":
            return slice(row * self.settings.k, (row + 1) * self.settings.k)
        start, count = self.pictures[row].regions[descriptor]
        return slice(start, start + count)

    def region_count(self, descriptor: str) -> int:
        """How many regions its pictures have."""
        if descriptor == "dff":
            return len(self.pictures) * self.settings.k
        return sum(count for _, count in (one.regions[descriptor] for one in self.pictures))

    def members(self, row: int, descriptor: str) -> np.ndarray | None:
        """How much of each region each part is, (r, k) float32; None where regions are parts."""
        path = self.folder / f"members-{descriptor}.npy"
        if not path.is_file():
            return None
        start, count = self.pictures[row].regions[descriptor]
        return np.array(_mapped(path, "float32", 2)[start : start + count])

    def weights(self, row: int, descriptor: str) -> np.ndarray:
        """How much each region weighs, (r,) float32."""
        picture = self.pictures[row]
        if descriptor == "dff":
            return np.array(picture.energy, np.float32)
        start, count = picture.regions[descriptor]
        stored = _mapped(self.folder / f"weights-{descriptor}.npy", "float32", 1)
        return np.array(stored[start : start + count])

    def record(self, row: int) -> Record:
        """The picture as it was handed to `write_shard`."""
        picture, settings = self.pictures[row], self.settings
        facts = asdict(picture)
        for place in ("thumbnail", "cells", "regions"):
            del facts[place]
        count = (settings.k + settings.detail_k) * picture.grid[0] * picture.grid[1]
        return Record(
            facts=facts,
            basis=np.array(self.basis[row]),
            detail_basis=np.array(self.detail_basis[row]),
            cells=np.array(self.cells[picture.cells : picture.cells + count]),
            regions={name: self.regions(row, name) for name in picture.regions},
            thumbnail=self.thumbnail(row),
            thumbnail_size=picture.thumbnail[:2],
        )

    def _parts(self, row: int, basis: np.ndarray, energy: Sequence[float], skip: int) -> Parts:
        picture = self.pictures[row]
        k, (rows, columns) = basis.shape[1], picture.grid
        start = picture.cells + skip
        cells = self.cells[start : start + k * rows * columns].astype(np.float32)
        size = fit_size(picture.width, picture.height, self.settings.size)
        return Parts(
            heatmaps=cells.reshape(k, rows, columns),
            basis=basis[row].astype(np.float32),
            energy=np.array(energy, np.float32),
            width=picture.width,
            height=picture.height,
            extent=grid_extent(picture.grid, self.settings.stride, size),
            blocks=self.settings.blocks,
        )


@lru_cache(maxsize=MOST_MAPPED)
def _mapped(path: Path, dtype: str, ndim: int) -> np.ndarray:
    """`load_array`, remembered: a shard's folder is named by its content and never changes."""
    return load_array(path, dtype, ndim)


def _exactly(values: np.ndarray) -> tuple[float, ...]:
    """float32 (n,) as the shortest decimals that read back as the same float32."""
    return tuple(float(str(value)) for value in values)


def read_pictures(path: Path) -> list[Picture]:
    """A shard's pictures.jsonl; IndexProblem where it is missing or not what a build writes."""
    pictures: list[Picture] = []
    try:
        check_folder(path.parent, 2)
        with open(path, "rb") as file:
            for line in file:
                pictures.append(_picture(line, f"{path}, line {len(pictures) + 1},"))
    except OSError as error:
        raise IndexProblem(
            f"{path} cannot be read ({error.strerror}); run `python -m dff index verify`"
        ) from error
    return pictures


def _picture(line: bytes, where: str) -> Picture:
    try:
        return Picture.of(json.loads(line))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise IndexProblem(
            f"{where} cannot be read ({type(error).__name__}: {error}); run "
            "`python -m dff index verify`"
        ) from error


def fit_whitening(
    shards: Sequence[Shard], descriptor: str, provenance: dict[str, Any]
) -> Whitening:
    """The whitening of a collection, or none (the identity) where it has too few pictures."""
    settings = shards[0].settings
    count = sum(len(shard.pictures) for shard in shards)
    facts = {
        "fitted_on": provenance.get("photos", "this collection"),
        "pictures": count,
        "descriptor": descriptor,
        "backbone": settings.backbone,
        "layer": settings.layer,
    }
    if count < FEWEST_TO_WHITEN:
        facts["note"] = f"no whitening: fewer than {FEWEST_TO_WHITEN} pictures"
        return Whitening.identity(settings.channels, facts)
    vectors = sampled(shards, descriptor, MOST_VECTORS)
    return Whitening.fit(vectors, POWER, DIMENSIONS, provenance=facts).stored()


def sampled(shards: Sequence[Shard], descriptor: str, most: int) -> np.ndarray:
    """Every n-th region vector of a collection, the least n that leaves at most `most` of them:
    (vectors, channels) float16. No more than these are held in memory.
    """
    count = sum(shard.region_count(descriptor) for shard in shards)
    step = max(1, -(-count // most))
    found = np.empty((-(-count // step), shards[0].vectors(descriptor).shape[1]), np.float16)
    before = 0
    for shard in shards:
        vectors = shard.vectors(descriptor)
        own = vectors[-before % step :: step]
        place = -(-before // step)
        found[place : place + len(own)] = own
        before += len(vectors)
    return found


def write_generation(
    shards: Sequence[Shard],
    whitenings: Mapping[str, Whitening],
    parent: Path,
    known: Callable[[str], Iterable[Whitened]] = lambda descriptor: (),
) -> Path:
    """Whiten every descriptor of every picture; the new generation's folder.

    known: of a descriptor, what an earlier generation with the same whitening holds of the first
    pictures; these are not whitened again.
    """
    with new_folder(parent) as folder:
        for descriptor, whitening in whitenings.items():
            whitening.save(folder / descriptor)
            rows = sum(len(shard.pictures) for shard in shards)
            total = sum(shard.region_count(descriptor) for shard in shards)
            columns = whitening.dimensions
            with ExitStack() as files:
                vectors = files.enter_context(_rows(folder / descriptor / "vectors", rows, columns))
                regions = None
                if matching_of(descriptor) != "vector":
                    path = folder / descriptor / "regions"
                    regions = files.enter_context(_rows(path, total, columns))
                for vector, own in _whitened(shards, descriptor, whitening, known(descriptor)):
                    vectors(vector)
                    if regions is not None:
                        regions(own)
        return settle(folder)


def _whitened(
    shards: Sequence[Shard], descriptor: str, whitening: Whitening, known: Iterable[Whitened]
) -> Iterator[Whitened]:
    """Of every picture; those that are not known several shards at once."""
    done = 0
    for done, one in enumerate(known, 1):  # noqa: B007 (counted)
        yield one
    left = []
    for shard in shards:
        left.append((shard, min(done, len(shard.pictures))))
        done -= left[-1][1]
    with Ahead(lambda one: _described(one[0], descriptor, whitening, one[1]), left) as made:
        for _, pictures in made:
            yield from ((described.vector, described.regions) for described in pictures)


def _described(
    shard: Shard, descriptor: str, whitening: Whitening, first: int = 0
) -> list[Described]:
    """The whitened regions of a shard's pictures from the row `first` on."""
    spans = [shard.region_span(row, descriptor) for row in range(first, len(shard.pictures))]
    if not spans:
        return []
    start = spans[0].start
    raw = shard.vectors(descriptor)[start:].astype(np.float32)
    if len(raw) == len(spans):  # BLAS rounds a row alone otherwise than among others, as in a query
        white = np.concatenate([whitening.apply(row) for row in raw[:, None]])
    else:
        white = whitening.apply(raw)
    found = []
    for row, span in enumerate(spans, first):
        own = white[span.start - start : span.stop - start]
        weights, members = shard.weights(row, descriptor), shard.members(row, descriptor)
        found.append(scaled(own, weights, members))
    return found


@contextmanager
def _rows(path: Path, rows: int, columns: int) -> Iterator[Callable[[np.ndarray], int]]:
    """Write the array `path`.npy, float32 (rows, columns), piece by piece and in order. A map of
    it would count as memory of the process, and grow with the collection."""
    with open(path.with_suffix(".npy"), "wb") as file:
        head = {"descr": "<f4", "fortran_order": False, "shape": (rows, columns)}
        np.lib.format.write_array_header_1_0(file, head)
        yield lambda piece: file.write(piece.astype("<f4").tobytes())


def region_weights(shards: Sequence[Shard], descriptor: str) -> list[np.ndarray]:
    """The weights of each picture's regions, (r,) float32."""
    return [
        shard.weights(row, descriptor) for shard in shards for row in range(len(shard.pictures))
    ]


def describe_all(
    shards: Iterable[Shard], descriptor: str, whitening: Whitening
) -> Iterator[Described]:
    """The whitened regions of every picture, in order."""
    for shard in shards:
        yield from _described(shard, descriptor, whitening)
