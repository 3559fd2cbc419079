"""Is an installation sound, and does a network here find what it should: facts and checks.

The landmark ranks are the check from end to end: an index of the sample photos of landmarks is
built with all defaults, and each photo that has a sibling asks for it, leave one out. What the
bundled network reaches is stored here, with the room that one close pair may need on another
machine. Networks whose weights could not be had where this was written have no reference: their
number is measured and told.
"""

import hashlib
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal

from dff.backbones.weights import Weights
from dff.cache import cache_folder
from dff.index.collection import find_pictures, read_facts
from dff.troubles import LOG, shortened
from dff.userdata import data_folder

if TYPE_CHECKING:
    from dff.backbones import Backbone
    from dff.index.build import Progress

# What an installed package is called where that is not its name here.
PACKAGES = {
    "openvino": "openvino",  # runs the bundled network
    "torch": "torch",
    "torchvision": "torchvision",
    "timm": "timm",
    "numpy": "numpy",
    "pillow": "pillow",
    "streamlit": "streamlit",
    "opencv": "opencv-python-headless",
}
SAMPLE_PHOTOS = Path(__file__).parents[1] / "assets" / "photos"
FOLDER = "landmarks"

Status = Literal["ok", "failed", "unknown"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at, how it was found, and a sentence on it.

    status: "unknown" is neither good nor bad: nothing to compare with, or not there to be checked.
    """

    name: str
    status: Status
    text: str


@dataclass(frozen=True)
class Ranks:
    """How landmarks found each other. mean_precision: mAP, and first: P@1, both in percent."""

    photos: int
    queries: int
    mean_precision: float
    first: float


@dataclass(frozen=True)
class Reference:
    """What a network and layer must reach: its weights' `Backbone.fingerprint`, and the lowest
    and highest mAP and P@1, in percent, that are no reason to worry."""

    fingerprint: str
    mean_precision: tuple[float, float]
    first: tuple[float, float]


# Measured: mAP 96.0, P@1 95.0 over 20 queries. A pair that swaps its ranks moves them by 2.5 and 5.
REFERENCES = {
    "efficientnet_lite0:block6+last": Reference("455f8aa787bad27b", (93.0, 99.0), (90.0, 100.0)),
}


def versions() -> dict[str, str]:
    """The versions of DFF, Python and what it runs on; "not installed" for what is missing."""
    from dff import __version__

    found = {"dff": __version__, "python": platform.python_version()}
    for name, distribution in PACKAGES.items():
        try:
            found[name] = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def memory() -> dict[str, int | None]:
    """Bytes of memory: total and available; None where the system does not say."""
    try:
        total: int | None = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        total = None
    available = None
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                available = 1024 * int(line.split()[1])
    except OSError:
        pass  # not Linux
    return {"total": total, "available": available}


def folders() -> dict[str, dict[str, Any]]:
    """Where DFF keeps things here, and how many bytes are free there (None if unknown)."""
    return {
        name: {"folder": shortened(folder), "free": _free(folder)}
        for name, folder in (("data", data_folder()), ("cache", cache_folder()))
    }


def _free(folder: Path) -> int | None:
    there = next((place for place in (folder, *folder.parents) if place.is_dir()), None)
    try:
        return None if there is None else shutil.disk_usage(there).free
    except OSError:
        return None


def errors() -> dict[str, Any]:
    """The log of unforeseen errors: where it is, how many it holds, and the ids of the last three.

    The dashboard's are in its server's own log.
    """
    path = data_folder() / LOG
    try:
        ids = re.findall(r"^--- error (\w+),", path.read_text("utf-8", "replace"), re.MULTILINE)
    except OSError:
        ids = []
    return {"log": shortened(path), "count": len(ids), "last": ids[-3:]}


def check_index(folder: Path) -> Check:
    """Whether an index opens and every file is as it was written.

    Raises IndexProblem where there is no index at all.
    """
    from dff.index.check import verify
    from dff.index.search import Index

    problems, shown = verify(folder), shortened(folder)
    if problems:
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        return Check("index", "failed", f"{shown}: {problems[0]}{more}")
    index = Index.open(folder)
    missing = sum(index.photo_path(row) is None for row in range(len(index)))
    photos = f", {missing} of their photos are not where it expects them" if missing else ""
    return Check("index", "ok", f"{shown}: {len(index)} pictures, every file as written{photos}")


def check_file(weights: Weights) -> Check:
    """Whether the weights' file is the one that was published, by its SHA-256."""
    name = "weights file"
    if weights.file is None or not weights.file.is_file():
        return Check(name, "unknown", "not fetched yet")
    if not weights.sha256:
        return Check(name, "unknown", f"{weights.file.name}: its publisher states no checksum")
    with open(weights.file, "rb") as file:  # some have half a gigabyte
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest.startswith(weights.sha256):
        return Check(name, "ok", f"{weights.file.name}: sha256 begins with {weights.sha256}")
    return Check(
        name,
        "failed",
        f"{shortened(weights.file)}: expected a sha256 that begins with {weights.sha256}, got "
        f"{digest[: len(weights.sha256)]}; delete the file, it will be fetched again",
    )


def check_prepared() -> Check:
    """Whether the bundled network lies in the cache as the engine reads it."""
    from dff.backbones.prepared import is_prepared

    name, place = "prepared network", shortened(cache_folder() / "networks")
    if is_prepared():
        return Check(name, "ok", f"in {place}")
    return Check(name, "unknown", f"not in {place} yet: the first use makes it, in some seconds")


def check_fingerprint(backbone: "Backbone") -> Check:
    """Whether the loaded weights are, value for value, those that were used here."""
    name, got = "weights values", backbone.fingerprint
    reference = _reference(backbone)
    if reference is None:
        return Check(
            name, "unknown", f"fingerprint {got}; no reference: these weights were not run here"
        )
    if got == reference.fingerprint:
        return Check(name, "ok", f"fingerprint {got}, as it was here")
    return Check(name, "failed", f"expected fingerprint {reference.fingerprint}, got {got}")


def check_engine(backbone: "Backbone") -> Check:
    """What runs the network. PyTorch is as good and slower: the log says why it had to."""
    return Check("engine", "ok", backbone.engine)


def check_ranks(backbone: "Backbone", ranks: Ranks) -> Check:
    """Whether landmarks find each other as well as they did here."""
    name = "landmark ranks"
    text = (
        f"mAP {ranks.mean_precision:.1f}, P@1 {ranks.first:.1f} "
        f"({ranks.queries} queries among {ranks.photos} photos)"
    )
    reference = _reference(backbone)
    if reference is None:
        return Check(name, "unknown", f"{text}; no reference: these weights were not run here")
    (low, high), (least, most) = reference.mean_precision, reference.first
    fine = low <= ranks.mean_precision <= high and least <= ranks.first <= most
    expected = f"expected mAP {low:g} to {high:g}, P@1 {least:g} to {most:g}"
    return Check(name, "ok" if fine else "failed", f"{text}; {expected}")


def landmark_names(photos: Path = SAMPLE_PHOTOS) -> dict[str, str]:
    """The landmark of each photo of FOLDER: {file name: column `instance` of photos.csv}.

    Raises ValueError where a photo and its line do not both exist: the ranks of fewer would not
    compare.
    """
    lines = read_facts(photos)
    named = {
        path.removeprefix(f"{FOLDER}/"): facts.get("instance", "")
        for path, facts in lines.items()
        if path.startswith(f"{FOLDER}/")
    }
    there = set(find_pictures(photos / FOLDER))
    if not there or there != set(named):
        differing = sorted(there ^ set(named))
        raise ValueError(
            f"{photos}: expected the photos of {FOLDER} and their lines in photos.csv, got "
            f"{len(there)} and {len(named)}, differing in {', '.join(differing[:3]) or 'none'}"
        )
    return named


def measure_ranks(
    backbone: "Backbone",
    photos: Path = SAMPLE_PHOTOS,
    *,
    size: int | None = None,
    progress: "Callable[[Progress], None] | None" = None,
) -> Ranks:
    """Index the landmark photos with all defaults and let each one with a sibling ask for it.

    Leave one out, finite-sum average precision. The index goes to a temporary folder, so that the
    network runs on every photo. size: its input's longest side in pixels, by default the
    backbone's own. progress: called after each photo.
    Raises ValueError as `landmark_names` does.
    """
    from dff.evaluation.protocols import (
        Relevance,
        average_precision,
        precision_at,
        rank,
        relevant_ranks,
    )
    from dff.index.build import build
    from dff.index.search import Index

    named = landmark_names(photos)
    precisions, firsts = [], []
    with tempfile.TemporaryDirectory() as folder:
        build(photos / FOLDER, folder, backbone, size=size, progress=progress)
        index = Index.open(folder)
        landmarks = [named[picture.path] for picture in index.pictures]
        for row, landmark in enumerate(landmarks):
            kin = [other for other, name in enumerate(landmarks) if name == landmark != ""]
            positives = [other for other in kin if other != row]
            if not positives:
                continue
            scores = index.row_scores(index.indexed_query(index.pictures[row].id)).sum(axis=1)
            ranks = relevant_ranks(rank(scores), Relevance.of(positives, [row]))
            precisions.append(average_precision(ranks, len(positives)))
            firsts.append(precision_at(1, ranks, len(positives)))
        del index  # some systems cannot delete files that are mapped
    return Ranks(len(named), len(precisions), 100 * fmean(precisions), 100 * fmean(firsts))


def _reference(backbone: "Backbone") -> Reference | None:
    return REFERENCES.get(f"{backbone.name}:{backbone.layer}")


def document(
    network: str,
    weights: Weights,
    checks: Sequence[Check],
    *,
    threads: int | None,
    ranks: Ranks | None = None,
) -> dict[str, Any]:
    """Everything as JSON values, to be shown to others: the user's own folder is "~"."""
    file = weights.file
    return {
        "versions": versions(),
        "machine": {
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "threads": threads,
            "memory": memory(),
        },
        "weights": {
            "backbone": network,
            "origin": weights.origin,
            "licence": weights.licence,
            "file": None if file is None else shortened(file),
            "bytes": file.stat().st_size if file is not None and file.is_file() else None,
        },
        "folders": folders(),
        "errors": errors(),
        "checks": [vars(check) for check in checks],
        "ranks": None if ranks is None else vars(ranks),
        "healthy": all(check.status != "failed" for check in checks),
    }
