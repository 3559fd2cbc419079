"""How many threads compute. `prepare` and `use_all_cores` are settings of the whole process, made
once at its start: by the command line, the dashboard and the benchmarks, never by the library."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

_noting = threading.Lock()  # of torch's number of threads, in `one_thread_here`
_count: int | None = None
_streams = 1


def prepare() -> None:
    """Keep threads from spinning for long. Call it before anything imports torch.

    Threads of PyTorch's OpenMP (GNU's, on Linux) and of NumPy's BLAS spin while they wait for each
    other. With another program on the same two cores, a network pass took 16 times as long as
    with threads that soon sleep, and a factorization, whose products are too small to be shared
    out at all, 45 times as long as on one thread. A thousand turns before sleeping cost nothing
    that we could measure on idle cores, where never spinning at all cost a quarter.
    """
    import numpy  # noqa: F401 (its BLAS must be there to be limited)
    from threadpoolctl import threadpool_limits

    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    threadpool_limits(1, user_api="blas")


def use_all_cores(*, side_by_side: bool = False) -> None:
    """Give networks as many threads as there are cores. Imports nothing.

    side_by_side: for builds. As many passes at a time as there are cores, each on one of them,
    make more pictures a second than one pass after another on all.
    """
    cores = os.cpu_count() or 1
    use_threads(cores, streams=cores if side_by_side else 1)


def use_threads(count: int, streams: int = 1) -> None:
    """Give networks that are loaded from now on `count` threads, shared among `streams` passes at
    a time; torch, if it is there, at once.

    Sums are split among threads, so another number gives other last bits: with the same number
    the same pictures give the same files.
    Raises ValueError for a count under 1.
    """
    global _count, _streams
    if count < 1 or not 1 <= streams <= count:
        got = f"{count} for {streams} streams"
        raise ValueError(f"threads: expected at least 1, and one a stream, got {got}")
    _count, _streams = count, streams
    if "torch" in sys.modules:
        torch_threads()


def network_threads() -> int | None:
    """The threads that a network gets; None where nobody has chosen."""
    return _count


def network_streams() -> int:
    """How many passes share these threads. PyTorch has no such number: it leaves that to those
    who run it (`one_thread_here`)."""
    return _streams


def torch_threads() -> None:
    """Give torch what was chosen, if anything was. Whoever loads torch to run a network calls it:
    setting it earlier would take seconds of importing."""
    if _count is not None:
        import torch

        torch.set_num_threads(_count)


def one_thread_here() -> None:
    """Let torch compute on the calling thread alone, whatever others do. For threads that work
    side by side: each has a core of its own, and a pass rounds the same on every machine.

    The number is a thread's own (OpenMP keeps it), but torch also notes it for threads to come,
    so another thread, which ends at once, puts that note back.
    """
    torch = sys.modules.get("torch")
    if torch is None:  # nothing here computes with it
        return
    with _noting, ThreadPoolExecutor(1) as other:
        noted = other.submit(torch.get_num_threads).result()
        torch.get_num_threads()  # a thread takes over the note once, when it first asks
        torch.set_num_threads(1)
        other.submit(torch.set_num_threads, noted).result()
