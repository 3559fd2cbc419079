"""Near-duplicates: planted groups with exact cosines, and real copies of drawn pictures."""

import numpy as np
import pytest

from dff.index import duplicates
from dff.index.duplicates import UNWHITENED, duplicate_groups, near_duplicates


def at(degrees: float) -> list[float]:
    return [float(np.cos(np.radians(degrees))), float(np.sin(np.radians(degrees))), 0.0]


@pytest.mark.parametrize("block", [1, 2, 3, 1024])
def test_groups_are_what_hangs_together(monkeypatch, block):
    monkeypatch.setattr(duplicates, "BLOCK", block)
    angles = [0, 90, 20, 40, 95, 180]  # 0, 20 and 40 in a chain; 90 and 95; 180 alone
    vectors = np.array([at(angle) for angle in angles], np.float32)
    assert duplicate_groups(vectors, float(np.cos(np.radians(21)))) == [[0, 2, 3], [1, 4]]
    assert duplicate_groups(vectors, float(np.cos(np.radians(19)))) == [[1, 4]]
    assert duplicate_groups(vectors, float(np.cos(np.radians(4)))) == []


def test_equal_vectors_are_a_group_at_the_highest_threshold_and_empty_ones_never():
    vector = np.random.default_rng(0).normal(size=512).astype(np.float32)
    vector /= np.linalg.norm(vector)
    vectors = np.stack([np.zeros(512, np.float32), vector, np.zeros(512, np.float32), vector])
    assert duplicate_groups(vectors, 1.0) == [[1, 3]]
    assert duplicate_groups(vectors[:0], 0.5) == []


def test_two_thousand_equal_pictures_are_one_group():
    vectors = np.tile(np.array(at(30), np.float32), (2000, 1))
    assert duplicate_groups(vectors, 0.9) == [list(range(2000))]


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match=r"expected \(n, dimensions\), got shape \(3,\)"):
        duplicate_groups(np.zeros(3, np.float32), 0.5)
    for threshold in (0, -1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="threshold: expected above 0"):
            duplicate_groups(np.zeros((2, 3), np.float32), threshold)


def test_an_index_without_whitening_is_asked_for_more(index):
    assert duplicates.default_threshold(index) == UNWHITENED
    vectors = np.asarray(index.vectors())
    assert near_duplicates(index) == duplicate_groups(vectors, UNWHITENED)
    # Drawn pictures are all much alike: at a low threshold they are one group.
    assert near_duplicates(index, 0.01) == [list(range(len(index)))]
