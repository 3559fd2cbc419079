"""Co-segmentation masks: where the parts that pictures share are, as files.

One PNG a picture and part, at the picture's own size, white inside, and a table that says which is
which. A mask is what is over 40 % of the part's own maximum in that picture, in all its pieces;
parts may overlap. A part that stays under a quarter of its maximum over the set is not in a
picture, and has no file.
"""

import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from dff.export.records import csv_table, csv_text
from dff.images import resize
from dff.localization import FLOOR, JOINT_THRESHOLD
from dff.parts import Parts
from dff.refine import refine_mask

# Longest side at which edges are followed: GrabCut takes 0.1 s there, and 16 times that at 2048.
EDGES_SIDE = 512
LEGEND = "masks.csv"
FIELDS = ("file", "picture", "title", "part", "name", "colour", "share_of_picture")


@dataclass(frozen=True, eq=False)
class Masked:
    """The masks of one picture: {part, from 0: (height, width) bool at the picture's own size}."""

    id: str
    title: str
    masks: dict[int, np.ndarray]


def floors_of(pictures: Sequence[Parts]) -> np.ndarray:
    """The heat under which a part is not in a picture, (k,): a quarter of its most in the set."""
    tops = np.stack([parts.heatmaps.max(axis=(1, 2)) for parts in pictures])
    return FLOOR * np.asarray(tops.max(axis=0))


def masks_of(
    parts: Parts, floors: np.ndarray, picture: np.ndarray | None = None
) -> dict[int, np.ndarray]:
    """{part, from 0: (height, width) bool} for the parts that are in a picture.

    parts: the shared parts in it. floors: from `floors_of`. picture: (height, width, 3) uint8, to
    follow its edges (`dff.refine`); without it the masks have the heatmap's soft outline.
    """
    longest = max(parts.width, parts.height)
    found = {}
    for j, heatmap in enumerate(parts.heatmaps):
        if heatmap.max() <= 0 or heatmap.max() < floors[j]:
            continue
        if picture is None:
            heat = parts.on_picture(heatmap, longest)
            mask = heat >= JOINT_THRESHOLD * heat.max()
        else:
            heat = np.maximum(0, parts.on_picture(heatmap, min(longest, EDGES_SIDE)))
            small = refine_mask(resize(picture, heat.shape[1], heat.shape[0]), heat)
            mask = _enlarged(small, parts.width, parts.height)
        if mask.any():
            found[j] = mask
    return found


def masks_zip(
    pictures: Iterable[Masked], names: Sequence[str], colours: Sequence[str]
) -> Iterator[bytes]:
    """Write the masks of pictures as one ZIP file. Yields b"" after each picture, so that the
    caller can show progress or stop, and the file at last.

    names, colours ("#rrggbb"): one a part.
    """
    file = io.BytesIO()
    legend: list[tuple[object, ...]] = []
    with zipfile.ZipFile(file, "w") as archive:
        for one in pictures:
            for j, mask in one.masks.items():
                name = f"{one.id}-part{j + 1}.png"
                archive.writestr(name, _png(mask))  # stored: a PNG is compressed already
                share = f"{mask.mean():.4f}"
                facts = (csv_text(one.title), j + 1, csv_text(names[j]), colours[j], share)
                legend.append((name, one.id, *facts))
            yield b""
        archive.writestr(LEGEND, csv_table(FIELDS, legend), zipfile.ZIP_DEFLATED)
    yield file.getvalue()


def _png(mask: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).convert("1").save(out, "PNG")
    return out.getvalue()


def _enlarged(mask: np.ndarray, width: int, height: int) -> np.ndarray:
    """A mask at another size, its outline smooth instead of in steps."""
    import cv2

    level = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    large: np.ndarray = level >= 0.5
    return large
