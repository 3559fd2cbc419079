"""Products of many stored vectors with a few others: where they lie, in small blocks, on all cores.

NumPy gives Python's lock back while it multiplies, so blocks of one product run in several threads;
the BLAS behind each of them is kept to one thread by `dff.threads.prepare`.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

# OpenBLAS multiplies matrices where they lie as long as there are at most so many multiplications,
# and copies them into another order first when there are more: 1,500,000 vectors of 512 dimensions
# with 15 others take 0.55 s of one core in blocks of 128, and 1.05 s in blocks of 192.
SMALL = 1_000_000
LARGE_BLOCK = 1024  # rows where that would leave too few of them
CHUNK = 8192  # rows that one thread takes at a time
_T = TypeVar("_T")


def products(vectors: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """`vectors @ columns`: (n, k) float32.

    vectors: (n, dimensions) float16 or float32, memory-mapped or not. columns: (dimensions, k)
    float32. Takes the memory of the result and, for half precision, of one block a thread.
    """
    vectors, columns = np.asarray(vectors), np.ascontiguousarray(columns, np.float32)
    found = np.empty((len(vectors), columns.shape[1]), np.float32)

    def work(start: int) -> None:
        multiply(vectors[start : start + CHUNK], columns, found[start : start + CHUNK])

    in_threads(work, range(0, len(vectors), CHUNK))
    return found


def multiply(
    vectors: np.ndarray, columns: np.ndarray, out: np.ndarray, rows: np.ndarray | None = None
) -> None:
    """`vectors @ columns` into `out`, on this thread; with `rows`, `vectors[rows] @ columns`.

    vectors: (n, dimensions) float16 or float32. columns: (dimensions, k) float32, contiguous.
    out: (n or len(rows), k) float32, contiguous.
    """
    step = _block(columns)
    wide = np.empty((step, len(columns)), np.float32) if vectors.dtype == np.float16 else None
    for start in range(0, len(out), step):
        stop = min(start + step, len(out))
        block = vectors[start:stop] if rows is None else vectors[rows[start:stop]]
        if wide is not None:
            block = _widened(block, wide[: stop - start])
        np.dot(block, columns, out=out[start:stop])


def in_threads(work: Callable[[_T], None], items: Sequence[_T]) -> None:
    """Call `work` for every item, on as many threads as this process has cores."""
    threads = min(cores(), len(items))
    if threads < 2:
        for item in items:
            work(item)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, items):
            pass


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _block(columns: np.ndarray) -> int:
    """How many rows are multiplied at a time."""
    rows = SMALL // max(1, columns.size) // 16 * 16
    return min(rows, LARGE_BLOCK) if rows >= 32 else LARGE_BLOCK


def _widened(half: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Finite float16 as float32, exactly, into `out` of the same shape.

    The bits of a half, shifted to their places in a float32, are the number times 2^-112. NumPy's
    own conversion goes number by number and takes twice as long.
    """
    bits = out.view(np.int32)
    np.copyto(bits, half.view(np.int16))  # spreads the sign over the upper bits
    np.left_shift(bits, 13, out=bits)
    np.bitwise_and(bits, _SIGN_AND_NUMBER, out=bits)
    np.multiply(out, np.float32(2.0**112), out=out)
    return out


_SIGN_AND_NUMBER = np.array(0x8FFFE000, np.uint32).view(np.int32)
