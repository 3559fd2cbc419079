"""What is on the screen, as everything that leaves it needs it: figures, tables, report, code."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from dff.explain import check_weights
from dff.export.records import Record, factorization_record, search_record
from dff.factorization import Factorization
from dff.geometry import Box
from dff.images import check_picture, resize
from dff.index import Index, Match, Query
from dff.names import short_name
from dff.parts import Parts
from dff.render import Scale
from dff.shared_parts import Joint

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dff.backbones import Backbone
    from dff.figures import Panel

LARGEST = 1400  # pixels of the longest side that a figure or a report is drawn from
IN_FIGURE = 12  # results


@dataclass(frozen=True, eq=False)
class SearchView:
    """A search as it is shown.

    title, credit: of the query. source: its id in the index, or the name of an uploaded file;
    uploaded: which of the two. read: its pixels. names: one a part of the query, "" for none.
    colours: one index a part. weights: (k,) the user's own. top: how many results are shown.
    shared: the parts that query and results have in common; refined: whether those come from a
    true joint factorization.
    """

    index: Index
    query: Query
    title: str
    credit: str
    source: str
    uploaded: bool
    read: Callable[[], np.ndarray]
    names: tuple[str, ...]
    colours: tuple[int, ...]
    weights: tuple[float, ...]
    top: int
    shared: Joint
    refined: bool

    def __post_init__(self) -> None:
        k = self.query.parts.k
        check_weights(self.weights, k)
        if len(self.names) != k or len(self.colours) != k:
            raise ValueError(
                f"expected a name and a colour for each of {k} parts, "
                f"got {len(self.names)} and {len(self.colours)}"
            )

    @property
    def path(self) -> str:
        """What the records call the query: its path in the photos' folder, or the file's name."""
        if self.uploaded:
            return self.source
        return self.index.pictures[self.index.row(self.source)].path

    @cached_property
    def picture(self) -> np.ndarray:
        """The query, (height, width, 3) uint8, at most `LARGEST` pixels long."""
        return _shrunk(self.read())

    @cached_property
    def found(self) -> list[Match]:
        """The results."""
        return self.index.search(self.query, top=self.top, weights=self.weights)

    @cached_property
    def boxes(self) -> list[Box | None]:
        """Where each result has what is meant."""
        return [self.shared.box(self.index, match.row, self.weights) for match in self.found]

    @property
    def weighted(self) -> bool:
        """Whether the user has changed a weight."""
        return any(weight != 1 for weight in self.weights)

    def record(self) -> Record:
        """The results as one JSON value."""
        weights = self.weights if self.weighted else None
        return search_record(
            self.index, self.query, self.found, self.boxes, path=self.path, weights=weights
        )

    def note(self) -> str:
        """The settings in one line."""
        settings, query = self.index.settings, self.query
        weights = ", ".join(f"{w:g}" for w in self.weights)
        return " · ".join(
            [
                f"{settings.backbone}:{settings.layer}",
                f"{query.parts.k} parts",
                f"compared by {query.descriptor}, {query.matching}",
                f"{len(self.index)} pictures",
                *([f"weights {weights}"] if self.weighted else []),
                *(["refined"] if self.refined else []),
            ]
        )

    def query_panel(self) -> "Panel":
        """The query in its own parts."""
        return self._query_in(self.query.parts)

    def shared_panels(self, most: int) -> tuple["Panel", list["Panel"]]:
        """The query and its first `most` results in the parts they share."""
        from dff.figures import Panel

        results = [
            Panel(
                picture=photo(self.index, match.row),
                parts=self._on(self.shared.of(self.index, match.row)),
                colours=self.colours,
                title=self.index.pictures[match.row].title,
                credit=self.index.pictures[match.row].credit,
                score=match.score,
                shares=None
                if match.contributions is None
                else np.asarray(match.contributions.sum(axis=1)),
                box=box,
            )
            for match, box in zip(self.found[:most], self.boxes[:most], strict=True)
        ]
        return self._query_in(self.shared.query), results

    def own_panel(self, match: Match) -> "Panel":
        """A result in its own parts, in the colours of the query's that they go with."""
        from dff.figures import Panel

        picture = self.index.pictures[match.row]
        partners = self.index.partners(self.query, match.row)
        return Panel(
            picture=photo(self.index, match.row),
            parts=self.index.parts(match.row),
            colours=[self.colours[i] for i in partners],
            title=picture.title,
            credit=picture.credit,
        )

    def match_names(self, match: Match) -> list[str]:
        """What the network calls the parts of a result."""
        names = self.index.pictures[match.row].names
        return [(short_name(name) or ("", 0.0))[0] for name in names]

    def parts_figure(self) -> "Figure":
        """The query's parts."""
        from dff.figures import parts_figure

        return parts_figure(self.query_panel(), self.names, note=self.note())

    def results_figure(self) -> "Figure":
        """The query and its first results."""
        from dff.figures import results_figure

        query, results = self.shared_panels(IN_FIGURE)
        return results_figure(query, results, self.names, note=self.note())

    def pair_figure(self, match: Match) -> "Figure":
        """Why one result has its score."""
        from dff.figures import contributions_figure

        table = match.contributions
        if table is None:
            raise ValueError(f"expected a result with a split score, got {match.id}")
        return contributions_figure(
            self.query_panel(),
            self.own_panel(match),
            table,
            self.names,
            self.match_names(match),
            note=self.note(),
        )

    def _query_in(self, parts: Parts) -> "Panel":
        from dff.figures import Panel

        return Panel(self.picture, self._on(parts), self.colours, self.title, self.credit)

    def _on(self, parts: Parts) -> Parts:
        """Without the heat of the parts that are switched off."""
        on = np.array(self.weights, np.float32) > 0
        return replace(parts, heatmaps=parts.heatmaps * on[:, None, None])


