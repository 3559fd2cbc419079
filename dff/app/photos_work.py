"""What the dashboard does to collections in the background."""

from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from dff.app import kept, naming, photos_store, shortlist
from dff.app.collections import own_folder, read_record, title_of
from dff.app.jobs import Job, jobs
from dff.app.photos_words import counted
from dff.app.views.compare import MORE
from dff.backbones import Backbone, load_backbone
from dff.descriptors import DEFAULT_DESCRIPTOR
from dff.images import safe_name
from dff.index.build import Progress, Report, build
from dff.index.edit import add, rewhiten
from dff.threads import use_all_cores

NAMED = 3  # changed files that a message names


def settings_of(k: int, *, compare: bool) -> dict[str, object]:
    """What collection.json keeps of how a collection is made."""
    return {"k": k, "compare": compare}


def start(name: str) -> Job:
    """Make a collection's index as its record says, or go on with it."""
    source = read_record(own_folder() / name).get("copy_of")
    return start_copy(name, Path(source)) if isinstance(source, str) else start_build(name)


def start_build(name: str) -> Job:
    """Build a collection's index from its photos."""
    record = read_record(own_folder() / name)
    k = record.get("k")
    further = MORE.split(",") if record.get("compare") is True else ()

    def work(job: Job) -> str:
        report = build(
            photos_store.photos_of(name),
            own_folder() / name / "index",
            _network(),
            k=k if type(k) is int else 4,
            descriptors=(DEFAULT_DESCRIPTOR, *further),
            progress=lambda progress: _tell(job, progress),
        )
        return _said(job, report, "found")

    return jobs().submit(f"Making “{title_of(name)}”", name, work)


def start_add(name: str, photos: Path, paths: list[str]) -> Job:
    """Add pictures to a collection's index."""

    def work(job: Job) -> str:
        use_all_cores()
        report = add(
            own_folder() / name / "index",
            photos,
            paths=paths or None,
            progress=lambda progress: _tell(job, progress),
        )
        return _said(job, report, "added")

    return jobs().submit(f"Adding to “{title_of(name)}”", name, work)


def start_copy(name: str, source: Path) -> Job:
    """Make a copy of an index the collection's own."""

    def work(job: Job) -> str:
        photos_store.copy_index(source, name, job.tell)
        for kind in (naming.KIND, shortlist.KIND):  # what the user has made of it
            document = kept.read(kind, source)
            if document is not None:
                kept.change(kind, own_folder() / name / "index", partial(_instead, document))
        return "Its photos stay where they are; what you change is yours."

    return jobs().submit(f"Copying to “{title_of(name)}”", name, work)


def start_rewhiten(name: str) -> Job:
    """Fit a collection's whitening again."""

    def work(job: Job) -> str:
        rewhiten(own_folder() / name / "index", job.tell)
        return "Scores are now fitted to the pictures that are in it."

    return jobs().submit(f"Fitting “{title_of(name)}” again", name, work)


@lru_cache(maxsize=1)
def _network() -> Backbone:
    use_all_cores()
    return load_backbone()


def _instead(document: Any, _: Any) -> Any:
    return document


def _tell(job: Job, progress: Progress) -> None:
    job.tell(progress.done, progress.total, progress.rate, progress.left)


def _said(job: Job, report: Report, what: str) -> str:
    job.details = report.unreadable
    refused = len(report.unreadable)
    left_out = f", {counted(refused, 'file')} left out" if refused else ""
    return f"{counted(report.count, 'picture').capitalize()} {what}{left_out}.{_changed(report)}"


def _changed(report: Report) -> str:
    """A sentence on files that changed during the build; empty without any."""
    if not report.changed:
        return ""
    names = ", ".join(safe_name(path) for path in report.changed[:NAMED])
    more = len(report.changed) - NAMED
    return f" Changed meanwhile, taken as they are now: {names}{f' and {more} more' * (more > 0)}."
