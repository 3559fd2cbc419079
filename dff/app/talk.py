"""One query told as a talk: slides for a lecture hall, and for a page that needs no server.

Plain JSON values, no Streamlit. Every number and place comes from the index and the query, as
Explore shows them; only the sentences around them are written here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dff.app.scene import part_facts
from dff.app.stories import Story
from dff.explain import best
from dff.export.page import data_uri
from dff.images import read_image, thumbnail
from dff.index import Index, Query
from dff.marks import colour_of, draw_box, hex_of, ink_on
from dff.parts import Parts
from dff.render import encode_jpeg, overlay
from dff.shared_parts import Joint

LARGE, MIDDLE, SMALL = 800, 560, 360  # pixels, by how many stand side by side
HEAT_SIDE = 128  # heatmaps are enlarged to this first, whatever region they cover
QUALITY = 82
SHOWN = 6  # results on the last slide

Slide = dict[str, Any]


def talk(
    index: Index,
    query: Query,
    photo: np.ndarray,
    title: str,
    shared: Joint,
    colours: Sequence[int],
    names: dict[int, tuple[str, float | None]],
    story: Story | None = None,
) -> list[Slide]:
    """The slides, each {"title", "text", "figures"} and, some of them, a legend, a table, credits.

    photo: the query's pixels. shared: what it has in common with its first results. colours: one
    a part. names: the user's own, by part. story: what is to be switched off in the end, if
    anything. A figure is {"plain", "seen", "ratio", "caption", "alt"}: the photo, and with parts.
    Raises ValueError if no other picture is in the index.
    """
    rows = index.row_scores(query)
    order = best(rows.sum(axis=1), SHOWN, query.same)
    if not order:
        raise ValueError("expected another picture in the collection to tell about, got none")
    show = _Shower(index, query, photo, title, shared, colours)
    facts = part_facts(query, colours, names)
    slides = [
        _question(show),
        _parts(show, facts),
        _alone(show, facts),
        _match(show, rows, order[0]),
        _why(show, facts, order[0]),
        _more(show, rows.sum(axis=1), order),
    ]
    if story is not None and story.switch:
        slides.append(_without(show, story, rows, order))
    return [*slides, _credits(show)]


@dataclass(frozen=True, eq=False)
class _Shower:
    """Draws figures of one query and its results."""

    index: Index
    query: Query
    photo: np.ndarray
    title: str
    shared: Joint
    colours: Sequence[int]
    shown: dict[int, None] = field(default_factory=dict)  # the collection's pictures, in order

    def own(self, side: int, only: int | None = None) -> dict[str, str]:
        """The query in its own parts, or in one of them."""
        return _drawn(self.photo, self.query.parts, self.colours, side, only)

    def common(self, side: int) -> dict[str, str]:
        """The query in the parts that it shares with its results."""
        return _drawn(self.photo, self.shared.query, self.colours, side)

    def result(self, row: int, side: int, weights: np.ndarray | None = None) -> dict[str, str]:
        """A result in the shared parts, with the box around what was asked for."""
        given = np.ones(self.query.parts.k, np.float32) if weights is None else weights
        box = self.shared.box(self.index, row, given)
        parts = self.shared.of(self.index, row)
        return _drawn(self.picture(row), parts, self.colours, side, box=box, dimmed=given == 0)

    def part_of(self, row: int, part: int, colour: int, side: int) -> dict[str, str]:
        """One of a result's own parts, in the colour of the query's part it goes with."""
        parts = self.index.parts(row)
        colours = [colour] * parts.k
        return _drawn(self.picture(row), parts, colours, side, part)

    def picture(self, row: int) -> np.ndarray:
        """A photo, or its thumbnail where the photo is gone."""
        self.shown[row] = None
        path = self.index.photo_path(row)
        return read_image(self.index.thumbnail(row) if path is None else path)

    def name(self, row: int) -> str:
        """A picture's title."""
        return self.index.pictures[row].title


def _drawn(
    picture: np.ndarray,
    parts: Parts,
    colours: Sequence[int],
    side: int,
    only: int | None = None,
    *,
    box: Sequence[int] | None = None,
    dimmed: np.ndarray | None = None,
) -> dict[str, str]:
    """A picture without and with its parts, its longest side at most `side` pixels."""
    plain = thumbnail(picture, side)
    small = read_image(plain)
    heats = np.stack([parts.on_picture(heat, HEAT_SIDE) for heat in parts.heatmaps])
    heats = np.maximum(heats, 0)
    maximum = float(heats.max())
    for part in range(parts.k):
        if (only is not None and part != only) or (dimmed is not None and dimmed[part]):
            heats[part] = 0
    seen = overlay(small, heats, colours=colours, maximum=maximum)
    if box is not None:
        scale = small.shape[1] / parts.width
        seen = draw_box(seen, [value * scale for value in box])
    return {
        "ratio": f"{small.shape[1]} / {small.shape[0]}",
        "plain": data_uri(plain),
        "seen": data_uri(encode_jpeg(seen, QUALITY)),
    }


def _question(show: _Shower) -> Slide:
    photo = show.own(LARGE)
    return {
        "title": show.title,
        "text": "What is in this photo, and which other photos have it too?",
        "figures": [{**photo, "seen": photo["plain"], "caption": "", "alt": show.title}],
    }


