import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from dff import marks, render
from dff.images import read_image
from dff.marks import colour_of
from dff.render import overlay, scale_heatmaps


def photo(height: int = 120, width: int = 200) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def flat(height: int = 120, width: int = 200) -> np.ndarray:
    return np.full((height, width, 3), 128, np.uint8)


def halves(columns: int = 10) -> np.ndarray:
    """Part 0 fills the left half of a 6-row grid, part 1 the right half."""
    heatmaps = np.zeros((2, 6, columns), np.float32)
    heatmaps[0, :, : columns // 2] = 5
    heatmaps[1, :, columns // 2 :] = 5
    return heatmaps


def spot(rows: int = 12, columns: int = 20, at: tuple[int, int] = (4, 14)) -> np.ndarray:
    y, x = np.mgrid[:rows, :columns]
    return np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / 6)[None].astype(np.float32)


def changed(one: np.ndarray, two: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pixels in which two pictures differ."""
    assert one.shape == two.shape
    return np.nonzero((one != two).any(axis=2))


def plain(picture, heatmaps, **options) -> np.ndarray:
    return overlay(picture, heatmaps, **{"outline": False, "numbers": False, **options})


def test_greyscale_is_neutral_ordered_and_lighter():
    ramp = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 256, 3)
    grey = render.greyscale(ramp)
    assert (grey[..., 0] == grey[..., 1]).all() and (grey[..., 0] == grey[..., 2]).all()
    assert (np.diff(grey[0, :, 0].astype(int)) >= 0).all()
    assert grey[0, 0, 0] == 50 and 240 <= grey[0, 255, 0] <= 255


def test_scales():
    heatmaps = np.array([[[8, 4]], [[2, 1]], [[0, 0]]], np.float32)
    assert scale_heatmaps(heatmaps)[:, 0].tolist() == [[1, 0.5], [0.25, 0.125], [0, 0]]
    assert scale_heatmaps(heatmaps, "per_factor")[:, 0].tolist() == [[1, 0.5], [1, 0.5], [0, 0]]
    assert scale_heatmaps(heatmaps, maximum=16)[0, 0].tolist() == [0.5, 0.25]
    assert scale_heatmaps(heatmaps, maximum=4)[0, 0].tolist() == [1, 1]
    for dark in (scale_heatmaps(heatmaps * 0), scale_heatmaps(heatmaps, maximum=0)):
        assert (dark == 0).all()
    assert heatmaps[0, 0, 0] == 8


@pytest.mark.parametrize(
    ("heatmaps", "options", "message"),
    [
        (np.ones((3, 3)), {}, r"expected \(k, rows, columns\), got shape \(3, 3\)"),
        (np.ones((0, 3, 3)), {}, "expected"),
        (-np.ones((1, 3, 3)), {}, "finite numbers >= 0"),
        (np.full((1, 3, 3), np.nan), {}, "finite numbers >= 0"),
        (np.ones((1, 3, 3)), {"how": "own"}, "'shared' or 'per_factor', got 'own'"),
        (np.ones((1, 3, 3)), {"maximum": -1}, "maximum"),
        (np.ones((1, 3, 3)), {"how": "per_factor", "maximum": 1}, "maximum"),
    ],
)
def test_scale_refuses(heatmaps, options, message):
    with pytest.raises(ValueError, match=message):
        scale_heatmaps(heatmaps, **options)


def test_nothing_found_leaves_the_grey_photo():
    picture = photo()
    assert (overlay(picture, np.zeros((3, 4, 5))) == render.greyscale(picture)).all()


def test_the_picture_and_the_heatmaps_are_not_changed():
    picture, heatmaps = photo(), spot()
    before = picture.copy(), heatmaps.copy()
    result = overlay(picture, heatmaps, box=(5, 5, 50, 50))
    assert result.shape == picture.shape and result.dtype == np.uint8
    assert (picture == before[0]).all() and (heatmaps == before[1]).all()


def test_full_heat_is_the_colour_at_the_opacity():
    grey = render.greyscale(flat())[0, 0, 0].astype(float)
    for colours in ((0, 1), (3, 6)):
        result = plain(flat(), halves(), colours=colours, opacity=0.5)
        for x, colour in ((20, colours[0]), (180, colours[1])):
            expected = 0.5 * grey + 0.5 * np.array(colour_of(colour)[0])
            assert np.abs(result[60, x] - expected).max() <= 1
    assert (plain(flat(), halves(), opacity=0) == render.greyscale(flat())).all()


def test_tint_follows_the_shared_scale():
    weak = halves()
    weak[1] *= 0.05  # far under the threshold
    picture = flat()
    shared = plain(picture, weak)
    assert (shared[:, 120:] == render.greyscale(picture)[:, 120:]).all()
    assert (shared[:, :80] != render.greyscale(picture)[:, :80]).any(axis=2).all()
    own = plain(picture, weak, how="per_factor")
    assert np.abs(own.astype(int) - plain(picture, halves())).max() <= 1
    dim = plain(picture, halves(), maximum=1000)
    assert (dim == render.greyscale(picture)).all()


def test_the_strongest_part_wins_an_overlap():
    both = np.ones((2, 6, 10), np.float32)
    both[1] = 0.5
    result = plain(flat(), both, opacity=1)[60, 100]
    first, second = (np.array(colour_of(j)[0], float) for j in (0, 1))
    assert np.abs(result - (16 * first + second) / 17).max() <= 1


def test_hatching_alternates_within_one_part():
    full = np.ones((1, 6, 10), np.float32)
    smooth = plain(flat(), full, colours=[0])
    hatched = plain(flat(), full, colours=[8])
    assert (smooth == smooth[0, 0]).all()
    assert len(np.unique(hatched[60], axis=0)) > 2
    assert (hatched == smooth).all(axis=2).mean() > 0.2  # the stripes between are the colour


@pytest.mark.parametrize("smooth", [True, False])
def test_outlines_run_along_the_threshold(smooth):
    columns = np.linspace(0, 1, 20, dtype=np.float32)[None, None].repeat(6, axis=1)
    options = {"numbers": False, "threshold": 0.5, "smooth": smooth, "opacity": 0.3}
    rows, places = changed(
        overlay(flat(), columns, **options, outline=False), overlay(flat(), columns, **options)
    )
    assert set(rows) == set(range(120))  # the whole height, the frame of the picture left open
    assert places.min() >= 95 and places.max() <= 104
    line = overlay(flat(), columns, **options)[60, places.min() : places.max() + 1]
    # The line's heart is the part's colour.
    assert np.abs(line.astype(int) - colour_of(0)[0]).max(axis=1).min() <= 60


def test_numbers_sit_on_the_peaks():
    for at in ((4, 14), (0, 0), (11, 19)):
        heatmaps = spot(at=at)
        options = {"outline": False}
        rows, columns = changed(
            overlay(flat(), heatmaps, **options),
            overlay(flat(), heatmaps, **options, numbers=False),
        )
        # A cell is 10 pixels; at the frame the badge is moved inside.
        expected = np.clip(np.array(at) * 10 + 5, 9, [110, 190])
        centre = (rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2
        assert np.abs(np.array(centre) - expected).max() <= 2


# A grid of 6 x 10 cells of which the picture sees the middle 4 x 8.
BEYOND = (-1 / 8, -1 / 4, 9 / 8, 5 / 4)


def test_overlay_puts_the_grid_where_its_extent_says():
    one = np.zeros((1, 6, 10), np.float32)
    one[0, 2, 6] = 1  # the picture's second of 4 rows, sixth of 8 columns: 25 x 30 pixels each
    options = {"smooth": False, "opacity": 1, "extent": BEYOND}
    result = plain(flat(), one, **options)
    rows, columns = changed(result, render.greyscale(flat()))
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (30, 60, 125, 150)
    assert (result[30:60, 125:150] == colour_of(0)[0]).all()
    rows, columns = changed(overlay(flat(), one, **options, outline=False), result)
    assert (rows.min() + rows.max()) / 2 == pytest.approx(45, abs=1)
    assert (columns.min() + columns.max()) / 2 == pytest.approx(137.5, abs=1)


def test_single_heatmap_puts_the_grid_where_its_extent_says():
    one = np.zeros((6, 10), np.float32)
    one[2, 6] = 1
    options = {"smooth": False, "opacity": 1, "extent": BEYOND}
    result = render.single_heatmap(flat(), one, **options)
    rows, columns = changed(result, render.single_heatmap(flat(), 0 * one, **options))
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (30, 60, 125, 150)


def test_numbers_stay_with_what_can_be_seen():
    outside, half, both = np.zeros((3, 6, 10), np.float32)
    outside[3, 9] = 1  # beyond the right frame
    half[3, 1] = 1
    both[3, 9], both[2, 6] = 1, 0.5
    places = render.peaks(np.stack([outside, half, both]), 200, 120, 0.25, 5, BEYOND)
    assert places == {1: (12.5, 75.0), 2: (137.5, 45.0)}
    # A border cell whose middle lies past the frame is numbered at the frame.
    edge = np.zeros((1, 1, 5), np.float32)
    edge[0, 0, 4] = 1
    assert render.peaks(edge, 200, 120, 0.25, 5, (0, 0, 1.25, 1)) == {}
    assert render.peaks(edge, 200, 120, 0.25, 5, (0, 0, 1.2, 1)) == {0: (200, 60)}


def test_numbers_keep_apart_and_absent_parts_have_none():
    same = np.concatenate([spot(), 0.9 * spot(), 0.01 * spot(at=(9, 3))])
    places = render.peaks(same, 200, 120, 0.25, apart=25)  # a cell is 10 pixels
    assert places[0] == (145, 45) and set(places) == {0, 1}
    assert np.hypot(places[1][0] - 145, places[1][1] - 45) >= 25
    everywhere = render.peaks(np.ones((3, 1, 1), np.float32), 200, 120, 0.25, apart=25)
    assert everywhere == dict.fromkeys(range(3), (100, 60))


def test_the_box_is_drawn_on_the_grey_photo():
    drawn = overlay(flat(), np.zeros((1, 2, 2)), box=(50, 30, 150, 90))
    assert (drawn == marks.draw_box(render.greyscale(flat()), (50, 30, 150, 90))).all()
    with pytest.raises(ValueError, match="x1 <= 200"):
        overlay(flat(), spot(), box=(0, 0, 201, 50))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"opacity": 1.5}, "opacity: expected 0 to 1"),
        ({"threshold": 0}, "threshold"),
        ({"threshold": 1}, "threshold"),
        ({"colours": [0, 1]}, "one for each of 1 parts"),
        ({"colours": [10]}, "expected 0 to 9"),
    ],
)
def test_overlay_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        overlay(flat(), spot(), **options)
    with pytest.raises(ValueError, match="expected a uint8 array"):
        overlay(flat().astype(float), spot())


def test_overlay_of_any_shape_and_ten_parts():
    heatmaps = np.random.default_rng(0).random((10, 7, 9)).astype(np.float32)
    for height, width in ((1, 1), (5, 300), (33, 32), (240, 320)):
        result = overlay(photo(height, width), heatmaps)
        assert result.shape == (height, width, 3)
        assert (result == overlay(photo(height, width), heatmaps)).all()


def test_single_heatmap_uses_the_colour_map():
    from matplotlib import colormaps

    result = render.single_heatmap(flat(), halves()[0], opacity=1)
    for x, value in ((10, 1.0), (190, 0.0)):
        expected = np.array(colormaps["magma"](value)[:3]) * 255
        assert np.abs(result[60, x] - expected).max() <= 1
    half = render.single_heatmap(flat(), halves()[0], opacity=1, maximum=10, cmap="viridis")
    assert np.abs(half[60, 10] - np.array(colormaps["viridis"](128)[:3]) * 255).max() <= 1
    with pytest.raises(ValueError, match="'magma' or 'viridis', got 'jet'"):
        render.single_heatmap(flat(), halves()[0], cmap="jet")
    with pytest.raises(ValueError, match=r"expected \(rows, columns\)"):
        render.single_heatmap(flat(), halves())


def test_side_by_side():
    row = render.side_by_side([flat(10, 20), flat(4, 6)], gap=3)
    assert row.shape == (10, 29, 3)
    assert (row[:, :20] == 128).all() and (row[:, 20:23] == 255).all()
    assert (row[3:7, 23:] == 128).all() and (row[:3, 23:] == 255).all()
    with pytest.raises(ValueError, match="at least one picture"):
        render.side_by_side([])


def test_encoding_round_trips():
    picture = photo()
    assert (read_image(render.encode_png(picture)) == picture).all()
    jpeg = render.encode_jpeg(flat())
    assert Image.open(io.BytesIO(jpeg)).format == "JPEG" and (read_image(jpeg) == flat()).all()


def test_imports_stay_light():
    code = (
        "import sys, numpy as np, dff.marks, dff.render, dff.whitening\n"
        "heavy = {'cv2', 'matplotlib', 'torch', 'streamlit'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "picture = np.zeros((40, 40, 3), np.uint8)\n"
        "dff.render.single_heatmap(picture, np.ones((2, 2)))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
