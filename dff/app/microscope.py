"""The factors page's engine: any network and layer, and every factorization of a picture.

Shared by all sessions, like `dff.app.engine`, whose network and passes it uses where the index's
own layer is asked for. Everything is kept by the sha256 of the picture and every parameter.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import streamlit as st

from dff.app import factors_data
from dff.app.colours import Colouring, chain_colours, placed_colours
from dff.app.engine import Engine, Source
from dff.app.memo import Cache, bytes_of
from dff.app.turns import Busy, turn
from dff.backbones import Backbone, Tap, load_backbone
from dff.factorization import Factorization, factorize_activations, stability
from dff.geometry import Extent, fit_size, grid_extent
from dff.images import resize
from dff.names import Name, name_parts
from dff.parts import Parts
from dff.shared_parts import places

NETWORKS = 3  # entries; a network has two, and some have half a gigabyte of weights
# Bytes that are kept, for all sessions together.
PICTURES = 20_000_000  # as they are drawn, up to 6 MB each
ACTIVATIONS = 64_000_000  # 2 MB a picture, up to 20 MB at the finest layers
SMALL = 32_000_000  # factorizations and drawings
FAILURES = 400  # networks that could not be had
SEEDS = (1, 2, 3)  # of the random starts by which a part is called steady
RETRY = 30.0  # seconds for which a network that could not be had is not asked for again
LONGEST_NAME = 100
LONGEST_SIDE = 1400  # of the picture that is drawn on


@dataclass(frozen=True)
class Recipe:
    """How a factorization is made; hashable, so that it can be a key."""

    solver: str = "hals"
    init: str = "nndsvda"
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Slide:
    """One picture under one layer: what all its factorizations share.

    source: where it is from. picture: as it is drawn, (height, width, 3), longest side at most
    1400. size: (width, height) of the original. activations: (channels, rows, columns). extent:
    what the grid covers.
    """

    key: tuple[str, str, str]
    source: Source
    picture: np.ndarray
    size: tuple[int, int]
    input_size: tuple[int, int]
    activations: np.ndarray
    extent: Extent
    backbone: Backbone


@dataclass(frozen=True)
class Layers:
    """The layers of a network, in order of depth, and the one that is chosen by default.

    Layers that the default or the index joins are there too, as one, at the end. own: the index's
    own layer, None where the network is another.
    """

    taps: tuple[Tap, ...]
    default: str
    own: str | None


class Microscope:
    """Networks, activations, factorizations and drawings, each computed once."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._networks = Cache(NETWORKS)
        self._pictures = Cache(PICTURES, bytes_of)
        self._activations = Cache(ACTIVATIONS, bytes_of)
        self._small = Cache(SMALL, bytes_of)
        self._layers: dict[str, Layers] = {}
        self._failures: dict[tuple[str, str | None], tuple[float, ValueError]] = {}

    def knows(self, name: str) -> bool:
        """Whether `layers` answers at once."""
        return name in self._layers

    def layers(self, name: str) -> "Layers":
        """The layers of a network that can be factorized; loads it the first time."""
        if name not in self._layers:
            backbone = self.network(name)
            taps = backbone.taps
            if backbone.layer not in (tap.name for tap in taps):
                taps = (*taps, Tap(backbone.layer, backbone.channels, backbone.stride))
            settings = self.engine.index.settings
            same = name == settings.backbone and self.engine.problem is None
            self._layers[name] = Layers(taps, backbone.layer, settings.layer if same else None)
        return self._layers[name]

    def network(self, name: str, layer: str | None = None) -> Backbone:
        """A network that ends at a layer; ValueError (WeightsUnavailable) if it cannot be had."""
        if not 0 < len(name) <= LONGEST_NAME:
            raise ValueError(f"network: expected a name, got one of {len(name)} characters")
        self.engine.settle()  # its thread may import torch; two at once gain nothing
        settings = self.engine.index.settings
        own = name == settings.backbone and layer in (None, settings.layer)
        if own and self.engine.problem is None:
            return self.engine.index.backbone()
        failed = self._failures.get((name, layer))
        if failed is not None and time.monotonic() - failed[0] < RETRY:
            raise failed[1]

        def load() -> Backbone:
            if ":" in name:  # it would be kept under two keys
                raise ValueError(
                    f"network: expected a name alone, got {name!r}; the layer has its own field"
                )
            return load_backbone(name, layer)

        try:
            backbone: Backbone = self._networks.get((name, layer), load)
        except Busy:
            raise  # of somebody else who loads it: that says nothing about the network
        except ValueError as error:
            if len(self._failures) > FAILURES:
                self._failures.clear()
            self._failures[(name, layer)] = (time.monotonic(), error)
            raise
        # Asked for by its name, it is the network of its own layer too.
        self._networks.get((name, backbone.layer), lambda: backbone)
        return backbone

    def forget_failures(self, name: str) -> None:
        """Ask for a network again that could not be had a moment ago."""
        for key in [key for key in self._failures if key[0] == name]:
            self._failures.pop(key, None)

    def slide(self, source: Source, name: str, layer: str) -> Slide:
        """A picture as a layer sees it. Runs the network, the first time."""
        backbone = self.network(name, layer)
        picture, size = self.picture(source)
        key = (source.sha256, name, layer)
        activations: np.ndarray = self._activations.get(key, lambda: self._run(source, backbone))
        input_size = fit_size(*size, self._size(backbone))
        grid = (activations.shape[1], activations.shape[2])
        extent = grid_extent(grid, backbone.stride, input_size)
        return Slide(key, source, picture, size, input_size, activations, extent, backbone)

    def picture(self, source: Source) -> tuple[np.ndarray, tuple[int, int]]:
        """The picture as it is drawn, and the original's (width, height)."""

        def read() -> tuple[np.ndarray, tuple[int, int]]:
            picture = self.engine.pixels(source)
            height, width = picture.shape[:2]
            scale = min(1.0, LONGEST_SIDE / max(width, height))
            shown = resize(picture, max(1, round(width * scale)), max(1, round(height * scale)))
            return shown, (width, height)

        found: tuple[np.ndarray, tuple[int, int]] = self._pictures.get(source.sha256, read)
        return found

    def factors(self, slide: Slide, k: int, recipe: Recipe) -> Factorization:
        """The picture in k parts."""

        def run() -> Factorization:
            with turn():
                return factorize_activations(
                    slide.activations, k, solver=recipe.solver, init=recipe.init, seed=recipe.seed
                )

        found: Factorization = self._small.get(("factors", slide.key, k, recipe), run)
        return found

    def colours(self, slide: Slide, k: int, recipe: Recipe) -> tuple[int, ...]:
        """One colour a part, those of Explore where layer and recipe are its own."""
        return self.colouring(slide, k, recipe).colours

    def colouring(self, slide: Slide, k: int, recipe: Recipe) -> Colouring:
        """One colour a part, passed on from k to k in the index's own layer, and from there to
        the slide's by where the parts lie; and which parts are new."""

        def find() -> Colouring:
            settings, own = self.engine.index.settings, slide
            if self.engine.problem is None:
                own = self.slide(slide.source, settings.backbone, settings.layer)
            between = range(min(settings.k, k), max(settings.k, k) + 1)
            bases = {n: self.factors(own, n, Recipe()).basis for n in between}
            colours = chain_colours(bases, settings.k, k)
            given = Colouring(colours, tuple(colour >= settings.k for colour in colours))
            if (own.key, Recipe()) == (slide.key, recipe):
                return given
            return placed_colours(
                given, self.places(own, k, Recipe()), self.places(slide, k, recipe)
            )

        found: Colouring = self._small.get(("colours", slide.key, k, recipe), find)
        return found

    def places(self, slide: Slide, k: int, recipe: Recipe) -> np.ndarray:
        """Where the parts of a picture lie, whatever the grid: (k, pixels) float32."""
        return places(Parts.of(self.factors(slide, k, recipe), slide.size, slide.extent))

    def names(self, slide: Slide, k: int, recipe: Recipe) -> tuple[Name, ...]:
        """What the network's own classifier says of each part."""
        found: tuple[Name, ...] = self._small.get(
            ("names", slide.key, k, recipe),
            lambda: name_parts(self.factors(slide, k, recipe), slide.backbone),
        )
        return found

    def stability(self, slide: Slide, k: int, recipe: Recipe) -> np.ndarray:
        """How surely each part is found again: (k,) float32."""

        def run() -> np.ndarray:
            factors = self.factors(slide, k, recipe)
            with turn():
                return stability(slide.activations, factors, seeds=SEEDS)

        found: np.ndarray = self._small.get(("stability", slide.key, k, recipe), run)
        return found

    def residual(self, slide: Slide, k: int, recipe: Recipe) -> np.ndarray:
        """What the parts leave over, (rows, columns)."""
        found: np.ndarray = self._small.get(
            ("residual", slide.key, k, recipe),
            lambda: factors_data.residual_map(slide.activations, self.factors(slide, k, recipe)),
        )
        return found

    def drawing(self, key: tuple[object, ...], draw: Callable[[], bytes]) -> bytes:
        """An encoded picture, drawn once."""
        found: bytes = self._small.get(("drawing", *key), draw)
        return found

    def _run(self, source: Source, backbone: Backbone) -> np.ndarray:
        settings = self.engine.index.settings
        own = (backbone.name, backbone.layer) == (settings.backbone, settings.layer)
        if own and self.engine.problem is None:
            return self.engine.seen(source, None).activations
        with turn():
            return backbone.activations(self.engine.pixels(source), self._size(backbone))

    def _size(self, backbone: Backbone) -> int:
        """The longest side of the network's input: the index's, whose layers are comparable."""
        settings = self.engine.index.settings
        return settings.size if backbone.name == settings.backbone else backbone.size


def microscope(engine: Engine) -> Microscope:
    """The microscope of an engine's index, one a server."""
    return _microscope(engine, str(engine.index.folder), engine.state)


@st.cache_resource(max_entries=4, show_spinner=False)
def _microscope(_engine: Engine, folder: str, state: str) -> Microscope:
    return Microscope(_engine)
