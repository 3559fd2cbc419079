"""Lab, Factors: one picture under the microscope."""

from contextlib import nullcontext
from dataclasses import replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dff.app import factors_beside, markup, takeaway
from dff.app.controls import choose_picture, k_slider, panel
from dff.app.deletion_panel import factors_test
from dff.app.engine import Engine, Source
from dff.app.errors import say, shown
from dff.app.factors_closer import look_closer
from dff.app.factors_data import plain
from dff.app.factors_panels import all_k, loading, one_k, wait
from dff.app.factors_pictures import View, draw_all, draw_main
from dff.app.limits import limits
from dff.app.microscope import Microscope, Recipe, microscope
from dff.app.state import session, valid_whole, write_one
from dff.backbones import DEFAULT_NAME, Tap, WeightsUnavailable
from dff.nmf import DEFAULT_INIT, INITS

# Others can be typed. These have layers that can be factorized and are used in papers.
NETWORKS = (
    DEFAULT_NAME,
    "vgg16",
    "resnet50",
    "resnet101",
    "resnet18",
    "densenet121",
    "mobilenet_v2",
)
ONE, ALL = "One at a time", "Side by side"
SMOOTH, RAW = "Smooth", "Grid"
SHARED, OWN, BOTH = "Shared scale", "Own scale", "Both pictures"
SOLVERS = ("hals", "mu", "kl")
MOST_SEED = 9999


def page(shared: Engine) -> None:
    """Draw the page."""
    lab = microscope(shared)
    current = session()
    st.html(markup.STYLE)
    # Later runs have the last picture on the screen; a skeleton would push it down.
    first = "network" not in st.session_state
    source, name, layer_slot, k = _toolbar(lab)
    view = _view(k)
    if current.notice:
        say(current.notice)
        current.notice = None
    # Two places: a container's content stays on the screen until the new one has come.
    waiting, body = st.empty(), st.container()
    try:
        if first:
            wait(lab, waiting, source, name)
            layer = _layer(lab, name, layer_slot)
        else:
            with waiting, nullcontext() if lab.knows(name) else st.spinner(loading(name)):
                layer = _layer(lab, name, layer_slot)
        slide = lab.slide(source, name, layer)
        second = None if view.side_by_side else factors_beside.second(lab, slide, view)
        if second is not None and st.session_state["scale"] == BOTH:
            view = replace(view, maximum=factors_beside.highest(lab, slide, view, second))
        # Everything above the fold, before anything is drawn: a page that fills in bits jumps.
        (draw_all if view.side_by_side else draw_main)(lab, slide, view)
        lab.names(slide, view.k, view.recipe)
        waiting.empty()
        takeaway.take_parts_away(lab, source, slide, view)
        with body:
            (all_k if view.side_by_side else one_k)(lab, source, slide, view)
            if not view.side_by_side:
                st.markdown("#### Look closer")
                panel(
                    factors_beside.KEY,
                    "A second picture, beside this one",
                    lambda: factors_beside.beside(lab, slide, view, second),
                )
                look_closer(lab, slide, view)
                factors_test(lab, source, slide, view)
    except WeightsUnavailable as problem:
        waiting.empty()
        with body.container(border=True):
            _no_weights(lab, name, problem)
    except ValueError as problem:
        waiting.empty()
        say(problem, body)


# --- choosing --------------------------------------------------------------------------


def _toolbar(lab: Microscope) -> tuple[Source, str, DeltaGenerator, int]:
    """The row of controls: the picture, the network's name, the place of the layer, k."""
    index = lab.engine.index
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        source = choose_picture(index, width=280)
        free = limits().networks
        name = st.selectbox(
            "Network",
            NETWORKS if free else tuple(dict.fromkeys((DEFAULT_NAME, index.settings.backbone))),
            key="network",
            bind="query-params",
            accept_new_options=free,
            help="efficientnet_lite0 comes with its weights. You can type the name of any "
            "torchvision or timm network; its weights are fetched on first use."
            if free
            else "On your own machine you can type the name of any torchvision or timm network.",
        )
        name = name or DEFAULT_NAME
        slot = st.empty()
        if not lab.knows(name):
            slot.selectbox("Layer", ["…"], disabled=True, key="layer_waits")
        k = k_slider(index)
    return source, name, slot, k


