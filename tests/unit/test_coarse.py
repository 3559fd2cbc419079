"""Region matching of a large index: exact where it matters, and unchanged below the size."""

import numpy as np
import pytest

from dff.index import coarse
from dff.index.coarse import choose, filled
from dff.index.several import Asked


def test_chosen_are_the_first_by_the_sum_and_by_each_column(monkeypatch):
    monkeypatch.setattr(coarse, "MOST_CHOSEN", 2)
    monkeypatch.setattr(coarse, "MOST_BY_ROWS", 2)  # one a column
    rows = np.array([[3, 3], [9, -9], [2, 2], [-9, 8], [0, 0], [1, 1]], np.float32)
    assert choose(rows).tolist() == [0, 1, 2, 3]  # 0 and 2 by the sum, 1 and 3 by a column
    assert choose(rows, least=3).tolist() == [0, 1, 2, 3, 5]


@pytest.mark.parametrize("sign", [1, -0.5])
def test_the_others_come_behind_whatever_the_weights(sign):
    random = np.random.default_rng(0)
    rough = random.standard_normal((40, 3)).astype(np.float32)
    chosen = np.arange(0, 40, 4)
    exact = random.standard_normal((10, 3)).astype(np.float32)
    rows = filled(rough, chosen, exact, sign)
    np.testing.assert_array_equal(rows[chosen], exact)
    others = np.setdiff1d(np.arange(40), chosen)
    for weights in (np.ones(3), np.eye(3)[1], np.array([2, 0.5, 0])):
        scores = rows @ weights * sign
        assert scores[others].max() <= scores[chosen].min() + 1e-5
        if sign > 0:  # in the order of their vectors
            expected = np.argsort(rough[others] @ weights)
            assert np.argsort(scores[others]).tolist() == expected.tolist()


@pytest.fixture
def queries(index):
    return [index.indexed_query(p.id, "dff", "mutual") for p in index.pictures[:3]]


@pytest.fixture
def large(monkeypatch):
    """Everything is large, and four or five pictures are matched."""
    monkeypatch.setattr(coarse, "EXACT_REGIONS", 10)
    monkeypatch.setattr(coarse, "MOST_CHOSEN", 4)
    monkeypatch.setattr(coarse, "MOST_BY_ROWS", 4)


def test_below_the_size_nothing_changes(index, queries, monkeypatch):
    monkeypatch.setattr(coarse, "EXACT_REGIONS", len(index.regions("dff").regions))
    rows = index.row_scores(queries[0])
    np.testing.assert_array_equal(rows, index.exact_rows(queries[0]))


def test_above_it_the_first_have_exactly_the_exact_scores(index, queries, large):
    exact = index.exact_rows(queries[0])
    rows = index.row_scores(queries[0])
    same = (rows == exact).all(axis=1)
    assert 4 <= same.sum() < 12
    assert rows.sum(axis=1)[~same].max() <= rows.sum(axis=1)[same].min()
    for match in index.search(queries[0], top=3, include_self=True):
        assert same[match.row]
        assert match.score == pytest.approx(exact[match.row].sum(), abs=1e-6)
        assert match.contributions.sum() == pytest.approx(match.score, abs=1e-5)


def test_as_many_as_wanted_are_exact(index, queries, large):
    exact = index.exact_rows(queries[0]).sum(axis=1)
    found = index.search(queries[0], top=11)
    assert [match.score for match in found] == pytest.approx(
        [exact[match.row] for match in found], abs=1e-6
    )
    assert [match.row for match in found] == [
        row for row in np.argsort(-exact, kind="stable") if row != 0
    ]


def test_several_pictures_match_the_same_ones(index, queries, large):
    asked = Asked.of(queries[:2], queries[2:])
    found = index.search(queries[0], also=queries[1:2], less=queries[2:], top=3)
    exact = asked.some_row_scores(index, np.arange(12)).sum(axis=1)
    assert [m.score for m in found] == pytest.approx([exact[m.row] for m in found], abs=1e-6)
    every = asked.by_picture(asked.rows(index)).sum(axis=1)
    assert every[[m.row for m in found]] == pytest.approx([m.score for m in found], abs=1e-6)
