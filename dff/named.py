"""Named concepts: names that a user has given, and which parts they fit.

A concept is a basis row of a network's layer, as a direction (`dff.concepts.directions`), and a
name. A part is the concept whose direction is nearest, if the cosine reaches `THRESHOLD`
(measured: docs/method.md, *Names*). Nothing here knows where names are kept.
"""

import base64
import binascii
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from dff.index.format import Settings
from dff.whitening import l2_normalise

THRESHOLD = 0.6
SAME = 0.995  # above it a part is the very one that was named, but for half precision
LONGEST = 60  # characters of a name


@dataclass(frozen=True, eq=False)
class Named:
    """A named concept.

    id: eight hexadecimal digits. space: the network and layer, from `space_of`. direction:
    (channels,) float32, unit length. picture: the id of the picture it was named on, empty for an
    uploaded one or for several.
    """

    id: str
    name: str
    space: str
    direction: np.ndarray
    picture: str = ""

    @classmethod
    def new(cls, name: str, settings: Settings, direction: np.ndarray, picture: str = "") -> Self:
        """A name for a direction. Raises ValueError for an empty name or direction."""
        name = clean_name(name)
        if not name or not np.any(direction):
            raise ValueError(f"expected a name and a part that holds something, got {name!r}")
        return cls(uuid.uuid4().hex[:8], name, space_of(settings), direction, picture)

    def record(self) -> dict[str, str]:
        """As JSON values."""
        return {
            "id": self.id,
            "name": self.name,
            "space": self.space,
            "direction": base64.b64encode(self.direction.astype("<f2").tobytes()).decode(),
            "picture": self.picture,
        }

    @classmethod
    def of(cls, record: object) -> Self | None:
        """From what `record` gave; None for anything else (people edit files)."""
        if not isinstance(record, Mapping):
            return None
        texts = [record.get(field) for field in ("id", "name", "space", "direction", "picture")]
        if not all(isinstance(text, str) for text in texts):
            return None
        id, name, space, data, picture = (str(text) for text in texts)
        try:
            half = np.frombuffer(base64.b64decode(data, validate=True), "<f2")
        except (binascii.Error, ValueError):
            return None
        direction = half.astype(np.float32)
        if not clean_name(name) or not direction.any() or not np.isfinite(direction).all():
            return None
        return cls(id, clean_name(name), space, l2_normalise(direction[None])[0], picture)


def space_of(settings: Settings) -> str:
    """What must be equal for two directions to be comparable."""
    return f"{settings.backbone}:{settings.layer}:{settings.weights}"


def clean_name(name: object) -> str:
    """A user's name on one line, at most 60 characters, without what cannot be printed."""
    text = "".join(c if c.isprintable() else " " for c in str(name or ""))
    return " ".join(text.split())[:LONGEST].strip()


def recognise(
    directions: np.ndarray, named: Sequence[Named], settings: Settings
) -> list[tuple[Named, float] | None]:
    """For each direction (k, channels) the named concept it is, with their cosine, or None.

    The nearest one decides, the one named last where several are equally near. Of several parts a
    concept is only the one nearest to it: in one picture a name means one place.
    """
    known = [
        one
        for one in reversed(named)
        if one.space == space_of(settings) and len(one.direction) == directions.shape[1]
    ]
    if not known:
        return [None] * len(directions)
    cosines = directions @ np.stack([one.direction for one in known]).T
    best = cosines.argmax(axis=1)
    nearest = np.where(best[:, None] == np.arange(len(known)), cosines, -1).argmax(axis=0)
    return [
        (known[i], float(cosines[j, i])) if nearest[i] == j and cosines[j, i] >= THRESHOLD else None
        for j, i in enumerate(best)
    ]


def with_name(named: Sequence[Named], one: Named) -> list[Named]:
    """The list with a concept added, in place of the same one if that had a name already."""
    return [
        *(
            other
            for other in named
            if other.id != one.id
            and (other.space != one.space or not _same(other.direction, one.direction))
        ),
        one,
    ]


def documents(named: Sequence[Named]) -> dict[str, Any]:
    """All of them as one JSON document."""
    return {"version": 1, "concepts": [one.record() for one in named]}


def read_document(document: object) -> list[Named]:
    """The concepts of such a document; what cannot be read is left out."""
    records = document.get("concepts") if isinstance(document, Mapping) else None
    found = [Named.of(record) for record in records] if isinstance(records, list) else []
    return [one for one in found if one is not None]


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and float(one @ other) >= SAME
