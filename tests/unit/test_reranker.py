"""Second rankings in an evaluation: their order by hand, and that leave one out is kept."""

import numpy as np
import pytest

from dff.reranker import RERANKINGS, Reranker, chosen
from dff.whitening import l2_normalise


def database(count: int = 40, seed: int = 0) -> np.ndarray:
    """Unit vectors around one direction, so that neighbourhoods overlap."""
    generator = np.random.default_rng(seed)
    return l2_normalise(1 + generator.standard_normal((count, 8)).astype(np.float32))


def test_names_are_known():
    assert chosen(["all"]) == RERANKINGS and chosen([]) == ()
    assert chosen(["dba", "aqe", "dba"]) == ("dba", "aqe")
    with pytest.raises(ValueError, match=r"rerank: expected all or some of aqe, .*'nix'"):
        chosen(["aqe", "nix"])


def test_an_expansion_goes_towards_what_was_found():
    # Plain: 0.8, 0.6, 0.28. The mean with the query (1, 0) lies along (2.68, 1.16):
    # 1.45, 2.54 and 1.86.
    vectors = np.array([[0.8, -0.6], [0.6, 0.8], [0.28, 0.96]], np.float32)
    assert Reranker("aqe", vectors).ranking(np.array([1, 0], np.float32))[0].tolist() == [1, 2, 0]


def test_an_augmented_picture_is_mixed_with_its_neighbours():
    # Of three pictures all are mixed: the same sum for each, a tie, which keeps their order.
    vectors = np.array([[0, 1], [1, 0], [0.6, 0.8]], np.float32)
    query = np.array([1, 0], np.float32)
    assert Reranker("dba", vectors).ranking(query)[0].tolist() == [0, 1, 2]
    # Without row 2, the query's own, the two others are mixed with each other alone.
    assert Reranker("dba", vectors).ranking(query, [2])[0].tolist() == [0, 1]


@pytest.mark.parametrize("name", RERANKINGS)
def test_a_query_of_the_database_ranks_as_if_it_was_not_there(name):
    vectors = database()
    own = [7, 19]  # the same picture twice
    vectors[19] = vectors[7]
    reranker = Reranker(name, vectors, most_own=2)
    found, scores = reranker.ranking(vectors[7], own)
    without = np.delete(np.arange(40), own)
    again, same = Reranker(name, vectors[without]).ranking(vectors[7])
    assert found.tolist() == without[again].tolist()
    np.testing.assert_allclose(scores, same, atol=1e-6)
    # And the next query sees the whole database again.
    outside = database(1, seed=1)[0]
    fresh = Reranker(name, vectors)
    assert reranker.ranking(outside)[0].tolist() == fresh.ranking(outside)[0].tolist()


def test_a_query_left_in_would_pull_its_neighbours():
    vectors = database()
    augmented = Reranker("dba", vectors)
    leaked = [row for row in augmented.ranking(vectors[7])[0].tolist() if row != 7]
    assert augmented.ranking(vectors[7], [7])[0].tolist() != leaked


@pytest.mark.parametrize("name", ["k_reciprocal", "diffusion"])
def test_only_the_first_results_are_ranked_by_their_graph(name, monkeypatch):
    vectors, query = database(), database(1, seed=1)[0]
    plain = np.argsort(-(vectors @ query), kind="stable")
    monkeypatch.setattr("dff.reranker.SHORT", 10)
    found, scores = Reranker(name, vectors).ranking(query)
    assert sorted(found[:10]) == sorted(plain[:10])
    assert found[10:].tolist() == plain[10:].tolist()
    assert np.isfinite(scores[:10]).all() and np.isnan(scores[10:]).all()
