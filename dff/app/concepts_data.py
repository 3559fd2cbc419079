"""From a set of pictures to what the concepts view shows: plain JSON values, no Streamlit."""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from dff.app.scene import heat_facts, palette_facts
from dff.concepts import Found, best_regions, common_parts, concept_scores, energy_of, guesses
from dff.export.page import data_uri
from dff.factorization import match_parts
from dff.geometry import Box
from dff.index import Index
from dff.localization import joint_from_activations
from dff.names import Name, short_name
from dff.parts import Parts

MOST = 24  # pictures of a set
CROPS = 8  # places shown of each concept
CROP_SIDE = 120  # pixels: a card's width on a dense screen
MARGIN = 0.08  # around a box, so that it is not cut at its edge
GUESS = 0.05  # under this the classifier's word says nothing
NOTE = (
    "The bar is the part's share of the set's energy. Below it: where the part is clearest in the "
    "whole collection, and the cosine that found it. Names are the classifier's guess until you "
    "give your own."
)


@dataclass(frozen=True, eq=False)
class Common:
    """The shared parts of a set: rows of the index, the parts in each picture, and what the
    network's classifier says of each part."""

    rows: tuple[int, ...]
    pictures: list[Parts]
    names: list[Name]

    @property
    def basis(self) -> np.ndarray:
        """(k, channels), unit rows."""
        return self.pictures[0].basis


def common_from_stored(index: Index, rows: Sequence[int], k: int) -> Common:
    """From the stored factors of pictures (rows of the index): no network pass."""
    pictures = common_parts([index.detail(row) for row in rows], k, seed=index.settings.seed)
    return Common(tuple(rows), pictures, guesses(index, rows, pictures))


def common_exactly(index: Index, stored: Common, activations: Sequence[np.ndarray]) -> Common:
    """True joint factorization of the same set, its parts in the order of the stored ones'.

    activations: (channels, rows, columns), one a picture.
    """
    settings = index.settings
    found = joint_from_activations(
        activations,
        [(index.pictures[row].width, index.pictures[row].height) for row in stored.rows],
        len(stored.basis),
        stride=settings.stride,
        size=settings.size,
        blocks=settings.blocks,
        seed=settings.seed,
    )
    order = np.argsort(match_parts(stored.basis, found[0].basis), kind="stable")
    basis = found[0].basis[order]
    pictures = [parts.with_heatmaps(parts.heatmaps[order], basis) for parts in found]
    return Common(stored.rows, pictures, guesses(index, stored.rows, pictures))


def places_of(index: Index, common: Common) -> list[list[Found]]:
    """Where each concept is clearest in the whole index."""
    return best_regions(index, common.pictures, concept_scores(index, common.basis), CROPS)


def concept_facts(
    index: Index,
    common: Common,
    places: Sequence[Sequence[Found]],
    colours: Sequence[int],
    own: Mapping[int, tuple[str, float | None]],
) -> list[dict[str, Any]]:
    """The cards, all but their crops' pictures. own: the user's names by part."""
    return [
        {
            **record,
            "places": [(found.row, round(found.score, 3), found.box) for found in places[j]],
        }
        for j, record in enumerate(part_records(common, colours, own))
    ]


def part_records(
    common: Common,
    colours: Sequence[int],
    own: Mapping[int, tuple[str, float | None]] | None = None,
) -> list[dict[str, Any]]:
    """Number, colour, name and energy of each shared part. own: the user's names by part."""
    energy, given = energy_of(common.pictures), own or {}
    facts = []
    for j, dead in enumerate(common.pictures[0].dead):
        guess = short_name(common.names[j])
        name, confidence = guess if guess is not None and guess[1] >= GUESS else ("", None)
        if j in given:
            name, confidence = given[j]
        facts.append(
            {
                "number": j + 1,
                "colour": int(colours[j]),
                "name": name,
                "confidence": None if confidence is None else round(confidence, 2),
                "renamed": j in given,
                "energy": round(float(energy[j]), 4),
                "dead": bool(dead),
            }
        )
    return facts


def pooled(common: Common) -> np.ndarray:
    """The heatmaps of all pictures of a set in one: (k, 1, positions of all)."""
    k = len(common.basis)
    return np.concatenate([parts.heatmaps.reshape(k, -1) for parts in common.pictures], axis=1)[
        :, None
    ]


def crop_facts(index: Index, row: int, score: float, box: Box) -> dict[str, Any]:
    """One place of a concept, cropped from the thumbnail."""
    picture = index.pictures[row]
    with Image.open(io.BytesIO(index.thumbnail(row))) as thumb:
        width, height = thumb.size
        square = square_around(box, (picture.width, picture.height))
        scale = width / picture.width, height / picture.height
        x0, y0, x1, y1 = (v * scale[i % 2] for i, v in enumerate(square))
        small = thumb.convert("RGB").resize(
            (CROP_SIDE, CROP_SIDE), Image.Resampling.BICUBIC, (x0, y0, x1, y1)
        )
    out = io.BytesIO()
    small.save(out, "JPEG", quality=80)
    image = data_uri(out.getvalue())
    return {"row": row, "title": picture.title, "score": score, "image": image}


def square_around(box: Box, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """A square with a box in its middle and a margin, moved into the picture of `size` (width,
    height), and cut down to it where it is larger."""
    width, height = size
    side = max(box[2] - box[0], box[3] - box[1]) * (1 + 2 * MARGIN)
    side = min(side, width, height)
    x = min(max((box[0] + box[2] - side) / 2, 0), width - side)
    y = min(max((box[1] + box[3] - side) / 2, 0), height - side)
    return x, y, x + side, y + side


def picture_facts(index: Index, row: int, parts: Parts) -> dict[str, Any]:
    """One picture of the set."""
    picture = index.pictures[row]
    width, height = picture.thumbnail[:2]
    return {
        "row": row,
        "id": picture.id,
        "title": picture.title,
        "image": data_uri(index.thumbnail(row)),
        "width": picture.width,
        "height": picture.height,
        "shown": {"width": width, "height": height},
        "joint": heat_facts(parts),
    }


def view_facts(
    index: Index, rows: Sequence[int], pictures: list[Any], concepts: list[Any], version: str
) -> dict[str, Any]:
    """All that the component gets."""
    shapes = [
        math.log(index.pictures[row].width / max(1, index.pictures[row].height)) for row in rows
    ]
    count = len(rows)
    return {
        "version": version,
        "pictures": pictures,
        "parts": concepts,
        "palette": palette_facts(),
        "count": f"{count} picture" if count == 1 else f"{count} pictures",
        # One shape for all frames, near the pictures' own.
        "frame": min(1.4, max(0.85, math.exp(sum(shapes) / count))),
        "note": NOTE,
        "options": {},
    }
