"""Several pictures at once, their results in order: the machine of a build.

Every worker makes all of one picture, from its file to its record, on one core. NumPy, Pillow,
OpenCV and the network leave Python's lock while they compute, so two workers fill two cores. That
beats one network pass on all cores with the rest beside it: a pass shared out to two threads takes
a third more of their time (docs/performance.md).
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, Self, TypeVar

from dff.threads import network_threads, one_thread_here

# At most, where the process was not told to use fewer threads. Each holds a picture in memory; more
# than eight were not measured.
WORKERS = min(8, os.cpu_count() or 1)
AHEAD = WORKERS  # results that may wait while the caller is busy, such as with writing a shard

Item = TypeVar("Item")
Result = TypeVar("Result")


class Ahead(Generic[Item, Result]):
    """The results of `work` for each item, with their items and in their order.

    At most WORKERS + AHEAD items are begun and not yet asked for, so memory does not grow with
    their number. What `work` raises is raised where its result is asked for. Leaving the block
    waits for what is being worked on, and begins nothing more.
    """

    def __init__(self, work: Callable[[Item], Result], items: Iterable[Item]) -> None:
        self._work = work
        self._items = iter(items)
        self._workers = min(WORKERS, network_threads() or WORKERS)
        self._pool = ThreadPoolExecutor(self._workers, "dff-build", initializer=one_thread_here)
        self._begun: deque[tuple[Item, Future[Result]]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def __iter__(self) -> Iterator[tuple[Item, Result]]:
        return self

    def __next__(self) -> tuple[Item, Result]:
        while len(self._begun) < self._workers + AHEAD:
            try:
                item = next(self._items)
            except StopIteration:
                break
            self._begun.append((item, self._pool.submit(self._work, item)))
        if not self._begun:
            raise StopIteration
        item, future = self._begun[0]
        result = future.result()
        self._begun.popleft()  # only now: Ctrl-C while waiting loses nothing
        return item, result

    def rest(self) -> Iterator[tuple[Item, Result]]:
        """Stop, and give what is done already, or nearly, up to the first item that is not."""
        self._pool.shutdown(cancel_futures=True)
        for item, future in self._begun:
            try:
                result = future.result()
            except (Exception, CancelledError, KeyboardInterrupt):
                return
            yield item, result
