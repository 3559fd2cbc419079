from dataclasses import replace

import numpy as np
import pytest

from dff.descriptors import (
    DEFAULT_DESCRIPTOR,
    MATCHINGS,
    Described,
    Regions,
    View,
    across_scales,
    describe,
    describer,
    dff_tree,
    families,
    family,
    learned,
    matching_of,
    needs_classifier,
    regions_of,
)
from dff.descriptors.base import balanced
from dff.descriptors.cam import class_probabilities
from dff.descriptors.cam import regions_of as class_regions
from dff.descriptors.codebook import Codebook, k_means
from dff.descriptors.crow import channel_weights, spatial_weights
from dff.descriptors.dff_tree import grouped, shares
from dff.descriptors.mop import regions_with
from dff.descriptors.mop import windows as patches
from dff.descriptors.off_the_shelf import windows
from dff.descriptors.rmac import squares
from dff.descriptors.windows import masks, pooled, positions
from dff.factorization import Factorization
from dff.whitening import Whitening

# Turns (1, 0) into +1 and (0, 1) into -1, and (1, 1) into nothing.
DIFFERENCE = Whitening(
    np.array([0.5, 0.5], np.float32), np.array([[1, -1]], np.float32), 0.0, 1, {}
)
# Two channels on a grid of 2 x 3. Four positions hold 2, the other two nothing. The first channel
# is there in half of the positions, the second in a third.
TINY = np.array([[[2, 1, 0], [0, 2, 0]], [[0, 1, 2], [0, 0, 0]]], np.float32)
EVERY = pytest.mark.parametrize("name", [*families(), *learned()])


def given(vectors, weights, heatmaps=None) -> Regions:
    vectors, weights = np.array(vectors, np.float32), np.array(weights, np.float32)
    return Regions(vectors, weights, None if heatmaps is None else np.array(heatmaps, np.float32))


def view(activations, k: int = 2) -> View:
    return View(np.array(activations, np.float32), k)


def classified(activations, weights, bias) -> View:
    arrays = (np.array(array, np.float32) for array in (activations, weights, bias))
    activations, weights, bias = arrays
    return View(activations, class_weights=weights, class_bias=bias)


def with_parts(activations, heatmaps, energy) -> View:
    """A view whose parts are given, and not what a factorization would find."""
    made = view(activations)
    k = len(energy)
    heatmaps, energy = (np.array(array, np.float32) for array in (heatmaps, energy))
    basis = np.zeros((k, len(made.activations)), np.float32)
    facts = {"error": 0.0, "explained": 1.0, "error_curve": np.zeros(1), "iterations": 0}
    options = {"seed": 0, "solver": "hals", "init": "random"}
    parts = Factorization(heatmaps, basis, energy, dead=energy == 0, **facts, **options)
    made.__dict__["parts"] = parts  # where a cached property keeps what it made
    return made


def random_view(seed: int, channels: int = 6, grid=(5, 7)) -> View:
    random = np.random.default_rng(seed)
    activations = np.maximum(0, random.normal(size=(channels, *grid)))
    return classified(activations, random.normal(size=(10, channels)), random.normal(size=10))


def collection() -> list[View]:
    return [random_view(seed) for seed in range(4)]


# What all families have in common


def test_the_families():
    single = ["cam", "crow", "dff_gem", "dff_pooled", "dff_tree", "gem", "mac", "neural_codes"]
    assert list(families()) == ["dff", *single, "off_the_shelf", "rmac", "spoc", "ucrow"]
    assert learned() == ("cam_shared", "mop")
    assert DEFAULT_DESCRIPTOR in families()


@EVERY
def test_every_family_describes_a_picture(name):
    seen = random_view(9)
    before = seen.activations.copy()
    regions = describer(name, iter(collection()))  # once through is enough
    found = regions(seen)
    count, dimensions = found.vectors.shape
    assert dimensions == 6 or name == "mop"
    assert found.weights.shape == (count,) and found.heatmaps.shape == (count, 5, 7)
    for array in (found.vectors, found.weights, found.heatmaps):
        assert array.dtype == np.float32 and np.isfinite(array).all()
    assert found.vectors.min() >= 0 or name == "mop"
    assert found.weights.min() >= 0 and found.heatmaps.min() >= 0
    assert found.heatmaps.max() <= 1 or name.startswith("dff")
    vector = describe(found.stored(), Whitening.identity(dimensions)).vector
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    assert (seen.activations == before).all()
    again = describer(name, collection())(random_view(9))
    assert (again.vectors == found.vectors).all() and (again.weights == found.weights).all()


@EVERY
def test_every_family_answers_a_picture_without_activations(name):
    seen = random_view(9)
    nothing = View(0 * seen.activations, 4, 0, seen.class_weights, seen.class_bias)
    found = describer(name, collection())(nothing)
    assert (found.vectors == 0).all()
    assert np.isfinite(found.weights).all() and np.isfinite(found.heatmaps).all()
    described = describe(found.stored(), Whitening.identity(found.vectors.shape[1]))
    assert (described.vector == 0).all() and (described.weights == 0).all()


