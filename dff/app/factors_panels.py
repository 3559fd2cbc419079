"""The panels of the factors page: what is shown once everything has been chosen."""

import time
from collections.abc import Sequence
from functools import partial

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dff.app import charts, factors_data, markup
from dff.app.engine import Source
from dff.app.factors_data import PartFacts, plain
from dff.app.factors_pictures import (
    MAIN_HEIGHT,
    MAIN_WIDTH,
    MOST,
    SMALL_HEIGHT,
    SMALL_WIDTH,
    View,
    draw_all,
    draw_heat,
    draw_main,
)
from dff.app.microscope import Microscope, Slide
from dff.backbones import DEFAULT_NAME
from dff.factorization import Factorization
from dff.images import resize
from dff.render import encode_jpeg

MAIN_COLUMNS = (11, 9)
SENT = 0.2  # seconds until the page is with the browser: importing torch then blocks for long

EXPLAINED_HELP = "1 − ‖A − HW‖² / ‖A‖²: how much of the activations the parts account for."
ERROR_HELP = "‖A − HW‖ / ‖A‖."
STABILITY_NOTE = (
    "Started again: three factorizations from random starts, and the lowest cosine between this "
    f"part's heatmap and its counterpart. From {factors_data.STEADY} a part is steady, from "
    f"{factors_data.VARIES} it varies, below that it changes."
)
NAMES_NOTE = (
    "Names come from the network's own classifier, applied to each part's basis vector. The "
    "number is its confidence, which is not correctness: it only knows its own classes."
)
NO_NAMES_NOTE = (
    "The parts have no names here: this layer is not what the network's classifier looks at."
)
SHARED_NOTE = (
    "Heat is the strength of the part's activations. All parts are on one scale, so a weak part "
    "looks weak."
)
OWN_NOTE = (
    "Heat is the strength of the part's activations. Each part is on its own scale, which makes "
    "noise look like signal: compare the numbers under the bars."
)


def wait(lab: Microscope, slot: DeltaGenerator, source: Source, name: str) -> None:
    """What is there before the network: the picture, and where its parts will be."""
    with slot.container():
        left, right = st.columns(MAIN_COLUMNS, gap="large")
        try:
            picture, original = lab.picture(source)
        except ValueError:  # the page itself will say so
            left.skeleton(height=MAIN_HEIGHT)
        else:
            size = factors_data.display_size(*original, MAIN_WIDTH, MAIN_HEIGHT)
            shown = encode_jpeg(resize(picture, *size))
            left.image(shown, width=size[0], alt=f"{source.name}, before its parts are found")
        with right:
            st.markdown(f"#### {plain(source.name)}")
            st.caption(loading(name))
            st.skeleton(height=MAIN_HEIGHT - 160)
    if not lab.engine.ready.is_set():
        time.sleep(SENT)


def loading(name: str) -> str:
    """What a user is told while a network is being loaded."""
    if name == DEFAULT_NAME:
        return "Loading the network. This happens once and takes a few seconds."
    return (
        f"Loading {plain(name, 60)}. On first use its weights are fetched: that can take minutes."
    )


def one_k(lab: Microscope, source: Source, slide: Slide, view: View) -> None:
    """One factorization in detail: its parts, their heatmaps, how well they fit."""
    factors = lab.factors(slide, view.k, view.recipe)
    colours = lab.colours(slide, view.k, view.recipe)
    facts = partial(
        factors_data.part_facts, factors, colours, lab.names(slide, view.k, view.recipe)
    )
    parts = facts()
    left, right = st.columns(MAIN_COLUMNS, gap="large")
    with left:
        width, _ = factors_data.display_size(*slide.size, MAIN_WIDTH, MAIN_HEIGHT)
        st.image(draw_main(lab, slide, view), width=width, alt=_overlay_alt(source, parts, factors))
        st.html(markup.facts_line(_slide_facts(slide)))
    with right:
        st.markdown(f"#### {plain(source.name)}")
        with st.container(horizontal=True, gap="medium"):
            st.metric("Explained", f"{100 * factors.explained:.1f} %", help=EXPLAINED_HELP)
            st.metric("Relative error", f"{factors.error:.3f}", help=ERROR_HELP)
            st.metric("Iterations", factors.iterations)
        table = st.empty()
        st.caption(STABILITY_NOTE)
        st.caption(NAMES_NOTE if any(p.name for p in parts) else NO_NAMES_NOTE)
    table.html(markup.parts_table(parts, pending=True))
    _heatmaps(lab, slide, view, factors, parts)
    st.markdown("#### How well the parts fit")
    charts_slot = st.container()
    # The slowest come last, when the rest is on the screen.
    stability = lab.stability(slide, view.k, view.recipe)
    table.html(markup.parts_table(facts(stability)))
    with charts_slot:
        _charts(lab, slide, view, factors)


def _heatmaps(
    lab: Microscope, slide: Slide, view: View, factors: Factorization, parts: Sequence[PartFacts]
) -> None:
    st.markdown("#### Where each part is")
    st.caption(SHARED_NOTE if view.scale == "shared" else OWN_NOTE)
    width, height = factors_data.display_size(*slide.size, SMALL_WIDTH, SMALL_HEIGHT)
    top = float(factors.heatmaps.max())
    with st.grid("auto", min_column_width=max(200, min(width, 260)), gap="medium") as grid:
        for part, heatmap in zip(parts, factors.heatmaps, strict=True):
            maximum = top if view.scale == "shared" else part.peak
            with grid.cell(), st.container(gap="xsmall", width=width):
                st.html(markup.part_head(part))
                st.image(
                    draw_heat(lab, slide, view, part.number, heatmap, maximum),
                    width=width,
                    alt=_heat_alt(part),
                )
                st.html(markup.colour_bar(maximum, peak=part.peak))


