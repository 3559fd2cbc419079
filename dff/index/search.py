"""Open an index and search it: exact cosine over memory-mapped descriptors, with every score split.

Nothing here needs a network until a new picture is described. An index and its arrays are
read-only and may be shared by threads.
"""

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dff import explain
from dff.backbones import Backbone, load_backbone
from dff.descriptors import (
    MATCHINGS,
    Described,
    describe,
    matching_of,
    regions_of,
)
from dff.descriptors.base import scaled
from dff.geometry import check_box, fit_size, grid_extent
from dff.images import crop, read_image
from dff.index import coarse
from dff.index.format import (
    MANIFEST,
    IndexProblem,
    Settings,
    is_url,
    read_places,
    root_folder,
)
from dff.index.generation import Generation
from dff.index.manifest import read_manifest
from dff.index.pictures import Pictures, Shards, counted
from dff.index.query import Match, Query, Seen, read_source
from dff.index.several import Asked
from dff.index.store import Shard
from dff.localization import (
    FLOOR,
    Located,
    expressed_in,
    locate,
    region_of_interest,
)
from dff.matching import Stored, matched_rows
from dff.names import name_parts
from dff.parts import Parts
from dff.products import products
from dff.reranker import Reranker, chosen
from dff.whitening import Whitening

if TYPE_CHECKING:
    from dff.index.approximate import Nearest

Weights = Sequence[float] | np.ndarray | None

# With a box the crop alone is factorized, its longest side brought to this many pixels: larger
# loses more in retrieval than its finer grid gains in localisation (docs/evaluation.md).
BOX_SIZE = 320


