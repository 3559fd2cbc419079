"""How many threads compute. `prepare` and `use_all_cores` are settings of the whole process, made
once at its start: by the command line, the dashboard and the benchmarks, never by the library."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

_noting = threading.Lock()  # of torch's number of threads, in `one_thread_here`


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


def use_all_cores() -> None:
    """Give torch as many threads as there are cores. Imports torch."""
    import torch

    torch.set_num_threads(os.cpu_count() or 1)


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
