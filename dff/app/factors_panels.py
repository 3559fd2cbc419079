"""The panels of the factors page: what is shown once everything has been chosen."""

import time
from collections.abc import Sequence

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dff.app import charts, factors_data, factors_grid, markup, naming
from dff.app.components.heatgrid import heatgrid
from dff.app.engine import Source
from dff.app.factors_data import PartFacts, plain
from dff.app.factors_grid import Grid, Panel, Read, part_read
from dff.app.factors_pictures import (
    MAIN_HEIGHT,
    MAIN_WIDTH,
    MOST,
    SMALL,
    View,
    draw_all,
    draw_heat,
    draw_main,
)
from dff.app.microscope import Microscope, Recipe, Slide
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
BOTH_NOTE = (
    "Heat is the strength of the part's activations. All parts of both pictures are on one scale."
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
    parts = described(lab, slide, view.k, view.recipe)
    left, right = st.columns(MAIN_COLUMNS, gap="large")
    with left:
        _overlay(lab, slide, view, overlay_alt(source.name, parts, factors), parts)
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
    st.markdown("#### Where each part is")
    st.caption(_scale_note(view))
    heatgrid(
        factors_grid.facts(
            [Grid(factors.heatmaps, slide.extent)],
            [[heat_panel(lab, slide, view, factors, part, SMALL)] for part in parts],
        ),
        key="heatmaps",
    )
    st.markdown("#### How well the parts fit")
    charts_slot = st.container()
    # The slowest come last, when the rest is on the screen.
    stability = lab.stability(slide, view.k, view.recipe)
    steady = described(lab, slide, view.k, view.recipe, stability=stability)
    table.html(markup.parts_table(steady))
    with charts_slot:
        _charts(lab, slide, view, factors)


def described(
    lab: Microscope,
    slide: Slide,
    k: int,
    recipe: Recipe,
    *,
    colours: Sequence[int] | None = None,
    stability: np.ndarray | None = None,
) -> list[PartFacts]:
    """The parts of a picture as the page shows them. colours: instead of their own."""
    factors, found = lab.factors(slide, k, recipe), lab.colouring(slide, k, recipe)
    return factors_data.part_facts(
        factors,
        found.colours if colours is None else colours,
        lab.names(slide, k, recipe),
        stability,
        new=found.new if colours is None else None,
        own=naming.names_seen(lab.engine.index, slide.backbone, factors.basis),
    )


def _overlay(
    lab: Microscope, slide: Slide, view: View, alt: str, parts: Sequence[PartFacts]
) -> None:
    """The large picture; each part's number at a place is told when it is pointed at."""
    grid = Grid(lab.factors(slide, view.k, view.recipe).heatmaps, slide.extent)
    panel = Panel(
        draw_main(lab, slide, view),
        factors_data.display_size(*slide.size, MAIN_WIDTH, MAIN_HEIGHT),
        alt,
        grid=0,
        reads=tuple(part_read(part) for part in parts if not part.dead),
    )
    heatgrid(factors_grid.facts([grid], [[panel]]), key="overlay")


def heat_panel(
    lab: Microscope,
    slide: Slide,
    view: View,
    factors: Factorization,
    part: PartFacts,
    frame: tuple[int, int],
    *,
    grid: int = 0,
    head: str | None = None,
    note: str = "",
) -> Panel:
    """The heatmap of a part of `factors`, inside a frame (width, height).

    grid: which of the view's grids holds `factors.heatmaps`. head: instead of the part's own.
    note: a line under its scale.
    """
    heatmap = factors.heatmaps[part.number - 1]
    maximum = view.bright_end(factors.heatmaps, part.number - 1)
    size = factors_data.display_size(*slide.size, *frame)
    return Panel(
        draw_heat(lab, slide, view, part.number, heatmap, maximum, size),
        size,
        heat_alt(part),
        head=markup.part_head(part) if head is None else head,
        foot=markup.colour_bar(maximum, peak=part.peak) + markup.fine(note),
        grid=grid,
        reads=(part_read(part),),
        maximum=maximum,
    )


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
    st.markdown("**What the parts leave over**")
    st.caption("‖a − hw‖ / ‖a‖, 1: nothing explained")
    residual = lab.residual(slide, view.k, view.recipe)
    panel = residual_panel(lab, slide, view, (SMALL[0], charts.HEIGHT - 20))
    heatgrid(factors_grid.facts([Grid(residual[None], slide.extent)], [[panel]]), key="residual")


def residual_panel(
    lab: Microscope,
    slide: Slide,
    view: View,
    frame: tuple[int, int],
    *,
    grid: int = 0,
    head: str = "",
) -> Panel:
    """What the parts leave over at each place, inside a frame (width, height).

    grid: which of the view's grids holds the residual alone.
    """
    residual = lab.residual(slide, view.k, view.recipe)
    size = factors_data.display_size(*slide.size, *frame)
    return Panel(
        draw_heat(lab, slide, view, 0, residual, 1.0, size),
        size,
        f"The residual of {view.k} parts lies between {residual.min():.2f} and "
        f"{residual.max():.2f} and is largest at the {factors_data.place_of_peak(residual)}",
        head=head,
        foot=markup.colour_bar(1.0, cmap="viridis"),
        grid=grid,
        reads=(Read(0, "of the activation is left over"),),
        maximum=1.0,
    )


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
    width, _ = factors_data.display_size(*slide.size, *SMALL)
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


def _scale_note(view: View) -> str:
    if view.maximum is not None:
        return BOTH_NOTE
    return SHARED_NOTE if view.scale == "shared" else OWN_NOTE


def overlay_alt(name: str, parts: Sequence[PartFacts], factors: Factorization) -> str:
    named = "; ".join(
        f"{part.number} {part.name or 'without a name'}, {part.where}"
        for part in parts
        if not part.dead
    )
    return f"{name} in {len(parts)} parts that explain {100 * factors.explained:.0f} %: {named}"


def heat_alt(part: PartFacts) -> str:
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
