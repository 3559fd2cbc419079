"""Masks that follow the picture's edges."""

import numpy as np
import pytest

from dff.localization import Located, locate, refined
from dff.parts import Parts
from dff.refine import refine_mask

ROWS, COLUMNS = np.mgrid[:96, :128]
DISC = (ROWS - 48) ** 2 + (COLUMNS - 60) ** 2 < 28**2


@pytest.fixture
def picture() -> np.ndarray:
    """A red disc on green, both a little uneven."""
    noise = np.random.default_rng(0).integers(-12, 13, (96, 128, 3))
    colours = np.where(DISC[..., None], (190, 40, 40), (40, 130, 60))
    return np.clip(colours + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def heat() -> np.ndarray:
    """Warm around the disc's middle, wider than the disc and without its edge."""
    distance = (ROWS - 50) ** 2 + (COLUMNS - 62) ** 2
    return np.exp(-distance / (2 * 26**2)).astype(np.float32)


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_the_mask_follows_the_edge_that_the_heat_does_not_know(picture, heat):
    copies = picture.copy(), heat.copy()
    mask = refine_mask(picture, heat)
    assert iou(mask, DISC) > 0.9 > iou(heat >= 0.4 * heat.max(), DISC)
    np.testing.assert_array_equal(mask, refine_mask(picture, heat))
    np.testing.assert_array_equal(picture, copies[0])
    np.testing.assert_array_equal(heat, copies[1])


def test_nothing_hot_and_everything_hot(picture):
    assert not refine_mask(picture, np.zeros((96, 128), np.float32)).any()
    assert refine_mask(picture, np.ones((96, 128), np.float32)).all()


def test_wrong_heat_is_refused(picture, heat):
    with pytest.raises(ValueError, match=r"heat: expected shape \(96, 128\), got \(96, 127\)"):
        refine_mask(picture, heat[:, 1:])
    for wrong in (-heat, np.full_like(heat, np.nan)):
        with pytest.raises(ValueError, match="heat: expected finite numbers >= 0"):
            refine_mask(picture, wrong)


def test_a_located_region_gets_the_mask_and_a_box_between_both(picture):
    grid = np.zeros((1, 6, 8), np.float32)
    grid[0, 1:5, 2:6], grid[0, 2:4, 3:5] = 0.5, 1
    parts = Parts(grid, np.ones((1, 1), np.float32), np.ones(1, np.float32), 128, 96)
    before = locate(parts, grid[0])
    after = refined(before, parts, picture)
    assert after.mask.shape == before.mask.shape
    # 256 pixels stand for 128: the mask is drawn at twice the picture's size, and is the disc.
    rows, columns = np.flatnonzero(after.mask.any(axis=1)), np.flatnonzero(after.mask.any(axis=0))
    edges = [v / 2 for v in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)]
    assert np.abs(np.array(edges) - (33, 21, 88, 76)).max() <= 3
    middle = (np.array(before.box) + edges) / 2
    assert np.abs(np.array(after.box) - middle).max() <= 1
    assert after.box != before.box
    nothing = Located(grid[0], None, np.zeros((96, 128), bool))
    assert refined(nothing, parts, picture) is nothing