@dataclass(frozen=True, eq=False)
class PartsView:
    """One picture under a layer, as Factors shows it.

    index: the collection, for its pictures. picture: at any size; parts: in the original's
    coordinates. names: one a part, "" for none. input_size: (width, height) the network saw.
    """

    index: Index
    title: str
    credit: str
    source: str
    uploaded: bool
    picture: np.ndarray
    factorization: Factorization
    parts: Parts
    input_size: tuple[int, int]
    backbone: "Backbone"
    names: tuple[str, ...]
    colours: tuple[int, ...]
    how: Scale = "shared"
    smooth: bool = True

    def record(self) -> Record:
        """The factorization as one JSON value."""
        size = (self.parts.width, self.parts.height)
        return factorization_record(
            self.factorization, size, self.backbone.name, self.backbone.layer
        )

    def note(self) -> str:
        """The settings in one line."""
        made = self.factorization
        start = f"{made.init}, seed {made.seed}" if made.init == "random" else made.init
        return " · ".join(
            [
                f"{self.backbone.name}:{self.backbone.layer}",
                f"seen at {self.input_size[0]} × {self.input_size[1]}",
                f"{made.k} parts explain {100 * made.explained:.1f} %",
                f"{made.solver}, {start}",
            ]
        )

    def panel(self) -> "Panel":
        """The picture in its parts."""
        from dff.figures import Panel

        return Panel(self.picture, self.parts, self.colours, self.title, self.credit)

    def figure(self) -> "Figure":
        """The picture's parts."""
        from dff.figures import parts_figure

        return parts_figure(
            self.panel(), self.names, note=self.note(), how=self.how, smooth=self.smooth
        )


def photo(index: Index, row: int) -> np.ndarray:
    """A photo of the index, at most `LARGEST` pixels long; its thumbnail where it is not there."""
    if index.photo_path(row) is None:
        with Image.open(io.BytesIO(index.thumbnail(row))) as image:
            return np.array(image.convert("RGB"))
    return _shrunk(index.picture(row))


def _shrunk(picture: np.ndarray) -> np.ndarray:
    check_picture(picture, minimum=1)
    height, width = picture.shape[:2]
    scale = min(1.0, LARGEST / max(width, height))
    return resize(picture, max(1, round(width * scale)), max(1, round(height * scale)))


def listed(values: Sequence[float]) -> str:
    """Numbers as they stand in code and in an address."""
    return ", ".join(f"{value:g}" for value in values)
