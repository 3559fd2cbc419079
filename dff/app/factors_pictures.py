"""The pictures of the factors page: drawn once for each way to look at them, and kept."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dff.app.factors_data import display_size
from dff.app.microscope import Microscope, Recipe, Slide
from dff.images import resize
from dff.render import Scale, encode_jpeg, overlay, single_heatmap

MOST = 10  # parts
MAIN_WIDTH, MAIN_HEIGHT = 760, 560  # pixels of the page for the large picture
SMALL = (400, 300)


@dataclass(frozen=True)
class View:
    """How the page shows what it shows.

    maximum: the heat at the bright end where two pictures share one scale, else None.
    """

    k: int
    side_by_side: bool
    smooth: bool
    scale: Scale
    recipe: Recipe
    maximum: float | None = None

    def bright_end(self, heatmaps: np.ndarray, j: int) -> float:
        """The heat at the bright end of the scale of part j of heatmaps (k, rows, columns)."""
        if self.maximum is not None:
            return self.maximum
        return float((heatmaps if self.scale == "shared" else heatmaps[j]).max())


def draw_all(lab: Microscope, slide: Slide, view: View) -> list[bytes]:
    """The overlays for 1 to 10 parts, as JPEG files."""
    size = display_size(*slide.size, *SMALL)
    views = [replace(view, k=k) for k in range(1, MOST + 1)]
    return [draw_parts(lab, slide, v, lab.colours(slide, v.k, v.recipe), size) for v in views]


def draw_main(lab: Microscope, slide: Slide, view: View) -> bytes:
    """The large overlay, a JPEG file."""
    size = display_size(*slide.size, MAIN_WIDTH, MAIN_HEIGHT)
    return draw_parts(lab, slide, view, lab.colours(slide, view.k, view.recipe), size)


def draw_parts(
    lab: Microscope, slide: Slide, view: View, colours: Sequence[int], size: tuple[int, int]
) -> bytes:
    """The parts over the picture in these colours, one a part, a JPEG file to be shown at `size`
    (width, height)."""

    def draw() -> bytes:
        return encode_jpeg(
            overlay(
                sharp(slide.picture, size),
                lab.factors(slide, view.k, view.recipe).heatmaps,
                colours=colours,
                how=view.scale,
                maximum=view.maximum,
                smooth=view.smooth,
                extent=slide.extent,
            )
        )

    return lab.drawing(("overlay", slide.key, view, tuple(colours), size), draw)


def draw_heat(
    lab: Microscope,
    slide: Slide,
    view: View,
    number: int,
    heatmap: np.ndarray,
    maximum: float,
    size: tuple[int, int],
) -> bytes:
    """One heatmap, a JPEG file to be shown at `size`; number 0 is the residual, in another colour
    map."""

    def draw() -> bytes:
        return encode_jpeg(
            single_heatmap(
                sharp(slide.picture, size),
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


def sharp(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture to draw on: twice the size at which it is shown, for dense screens, as far as
    it has the pixels, and never smaller than it is shown, so that lines are sharp."""
    height, width = picture.shape[:2]
    shown = size[0] / width
    scale = min(2 * shown, max(1.0, shown))
    return resize(picture, max(1, round(width * scale)), max(1, round(height * scale)))