@EVERY
@pytest.mark.parametrize("grid", [(1, 1), (1, 6), (6, 1), (2, 3)])
def test_every_family_answers_small_grids(name, grid):
    views = [random_view(seed, grid=grid) for seed in range(8)]
    found = describer(name, views)(views[0])
    assert found.vectors.any() and np.isfinite(found.vectors).all()
    assert found.heatmaps.shape[1:] == grid


@EVERY
def test_families_that_need_a_classifier_say_so(name):
    without = [View(seen.activations) for seen in collection()]
    assert needs_classifier(name) == (name in ("cam", "cam_shared", "neural_codes"))
    if needs_classifier(name):
        with pytest.raises(ValueError, match="class_weights: expected a classifier .* got none"):
            describer(name, without)(without[0])
    else:
        assert describer(name, without)(without[0]).vectors.any()


def test_a_tree_joins_the_most_alike_first():
    vectors = np.array([[1, 0, 0], [0, 1, 0], [1, 0.1, 0], [0, 0, 1], [0, 0.2, 1]], np.float32)
    leaves = [(0,), (1,), (2,), (3,), (4,)]
    # (3, 4) at 0.98, (0, 2) at 0.995; then the maxima (1, 0.1, 0), (0, 1, 0), (0, 0.2, 1): the
    # last two at 0.196, and the rest.
    assert grouped(vectors) == [*leaves, (0, 2), (3, 4), (1, 3, 4), (0, 1, 2, 3, 4)]
    assert grouped(vectors[:1]) == [(0,)]
    assert grouped(np.ones((3, 2))) == [(0,), (1,), (2,), (0, 1), (0, 1, 2)]  # ties: the first


def test_a_leaf_is_shared_among_the_parts_that_are_where_it_is():
    parts = with_parts(TINY, [[[3, 0, 0], [0, 0, 0]], [[1, 2, 0], [0, 0, 0]]], [1, 1]).parts
    heat = np.array([[[2, 1, 0], [0, 0, 0]], [[0, 0, 5], [0, 0, 0]]], np.float32)
    # Cell 0 is 3/4 of part 0, cell 1 all of part 1: (2 * 3/4, 2 * 1/4 + 1) / 3. No part is at
    # cell 2, so the second leaf belongs to both.
    assert np.allclose(shares(heat, parts), [[0.5, 0.5], [0.5, 0.5]])
    assert np.allclose(shares(heat[:1, :, ::-1] + heat[:1] * 9, parts), [[13.5 / 28, 14.5 / 28]])
    assert np.allclose(shares(np.eye(1, 6).reshape(1, 2, 3), parts), [[0.75, 0.25]])


def test_a_tree_of_two_planted_parts():
    # The deepest layer has two blobs of one channel each; the first layer sees something else.
    deepest = np.array([[[4, 4, 0, 0]], [[0, 0, 2, 2]]], np.float32)
    shallow = np.array([[[1, 5, 7, 2]]], np.float32)
    seen = View(np.concatenate([shallow, deepest]), 2, blocks=(1, 2))
    found = dff_tree.regions(seen)
    assert len(found.vectors) == 3
    order = np.argsort(found.vectors[:2, 1])[::-1]
    # Maxima inside each blob, then of both; energies 32 and 8 of 40.
    assert np.allclose(found.vectors[[*order, 2]], [[5, 4, 0], [7, 0, 2], [7, 4, 2]], atol=0.02)
    assert np.allclose(found.weights[[*order, 2]] ** 2, [0.8, 0.2, 1], atol=1e-3)
    assert np.allclose(found.members.sum(axis=1), 1) and found.members.shape == (3, 2)
    assert np.allclose(found.heatmaps[2], found.heatmaps[:2].sum(axis=0))
    for half in (found.heatmaps[order[0], 0, 2:], found.heatmaps[order[1], 0, :2]):
        assert np.allclose(half, 0, atol=0.02)


def test_a_tree_of_nothing():
    found = dff_tree.regions(View(np.zeros((3, 2, 2), np.float32), 4))
    assert found.vectors.tolist() == [[0, 0, 0]] and found.weights.tolist() == [0]
    assert found.members.tolist() == [[0.25] * 4] and found.heatmaps.shape == (1, 2, 2)


def test_regions_are_compared_as_the_module_says():
    by_regions = {name for name in (*families(), *learned()) if matching_of(name) == "regions"}
    assert by_regions == {"dff_pooled", "dff_gem", "off_the_shelf"}
    assert matching_of(DEFAULT_DESCRIPTOR) == "mutual"
    assert {matching_of(name) for name in families()} == set(MATCHINGS)


@pytest.mark.parametrize(
    "name", ["spock", "base", "windows", "scales", "codebook", "", "os", ".dff"]
)
def test_an_unknown_family_is_refused(name):
    functions = (
        *(family, matching_of, needs_classifier),
        *(lambda name: describer(name, []), lambda name: regions_of(name, view(TINY))),
    )
    for function in functions:
        with pytest.raises(
            ValueError, match=f"descriptor: expected one of dff, .*mop, got '{name}"
        ):
            function(name)


def test_only_those_that_learn_look_at_the_collection():
    def untouchable():
        raise AssertionError("looked")
        yield

    for name in families():
        regions = describer(name, untouchable())
        assert (regions.func, regions.args, regions.keywords) == (regions_of, (name,), {})
    for name in learned():
        with pytest.raises(AssertionError, match="looked"):
            describer(name, untouchable())
        with pytest.raises(ValueError, match="views: expected .* got none"):
            describer(name, [])


