"""Where parts are in other pictures: planted heatmaps with places known exactly."""

from dataclasses import replace

import numpy as np
import pytest

from dff import localization
from dff.geometry import WHOLE
from dff.localization import (
    expressed_in,
    instant_heatmap,
    joint_from_activations,
    joint_from_stored,
    locate,
    locate_parts,
    region_of_interest,
)
from dff.parts import Parts


def blocks(*places: tuple[slice, slice], grid: tuple[int, int] = (8, 8)) -> np.ndarray:
    """One heatmap a place: 1 inside it, 0 outside."""
    heatmaps = np.zeros((len(places), *grid), np.float32)
    for heatmap, place in zip(heatmaps, places, strict=True):
        heatmap[place] = 1
    return heatmaps


def parts_of(
    heatmaps: np.ndarray, basis: np.ndarray | None = None, size: tuple[int, int] = (256, 256)
) -> Parts:
    """Parts on a grid that covers the picture exactly, with orthogonal basis rows by default."""
    basis = np.eye(len(heatmaps), 6, dtype=np.float32) if basis is None else basis
    plain = Parts(heatmaps, basis, np.zeros(len(heatmaps), np.float32), *size, extent=WHOLE)
    return plain.with_heatmaps(heatmaps, basis)


TOP_LEFT = (slice(0, 4), slice(0, 4))
EVERYWHERE = (slice(0, 8), slice(0, 8))


def test_region_of_interest_is_share_beyond_area():
    parts = parts_of(blocks(TOP_LEFT, EVERYWHERE))
    inside, uniform = region_of_interest(parts, (0, 0, 128, 128))
    # The block's blurred edge lets a little of its heat out of the box.
    assert 0.85 < inside <= 1
    assert uniform == pytest.approx(0, abs=1e-3)
    half, _ = region_of_interest(parts, (0, 0, 64, 128))
    assert half == pytest.approx((0.5 - 0.125) / 0.875, abs=0.03)


def test_without_a_box_interest_is_energy():
    parts = parts_of(blocks(TOP_LEFT, EVERYWHERE))
    assert region_of_interest(parts).tolist() == pytest.approx([16 / 80, 64 / 80])
    # A box that covers nearly all marks nothing.
    assert np.array_equal(region_of_interest(parts, (0, 0, 256, 250)), parts.energy)


def test_a_box_that_no_part_prefers_falls_back_to_energy():
    parts = parts_of(blocks(EVERYWHERE))
    assert np.array_equal(region_of_interest(parts, (250, 250, 256, 256)), parts.energy)


def test_region_of_interest_refuses_a_box_outside():
    with pytest.raises(ValueError, match="x1 <= 256"):
        region_of_interest(parts_of(blocks(TOP_LEFT)), (0, 0, 300, 10))


def test_locate_finds_the_planted_block():
    parts = parts_of(blocks((slice(2, 4), slice(4, 6))))
    found = locate(parts, parts.heatmaps[0], threshold=0.5)
    # Half of the maximum is reached midway between cell centres: at the cells' border.
    assert found.box is not None
    assert np.abs(np.array(found.box) - (128, 64, 192, 128)).max() <= 3
    assert found.mask.shape == (256, 256)
    assert found.mask[96, 160] and not found.mask[96, 40]


def test_locate_scales_to_the_original_picture():
    parts = parts_of(blocks((slice(2, 4), slice(4, 6))), size=(1024, 512))
    found = locate(parts, parts.heatmaps[0], threshold=0.5)
    assert found.box is not None
    assert np.abs(np.array(found.box) - (512, 128, 768, 256)).max() <= 12


def test_locate_takes_the_largest_region():
    heatmap = blocks((slice(0, 1), slice(0, 1)))[0] + blocks((slice(4, 8), slice(4, 8)))[0]
    box = locate(parts_of(heatmap[None]), heatmap, threshold=0.5).box
    assert box is not None and box[0] > 100 and box[1] > 100


