import csv
import io
import zipfile

import numpy as np
from PIL import Image

from dff.masks import FIELDS, LEGEND, Masked, floors_of, masks_of, masks_zip
from dff.parts import Parts


def parts_of(*heatmaps: np.ndarray, size: tuple[int, int] = (400, 300)) -> Parts:
    k = len(heatmaps)
    basis = np.eye(k, 5, dtype=np.float32)
    return Parts(np.stack(heatmaps), basis, np.full(k, 1 / k, np.float32), *size)


def spot(row: int, column: int, strength: float = 1.0) -> np.ndarray:
    heat = np.zeros((3, 4), np.float32)
    heat[row, column] = strength
    return heat


def test_a_mask_is_as_large_as_the_photo_and_lies_where_the_heat_is():
    parts = parts_of(spot(1, 1), spot(0, 3))
    found = masks_of(parts, np.zeros(2))
    assert sorted(found) == [0, 1]
    mask = found[0]
    assert mask.shape == (300, 400)
    ys, xs = np.nonzero(mask)
    # The cell's middle is at (150, 150); over 40 % of the bicubic bump reaches the same both ways.
    assert abs(ys.mean() - 149.5) < 1 and abs(xs.mean() - 149.5) < 1
    assert mask[150, 150] and not mask[50, 350] and found[1][50, 350]


def test_a_part_that_is_not_in_a_picture_has_no_mask():
    strong, weak = parts_of(spot(1, 1, 4), spot(0, 0, 1)), parts_of(spot(2, 2, 0.9), spot(0, 0, 0))
    floors = floors_of([strong, weak])
    np.testing.assert_allclose(floors, [1, 0.25])
    assert sorted(masks_of(strong, floors)) == [0, 1]
    assert masks_of(weak, floors) == {}  # 0.9 is under a quarter of 4, and 0 is nothing


def test_with_the_photo_a_mask_follows_its_edges():
    y, x = np.mgrid[:30, :40]
    heat = np.exp(-(((y - 14.5) / 8) ** 2) - ((x - 19.5) / 11) ** 2).astype(np.float32)
    photo = np.full((600, 800, 3), 230, np.uint8)
    photo[160:440, 200:600] = (180, 30, 30)
    photo += np.random.default_rng(0).integers(0, 8, photo.shape, np.uint8)
    truth = np.zeros((600, 800), bool)
    truth[160:440, 200:600] = True
    parts = parts_of(heat, size=(800, 600))
    soft = masks_of(parts, np.zeros(1))[0]
    sharp = masks_of(parts, np.zeros(1), photo)[0]
    assert sharp.shape == (600, 800)

    def overlap(mask: np.ndarray) -> float:
        return float((mask & truth).sum() / (mask | truth).sum())

    assert overlap(sharp) > 0.97 > overlap(soft)


def test_the_file_holds_every_mask_and_a_table_of_them():
    mask = np.zeros((30, 40), bool)
    mask[:15] = True
    pictures = [
        Masked("one", "=cmd()", {0: mask, 2: ~mask}),
        Masked("two", "Two, with a comma", {}),
        Masked("three", "Three", {1: mask[:, :10]}),
    ]
    steps = list(masks_zip(pictures, ["sky", "", "sea"], ["#111111", "#222222", "#333333"]))
    assert steps[:-1] == [b""] * 3  # one a picture, for progress
    with zipfile.ZipFile(io.BytesIO(steps[-1])) as file:
        assert sorted(file.namelist()) == [
            "masks.csv",
            "one-part1.png",
            "one-part3.png",
            "three-part2.png",
        ]
        with Image.open(file.open("one-part1.png")) as image:
            np.testing.assert_array_equal(np.asarray(image.convert("L")), mask * 255)
        with Image.open(file.open("three-part2.png")) as image:
            assert image.size == (10, 30)
        rows = list(csv.reader(io.TextIOWrapper(file.open(LEGEND), "utf-8")))
    assert rows[0] == list(FIELDS)
    assert rows[1] == ["one-part1.png", "one", "'=cmd()", "1", "sky", "#111111", "0.5000"]
    assert [row[:2] for row in rows[2:]] == [["one-part3.png", "one"], ["three-part2.png", "three"]]
