import numpy as np
import pytest

from dff.descriptors import Described, Regions, describe
from dff.explain import (
    by_parts,
    check_weights,
    contributions,
    matched_contributions,
    percentile,
    row_scores,
)
from dff.matching import Stored, matched_rows
from dff.whitening import Whitening

CHANNELS = 24


def raw(seed: int, count: int) -> Regions:
    """Regions of different lengths, all a little alike; the last one holds nothing."""
    random = np.random.default_rng(seed)
    vectors = random.gamma(0.5, size=(count, CHANNELS)) + 0.3
    vectors *= 10.0 ** random.integers(-2, 3, (count, 1))
    vectors[-1] = 0
    return Regions(vectors.astype(np.float32), random.random(count).astype(np.float32))


def fitted(power: float) -> Whitening:
    training = np.random.default_rng(7).gamma(0.5, size=(200, CHANNELS)) + 0.3
    return Whitening.fit(training, power, dimensions=12)


def exact_vector(regions: Regions, whitening: Whitening) -> np.ndarray:
    """l2 -> whiten -> l2 -> weighted sum -> l2, spelled out, float64."""
    total = np.zeros(whitening.dimensions)
    for vector, weight in zip(regions.vectors, regions.weights, strict=True):
        if vector.any():
            x = vector / np.linalg.norm(vector.astype(np.float64))
            if whitening.projection is not None:
                x = whitening.projection.astype(np.float64) @ (x - whitening.mean)
            total += weight * x / np.linalg.norm(x)
    return total / np.linalg.norm(total)


WHITENINGS = pytest.mark.parametrize(
    "whitening",
    [Whitening.identity(CHANNELS), fitted(0), fitted(0.25), fitted(0.5)],
    ids=["identity", "rotation", "quarter", "full"],
)


def hand_made() -> tuple[Described, Described]:
    query = Described(np.eye(2, dtype=np.float32), np.array([0.6, 0.8], np.float32))
    target = Described(
        np.array([[1, 0], [0, -1], [0, 0]], np.float32), np.array([0.5, 0.25, 2], np.float32)
    )
    return query, target


def test_contributions_by_hand():
    cells = contributions(*hand_made())
    assert cells.dtype == np.float32
    assert np.allclose(cells, [[0.3, 0, 0], [0, -0.2, 0]], atol=1e-7)


@WHITENINGS
@pytest.mark.parametrize("counts", [(4, 4), (1, 6), (21, 15)])
def test_cells_sum_to_the_cosine(whitening, counts):
    for seed in range(5):
        regions = raw(seed, counts[0] + 1), raw(seed + 100, counts[1] + 1)
        query, target = (describe(r, whitening) for r in regions)
        cells = contributions(query, target)
        cosine = exact_vector(regions[0], whitening) @ exact_vector(regions[1], whitening)
        assert cells.shape == (counts[0] + 1, counts[1] + 1)
        assert cells.sum(dtype=np.float64) == pytest.approx(cosine, abs=1e-6)
        assert query.vector @ target.vector == pytest.approx(cosine, abs=1e-6)
        assert (cells[-1] == 0).all() and (cells[:, -1] == 0).all()  # nothing adds nothing


def test_the_mean_makes_some_cells_negative():
    pictures = raw(1, 6), raw(2, 6)
    plain = contributions(*(describe(r, Whitening.identity(CHANNELS)) for r in pictures))
    whitened = contributions(*(describe(r, fitted(0.5)) for r in pictures))
    assert plain.min() >= 0 and whitened.min() < 0


def test_a_picture_scores_one_with_itself():
    picture = describe(raw(3, 5), fitted(0.25))
    cells = contributions(picture, picture)
    assert cells.sum(dtype=np.float64) == pytest.approx(1, abs=1e-6)
    assert np.allclose(cells, cells.T, atol=1e-7)