class Index:
    """An index on disk. Open it with `Index.open`; rows count its pictures from 0.

    shards: as they are stored. places: where photos are, as `read_places` gives them.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any], places: dict[str, Path]) -> None:
        self.folder = folder
        self.manifest = manifest
        self.photos_root = places[""]
        self.places = places
        self.settings = Settings.of(manifest)
        folders = [folder / "shards" / name for name in manifest["shards"]]
        self.shards = Shards(folders, self.settings)
        _ = self.shards[0]  # settings that do not fit the arrays show at once
        self.pictures = Pictures(self.shards, counted(manifest, self.shards))
        if len(self.pictures) != manifest.get("count"):
            raise IndexProblem(
                f"{folder / MANIFEST}: expected {manifest.get('count')} pictures, the shards hold "
                f"{len(self.pictures)}; run `python -m dff index verify`"
            )
        made = folder / "generations" / manifest["generation"]
        self._generation = Generation(made, self.shards, len(self.pictures))
        self._backbone: Backbone | None = None
        self._offering: dict[str, Nearest] = {}
        self._loading = threading.Lock()

    @classmethod
    def open(
        cls, folder: str | os.PathLike[str], photos_root: str | os.PathLike[str] | None = None
    ) -> "Index":
        """Open an index folder. photos_root: where its photos are now, if they have moved."""
        path = Path(folder)
        manifest = read_manifest(path)
        places = read_places(path, manifest)
        return cls(path, manifest, places if photos_root is None else {"": Path(photos_root)})

    def __len__(self) -> int:
        return len(self.pictures)

    def __repr__(self) -> str:
        s = self.settings
        return f"Index({self.folder}, {len(self)} pictures, {s.backbone}:{s.layer}, k={s.k})"

    @property
    def row_of(self) -> dict[str, int]:
        """{picture id: row}."""
        return self.pictures.row_of

    def rows_of_file(self, sha256: str) -> list[int]:
        """The rows whose file, or whose pixels, have this hash."""
        return self.pictures.rows_by_hash.get(sha256, [])

    def row(self, id: str) -> int:
        """The row of a picture; ValueError for an unknown id."""
        try:
            return self.row_of[id]
        except KeyError:
            raise ValueError(
                f"id: expected one of the {len(self)} pictures of this index, got {id!r}"
            ) from None

    def parts(self, row: int) -> Parts:
        """The k parts of a picture: those that make its score."""
        shard, local = self._place(row)
        return shard.parts(local)

    def detail(self, row: int) -> Parts:
        """The finer factors of a picture, in which other pictures' parts are found."""
        shard, local = self._place(row)
        return shard.detail(local)

    def thumbnail(self, row: int) -> bytes:
        """A JPEG of the picture."""
        shard, local = self._place(row)
        return shard.thumbnail(local)

    def photo_path(self, row: int) -> Path | None:
        """The photo's file if it is there, and lies in the photos' folder."""
        name = self.pictures[row].path
        begin = max((b for b in self.places if name.startswith(b)), key=len)
        try:
            root = self.places[begin].resolve()
            path = (root / name[len(begin) :]).resolve()
            return path if path.is_relative_to(root) and path.is_file() else None
        except (OSError, RuntimeError):  # a name that is too long, links in a circle
            return None

    def picture(self, row: int) -> np.ndarray:
        """The photo, (height, width, 3) uint8; ValueError where it is missing."""
        path = self.photo_path(row)
        if path is None:
            raise ValueError(
                f"expected the photo {self.pictures[row].path} under "
                f"{self.photos_url or self.photos_root}, it is "
                "not there; open the index with photos_root=..."
            )
        return read_image(path)

    @property
    def photos_url(self) -> str | None:
        """Where the photos are, if that is a URL. They are not fetched: thumbnails are shown."""
        root = str(self.manifest["photos_root"])
        same = self.photos_root == root_folder(self.folder, root)
        return root if is_url(root) and same else None

    def whitening(self, descriptor: str | None = None) -> Whitening:
        """The whitening of a descriptor's regions."""
        return self._generation.whitening(descriptor or self.descriptor)

    def vectors(self, descriptor: str | None = None) -> np.ndarray:
        """The descriptors of all pictures, (n, dimensions) float32: memory-mapped, or a copy where
        they are stored at half precision."""
        return self.stored_vectors(descriptor).astype(np.float32, copy=False)

    def stored_vectors(self, descriptor: str | None = None) -> np.ndarray:
        """The same as they are stored, float16 or float32, memory-mapped."""
        return self._generation.vectors(descriptor or self.descriptor)

    @property
    def descriptor(self) -> str:
        """What pictures are found by unless something else is asked for."""
        return self.settings.descriptor

    def regions(self, descriptor: str | None = None) -> Stored:
        """The whitened regions of all pictures, float32, or float16 where they are stored so. On
        disk for the descriptors that are matched by them, made on first use for the others."""
        return self._generation.regions(descriptor or self.descriptor)

    def described(self, row: int, descriptor: str | None = None) -> Described:
        """The whitened regions of a picture."""
        name = descriptor or self.descriptor
        shard, local = self._place(row)
        if not self._generation.keeps_regions(name):
            return describe(shard.regions(local, name), self.whitening(name))
        stored = self.regions(name)
        white = np.array(stored.regions[stored.starts[row] : stored.starts[row + 1]], np.float32)
        return scaled(white, shard.weights(local, name), shard.members(local, name))

    def backbone(self) -> Backbone:
        """The network the index was built with, loaded on first use."""
        with self._loading:
            if self._backbone is None:
                settings = self.settings
                backbone = load_backbone(settings.backbone, settings.layer)
                if backbone.fingerprint != settings.weights:
                    raise IndexProblem(
                        f"the index was built with other weights of {settings.backbone} "
                        f"({settings.weights}) than are here ({backbone.fingerprint}); "
                        "build it again"
                    )
                self._backbone = backbone
            return self._backbone

    def indexed_query(
        self, id: str, descriptor: str | None = None, matching: str | None = None
    ) -> Query:
        """A picture of the index as the query, with the k of the index: no network pass."""
        descriptor = descriptor or self.descriptor
        row = self.row(id)
        picture = self.pictures[row]
        return Query(
            described=self.described(row, descriptor),
            parts=self.parts(row),
            names=picture.names,
            box=None,
            row=row,
            same=self._same(picture.sha256, picture.pixels_sha256),
            path=picture.path,
            descriptor=descriptor,
            matching=_check_matching(matching, descriptor),
        )

    def see(
        self,
        source: str | os.PathLike[str] | bytes | np.ndarray,
        *,
        box: Sequence[float] | None = None,
        name: str | None = None,
    ) -> "Seen":
        """Run the index's network over a picture, or over a box of it. The slow half of a query.

        source: a file's path or bytes, or a picture (height, width, 3) uint8. box: the part of it
        that is meant; its crop, brought to a longest side of 320 pixels, is all the network sees.
        """
        picture, hashes, path = read_source(source, name)
        height, width = picture.shape[:2]
        checked = None if box is None else check_box(box, width, height)
        if checked == (0, 0, width, height):
            checked = None
        shown = picture if checked is None else crop(picture, checked)
        size = self.settings.size if checked is None else min(BOX_SIZE, self.settings.size)
        activations = self.backbone().activations(shown, size)
        input_size = fit_size(shown.shape[1], shown.shape[0], size)
        grid = (activations.shape[1], activations.shape[2])
        return Seen(
            activations=activations,
            size=(width, height),
            extent=grid_extent(grid, self.settings.stride, input_size),
            box=checked,
            same=self._same(*hashes),
            path=path,
        )

    def described_as_query(
        self,
        seen: "Seen",
        k: int | None = None,
        descriptor: str | None = None,
        matching: str | None = None,
    ) -> Query:
        """Factorize what the network saw into k parts (1 to 10, by default the index's)."""
        k = self.settings.k if k is None else k
        if not 1 <= k <= 10:
            raise ValueError(f"k: expected 1 to 10, got {k}")
        descriptor = descriptor or self.descriptor
        view = self.backbone().view(seen.activations, k, self.settings.seed)
        regions = regions_of(descriptor, view).stored()
        return Query(
            described=describe(regions, self.whitening(descriptor)),
            parts=Parts.of(view.parts, seen.size, seen.extent, seen.box, self.settings.blocks),
            names=name_parts(view.parts, self.backbone()),
            box=seen.box,
            row=min(seen.same, default=None),
            same=seen.same,
            path=seen.path,
            descriptor=descriptor,
            matching=_check_matching(matching, descriptor),
        )

    def query(
        self,
        source: str | os.PathLike[str] | bytes | np.ndarray,
        *,
        box: Sequence[float] | None = None,
        k: int | None = None,
        descriptor: str | None = None,
        matching: str | None = None,
        name: str | None = None,
    ) -> Query:
        """Describe a picture as a query of this index: `see`, then `described_as_query`."""
        if k is not None and not 1 <= k <= 10:
            raise ValueError(f"k: expected 1 to 10, got {k}")
        self.whitening(descriptor)  # wrong names show before the network runs
        _check_matching(matching, descriptor or self.descriptor)
        seen = self.see(source, box=box, name=name)
        return self.described_as_query(seen, k, descriptor, matching)

    def search(
        self,
        query: Query | str | os.PathLike[str] | bytes | np.ndarray,
        *,
        box: Sequence[float] | None = None,
        k: int | None = None,
        top: int = 10,
        descriptor: str | None = None,
        matching: str | None = None,
        weights: Weights = None,
        include_self: bool = False,
        rerank: str | None = None,
        also: Sequence[Query] = (),
        less: Sequence[Query] = (),
        approximate: bool = False,
    ) -> list[Match]:
        """The `top` pictures most like the query, best first.

        query: anything `query` takes, or what it returned. descriptor, matching ("vector",
        "regions" or "mutual"): by default the index's own, and that descriptor's own. weights: one
        number in 0..2 a query region; each scales its row of every contribution table and nothing
        else. The query's own picture is left out unless `include_self`. also, less: further
        pictures that results are to be like or unlike (`dff.index.several`); tables and weights
        then have the rows of all of them, one picture after the other, the query first; with
        `include_self` each of them is marked. rerank: one of
        `dff.reranker.RERANKINGS`, a second ranking of the pictures as one vector each; its scores
        have no split, so weights are refused. approximate: look only at what the nearest-neighbour
        file of `dff.index.approximate` offers; the scores of what is found stay exact.
        """
        if top < 1:
            raise ValueError(f"top: expected at least 1, got {top}")
        if not isinstance(query, Query):
            query = self.query(query, box=box, k=k, descriptor=descriptor, matching=matching)
        if rerank is not None:
            if weights is not None or also or less or approximate:
                raise ValueError(
                    "weights, also, less, approximate: expected none with "
                    f"rerank={rerank!r}, whose scores have no split"
                )
            return self._ranked_again(query, rerank, top, include_self)
        asked = Asked.of((query, *also), less)
        chosen = None
        if approximate:
            chosen = self._nearest(asked, weights, top)
            rows = asked.some_row_scores(self, chosen)
        else:
            rows = asked.row_scores(self, top)
        weights = explain.check_weights(weights, rows.shape[1])
        scores = rows @ weights
        if not np.isfinite(scores).all():
            raise IndexProblem(
                f"{self.folder}: a descriptor holds numbers that are not finite; run "
                "`python -m dff index verify`"
            )
        pictures = np.arange(len(self)) if chosen is None else chosen
        own = [] if include_self else np.flatnonzero(np.isin(pictures, list(asked.same))).tolist()
        return [
            self._match(
                rank,
                int(pictures[place]),
                query,
                float(scores[place]),
                # Pictures that were not looked at are below those that were.
                explain.percentile(scores, float(scores[place]), len(self)),
                asked.contributions(self, int(pictures[place])) * weights[:, None],
                weights[: asked.counts[0]],
                asked.same,
            )
            for rank, place in enumerate(explain.best(scores, top, own), start=1)
        ]

    def _nearest(self, asked: Asked, weights: Weights, top: int) -> np.ndarray:
        """The pictures that the nearest-neighbour file offers for a query, rising rows."""
        columns = asked.columns()
        vector = columns @ explain.check_weights(weights, columns.shape[1])
        name = asked.queries[0].descriptor
        if name not in self._offering:
            from dff.index.approximate import open_nearest

            self._offering[name] = open_nearest(self, name)
        return self._offering[name].offered(vector, top + len(asked.same))

    def _ranked_again(self, query: Query, rerank: str, top: int, include_self: bool) -> list[Match]:
        (name,) = chosen([rerank])
        own = [] if include_self else sorted(query.same)
        reranker = Reranker(name, np.asarray(self.vectors(query.descriptor)), max(1, len(own)))
        rows, scores = reranker.ranking(query.described.vector, own)
        scored = int(np.count_nonzero(~np.isnan(scores)))
        return [
            self._match(
                place + 1,
                int(rows[place]),
                query,
                float(scores[place]),
                100.0 * (len(rows) - place - 1) / len(rows),
                None,
                None,
                query.same,
            )
            for place in range(min(top, scored))
        ]

    def row_scores(self, query: Query) -> np.ndarray:
        """What each region of the query adds to every picture's score: (n, query regions) float32.

        Each part of the query, for descriptors whose regions are shares of parts. In an index of
        more than a million regions, pictures that one vector puts far behind are not matched
        region by region, and come behind the others (`dff.index.coarse`).
        """
        (rows,) = Asked.of((query,)).rows(self)
        return rows

    def exact_rows(self, query: Query, chosen: np.ndarray | None = None) -> np.ndarray:
        """The same without any short cut, of all pictures or of the chosen ones (rising rows)."""
        described = query.described
        if query.matching == "vector":
            vectors = self.stored_vectors(query.descriptor)
            return explain.row_scores(described, vectors if chosen is None else vectors[chosen])
        rows = matched_rows(
            described.regions,
            described.weights,
            self.regions(query.descriptor),
            mutual=query.matching == "mutual",
            chosen=chosen,
        )
        return rows if described.members is None else products(rows, described.members)

    def is_large(self, query: Query) -> bool:
        """Whether there are too many regions to match them all with every query."""
        if query.matching == "vector":
            return False
        return len(self.regions(query.descriptor).regions) > coarse.EXACT_REGIONS

    def contributions(self, query: Query, row: int) -> np.ndarray:
        """What each pair of regions (or of parts, as in `row_scores`) adds to a picture's score,
        before user weights."""
        target = self.described(row, query.descriptor)
        if query.matching == "vector":
            table = explain.contributions(query.described, target)
        else:
            mutual = query.matching == "mutual"
            table = explain.matched_contributions(query.described, target, mutual=mutual)
        return explain.by_parts(table, query.described, target)

    def partners(self, query: Query, row: int) -> np.ndarray:
        """For each region (or part) of a picture the query's it goes with: (target regions,) int.

        The one that contributes most to the score through it; in region matching most regions
        may add nothing, and go with the one they are most like.
        """
        table = self.contributions(query, row)
        target = self.described(row, query.descriptor)
        cosines = query.described.regions @ target.regions.T
        cosines = explain.by_parts(cosines, query.described, target)
        found: np.ndarray = np.where(
            table.any(axis=0), table.argmax(axis=0), cosines.argmax(axis=0)
        )
        return found

    def found_in(self, query: Query, row: int, weights: np.ndarray | None = None) -> Located:
        """The instant location of the query's parts in a picture."""
        found = self.found_parts(query, row)
        interest = region_of_interest(query.parts)
        if weights is not None and len(weights) == query.parts.k:
            interest = interest * weights
        own = np.tensordot(interest, query.parts.heatmaps, axes=1)
        heat = np.tensordot(interest, found.heatmaps, axes=1).astype(np.float32)
        return locate(found, heat, floor=FLOOR * float(own.max()))

    def found_parts(self, query: Query, row: int) -> Parts:
        """The query's parts in a picture of the index, each with its own heatmap."""
        return expressed_in(self.detail(row), query.parts.basis)

    def _match(
        self,
        rank: int,
        row: int,
        query: Query,
        score: float,
        percentile: float,
        contributions: np.ndarray | None,
        weights: np.ndarray | None,
        same: frozenset[int],
    ) -> Match:
        picture = self.pictures[row]
        return Match(
            rank=rank,
            row=row,
            id=picture.id,
            path=picture.path,
            score=score,
            percentile=percentile,
            contributions=contributions,
            box=self.found_in(query, row, weights).box,
            is_query=row in same,
            index=self,
        )

    def _same(self, *hashes: str) -> frozenset[int]:
        return frozenset(row for h in hashes for row in self.rows_of_file(h))

    def _place(self, row: int) -> tuple[Shard, int]:
        if not 0 <= row < len(self):
            raise ValueError(f"row: expected 0 to {len(self) - 1}, got {row}")
        return self.pictures.place(row)


def _check_matching(matching: str | None, descriptor: str) -> str:
    if matching is None:
        return matching_of(descriptor)
    if matching not in MATCHINGS:
        raise ValueError(f"matching: expected one of {', '.join(MATCHINGS)}, got {matching!r}")
    return matching