def test_nothing_found_is_none_not_a_box():
    parts = parts_of(blocks(TOP_LEFT))
    empty = locate(parts, np.zeros((8, 8), np.float32))
    assert empty.box is None and not empty.mask.any()
    assert locate(parts, parts.heatmaps[0], floor=1.5).box is None
    assert locate(parts, parts.heatmaps[0], floor=0.5).box is not None


def test_the_floor_of_shared_parts_is_the_querys_own_heat():
    strong = parts_of(blocks(TOP_LEFT))
    faint = parts_of(0.1 * blocks(TOP_LEFT))
    found = locate_parts([strong, faint], np.ones(1, np.float32))
    assert found[0].box is not None and found[1].box is None
    assert localization.FLOOR > 0.1


def test_instant_heatmap_weighs_factors_by_cosine():
    heatmaps = blocks((slice(0, 2), slice(0, 2)), (slice(6, 8), slice(6, 8)))
    basis = np.array([[1, 0, 0], [0.6, 0.8, 0]], np.float32)
    target = parts_of(heatmaps, basis)
    query = np.array([[1, 0, 0], [0, 0, 1]], np.float32)
    heat = instant_heatmap(target, query, np.array([1, 0], np.float32))
    assert heat[0, 0] == pytest.approx(1) and heat[7, 7] == pytest.approx(0.6)
    assert not instant_heatmap(target, query, np.zeros(2, np.float32)).any()


def test_expressed_in_sums_heatmaps_by_their_coefficients():
    heatmaps = blocks((slice(0, 2), slice(0, 2)), (slice(6, 8), slice(6, 8)))
    mixed = np.array([[1, 0, 0, 0], [0.6, 0.8, 0, 0]], np.float32)
    basis = np.eye(2, 4, dtype=np.float32)
    found = expressed_in(parts_of(heatmaps, mixed), basis)
    assert found.heatmaps[0, 0, 0] == pytest.approx(1, abs=1e-5)
    assert found.heatmaps[0, 7, 7] == pytest.approx(0.6, abs=1e-5)
    assert found.heatmaps[1, 7, 7] == pytest.approx(0.8, abs=1e-5)
    assert found.heatmaps[1, 0, 0] == pytest.approx(0, abs=1e-5)


def test_joint_parts_keep_the_querys_order():
    places = [(slice(0, 4), slice(0, 4)), (slice(0, 4), slice(4, 8)), (slice(4, 8), slice(0, 8))]
    basis = np.eye(3, 6, dtype=np.float32)
    query = parts_of(blocks(*places), basis)
    # The target has the same three parts in another order, and elsewhere.
    order = [2, 0, 1]
    moved = blocks(*[places[0], places[2], places[1]])
    target = parts_of(moved[order], basis[order])
    found = joint_from_stored(query, [target])
    assert [len(f.heatmaps) for f in found] == [3, 3]
    assert np.allclose(found[0].heatmaps, query.heatmaps, atol=1e-3)
    assert np.allclose(found[1].heatmaps, moved, atol=1e-3)
    assert np.array_equal(found[0].basis, found[1].basis)


def test_a_part_that_is_absent_stays_dark():
    basis = np.eye(2, 6, dtype=np.float32)
    query = parts_of(blocks(TOP_LEFT, (slice(4, 8), slice(4, 8))), basis)
    target = parts_of(blocks(EVERYWHERE), np.eye(1, 6, dtype=np.float32))
    found = joint_from_stored(query, [target])[1]
    assert found.heatmaps[0].max() == pytest.approx(1, abs=1e-2)
    assert found.heatmaps[1].max() < 1e-2


def test_dead_parts_stay_dead():
    heatmaps = blocks(TOP_LEFT, TOP_LEFT)
    heatmaps[1] = 0
    basis = np.eye(2, 6, dtype=np.float32)
    basis[1] = 0
    query = parts_of(heatmaps, basis)
    found = joint_from_stored(query, [query])
    assert found[0].dead.tolist() == [False, True]
    assert not found[1].heatmaps[1].any()


# --- true joint factorization ---------------------------------------------------------------


