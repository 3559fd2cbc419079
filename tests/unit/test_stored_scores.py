"""All scores of an index at once: the same as query by query, and by hand."""

import numpy as np
import pytest

from dff.evaluation import stored_scores
from dff.evaluation.stored_scores import matched_scores
from dff.matching import Stored, matched_rows


def planted(counts, seed=0) -> tuple[Stored, list[np.ndarray]]:
    """Pictures of so many regions of 6 dimensions, and their weights; some regions are dead."""
    generator = np.random.default_rng(seed)
    regions = generator.normal(size=(sum(counts), 6)).astype(np.float32)
    regions /= np.linalg.norm(regions, axis=1, keepdims=True)
    regions[::5] = 0
    weights = [generator.uniform(0.2, 2, count) for count in counts]
    return Stored.of(regions, weights), weights


def test_two_pictures_by_hand():
    """The first has regions at 0 and 90 degrees with shares 1/4 and 3/4, the second one at 0.

    First as query: 1/4 * 1 + 3/4 * 0 one way; the mirror image is 1: both ways (1/4 + 1) / 2.
    """
    regions = np.array([[1, 0], [0, 1], [1, 0]], np.float32)
    stored = Stored.of(regions, [np.array([1.0, 3.0]), np.array([5.0])])
    (first, second) = matched_scores(stored, [0, 1])
    assert first[0].tolist() == [1, 0.25] and first[1].tolist() == [1, 0.625]
    assert second[0].tolist() == [1, 1] and second[1].tolist() == [0.625, 1]


@pytest.mark.parametrize("cells", [1, 200, 10**6])
def test_they_are_those_of_a_search(monkeypatch, cells):
    """Pictures with dead regions, with nothing but dead ones, and with none at all."""
    monkeypatch.setattr(stored_scores, "CELLS", cells)
    counts = [3, 1, 0, 4, 2, 5, 1]
    stored, weights = planted(counts)
    queries = [5, 0, 2, 3, 4, 6, 1]
    found = list(matched_scores(stored, queries))
    assert len(found) == len(queries)
    for row, both in zip(queries, found, strict=True):
        own = stored.regions[stored.starts[row] : stored.starts[row + 1]]
        for scores, mutual in zip(both, (False, True), strict=True):
            expected = matched_rows(own, weights[row], stored, mutual=mutual).sum(axis=1)
            assert scores == pytest.approx(expected, abs=1e-6)


def test_nothing_asked_is_nothing_answered():
    assert list(matched_scores(planted([2, 2])[0], [])) == []
