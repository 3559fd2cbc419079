"""Settings of the whole process, made once at its start: by the command line, the dashboard and
the benchmarks, never by the library."""

import os


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
    use_threads(os.cpu_count() or 1)


def use_threads(count: int) -> None:
    """Give torch so many threads. Imports torch.

    Sums are split among them, so another number gives other last bits: with the same number the
    same pictures give the same files.
    """
    import torch

    torch.set_num_threads(count)
