"""A folder with one sub-folder a label: every picture is a query, leave one out."""

from pathlib import Path

from dff.evaluation.datasets.base import (
    Dataset,
    DatasetProblem,
    Sample,
    absolute,
    asks_by_label,
    assemble,
    examples,
    pictures_in,
)


def read_folder(folder: Path) -> Dataset:
    """The dataset of a folder. The label is the sub-folder directly in it, however deep below
    that the picture lies. Finite-sum average precision.

    Raises DatasetProblem for pictures outside of sub-folders, and for fewer than two labels.
    """
    names = pictures_in(folder)
    outside = [name for name in names if "/" not in name]
    if outside:
        raise DatasetProblem(
            f"{folder}: expected every picture in a sub-folder named after its label, "
            f"found outside {examples(outside)}"
        )
    images = []
    for name in names:
        label = name.split("/")[0]
        images.append(Sample(absolute(folder, name), name, frozenset([label]), label))
    labels = sorted({image.label for image in images})
    if len(labels) < 2:
        raise DatasetProblem(
            f"{folder}: expected at least two sub-folders with pictures, one a label, "
            f"found only {examples(labels)}"
        )
    everything = range(len(images))
    asks = asks_by_label(images, everything, everything)
    return assemble(folder.resolve().name, "finite", images, asks, everything)
