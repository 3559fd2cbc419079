"""Region matching of a whole index against values by hand and a plain double loop."""

import numpy as np
import pytest

from dff import matching
from dff.matching import Stored, matched_rows, proportions
from dff.whitening import l2_normalise

# Two query regions along the first two axes, with shares 1/4 and 3/4.
QUERY = np.eye(2, 3, dtype=np.float32)
WEIGHTS = np.array([1, 3], np.float32)
DEAD = (0, 0, 0)


def packed(*pictures: list[tuple[float, ...]]) -> Stored:
    """The regions of all pictures one after the other, of equal weights."""
    rows = [region for picture in pictures for region in picture]
    regions = np.array(rows, np.float32).reshape(-1, 3)
    return Stored.of(regions, [np.ones(len(picture)) for picture in pictures])


def collection(seed: int, counts: list[int], dimensions: int = 8) -> Stored:
    """Unit regions of pictures with so many regions each; every fifth region is dead."""
    random = np.random.default_rng(seed)
    regions = l2_normalise(random.standard_normal((sum(counts), dimensions)))
    regions[::5] = 0
    return Stored.of(regions, [random.random(count) for count in counts])


def looped(query, weights, stored, mutual) -> np.ndarray:
    """The definition, region by region, float64."""
    rows = np.zeros((len(stored.starts) - 1, len(query)))
    asking = query.astype(np.float64)
    awake = [i for i in range(len(query)) if query[i].any()]
    for t, first in enumerate(stored.starts[:-1]):
        places = range(first, stored.starts[t + 1])
        live = [j for j in places if stored.regions[j].any()]
        cosines = {
            (i, j): float(asking[i] @ stored.regions[j].astype(np.float64))
            for i in range(len(query))
            for j in live
        }
        if live:
            for i in awake:
                rows[t, i] += weights[i] / np.sum(weights) * max(cosines[i, j] for j in live)
        if mutual:
            rows[t] /= 2
            for j in live if awake else ():
                best = max(awake, key=lambda i, j=j: cosines[i, j])
                rows[t, best] += stored.shares[j] * cosines[best, j] / 2
    return rows


def test_rows_by_hand():
    stored = packed(
        [(0.6, 0.8, 0), (0, 0, 1)],  # 0.6 and 0.8 beat 0
        [],
        [DEAD, (-0.6, -0.8, 0)],  # a dead region would offer 0
        [DEAD],
        [DEAD, (-1, 0, 0), (0, 0, 1)],  # a live one at a right angle to both does offer 0
        [(0.8, -0.6, 0), (0.6, 0.8, 0)],  # each query region has its own best
    )
    rows = matched_rows(QUERY, WEIGHTS, stored)
    assert rows.dtype == np.float32
    expected = [[0.15, 0.6], [0, 0], [-0.15, -0.6], [0, 0], [0, 0], [0.2, 0.6]]
    assert np.allclose(rows, expected, atol=1e-7)
    # Picture 0 with user weights: 2 * 0.15 + 0.5 * 0.6.
    assert (rows @ np.array([2, 0.5], np.float32))[0] == pytest.approx(0.6)


def test_both_ways_by_hand():
    stored = packed([(0.6, 0.8, 0), (0, 0, 1)], [DEAD, (-0.6, -0.8, 0)], [DEAD])
    rows = matched_rows(QUERY, WEIGHTS, stored, mutual=True)
    # There: (0.15, 0.6). Back: (0.6, 0.8, 0) finds row 1 with half of 0.8, (0, 0, 1) row 0 with 0.
    # Second picture: the live region has half the weight, and -0.6 is the better of two bad ones.
    assert np.allclose(rows, [[0.075, 0.5], [-0.225, -0.3], [0, 0]], atol=1e-7)
    asleep = np.array([DEAD, (1, 0, 0)], np.float32)
    back = matched_rows(asleep, WEIGHTS, packed([(-1, 0, 0)]), mutual=True)
    assert np.allclose(back, [[0, -0.875]])  # nothing finds a dead region better than a bad one
    assert matched_rows(np.zeros((2, 3)), WEIGHTS, stored, mutual=True).tolist() == [[0, 0]] * 3


def test_a_dead_query_region_matches_nothing_and_keeps_its_share():
    query = np.array([[1, 0, 0], DEAD], np.float32)
    stored = packed([(1, 0, 0)], [(-1, 0, 0)], [DEAD])
    assert matched_rows(query, WEIGHTS, stored).tolist() == [[0.25, 0], [-0.25, 0], [0, 0]]


@pytest.mark.parametrize("mutual", [False, True])
def test_a_picture_matches_itself_with_a_score_of_one(mutual):
    live = collection(0, [4]).regions[1:]
    weights = np.array([1, 2, 5])
    rows = matched_rows(live, weights, Stored.of(live, [weights]), mutual=mutual)
    assert np.allclose(rows, [[1 / 8, 2 / 8, 5 / 8]], atol=1e-6)


