"""Shards and generations: pictures in memory <-> arrays on disk (layout in `dff.index.format`)."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np

from dff.descriptors import Described, Regions, describe, matching_of
from dff.factorization import Factorization
from dff.geometry import fit_size, grid_extent
from dff.index.format import IndexProblem, Picture, Settings, load_array, new_folder, settle
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
            np.save(folder / f"{name}.npy", array, allow_pickle=False)
        return settle(folder)


class Shard:
    """A shard on disk. Arrays are mapped, not read; rows are numbered from 0 within the shard."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder = folder
        self.settings = settings
        self.pictures = _read_pictures(folder / "pictures.jsonl")
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


def _read_pictures(path: Path) -> list[Picture]:
    try:
        with open(path, encoding="utf-8") as file:
            return [Picture.of(json.loads(line)) for line in file]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IndexProblem(
            f"{path} cannot be read ({error}); run `python -m dff index verify`"
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
    vectors = np.concatenate([r.vectors for r in _all_regions(shards, descriptor)])
    step = -(-len(vectors) // MOST_VECTORS)
    return Whitening.fit(vectors[::step], POWER, DIMENSIONS, provenance=facts).stored()


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
            count = sum(len(shard.pictures) for shard in shards)
            vectors = _new_array(folder / descriptor / "vectors.npy", count, whitening.dimensions)
            kept = None
            if matching_of(descriptor) != "vector":
                total = sum(len(own) for own in region_weights(shards, descriptor))
                kept = _new_array(folder / descriptor / "regions.npy", total, whitening.dimensions)
            place = 0
            whitened = _whitened(shards, descriptor, whitening, known(descriptor))
            for row, (vector, regions) in enumerate(whitened):
                vectors[row] = vector
                if kept is not None:
                    kept[place : place + len(regions)] = regions
                    place += len(regions)
            for array in (vectors, kept):
                if array is not None:
                    array.flush()
            del array, vectors, kept  # some systems do not rename a folder with open files
        return settle(folder)


def _whitened(
    shards: Sequence[Shard], descriptor: str, whitening: Whitening, known: Iterable[Whitened]
) -> Iterator[Whitened]:
    done = 0
    for done, one in enumerate(known, 1):  # noqa: B007 (counted)
        yield one
    for regions in islice(_all_regions(shards, descriptor), done, None):
        described = describe(regions, whitening)
        yield described.vector, described.regions


def region_weights(shards: Sequence[Shard], descriptor: str) -> list[np.ndarray]:
    """The weights of each picture's regions, (r,) float32."""
    return [
        shard.weights(row, descriptor) for shard in shards for row in range(len(shard.pictures))
    ]


def _new_array(path: Path, rows: int, columns: int) -> np.memmap:
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(rows, columns))


def describe_all(
    shards: Iterable[Shard], descriptor: str, whitening: Whitening
) -> Iterator[Described]:
    """The whitened regions of every picture, in order."""
    return (describe(regions, whitening) for regions in _all_regions(shards, descriptor))


def _all_regions(shards: Iterable[Shard], descriptor: str) -> Iterator[Regions]:
    for shard in shards:
        for row in range(len(shard.pictures)):
            yield shard.regions(row, descriptor)
