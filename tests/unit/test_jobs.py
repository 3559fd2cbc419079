"""Work in the background: one job after another, stopped where it may be."""

import os
import re
import sys
import threading
import time

import pytest

from dff.app.jobs import CANCELLED, DONE, FAILED, KEPT, QUEUED, RUNNING, Cancelled, Jobs
from dff.index.lock import locked

SOON = 20  # seconds


@pytest.fixture
def jobs():
    return Jobs()


class Gate:
    """Work that waits, to be looked at meanwhile."""

    def __init__(self):
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self, job):
        self.begun.set()
        assert self.go_on.wait(SOON)
        job.tell(3, 10, 2.0, 3.5)
        return "all done"


def test_jobs_run_one_after_another(jobs):
    first, second = Gate(), Gate()
    one, two = jobs.submit("One", "a", first), jobs.submit("Two", "b", second)
    assert first.begun.wait(SOON)
    assert (one.state, two.state) == (RUNNING, QUEUED) and not second.begun.is_set()
    assert jobs.of("a") is one and jobs.of("b") is two and jobs.of("c") is None
    first.go_on.set()
    assert second.begun.wait(SOON)
    second.go_on.set()
    assert jobs.wait(two, SOON)
    assert [(job.state, job.message) for job in jobs.all()] == [(DONE, "all done")] * 2
    assert (one.done, one.total, one.rate, one.left) == (3, 10, 2.0, 3.5)


def test_a_running_job_stops_where_it_next_tells(jobs):
    gate = Gate()
    job = jobs.submit("One", "a", gate)
    assert gate.begun.wait(SOON)
    jobs.cancel(job.id)
    assert job.state == RUNNING and job.active
    gate.go_on.set()
    assert jobs.wait(job, SOON) and (job.state, job.message, job.done) == (CANCELLED, "", 3)


def test_a_waiting_job_stops_at_once(jobs):
    first, second = Gate(), Gate()
    one, two = jobs.submit("One", "a", first), jobs.submit("Two", "b", second)
    jobs.cancel(two.id)
    assert two.state == CANCELLED and jobs.of("b") is None
    first.go_on.set()
    assert jobs.wait(one, SOON) and not second.begun.is_set()
    jobs.cancel(one.id)  # too late, and no matter
    jobs.cancel(99)
    assert one.state == DONE


def test_the_end_of_the_server_lets_a_job_keep_what_it_has(jobs):
    begun, kept = threading.Event(), []

    def work(job):
        begun.set()
        try:
            while True:
                job.tell(1, 2)
        finally:
            kept.append("what was done")

    running, waiting = jobs.submit("One", "a", work), jobs.submit("Two", "b", work)
    assert begun.wait(SOON)
    jobs.close(SOON)
    assert (running.state, waiting.state, kept) == (CANCELLED, CANCELLED, ["what was done"])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("no pictures there"), "no pictures there"),
        (OSError(28, "No space left", "/srv/secret"), "The disk is full."),
        (RuntimeError("secret"), "This work stopped on an error."),
    ],
)
def test_a_job_that_fails_does_not_end_the_thread(jobs, error, said, caplog):
    def fail(job):
        raise error

    job = jobs.submit("One", "a", fail)
    assert jobs.wait(job, SOON) and job.state == FAILED
    assert said in job.message and "secret" not in job.message
    if "Error " in job.message:  # what people are told finds the traceback in the log
        (id,) = re.findall(r"Error (\w{8}):", job.message)
        (record,) = [record for record in caplog.records if id in record.getMessage()]
        assert record.exc_info[1] is error
    after = jobs.submit("Two", "a", lambda job: "fine")
    assert jobs.wait(after, SOON) and after.state == DONE


def test_a_stuck_job_fails_and_the_next_one_runs(tmp_path):
    jobs, go_on, woke = Jobs(stuck=0.1), threading.Event(), []
    lock = tmp_path / ".lock"

    def stuck(job):
        with locked(lock):
            job.tell(3, 10)
            assert go_on.wait(SOON)
            try:
                job.tell(4, 10)
            except Cancelled:
                woke.append("told to stop")
                raise
            return "all done"

    def same_collection(job):
        with locked(lock):
            return "changed"

    first, second = jobs.submit("One", "a", stuck), jobs.submit("Two", "b", lambda job: "fine")
    assert jobs.wait(first, SOON) and first.state == FAILED
    assert first.message.startswith(
        "It showed no progress for 0.1 seconds, so it was given up; what was done is kept."
    )
    assert jobs.wait(second, SOON) and (second.state, second.message) == (DONE, "fine")
    # Its thread is still there, and so is the lock of what it writes to.
    third = jobs.submit("Three", "a", same_collection)
    assert (
        jobs.wait(third, SOON)
        and third.state == FAILED
        and "another build is writing" in third.message
    )
    workers = [thread for thread in threading.enumerate() if thread.name == "dff-job"]
    go_on.set()
    for worker in workers:
        worker.join(SOON)
    assert woke == ["told to stop"] and first.state == FAILED  # as all have been told
    fourth = jobs.submit("Four", "a", same_collection)
    assert jobs.wait(fourth, SOON) and (fourth.state, fourth.message) == (DONE, "changed")


def test_a_slow_job_is_not_taken_for_stuck():
    jobs = Jobs(stuck=0.6)

    def slow(job):
        for done in range(10):
            time.sleep(0.08)
            job.tell(done, 10)
        return "all done"

    job = jobs.submit("One", "a", slow)
    assert jobs.wait(job, SOON) and (job.state, job.done) == (DONE, 9)


@pytest.mark.skipif(sys.platform != "linux", reason="priorities belong to processes elsewhere")
def test_the_work_goes_last(jobs):
    found = []
    job = jobs.submit(
        "One",
        "a",
        lambda job: found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id())) or "",
    )
    assert jobs.wait(job, SOON)
    own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    assert found == [19] and own < 19


def test_one_job_a_collection(jobs):
    gate = Gate()
    job = jobs.submit("One", "a", gate)
    with pytest.raises(ValueError, match="has work under way"):
        jobs.submit("Two", "a", gate)
    gate.go_on.set()
    jobs.wait(job, SOON)


def test_what_has_ended_is_forgotten_when_closed_or_old(jobs):
    for number in range(KEPT + 5):
        job = jobs.submit("One", f"collection {number}", lambda job: "fine")
        assert jobs.wait(job, SOON)
    assert len(jobs.all()) == KEPT + 1 and jobs.all()[-1] is job
    again = jobs.submit("Two", job.collection, lambda job: "fine")
    assert jobs.wait(again, SOON) and job not in jobs.all()  # the news of before are old
    jobs.dismiss(again.id)
    assert again not in jobs.all()
    jobs.dismiss_of("collection 20")
    assert "collection 20" not in {job.collection for job in jobs.all()}
