import numpy as np
import pytest

from dff.geometry import WHOLE, check_box, fit_size, grid_extent, heat_on_picture

# Of 8 x 12 cells the picture sees the middle 4 x 8: bicubic sees real cells everywhere.
BEYOND = (-1 / 4, -1 / 2, 5 / 4, 3 / 2)


def spot(rows: int = 12, columns: int = 20, at: tuple[int, int] = (4, 14)) -> np.ndarray:
    y, x = np.mgrid[:rows, :columns]
    return np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / 6).astype(np.float32)


def centres(count: int, low: float = 0, high: float = 1) -> np.ndarray:
    """The middles of `count` equal pieces of low..high."""
    return low + (np.arange(count) + 0.5) * (high - low) / count


def slope(rows: int, columns: int, extent=WHOLE) -> np.ndarray:
    """A heatmap whose value is x + 10 y of its cells' middles, in shares of the picture."""
    x0, y0, x1, y1 = extent
    return (centres(columns, x0, x1) + 10 * centres(rows, y0, y1)[:, None]).astype(np.float32)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((1024, 768, 512), (512, 384)),
        ((768, 1024, 512), (384, 512)),
        ((100, 100, 512), (512, 512)),  # small pictures grow by the same rule
        ((640, 427, 512), (512, 342)),  # 341.6: to the pixel, not to a stride
        ((427, 640, 512), (342, 512)),
        ((640, 480, 500), (500, 375)),
        ((2048, 512, 512), (512, 128)),
        ((10_000, 100, 512), (512, 128)),  # 4:1 at most
        ((32, 10_000, 512), (128, 512)),
        ((300, 100, 64), (64, 32)),  # no side under 32
        ((50, 50, 32), (32, 32)),
    ],
)
def test_fit_size(given, expected):
    assert fit_size(*given) == expected