# Joined layers


def test_balanced_brings_each_layer_to_unit_length():
    regions = given([[3, 4, 0, 0, 5], [0, 0, 2, 0, 0]], [1, 2], [[[1]], [[2]]])
    found = balanced(regions, (2, 3))
    # A layer that holds nothing of a region stays empty.
    expected = [[0.6, 0.8, 0, 0, 1], [0, 0, 1, 0, 0]]
    assert np.allclose(found.vectors, expected, atol=1e-7) and found.vectors.dtype == np.float32
    assert found.weights is regions.weights and found.heatmaps is regions.heatmaps
    assert regions.vectors[0].tolist() == [3, 4, 0, 0, 5]
    three = balanced(regions, (1, 1, 3))
    assert three.vectors.tolist() == [[1, 1, 0, 0, 1], [0, 0, 1, 0, 0]]


@pytest.mark.parametrize("blocks", [(), (3,), (1, 1), (2, 2)])
def test_nothing_is_balanced_of_one_layer_or_of_other_vectors(blocks):
    regions = given([[3, 4, 12]], [1])
    assert balanced(regions, blocks) is regions


def test_regions_of_joined_layers_are_balanced_but_not_the_basis():
    joined = View(np.array([[[3]], [[4]], [[12]]], np.float32), 1, blocks=(2, 1))
    for name in ("mac", "gem", "dff_gem", "ucrow"):
        assert np.allclose(regions_of(name, joined).vectors, [[0.6, 0.8, 1]], atol=1e-6)
    assert np.allclose(regions_of("dff", joined).vectors, [[3 / 13, 4 / 13, 12 / 13]], atol=1e-6)
    single = View(joined.activations, 1)
    assert np.allclose(regions_of("mac", single).vectors, [[3, 4, 12]])


def in_two(seen: View) -> View:
    return replace(seen, blocks=(2, 4))


@EVERY
def test_describers_balance_every_family_alike(name):
    if name == "dff_tree":
        pytest.skip("it factorizes the deepest layer alone: tests of its own")
    seen = random_view(9)
    plain = describer(name, collection())(seen)
    found = describer(name, [in_two(one) for one in collection()])(in_two(seen))
    assert (found.weights == plain.weights).all() and (found.heatmaps == plain.heatmaps).all()
    if name in ("dff", "mop"):  # the basis, and what is no list of channels
        assert (found.vectors == plain.vectors).all()
    else:
        expected = balanced(plain, (2, 4)).vectors
        assert (found.vectors == expected).all() and (found.vectors != plain.vectors).any()


# Pooling over the picture


def test_the_sum_and_the_maximum():
    assert family("ucrow").regions(view(TINY)).vectors.tolist() == [[5, 3]]
    assert family("mac").regions(view([[[1, 7]], [[3, 2]]])).vectors.tolist() == [[7, 3]]
    for name in ("ucrow", "mac", "gem"):
        found = family(name).regions(view(TINY))
        assert found.weights.tolist() == [1] and found.heatmaps.tolist() == [[[1] * 3] * 2]


def test_gem_is_the_cube_root_of_the_mean_cube():
    activations = [[[1, 2], [0, 3]], [[5, 5], [5, 5]], [[0, 0], [0, 0]]]
    found = family("gem").regions(view(activations))
    assert found.vectors.shape == (1, 3) and found.weights.tolist() == [1]
    assert np.allclose(found.vectors, [[(36 / 4) ** (1 / 3), 5, 0]], rtol=1e-6)


def test_spoc_weighs_by_the_distance_from_the_centre():
    # The nearest border is 1 cell from the centre: sigma = 1/3, 2 sigma^2 = 2/9. The positions of
    # the middle column are 1/2 a cell away, the others sqrt(1/4 + 1).
    middle, side = np.exp(-0.25 * 9 / 2), np.exp(-1.25 * 9 / 2)
    found = family("spoc").regions(view(TINY))
    assert np.allclose(found.heatmaps, [[[side, middle, side]] * 2], rtol=1e-6)
    assert np.allclose(found.vectors, [[2 * side + 3 * middle, 2 * side + middle]], rtol=1e-6)
    assert found.weights.tolist() == [1]
    assert family("spoc").regions(view([[[7]]])).heatmaps.tolist() == [[[1]]]


def test_crow_weighs_positions_and_channels():
    # The sums are 2 at four positions, together of length 4: weights sqrt(2 / 4). The channels'
    # shares are 3/6 and 2/6, together 5/6.
    root = np.sqrt(0.5)
    channels = np.log([5 / 3, 5 / 2])
    assert np.allclose(spatial_weights(TINY), [[root, root, root], [0, root, 0]])
    assert np.allclose(channel_weights(TINY), channels)
    found = family("crow").regions(view(TINY))
    assert np.allclose(found.heatmaps, [[[root, root, root], [0, root, 0]]], atol=1e-7)
    assert np.allclose(found.vectors, [root * channels * [5, 3]], rtol=1e-6)
    assert found.weights.tolist() == [1]


