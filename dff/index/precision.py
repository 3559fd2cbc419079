"""Descriptors at half precision: half the memory and half the file, for collections that need it.

A component of a unit vector changes by at most 1/2048 of itself, a score by at most 0.0003, and mAP
on the sample photos by 0.01 or less (docs/performance.md). A search reads half as much and widens
it in the cache, which takes longer than what is saved.
"""

import shutil
from pathlib import Path

import numpy as np

from dff.index.format import EITHER, load_array, new_folder, settle

BLOCK = 8192  # rows that are converted at a time
_HALVED = ("vectors.npy", "regions.npy")


def halved(generation: Path) -> Path:
    """A generation's folder with its arrays as float16; the new folder beside it."""
    with new_folder(generation.parent) as folder:
        for path in sorted(generation.glob("*/*")):
            target = folder / path.relative_to(generation)
            target.parent.mkdir(exist_ok=True)
            if path.name in _HALVED:
                _halve(path, target)
            else:
                shutil.copyfile(path, target)
        return settle(folder)


def _halve(path: Path, target: Path) -> None:
    whole = load_array(path, EITHER, 2)
    with open(target, "wb") as file:
        head = {"descr": "<f2", "fortran_order": False, "shape": whole.shape}
        np.lib.format.write_array_header_1_0(file, head)
        for start in range(0, len(whole), BLOCK):
            file.write(whole[start : start + BLOCK].astype("<f2").tobytes())