def test_fit_size_keeps_the_aspect_to_half_a_pixel():
    for width in range(40, 700, 37):
        for height in range(max(32, width // 4 + 1), 4 * width, 41):
            found = fit_size(width, height, 512)
            assert max(found) == 512
            exact = np.array([width, height]) * 512 / max(width, height)
            assert np.abs(exact - found).max() <= 0.5


def test_fit_size_refuses_nonsense():
    with pytest.raises(ValueError, match="expected positive sides, got 0 x 5"):
        fit_size(0, 5, 512)
    with pytest.raises(ValueError, match="size: expected at least 32 pixels, got 31"):
        fit_size(5, 5, 31)


def test_grid_extent():
    assert grid_extent((12, 16), 32, (512, 384)) == WHOLE
    assert grid_extent((11, 16), 32, (500, 320)) == pytest.approx((-0.012, -0.05, 1.012, 1.05))
    assert grid_extent((10, 15), 32, (500, 320)) == pytest.approx((0.02, 0, 0.98, 1))
    for sizes in (((0, 4), 32, (64, 64)), ((4, 4), 0, (64, 64)), ((4, 4), 16, (64, 0))):
        with pytest.raises(ValueError, match="expected positive sizes, got grid"):
            grid_extent(*sizes)


def test_a_cell_is_as_wide_as_the_stride_and_the_middle_stays():
    for width, height in ((512, 342), (500, 33), (129, 511)):
        grid = -(-height // 32), -(-width // 32)
        x0, y0, x1, y1 = grid_extent(grid, 32, (width, height))
        assert (x1 - x0) * width / grid[1] == pytest.approx(32)
        assert (y1 - y0) * height / grid[0] == pytest.approx(32)
        assert (x0 + x1, y0 + y1) == pytest.approx((1, 1))


def test_a_good_box_comes_back_as_ints():
    box = check_box([0, 0, 72.0, np.int64(48)], 72, 48)
    assert box == (0, 0, 72, 48) and {type(v) for v in box} == {int}
    assert check_box((10, 5, 18, 13), 72, 48, minimum=8) == (10, 5, 18, 13)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((0, 0, 73, 48), "x1 <= 72"),
        ((0, 0, 72, 49), "y1 <= 48"),
        ((-1, 0, 10, 10), "0 <= x0"),
        ((10, 0, 10, 10), "x0 < x1"),
        ((10, 10, 5, 5), "x0 < x1"),
        ((0, 0, 10), "four whole numbers"),
        ((0, 0, 10.5, 10), "four whole numbers"),
        ((0, 0, float("nan"), 10), "four whole numbers"),
        ((0, 0, float("inf"), 10), "four whole numbers"),
        (None, "four whole numbers"),
        (("a", 0, 1, 1), "four whole numbers"),
        ((0, 0, 7, 20), "at least 8 x 8 pixels, got 7 x 20"),
    ],
)
def test_bad_boxes(box, message):
    with pytest.raises(ValueError, match=message):
        check_box(box, 72, 48, minimum=8)


def test_cell_centres_map_to_cell_centres():
    ramp = np.arange(8, dtype=np.float32)[None].repeat(4, axis=0)
    large = heat_on_picture(ramp, 80, 40)
    # Pixel centre p + 0.5 lies at (p + 0.5) / 10 - 0.5 in cells; cubic is exact on a ramp inside.
    expected = (np.arange(80) + 0.5) / 10 - 0.5
    assert np.allclose(large[:, 15:65], expected[15:65], atol=1e-5)
    raw = heat_on_picture(ramp, 80, 40, smooth=False)
    assert (raw == ramp.repeat(10, axis=1).repeat(10, axis=0)).all()


@pytest.mark.parametrize(("width", "height"), [(80, 40), (97, 61), (8, 4)])
def test_an_extent_past_the_picture_moves_no_pixel(width, height):
    """A planted slope x + 10 y is x + 10 y at every pixel, whatever the grid covers."""
    large = heat_on_picture(slope(8, 12, BEYOND), width, height, BEYOND)
    assert large.shape == (height, width) and large.dtype == np.float32
    assert np.allclose(large, slope(height, width), atol=1e-5)


def test_the_extent_of_a_padded_grid():
    """As it happens: 500 x 340 pixels seen by 11 x 16 cells of 32."""
    extent = grid_extent((11, 16), 32, (500, 340))
    large = heat_on_picture(slope(11, 16, extent), 1000, 680, extent)
    inside = slice(120, -120), slice(120, -120)  # two cells from the frame
    assert np.allclose(large[inside], slope(680, 1000)[inside], atol=1e-5)
    # Without the extent the same grid is out of place by more than a third of a cell.
    assert np.abs(heat_on_picture(slope(11, 16, extent), 1000, 680) - large).max() > 0.1


def test_the_raw_grid_under_an_extent():
    cells = np.arange(6, dtype=np.float32)[None]
    raw = heat_on_picture(cells, 80, 2, (-1 / 4, 0, 5 / 4, 1), smooth=False)
    assert (raw == np.repeat([1, 2, 3, 4], 20)).all()
    # A grid smaller than the picture: the border cells go on.
    raw = heat_on_picture(cells, 80, 2, (1 / 8, 0, 7 / 8, 1), smooth=False)
    assert (raw == np.repeat([0, 1, 2, 3, 4, 5], [20, 10, 10, 10, 10, 20])).all()


def test_halfway_between_two_cells():
    """Catmull-Rom: (-1, 9, 9, -1) / 16 of the four cells around, cut at the map's own range."""
    spike = np.array([[0, 0, 1, 0, 0]], np.float32)
    large = heat_on_picture(spike, 4, 1, (-1 / 8, 0, 9 / 8, 1))  # pixels on the cells' borders
    assert large == pytest.approx(np.array([[0, 9 / 16, 9 / 16, 0]]), abs=1e-6)


def test_border_cells_go_on_smoothly():
    cells = np.array([[3, 1, 0, 0, 4, 7]], np.float32)
    large = heat_on_picture(cells, 160, 3, (1 / 4, 0, 3 / 4, 1))
    assert np.allclose(large[:, :20], 3) and np.allclose(large[:, -20:], 7)
    # Nothing jumps when the grid ends a hair inside or outside the picture.
    exact = heat_on_picture(cells, 160, 3)
    for hair in (1e-6, -1e-6):
        near = heat_on_picture(cells, 160, 3, (hair, hair, 1 - hair, 1 - hair))
        assert np.allclose(near, exact, atol=1e-3)


def test_heat_stays_in_the_range_of_its_map():
    for heat, low, high in ((spot(), 0, 1), (3 * spot(at=(8, 2)) + 1, 1, 4)):
        before = heat.copy()
        for extent in (WHOLE, BEYOND, (0.1, 0.2, 0.8, 0.9)):
            large = heat_on_picture(heat, 333, 217, extent)
            assert large.shape == (217, 333) and large.dtype == np.float32
            assert large.min() >= low and large.max() <= high
        assert (heat == before).all()


def test_heat_is_mirrored_with_its_map():
    extent = (-0.1, -0.02, 1.1, 1.02)
    large = heat_on_picture(spot(), 75, 33, extent)
    assert np.allclose(heat_on_picture(spot()[:, ::-1], 75, 33, extent)[:, ::-1], large, atol=1e-5)
    assert np.allclose(
        heat_on_picture(spot().T, 33, 75, (-0.02, -0.1, 1.02, 1.1)).T, large, atol=1e-5
    )


def test_heat_on_fewer_pixels_than_cells_is_averaged():
    checks = (np.indices((40, 40)).sum(axis=0) % 2).astype(np.float32)
    assert np.allclose(heat_on_picture(checks, 5, 4), 0.5, atol=0.02)
    assert heat_on_picture(np.ones((1, 1)), 1, 1).tolist() == [[1]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones(3), 5, 5), r"got \(3,\) to 5 x 5"),
        ((np.ones((1, 3, 3)), 5, 5), r"got \(1, 3, 3\) to 5 x 5"),
        ((np.ones((0, 3)), 5, 5), r"got \(0, 3\)"),
        ((np.ones((3, 3)), 0, 5), "to 0 x 5"),
        ((np.ones((3, 3)), 5, 5, (0, 0, 0, 1)), "extent: expected x0 < x1"),
        ((np.ones((3, 3)), 5, 5, (0, 1, 1, 0)), "extent: expected"),
        ((np.ones((3, 3)), 5, 5, (0, 0, float("nan"), 1)), "extent: expected"),
    ],
)
def test_heat_on_picture_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        heat_on_picture(*arguments)
