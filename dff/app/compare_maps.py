"""Where a descriptor looks in the query: its regions drawn on the picture. No Streamlit.

Parts are drawn as they are elsewhere. Other regions overlap: they are added up, so that many
rectangles become the number of them that cover each place. An even region has nothing to show.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from dff.app.compare_data import Split, plural
from dff.app.engine import Engine, Source
from dff.app.scene import large_image
from dff.descriptors import PART, about, regions_of
from dff.geometry import Extent
from dff.images import read_image, resize
from dff.index import Query
from dff.render import encode_jpeg, overlay, single_heatmap

DRAWN = 420  # pixels, longest side: little more than is shown, so that numbers can be read
Kind = Literal["parts", "count", "sum", "even"]


@dataclass(frozen=True, eq=False)
class Looks:
    """Where a descriptor looks. regions: (r, rows, columns) float32; extent: what they cover.

    kind: "parts"; else what the sum of all regions is, a "count" of rectangles, a "sum" of weights,
    or "even".
    """

    kind: Kind
    regions: np.ndarray
    extent: Extent

    @property
    def total(self) -> np.ndarray:
        """The sum of all regions, (rows, columns)."""
        total: np.ndarray = self.regions.sum(axis=0)
        return total


def looks(heatmaps: np.ndarray, extent: Extent, *, parts: bool) -> Looks:
    """How to draw regions (r, rows, columns), which are a picture's parts or anything else."""
    if parts:
        return Looks("parts", heatmaps, extent)
    total = heatmaps.sum(axis=0)
    if total.min() == total.max():
        return Looks("even", heatmaps, extent)
    rectangles = bool(np.isin(heatmaps, (0, 1)).all())
    return Looks("count" if rectangles else "sum", heatmaps, extent)


def spread(regions: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """What each place adds when region i adds shares[i], spread over it by its heatmap.

    regions: (r, rows, columns) >= 0. shares: (r,), of any sign. Returns (rows, columns) float32,
    which sum to the shares of all regions that are somewhere.
    """
    sizes = regions.sum(axis=(1, 2), dtype=np.float64)
    scale = np.divide(shares, sizes, out=np.zeros(len(sizes)), where=sizes > 0)
    places: np.ndarray = np.tensordot(scale, regions, axes=1).astype(np.float32)
    return places


def needs_network(query: Query) -> bool:
    """Whether the regions have to be found again: of parts it is kept where they are, of other
    regions their vectors alone."""
    return about(query.descriptor).region != PART


def regions_looked_at(engine: Engine, source: Source, query: Query) -> Looks:
    """Where a descriptor looks in the query. Except for parts a network pass, once a picture.

    Raises ValueError without the network or the photo.
    """
    index, descriptor = engine.index, query.descriptor

    def find() -> Looks:
        if not needs_network(query):
            return looks(query.parts.heatmaps, query.parts.extent, parts=True)
        seen = engine.seen(source, None)
        settings = index.settings
        view = index.backbone().view(seen.activations, settings.k, settings.seed)
        found = regions_of(descriptor, view).heatmaps
        if found is None:
            found = np.ones((1, *seen.activations.shape[1:]), np.float32)
        return looks(found, seen.extent, parts=False)

    result: Looks = engine.scene((source.sha256, "looks", descriptor), find)
    return result


def query_picture(engine: Engine, source: Source) -> np.ndarray:
    """The query to draw on, longest side 420 pixels; its thumbnail if the photo is gone."""

    def read() -> np.ndarray:
        return _sized(read_image(engine.large(source)))

    picture: np.ndarray = engine.scene((source.sha256, "compare picture"), read)
    return picture


def score_drawn(engine: Engine, source: Source, split: Split) -> tuple[float, bytes]:
    """Where in the query a score comes from, for regions that overlap: the value of the brightest
    place, and a JPEG file. Places that lower the score are dark. As `regions_looked_at`."""
    query = split.ranking.query
    found = regions_looked_at(engine, source, query)

    def run() -> tuple[float, bytes]:
        raised = np.maximum(spread(found.regions, split.table.sum(axis=1)), 0)
        picture = query_picture(engine, source)
        shown = single_heatmap(picture, raised, opacity=0.65, extent=found.extent)
        return float(raised.max()), encode_jpeg(shown)

    key = (source.sha256, "score drawn", query.descriptor, split.row)
    result: tuple[float, bytes] = engine.scene(key, run)
    return result


def result_drawn(engine: Engine, query: Source, split: Split) -> bytes:
    """A result with its own parts, in the colours of `split`, a JPEG file. No network pass."""
    index, row = engine.index, split.row

    def run() -> bytes:
        parts = index.parts(row)
        colours = None if split.colours is None else split.colours[1]
        picture = _sized(read_image(large_image(index, row)))
        return encode_jpeg(overlay(picture, parts.heatmaps, colours=colours, extent=parts.extent))

    key = (query.sha256, "result drawn", split.ranking.descriptor, row)
    image: bytes = engine.scene(key, run)
    return image


def drawn(engine: Engine, source: Source, query: Query) -> tuple[Looks, bytes]:
    """Where a descriptor looks, and the query with it drawn in, a JPEG file."""
    found = regions_looked_at(engine, source, query)
    picture = query_picture(engine, source)
    image: bytes = engine.scene(
        (source.sha256, "looks drawn", query.descriptor), lambda: encode_jpeg(draw(picture, found))
    )
    return found, image


def draw(picture: np.ndarray, found: Looks) -> np.ndarray:
    """The regions on a picture (height, width, 3) uint8; an even region leaves it as it is."""
    if found.kind == "even":
        return picture
    if found.kind == "parts":
        return overlay(picture, found.regions, extent=found.extent)
    return single_heatmap(
        picture,
        found.total,
        opacity=0.65,
        smooth=found.kind == "sum",
        extent=found.extent,
    )


def _sized(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    scale = DRAWN / max(width, height)
    return resize(picture, max(1, round(width * scale)), max(1, round(height * scale)))


def words(found: Looks, query: Query) -> str:
    """What the drawing shows, in one sentence."""
    region, count = about(query.descriptor).region, len(found.regions)
    if found.kind == "even":
        return "Every place counts alike: there is no heatmap."
    if found.kind == "count":
        return f"How many of the {count} {plural(region)} cover each place."
    if found.kind == "parts":
        members = query.described.members
        of = "" if members is None else f" in which its {len(members)} regions lie"
        return f"The {count} parts{of}, numbered as in the table below."
    added = "" if count == 1 else f", all {count} {plural(region)} together"
    return f"How much each place counts{added}."
