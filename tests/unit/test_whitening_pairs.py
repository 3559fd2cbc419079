"""dff.whitening_pairs: planted nuisance, exact numbers, degenerate pairs."""

import numpy as np
import pytest

from dff.whitening import Whitening, l2_normalise
from dff.whitening_pairs import fit_pairs, matching_pairs

# Unit rows (c, +-A, +-B): what they show is the sign of the second channel, the third is nuisance
# of twice the size. Two rows match if they show the same.
A, B = 0.3, 0.6
CROSS = np.array([[np.sqrt(1 - A * A - B * B), s * A, t * B] for s in (1, -1) for t in (1, -1)])
PAIRS = np.array([[0, 1], [2, 3]])


def planted(n: int = 300, channels: int = 12, seed: int = 0) -> tuple[np.ndarray, list[int]]:
    """Ten things, each in a random direction, with strong nuisance in two directions."""
    rng = np.random.default_rng(seed)
    things, nuisance = rng.random((10, channels)), rng.random((2, channels))
    labels = rng.integers(0, 10, n)
    vectors = things[labels] + 3 * rng.random((n, 2)) @ nuisance
    return (vectors + 0.02 * rng.random((n, channels))).astype(np.float32), labels.tolist()


def covariance_of_differences(whitening: Whitening, vectors, pairs) -> np.ndarray:
    projected = l2_normalise(vectors) @ whitening.projection.T
    differences = projected[pairs[:, 0]] - projected[pairs[:, 1]]
    return differences.T @ differences / len(pairs)


def same_label_first(vectors: np.ndarray, labels: list[int]) -> float:
    """How often the nearest other vector has the same label."""
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -2)
    return float((np.array(labels)[cosines.argmax(axis=1)] == labels).mean())


# --- the fit ---------------------------------------------------------------------------


def test_a_planted_nuisance_is_suppressed_by_the_number_worked_out_by_hand():
    # The differences are (0, 0, 2 B): in the two directions that the rows span, the eigenvalues
    # are 4 B^2 and 0, their mean 2 B^2. Shrunk by 0.2 they are 3.6 B^2 and 0.4 B^2, a ninth:
    # the second direction is stretched by 9 ** 0.5 = 3.
    whitening = fit_pairs(CROSS, PAIRS, 0.5, shrinkage=0.2)
    np.testing.assert_allclose(whitening.mean, [CROSS[0, 0], 0, 0], atol=1e-7)
    # It comes first: its variance is (3 A)^2, that of the nuisance (2 A)^2.
    np.testing.assert_allclose(whitening.projection, [[0, 3, 0], [0, 0, 1]], atol=1e-6)
    # Rows become (+-3 A, +-2 A): the cosine of a pair is (9 - 4) / (9 + 4), it was (1 - 4) / 5.
    cosines = whitening.apply(CROSS) @ whitening.apply(CROSS).T
    assert cosines[0, 1] == pytest.approx(5 / 13, abs=1e-6)
    assert cosines[0, 2] == pytest.approx(-5 / 13, abs=1e-6)
    unlearnt = Whitening.fit(CROSS, 0, 2).apply(CROSS)
    assert unlearnt[0] @ unlearnt[1] == pytest.approx(-3 / 5, abs=1e-6)


@pytest.mark.parametrize(
    ("power", "shrinkage", "stretch"),
    [
        (0.25, 0.2, 3**0.5),  # a smaller power suppresses less
        (0.0, 0.2, 1),
        (0.5, 1.0, 1),  # nothing of the pairs is left
        (0.5, 0.0, 1000),  # no difference at all: the floor of 1e-6
    ],
)
def test_power_and_shrinkage_set_how_much(power, shrinkage, stretch):
    whitening = fit_pairs(CROSS, PAIRS, power, shrinkage=shrinkage)
    stretched = whitening.projection[np.abs(whitening.projection[:, 1]).argmax()]
    np.testing.assert_allclose(stretched, [0, stretch, 0], rtol=1e-5, atol=1e-5)


def test_full_power_whitens_the_differences_and_the_vectors_are_uncorrelated():
    vectors, labels = planted()
    pairs = matching_pairs(labels)
    whitening = fit_pairs(vectors, pairs, 0.5, shrinkage=0)
    within = covariance_of_differences(whitening, vectors, pairs)
    np.testing.assert_allclose(within / within[0, 0], np.eye(12), atol=2e-3)
    everything = np.cov(l2_normalise(vectors) @ whitening.projection.T, rowvar=False)
    variances = np.diag(everything)
    assert (np.diff(variances) < 0).all()
    np.testing.assert_allclose(
        everything / variances[0], np.diag(variances / variances[0]), atol=1e-4
    )