def test_crow_gives_channels_that_are_always_or_never_there_no_say():
    empty = np.concatenate([TINY, np.zeros((1, 2, 3), np.float32)])
    assert np.allclose(channel_weights(empty), [*np.log([5 / 3, 5 / 2]), 0])
    assert channel_weights(TINY[:1]).tolist() == [0]  # alone it has all there is: log 1


def test_neural_codes_are_the_mean_of_what_the_classifier_sees():
    found = family("neural_codes").regions(classified(TINY, [[1, 0.5], [0, -1]], [0, 0]))
    assert np.allclose(found.vectors, [[5 / 6, 1 / 2]], rtol=1e-6)
    assert found.weights.tolist() == [1] and found.heatmaps.tolist() == [[[1] * 3] * 2]
    blind = family("neural_codes").regions(classified(TINY, [[0, 0.5], [0, -1]], [0, 0]))
    assert np.allclose(blind.vectors, [[0, 1 / 2]], rtol=1e-6)


# Class activation maps


def test_cam_has_one_region_a_class_the_most_probable_first():
    # Logits: (5/6, 1/2) times the weights, plus the bias: 5/6, 3/2 and 1/3.
    seen = classified(TINY, [[1, 0], [0, 1], [1, -1]], [0, 1, 0])
    odds = np.exp([5 / 6, 3 / 2, 1 / 3])
    assert np.allclose(class_probabilities(seen), odds / odds.sum(), rtol=1e-6)
    found = family("cam").regions(seen)
    # Class 1 is the second channel over 2. Class 0 is the first one over 2. Class 2 is their
    # difference, 2 at two positions and -2 at one.
    maps = [[[0, 0.5, 1], [0, 0, 0]], [[1, 0.5, 0], [0, 1, 0]], [[1, 0, 0], [0, 1, 0]]]
    assert found.heatmaps.tolist() == maps
    sums = [[1 * 0.5, 1 * 0.5 + 2 * 1], [2 + 0.5 + 2, 0.5], [2 + 2, 0]]
    assert np.allclose(found.vectors, sums * np.log([5 / 3, 5 / 2]), rtol=1e-6)
    assert found.weights.tolist() == [1, 1, 1]


def test_a_class_for_which_nothing_speaks_is_empty():
    seen = classified(TINY, [[1, 0], [-1, -1]], [0, 0])
    found = class_regions(seen, [1, 0])
    assert (found.vectors[0] == 0).all() and (found.heatmaps[0] == 0).all()
    assert found.vectors[1].all()


def test_bad_classes():
    seen = classified(TINY, [[1, 0], [0, 1]], [0, 0])
    for classes in ([], [2], [0, -1]):
        with pytest.raises(ValueError, match="classes: expected some of 0 to 1, got "):
            class_regions(seen, classes)
    with pytest.raises(ValueError, match="class_weights"):
        class_regions(view(TINY), [0])


def one_hot(logits) -> View:
    """Class i sees channel i, which is at position i: a heatmap's maximum tells its class."""
    count = len(logits)
    return classified(np.diag(logits)[:, None], count * np.eye(count), np.zeros(count))


def test_cam_takes_eight_classes():
    found = family("cam").regions(one_hot([4, 1, 2, 3, 5, 6, 7, 8, 0.5]))
    assert found.heatmaps[:, 0].argmax(axis=1).tolist() == [7, 6, 5, 4, 0, 3, 2, 1]


def test_cam_shared_takes_the_classes_of_what_it_learns_from():
    # In the first picture class 7 has 63 % and class 1 less than 0.1 %; in the second class 8 has
    # nearly all, the others 0.02 % each.
    query = one_hot([4, 1, 2, 3, 5, 6, 7, 8, 0.5])
    other = one_hot([0.5] * 8 + [9])
    target = one_hot([9, 8, 7, 6, 5, 4, 3, 2, 1])

    def classes(views):
        regions = describer("cam_shared", views)
        return regions(target).heatmaps[:, 0].argmax(axis=1).tolist()

    assert classes([query]) == [7, 6, 5, 4, 0, 3, 2, 1]
    assert classes([query, other]) == classes([other, query]) == [8, 7, 6, 5, 4, 0, 3, 2]


# Inside the parts of a factorization


def test_dff_is_the_basis_weighted_by_energy():
    found = family("dff").regions(view([[[3, 0]], [[0, 4]]]))
    assert np.allclose(found.vectors, [[0, 1], [1, 0]], atol=1e-6)  # the stronger part first
    assert np.allclose(found.weights, [0.64, 0.36], atol=1e-6)
    assert np.allclose(found.heatmaps, [[[0, 4]], [[3, 0]]], atol=1e-5)


@pytest.mark.parametrize("name", ["dff", "dff_pooled", "dff_gem"])
def test_parts_that_hold_nothing_have_no_say(name):
    regions = family(name).regions
    two, four = (regions(view([[[3, 0]], [[0, 4]]], k)) for k in (2, 4))
    assert (four.vectors[2:] == 0).all() and (four.weights[2:] == 0).all()
    assert (four.heatmaps[2:] == 0).all()
    identity = Whitening.identity(2)
    one, other = (describe(found, identity).vector for found in (two, four))
    assert np.allclose(one, other, atol=1e-6) and one.any()


