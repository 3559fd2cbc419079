"""What can be taken away, as files that are made when they are asked for."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dff.app import naming
from dff.app.engine import Engine, Source
from dff.app.turns import turn
from dff.export import snippet
from dff.export.records import (
    Record,
    concepts_csv,
    contributions_csv,
    parts_csv,
    results_csv,
)
from dff.export.view import PartsView, SearchView, photo
from dff.images import read_image
from dff.index import Index, Query
from dff.names import short_name
from dff.parts import Parts
from dff.shared_parts import Joint

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dff.app.concepts_data import Common
    from dff.app.factors_pictures import View
    from dff.app.microscope import Microscope, Slide

FORMATS = ("png", "pdf", "svg")
PARTS, RESULTS, ONE = "Its parts", "Results", "One result"
MIME = {
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "pdf": "application/pdf",
    "png": "image/png",
    "py": "text/x-python",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True)
class File:
    """Something to download. make: computes its bytes when it is asked for."""

    label: str
    name: str
    make: Callable[[], bytes]

    @property
    def mime(self) -> str:
        """What the browser is told it is."""
        return MIME[self.name.rpartition(".")[2]]


def search_view(
    engine: Engine,
    source: Source,
    query: Query,
    shared: Joint,
    *,
    names: Sequence[str],
    weights: Sequence[float],
    top: int,
    refined: bool,
) -> SearchView:
    """What Explore shows. names: one a part, the user's own where there are such."""
    index, row = engine.index, source.row

    def read() -> np.ndarray:
        if row is not None:
            return photo(index, row)
        data = source.read(index)
        return read_image(data, source.name)

    return SearchView(
        index=index,
        query=query,
        title=source.name,
        credit="" if row is None else index.pictures[row].credit,
        source=_file_name(source.name) if row is None else index.pictures[row].id,
        uploaded=row is None,
        read=read,
        names=tuple(names),
        colours=engine.colours(source, query.parts.k, query.box),
        weights=tuple(weights),
        top=top,
        shared=shared,
        refined=refined,
    )


def parts_view(lab: "Microscope", source: Source, slide: "Slide", view: "View") -> PartsView:
    """What Factors shows."""
    factors, row, index = lab.factors(slide, view.k, view.recipe), source.row, lab.engine.index
    own = naming.names_seen(index, slide.backbone, factors.basis)
    names = [
        own[j][0] if j in own else (short_name(name) or ("",))[0]
        for j, name in enumerate(lab.names(slide, view.k, view.recipe))
    ]
    return PartsView(
        index=index,
        title=source.name,
        credit="" if row is None else index.pictures[row].credit,
        source=_file_name(source.name) if row is None else index.pictures[row].id,
        uploaded=row is None,
        picture=slide.picture,
        factorization=factors,
        parts=Parts.of(factors, slide.size, slide.extent),
        input_size=slide.input_size,
        backbone=slide.backbone,
        names=tuple(names),
        colours=lab.colours(slide, view.k, view.recipe),
        how=view.scale,
        smooth=view.smooth,
    )


def search_figure(view: SearchView, kind: str, place: int, format: str) -> File:
    """A figure of a search. kind: `PARTS`, `RESULTS` or `ONE`; place: of that result, from 0."""

    def figure() -> "Figure":
        if kind == PARTS:
            return view.parts_figure()
        return view.results_figure() if kind == RESULTS else view.pair_figure(view.found[place])

    ending = {PARTS: "parts", RESULTS: "results", ONE: f"result-{place + 1}"}[kind]
    return _figure(view, figure, ending, format)


def search_report(view: SearchView, today: str, address: str | None) -> File:
    """The report of a search."""

    def make() -> bytes:
        from dff.export.report import search_report

        with turn():
            return search_report(view, made=today, address=address).encode()

    return File("HTML report", f"{_stem(view)}-report.html", make)


def search_tables(view: SearchView) -> list[File]:
    """The numbers of a search."""
    stem = _stem(view)

    def contributions() -> bytes:
        return contributions_csv(view.record()).encode()

    return [
        File("Results, CSV", f"{stem}-results.csv", lambda: results_csv(view.record()).encode()),
        File("Contributions, CSV", f"{stem}-contributions.csv", contributions),
        File("JSON", f"{stem}.json", lambda: _json(view.record())),
    ]


def search_script(view: SearchView) -> File:
    """The search as a Python script."""
    return File("Python script", f"{_stem(view)}.py", lambda: snippet.search_script(view).encode())


def parts_figure(view: PartsView, format: str) -> File:
    """The figure of a picture's parts."""
    return _figure(view, view.figure, "parts", format)


def parts_report(view: PartsView, today: str, address: str | None) -> File:
    """The report of a picture's parts."""

    def make() -> bytes:
        from dff.export.report import parts_report

        with turn():
            return parts_report(view, made=today, address=address).encode()

    return File("HTML report", f"{_stem(view)}-report.html", make)


def parts_tables(view: PartsView) -> list[File]:
    """The numbers of a picture's parts."""
    stem = _stem(view)

    def parts() -> bytes:
        return parts_csv(view.factorization, view.names).encode()

    return [
        File("Parts, CSV", f"{stem}-parts.csv", parts),
        File("JSON", f"{stem}.json", lambda: _json(view.record())),
    ]


def parts_script(view: PartsView) -> File:
    """The factorization as a Python script."""
    return File("Python script", f"{_stem(view)}.py", lambda: snippet.parts_script(view).encode())


def concepts_figure(
    index: Index, common: "Common", colours: Sequence[int], names: Sequence[str], format: str
) -> File:
    """The figure of what a set of pictures shares."""

    def figure() -> "Figure":
        from dff.concepts import energy_of
        from dff.figures import Panel, concepts_figure

        panels = [
            Panel(
                picture=photo(index, row),
                parts=parts,
                colours=colours,
                title=index.pictures[row].title,
                credit=index.pictures[row].credit,
            )
            for row, parts in zip(common.rows, common.pictures, strict=True)
        ]
        settings = index.settings
        note = f"{settings.backbone}:{settings.layer} · {len(names)} parts, factorized together"
        return concepts_figure(panels, names, energy_of(common.pictures).tolist(), note=note)

    return _saved(figure, "concepts", format)


def concepts_table(index: Index, common: "Common", names: Sequence[str]) -> File:
    """The numbers of what a set of pictures shares."""

    def make() -> bytes:
        from dff.concepts import energy_of

        ids = [index.pictures[row].id for row in common.rows]
        energy = energy_of(common.pictures).tolist()
        return concepts_csv(ids, common.pictures, names, energy).encode()

    return File("Parts by picture, CSV", "concepts.csv", make)


def _figure(
    view: SearchView | PartsView, figure: Callable[[], "Figure"], ending: str, format: str
) -> File:
    return _saved(figure, f"{_stem(view)}-{ending}", format)


def _saved(figure: Callable[[], "Figure"], name: str, format: str) -> File:
    def make() -> bytes:
        from dff.figures import save

        with turn():  # a figure for print takes a second and some memory
            return save(figure(), format)

    return File(format.upper(), f"{name}.{format}", make)


def _file_name(name: str) -> str:
    """An uploaded file's name without any folders."""
    return name.replace("\\", "/").rpartition("/")[2]


def _stem(view: SearchView | PartsView) -> str:
    """The beginning of the files' names: a stranger's text made into one."""
    name = view.source.rpartition(".")[0] or view.source
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:60] or "picture"


def _json(record: Record) -> bytes:
    return (json.dumps(record, ensure_ascii=False, allow_nan=False, indent=1) + "\n").encode()
