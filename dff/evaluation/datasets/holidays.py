"""INRIA Holidays (Jégou et al., ECCV 2008).

Pictures are called 100000.jpg to 149902.jpg, somewhere in or below one folder. The number without
its last two digits is the scene; 00 at the end makes it the scene's query. All others are what it
should find, and it does not find itself. Finite-sum average precision.
"""

import re
from pathlib import Path

from dff.evaluation.datasets.base import (
    Dataset,
    DatasetProblem,
    Sample,
    asks_by_label,
    assemble,
    examples,
    pictures_by_stem,
)

NAME = re.compile(r"1[0-4]\d{4}")


def read_holidays(folder: Path) -> Dataset:
    """The dataset in or below a folder; a picture's label is its scene, "1000" for 100000.jpg.

    Raises DatasetProblem for pictures with other names. Some copies were turned upright by hand
    and some were not: a report should say which.
    """
    pictures = pictures_by_stem(folder)
    strange = [name for name in pictures if not NAME.fullmatch(name)]
    if strange:
        raise DatasetProblem(
            f"{folder}: expected names of INRIA Holidays such as 100000.jpg, "
            f"got {examples(strange)}"
        )
    images = [
        Sample(path, name, frozenset([name[:4]]), name[:4]) for name, path in pictures.items()
    ]
    queries = [row for row, image in enumerate(images) if image.name.endswith("00")]
    everything = range(len(images))
    asks = asks_by_label(images, queries, everything)
    return assemble("holidays", "finite", images, asks, everything)
