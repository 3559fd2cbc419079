"""Region matching of a whole index against values by hand and a plain double loop."""

import numpy as np
import pytest

from dff import matching
from dff.matching import matched_rows, proportions
from dff.whitening import l2_normalise

# Two query regions along the first two axes, with shares 1/4 and 3/4.
QUERY = np.eye(2, 3, dtype=np.float32)
WEIGHTS = np.array([1, 3], np.float32)
DEAD = (0, 0, 0)


def packed(*pictures: list[tuple[float, ...]]) -> tuple[np.ndarray, np.ndarray]:
    """The regions of all pictures one after the other, and where each picture begins."""
    rows = [region for picture in pictures for region in picture]
    starts = np.cumsum([0, *(len(picture) for picture in pictures)])
    return np.array(rows, np.float32).reshape(-1, 3), starts


def collection(seed: int, counts: list[int], dimensions: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Unit regions of pictures with so many regions each; every fifth region is dead."""
    random = np.random.default_rng(seed)
    regions = l2_normalise(random.standard_normal((sum(counts), dimensions)))
    regions[::5] = 0
    return regions, np.cumsum([0, *counts])


def looped(query, weights, regions, starts) -> np.ndarray:
    """The definition, region by region, float64."""
    rows = np.zeros((len(starts) - 1, len(query)))
    for t, (first, last) in enumerate(zip(starts[:-1], starts[1:], strict=True)):
        live = [s.astype(np.float64) for s in regions[first:last] if s.any()]
        for i, r in enumerate(query.astype(np.float64)):
            if live and r.any():
                rows[t, i] = weights[i] / np.sum(weights) * max(r @ s for s in live)
    return rows


def test_rows_by_hand():
    regions, starts = packed(
        [(0.6, 0.8, 0), (0, 0, 1)],  # 0.6 and 0.8 beat 0
        [],
        [DEAD, (-0.6, -0.8, 0)],  # a dead region would offer 0
        [DEAD],
        [DEAD, (-1, 0, 0), (0, 0, 1)],  # a live one at a right angle to both does offer 0
        [(0.8, -0.6, 0), (0.6, 0.8, 0)],  # each query region has its own best
    )
    rows = matched_rows(QUERY, WEIGHTS, regions, starts)
    assert rows.dtype == np.float32
    expected = [[0.15, 0.6], [0, 0], [-0.15, -0.6], [0, 0], [0, 0], [0.2, 0.6]]
    assert np.allclose(rows, expected, atol=1e-7)
    # Picture 0 with user weights: 2 * 0.15 + 0.5 * 0.6.
    assert (rows @ np.array([2, 0.5], np.float32))[0] == pytest.approx(0.6)


def test_a_dead_query_region_matches_nothing_and_keeps_its_share():
    query = np.array([[1, 0, 0], DEAD], np.float32)
    regions, starts = packed([(1, 0, 0)], [(-1, 0, 0)], [DEAD])
    assert matched_rows(query, WEIGHTS, regions, starts).tolist() == [[0.25, 0], [-0.25, 0], [0, 0]]


def test_a_picture_matches_itself_with_a_score_of_one():
    regions, _ = collection(0, [4])
    live = regions[1:]
    rows = matched_rows(live, np.array([1, 2, 5]), live, np.array([0, 3]))
    assert np.allclose(rows, [[1 / 8, 2 / 8, 5 / 8]], atol=1e-6)


@pytest.mark.parametrize("precision", [np.float32, np.float16])
@pytest.mark.parametrize(
    "counts",
    [[6] * 100, [0, 3, 250, 0, 0, 1, 190, 2, 200, 7, 0], [192, 192, 193], [1000]],
    ids=["equal", "unequal", "at the edges of blocks", "one picture"],
)
def test_whole_index_is_the_double_loop(precision, counts):
    query, _ = collection(1, [6])
    weights = np.random.default_rng(2).random(6)
    regions, starts = collection(3, counts)
    regions = regions.astype(precision)
    rows = matched_rows(query, weights, regions, starts.astype(np.uint64))
    assert rows.shape == (len(counts), 6) and rows.dtype == np.float32
    assert np.allclose(rows, looped(query, weights, regions, starts), atol=1e-6)


@pytest.mark.parametrize("block", [1, 5, 6, 10_000])
def test_the_size_of_blocks_changes_nothing(monkeypatch, block):
    query, _ = collection(1, [4])
    regions, starts = collection(3, [6, 0, 2, 9, 1])
    expected = looped(query, np.ones(4), regions, starts)
    monkeypatch.setattr(matching, "BLOCK", block)
    assert np.allclose(matched_rows(query, np.ones(4), regions, starts), expected, atol=1e-6)


def test_a_mapped_index(tmp_path):
    query, _ = collection(1, [4])
    regions, starts = collection(3, [6] * 50)
    np.save(tmp_path / "regions.npy", regions.astype(np.float16))
    mapped = np.load(tmp_path / "regions.npy", mmap_mode="r")
    rows = matched_rows(query, np.ones(4), mapped, starts)
    assert type(rows) is np.ndarray
    assert np.array_equal(rows, matched_rows(query, np.ones(4), np.array(mapped), starts))


def test_nothing_is_changed_in_place():
    query, _ = collection(1, [4])
    regions, starts = collection(3, [6, 2])
    weights = np.ones(4, np.float32)
    for array in (query, regions, starts, weights):
        array.flags.writeable = False
    matched_rows(query, weights, regions, starts)


def test_an_empty_index():
    none = np.zeros((0, 3), np.float32)
    assert matched_rows(QUERY, WEIGHTS, none, np.array([0])).shape == (0, 2)
    assert matched_rows(QUERY, WEIGHTS, none, np.array([0, 0, 0])).tolist() == [[0, 0], [0, 0]]


def test_proportions():
    shares = proportions(WEIGHTS, 2)
    assert shares.tolist() == [0.25, 0.75] and shares.dtype == np.float32
    assert proportions(WEIGHTS * 1e-6, 2) == pytest.approx([0.25, 0.75])
    assert proportions(np.zeros(2), 2).tolist() == [0, 0]


@pytest.mark.parametrize("weights", [[1], [1, 1, 1], [[1, 1]], [1, -1], [1, np.nan], [np.inf, 1]])
def test_bad_weights(weights):
    with pytest.raises(ValueError, match="weights: expected 2 finite numbers >= 0, got"):
        matched_rows(QUERY, np.array(weights), *packed([(1, 0, 0)]))


@pytest.mark.parametrize(
    "starts", [[0, 1], [1, 2], [0, 3], [0, 2, 1, 2], [[0, 2]], [], [0.0, 2.0]], ids=str
)
def test_bad_starts(starts):
    regions, _ = packed([(1, 0, 0), (0, 1, 0)])
    with pytest.raises(ValueError, match="starts: expected"):
        matched_rows(QUERY, WEIGHTS, regions, np.array(starts))


def test_bad_regions():
    with pytest.raises(ValueError, match=r"regions: expected \(total, 3\), got \(2, 4\)"):
        matched_rows(QUERY, WEIGHTS, np.zeros((2, 4), np.float32), np.array([0, 2]))
    with pytest.raises(ValueError, match="query: expected finite"):
        matched_rows(np.full((2, 3), np.nan), WEIGHTS, *packed([(1, 0, 0)]))
