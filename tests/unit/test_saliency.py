"""Saliency by hand: planted objects and tiny arrays with exact answers."""

import itertools

import numpy as np
import pytest

from dff.geometry import grid_extent
from dff.saliency import (
    aml,
    box_of_window,
    cam,
    grad_cam,
    max_pooled,
    summed_activations,
    top_classes,
    window_of_box,
)

TINY = np.array([[[1, 2], [0, 3]], [[4, 0], [1, 1]]], np.float32)
WHOLE_6_8 = (0, 0, 6, 8)


# Heatmaps


def test_summed_activations_by_hand():
    heatmap = summed_activations(TINY)
    assert heatmap.dtype == np.float32
    assert heatmap.tolist() == [[5, 2], [1, 4]]


def test_cam_by_hand():
    heatmap = cam(TINY, np.array([1, -0.5], np.float32))
    assert heatmap.dtype == np.float32
    assert heatmap.tolist() == [[0, 2], [0, 2.5]]  # 1 - 2 and 0 - 0.5 speak against the class


def test_grad_cam_weighs_channels_by_their_mean_gradient():
    # Means 1 and -0.5; no single position has either.
    gradient = np.array([[[0, 4], [2, -2]], [[-1, -1], [0.5, -0.5]]], np.float32)
    heatmap = grad_cam(TINY, gradient)
    assert heatmap.dtype == np.float32
    assert heatmap.tolist() == [[0, 2], [0, 2.5]]


def test_heatmaps_of_nothing_are_zero():
    nothing = np.zeros((2, 3, 4), np.float32)
    slopes = np.ones((2, 3, 4), np.float32)
    for heatmap in (
        summed_activations(nothing),
        cam(nothing, np.array([1.0, -1.0])),
        grad_cam(nothing, slopes),
        grad_cam(slopes, nothing),
    ):
        assert heatmap.shape == (3, 4)
        assert not heatmap.any()


def test_top_classes():
    probabilities = np.array([0.1, 0.3, 0.2, 0.3, 0.1], np.float32)
    assert top_classes(probabilities) == [1]
    assert top_classes(probabilities, 5) == [1, 3, 2, 0, 4]


@pytest.mark.parametrize(
    ("probabilities", "count", "message"),
    [
        (np.ones((1, 3)), 1, r"expected \(classes,\) finite numbers, got shape \(1, 3\)"),
        (np.array([0.5, np.nan]), 1, "finite"),
        (np.ones(3), 0, "count: expected 1 to 3, got 0"),
        (np.ones(3), 4, "count: expected 1 to 3, got 4"),
    ],
)
def test_top_classes_refuses(probabilities: np.ndarray, count: int, message: str):
    with pytest.raises(ValueError, match=message):
        top_classes(probabilities, count)


NAN = np.full((2, 2, 2), np.nan, np.float32)
FLAT = np.ones((2, 2), np.float32)
EMPTY = np.ones((2, 0, 2), np.float32)


@pytest.mark.parametrize(("wrong", "message"), [(NAN, "NaN"), (FLAT, "rows"), (EMPTY, "rows")])
def test_activations_that_are_none_are_refused(wrong: np.ndarray, message: str):
    for answer in (
        lambda: summed_activations(wrong),
        lambda: cam(wrong, np.ones(2)),
        lambda: grad_cam(wrong, np.ones(wrong.shape)),
        lambda: grad_cam(np.ones(wrong.shape), wrong),
        lambda: max_pooled(wrong),
        lambda: aml(wrong, np.ones(2)),
    ):
        with pytest.raises(ValueError, match=message):
            answer()


def test_weights_and_gradients_of_another_layer_are_refused():
    with pytest.raises(ValueError, match=r"class_weights_row: expected \(2,\), got \(3,\)"):
        cam(TINY, np.ones(3))
    with pytest.raises(ValueError, match="class_weights_row: expected finite"):
        cam(TINY, np.array([1, np.inf]))
    with pytest.raises(ValueError, match=r"gradient: expected \(2, 2, 2\), got \(2, 2, 3\)"):
        grad_cam(TINY, np.ones((2, 2, 3), np.float32))


# AML


def planted(grid: tuple[int, int] = (6, 8)) -> np.ndarray:
    """Channel 0 at the top left and 1 at the bottom right of rows 1-2, columns 2-5, in a sea of
    channel 2."""
    activations = np.zeros((3, *grid), np.float32)
    activations[2] = 1
    activations[2, 1:3, 2:6] = 0
    activations[0, 1, 2] = 1
    activations[1, 2, 5] = 1
    return activations


OBJECT = np.array([1, 1, 0], np.float32)