def test_what_was_learnt_holds_for_other_things_and_pca_keeps_the_nuisance():
    vectors, labels = planted()
    known = np.array(labels) < 5
    others, other_labels = vectors[~known], [label for label in labels if label >= 5]
    pairs = matching_pairs([label for label in labels if label < 5])
    learnt = fit_pairs(vectors[known], pairs, 0.5, 2, shrinkage=0.1)
    assert same_label_first(learnt.apply(others), other_labels) > 0.95
    for power in (0, 0.5):
        plain = Whitening.fit(vectors[known], power, 2)
        assert same_label_first(plain.apply(others), other_labels) < 0.65


def test_power_zero_is_the_rotation_of_pca():
    vectors, labels = planted()
    learnt = fit_pairs(vectors, matching_pairs(labels), 0, 5)
    np.testing.assert_allclose(
        learnt.projection, Whitening.fit(vectors, 0, 5).projection, atol=1e-5
    )
    assert learnt.power == 0 and learnt.dimensions == 5


def test_fewer_pairs_than_channels_stay_finite_and_bounded():
    vectors, _ = planted(40, 60)
    whitening = fit_pairs(vectors, np.array([[0, 1], [2, 3]]), 0.5, shrinkage=0.5)
    assert whitening.dimensions == 39  # n - 1
    gains = np.linalg.svd(whitening.projection, compute_uv=False)
    # At most two of 39 eigenvalues differ from zero, and the larger is at most 39 times the mean.
    assert gains.max() / gains.min() <= np.sqrt((0.5 * 39 + 0.5) / 0.5) + 1e-3
    assert fit_pairs(vectors, np.array([[0, 1]]), 0.5, 7).projection.shape == (7, 60)


def test_channels_that_never_fire_are_left_out():
    vectors, labels = planted()
    vectors[:, 4] = 0
    whitening = fit_pairs(vectors, matching_pairs(labels), 0.5)
    assert whitening.dimensions == 11
    np.testing.assert_allclose(whitening.projection[:, 4], 0, atol=1e-5)


def test_rows_of_zeros_and_their_pairs_do_not_count():
    vectors, labels = planted(60)
    more = np.concatenate([vectors, np.zeros((3, 12), np.float32)])
    pairs = matching_pairs(labels)
    one = fit_pairs(vectors, pairs, 0.5)
    two = fit_pairs(more, np.concatenate([pairs, [[0, 60], [61, 62]]]), 0.5)
    np.testing.assert_allclose(one.projection, two.projection, atol=1e-6)
    assert two.provenance == {"count": 60, "pairs": len(pairs), "shrinkage": 0.5}


def test_the_order_of_pairs_and_of_their_rows_does_not_matter_nor_does_length():
    vectors, labels = planted(200)
    pairs = matching_pairs(labels, most=100_000)
    one = fit_pairs(vectors, pairs, 0.5)
    two = fit_pairs(5 * vectors, pairs[::-1, ::-1], 0.5)
    np.testing.assert_allclose(one.projection, two.projection, atol=1e-4)
    largest = np.abs(one.projection).argmax(axis=1)
    assert (one.projection[np.arange(one.dimensions), largest] > 0).all()


def test_many_pairs_are_summed_in_blocks_to_their_mean():
    # 5000 times the same pairs is more than one block, and the same mean.
    one = fit_pairs(CROSS, PAIRS, 0.5)
    many = fit_pairs(CROSS, np.tile(PAIRS, (2500, 1)), 0.5)
    np.testing.assert_allclose(one.projection, many.projection, atol=1e-6)
    assert many.provenance["pairs"] == 5000


def test_it_is_saved_and_loaded_like_any_other(tmp_path):
    vectors, labels = planted()
    pairs = matching_pairs(labels)
    whitening = fit_pairs(vectors, pairs, 0.25, 6, provenance={"fitted_on": "häuser"})
    whitening.save(tmp_path)
    loaded = Whitening.load(tmp_path)
    assert loaded.provenance == {
        "count": 300,
        "pairs": len(pairs),
        "shrinkage": 0.5,
        "fitted_on": "häuser",
    }
    assert (loaded.power, loaded.dimensions) == (0.25, 6)
    assert np.array_equal(loaded.apply(vectors), whitening.apply(vectors))


