"""The pictures of the factors page: drawn once for each way to look at them, and kept."""

from dataclasses import dataclass

import numpy as np

from dff.app.factors_data import display_size
from dff.app.microscope import Microscope, Recipe, Slide
from dff.images import resize
from dff.render import Scale, encode_jpeg, overlay, single_heatmap

MOST = 10  # parts
MAIN_WIDTH, MAIN_HEIGHT = 760, 560  # pixels of the page for the large picture
SMALL_WIDTH, SMALL_HEIGHT = 400, 300


@dataclass(frozen=True)
class View:
    """How the page shows what it shows."""

    k: int
    side_by_side: bool
    smooth: bool
    scale: Scale
    recipe: Recipe


def draw_all(lab: Microscope, slide: Slide, view: View) -> list[bytes]:
    """The overlays for 1 to 10 parts, as JPEG files."""
    return [_overlay(lab, slide, k, view, SMALL_WIDTH, SMALL_HEIGHT) for k in range(1, MOST + 1)]


def draw_main(lab: Microscope, slide: Slide, view: View) -> bytes:
    """The large overlay, a JPEG file."""
    return _overlay(lab, slide, view.k, view, MAIN_WIDTH, MAIN_HEIGHT)


def _overlay(lab: Microscope, slide: Slide, k: int, view: View, widest: int, tallest: int) -> bytes:
    size = display_size(*slide.size, widest, tallest)

    def draw() -> bytes:
        return encode_jpeg(
            overlay(
                _sharp(slide, size),
                lab.factors(slide, k, view.recipe).heatmaps,
                colours=lab.colours(slide, k, view.recipe),
                how=view.scale,
                smooth=view.smooth,
                extent=slide.extent,
            )
        )

    return lab.drawing(("overlay", slide.key, k, view.recipe, view.scale, view.smooth, size), draw)


def draw_heat(
    lab: Microscope, slide: Slide, view: View, number: int, heatmap: np.ndarray, maximum: float
) -> bytes:
    """One heatmap, a JPEG file; number 0 is the residual, in another colour map."""
    size = display_size(*slide.size, SMALL_WIDTH, SMALL_HEIGHT)

    def draw() -> bytes:
        return encode_jpeg(
            single_heatmap(
                _sharp(slide, size),
                heatmap,
                maximum=maximum,
                cmap="magma" if number else "viridis",
                opacity=0.65,
                smooth=view.smooth,
                extent=slide.extent,
            )
        )

    key = (slide.key, view.k, view.recipe, view.smooth, number, maximum, size)
    return lab.drawing(("heat", *key), draw)


def _sharp(slide: Slide, size: tuple[int, int]) -> np.ndarray:
    """The picture to draw on: twice the size at which it is shown, for dense screens, as far as
    it has the pixels, and never smaller than it is shown, so that lines are sharp."""
    height, width = slide.picture.shape[:2]
    shown = size[0] / width
    scale = min(2 * shown, max(1.0, shown))
    return resize(slide.picture, max(1, round(width * scale)), max(1, round(height * scale)))