def planted_pictures() -> list[np.ndarray]:
    """Two pictures (6 channels, 8, 8). By the first three channels the parts are a top left block
    and the rest; by the last three they are the left and the right half."""
    found = []
    for strength in (1.0, 2.0):
        picture = np.zeros((6, 8, 8), np.float32)
        picture[0, :4, :4] = strength
        picture[1] = strength - picture[0]
        picture[3, :, :4] = 3 * strength
        picture[4, :, 4:] = 3 * strength
        found.append(picture)
    return found


def test_joint_parts_are_found_in_the_first_channels_and_described_in_all():
    pictures = planted_pictures()
    found = joint_from_activations(
        pictures, [(256, 256)] * 2, 2, stride=32, size=256, blocks=(3, 3)
    )
    assert [parts.basis.shape for parts in found] == [(2, 6), (2, 6)]
    np.testing.assert_array_equal(found[0].basis, found[1].basis)
    np.testing.assert_allclose(np.linalg.norm(found[0].basis, axis=1), 1, atol=1e-5)
    corner = int(np.argmax(found[0].basis[:, 0]))
    heat = found[0].heatmaps[corner]
    assert heat[:4, :4].min() > 0.99
    assert heat[4:].max() < 0.01 and heat[:, 4:].max() < 0.01
    # The corner lies in the left half: 1 in channel 0, 3 in channel 3, nothing of the others.
    np.testing.assert_allclose(
        found[0].basis[corner], np.array([1, 0, 0, 3, 0, 0]) / 10**0.5, atol=1e-2
    )
    # The rest is a third left: 16 of 48 cells.
    rest = np.array([0, 1, 0, 1, 2, 0])
    np.testing.assert_allclose(found[0].basis[1 - corner], rest / np.linalg.norm(rest), atol=1e-2)


def test_joint_parts_of_all_channels_and_a_wrong_number():
    pictures, sizes = planted_pictures(), [(256, 256)] * 2
    options = {"stride": 32, "size": 256}
    whole = joint_from_activations(pictures, sizes, 2, **options)
    same = joint_from_activations(pictures, sizes, 2, blocks=(6,), **options)
    np.testing.assert_array_equal(whole[1].heatmaps, same[1].heatmaps)
    # The last three channels are stronger and decide: each part is lit over one half.
    lit = whole[0].heatmaps > whole[0].heatmaps.max() / 2
    assert sorted(lit[:, :, 4:].all(axis=(1, 2))) == [False, True]
    assert sorted(lit[:, :, :4].all(axis=(1, 2))) == [False, True]
    for wrong in ((7,), (3, 4)):
        with pytest.raises(ValueError, match="blocks: expected 6 channels together, got"):
            joint_from_activations(pictures, sizes, 2, blocks=wrong, **options)


def test_a_higher_threshold_gives_a_smaller_region():
    heatmap = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)[None]
    parts = [parts_of(heatmap)] * 2
    low, high = (
        locate_parts(parts, np.ones(1, np.float32), threshold=t)[1].mask.sum() for t in (0.25, 0.4)
    )
    assert 0 < high < low


def test_without_a_box_parts_weigh_their_energy_in_the_deepest_layer():
    heatmaps = np.zeros((2, 1, 2), np.float32)
    heatmaps[0, 0, 0] = heatmaps[1, 0, 1] = 2
    basis = np.array([[0.8, 0, 0.6], [0, 1, 0]], np.float32)
    parts = Parts(heatmaps, basis, np.array([0.5, 0.5], np.float32), 64, 32)
    assert region_of_interest(parts).tolist() == [0.5, 0.5]
    # In the last channel alone: 4 * 0.36 of the first part and nothing of the second.
    assert region_of_interest(replace(parts, blocks=(2, 1))).tolist() == [1, 0]
    # In the last two: 1.44 and 4.
    deepest = region_of_interest(replace(parts, blocks=(1, 2)))
    np.testing.assert_allclose(deepest, [1.44 / 5.44, 4 / 5.44], rtol=1e-6)
