"""The panels of the compare page: what is shown once query and descriptors have been chosen."""

import time
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dff.app import compare_data, compare_maps, compare_markup, markup
from dff.app.compare_data import Ranking, Split, plural
from dff.app.engine import Engine, Source
from dff.app.factors_data import display_size, plain
from dff.descriptors import about
from dff.index import Index

SENT = 0.2  # seconds until the page is with the browser: importing torch then blocks for long
MAP_WIDTH, MAP_HEIGHT = 310, 240  # pixels

SUM_NOTE = (
    "The cells of a table sum to the score. Rows are the query's parts or regions, as drawn above; "
    "columns are the result's. Colours are relative to the largest cell of their own table."
)
SHARED_NOTE = "What a pair of regions adds is shared among the parts in which they lie."


def overlap(index: Index, rankings: list[Ranking], top: int) -> None:
    """How many of the first results each pair of descriptors shares."""
    query = rankings[0].query
    titles = [about(ranking.descriptor).title for ranking in rankings]
    correct = None
    if compare_data.category_of(index, query):
        correct = [compare_data.hits(index, ranking, top) for ranking in rankings]
    st.markdown(f"#### How many of the first {top} they share")
    table = compare_data.overlap(rankings, top)
    st.html(compare_markup.overlap_table(titles, table, top, correct))
    common = compare_data.in_all(rankings, top)
    facts = [f"{common} of {top} {'is' if common == 1 else 'are'} found by all of them."]
    if correct is not None:
        known = compare_data.relevant(index, query)
        others = "1 other picture" if known == 1 else f"{known} other pictures"
        facts.append(f"The collection has {others} of the query's category.")
    st.caption(" ".join(facts))


def splits(
    engine: Engine, source: Source, rankings: list[Ranking], row: int
) -> list[tuple[DeltaGenerator, Split]]:
    """How each descriptor came to the score of one result. Returns the places that wait for the
    network: where in the query the score comes from."""
    index = engine.index
    waiting = []
    st.caption(SUM_NOTE)
    st.html(compare_markup.diverging_legend())
    with st.grid("auto", min_column_width=280, gap="medium") as grid:
        for ranking in rankings:
            split: Split = engine.scene(
                (source.sha256, "split", ranking.descriptor, row),
                partial(compare_data.split, index, ranking, row),
            )
            with grid.cell(), st.container(gap="small"):
                _split(engine, source, split)
                if not split.single and split.colours is None:
                    waiting.append((st.empty(), split))
    return waiting


def _split(engine: Engine, source: Source, split: Split) -> None:
    words = about(split.ranking.descriptor)
    score = compare_markup.number(split.score)
    place = f"rank {split.rank} of {len(split.ranking.order)}, score {score}"
    st.html(markup.plain_head(words.title, place))
    if split.single:
        st.caption("It has one region, the whole picture: there is nothing to split.")
        return
    st.html(compare_markup.split_table(split, words.region))
    pair = compare_markup.pair_sentence(split, words.region)
    size = f"{split.table.shape[0]} × {split.table.shape[1]} cells sum to {score}, the score."
    shared = "" if split.ranking.query.described.members is None else f" {SHARED_NOTE}"
    st.caption(f"{size}{shared} {pair}")
    if split.colours is not None:
        picture = engine.index.pictures[split.row]
        st.image(
            compare_maps.result_drawn(engine, source, split),
            width=display_size(picture.width, picture.height, MAP_WIDTH, MAP_HEIGHT)[0],
            alt=f"{picture.title} in its own parts",
        )
        st.caption("The result's parts, in the colour of the query's part that each goes with.")


def score_map(engine: Engine, source: Source, split: Split, slot: DeltaGenerator) -> None:
    """Where in the query the score of overlapping regions comes from."""
    words = about(split.ranking.descriptor)
    try:
        largest, image = compare_maps.score_drawn(engine, source, split)
    except ValueError:  # the pictures above have said why
        return
    height, width = compare_maps.query_picture(engine, source).shape[:2]
    says = (
        f"Where in the query this score comes from: what each of the {len(split.table)} "
        f"{plural(words.region)} adds, spread over the places it covers."
    )
    with slot.container(gap="xsmall"):
        st.image(image, width=display_size(width, height, MAP_WIDTH, MAP_HEIGHT)[0], alt=says)
        st.html(markup.colour_bar(largest))
        st.caption(f"{says} The numbers are of one cell of the network's grid.")


# --- where they look -------------------------------------------------------------------


def looking(engine: Engine, source: Source, rankings: list[Ranking]) -> None:
    """The query as each descriptor looks at it; those that need the network come last."""
    st.markdown("#### Where each descriptor looks in the query")
    height, width = compare_maps.query_picture(engine, source).shape[:2]
    size = display_size(width, height, MAP_WIDTH, MAP_HEIGHT)
    status = st.empty()
    slots: list[DeltaGenerator] = []
    with st.grid("auto", min_column_width=260, gap="medium") as grid:
        for ranking in rankings:
            with grid.cell(), st.container(gap="xsmall", width=size[0]):
                st.html(markup.plain_head(about(ranking.descriptor).title))
                slots.append(st.empty())
    late = []
    for slot, ranking in zip(slots, rankings, strict=True):
        if compare_maps.needs_network(ranking.query):
            slot.skeleton(height=size[1] + 44)
            late.append((slot, ranking))
        else:
            _map(engine, source, ranking, slot, size[0])
    if not late:
        return
    try:
        if not engine.ready.is_set():
            time.sleep(SENT)
        with status, st.spinner("Running the network on the query, to see where they look."):
            for slot, ranking in late:
                _map(engine, source, ranking, slot, size[0])
    except ValueError as error:
        for slot, _ in late:
            slot.caption("Not known without the network and the photo.")
        status.info(
            "Some of these pictures need the network and the photo's pixels. The results above do "
            f"not. What happened: {plain(str(error))}",
            icon=":material/info:",
        )


def _map(
    engine: Engine, source: Source, ranking: Ranking, slot: DeltaGenerator, width: int
) -> None:
    found, image = compare_maps.drawn(engine, source, ranking.query)
    words = compare_maps.words(found, ranking.query)
    with slot.container(gap="xsmall"):
        st.image(image, width=width, alt=f"{about(ranking.descriptor).title}. {words}")
        if found.kind in ("count", "sum"):
            st.html(markup.colour_bar(float(found.total.max())))
        st.caption(words)
