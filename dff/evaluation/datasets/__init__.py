"""Datasets in their official layouts, one file a format; `open_dataset` tells them apart."""

from pathlib import Path

from dff.evaluation.datasets.base import Ask, Dataset, DatasetProblem, Sample, pictures_in
from dff.evaluation.datasets.folder import read_folder
from dff.evaluation.datasets.holidays import NAME, read_holidays
from dff.evaluation.datasets.manifest import read_manifest
from dff.evaluation.datasets.oxford import query_files, read_oxford
from dff.evaluation.datasets.revisited import read_revisited

__all__ = ["Ask", "Dataset", "DatasetProblem", "Sample", "open_dataset"]

_EXPECTED = (
    "a manifest (.jsonl), revisited ground truth (.json), or a folder with manifest.jsonl, "
    "gnd_*.json, Oxford's or Paris's *_query.txt, pictures of Holidays (100000.jpg), or one "
    "sub-folder a label"
)


def open_dataset(path: Path) -> Dataset:
    """The dataset that a file or folder holds, recognised by its layout.

    In a folder the first of these decides: manifest.jsonl, *_query.txt in it or below it (old
    Oxford and Paris, also if revisited ground truth lies beside them: name its file to have
    that), gnd_*.json in it (revisited), names of Holidays for most pictures, sub-folders.
    Raises DatasetProblem, a ValueError, for anything else and for a dataset that is incomplete.
    """
    if path.is_file():
        return _open_file(path)
    if not path.is_dir():
        raise DatasetProblem(f"{path}: expected {_EXPECTED}, found nothing there")
    manifest = path / "manifest.jsonl"
    if manifest.is_file():
        return read_manifest(manifest)
    if query_files(path):
        return read_oxford(path)
    truths = sorted(path.glob("gnd_*.json")) or sorted(path.glob("gnd_*.pkl"))
    if len(truths) > 1:
        raise DatasetProblem(
            f"{path}: expected one ground truth, found {', '.join(t.name for t in truths)}: "
            "name the file"
        )
    if truths:
        return _open_file(truths[0])
    names = pictures_in(path)
    if 2 * sum(bool(NAME.fullmatch(Path(name).stem)) for name in names) > len(names):
        return read_holidays(path)
    if any("/" in name for name in names):
        return read_folder(path)
    raise DatasetProblem(
        f"{path}: expected {_EXPECTED}, found {len(names)} pictures such as '{names[0]}' without "
        "any ground truth"
    )


def _open_file(path: Path) -> Dataset:
    if path.suffix == ".jsonl":
        return read_manifest(path)
    if path.suffix == ".json":
        return read_revisited(path)
    if path.suffix == ".pkl":
        raise DatasetProblem(
            f"{path}: expected it as JSON; convert it once with "
            f"python -m dff.evaluation.datasets.convert_revisited {path}"
        )
    raise DatasetProblem(f"{path}: expected {_EXPECTED}, got a file of another kind")