@pytest.mark.parametrize("mutual", [False, True])
@pytest.mark.parametrize("precision", [np.float32, np.float16])
@pytest.mark.parametrize(
    "counts",
    [[6] * 100, [0, 3, 250, 0, 0, 1, 190, 2, 200, 7, 0], [192, 192, 193], [1000]],
    ids=["equal", "unequal", "at the edges of blocks", "one picture"],
)
def test_whole_index_is_the_double_loop(mutual, precision, counts):
    query = collection(1, [6]).regions
    weights = np.random.default_rng(2).random(6)
    stored = collection(3, counts)
    stored = Stored(stored.regions.astype(precision), stored.starts, stored.shares)
    rows = matched_rows(query, weights, stored, mutual=mutual)
    assert rows.shape == (len(counts), 6) and rows.dtype == np.float32
    assert np.allclose(rows, looped(query, weights, stored, mutual), atol=1e-6)


@pytest.mark.parametrize("mutual", [False, True])
@pytest.mark.parametrize("block", [1, 5, 6, 10_000])
def test_the_size_of_blocks_changes_nothing(monkeypatch, block, mutual):
    query = collection(1, [4]).regions
    stored = collection(3, [6, 0, 2, 9, 1])
    expected = looped(query, np.ones(4), stored, mutual)
    monkeypatch.setattr(matching, "BLOCK", block)
    assert np.allclose(matched_rows(query, np.ones(4), stored, mutual=mutual), expected, atol=1e-6)


def test_a_mapped_index(tmp_path):
    query = collection(1, [4]).regions
    stored = collection(3, [6] * 50)
    np.save(tmp_path / "regions.npy", stored.regions.astype(np.float16))
    mapped = np.load(tmp_path / "regions.npy", mmap_mode="r")
    rows = matched_rows(query, np.ones(4), Stored(mapped, stored.starts, stored.shares))
    assert type(rows) is np.ndarray
    read = Stored(np.array(mapped), stored.starts, stored.shares)
    assert np.array_equal(rows, matched_rows(query, np.ones(4), read))


def test_nothing_is_changed_in_place():
    query = collection(1, [4]).regions
    stored = collection(3, [6, 2])
    weights = np.ones(4, np.float32)
    for array in (query, stored.regions, stored.starts, stored.shares, weights):
        array.flags.writeable = False
    matched_rows(query, weights, stored, mutual=True)


def test_an_empty_index():
    none = np.zeros((0, 3), np.float32)
    assert matched_rows(QUERY, WEIGHTS, Stored.of(none, [])).shape == (0, 2)
    empty = Stored.of(none, [np.zeros(0), np.zeros(0)])
    assert matched_rows(QUERY, WEIGHTS, empty).tolist() == [[0, 0], [0, 0]]


def test_proportions():
    shares = proportions(WEIGHTS, 2)
    assert shares.tolist() == [0.25, 0.75] and shares.dtype == np.float32
    assert proportions(WEIGHTS * 1e-6, 2) == pytest.approx([0.25, 0.75])
    assert proportions(np.zeros(2), 2).tolist() == [0, 0]


@pytest.mark.parametrize("weights", [[1], [1, 1, 1], [[1, 1]], [1, -1], [1, np.nan], [np.inf, 1]])
def test_bad_weights(weights):
    with pytest.raises(ValueError, match="weights: expected 2 finite numbers >= 0, got"):
        matched_rows(QUERY, np.array(weights), packed([(1, 0, 0)]))


@pytest.mark.parametrize(
    "starts", [[0, 1], [1, 2], [0, 3], [0, 2, 1, 2], [[0, 2]], [], [0.0, 2.0]], ids=str
)
def test_bad_starts(starts):
    good = packed([(1, 0, 0), (0, 1, 0)])
    with pytest.raises(ValueError, match="starts: expected"):
        matched_rows(QUERY, WEIGHTS, Stored(good.regions, np.array(starts), good.shares))


def test_bad_regions():
    with pytest.raises(ValueError, match=r"regions: expected \(total, 3\), got \(2, 4\)"):
        matched_rows(QUERY, WEIGHTS, Stored.of(np.zeros((2, 4), np.float32), [np.ones(2)]))
    with pytest.raises(ValueError, match="query: expected finite"):
        matched_rows(np.full((2, 3), np.nan), WEIGHTS, packed([(1, 0, 0)]))
    good = packed([(1, 0, 0)])
    with pytest.raises(ValueError, match=r"shares: expected \(1,\), got \(2,\)"):
        matched_rows(QUERY, WEIGHTS, Stored(good.regions, good.starts, np.ones(2)))