def _parts(show: _Shower, facts: list[dict[str, Any]]) -> Slide:
    """All parts at once, with their names and shares."""
    told = [
        {**_chip(fact), "text": _said(fact), "value": f"{fact['energy']:.0%}"} for fact in facts
    ]
    return {
        "title": f"A network sees {_count(show.query.parts.k, 'part')} in it",
        "text": "Nobody told it where they are: its own responses were split into "
        "the parts that explain them best.",
        "figures": [
            {**show.own(LARGE), "caption": "", "alt": f"{show.title} with its parts in colour"}
        ],
        "legend": told,
    }


def _alone(show: _Shower, facts: list[dict[str, Any]]) -> Slide:
    figures = [
        {
            **show.own(MIDDLE, part),
            "caption": _said(fact),
            "alt": f"Part {fact['number']} alone: {_said(fact)}",
            "chip": _chip(fact),
        }
        for part, fact in enumerate(facts)
        if not fact["dead"]
    ]
    return {
        "title": "Each part alone",
        "text": "A part is where the network responds in one way. The names are its guesses.",
        "figures": figures,
    }


def _match(show: _Shower, rows: np.ndarray, row: int) -> Slide:
    score = float(rows[row].sum())
    framed = show.shared.box(show.index, row, np.ones(rows.shape[1], np.float32)) is not None
    where = ", and the frame is where what you asked for was found" if framed else ""
    return {
        "title": f"The best match: {show.name(row)}",
        "text": f"Its score is {score:.2f}. A colour is the same part in both photos{where}.",
        "figures": [
            {**show.common(MIDDLE), "caption": "Your photo", "alt": show.title},
            {
                **show.result(row, MIDDLE),
                "caption": show.name(row),
                "alt": f"Best match, {show.name(row)}, score {score:.2f}",
            },
        ],
    }


def _why(show: _Shower, facts: list[dict[str, Any]], row: int) -> Slide:
    """The table of the best match, and the pair that added most."""
    table = show.index.contributions(show.query, row)
    mine, its = (int(i) for i in np.unravel_index(int(table.argmax()), table.shape))
    added, score = float(table[mine, its]), float(table.sum())
    return {
        "title": "Why it matches",
        "text": f"The score is a sum over pairs of parts. Your part {mine + 1} with its part "
        f"{its + 1} added the most: {added:.2f} of {score:.2f}.",
        "figures": [
            {
                **show.own(MIDDLE, mine),
                "caption": f"Your part {mine + 1}",
                "alt": f"Part {mine + 1} of {show.title}",
            },
            {
                **show.part_of(row, its, show.colours[mine], MIDDLE),
                "caption": f"Its part {its + 1}",
                "alt": f"Part {its + 1} of {show.name(row)}",
            },
        ],
        "table": {
            "rows": [_chip(fact) for fact in facts],
            "columns": [f"{j + 1}" for j in range(table.shape[1])],
            "cells": [[f"{value:+.2f}" for value in line] for line in table],
            "depth": [
                [round(float(abs(value) / max(abs(table).max(), 1e-9)), 3) for value in line]
                for line in table
            ],
            "signs": [[bool(value >= 0) for value in line] for line in table],
            "most": [mine, its],
            "total": f"{score:.2f}",
        },
    }


def _more(show: _Shower, scores: np.ndarray, order: Sequence[int]) -> Slide:
    return {
        "title": "What else was found",
        "text": f"The best {len(order)} of {_count(len(show.index), 'photo')}.",
        "figures": _ranked(show, scores, order),
    }


def _without(show: _Shower, story: Story, rows: np.ndarray, before: Sequence[int]) -> Slide:
    """The story's parts switched off: the same sum without their rows."""
    weights = np.ones(rows.shape[1], np.float32)
    weights[list(story.switch)] = 0
    scores = rows @ weights
    after = best(scores, SHOWN, show.query.same)
    old, new = show.name(before[0]), show.name(after[0])
    first = f"{new} stays first" if old == new else f"{new} comes first instead of {old}"
    return {
        "title": story.button,
        "text": f"Taken out of the sum: {first}. Nothing was computed again.",
        "figures": _ranked(show, scores, after, weights),
    }


def _ranked(
    show: _Shower, scores: np.ndarray, order: Sequence[int], weights: np.ndarray | None = None
) -> list[dict[str, Any]]:
    return [
        {
            **show.result(row, SMALL, weights),
            "caption": f"{place}. {show.name(row)} · {scores[row]:.2f}",
            "alt": f"Rank {place}: {show.name(row)}, score {scores[row]:.2f}",
        }
        for place, row in enumerate(order, 1)
    ]


def _credits(show: _Shower) -> Slide:
    own = [] if show.query.row is None else [show.query.row]
    pictures = [show.index.pictures[row] for row in dict.fromkeys([*own, *show.shown])]
    said = [f"{one.title}: {one.credit}" if one.credit else one.title for one in pictures]
    return {"title": "The photos", "text": "", "figures": [], "credits": said}


def _chip(fact: dict[str, Any]) -> dict[str, Any]:
    """A part's numbered disc."""
    colour, hatched = colour_of(fact["colour"])
    return {
        "number": fact["number"],
        "colour": hex_of(colour),
        "ink": hex_of(ink_on(colour)),
        "hatched": hatched,
    }


def _said(fact: dict[str, Any]) -> str:
    if fact["dead"]:
        return "holds nothing"
    if not fact["name"]:
        return f"part {fact['number']}"
    return str(fact["name"]) if fact["renamed"] else f"looks like: {fact['name']}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