HEATMAPS = [[[4, 2, 0], [0, 0, 0]], [[0, 0, 0], [0, 1, 2]], [[0, 0, 0], [0, 0, 0]]]


def test_dff_pooled_takes_the_maxima_inside_each_part():
    found = family("dff_pooled").regions(with_parts(TINY, HEATMAPS, [0.64, 0.36, 0]))
    # The first part weighs two positions 1 and 1/2: 2 * 1 against 1 * 1/2 in the first channel,
    # 0 * 1 against 1 * 1/2 in the second. The second part: 2 * 1/2 against 0 * 1, and nothing.
    assert found.vectors.tolist() == [[2, 0.5], [1, 0], [0, 0]]
    assert np.allclose(found.weights, [0.8, 0.6, 0], atol=1e-7)
    assert found.heatmaps.tolist() == HEATMAPS


def test_dff_gem_takes_the_generalised_mean_inside_each_part():
    found = family("dff_gem").regions(with_parts(TINY, HEATMAPS, [0.64, 0.36, 0]))
    # The first part weighs two positions 2/3 and 1/3, the second 1/3 and 2/3.
    cubes = [[2**3 * 2 / 3 + 1 / 3, 1 / 3], [2**3 * 1 / 3, 0], [0, 0]]
    assert np.allclose(found.vectors, np.cbrt(cubes), rtol=1e-6)
    assert np.allclose(found.weights, [0.8, 0.6, 0], atol=1e-7)
    assert found.heatmaps.tolist() == HEATMAPS


# Windows


def test_windows_pool_what_is_inside_them():
    places = [(0, 1, 2, 2), (1, 0, 1, 1)]
    assert masks(places, (2, 3)).tolist() == [[[0, 1, 1], [0, 1, 1]], [[0, 0, 0], [1, 0, 0]]]
    assert pooled(TINY, places, np.max).tolist() == [[2, 2], [0, 0]]
    assert pooled(TINY, places, np.mean).tolist() == [[0.75, 0.75], [0, 0]]
    assert (positions(7, 1), positions(7, 3), positions(0, 2)) == ([3], [0, 3, 7], [0, 0])


