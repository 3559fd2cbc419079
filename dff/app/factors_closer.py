"""The panels of the factors page that look closer at one picture, computed only while open."""

from dataclasses import replace

import numpy as np
import streamlit as st

from dff.app import charts, factors_data, factors_grid, markup
from dff.app.components.heatgrid import heatgrid
from dff.app.controls import panel
from dff.app.factors_data import Counterpart, PartFacts, plain
from dff.app.factors_grid import Grid, Panel
from dff.app.factors_panels import described, heat_panel
from dff.app.factors_pictures import View
from dff.app.microscope import SEEDS, Microscope, Recipe, Slide
from dff.marks import PALETTE_HEX

PAIR = (220, 200)  # pixels of the page for each of two heatmaps side by side
ROW = (130, 130)  # the same for four

CHANNELS_NOTE = (
    "The strongest channels of each part's basis vector, which has length 1. The tick is the most "
    "that any other part has of the channel: where it is far off, the channel tells the part apart."
)
LAYERS_NOTE = (
    "Parts are paired by where they lie, one to one, the most similar first. Cosine: of the two "
    "heatmaps. Overlap: of the two regions over half of their maximum, intersection over union. "
    "Each part is on its own scale."
)
STARTS_NOTE = (
    "The same factorization from three random starts, paired by the cosine of the heatmaps. The "
    "lowest of the three is what the table above calls “started again”. Each part is on its own "
    "scale."
)


def look_closer(lab: Microscope, slide: Slide, view: View) -> None:
    """The panels on one picture. Which are open is in the address."""
    for key, title, draw in (
        ("channels", "Channels of each part", _channels),
        ("layers", "Another layer, beside this one", _layers),
        ("starts", "Other starts, beside this one", _starts),
    ):
        panel(key, title, lambda draw=draw: draw(lab, slide, view))  # type: ignore[misc]


# --- channels ----------------------------------------------------------------------------


def _channels(lab: Microscope, slide: Slide, view: View) -> None:
    st.caption(CHANNELS_NOTE)
    basis = lab.factors(slide, view.k, view.recipe).basis
    parts = described(lab, slide, view.k, view.recipe)
    with st.grid("auto", min_column_width=300, gap="medium") as grid:
        for part in parts:
            if part.dead:
                continue
            others = basis.copy()
            others[part.number - 1] = 0
            with grid.cell(), st.container(gap="xsmall"):
                st.html(markup.part_head(part))
                profile(slide, part, basis[part.number - 1], others.max(axis=0), "other parts")


def profile(slide: Slide, part: PartFacts, own: np.ndarray, other: np.ndarray, what: str) -> None:
    """The strongest channels of a part; `other` (channels,) is marked beside them."""
    backbone = slide.backbone
    records = factors_data.profile(own, other, backbone.layer, backbone.blocks)
    st.altair_chart(
        charts.profile_chart(records, PALETTE_HEX[part.colour % len(PALETTE_HEX)], what),
        key=f"profile {what} {part.number}",
        alt=f"Part {part.number}'s strongest channels: "
        + ", ".join(f"{r['channel']} ({r['value']:.2f})" for r in records[:3]),
    )


# --- another layer -------------------------------------------------------------------------


def _layers(lab: Microscope, slide: Slide, view: View) -> None:
    own = slide.backbone
    names = [tap.name for tap in reversed(lab.layers(own.name).taps) if tap.name != own.layer]
    if not names:
        st.info("This network has no other layer that can be factorized.")
        return
    name = st.selectbox("Other layer", names, key="other_layer", bind="query-params", width=280)
    with st.spinner(f"Running the network up to {plain(name, 60)}."):
        there = lab.slide(slide.source, own.name, name)
    st.caption(f"Left of each pair {plain(own.layer, 60)}, right {plain(name, 60)}. {LAYERS_NOTE}")
    pairs = factors_data.counterparts(
        lab.places(slide, view.k, view.recipe), lab.places(there, view.k, view.recipe)
    )
    scale = replace(view, scale="per_factor", maximum=None)
    here, other = (lab.factors(s, view.k, view.recipe) for s in (slide, there))
    parts, others = (described(lab, s, view.k, view.recipe) for s in (slide, there))
    groups = []
    for part, pair in zip(parts, pairs, strict=True):
        right = others[pair.other]
        groups.append(
            [
                heat_panel(lab, slide, scale, here, part, PAIR, head=markup.short_head(part)),
                heat_panel(
                    lab, there, scale, other, right, PAIR, grid=1,
                    head=markup.short_head(right), note=_says(pair),
                ),
            ]
        )  # fmt: skip
    grids = [Grid(here.heatmaps, slide.extent), Grid(other.heatmaps, there.extent)]
    heatgrid(factors_grid.facts(grids, groups), key="layer pairs")


# --- other starts --------------------------------------------------------------------------


def _starts(lab: Microscope, slide: Slide, view: View) -> None:
    st.caption(STARTS_NOTE)
    scale = replace(view, scale="per_factor", maximum=None)
    here = lab.factors(slide, view.k, view.recipe)
    grids = [Grid(here.heatmaps, slide.extent)]
    groups: list[list[Panel]] = [
        [heat_panel(lab, slide, scale, here, part, ROW, head=markup.short_head(part))]
        for part in described(lab, slide, view.k, view.recipe)
    ]
    for seed in SEEDS:
        again = replace(scale, recipe=Recipe(view.recipe.solver, "random", seed))
        found = lab.factors(slide, view.k, again.recipe)
        parts = described(lab, slide, view.k, again.recipe)
        flat = [factors.heatmaps.reshape(factors.k, -1) for factors in (here, found)]
        grids.append(Grid(found.heatmaps, slide.extent))
        for group, pair in zip(groups, factors_data.counterparts(*flat), strict=True):
            part = parts[pair.other]
            head = markup.plain_head(f"Start {seed}", f"{pair.cosine:.2f}")
            group.append(heat_panel(lab, slide, again, found, part, ROW, grid=seed, head=head))
    heatgrid(factors_grid.facts(grids, groups), key="start rows")


def _says(pair: Counterpart) -> str:
    return f"cosine {pair.cosine:.2f}, overlap {pair.overlap:.2f}"
