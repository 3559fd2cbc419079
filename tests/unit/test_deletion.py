"""The deletion check by hand: tiny heats, flat pictures, and a scorer that counts pixels."""

import numpy as np
import pytest

from dff.deletion import (
    Deletion,
    agreement,
    bootstrap_interval,
    delete,
    heats_on_picture,
    hidden,
    hottest_pixels,
    largest_agrees,
    mass_inside,
    own_pixels,
    random_regions,
    rank_correlation,
)
from dff.parts import Parts

HEATS = np.array(
    [
        [[3, 1, 0], [2, 1, 0]],
        [[1, 1, 0], [0, 4, 5]],
    ],
    np.float32,
)


# --- regions ----------------------------------------------------------------------------------


def test_a_pixel_belongs_to_its_strongest_part():
    masks = own_pixels(HEATS)
    assert masks.dtype == np.bool_
    # The tie goes to the first part; where nothing has heat, nothing belongs to anyone.
    assert masks[0].tolist() == [[True, True, False], [True, False, False]]
    assert masks[1].tolist() == [[False, False, False], [False, True, True]]


def test_the_hottest_pixels_are_equally_many():
    masks = hottest_pixels(HEATS, 1)  # the second part has two pixels, so both get two
    assert masks[0].tolist() == [[True, False, False], [True, False, False]]
    assert masks[1].tolist() == [[False, False, False], [False, True, True]]
    one = hottest_pixels(HEATS, 1 / 6)
    assert one[0].tolist() == [[True, False, False], [False, False, False]]
    assert one[1].tolist() == [[False, False, False], [False, False, True]]


def test_a_dead_part_has_no_pixels_and_takes_none_from_the_others():
    heats = np.concatenate([HEATS, np.zeros((1, 2, 3), np.float32)])
    assert own_pixels(heats).sum(axis=(1, 2)).tolist() == [3, 2, 0]
    assert hottest_pixels(heats, 1).sum(axis=(1, 2)).tolist() == [2, 2, 0]
    assert not hottest_pixels(np.zeros((2, 3, 4), np.float32), 0.5).any()


def test_heats_of_a_box_lie_in_the_box():
    heatmaps = np.ones((1, 2, 2), np.float32)
    parts = Parts(
        heatmaps, np.ones((1, 3), np.float32), np.ones(1, np.float32), 512, 256, box=(0, 0, 128, 64)
    )
    heats = heats_on_picture(parts)
    assert heats.shape == (1, 128, 256)
    assert heats[0, :32, :64].all() and heats.sum() == 32 * 64


@pytest.mark.parametrize("share", [0, -0.1, 1.01, float("nan")])
def test_bad_shares(share):
    with pytest.raises(ValueError, match="share: expected above 0 and at most 1"):
        hottest_pixels(HEATS, share)


@pytest.mark.parametrize("heats", [HEATS[0], HEATS[:0], -HEATS, HEATS * np.nan])
def test_bad_heats(heats):
    with pytest.raises(ValueError, match="heats: expected"):
        own_pixels(heats)


def test_random_regions_have_the_same_areas_elsewhere():
    masks = np.zeros((3, 20, 30), bool)
    masks[0, :, :10], masks[1, :5, 10:], masks[2, 5:, 10:] = True, True, True
    found = random_regions(masks, seed=1)
    assert found.sum(axis=(1, 2)).tolist() == [200, 100, 300]
    assert (found.sum(axis=0) == 1).all()
    assert (found != masks).any()
    assert (found == random_regions(masks, seed=1)).all()
    assert (found != random_regions(masks, seed=2)).any()


def test_random_regions_stay_where_the_masks_are():
    masks = np.zeros((2, 10, 10), bool)
    masks[0, :4, :4] = True  # the second region has nothing
    found = random_regions(masks, seed=0)
    assert (found[0] == masks[0]).all() and not found[1].any()
    with pytest.raises(ValueError, match="masks: expected disjoint"):
        random_regions(np.ones((2, 3, 3), bool), seed=0)


def test_mass_inside():
    masks = own_pixels(HEATS)
    assert mass_inside(HEATS[0], masks).tolist() == [6 / 7, 1 / 7]
    assert mass_inside(np.zeros((2, 3), np.float32), masks).tolist() == [0, 0]
    with pytest.raises(ValueError, match="heat: expected"):
        mass_inside(np.zeros((3, 2), np.float32), masks)


# --- hiding -----------------------------------------------------------------------------------


def checkers(height: int = 128, width: int = 256) -> np.ndarray:
    rows, columns = np.indices((height, width))
    return np.repeat((255 * ((rows + columns) % 2)).astype(np.uint8)[..., None], 3, axis=2)


