"""Long work in the background: one job after another, each in a thread of its own.

The threads run with the lowest priority, so that other sessions' queries go first: on two cores a
page with a new box, which needs the network, took 2.6 s, and 2.7 s during a build. A job is
stopped between two pictures, or two files; what it had done is kept by the work itself, and doing
it again goes on from there.

A job that shows no progress for ten minutes is taken for stuck, as on a network drive that no
longer answers. Python cannot end its thread: the job is called failed, its thread is left to
itself, and the next job begins in another one. Should the thread wake after all, it is stopped
where it next tells how far it is. Until then it holds the lock of the index it writes to, so that
nothing else changes that; a server that is started again is free of it.
"""

import atexit
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import streamlit as st

from dff.app.errors import logged
from dff.troubles import UNFORESEEN_WORK

log = logging.getLogger(__name__)

QUEUED, RUNNING, DONE, CANCELLED, FAILED = "queued", "running", "done", "cancelled", "failed"
KEPT = 20  # finished jobs that are remembered
NICE = 19
LAST = 10.0  # seconds a job has to stop when the server ends
STUCK = 600.0  # seconds without progress; loading a network or fitting a whitening tells nothing


class Cancelled(Exception):
    """Raised within a job that has been told to stop."""


@dataclass(eq=False)
class Job:
    """One piece of work, as all sessions see it.

    title: what it is, for people. collection: the name of the one it changes. work: what is done;
    it returns a sentence about what came of it. state: one of the five above. done, total:
    pictures, or whatever is counted; total is 0 until it is known. rate: pictures a second; left:
    seconds, None if unknown. told: when it last showed that it goes on, in seconds of
    `time.monotonic`. message: what came of it, or went wrong. details: files that were
    left out, with the reason.
    """

    id: int
    title: str
    collection: str
    work: Callable[["Job"], str]
    state: str = QUEUED
    done: int = 0
    total: int = 0
    rate: float = 0.0
    left: float | None = None
    told: float = 0.0
    message: str = ""
    details: list[tuple[str, str]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in (QUEUED, RUNNING)

    def tell(self, done: int, total: int, rate: float = 0.0, left: float | None = None) -> None:
        """How far it is. Raises Cancelled where it has been told to stop."""
        self.done, self.total, self.rate, self.left = done, total, rate, left
        self.check()

    def check(self) -> None:
        """Say that it goes on. Raises Cancelled where the job has been told to stop."""
        self.told = time.monotonic()
        if self.stop.is_set():
            raise Cancelled


class Jobs:
    """The queue, and the thread that begins one job after another and ends with the server.

    stuck: seconds without progress after which a job is given up.
    """

    def __init__(self, stuck: float = STUCK) -> None:
        self._stuck = stuck
        self._all: dict[int, Job] = {}
        self._waiting: deque[Job] = deque()
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None
        self._count = 0

    def submit(self, title: str, collection: str, work: Callable[[Job], str]) -> Job:
        """Have `work` done; it returns a sentence about what came of it.

        Raises ValueError where the collection has work under way.
        """
        with self._change:
            if any(job.active and job.collection == collection for job in self._all.values()):
                raise ValueError("This collection has work under way: wait for it or stop it.")
            self._forget(lambda other: other.collection == collection)
            self._count += 1
            job = self._all[self._count] = Job(self._count, title, collection, work)
            self._waiting.append(job)
            finished = [other.id for other in self._all.values() if not other.active]
            for id in finished[:-KEPT]:
                del self._all[id]
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="dff-jobs", daemon=True)
                self._thread.start()
            self._change.notify_all()
        return job

    def all(self) -> list[Job]:
        """All jobs that are remembered, the first one first."""
        with self._change:
            return list(self._all.values())

    def of(self, collection: str) -> Job | None:
        """The job that waits or runs for a collection."""
        return next((j for j in self.all() if j.active and j.collection == collection), None)

    def cancel(self, id: int) -> None:
        """Stop a job, at once if it waits, else soon; nothing for one that has ended."""
        with self._change:
            job = self._all.get(id)
            if job is None or not job.active:
                return
            job.stop.set()
            if job.state == QUEUED:
                self._waiting.remove(job)
                self._end(job, CANCELLED, "")

    def again(self, id: int) -> None:
        """Do a job that has ended once more: it goes on from what it had done.

        Raises ValueError as `submit` does.
        """
        job = next((job for job in self.all() if job.id == id and not job.active), None)
        if job is not None:
            self.submit(job.title, job.collection, job.work)

    def dismiss(self, id: int) -> None:
        """Forget a job that has ended."""
        with self._change:
            self._forget(lambda job: job.id == id)

    def dismiss_of(self, collection: str) -> None:
        """Forget a collection's jobs that have ended."""
        with self._change:
            self._forget(lambda job: job.collection == collection)

    def _forget(self, which: Callable[[Job], bool]) -> None:
        self._all = {j.id: j for j in self._all.values() if j.active or not which(j)}

    def wait(self, job: Job, seconds: float) -> bool:
        """Wait until a job has ended; whether it has."""
        with self._change:
            return self._change.wait_for(lambda: not job.active, seconds)

    def close(self, seconds: float = LAST) -> None:
        """Stop all jobs, and give the one that runs some seconds to keep what it has done."""
        for job in self.all():
            self.cancel(job.id)
        for job in self.all():
            self.wait(job, seconds)

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: bool(self._waiting))
                job = self._waiting.popleft()
                job.state, job.told = RUNNING, time.monotonic()
            threading.Thread(target=self._work, args=(job,), name="dff-job", daemon=True).start()
            with self._change:
                while job.active:
                    left = job.told + self._stuck - time.monotonic()
                    if left <= 0:
                        self._give_up(job)
                    else:
                        self._change.wait(left)

    def _work(self, job: Job) -> None:
        _go_last()
        state, message = FAILED, ""
        try:
            message = job.work(job)
            state = DONE
        except Cancelled:
            state = CANCELLED
        except ValueError as error:  # what the package raises, with what to do
            message = str(error)
            log.warning("%s: %s", job.title, error)
        except Exception as error:
            message = logged(error, job.title, UNFORESEEN_WORK)
        with self._change:
            if job.active:  # else it was given up, and all have been told so
                self._end(job, state, message)
            else:
                log.warning("%s: woke after it was given up, and ended: %s", job.title, state)

    def _give_up(self, job: Job) -> None:
        job.stop.set()
        log.error(
            "%s: no progress for %.0f s at %d of %d", job.title, self._stuck, job.done, job.total
        )
        self._end(
            job,
            FAILED,
            f"It showed no progress for {_span(self._stuck)}, so it was given up; what was done is "
            "kept. See whether the folder of its photos can be reached, then do it again. If it "
            "says that another build is writing, start the dashboard anew.",
        )

    def _end(self, job: Job, state: str, message: str) -> None:
        job.state, job.message = state, message
        self._change.notify_all()


def _span(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:g} seconds"


def _go_last() -> None:
    """Give this thread, and those that torch makes for it, the lowest priority (on Linux, where
    priorities belong to threads)."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


@st.cache_resource(show_spinner=False)
def jobs() -> Jobs:
    """The server's jobs."""
    made = Jobs()
    atexit.register(made.close)
    return made