@WHITENINGS
def test_row_scores_are_the_row_sums(whitening):
    query = describe(raw(0, 5), whitening)
    targets = [describe(raw(seed, 4 + seed), whitening) for seed in range(1, 9)]
    rows = row_scores(query, np.stack([t.vector for t in targets]))
    assert rows.shape == (8, 5) and rows.dtype == np.float32
    for found, target in zip(rows, targets, strict=True):
        sums = contributions(query, target).sum(axis=1, dtype=np.float64)
        assert np.allclose(found, sums, atol=1e-6)


def test_row_scores_of_a_mapped_index(tmp_path):
    query = describe(raw(0, 5), fitted(0.25))
    vectors = np.stack([describe(raw(seed, 4), fitted(0.25)).vector for seed in range(1, 9)])
    np.save(tmp_path / "vectors.npy", vectors)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    assert (row_scores(query, mapped) == row_scores(query, vectors)).all()
    assert row_scores(query, vectors[:0]).shape == (0, 5)


@WHITENINGS
def test_a_weight_of_zero_removes_exactly_its_row(whitening):
    query = describe(raw(0, 5), whitening)
    target = describe(raw(1, 5), whitening)
    cells = contributions(query, target).astype(np.float64)
    rows = row_scores(query, target.vector[None])
    for i in range(5):
        weights = np.ones(5, np.float32)
        weights[i] = 0
        others = np.delete(cells, i, axis=0).sum()
        assert (rows @ weights)[0] == pytest.approx(others, abs=1e-6)
        # The same as a query that never had the region, at its old length.
        without = Described(np.delete(query.regions, i, 0), np.delete(query.weights, i))
        assert (rows @ weights)[0] == pytest.approx(without.vector @ target.vector, abs=1e-6)
        weights[i] = 2
        assert (rows @ weights)[0] == pytest.approx(cells.sum() + cells[i].sum(), abs=1e-6)
    assert (rows @ np.zeros(5, np.float32))[0] == 0


def test_matched_contributions_by_hand():
    # Shares 1/4 and 3/4. Query region 0 finds cosine 0.6 in target regions 1 and 3: the first of
    # them counts. Query region 1 finds -0.8, -0.6 and -0.8: the dead region's 0 does not count.
    query = Described(np.eye(2, 3, dtype=np.float32), np.array([0.1, 0.3], np.float32))
    target = Described(
        np.array([[0, 0, 0], [0.6, -0.8, 0], [-0.8, -0.6, 0], [0.6, -0.8, 0]], np.float32),
        np.array([9, 0, 1, 1], np.float32),  # do not count either
    )
    cells = matched_contributions(query, target)
    assert cells.dtype == np.float32
    assert np.allclose(cells, [[0, 0.15, 0, 0], [0, 0, -0.45, 0]], atol=1e-7)


def test_matched_contributions_of_dead_regions():
    dead = Described(np.zeros((2, 3), np.float32), np.ones(2, np.float32))
    live = Described(np.eye(2, 3, dtype=np.float32), np.ones(2, np.float32))
    none = Described(np.zeros((0, 3), np.float32), np.zeros(0, np.float32))
    assert (matched_contributions(live, dead) == 0).all()
    assert (matched_contributions(dead, live) == 0).all()
    assert matched_contributions(live, none).shape == (2, 0)
    assert (matched_contributions(Described(live.regions, np.zeros(2)), live) == 0).all()


def test_the_first_of_equal_matches_counts():
    # Long vectors at odd places: a product may round equal regions differently in float32.
    for seed in range(20):
        random = np.random.default_rng(seed)
        vectors = random.random((19, 513)).astype(np.float32)
        vectors[[2, 11, 18]] = vectors[7]
        target = describe(Regions(vectors, np.ones(19, np.float32)), Whitening.identity(513))
        query = Described(target.regions[[7, 18]], np.ones(2, np.float32))
        assert [row.nonzero()[0].tolist() for row in matched_contributions(query, target)] == [
            [2],
            [2],
        ]


