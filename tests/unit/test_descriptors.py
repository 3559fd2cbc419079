import numpy as np
import pytest

from dff.descriptors import Described, Regions, describe, families, family
from dff.descriptors.dff import regions as dff_regions
from dff.descriptors.gem import regions as gem_regions
from dff.descriptors.rmac import regions as rmac_regions
from dff.descriptors.rmac import squares
from dff.factorization import Factorization, factorize_activations
from dff.whitening import Whitening

# Turns (1, 0) into +1 and (0, 1) into -1, and (1, 1) into nothing.
DIFFERENCE = Whitening(
    np.array([0.5, 0.5], np.float32), np.array([[1, -1]], np.float32), 0.0, 1, {}
)


def given(vectors, weights) -> Regions:
    return Regions(np.array(vectors, np.float32), np.array(weights, np.float32))


def parts(activations: np.ndarray, k: int = 2) -> Factorization:
    return factorize_activations(np.asarray(activations, np.float32), k)


# The families


def test_every_family_describes_a_picture():
    activations = np.random.default_rng(0).random((6, 5, 7)).astype(np.float32)
    before = activations.copy()
    assert families()[0] == "dff" and {"dff", "gem", "rmac"} <= set(families())
    for name in families():
        found = family(name).regions(activations, parts(activations, 3))
        count = len(found.vectors)
        assert found.vectors.shape == (count, 6) and found.weights.shape == (count,)
        assert found.vectors.dtype == found.weights.dtype == np.float32
        assert found.vectors.min() >= 0 and found.weights.min() >= 0
        vector = describe(found.stored(), Whitening.identity(6)).vector
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    assert (activations == before).all()


def test_an_unknown_family_is_refused():
    for name in ("spock", "base", "", "os", ".dff"):
        with pytest.raises(ValueError, match="descriptor: expected one of dff, .*rmac"):
            family(name)


def test_every_family_answers_a_picture_without_activations():
    nothing = np.zeros((3, 4, 4), np.float32)
    for name in families():
        found = family(name).regions(nothing, parts(nothing))
        described = describe(found.stored(), Whitening.identity(3))
        assert (described.vector == 0).all() and (described.weights == 0).all()


def test_dff_is_the_basis_weighted_by_energy():
    factorization = parts([[[3, 0]], [[0, 4]]])
    found = dff_regions(np.zeros((2, 1, 2), np.float32), factorization)
    assert np.allclose(found.vectors, [[0, 1], [1, 0]], atol=1e-6)  # the stronger part first
    assert np.allclose(found.weights, [0.64, 0.36], atol=1e-6)


def test_dff_parts_that_hold_nothing_have_no_say():
    activations = np.array([[[3, 0]], [[0, 4]]], np.float32)
    found = dff_regions(activations, parts(activations, 4))
    assert (found.vectors[2:] == 0).all() and np.allclose(found.weights[2:], 0, atol=1e-6)
    assert np.allclose(
        describe(found, Whitening.identity(2)).vector,
        describe(dff_regions(activations, parts(activations)), Whitening.identity(2)).vector,
        atol=1e-6,
    )


def test_gem_is_the_cube_root_of_the_mean_cube():
    activations = np.array([[[1, 2], [0, 3]], [[5, 5], [5, 5]], [[0, 0], [0, 0]]], np.float32)
    found = gem_regions(activations, parts(activations))
    assert found.vectors.shape == (1, 3) and found.weights.tolist() == [1]
    assert np.allclose(found.vectors, [[(36 / 4) ** (1 / 3), 5, 0]], rtol=1e-6)


def test_rmac_takes_the_maxima_of_its_squares():
    activations = np.stack([np.arange(1, 10), np.arange(9, 0, -1)]).reshape(2, 3, 3)
    found = rmac_regions(activations.astype(np.float32), parts(activations))
    # One square of side 3, four of side 2, nine of side 1.
    first = [9, 5, 6, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    second = [9, 9, 8, 6, 5, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert found.vectors.tolist() == np.array([first, second]).T.tolist()
    assert found.weights.tolist() == [1] * 14


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
