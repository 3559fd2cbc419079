import numpy as np
import pytest

from dff.factorization import factorize_activations
from dff.geometry import WHOLE
from dff.parts import Parts

# Of 8 x 12 cells the rectangle sees the middle 4 x 8.
BEYOND = (-1 / 4, -1 / 2, 5 / 4, 3 / 2)


def make(width=400, height=200, box=None, extent=WHOLE, grid=(2, 4), k=2) -> Parts:
    return Parts(
        heatmaps=np.ones((k, *grid), np.float32),
        basis=np.eye(k, 3, dtype=np.float32),
        energy=np.full(k, 1 / k, np.float32),
        width=width,
        height=height,
        extent=extent,
        box=box,
    )


def slope(rows: int, columns: int, extent=WHOLE) -> np.ndarray:
    """x + 10 y of the middles of rows x columns pieces of the extent."""
    x0, y0, x1, y1 = extent
    x = x0 + (np.arange(columns) + 0.5) * (x1 - x0) / columns
    y = y0 + (np.arange(rows) + 0.5) * (y1 - y0) / rows
    return (x + 10 * y[:, None]).astype(np.float32)


def filled(canvas: np.ndarray) -> tuple[int, int, int, int]:
    """The rectangle of what is not zero, which it must fill."""
    rows, columns = np.nonzero(canvas)
    x0, y0, x1, y1 = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    assert len(rows) == (x1 - x0) * (y1 - y0)
    return x0, y0, x1, y1


def test_parts_of_a_factorization():
    # Channel 0 is the left cell, channel 1 the right one, channel 2 and the third part nothing.
    activations = np.array([[[3, 0]], [[0, 4]], [[0, 0]]], np.float32)
    factorization = factorize_activations(activations, 3)
    parts = Parts.of(factorization, (60, 40), (0, 0, 1, 1.5), (1, 2, 30, 40))
    assert (parts.width, parts.height, parts.box) == (60, 40, (1, 2, 30, 40))
    assert parts.extent == (0, 0, 1, 1.5)
    assert (parts.k, parts.grid) == (3, (1, 2))
    assert parts.dead.tolist() == factorization.dead.tolist() == [False, False, True]
    assert parts.heatmaps is factorization.heatmaps and parts.basis is factorization.basis
    assert np.allclose(parts.energy, [0.64, 0.36, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("heatmaps", "basis", "expected"),
    [
        ([[[3, 0]], [[0, 4]]], [[1, 0], [0, 1]], [9 / 25, 16 / 25]),
        # In the same place and alike: <h0 w0, h1 w1> = 2 * 0.6 counts for both.
        ([[[2, 0]], [[1, 0]]], [[1, 0], [0.6, 0.8]], [5.2 / 7.4, 2.2 / 7.4]),
        # Alike, but in different places.
        ([[[2, 0]], [[0, 1]]], [[1, 0], [1, 0]], [0.8, 0.2]),
        ([[[0, 0]], [[0, 1]]], [[1, 0], [1, 0]], [0, 1]),
        ([[[0, 0]], [[0, 0]]], [[1, 0], [1, 0]], [0, 0]),
    ],
)
@pytest.mark.filterwarnings("error")
def test_energies_of_other_heatmaps(heatmaps, basis, expected):
    before = make(box=(1, 2, 30, 40), extent=BEYOND)
    heatmaps, basis = np.array(heatmaps, np.float32), np.array(basis, np.float32)
    after = before.with_heatmaps(heatmaps, basis)
    assert after.energy == pytest.approx(expected, abs=1e-6)
    assert after.energy.dtype == np.float32
    assert after.heatmaps is heatmaps and after.basis is basis
    assert (after.width, after.height) == (400, 200)
    assert (after.extent, after.box) == (BEYOND, (1, 2, 30, 40))
    assert before.energy.tolist() == [0.5, 0.5]


def test_own_heatmaps_give_the_energies_of_the_factorization():
    activations = np.random.default_rng(0).random((20, 5, 6)).astype(np.float32)
    factorization = factorize_activations(activations, 4)
    parts = Parts.of(factorization, (60, 50), WHOLE, None)
    again = parts.with_heatmaps(parts.heatmaps, parts.basis)
    assert again.energy == pytest.approx(factorization.energy, abs=1e-5)


@pytest.mark.parametrize(
    ("width", "height", "longest", "shape"),
    [
        (400, 200, 100, (50, 100)),
        (200, 400, 100, (100, 50)),
        (400, 200, 800, (400, 800)),
        (333, 500, 64, (64, 43)),
        (1000, 1, 64, (1, 64)),
    ],
)
def test_the_whole_picture(width, height, longest, shape):
    heat = make(width, height, extent=BEYOND).on_picture(slope(8, 12, BEYOND), longest)
    assert heat.shape == shape and heat.dtype == np.float32
    assert np.allclose(heat, slope(*shape), atol=1e-5)


@pytest.mark.parametrize(
    ("box", "longest", "place"),
    [
        ((100, 50, 300, 150), 200, (50, 25, 150, 75)),
        ((100, 50, 300, 150), 400, (100, 50, 300, 150)),
        ((0, 0, 400, 200), 100, (0, 0, 100, 50)),
        ((240, 120, 400, 200), 50, (30, 15, 50, 25)),
    ],
)
def test_a_box(box, longest, place):
    parts = make(box=box, extent=BEYOND)
    x0, y0, x1, y1 = place
    heat = parts.on_picture(slope(8, 12, BEYOND) + 1, longest)
    assert heat.shape == (longest // 2, longest)
    assert filled(heat) == place
    # Heat is in shares of the box, exactly.
    assert np.allclose(heat[y0:y1, x0:x1], slope(y1 - y0, x1 - x0) + 1, atol=1e-5)


@pytest.mark.parametrize(
    ("box", "place"),
    [
        ((399, 199, 400, 200), (99, 49, 100, 50)),
        ((0, 0, 1, 1), (0, 0, 1, 1)),
        ((201, 0, 202, 200), (50, 0, 51, 50)),
    ],
)
def test_a_box_of_less_than_a_pixel_is_still_there(box, place):
    heat = make(box=box).on_picture(np.ones((2, 4)), 100)
    assert filled(heat) == place and heat.max() == 1


def test_a_box_in_a_picture_one_pixel_high():
    heat = make(1000, 2, box=(500, 1, 1000, 2)).on_picture(np.ones((1, 1)), 10)
    assert heat.tolist() == [[0] * 5 + [1] * 5]