def test_arguments_are_not_changed():
    vectors, labels = planted()
    pairs = matching_pairs(labels)
    copies = vectors.copy(), pairs.copy()
    vectors.flags.writeable = pairs.flags.writeable = False
    fit_pairs(vectors, pairs, 0.5)
    assert np.array_equal(vectors, copies[0]) and np.array_equal(pairs, copies[1])


# --- pairs from labels -----------------------------------------------------------------


def test_matching_pairs_are_all_pairs_of_equal_labels():
    labels = ["a", None, "b", "a", None, "c", "a", "b"]
    expected = {(0, 3), (0, 6), (3, 6), (2, 7)}
    assert {tuple(pair) for pair in matching_pairs(labels).tolist()} == expected
    assert len(matching_pairs(labels)) == 4
    for nothing in ([], [None, None], ["a", "b"]):
        assert matching_pairs(nothing).shape == (0, 2)


def test_matching_pairs_numbers_every_pair_of_a_large_group_once():
    pairs = matching_pairs(["a"] * 300)
    rows, columns = np.triu_indices(300, 1)
    assert set(map(tuple, pairs.tolist())) == set(zip(rows.tolist(), columns.tolist(), strict=True))
    assert len(pairs) == 300 * 299 // 2


def test_too_many_pairs_are_drawn_the_same_way_each_time_and_global_state_is_untouched():
    labels = ["a"] * 50 + ["b"] * 30
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    drawn = matching_pairs(labels, most=100)
    assert np.array_equal(before, np.random.get_state()[1])
    assert np.array_equal(drawn, matching_pairs(labels, most=100))
    assert len(np.unique(drawn, axis=0)) == 100
    assert (drawn[:, 0] < drawn[:, 1]).all()
    assert ((drawn[:, 0] < 50) == (drawn[:, 1] < 50)).all()
    # 1225 of 1660 pairs are of "a".
    assert 60 < np.count_nonzero(drawn[:, 0] < 50) < 88


# --- what is refused -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vectors", "pairs", "options", "message"),
    [
        (np.ones(3), PAIRS, {}, r"vectors: expected \(n, channels\), got shape \(3,\)"),
        (np.full((4, 3), np.nan), PAIRS, {}, "vectors: expected finite"),
        (np.ones((4, 3)), PAIRS, {}, "all 4 rows point in the same direction"),
        (CROSS, PAIRS, {"power": 1.5}, "power: expected 0 to 1"),
        (CROSS, PAIRS, {"dimensions": 0}, "dimensions: expected at least 1, got 0"),
        (CROSS, PAIRS, {"shrinkage": -0.1}, "shrinkage: expected 0 to 1, got -0.1"),
        (CROSS, PAIRS, {"shrinkage": float("nan")}, "shrinkage: expected 0 to 1, got nan"),
        (CROSS, PAIRS[:, :1], {}, r"expected \(m, 2\) whole numbers, got shape \(2, 1\)"),
        (CROSS, PAIRS.astype(float), {}, "whole numbers, got shape .* of float64"),
        (CROSS, PAIRS + 1, {}, "expected rows from 0 to 3, got 1 to 4"),
        (CROSS, PAIRS - 1, {}, "expected rows from 0 to 3, got -1 to 2"),
        (CROSS, np.array([[0, 1], [2, 2]]), {}, r"two different rows, got \[2, 2\]"),
        (CROSS, PAIRS[:0], {}, "pairs: expected at least 1 .*, got 0"),
        (np.vstack([CROSS, 0 * CROSS]), PAIRS + 4, {}, "pairs: expected at least 1 .*, got 0"),
        (np.vstack([CROSS, 2 * CROSS]), np.array([[0, 4]]), {}, "all 1 have the same direction"),
    ],
)
def test_fit_pairs_refuses(vectors, pairs, options, message):
    with pytest.raises(ValueError, match=message):
        fit_pairs(vectors, pairs, **({"power": 0.5} | options))


def test_matching_pairs_refuses():
    with pytest.raises(ValueError, match="most: expected at least 1, got 0"):
        matching_pairs(["a", "a"], most=0)
