"""The whitened descriptors of an index: what a search multiplies."""

from functools import cached_property
from pathlib import Path

import numpy as np

from dff.index.format import EITHER, IndexProblem, check_folder, load_array
from dff.index.pictures import Shards, regions_of_all
from dff.index.store import describe_all
from dff.matching import Stored
from dff.whitening import Whitening


class Generation:
    """A generation's folder, read when something of it is asked for and mapped, not copied."""

    def __init__(self, folder: Path, shards: Shards, count: int) -> None:
        self.folder = folder
        self._shards = shards
        self._count = count
        self._regions: dict[str, Stored] = {}

    def whitening(self, descriptor: str) -> Whitening:
        """The whitening of a descriptor's regions; ValueError for one that the index has not."""
        return self._of(descriptor)[0]

    def vectors(self, descriptor: str) -> np.ndarray:
        """The descriptors of all pictures, (n, dimensions) float32 or float16, mapped."""
        return self._of(descriptor)[1]

    def keeps_regions(self, descriptor: str) -> bool:
        """Whether a descriptor's whitened regions are on disk, or made already."""
        return descriptor in self._regions or self._path(descriptor).is_file()

    def regions(self, descriptor: str) -> Stored:
        """The whitened regions of all pictures, float32 or float16."""
        if descriptor not in self._regions:
            whitening = self.whitening(descriptor)
            path = self._path(descriptor)
            if path.is_file():
                regions = load_array(path, self.vectors(descriptor).dtype.name, 2)
            else:
                made = describe_all(self._shards, descriptor, whitening)
                regions = np.concatenate([described.regions for described in made])
            stored = Stored.packed(regions, *regions_of_all(self._shards, descriptor))
            if regions.shape != (stored.starts[-1], whitening.dimensions):
                raise IndexProblem(
                    f"{path}: expected regions {(int(stored.starts[-1]), whitening.dimensions)}, "
                    f"got {regions.shape}; build the index again"
                )
            self._regions[descriptor] = stored
        return self._regions[descriptor]

    def _path(self, descriptor: str) -> Path:
        return self.folder / descriptor / "regions.npy"

    def _of(self, descriptor: str) -> tuple[Whitening, np.ndarray]:
        if descriptor not in self._all:
            raise ValueError(
                f"descriptor: expected one of this index ({', '.join(self._all)}), got "
                f"{descriptor!r}; build it with --descriptors {descriptor}"
            )
        return self._all[descriptor]

    @cached_property
    def _all(self) -> dict[str, tuple[Whitening, np.ndarray]]:
        found = {}
        for descriptor in self._shards.settings.descriptors:
            try:
                check_folder(self.folder / descriptor, 3)
            except OSError as error:
                raise IndexProblem(
                    f"{self.folder / descriptor} cannot be read ({error.strerror}); run "
                    "`python -m dff index verify`"
                ) from error
            whitening = Whitening.load(self.folder / descriptor)
            vectors = load_array(self.folder / descriptor / "vectors.npy", EITHER, 2)
            if vectors.shape != (self._count, whitening.dimensions):
                raise IndexProblem(
                    f"{self.folder / descriptor}: expected vectors "
                    f"{(self._count, whitening.dimensions)}, got {vectors.shape}; build the "
                    "index again"
                )
            found[descriptor] = (whitening, vectors)
        return found