def test_hidden_is_flat_inside_and_untouched_outside():
    picture = checkers()
    before = picture.copy()
    mask = np.zeros((32, 64), bool)
    mask[:, 32:] = True
    found = hidden(picture, mask)
    assert (picture == before).all()
    assert found.dtype == np.uint8 and found.shape == picture.shape
    assert (found[:, :112] == picture[:, :112]).all()
    assert found[:, 144:].std() < 2  # the checkers' mean
    assert abs(found[:, 144:].mean() - 127.5) < 2
    # The edge is soft: the checkers fade over some pixels.
    contrast = found[64, :, 0].astype(int)
    steps = np.abs(np.diff(contrast))[124:132]
    assert (np.diff(steps) <= 0).all() and 0 < steps[4] < 255


def test_hiding_nothing_and_everything():
    picture = checkers(40, 60)
    assert (hidden(picture, np.zeros((4, 6), bool)) == picture).all()
    assert hidden(picture, np.ones((4, 6), bool)).std() < 3


@pytest.mark.parametrize("mask", [np.ones((3, 4)), np.ones(3, bool), np.ones((0, 4), bool)])
def test_bad_masks(mask):
    with pytest.raises(ValueError, match="mask: expected"):
        hidden(checkers(), mask)


def test_deletion_by_hand():
    # A scorer that sees the contrast of the two halves: hiding one takes its share.
    picture = checkers()

    def score(shown: np.ndarray) -> float:
        spread = [float(shown[:, s].std()) for s in (slice(0, 96), slice(160, 256))]
        return 3 * spread[0] / 127.5 + spread[1] / 127.5

    masks = np.zeros((3, 128, 256), bool)
    masks[0, :, :128], masks[1, :, 128:] = True, True
    calls = []
    found = delete(picture, masks, lambda shown: calls.append(None) or score(shown))
    assert len(calls) == 3  # an empty region is not tried
    assert found.before == pytest.approx(4)
    assert found.drops == pytest.approx([3, 1, 0], abs=0.1)
    assert found.areas.tolist() == [0.5, 0.5, 0]
    assert found.drops_by_area == pytest.approx([6, 2, 0], abs=0.2)


def test_a_score_may_rise():
    found = Deletion(0.5, np.array([0.75, 0.25]), np.array([0.25, 0.5]))
    assert found.drops.tolist() == [-0.25, 0.25]
    assert found.drops_by_area.tolist() == [-1, 0.5]


# --- agreement --------------------------------------------------------------------------------


def test_rank_correlation_by_hand():
    credit = np.array([0.4, 0.3, 0.2, 0.1])
    assert rank_correlation(credit, np.array([9, 5, 2, 1])) == pytest.approx(1)
    assert rank_correlation(credit, np.array([1, 2, 5, 9])) == pytest.approx(-1)
    # Ranks 4 3 2 1 and 4 2 3 1: 1 - 6 * 2 / (4 * 15).
    assert rank_correlation(credit, np.array([9, 2, 5, 1])) == pytest.approx(0.8)
    # Ranks 3 2 1 and 2.5 2.5 1: covariance 1.5, lengths sqrt(2) and sqrt(1.5).
    tied = rank_correlation(np.array([3, 2, 1]), np.array([7, 7, 0]))
    assert tied == pytest.approx(1.5 / np.sqrt(3))
    assert rank_correlation(credit, np.ones(4)) == 0


def test_the_largest_agrees():
    assert largest_agrees(np.array([0.1, 0.5]), np.array([-0.2, -0.1]))
    assert not largest_agrees(np.array([0.1, 0.5]), np.array([0.3, 0.1]))
    with pytest.raises(ValueError, match="same two or more regions"):
        largest_agrees(np.array([0.1]), np.array([0.3]))


def test_agreement_over_pictures():
    credits = [np.array([3.0, 2, 1]), np.array([1.0, 2]), np.array([2.0, 1])]
    drops = [np.array([0.3, 0.2, 0.1]), np.array([0.2, 0.1]), np.array([0.5, 0.5])]
    found = agreement(credits, drops)
    assert found.pictures == 3
    assert found.first == pytest.approx(2 / 3)  # of the tied drops the first is the largest
    assert found.chance == pytest.approx((1 / 3 + 1 / 2 + 1 / 2) / 3)
    assert found.correlation == pytest.approx((1 - 1 + 0) / 3)
    assert found == agreement(credits, drops)
    with pytest.raises(ValueError, match="of the same pictures, got 3 and 2"):
        agreement(credits, drops[:2])
    with pytest.raises(ValueError, match="of the same pictures, got 0 and 0"):
        agreement([], [])


def test_the_interval_of_a_mean():
    assert bootstrap_interval(np.full(9, 0.4)) == pytest.approx((0.4, 0.4))
    values = np.repeat([0.0, 1.0], 50)  # standard error 0.05
    low, high = bootstrap_interval(values)
    assert (low, high) == pytest.approx((0.402, 0.598), abs=0.015)
    assert bootstrap_interval(values) == (low, high)
