"""From an index and a query to what the stage shows: plain JSON values, no Streamlit.

The browser gets the contribution rows of every picture, so it can rank them for any weights at
once, and the cards of those pictures that may come to the front when one or several parts are
switched off. Everything else it asks for comes with the next run.
"""

import base64
import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dff.explain import best
from dff.export.page import data_uri
from dff.images import read_image, resize, thumbnail
from dff.index import Index, Query
from dff.marks import MAX_COLOURS, colour_of
from dff.names import short_name
from dff.parts import Parts
from dff.shared_parts import Joint, located_box

MOST_CARDS = 48
LARGE_SIDE = 800  # of the query's picture
TWICE = 2 * LARGE_SIDE
FEW = 6  # cards kept ready for each setting of the switches: the first page of results
BROWSER_LIMIT = 20_000  # pictures up to which the browser ranks; above, the server does


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


def part_facts(
    query: Query, colours: Sequence[int], own: Mapping[int, tuple[str, float | None]]
) -> list[dict[str, Any]]:
    """The rows of the parts list. own: the user's names by part, each with how alike the part is
    to the one that was named (None where it is that one)."""
    facts = []
    for j in range(query.parts.k):
        named = short_name(query.names[j]) if j < len(query.names) else None
        name, confidence = own.get(j, named or ("", None))
        facts.append(
            {
                "number": j + 1,
                "colour": int(colours[j]),
                "name": name,
                "confidence": None if confidence is None else round(confidence, 2),
                "energy": round(float(query.parts.energy[j]), 4),
                "dead": bool(query.parts.dead[j]),
                "renamed": j in own,
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
    # Where every region of the match adds something, the table says already what goes with what.
    told = table.any(axis=0).all()
    partners = table.argmax(axis=0) if told else index.partners(query, row)
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
        "own_colours": [int(colours[i]) for i in partners],
        "contributions": [[round(float(v), 7) for v in line] for line in table],
    }


def card_text(index: Index, query: Query, row: int, common: Parts, colours: Sequence[int]) -> str:
    """`card_facts` as JSON."""
    return json.dumps(card_facts(index, query, row, common, colours), allow_nan=False)


def box_facts(query: Parts, common: Parts, weights: np.ndarray, *, exact: bool) -> list[int] | None:
    """The box of `located_box`, as JSON."""
    box = located_box(query, common, weights, exact=exact)
    return None if box is None else list(box)


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


def large_image(index: Index, row: int) -> bytes:
    """A picture of the index as `shown_large`; its thumbnail where the photo is gone."""
    path = index.photo_path(row)
    return shown_large(read_image(path)) if path else index.thumbnail(row)


def shown_large(picture: np.ndarray) -> bytes:
    """A JPEG of the query's picture, up to 800 pixels."""
    height, width = picture.shape[:2]
    # A camera's photo is halved quickly first: the sharp filter takes 0.2 s for 12 megapixels.
    scale = TWICE / max(width, height)
    if scale < 1:
        picture = resize(picture, max(1, round(width * scale)), max(1, round(height * scale)))
    return thumbnail(picture, LARGE_SIDE)


def version_of(*parts: object) -> str:
    """A short name of a combination of values, equal for equal values."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
