"""From an index and a query to what the stage shows: plain JSON values, no Streamlit.

The browser gets the contribution rows of every picture, so it can rank them for any weights at
once, and the cards of those pictures that may come to the front when one or several parts are
switched off. Everything else it asks for comes with the next run.
"""

import base64
import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dff.factorization import match_parts
from dff.geometry import Box
from dff.images import crop, read_image, thumbnail
from dff.index import Index, Query
from dff.localization import (
    JOINT_THRESHOLD,
    THRESHOLD,
    expressed_in,
    joint,
    joint_from_stored,
    locate_parts,
    region_of_interest,
)
from dff.marks import MAX_COLOURS, colour_of
from dff.names import short_name
from dff.parts import Parts

JOINT = 12  # the results that shape the joint parts, with the query
MOST_CARDS = 48
LARGE_SIDE = 800  # of the query's picture
MATCH_SIDE = 64  # of the pictures on which parts are compared by their places
FEW = 6  # cards kept ready for each setting of the switches: the first page of results
BROWSER_LIMIT = 20_000  # pictures up to which the browser ranks; above, the server does


@dataclass(frozen=True, eq=False)
class Joint:
    """The parts that a query and its results have in common: what is drawn by default.

    basis: (k, channels), row j grown out of the query's part j. query: the query's own picture in
    these parts. exact: parts of pictures (by row) from a true joint factorization; empty until
    somebody asks for it.
    """

    basis: np.ndarray
    query: Parts
    exact: dict[int, Parts]

    def of(self, index: Index, row: int) -> Parts:
        """A picture of the index in the joint parts."""
        return self.exact.get(row) or expressed_in(index.detail(row), self.basis)


def joint_parts(index: Index, query: Query, rows: Sequence[int]) -> Joint:
    """Joint parts from the stored factors: no network pass."""
    found = joint_from_stored(query.parts, [index.detail(row) for row in rows])
    return Joint(found[0].basis, found[0], {})


def exact_joint_parts(
    index: Index, query: Query, picture: np.ndarray, rows: Sequence[int]
) -> Joint:
    """True joint factorization of the query (of its box, if it has one) and the photos of `rows`.

    Slow. Its parts are put in the order of the query's own, by where they lie in the query: what
    looks alike may lie elsewhere, and a number that moves to another thing would mislead.
    """
    shown = picture if query.box is None else crop(picture, query.box)
    pictures = [shown, *(index.picture(row) for row in rows)]
    settings = index.settings
    found = joint(pictures, query.parts.k, index.backbone(), size=settings.size, seed=settings.seed)
    own = replace(found[0], width=query.parts.width, height=query.parts.height, box=query.box)
    match = match_parts(_places(query.parts), _places(own))
    order = np.argsort(match, kind="stable")
    basis = own.basis[order]
    own, *ordered = (
        parts.with_heatmaps(parts.heatmaps[order], basis) for parts in (own, *found[1:])
    )
    return Joint(basis, own, dict(zip(rows, ordered, strict=True)))


def _places(parts: Parts) -> np.ndarray:
    """Where each part is, whatever the grid: (k, pixels) float32."""
    return np.stack([parts.on_picture(heat, MATCH_SIDE).ravel() for heat in parts.heatmaps])


def candidates(
    rows: np.ndarray, weights: np.ndarray, top: int, excluded: frozenset[int]
) -> list[int]:
    """Pictures whose cards are sent: the first `top` now, then those of other switch settings.

    rows: (n, k) contribution rows. Up to five parts every combination is looked at, above that
    each part alone switched off.
    """
    k = rows.shape[1]
    settings = [weights, np.ones(k, np.float32)]
    if k <= 5:
        settings += [np.array(s, np.float32) for s in itertools.product((1, 0), repeat=k) if any(s)]
    else:
        settings += list(1 - np.eye(k, dtype=np.float32))
    found: dict[int, None] = {}
    for number, setting in enumerate(settings):
        for row in best(rows @ setting, top if number == 0 else min(top, FEW), excluded):
            if len(found) < max(top, MOST_CARDS):
                found[row] = None
    return list(found)


def best(scores: np.ndarray, top: int, excluded: frozenset[int]) -> list[int]:
    """The rows of the `top` highest scores (n,), equal ones in order, `excluded` left out."""
    wanted = min(len(scores), top + len(excluded))
    if wanted < len(scores):
        edge = np.partition(scores, len(scores) - wanted)[len(scores) - wanted]
        pool = np.flatnonzero(scores >= edge)
    else:
        pool = np.arange(len(scores))
    order = pool[np.argsort(-scores[pool], kind="stable")]
    return [int(row) for row in order if row not in excluded][:top]


def part_facts(
    query: Query, colours: Sequence[int], renamed: dict[int, str]
) -> list[dict[str, Any]]:
    """The rows of the parts list. renamed: the user's own names by part."""
    facts = []
    for j in range(query.parts.k):
        named = short_name(query.names[j]) if j < len(query.names) else None
        facts.append(
            {
                "number": j + 1,
                "colour": int(colours[j]),
                "name": renamed.get(j) or (named[0] if named else ""),
                "confidence": None if named is None else round(named[1], 2),
                "energy": round(float(query.parts.energy[j]), 4),
                "dead": bool(query.parts.dead[j]),
                "renamed": j in renamed,
            }
        )
    return facts


