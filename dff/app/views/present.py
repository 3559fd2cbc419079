"""Present: one query as slides over the whole window, for a lecture hall.

The address says which: a picture of the collection, k, a box, and the slide. It is opened from
Explore in a tab of its own.
"""

import numpy as np
import streamlit as st

from dff.app import naming
from dff.app.components.talk import talk as show
from dff.app.engine import Engine, Source
from dff.app.errors import say
from dff.app.state import (
    default_picture,
    link_to,
    read_address,
    sent,
    session,
    valid_k,
    valid_whole,
    write_address,
    write_one,
)
from dff.app.stories import story_of
from dff.app.talk import Slide, talk
from dff.explain import best
from dff.images import read_image
from dff.index import Query
from dff.shared_parts import JOINT, joint_parts


def page(engine: Engine) -> None:
    """Draw the page."""
    index, current = engine.index, session()
    asked = st.query_params.get("picture")
    id = asked if asked in index.row_of else default_picture(index)
    source = Source.of_row(index, index.row_of[id])
    k = valid_k(st.query_params.get("k", "")) or index.settings.k
    picture = index.pictures[index.row_of[id]]
    try:
        read_address(current, source, (picture.width, picture.height), k)
        if engine.needs_network(source.row, k, current.box) and not engine.ready.is_set():
            with st.spinner("Loading the network: once, a few seconds."):
                engine.wait()
        query = engine.query(source, k, current.box)
        names = naming.own_names(index, query.parts.basis)
        key = (source.sha256, k, current.box, tuple(names.items()), "talk")
        slides = engine.scene(key, lambda: _slides(engine, source, query, names))
    except ValueError as error:
        say(error)
        return
    first = _slide(st.query_params.get("slide", ""), len(slides))

    def on_slide() -> None:
        number = sent("talk", "slide")
        if type(number) is int and 0 <= number < len(slides):
            write_one("slide", str(number + 1) if number else None)

    box = ",".join(map(str, query.box)) if query.box else None
    leave = link_to("", picture=id, k=k, box=box)
    show(slides, key="talk", first=first, on_slide=on_slide, leave=leave)
    write_one("picture", None if id == default_picture(index) else id)
    write_one("k", None if k == index.settings.k else str(k))
    write_address(current)


def _slides(engine: Engine, source: Source, query: Query, names: naming.OwnNames) -> list[Slide]:
    index, k, box = engine.index, query.parts.k, query.box
    rows = index.row_scores(query)
    first = best(rows @ np.ones(rows.shape[1], np.float32), JOINT, query.same)
    return talk(
        index,
        query,
        _photo(engine, source),
        source.name,
        joint_parts(index, query, first),
        engine.colours(source, k, box),
        names,
        story_of(index.pictures[query.row].id, k, box) if query.row is not None else None,
    )


def _photo(engine: Engine, source: Source) -> np.ndarray:
    """The picture, or its thumbnail where the photo is gone."""
    row = source.row
    if row is not None and engine.index.photo_path(row) is None:
        return read_image(engine.index.thumbnail(row))
    return engine.pixels(source)


def _slide(text: str, count: int) -> int:
    return (valid_whole(text, count) or 1) - 1
