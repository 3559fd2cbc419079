"""What the lesson shows for one picture and one step: everything computed once and kept."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from dff.app import scene
from dff.app.engine import Engine, Source
from dff.app.learn import adding, failures, iterations, maps, matching
from dff.app.learn.texts import STEPS
from dff.app.limits import limits
from dff.app.part_flow import flow_facts
from dff.app.turns import turn
from dff.index import Index
from dff.index.query import Query

LAST = len(STEPS)
LOOKS = (1, 2, 3)  # the steps that need the network's own view of the picture

Progress = Callable[[int, int], None]
OwnNames = Mapping[int, tuple[str, float | None]]  # as in `part_facts`


def needs_network(engine: Engine, source: Source, k: int, step: int) -> bool:
    """Whether a step cannot be drawn from the index alone."""
    if step == LAST:
        return False
    return step in LOOKS or engine.needs_network(source.row, k, None)


def step_key(source: Source, k: int, step: int) -> tuple[Any, ...]:
    """What a step's picture depends on."""
    if step == LAST:
        return ("lesson", step)
    # The first is the same for any k, and the third shows every k.
    return ("lesson", step, source.sha256, 0 if step in (1, 3) else k)


def step_data(
    engine: Engine,
    source: Source,
    k: int,
    step: int,
    own: Callable[[Query], OwnNames] = lambda query: {},
    names: str = "",
) -> dict[str, Any]:
    """One step's picture as JSON values. Slow where `needs_network`. Raises ValueError, for the
    page, where the network or the photo is not there.

    own: the user's names for the parts of a query; names: what changes when any of them does.
    """
    data: dict[str, Any] = engine.scene(
        (*step_key(source, k, step), names), partial(_compute, engine, source, k, step, own)
    )
    return data


def tested_failures(engine: Engine, progress: Progress) -> dict[str, Any]:
    """The last step with its deletion computed.

    progress: called with a part's number, from 1, and how many there are, before each pass of the
    network. Raises ValueError where the network or the photo is not there.
    """

    def run() -> dict[str, Any]:
        reasons = [f for f in failures.examples(engine.index) if f.kind == "reason"]
        falls = {f.picture: _falls(engine, f, progress) for f in reasons}
        return failures.facts(engine.index, falls)

    data: dict[str, Any] = engine.scene(("lesson", LAST, "tested"), run)
    return data


def _falls(engine: Engine, failure: failures.Failure, progress: Progress) -> list[float]:
    """By how much the score of the example's result falls without each part of its query."""
    index = engine.index
    query = index.indexed_query(failure.picture)
    source = Source.of_row(index, index.row_of[failure.picture])
    row = index.row_of[failure.found]

    def score(query: Query) -> float:
        return float(index.row_scores(query)[row].sum())

    falls = []
    for part in range(query.parts.k):
        progress(part + 1, query.parts.k)
        falls.append(score(query) - score(engine.without(source, query, part)))
    return falls


def _compute(
    engine: Engine, source: Source, k: int, step: int, own: Callable[[Query], OwnNames]
) -> dict[str, Any]:
    index = engine.index
    if step == 1:
        return maps.facts(engine.seen(source, None), index.settings.blocks)
    if step == LAST:
        return failures.facts(index, {})
    if step == 3:
        return _splitting(engine, source, own)
    colours = engine.colours(source, k, None)
    query = engine.query(source, k, None)
    if step == 2:
        seen = engine.seen(source, None)
        with turn():
            found = iterations.facts(seen, query)
    elif step == 4:
        found = adding.facts(query, index.whitening("dff"), index.descriptor)
    else:
        found = _ranked(index, query, colours, step)
    parts = scene.part_facts(query, colours, own(query))
    return {**found, "heat": scene.heat_facts(query.parts), "parts": parts}


def _splitting(engine: Engine, source: Source, own: Callable[[Query], OwnNames]) -> dict[str, Any]:
    steps = range(1, limits().parts + 1)
    queries = {other: engine.query(source, other, None) for other in steps}
    parts = {
        other: scene.part_facts(query, engine.colours(source, other, None), own(query))
        for other, query in queries.items()
    }
    found = flow_facts({k: query.parts.heatmaps for k, query in queries.items()}, parts)
    for column in found["columns"]:
        column["heat"] = scene.heat_facts(queries[column["k"]].parts)
    return found


def _ranked(index: Index, query: Query, colours: tuple[int, ...], step: int) -> dict[str, Any]:
    rows = index.row_scores(query)
    if step == 5:
        return matching.match_facts(index, query, rows, colours)
    return matching.ranking_facts(index, query, rows)