def _view(k: int) -> View:
    """The second row: how it is shown and how it is computed."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        shown = st.segmented_control(
            "Number of parts",
            (ONE, ALL),
            default=ONE,
            required=True,
            key="view",
            bind="query-params",
            label_visibility="collapsed",
            help="One k in detail, or all from 1 to 10.",
        )
        grid = st.segmented_control(
            "Heatmaps",
            (SMOOTH, RAW),
            default=SMOOTH,
            required=True,
            key="grid",
            bind="query-params",
            label_visibility="collapsed",
        )
        scale = st.segmented_control(
            "Scale of the heatmaps",
            (SHARED, OWN, BOTH) if factors_beside.is_open() else (SHARED, OWN),
            default=SHARED,
            required=True,
            key="scale",
            bind="query-params",
            label_visibility="collapsed",
        )
        takeaway.button()
    with st.expander("Solver, start and seed", key="recipe"):
        recipe = _recipe()
    return View(
        k=k,
        side_by_side=shown == ALL,
        smooth=grid != RAW,
        scale="per_factor" if scale == OWN else "shared",
        recipe=recipe,
    )


def _recipe() -> Recipe:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        solver = st.selectbox(
            "Solver",
            SOLVERS,
            key="solver",
            bind="query-params",
            width=160,
            help="hals: hierarchical alternating least squares, the fast one. mu: multiplicative "
            "updates, the textbook one. kl: the same for the Kullback-Leibler divergence instead "
            "of the squared error, so that the strongest activations dominate less.",
        )
        init = st.selectbox(
            "Start",
            (DEFAULT_INIT, *(init for init in INITS if init != DEFAULT_INIT)),
            key="init",
            bind="query-params",
            width=160,
            help="nndsvd and nndsvda start from singular vectors and always give the same parts. "
            "random depends on the seed.",
        )
        if "seed" not in st.session_state:
            asked = st.query_params.get("seed", "")  # bound, one like 1e309 would be an error
            st.session_state["seed"] = valid_whole(asked, MOST_SEED) or 0
        seed = st.number_input(
            "Seed",
            0,
            MOST_SEED,
            key="seed",
            persist_state="session",
            width=140,
            disabled=init != "random",
            help="Used by the random start only.",
        )
    write_one("seed", str(int(seed)) if seed else None)
    # A seed that changes nothing must not make new cache entries.
    return Recipe(solver, init, int(seed) if init == "random" else 0)


def _layer(lab: Microscope, name: str, slot: DeltaGenerator) -> str:
    """The layer, chosen from those of the network; loads the network the first time."""
    found = lab.layers(name)
    taps = {tap.name: tap for tap in reversed(found.taps)}
    if st.session_state.get("layer") not in taps:
        asked = st.query_params.get("layer") if "layer" not in st.session_state else None
        st.session_state["layer"] = asked if asked in taps else found.default
    layer: str = slot.selectbox(
        "Layer",
        list(taps),
        format_func=lambda name: _tap_label(taps[name], own=name == found.own),
        key="layer",
        persist_state="session",
        help="The layers of this network that are never negative, the deepest first. With the "
        "index's own the parts are those of Explore. The stride is the size of a cell of the grid, "
        "in pixels of the network's input.",
    )
    # Streamlit would write the label here, where the name belongs.
    if layer == found.default:
        st.query_params.pop("layer", None)
    elif st.query_params.get("layer") != layer:
        st.query_params["layer"] = layer
    return layer


def _tap_label(tap: Tap, *, own: bool) -> str:
    # Channels are told below the picture: the box is too narrow for all.
    return f"{tap.name}, as in Explore" if own else f"{tap.name} · stride {tap.stride}"


def _no_weights(lab: Microscope, name: str, problem: WeightsUnavailable) -> None:
    """What to do where the weights cannot be had: the library's words, and a way out."""
    text = shown(problem)
    st.markdown(f"#### The weights of {plain(name, 60)} are not here yet")
    st.write("They are fetched on first use, and that did not work. What happened:")
    st.caption(plain(f"{text[:1].upper()}{text[1:]}.", 1200))
    with st.container(horizontal=True):
        st.button(f"Use {DEFAULT_NAME}", type="primary", on_click=_use_default)
        st.button(
            "Try again", icon=":material/refresh:", on_click=lab.forget_failures, args=(name,)
        )


def _use_default() -> None:
    st.session_state["network"] = DEFAULT_NAME
