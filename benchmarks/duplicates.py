"""Which cosine makes two pictures near-duplicates: the table of docs/method.md, *Near-duplicates*.

Copies of sample photos are made as people make them: smaller, compressed, cropped, brightened,
mirrored. Found: how many copies are that near to their original. Wrong: how many pairs of different
photos of the collection are.

    python benchmarks/duplicates.py [INDEX]
"""

import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from dff.cli.common import print_table
from dff.index import Index
from dff.threads import use_all_cores

SAMPLE = Path(__file__).parents[1] / "sample_index"
THRESHOLDS = (0.75, 0.8, 0.85, 0.9, 0.95)
EVERY = 5  # each fifth photo is copied


def smaller(image: Image.Image) -> Image.Image:
    return image.resize((max(32, image.width // 3), max(32, image.height // 3)))


def compressed(image: Image.Image) -> Image.Image:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=25)
    return Image.open(out)


def cropped(image: Image.Image, share: float = 0.9) -> Image.Image:
    w, h = round(image.width * share), round(image.height * share)
    return image.crop((image.width - w, 0, image.width, h))


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "a third": smaller,
    "JPEG 25": compressed,
    "90 %": cropped,
    "75 %": lambda image: cropped(image, 0.75),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.4),
    "mirrored": ImageOps.mirror,
}


def main(folder: str) -> None:
    use_all_cores()
    index = Index.open(folder)
    vectors = np.asarray(index.vectors())
    rows = range(0, len(index), EVERY)
    photos = [Image.fromarray(index.picture(row)) for row in rows]
    columns = {}
    for name, make in COPIES.items():
        described = [
            index.query(np.asarray(make(photo).convert("RGB"))).described.vector for photo in photos
        ]
        columns[name] = np.einsum("rd,rd->r", np.stack(described), vectors[list(rows)])
    apart = vectors @ vectors.T
    pairs = apart[np.triu_indices(len(apart), 1)]
    lines = [
        [
            f"{t:.2f}",
            *(f"{100 * (found >= t).mean():.0f} %" for found in columns.values()),
            str(int((pairs >= t).sum())),
        ]
        for t in THRESHOLDS
    ]
    print(f"{len(photos)} photos, {len(pairs)} pairs of different ones")
    print_table(["cosine", *columns, "wrong pairs"], lines)
    near = np.argsort(-np.triu(apart, 1), axis=None)[:8]
    for one, other in zip(*np.unravel_index(near, apart.shape), strict=True):
        names = index.pictures[one].id, index.pictures[other].id
        print(f"{apart[one, other]:.3f}  {names[0]} and {names[1]}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else str(SAMPLE))