def brute_force(activations: np.ndarray, query: np.ndarray) -> tuple[tuple[int, ...], float]:
    """The best of all windows, each pooled on its own."""
    _, rows, columns = activations.shape
    best: tuple[tuple[int, ...], float] = ((), -1.0)
    for row0, row1 in itertools.combinations(range(rows + 1), 2):
        for column0, column1 in itertools.combinations(range(columns + 1), 2):
            cells = activations[:, row0:row1, column0:column1].astype(np.float64)
            pooled = (cells**10).sum(axis=(1, 2)) ** 0.1
            lengths = np.linalg.norm(pooled) * np.linalg.norm(query)
            cosine = float(pooled @ query / lengths) if lengths > 0 else 0.0
            if cosine > best[1] + 1e-6:
                best = (row0, column0, row1, column1), cosine
    return best


def test_max_pooled_by_hand():
    pooled = max_pooled(TINY)
    assert pooled.dtype == np.float32
    assert pooled.tolist() == [3, 4]
    assert max_pooled(TINY, (0, 1, 2, 2)).tolist() == [3, 1]
    assert max_pooled(TINY, (0, 0, 1, 2)).tolist() == [2, 4]


@pytest.mark.parametrize("window", [(0, 0, 3, 2), (0, -1, 2, 2), (1, 0, 1, 2), (0, 2, 2, 1)])
def test_windows_outside_are_refused(window: tuple[int, int, int, int]):
    with pytest.raises(ValueError, match="window: expected .* <= 2 and .* <= 2, got"):
        max_pooled(TINY, window)
    with pytest.raises(ValueError, match="window: expected .* <= 2 and .* <= 2, got"):
        box_of_window(window, (2, 2), (20, 20))


@pytest.mark.parametrize(
    ("aspect", "step"),
    [(None, 1), (None, 2), (None, 3), (0.5, 1), (0.5, 3), (2, 1)],  # 2: left by the refinement
)
def test_aml_finds_the_planted_object(aspect: float | None, step: int):
    activations = planted()
    activations.setflags(write=False)
    window, cosine = aml(activations, OBJECT, aspect, step=step)
    assert window == (1, 2, 3, 6)
    assert cosine == pytest.approx(1, abs=1e-6)


def test_a_window_is_the_generalised_mean_of_its_cells():
    # Two equal cells count as 2^(1/10) = 1.072 of one, so that only both together match.
    activations = np.array([[[1, 1, 0]], [[1, 0, 0]]], np.float32)
    window, cosine = aml(activations, np.array([2**0.1, 1]))
    assert (window, cosine) == ((0, 0, 1, 2), pytest.approx(1, abs=1e-6))
    # One cell alone is the better match here, by (1.072 + 1) / sqrt(2 (1.149 + 1)) = 0.9994.
    window, cosine = aml(activations[:, :, ::-1], np.array([1.0, 1.0]))
    assert (window, cosine) == ((0, 2, 1, 3), pytest.approx(1, abs=1e-6))
    window, cosine = aml(activations[:, :, :1] * [[[1]], [[0.5]]], np.array([1.0, 1.0]))
    assert (window, cosine) == ((0, 0, 1, 1), pytest.approx(1.5 / 2.5**0.5, abs=1e-6))


@pytest.mark.parametrize("seed", range(5))
def test_without_an_aspect_aml_is_the_best_of_all_windows(seed: int):
    random = np.random.default_rng(seed)
    activations = random.uniform(0.5, 1, (12, 5, 6)) * (random.random((12, 5, 6)) < 0.15)
    activations *= 10.0 ** random.integers(-1, 2, (12, 1, 1))  # weak channels are not lost
    query = max_pooled(activations, (1, 2, 4, 4)) * random.uniform(0.5, 1.5, 12)
    expected, cosine = brute_force(activations, query)
    window, found = aml(activations, query)
    assert window == expected
    assert 0.5 < found == pytest.approx(cosine, abs=1e-6)


def test_rounding_neither_fills_empty_cells_nor_adds_them_to_an_object():
    # One cell with half of the channels in a clearing of 5 x 5 empty cells.
    random = np.random.default_rng(0)
    activations = random.uniform(0.5, 1, (40, 9, 9))
    activations[:, 3:8, 3:8] = 0
    activations[:20, 5, 5] = random.uniform(0.5, 1, 20)
    window, cosine = aml(activations, max_pooled(activations, (5, 5, 6, 6)))
    assert (window, cosine) == ((5, 5, 6, 6), pytest.approx(1, abs=1e-6))


def test_of_windows_that_match_equally_well_the_smallest_is_taken():
    # Both cells together match exactly, the first one alone worse by 5e-7.
    activations = np.array([[[1, 0]], [[0, 1e-3]]], np.float32)
    assert aml(activations, np.array([1, 1e-3]))[0] == (0, 0, 1, 1)
    activations[1, 0, 1] = 1e-2  # worse by 5e-5
    assert aml(activations, np.array([1, 1e-2]))[0] == (0, 0, 1, 2)