def test_rmac_takes_the_maxima_of_its_squares():
    activations = np.stack([np.arange(1, 10), np.arange(9, 0, -1)]).reshape(2, 3, 3)
    found = family("rmac").regions(view(activations))
    # One square of side 3, four of side 2, nine of side 1.
    first = [9, 5, 6, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    second = [9, 9, 8, 6, 5, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert found.vectors.tolist() == np.array([first, second]).T.tolist()
    assert found.weights.tolist() == [1] * 14
    assert found.heatmaps.sum(axis=(1, 2)).tolist() == [9] + [4] * 4 + [1] * 9
    assert found.heatmaps[2].tolist() == [[0, 1, 1], [0, 1, 1], [0, 0, 0]]


def test_rmac_squares_of_the_published_grids():
    for side in (6, 16, 24):
        assert len(squares(side, side)) == 14
    wide = squares(24, 32)
    expected = [(0, left, 24) for left in (0, 8)]
    expected += [(top, left, 16) for top in (0, 8) for left in (0, 8, 16)]
    expected += [(top, left, 12) for top in (0, 6, 12) for left in (0, 6, 13, 20)]
    assert wide == expected and len(wide) == 20
    assert sorted((left, top, side) for top, left, side in squares(32, 24)) == sorted(wide)


@pytest.mark.parametrize(("columns", "count"), [(12, 2), (13, 2), (14, 2), (16, 3), (32, 6)])
def test_neighbours_at_the_first_level_overlap_by_about_two_fifths(columns, count):
    first = [left for _, left, side in squares(8, columns) if side == 8]
    assert len(first) == count
    best = min(abs(1 - (columns - 8) / (m - 1) / 8 - 0.4) for m in range(2, 8))
    assert abs(1 - (columns - 8) / (count - 1) / 8 - 0.4) == pytest.approx(best)


def test_rmac_squares_lie_inside_and_reach_the_border():
    for rows in range(1, 21):
        for columns in range(1, 21):
            found = squares(rows, columns)
            short = min(rows, columns)
            assert min(min(top, left) for top, left, _ in found) == 0
            for side in {side for _, _, side in found}:
                assert side in {max(1, 2 * short // level) for level in (2, 3, 4)}
                assert max(top + side for top, _, s in found if s == side) == rows
                assert max(left + side for _, left, s in found if s == side) == columns
    with pytest.raises(ValueError, match="at least 1 x 1 cells, got 0 x 3"):
        squares(0, 3)


def test_off_the_shelf_takes_the_maxima_of_overlapping_windows():
    found = family("off_the_shelf").regions(view([np.arange(16).reshape(4, 4)]))
    # Of 4 x 4 cells, 3 x 3 and 2 x 2; the lower right cell is the largest.
    small = [5, 6, 7, 9, 10, 11, 13, 14, 15]
    assert found.vectors[:, 0].tolist() == [15, 10, 11, 14, 15, *small]
    assert found.weights.tolist() == [1] * 14
    assert found.heatmaps.sum(axis=(1, 2)).tolist() == [16] + [9] * 4 + [4] * 9


def test_off_the_shelf_windows_have_the_aspect_of_the_picture():
    found = windows(12, 16)
    assert found[:5] == [(0, 0, 12, 16), *((y, x, 8, 11) for y in (0, 4) for x in (0, 5))]
    assert found[5:] == [(y, x, 6, 8) for y in (0, 3, 6) for x in (0, 4, 8)]


def test_windows_of_every_level_cover_the_grid():
    for rows in range(1, 15):
        for columns in range(1, 15):
            found = windows(rows, columns)
            levels = [found[:1], found[1:5], found[5:]]
            levels += [patches(rows, columns, 2), patches(rows, columns, 4)]
            for level in levels:
                assert masks(level, (rows, columns)).any(axis=0).all()
                assert all(y >= 0 and x >= 0 for y, x, _, _ in level)
                assert all(y + h <= rows and x + w <= columns for y, x, h, w in level)


# MOP-CNN


def test_patches_are_those_of_the_paper():
    """At its 256 pixels, patches of 128 and 64 that are 32 apart are 25 and 49."""
    half, quarter = patches(8, 8, 2), patches(8, 8, 4)
    assert half == [(y, x, 4, 4) for y in range(5) for x in range(5)]
    assert quarter == [(y, x, 2, 2) for y in range(7) for x in range(7)]
    # Between 0 and 11 at most 2 apart.
    assert [x for y, x, _, _ in patches(12, 17, 2) if y == 0] == [0, 1, 3, 5, 7, 9, 11]


def test_k_means_finds_the_means_of_groups():
    points = np.array([[0, 1], [1, 1], [10, 1], [11, 1], [12, 1]], float)
    for seed in range(5):
        centres = k_means(points, 2, seed)
        assert centres[centres[:, 0].argsort()].tolist() == [[0.5, 1], [11, 1]]
    assert points[0].tolist() == [0, 1]


def test_k_means_has_no_more_centres_than_different_points():
    points = np.array([[2.0], [7], [2], [7], [2]])
    assert sorted(k_means(points, 4).ravel().tolist()) == [2, 7]
    assert k_means(points[:1], 3).tolist() == [[2]]


def codebook(directions, words) -> Codebook:
    directions, words = (np.array(array, float) for array in (directions, words))
    return Codebook(np.zeros(directions.shape[1]), directions, words)


def test_vlad_sums_the_differences_to_the_words():
    # At unit length (1, 0), (0, 1) and (.6, .8), half of each at both words; nothing is left out.
    # (1.6, 1.8) / 2 - 1.5 (1, 0) = (-.7, .9) and (.8, .9) - 1.5 (0, 1) = (.8, -.6): together 3.
    found = codebook(np.eye(2), np.eye(2)).vlad(np.array([[2, 0], [0, 5], [3, 4], [0, 0]]))
    expected = np.array([-0.7, 0.9, 0.8, -0.6]) / 3
    assert np.allclose(found, np.sign(expected) * np.sqrt(np.abs(expected)))


def test_a_patch_goes_to_its_five_nearest_words():
    # It is 1 in the only direction. A fifth of 1 - 0, 1 - 1, .. 1 - 4, of length^2 7/5; no 5.
    found = codebook([[1, 0]], [[5], [0], [1], [2], [3], [4]]).vlad(np.array([[3.0, 0]]))
    assert np.allclose(found, [0, *np.sqrt([1 / 7, 0]), *-np.sqrt([1 / 7, 2 / 7, 3 / 7])])


def test_a_codebook_is_learnt_from_unit_patches():
    # Two directions, in unequal number, at any length. Their mean is (.4, .6); what is left is one
    # dimension, along (1, -1) or (-1, 1), in which they are .6 and -.4 times sqrt(2) away.
    patches = np.array([[3, 0], [0, 1], [0, 7], [0, 0], [5, 0], [0, 9]], np.float32)
    found = Codebook.fit(patches, 8, 3)
    assert np.allclose(found.mean, [0.4, 0.6]) and found.directions.shape == (1, 2)
    assert np.allclose(np.abs(found.directions), np.sqrt(0.5))
    assert np.allclose(sorted(np.abs(found.words[:, 0])), np.sqrt(2) * np.array([0.4, 0.6]))
    again = Codebook.fit(patches, 8, 3)
    assert (again.words == found.words).all()


@pytest.mark.parametrize(
    ("patches", "count", "dimensions", "message"),
    [
        ([[1, 0], [0, 1]], 0, 1, "at least 1 word and 1 dimension, got 0 and 1"),
        ([[1, 0], [0, 1]], 1, 0, "at least 1 word and 1 dimension, got 1 and 0"),
        ([[1, 0], [0, 0]], 1, 1, "at least 2 rows that are not zero, got 1"),
        ([[1, 0], [3, 0]], 1, 1, "no variance"),
    ],
)
def test_what_no_codebook_can_be_learnt_from(patches, count, dimensions, message):
    with pytest.raises(ValueError, match=message):
        Codebook.fit(np.array(patches, np.float32), count, dimensions)


def test_mop_sets_three_levels_side_by_side():
    even = view(np.ones((2, 4, 4)) * np.array([3, 4])[:, None, None])
    found = regions_with(even, [codebook(np.eye(2), np.eye(2))] * 2)
    # Every patch is (.6, .8), half at each word: (-.2, .4) and (.3, -.1) a patch, together 1.
    level = [-np.sqrt(0.2), np.sqrt(0.4), np.sqrt(0.3), -np.sqrt(0.1)]
    assert np.allclose(found.vectors, [[0.6, 0.8, *level, *level]], atol=1e-6)
    assert found.weights.tolist() == [1] and (found.heatmaps == 1).all()


def test_mop_has_a_codebook_for_each_size_of_patches():
    seen = random_view(0)
    one, other = Codebook.fit(np.eye(6), 3, 2), Codebook.fit(np.eye(6), 2, 4)
    found = regions_with(seen, [one, other]).vectors[0]
    large, small = (pooled(seen.activations, patches(5, 7, n), np.mean) for n in (2, 4))
    assert np.allclose(found[6:12], one.vlad(large), atol=1e-6)
    assert np.allclose(found[12:], other.vlad(small), atol=1e-6) and len(found) == 6 + 6 + 8


def test_mop_can_learn_from_the_patches_of_one_picture():
    found = describer("mop", [random_view(0, grid=(8, 8))])(random_view(1))
    assert np.linalg.norm(found.vectors) == pytest.approx(np.sqrt(3))


def test_mop_learns_from_every_picture():
    views = [view(np.full((2, 4, 4), 1) * np.array(c)[:, None, None]) for c in ([1, 0], [0, 1])]
    found = describer("mop", views)(views[0])
    # Two different patches are two words in one dimension; of one of them a patch is all, from the
    # other it is away.
    assert found.vectors[0, :2].tolist() == [1, 0]
    levels = np.abs(found.vectors[0, 2:]).reshape(2, 2)
    assert np.allclose(np.sort(levels), [[0, 1], [0, 1]], atol=1e-6)


# Several scales


def test_across_scales_each_size_counts_equally():
    large = given([[1, 0], [2, 0]], [1, 3], [[[1, 2], [3, 4]], [[0, 0], [0, 8]]])
    small = given([[0, 5]], [0.5], [[[6]]])
    finer = given([[7, 7]], [9], [np.diag([9, 0, 0, 0, 0, 18])])
    found = across_scales([large, small, finer])
    assert found.vectors.tolist() == [[1, 0], [2, 0], [0, 5], [7, 7]]
    assert np.allclose(found.weights, np.array([1 / 4, 3 / 4, 1, 1]) / 3)
    # One cell becomes four equal ones; nine cells become one, their mean.
    maps = [[[1, 2], [3, 4]], [[0, 0], [0, 8]], [[6, 6], [6, 6]], [[1, 0], [0, 2]]]
    assert found.heatmaps.tolist() == maps
    for array in (found.vectors, found.weights, found.heatmaps):
        assert array.dtype == np.float32
    assert large.weights.tolist() == [1, 3]


def test_across_scales_enlarges_by_the_centres_of_cells():
    wide = given([[1]], [1], [[[0, 0, 0, 0]]])
    narrow = given([[1]], [1], [[[0, 4]]])
    # The centres are at 1/4 and 3/4 of the narrow map's first and second cell, and beyond.
    assert across_scales([wide, narrow]).heatmaps[1].tolist() == [[0, 1, 3, 4]]


def test_one_scale_stays_as_it_is():
    regions = family("rmac").regions(random_view(0))
    alone = across_scales([regions])
    assert (alone.vectors == regions.vectors).all()
    assert (alone.heatmaps == regions.heatmaps).all()
    identity = Whitening.identity(6)
    one, other = (describe(r, identity).vector for r in (alone, regions))
    assert np.allclose(one, other, atol=1e-6)


def test_scales_without_weights_or_heatmaps():
    silent = given([[1, 0]], [0], [[[1]]])
    found = across_scales([silent, given([[0, 1]], [2])])
    assert found.weights.tolist() == [0, 0.5] and found.heatmaps is None


@pytest.mark.parametrize(
    ("scales", "message"),
    [
        ([], "scales: expected at least one, .* got none"),
        ([given([[1, 0]], [1]), given([[1]], [1])], "scales: expected .* got channels 1, 2"),
    ],
)
def test_bad_scales(scales, message):
    with pytest.raises(ValueError, match=message):
        across_scales(scales)


# From regions to a descriptor


def test_describe_sums_unit_regions_by_weight():
    regions = given([[2, 0], [0, 5], [0, 0]], [3, 4, 7])
    described = describe(regions, Whitening.identity(2))
    assert described.regions.tolist() == [[1, 0], [0, 1], [0, 0]]
    # Divided by the length of 3 (1, 0) + 4 (0, 1); the empty region adds nothing to it.
    assert np.allclose(described.weights, [0.6, 0.8, 1.4], atol=1e-7)
    assert np.allclose(described.vector, [0.6, 0.8], atol=1e-7)
    for array in (described.regions, described.weights, described.vector):
        assert array.dtype == np.float32
    assert regions.vectors[0, 0] == 2 and regions.weights.tolist() == [3, 4, 7]


def test_the_scale_of_vectors_and_of_all_weights_does_not_matter():
    vectors, weights = np.array([[3, 1], [1, 2]]), np.array([1, 5])
    one = describe(given(vectors, weights), Whitening.identity(2))
    other = describe(given(vectors * [[100], [0.01]], weights * 30), Whitening.identity(2))
    assert np.allclose(one.vector, other.vector, atol=1e-6)
    assert np.allclose(one.weights, other.weights, atol=1e-6)


def test_a_weight_of_zero_leaves_its_region_out():
    with_it = describe(given([[3, 1], [1, 2]], [1, 0]), Whitening.identity(2))
    without = describe(given([[3, 1]], [1]), Whitening.identity(2))
    assert with_it.weights[1] == 0 and np.allclose(with_it.vector, without.vector, atol=1e-7)


def test_describe_whitens_before_the_sum():
    described = describe(given([[7, 0], [0, 2], [0, 0]], [2, 1, 1]), DIFFERENCE)
    assert np.allclose(described.regions, [[1], [-1], [0]], atol=1e-6)
    assert np.allclose(described.weights, [2, 1, 1], atol=1e-6)  # 2 - 1 has length 1
    assert np.allclose(described.vector, [1], atol=1e-6)


def test_the_vector_has_unit_length_whatever_the_whitening():
    random = np.random.default_rng(1)
    for power in (0, 0.25, 0.5):
        whitening = Whitening.fit(random.random((40, 8)), power, dimensions=5)
        described = describe(given(random.random((4, 8)), random.random(4)), whitening)
        assert np.linalg.norm(described.vector) == pytest.approx(1, abs=1e-6)
        assert np.allclose(np.linalg.norm(described.regions, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("weights", [[1, 1], [1, 1 + 1e-6], [1e-6, 1e-6]])
def test_regions_that_cancel_give_zero_not_noise(weights):
    described = describe(given([[1, 0], [0, 1]], weights), DIFFERENCE)
    assert (described.weights == 0).all() and (described.vector == 0).all()


@pytest.mark.parametrize("weights", [[0, 0], [1, 1]])
def test_nothing_to_sum_gives_zero(weights):
    vectors = np.eye(2) * (weights[0] == 0)
    described = describe(given(vectors, weights), Whitening.identity(2))
    assert (described.weights == 0).all() and (described.vector == 0).all()


@pytest.mark.parametrize(
    ("vectors", "weights", "message"),
    [
        ([[1, 0]], [1, 1], "weights: expected 1 finite numbers >= 0"),
        ([[1, 0]], [[1]], "weights: expected 1 finite"),
        ([[1, 0], [0, 1]], [1, -1], "weights: expected 2 finite numbers >= 0, got"),
        ([[1, 0], [0, 1]], [1, np.nan], "weights"),
        ([[1, 0, 0]], [1], r"vectors: expected \(..., 2\)"),
        ([[np.inf, 0]], [1], "vectors: expected finite"),
    ],
)
def test_describe_refuses(vectors, weights, message):
    with pytest.raises(ValueError, match=message):
        describe(given(vectors, weights), Whitening.identity(2))


# What an index keeps


def test_stored_regions_are_halves():
    stored = given([[0.1, 0.25], [0, 0]], [1 / 3, 2]).stored()
    assert stored.vectors.tolist() == [[float(np.float16(0.1)), 0.25], [0, 0]]
    assert stored.weights.tolist() == [np.float32(1 / 3), 2]
    assert stored.vectors.dtype == stored.weights.dtype == np.float32
    assert given(np.zeros((0, 3)), []).stored().vectors.shape == (0, 3)


def test_halves_hold_vectors_of_any_length():
    """Half precision ends at 65504 and at 6e-8."""
    vectors = [[3e5, 4e5], [3e-9, 4e-9], [3e-38, 4e-38], [3, 4]]
    regions = given(vectors, [1, 1, 1, 1])
    stored = regions.stored()
    described = describe(stored, Whitening.identity(2))
    assert np.allclose(described.regions, [[0.6, 0.8]] * 4, atol=1e-3)
    assert stored.vectors[3].tolist() == [3, 4]
    assert regions.vectors[0, 0] == np.float32(3e5)


def test_halves_hold_negative_numbers():
    """The largest entry by size may be a negative one."""
    stored = given([[-3e5, 4], [-3e-9, 4e-9], [-3, 4]], [1, 1, 1]).stored()
    assert np.isfinite(stored.vectors).all() and stored.vectors[2].tolist() == [-3, 4]
    described = describe(stored, Whitening.identity(2))
    assert np.allclose(described.regions, [[-1, 0], [-0.6, 0.8], [-0.6, 0.8]], atol=1e-3)


def test_storing_keeps_the_heatmaps():
    regions = given([[1, 2]], [1], [[[0.1, 0.2]]])
    assert regions.stored().heatmaps is regions.heatmaps


def test_stored_regions_stay_as_they_are():
    random = np.random.default_rng(2)
    scales = 10.0 ** random.integers(-12, 12, (200, 1))
    once = given(random.random((200, 7)) * scales, np.ones(200)).stored()
    assert (once.stored().vectors == once.vectors).all()
    kept = once.vectors.astype(np.float16)
    assert (kept.astype(np.float32) == once.vectors).all()


def test_described_is_what_it_says():
    described = Described(
        np.array([[1, 0], [0.6, 0.8]], np.float32), np.array([0.5, 0.25], np.float32)
    )
    assert described.vector.tolist() == pytest.approx([0.65, 0.2])
