import numpy as np
import pytest

from dff import marks


def flat(height: int = 120, width: int = 200) -> np.ndarray:
    return np.full((height, width, 3), 128, np.uint8)


def test_palette_is_petroff10_without_its_greys():
    style = pytest.importorskip("matplotlib.style")
    colours = style.library["petroff10"]["axes.prop_cycle"].by_key()["color"]
    assert [c for c in colours if c not in ("#94a4a2", "#717581")] == list(marks.PALETTE_HEX)
    assert marks.PALETTE[1].tolist() == [0xFF, 0xA9, 0x0E]


# Machado, Oliveira & Fernandes 2009, whole loss of one kind of cone, on linear RGB.
SEEN_AS = {
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def nearest(colours: np.ndarray, seen_as: np.ndarray) -> float:
    """The least distance between two of some sRGB colours (n, 3), in CIELAB under D65."""
    linear = np.where(
        colours <= 0.04045 * 255, colours / 255 / 12.92, ((colours / 255 + 0.055) / 1.055) ** 2.4
    )
    to_xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    white = to_xyz.sum(axis=1)
    xyz = np.clip(linear @ seen_as.T, 0, 1) @ to_xyz.T / white
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * 841 / 108 + 4 / 29)
    lab = np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)
    apart = np.linalg.norm(lab[:, None] - lab, axis=2)
    return float(apart[~np.eye(len(lab), dtype=bool)].min())


@pytest.mark.parametrize("kind", SEEN_AS)
def test_the_palette_is_told_apart_by_people_who_lack_one_kind_of_cone(kind):
    seen_as = np.array(SEEN_AS[kind])
    assert nearest(marks.PALETTE, seen_as) >= 18  # what is just noticed is about 2.3
    assert nearest(marks.PALETTE, np.eye(3)) >= 24
    # The measure finds what is known: Matplotlib's red and brown are one to many people.
    tab10 = np.array([[214, 39, 40], [140, 86, 75], [44, 160, 44]])
    assert nearest(tab10, np.array(SEEN_AS["deuteranopia"])) < 12


def test_colours_repeat_hatched_after_eight():
    assert marks.colour_of(0) == ((0x3F, 0x90, 0xDA), False)
    assert marks.colour_of(8) == (marks.colour_of(0)[0], True)
    assert len({marks.colour_of(j) for j in range(10)}) == 10
    for j in (-1, 10):
        with pytest.raises(ValueError, match="expected 0 to 9"):
            marks.colour_of(j)


def test_legend_wraps_and_carries_the_colours():
    one = marks.legend(["roof"], [5], width=300)
    assert one.shape[1] == 300 and (one == marks.colour_of(5)[0]).all(axis=2).any()
    many = marks.legend(["a longer name"] * 10, width=300)
    assert many.shape[0] > 3 * one.shape[0] and (many[:, -4:] == 255).all()
    cut = marks.legend(["word " * 50], width=200)
    assert cut.shape == (one.shape[0], 200, 3) and (cut[:, -3:] == 255).all()
    with pytest.raises(ValueError, match="one colour a name"):
        marks.legend(["a", "b"], [0])
    with pytest.raises(ValueError, match="got 0 names"):
        marks.legend([])


def test_badges_differ_by_number_and_hatching():
    sprites = [marks.badge(1, 0, 24), marks.badge(2, 0, 24), marks.badge(1, 8, 24)]
    assert all(s.shape == (24, 24, 4) and s.dtype == np.uint8 for s in sprites)
    assert (sprites[0] != sprites[1]).any() and (sprites[0] != sprites[2]).any()
    assert sprites[0][0, 0, 3] == 0 and sprites[0][12, 5, 3] == 255


def test_colour_bar_runs_from_dark_to_bright():
    bar = marks.colour_bar(3.17, width=200)
    assert bar.shape[1] == 200 and bar.dtype == np.uint8
    row = bar[12, 6:-6].astype(int).sum(axis=1)
    assert (np.diff(row) >= -3).all() and row[0] < 30 and row[-1] > 600
    assert (bar != marks.colour_bar(4.17, width=200)).any()


def test_the_box_is_drawn_inside_its_own_edge():
    box, picture = (50, 30, 150, 90), flat()
    drawn = marks.draw_box(picture, box)
    assert (picture == 128).all()
    rows, columns = np.nonzero((drawn != picture).any(axis=2))
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == box
    assert not ((rows > 45) & (rows < 75) & (columns > 65) & (columns < 135)).any()
    assert (255, 255, 255) in {tuple(p) for p in drawn[60].tolist()}
    for tiny in ((0, 0, 1, 1), (10, 10, 13, 12), (0, 0, 200, 120)):
        assert marks.draw_box(flat(), tiny).shape == (120, 200, 3)
    with pytest.raises(ValueError, match="x1 <= 200"):
        marks.draw_box(flat(), (0, 0, 201, 50))


def test_a_stamp_is_blended_at_its_centre_and_kept_inside():
    sprite = np.full((3, 5, 4), 255, np.uint8)
    sprite[..., 3] = 51  # a fifth
    for x, y, left, top in ((10.5, 6.5, 8, 5), (0, 0, 0, 0), (20, 12, 15, 9)):
        picture = np.zeros((12, 20, 3), np.uint8)
        marks.stamp(picture, sprite, x, y)
        expected = np.zeros_like(picture)
        expected[top : top + 3, left : left + 5] = 51
        assert (picture == expected).all()
    small = np.zeros((2, 2, 3), np.uint8)
    marks.stamp(small, sprite, 1, 1)
    assert (small == 51).all()