def two_objects() -> np.ndarray:
    """A flawless object of 1 x 6 cells at the bottom, and one of 3 x 3 with a flaw at the top."""
    activations = np.zeros((3, 12, 12), np.float32)
    activations[2] = 1
    activations[2, 11, :6] = 0
    activations[[0, 1], 11, [0, 5]] = 1
    activations[2, 1:4, 7:10] = 0
    activations[[0, 1, 2], [1, 3, 2], [7, 9, 8]] = 1, 1, 0.5
    return activations


def test_aml_searches_the_querys_aspect():
    window, cosine = aml(two_objects(), OBJECT)
    assert (window, cosine) == ((11, 0, 12, 6), pytest.approx(1, abs=1e-6))
    window, cosine = aml(two_objects(), OBJECT, aspect=1)
    assert (window, cosine) == ((1, 7, 4, 10), pytest.approx(2 / 4.5**0.5, abs=1e-6))


def test_an_aspect_that_no_window_has_gives_the_nearest():
    # A grid of one row: nothing is three times as high as wide, and single cells come nearest.
    activations = np.array([[[0, 0, 5, 0, 0]], [[1, 1, 0, 1, 1]]], np.float32)
    assert aml(activations, np.array([1.0, 0.0]), aspect=3)[0] == (0, 2, 1, 3)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_aml_does_not_depend_on_scale(scale: float):
    window, cosine = aml(planted() * np.float32(scale), OBJECT * np.float32(1 / scale))
    assert (window, cosine) == ((1, 2, 3, 6), pytest.approx(1, abs=1e-6))


def test_where_nothing_is_like_the_query_the_answer_is_the_whole_map_and_zero():
    activations = planted()
    assert aml(np.zeros_like(activations), OBJECT) == (WHOLE_6_8, 0)
    assert aml(activations, np.zeros(3)) == (WHOLE_6_8, 0)
    assert aml(np.concatenate([activations, activations[:1] * 0]), np.eye(4)[3]) == (WHOLE_6_8, 0)


def test_aml_refuses():
    activations = planted()
    with pytest.raises(ValueError, match="activations must be non-negative"):
        aml(-activations, OBJECT)
    for query in (np.ones(4), np.ones((3, 1)), np.array([1, np.nan, 0])):
        with pytest.raises(ValueError, match=r"query: expected \(3,\) finite numbers"):
            aml(activations, query)
    for aspect in (0, -1, np.nan, np.inf):
        with pytest.raises(ValueError, match="aspect: expected a number above 0, got"):
            aml(activations, OBJECT, aspect)
    with pytest.raises(ValueError, match="step: expected at least 1 cell, got 0"):
        aml(activations, OBJECT, step=0)


# Cells and pixels


def test_cells_to_pixels_by_hand():
    assert box_of_window((1, 1, 2, 3), (3, 4), (400, 300)) == (100, 100, 300, 200)
    assert window_of_box((100, 100, 300, 200), (3, 4), (400, 300)) == (1, 1, 2, 3)
    # Boxes between cells go to the nearest ones, and tiny ones keep the cell they begin in.
    assert window_of_box((60, 140, 260, 260), (3, 4), (400, 300)) == (1, 1, 3, 3)
    assert window_of_box((120, 10, 121, 11), (3, 4), (400, 300)) == (0, 1, 1, 2)


def test_the_padding_of_the_grid_is_not_part_of_the_picture():
    # 16 cells of 32 pixels stand for 500, so that 6 lie outside at both sides.
    extent = grid_extent((16, 16), 32, (500, 500))
    assert box_of_window((0, 0, 16, 16), (16, 16), (500, 500), extent) == (0, 0, 500, 500)
    assert box_of_window((1, 0, 2, 1), (16, 16), (500, 500), extent) == (0, 26, 26, 58)
    assert box_of_window((15, 15, 16, 16), (16, 16), (1000, 500), extent) == (948, 474, 1000, 500)
    assert window_of_box((0, 26, 26, 58), (16, 16), (500, 500), extent) == (1, 0, 2, 1)


def test_every_window_comes_back_from_its_box():
    size, grid = (640, 427), (11, 16)
    extent = grid_extent(grid, 32, (512, 342))
    for row0, row1 in itertools.combinations(range(grid[0] + 1), 2):
        for column0, column1 in itertools.combinations(range(grid[1] + 1), 2):
            window = (row0, column0, row1, column1)
            box = box_of_window(window, grid, size, extent)
            assert window_of_box(box, grid, size, extent) == window


def test_boxes_outside_the_picture_are_refused():
    with pytest.raises(ValueError, match="x1 <= 400"):
        window_of_box((0, 0, 401, 300), (3, 4), (400, 300))
