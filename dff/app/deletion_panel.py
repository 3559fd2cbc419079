""" "Test it: hide this part", on Factors and for a result of a search."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from dff.app import deletion_data, deletion_markup, markup, naming
from dff.app.deletion_data import HiddenOnFactors, HiddenPart, Pair, Place
from dff.app.engine import Engine, Source
from dff.app.errors import say
from dff.app.factors_data import PartFacts, part_facts, plain
from dff.app.factors_pictures import View
from dff.app.microscope import Microscope, Slide
from dff.app.scene import version_of
from dff.deletion import heats_on_picture, hidden, own_pixels
from dff.factorization import project_onto
from dff.index import Query
from dff.parts import Parts

FACTORS_NOTE = (
    "What falls when a part is hidden depended on these pixels in this network. It is evidence, "
    "not proof of cause: the network sees the blur too, and a large part takes more with it."
)


# --- a result of a search ------------------------------------------------------------------


@st.dialog("Test it: hide a part", width="large")
def result_dialog(
    engine: Engine, source: Source, query: Query, row: int, names: dict[int, str]
) -> None:
    """The test of one result, over the page."""
    result_test(engine, source, query, row, names)


def result_test(
    engine: Engine, source: Source, query: Query, row: int, names: dict[int, str]
) -> None:
    """Hide a part of the query and look at one result again.

    row: the result. names: the user's own names by part.
    """
    st.html(markup.STYLE + deletion_markup.STYLE)
    parts = deletion_data.query_facts(
        query, engine.colours(source, query.parts.k, query.box), names
    )
    masks = own_pixels(heats_on_picture(query.parts))
    can_hide = [j for j in range(query.parts.k) if masks[j].any() and not parts[j].dead]
    if not can_hide:
        st.info("This picture has no part that could be hidden.")
        return
    st.markdown(
        f"Your picture: **{plain(source.name, 60)}**. "
        f"Result: **{plain(engine.index.pictures[row].title, 60)}**."
    )
    contribution = engine.index.contributions(query, row).sum(axis=1)
    first = max(can_hide, key=lambda j: float(contribution[j]))
    subject = (source.sha256, query.parts.k, query.box, row)
    chosen = _choose(parts, can_hide, f"hide-{version_of(subject)}", first)
    chosen = first if chosen is None else chosen
    slot = st.container()
    every = st.toggle(
        "Test all parts",
        key="hide_all",
        help="Hides each part in turn and compares the order of the falls with the order of the "
        "contributions.",
    )
    try:
        with slot, st.spinner("Hiding the part and searching again."):
            test = _tested(engine, source, query, row, chosen, contribution, masks)
            _pictures(engine, source, query, masks[chosen], parts[chosen])
        with slot:
            st.markdown(plain(deletion_data.result_sentence(parts[chosen], test)))
            st.html(deletion_markup.expected_and_measured(parts[chosen], test))
        if every:
            with st.spinner("Hiding each part in turn."):
                tests = [
                    _tested(engine, source, query, row, j, contribution, masks) for j in can_hide
                ]
            st.html(deletion_markup.tests_table(parts, tests, chosen))
            st.markdown(plain(deletion_data.verdict(parts, tests)))
    except ValueError as problem:
        say(problem, slot)
    st.caption(deletion_data.NOTE)


def _tested(
    engine: Engine,
    source: Source,
    query: Query,
    row: int,
    part: int,
    contribution: np.ndarray,
    masks: np.ndarray,
) -> HiddenPart:
    return HiddenPart(
        part=part,
        area=float(masks[part].mean()),
        contribution=float(contribution[part]),
        before=_place(engine, source, query, row, None, query.same),
        after=_place(engine, source, engine.without(source, query, part), row, part, query.same),
    )


def _place(
    engine: Engine,
    source: Source,
    query: Query,
    row: int,
    part: int | None,
    excluded: frozenset[int],
) -> Place:
    key = (source.sha256, query.parts.k, query.box, query.descriptor, query.matching, part)
    scores: np.ndarray = engine.scene(
        (*key, "scores without"), lambda: engine.index.row_scores(query).sum(axis=1)
    )
    return deletion_data.place(scores, row, excluded)


def _pictures(
    engine: Engine, source: Source, query: Query, mask: np.ndarray, part: PartFacts
) -> None:
    key = (source.sha256, query.parts.k, query.box, query.descriptor, part.number)
    pair: Pair = engine.scene(
        (*key, "pictures without"),
        lambda: deletion_data.picture_pair(engine.pixels(source), mask, query.box),
    )
    _draw_pair(pair, source, part)


# --- one picture under the microscope --------------------------------------------------------


def factors_test(lab: Microscope, source: Source, slide: Slide, view: View) -> None:
    """Hide a part of the picture and look at what the network makes of it."""
    factors = lab.factors(slide, view.k, view.recipe)
    colours = lab.colours(slide, view.k, view.recipe)
    own = naming.names_seen(lab.engine.index, slide.backbone, factors.basis)
    parts = part_facts(factors, colours, lab.names(slide, view.k, view.recipe), own=own)
    placed = Parts.of(factors, slide.size, slide.extent, None)
    masks = own_pixels(heats_on_picture(placed))
    can_hide = [j for j in range(view.k) if masks[j].any() and not parts[j].dead]
    st.html(deletion_markup.STYLE)
    st.markdown("#### Test it: hide a part")
    st.caption(
        "Blur the pixels in which a part is the strongest, run the network again, and see what "
        "falls."
    )
    chosen = _choose(parts, can_hide, f"hide-{version_of(slide.key, view.k, view.recipe)}")
    if chosen is None:
        return

    def run() -> tuple[HiddenOnFactors, Pair]:
        picture, mask = lab.engine.pixels(source), masks[chosen]
        after = lab.engine.activations(slide.backbone, hidden(picture, mask))
        test = HiddenOnFactors(
            area=float(mask.mean()),
            remaining=deletion_data.remaining_energy(
                project_onto(slide.activations, factors.basis), project_onto(after, factors.basis)
            ),
            before=deletion_data.guesses(slide.backbone, slide.activations),
            after=deletion_data.guesses(slide.backbone, after),
        )
        return test, deletion_data.picture_pair(picture, mask, widest=deletion_data.NARROW)

    with st.spinner("Hiding the part and running the network again."):
        key = (slide.key, view.k, view.recipe, "without", chosen)
        test, pair = lab.engine.scene(key, run)
    left, right = st.columns((11, 9), gap="large")
    with left:
        _draw_pair(pair, source, parts[chosen])
        st.markdown(plain(deletion_data.factors_sentence(parts[chosen], test)))
        st.caption(FACTORS_NOTE)
    with right:
        st.html(deletion_markup.remaining_table(parts, test, chosen))
        if test.after:
            st.html(deletion_markup.guesses_table(test))


# --- both ------------------------------------------------------------------------------------


def _choose(
    parts: Sequence[PartFacts], can_hide: Sequence[int], key: str, default: int | None = None
) -> int | None:
    """The part to hide, from 0, or None where none is chosen and none must be."""
    found: int | None = st.pills(
        "Part to hide",
        can_hide,
        default=default,
        required=default is not None,
        format_func=lambda j: plain(f"{j + 1} {parts[j].name or ''}", 40),
        key=key,
    )
    return found


def _draw_pair(pair: Pair, source: Source, part: PartFacts) -> None:
    named = f"part {part.number}" + (f", {part.name}" if part.name else "")
    pictures = (
        (pair.before, "As it is", "as it is"),
        (pair.after, f"Part {part.number} hidden", f"with {named} blurred"),
    )
    with st.container(horizontal=True, gap="small"):
        for data, caption, how in pictures:
            with st.container(width=pair.width):
                st.image(data, caption, width="stretch", alt=f"{source.name} {how}")
