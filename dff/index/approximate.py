"""Nearest neighbours without looking at every picture: an inverted file by faiss.

`python -m dff index approximate INDEX` sorts the descriptors into about sqrt(n) groups by k-means
and writes them, one byte a number, to INDEX/nearest/. A search looks only at the groups nearest to
the query (Sivic & Zisserman 2003) and offers what it finds there; `Index.search` scores the offered
pictures exactly, so only who is offered is approximate. Exact search takes some 20 ms for 100,000
pictures, so this pays above some 300,000 (docs/performance.md).

The file belongs to one generation of an index: after a change of its pictures it is made again.
faiss is optional: pip install "dff[faiss]".
"""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from dff.index.format import IndexProblem, new_folder
from dff.index.search import Index
from dff.index.state import alone

FOLDER = "nearest"
PROBES = 16  # groups that a query looks at
OFFERED = 1000  # pictures of which it takes the exact scores
LEARN = 64  # vectors a group from which k-means learns where the groups are
BLOCK = 50_000  # vectors that are added at a time


class Nearest:
    """The file of one descriptor, opened; its groups are mapped, not read."""

    def __init__(self, path: Path, count: int) -> None:
        faiss = _faiss()
        try:
            found = faiss.read_index(str(path), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
        except RuntimeError as error:
            raise IndexProblem(f"{path} cannot be read ({error}); make it again") from error
        if found.ntotal != count:
            raise IndexProblem(f"{path}: expected {count} pictures, got {found.ntotal}")
        self._found = found

    def offered(self, vector: np.ndarray, least: int = 0) -> np.ndarray:
        """The pictures that may be nearest to a vector (dimensions,): rising rows."""
        count = min(max(OFFERED, least), self._found.ntotal)
        _, rows = self._found.search(np.asarray(vector, np.float32)[None], count)
        return np.sort(rows[0][rows[0] >= 0])


def make(
    folder: str | os.PathLike[str],
    descriptor: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the file of a descriptor, by default the index's own; where it is.

    progress: called with how many vectors are sorted in, of how many. Raises IndexProblem without
    faiss, ValueError for a descriptor that the index has not.
    """
    _faiss()  # or nothing is begun
    folder = Path(folder)
    with alone(folder):
        index = Index.open(folder)
        made = grouped(index.stored_vectors(descriptor), progress)
        target = path_of(folder, index.manifest["generation"], descriptor or index.descriptor)
        try:
            with new_folder(target.parent) as scratch:
                _write(made, scratch / target.name)
                os.replace(scratch / target.name, target)
        except OSError:
            with suppress(OSError):  # of other descriptors
                target.parent.rmdir()
            raise
        for path in target.parent.iterdir():  # of former generations
            if not path.name.startswith(f"{index.manifest['generation']}-"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    return target


def grouped(vectors: np.ndarray, progress: Callable[[int, int], None] | None = None) -> Any:
    """The inverted file of (n, dimensions) float16 or float32 vectors, as faiss has it."""
    faiss, tell = _faiss(), progress or (lambda done, total: None)
    groups = max(1, round(len(vectors) ** 0.5))
    made = faiss.index_factory(vectors.shape[1], f"IVF{groups},SQ8", faiss.METRIC_INNER_PRODUCT)
    tell(0, len(vectors))
    made.train(vectors[:: max(1, len(vectors) // (LEARN * groups))].astype(np.float32))
    for start in range(0, len(vectors), BLOCK):
        made.add(vectors[start : start + BLOCK].astype(np.float32))
        tell(min(start + BLOCK, len(vectors)), len(vectors))
    made.nprobe = PROBES
    return made


def _write(made: Any, path: Path) -> None:
    """Write an inverted file. faiss's own writer says nothing of a disk that is full at the end."""
    faiss = _faiss()
    failed: list[OSError] = []
    with open(path, "wb") as file:

        def write(data: bytes) -> int:
            try:
                return file.write(data)
            except OSError as error:
                failed.append(error)
                raise

        try:
            faiss.write_index(made, faiss.PyCallbackIOWriter(write))
        except Exception:
            if failed:
                raise failed[0] from None
            raise


def path_of(folder: Path, generation: str, descriptor: str) -> Path:
    """Where the file of a generation and descriptor is."""
    return folder / FOLDER / f"{generation}-{descriptor}.faiss"


def open_nearest(index: Index, descriptor: str) -> Nearest:
    """The file of an index's present generation. Raises IndexProblem where there is none."""
    path = path_of(index.folder, index.manifest["generation"], descriptor)
    if not path.is_file():
        raise IndexProblem(
            f"{path} is not there: make it with `python -m dff index approximate {index.folder} "
            f"--descriptor {descriptor}`"
        )
    return Nearest(path, len(index))


def _faiss() -> Any:
    try:
        import faiss
    except ModuleNotFoundError as error:
        raise IndexProblem(
            'approximate search needs faiss: pip install "dff[faiss]" (or faiss-cpu)'
        ) from error
    return faiss