@WHITENINGS
def test_cells_both_ways_sum_to_the_matched_rows(whitening):
    query = describe(raw(0, 5), whitening)
    targets = [describe(raw(seed, 3 + seed), whitening) for seed in range(1, 9)]
    stored = Stored.of(np.concatenate([t.regions for t in targets]), [t.weights for t in targets])
    rows = matched_rows(query.regions, query.weights, stored, mutual=True)
    for found, target in zip(rows, targets, strict=True):
        cells = matched_contributions(query, target, mutual=True)
        assert np.allclose(cells.sum(axis=1, dtype=np.float64), found, atol=1e-6)
        mirrored = matched_contributions(target, query, mutual=True)
        assert np.allclose(cells, mirrored.T, atol=1e-7)


def test_cells_both_ways_by_hand():
    query = Described(np.eye(2, 3, dtype=np.float32), np.array([1, 3], np.float32))
    target = Described(np.array([[0.6, 0.8, 0], [0, 0, 1]], np.float32), np.array([1, 1]))
    # There: 1/4 * 0.6 and 3/4 * 0.8 at the first; back: half of 0.8 by row 1, half of 0 by row 0.
    assert np.allclose(
        matched_contributions(query, target, mutual=True), [[0.075, 0], [0.3 + 0.2, 0]]
    )


def test_a_table_by_parts_credits_shares():
    table = np.array([[4, 0], [0, 2], [1, 1]], np.float32)
    query = Described(np.zeros((3, 2)), np.ones(3), np.array([[1, 0], [0, 1], [0.5, 0.5]]))
    target = Described(np.zeros((2, 2)), np.ones(2), np.array([[0.25, 0.75], [1, 0]]))
    # Regions to the query's parts: [[4.5, 0.5], [0.5, 2.5]], then to the target's.
    assert by_parts(table, query, target).tolist() == [[1.625, 3.375], [2.625, 0.375]]
    plain = Described(target.regions, target.weights)
    assert by_parts(table, query, plain).tolist() == [[4.5, 0.5], [0.5, 2.5]]
    assert by_parts(table, Described(query.regions, query.weights), plain) is table


@WHITENINGS
def test_matched_cells_sum_to_the_matched_rows(whitening):
    query = describe(raw(0, 5), whitening)
    targets = [describe(raw(seed, 3 + seed), whitening) for seed in range(1, 9)]
    stored = Stored.of(np.concatenate([t.regions for t in targets]), [t.weights for t in targets])
    rows = matched_rows(query.regions, query.weights, stored)
    for found, target in zip(rows, targets, strict=True):
        cells = matched_contributions(query, target)
        assert cells.shape == (5, len(target.regions))
        assert np.allclose(cells.sum(axis=1, dtype=np.float64), found, atol=1e-6)
        # One cell a row, at the region of the largest cosine; the last regions are dead.
        best = (query.regions[:-1] @ target.regions[:-1].T).argmax(axis=1)
        assert (np.abs(cells).argmax(axis=1)[:-1] == best).all()
        assert np.count_nonzero(cells) == 4 and not cells[-1].any()


def test_weights():
    assert check_weights(None, 3).tolist() == [1, 1, 1]
    given = np.array([0, 0.5, 2], np.float32)
    found = check_weights(given, 3)
    assert found.tolist() == [0, 0.5, 2] and found.dtype == np.float32
    found[0] = 1  # the caller's array is not changed through it
    assert given[0] == 0
    assert check_weights((1, 2), 2).tolist() == [1, 2]


@pytest.mark.parametrize(
    "weights",
    [
        [1, 1],
        [1, 1, 1, 1],
        [[1, 1, 1]],
        [],
        1,
        [0, 1, 2.001],
        [-0.001, 1, 1],
        [1, 1, float("nan")],
        [1, 1, float("inf")],
        [1, 1, None],
        [[1], [1, 2], [1]],
        ["a", "b", "c"],
        "111",
        {"a": 1},
        object(),
    ],
)
def test_bad_weights(weights):
    with pytest.raises(ValueError, match="weights: expected 3 numbers from 0 to 2, got"):
        check_weights(weights, 3)


def test_percentile():
    scores = np.array([0.1, 0.2, 0.2, 0.9])
    assert [percentile(scores, s) for s in (0.05, 0.2, 0.9, 1)] == [0, 25, 75, 100]
    assert percentile(scores[:0], 0.5) == 0
