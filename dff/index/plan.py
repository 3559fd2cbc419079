"""What is to be built: settings and pictures, before the first of them is read."""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Self

from dff.backbones import Backbone
from dff.descriptors import DEFAULT_DESCRIPTOR, families
from dff.images import EXTENSIONS, safe_name
from dff.index.collection import ids_of, refuse_name
from dff.index.format import IndexProblem, Settings
from dff.index.photos import PhotoSource, open_photos
from dff.whitening import Whitening

DETAIL_K = 8


@dataclass(frozen=True)
class Place:
    """Where the photos of an index are. root: as it is recorded, a URL or a path from the index.
    name: that of the collection."""

    root: str
    name: str


@dataclass(frozen=True)
class Plan:
    """The pictures of a build, in order, or some of them.

    ids: {path in `photos`: the picture's id}. facts: what photos.csv says of each, by path.
    refused: [(path, reason)] of files that an index cannot hold.
    """

    photos: PhotoSource
    settings: Settings
    ids: dict[str, str]
    facts: dict[str, dict[str, str]]
    refused: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(
        cls,
        photos: str | os.PathLike[str] | PhotoSource,
        backbone: Backbone,
        *,
        k: int = 4,
        descriptors: Sequence[str] = (DEFAULT_DESCRIPTOR,),
        size: int | None = None,
        seed: int = 0,
    ) -> Self:
        """Of all pictures there. Raises as `dff.index.build.build` does."""
        if not 1 <= k <= 10:
            raise ValueError(f"k: expected 1 to 10, got {k}")
        unknown = set(descriptors) - set(families())
        if unknown:
            known = ", ".join(families())
            raise ValueError(f"descriptors: expected some of {known}, got {', '.join(unknown)}")
        settings = Settings(
            backbone=backbone.name,
            layer=backbone.layer,
            weights=backbone.fingerprint,
            channels=backbone.channels,
            stride=backbone.stride,
            size=size or backbone.size,
            k=k,
            detail_k=max(DETAIL_K, k),
            seed=seed,
            blocks=backbone.blocks,
            descriptors=tuple(dict.fromkeys(("dff", *descriptors))),
        )
        source = open_photos(photos)
        found = source.find()
        if not found:
            raise IndexProblem(
                f"no pictures under {safe_name(str(photos))}: expected files ending in "
                f"{', '.join(EXTENSIONS)}"
            )
        refused = [(safe_name(path), reason) for path in found if (reason := refuse_name(path))]
        ids = ids_of([path for path in found if not refuse_name(path)])
        return cls(source, settings, ids, source.facts(), tuple(refused))

    def place(self, out: Path) -> Place:
        """The photos' place for an index in the folder `out`."""
        return Place(self.photos.root(out), self.photos.name)

    def pictures(self, start: int, stop: int) -> Self:
        """The same for the pictures from `start` to before `stop`."""
        ids = dict(islice(self.ids.items(), start, stop))
        facts = {path: self.facts[path] for path in ids if path in self.facts}
        return replace(self, photos=self.photos.of(ids), ids=ids, facts=facts, refused=())

    def stamp(self, path: str) -> list[Any]:
        """What a record is made from: one of an earlier run is taken over if this is equal."""
        return [path, *self.photos.stamp(path), self.ids[path], self.facts.get(path, {})]

    def digest(self) -> str:
        """`digest_of` all pictures: another one as soon as one of them is."""
        return digest_of(self.stamp(path) for path in self.ids)


def digest_of(stamps: Iterable[list[Any]]) -> str:
    """The hexadecimal SHA-256 of stamps, in order."""
    digest = hashlib.sha256()
    for stamp in stamps:
        line = json.dumps(stamp, ensure_ascii=False, sort_keys=True)
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()


def given_whitenings(whitening: Whitening | None, settings: Settings) -> dict[str, Whitening]:
    """{the descriptor whose regions a whitening fits: it}; ValueError where it fits none."""
    if whitening is None:
        return {}
    if whitening.channels != settings.channels:
        raise ValueError(
            f"whitening: expected one of {settings.channels} channels, those of "
            f"{settings.backbone}:{settings.layer}, got {whitening.channels}"
        )
    name = str(whitening.provenance.get("descriptor", settings.descriptor))
    if name not in settings.descriptors:
        own = ", ".join(settings.descriptors)
        raise ValueError(f"whitening: expected one fitted for one of {own}, got one for {name}")
    return {name: whitening}
