"""Several pictures as one query: the formula, its exact split, what is left out."""

import numpy as np
import pytest

from dff.index.several import LESS, Asked

KINDS = [("dff", "vector"), ("dff", "mutual"), ("rmac", "regions"), ("gem", "vector")]


@pytest.fixture(params=KINDS, ids=lambda kind: "-".join(kind))
def queries(index, request):
    descriptor, matching = request.param
    return [index.indexed_query(picture.id, descriptor, matching) for picture in index.pictures[:4]]


def test_the_score_is_the_mean_of_the_wanted_less_half_the_mean_of_the_unwanted(index, queries):
    one, two, no, never = queries
    found = index.search(one, also=[two], less=[no, never], top=20)
    alone = [index.row_scores(query).sum(axis=1) for query in queries]
    expected = (alone[0] + alone[1]) / 2 - LESS * (alone[2] + alone[3]) / 2
    assert {match.row for match in found} == set(range(4, 12))  # none of the four
    for match in found:
        assert match.score == pytest.approx(float(expected[match.row]), abs=1e-5)
    assert [m.score for m in found] == sorted((m.score for m in found), reverse=True)


def test_the_table_has_the_rows_of_all_pictures_and_sums_to_the_score(index, queries):
    one, two, no, _ = queries
    asked = Asked.of([one, two], [no])
    for match in index.search(one, also=[two], less=[no], top=3):
        assert match.contributions.shape[0] == sum(asked.counts)
        assert match.contributions.sum() == pytest.approx(match.score, abs=1e-5)
        # The rows of the unwanted picture are its own, halved and turned around.
        own = index.contributions(no, match.row)
        np.testing.assert_allclose(match.contributions[-asked.counts[2] :], -LESS * own, atol=1e-6)


def test_what_each_picture_adds_is_the_sum_of_its_rows(index, queries):
    asked = Asked.of(queries[:2], queries[2:3])
    shares = asked.by_picture([index.row_scores(query) for query in asked.queries])
    assert shares.shape == (len(index), 3)
    together = asked.row_scores(index).sum(axis=1)
    np.testing.assert_allclose(shares.sum(axis=1), together, atol=1e-6)
    alone = index.row_scores(queries[2]).sum(axis=1)
    np.testing.assert_allclose(shares[:, 2], -LESS * alone, atol=1e-6)


def test_vectors_are_compared_with_a_weighted_sum_of_descriptors(index):
    """Rocchio's query, but for its length."""
    queries = [index.indexed_query(p.id, "gem", "vector") for p in index.pictures[:3]]
    vectors = np.stack([query.described.vector for query in queries])
    rocchio = (vectors[0] + vectors[1]) / 2 - LESS * vectors[2]
    scores = Asked.of(queries[:2], queries[2:]).row_scores(index).sum(axis=1)
    np.testing.assert_allclose(scores, index.vectors("gem") @ rocchio, atol=1e-5)


def test_one_picture_is_asked_as_ever(index, queries):
    (one, *_) = queries
    rows = Asked.of([one]).row_scores(index)
    np.testing.assert_array_equal(rows, index.row_scores(one))


def test_weights_scale_rows_of_any_picture(index):
    one, two = (index.indexed_query(p.id) for p in index.pictures[:2])
    weights = np.ones(sum(Asked.of([one, two]).counts), np.float32)
    weights[-1] = 0  # the last part of the second picture
    plain = {m.row: m for m in index.search(one, also=[two], top=20)}
    for match in index.search(one, also=[two], top=20, weights=weights):
        lost = plain[match.row].contributions[-1].sum()
        assert match.score == pytest.approx(plain[match.row].score - lost, abs=1e-5)
    with pytest.raises(ValueError, match="weights: expected 8 numbers"):
        index.search(one, also=[two], weights=[1, 1, 1, 1])


def test_pictures_of_the_query_are_marked_where_they_are_kept(index):
    one, two = (index.indexed_query(p.id) for p in index.pictures[:2])
    found = index.search(one, also=[two], top=20, include_self=True)
    assert {match.row for match in found if match.is_query} == {0, 1}


def test_what_cannot_be_asked_is_refused(index):
    one = index.indexed_query(index.pictures[0].id, "dff")
    other = index.indexed_query(index.pictures[1].id, "gem")
    with pytest.raises(ValueError, match="at least one picture to be like"):
        Asked.of([], [one])
    with pytest.raises(ValueError, match="one descriptor and matching"):
        index.search(one, also=[other])
    with pytest.raises(ValueError, match="expected none with rerank='aqe'"):
        index.search(one, less=[one], rerank="aqe")