def rule_facts(query: Query) -> dict[str, Any]:
    """How the score is made, in words; best_only: whether a part counts with the one part of the
    match that is most like it, and with no other."""
    members, matching = query.described.members, query.matching
    if members is not None:
        fine = f"Your picture has {len(members)} regions, from fine parts to the whole."
        shared = "What a pair adds is shared among the parts in which its regions lie."
        said = {
            "vector": f"{fine} Every pair of regions counts. {shared}",
            "regions": f"{fine} Each counts with the region of the match that is most like it. "
            f"{shared}",
            "mutual": f"{fine} Each counts with the region of the match that is most like it, and "
            f"the other way round. {shared}",
        }
    else:
        said = {
            "vector": "Every pair of parts counts in the score.",
            "regions": "Each of your parts is compared with the part of the match that is most "
            "like it. The other pairs add nothing.",
            "mutual": "Each of your parts is compared with the part of the match that is most like "
            "it, and the other way round. The other pairs add nothing.",
        }
    return {"text": said[matching], "best_only": members is None and matching == "regions"}


def query_facts(
    index: Index, query: Query, title: str, note: str, image: bytes, shared: Joint
) -> dict[str, Any]:
    """The query panel."""
    return {
        "id": index.pictures[query.row].id if query.row is not None else "",
        "title": title,
        "note": note,
        "image": data_uri(image),
        "width": query.parts.width,
        "height": query.parts.height,
        "box": list(query.box) if query.box else None,
        "heat": heat_facts(query.parts),
        "joint": heat_facts(shared.query),
    }


def card_facts(
    index: Index, query: Query, row: int, common: Parts, colours: Sequence[int]
) -> dict[str, Any]:
    """One result, all but its box: built from one row, so that its pieces cannot be mixed up.

    common: the picture in the joint parts.
    """
    picture = index.pictures[row]
    table = index.contributions(query, row)
    width, height = picture.thumbnail[:2]
    return {
        "row": row,
        "id": picture.id,
        "title": picture.title,
        "category": picture.category.replace("_", " "),
        "note": picture.credit,
        "image": data_uri(index.thumbnail(row)),
        "width": picture.width,
        "height": picture.height,
        "thumb_width": width,
        "thumb_height": height,
        "joint": heat_facts(common),
        "own": heat_facts(index.parts(row)),
        "own_colours": [int(colours[i]) for i in index.partners(query, row)],
        "contributions": [[round(float(v), 7) for v in line] for line in table],
    }


def box_facts(query: Parts, common: Parts, weights: np.ndarray, *, exact: bool) -> list[int] | None:
    """The box around what the weighted parts of the query are in a result.

    exact: whether `common` comes from a true joint factorization (`Joint.exact`), whose sharper
    heat is cut higher. None where nothing is found, and where the box would be nearly the whole
    picture.
    """
    interest = region_of_interest(query) * weights
    if not interest.any():
        return None
    threshold = JOINT_THRESHOLD if exact else THRESHOLD
    box = locate_parts([query, common], interest, threshold=threshold)[1].box
    return list(box) if box and not _covers(box, common.width, common.height) else None


def score_facts(query: Query, rows: np.ndarray) -> dict[str, Any] | None:
    """All that the browser needs to rank, or None for a collection too large to send."""
    if len(rows) > BROWSER_LIMIT:
        return None
    return {
        "rows": base64.b64encode(rows.astype("<f4").tobytes()).decode(),
        "n": len(rows),
        "exclude": sorted(query.same),
        # What each part adds to the score of the average picture.
        "average": [float(v) for v in rows.mean(axis=0, dtype=np.float64)],
    }


def palette_facts() -> list[dict[str, Any]]:
    """The ten part colours."""
    palette = []
    for index in range(MAX_COLOURS):
        (red, green, blue), hatched = colour_of(index)
        palette.append({"hex": f"#{red:02x}{green:02x}{blue:02x}", "hatched": hatched})
    return palette


def heat_facts(parts: Parts) -> dict[str, Any]:
    """Heatmaps as bytes: value = byte / 255 * scale.

    extent: the shares of the whole picture that the grid covers; clip: outside it there is no
    heat (the query's box), None for a whole picture.
    """
    scale = float(parts.heatmaps.max())
    unit = parts.heatmaps / scale if scale > 0 else parts.heatmaps
    levels = np.rint(unit * 255).astype(np.uint8)
    rows, columns = parts.grid
    extent, clip = parts.extent, None
    if parts.box is not None:
        x0, y0 = parts.box[0] / parts.width, parts.box[1] / parts.height
        x1, y1 = parts.box[2] / parts.width, parts.box[3] / parts.height
        w, h = x1 - x0, y1 - y0
        clip = [x0, y0, x1, y1]
        extent = (x0 + extent[0] * w, y0 + extent[1] * h, x0 + extent[2] * w, y0 + extent[3] * h)
    return {
        "k": parts.k,
        "rows": rows,
        "columns": columns,
        "scale": scale,
        "data": base64.b64encode(levels.tobytes()).decode(),
        "extent": [round(v, 6) for v in extent],
        "clip": clip,
    }


def large_image(index: Index, row: int | None, data: bytes | None) -> bytes:
    """A JPEG of the query's picture, up to 800 pixels; the thumbnail where the photo is gone."""
    if data is not None:
        return thumbnail(read_image(data), LARGE_SIDE)
    if row is None:
        raise ValueError("expected a picture of the index or an uploaded one")
    path = index.photo_path(row)
    return thumbnail(read_image(path), LARGE_SIDE) if path else index.thumbnail(row)


def data_uri(jpeg: bytes) -> str:
    """A JPEG as the source of an image element."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def version_of(*parts: object) -> str:
    """A short name of a combination of values, equal for equal values."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _covers(box: Box, width: int, height: int) -> bool:
    """Whether a box says no more than "the picture"."""
    return (box[2] - box[0]) * (box[3] - box[1]) > 0.9 * width * height