def _charts(lab: Microscope, slide: Slide, view: View, factors: Factorization) -> None:
    with st.grid("auto", min_column_width=280, gap="medium") as grid:
        with grid.cell():
            _residual(lab, slide, view)
        with grid.cell():
            _quality(lab, slide, view)
        with grid.cell():
            st.markdown("**Convergence**")
            measure = factors_data.minimised(view.recipe.solver)
            st.caption(f"{measure[:1].upper()}{measure[1:]} by iteration ({view.recipe.solver})")
            curve = factors_data.convergence(factors.error_curve)
            st.altair_chart(
                charts.convergence_chart(curve, measure),
                key="convergence",
                alt=f"The {measure} falls from {curve[0]['error']:.3f} to "
                f"{curve[-1]['error']:.3f} in {factors.iterations} iterations",
            )
        with grid.cell():
            st.markdown("**Similarity of the parts**")
            st.caption("Cosine of two basis vectors")
            st.altair_chart(
                charts.similarity_chart(factors_data.similarity_records(factors.basis)),
                key="similarity",
                alt=_similarity_alt(factors.basis),
            )


def _residual(lab: Microscope, slide: Slide, view: View) -> None:
    residual = lab.residual(slide, view.k, view.recipe)
    st.markdown("**What the parts leave over**")
    st.caption("‖a − hw‖ / ‖a‖, 1: nothing explained")
    width, _ = factors_data.display_size(*slide.size, SMALL_WIDTH, charts.HEIGHT - 20)
    with st.container(gap="xsmall", width=width):
        st.image(
            draw_heat(lab, slide, view, 0, residual, 1.0),
            width=width,
            alt=f"The residual of {view.k} parts lies between {residual.min():.2f} and "
            f"{residual.max():.2f} and is largest at the {factors_data.place_of_peak(residual)}",
        )
        st.html(markup.colour_bar(1.0, cmap="viridis"))


def _quality(lab: Microscope, slide: Slide, view: View) -> None:
    st.markdown("**More parts, less error**")
    st.caption(f"For k from 1 to {MOST}")
    found = {k: lab.factors(slide, k, view.recipe) for k in range(1, MOST + 1)}
    st.altair_chart(
        charts.quality_chart(factors_data.quality_by_k(found), view.k),
        key="quality",
        alt=f"Explained share from {found[1].explained:.2f} with 1 part to "
        f"{found[MOST].explained:.2f} with {MOST}; {found[view.k].explained:.2f} with {view.k}",
    )


def all_k(lab: Microscope, source: Source, slide: Slide, view: View) -> None:
    """The picture in 1 to 10 parts, side by side."""
    st.markdown(f"#### {plain(source.name)}")
    st.caption(
        "The same picture in 1 to 10 parts. A part keeps its colour from one picture to the next "
        "as long as its basis vector stays the most similar."
    )
    width, _ = factors_data.display_size(*slide.size, SMALL_WIDTH, SMALL_HEIGHT)
    with st.grid("auto", min_column_width=max(200, min(width, 260)), gap="medium") as grid:
        for k, drawn in zip(range(1, MOST + 1), draw_all(lab, slide, view), strict=True):
            factors = lab.factors(slide, k, view.recipe)
            with grid.cell(), st.container(gap="xsmall", width=width):
                st.html(
                    markup.plain_head(
                        f"{k} {'part' if k == 1 else 'parts'}",
                        f"explains {100 * factors.explained:.0f} %",
                    )
                )
                st.image(
                    drawn,
                    width=width,
                    alt=f"{source.name} in {k} {'part' if k == 1 else 'parts'}, which explain "
                    f"{100 * factors.explained:.0f} %",
                )
    st.html(markup.facts_line(_slide_facts(slide)))
    with st.container(width=560):
        _quality(lab, slide, view)


# --- words -----------------------------------------------------------------------------


def _slide_facts(slide: Slide) -> list[str]:
    backbone, (rows, columns) = slide.backbone, slide.activations.shape[1:]
    return [
        f"Picture {slide.size[0]} × {slide.size[1]}",
        f"seen at {slide.input_size[0]} × {slide.input_size[1]}",
        f"grid {columns} × {rows}",
        f"{backbone.channels} channels",
        f"weights: {backbone.weights} ({backbone.licence})",
    ]


def _overlay_alt(source: Source, parts: Sequence[PartFacts], factors: Factorization) -> str:
    named = "; ".join(
        f"{part.number} {part.name or 'without a name'}, {part.where}"
        for part in parts
        if not part.dead
    )
    return (
        f"{source.name} in {len(parts)} parts that explain {100 * factors.explained:.0f} %: {named}"
    )


def _heat_alt(part: PartFacts) -> str:
    if part.dead:
        return f"Part {part.number} holds nothing"
    return (
        f"Part {part.number}{f', looks like {part.name}' if part.name else ''}, strongest at the "
        f"{part.where}, {markup.number(part.peak)}"
    )


def _similarity_alt(basis: np.ndarray) -> str:
    pair = factors_data.most_alike(basis)
    if pair is None:
        return "One part, so there is nothing to compare"
    return f"Parts {pair[0]} and {pair[1]} are the most alike, with a cosine of {pair[2]:.2f}"
