"""Second rankings on a few vectors of the plane, worked out by hand."""

import math

import numpy as np
import pytest

from dff import reranking
from dff.reranking import (
    alpha_query_expansion,
    augment_database,
    average_query_expansion,
    diffusion,
    k_reciprocal,
)
from dff.whitening import l2_normalise

EAST = np.array([1, 0], np.float32)


def vectors(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, np.float32)


def arc(*degrees: float, axis: int = 1) -> np.ndarray:
    """Unit vectors at these angles from the first axis towards another, in space."""
    found = np.zeros((len(degrees), 3), np.float32)
    found[:, 0] = np.cos(np.radians(degrees))
    found[:, axis] = np.sin(np.radians(degrees))
    return found


def random_vectors(count: int, dimensions: int = 6) -> np.ndarray:
    return l2_normalise(np.random.default_rng(0).standard_normal((count, dimensions)))


# The query's own chain, each a little further along an arc, and a group aside whose members are
# nearer to the query (cosines 0.5, 0.42, 0.34) than the chain's end (0.17).
QUERY = arc(0)[0]
CHAIN_AND_GROUP = np.concatenate([arc(20, 40, 60, 80), arc(60, 65, 70, axis=2)])
END, GROUP = 3, slice(4, 7)


# --- query expansion -------------------------------------------------------------------------

THREE = vectors((0, 1), (0.6, 0.8), (-1, 0))  # cosines 0, 0.6, -1 with EAST


def test_average_query_expansion_by_hand():
    one = average_query_expansion(EAST, THREE, np.array([1, 0, 2]), top=1)
    # (1, 0) + (0.6, 0.8) = 0.8 * (2, 1)
    assert np.allclose(one, np.array([2, 1]) / math.sqrt(5), atol=1e-6)
    assert one.dtype == np.float32 and one.shape == (2,)
    two = average_query_expansion(EAST, THREE, np.array([1, 0, 2]), top=2)
    # ... + (0, 1) = 0.2 * (8, 9)
    assert np.allclose(two, np.array([8, 9]) / math.sqrt(145), atol=1e-6)


def test_alpha_query_expansion_by_hand():
    # (1, 0) + 0.6 * (0.6, 0.8) + 0 * (0, 1) + 0 * (-1, 0) = 0.08 * (17, 6)
    found = alpha_query_expansion(EAST, THREE, np.array([1, 0, 2]), alpha=1)
    assert np.allclose(found, np.array([17, 6]) / math.sqrt(325), atol=1e-6)
    # Of the default: 0.6^3 = 0.216; (1, 0) + (0.1296, 0.1728)
    found = alpha_query_expansion(EAST, THREE, np.array([1, 0, 2]))
    assert np.allclose(found, l2_normalise(np.array([1.1296, 0.1728])), atol=1e-6)


def test_alpha_zero_is_the_average():
    descriptors = random_vectors(9)
    query, ranking = descriptors[0], np.argsort(-descriptors @ descriptors[0])
    assert (descriptors @ query < 0).any()
    mean = (query + descriptors[ranking[:8]].sum(axis=0)) / 9
    for found in (
        average_query_expansion(query, descriptors, ranking, top=8),
        alpha_query_expansion(query, descriptors, ranking, top=8, alpha=0),
    ):
        assert np.allclose(found, mean / np.linalg.norm(mean), atol=1e-6)


@pytest.mark.parametrize("expand", [average_query_expansion, alpha_query_expansion])
def test_expansion_where_there_is_little_to_add(expand):
    ranking = np.array([1, 0])
    assert np.allclose(expand(EAST, THREE, ranking, 50), expand(EAST, THREE, ranking, 2))
    assert expand(EAST, THREE, ranking, 0).tolist() == [1, 0]
    assert expand(EAST, THREE, np.array([], int), 5).tolist() == [1, 0]
    assert expand(EAST, vectors((0, 0), (1, 0), (1, 0)), np.array([1, 2, 0])).tolist() == [1, 0]
    assert expand(EAST * 0, THREE, ranking).tolist() == [0, 0]
    assert expand(EAST, vectors((-1, 1e-7)), np.array([0])).tolist() == [1, 0]  # it cancels


def test_expansion_refuses():
    with pytest.raises(ValueError, match="top: expected at least 0, got -1"):
        average_query_expansion(EAST, THREE, np.array([0]), top=-1)
    with pytest.raises(ValueError, match="alpha: expected at least 0, got -1"):
        alpha_query_expansion(EAST, THREE, np.array([0]), alpha=-1)
    with pytest.raises(ValueError, match=r"got shapes \(3,\) and \(3, 2\)"):
        alpha_query_expansion(QUERY, THREE, np.array([0]))


# --- database-side augmentation --------------------------------------------------------------

A_B_C = vectors((1, 0), (0.8, 0.6), (0, 1))  # cosines a-b 0.8, b-c 0.6, a-c 0


def test_augmentation_by_hand():
    # The nearest of a is b, of b a, of c b: a + b = 0.6 * (3, 1), c + b = 0.8 * (1, 2).
    found = augment_database(A_B_C, neighbours=1)
    root10, root5 = math.sqrt(10), math.sqrt(5)
    expected = [[3 / root10, 1 / root10], [3 / root10, 1 / root10], [1 / root5, 2 / root5]]
    assert np.allclose(found, expected, atol=1e-6) and found.dtype == np.float32
    # alpha = 2: a + 0.64 b + 0 c, b + 0.64 a + 0.36 c, c + 0.36 b + 0 a
    found = augment_database(A_B_C, neighbours=2, alpha=2)
    expected = [[1.512, 0.384], [1.44, 0.96], [0.288, 1.216]]
    assert np.allclose(found, l2_normalise(np.array(expected)), atol=1e-6)


def test_augmentation_without_neighbours():
    assert np.allclose(augment_database(A_B_C, neighbours=0), A_B_C, atol=1e-6)
    assert augment_database(A_B_C[:1]).tolist() == [[1, 0]]
    assert augment_database(A_B_C[:0]).shape == (0, 2)


def test_augmentation_with_more_neighbours_than_there_are():
    assert np.array_equal(augment_database(A_B_C, 20), augment_database(A_B_C, 2))


def test_augmentation_of_duplicates_and_zeros():
    # A duplicate is a neighbour like any other, and never stands for the picture itself.
    found = augment_database(vectors((1, 0), (1, 0), (0, 1), (0, 0)), neighbours=3)
    # All are the sum of (1, 0) twice and (0, 1); but nothing stays nothing.
    expected = l2_normalise(np.array([[2, 1], [2, 1], [2, 1], [0, 0]]))
    assert np.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("cells", [1, 100, 350])
def test_augmentation_in_blocks(monkeypatch, cells):
    descriptors = random_vectors(50)
    whole = augment_database(descriptors, 5, alpha=1.5)
    monkeypatch.setattr(reranking, "_CELLS", cells)
    assert np.allclose(augment_database(descriptors, 5, alpha=1.5), whole, atol=1e-6)
    # The definition for one row, float64.
    cosines = descriptors.astype(np.float64) @ descriptors[17]
    near = np.argsort(-cosines)[1:6]
    total = descriptors[17] + np.maximum(0, cosines[near]) ** 1.5 @ descriptors[near]
    assert np.allclose(whole[17], total / np.linalg.norm(total), atol=1e-6)


def test_augmentation_refuses():
    with pytest.raises(ValueError, match="neighbours: expected at least 0, got -1"):
        augment_database(A_B_C, -1)
    with pytest.raises(ValueError, match="alpha: expected at least 0, got -0.5"):
        augment_database(A_B_C, alpha=-0.5)
    with pytest.raises(ValueError, match=r"descriptors: expected \(n, dimensions\), got"):
        augment_database(EAST)


# --- k-reciprocal encoding -------------------------------------------------------------------


def test_k_reciprocal_by_hand():
    # Angles: query 0, a 10, b 21, c 100. With k1 = 2 query, a and b all name each other; nobody
    # names c. With half of k1 query and a name each other, which adds nobody.
    # Codes over (query, a, b, c), x = exp(-(1 - cosine)) at 10, y at 21, z at 11 degrees:
    #   query (1, x, y, 0)   a (x, 1, z, 0)   b (y, z, 1, 0)   c (0, 0, 0, 1)
    x, y, z = (math.exp(math.cos(math.radians(angle)) - 1) for angle in (10, 21, 11))
    similar = [(x + x + y) / (1 + 1 + z), (y + z + y) / (1 + x + 1), 0]  # x > z > y
    cosines = arc(10, 21, 100) @ QUERY
    found = k_reciprocal(QUERY, arc(10, 21, 100), k1=2, k2=1, lambda_value=0)
    assert found.dtype == np.float32
    assert np.allclose(found, similar, atol=1e-6)
    mixed = k_reciprocal(QUERY, arc(10, 21, 100), k1=2, k2=1, lambda_value=0.3)
    assert np.allclose(mixed, 0.7 * np.array(similar) + 0.3 * cosines, atol=1e-6)
    # With k2 = 2 query and a, each other's nearest, have one code; b shares a's with its own.
    averaged = k_reciprocal(QUERY, arc(10, 21, 100), k1=2, k2=2, lambda_value=0)
    codes = np.array([[1, x, y], [x, 1, z], [y, z, 1]])
    first, second = (codes[0] + codes[1]) / 2, (codes[1] + codes[2]) / 2
    share = np.minimum(first, second).sum() / np.maximum(first, second).sum()
    assert averaged[:2] == pytest.approx([1, share], abs=1e-6)


def expanded_sets(places: list[int], k1: int) -> dict[int, set[int]]:
    """R* of every place on a line, as places."""
    line = np.array(places)
    order = np.argsort(np.abs(line[:, None] - line), axis=1, kind="stable")
    rows = reranking._expanded(order, k1)
    return {place: set(line[row].tolist()) for place, row in zip(places, rows, strict=True)}


def test_neighbours_of_neighbours_join_at_two_thirds():
    # With k1 = 4 the query at 0 and -1, -2, 3, 5 name each other; 7 is not among its four. Within
    # 2, {3, 5, 7} name 5 and are named by it: two of three are the query's already, so 7 joins.
    # Nobody names 40.
    found = expanded_sets([0, -1, -2, 3, 5, 7, 40], k1=4)
    assert found[0] == {0, -1, -2, 3, 5, 7}
    assert found[7] == {3, 5, 7}
    assert found[40] == {40}


def test_neighbours_of_neighbours_stay_out_below_two_thirds():
    # With k1 = 4 the query at 0 and -10, -20, 28, 50 name each other. Within 2, {50, 60, 65} name
    # each other: one of three is the query's, so 60 and 65 stay out. 60 has {28, 50, 60, 65}, and
    # within 2 its neighbour 28 has nobody; within 4 it would have brought 0.
    found = expanded_sets([0, -10, -20, 28, 50, 60, 65, 400], k1=4)
    assert found[0] == {0, -10, -20, 28, 50}
    assert found[60] == {28, 50, 60, 65}


def test_lambda_one_is_the_original_ranking():
    descriptors = random_vectors(40)
    found = k_reciprocal(descriptors[0], descriptors, lambda_value=1)
    assert np.allclose(found, descriptors @ descriptors[0], atol=1e-6)


def test_k_reciprocal_prefers_shared_neighbours():
    assert (CHAIN_AND_GROUP @ QUERY)[END] < (CHAIN_AND_GROUP @ QUERY)[GROUP].min()
    found = k_reciprocal(QUERY, CHAIN_AND_GROUP, k1=3, k2=2)
    assert found[END] > found[GROUP].max()


def test_k_reciprocal_of_short_lists_duplicates_and_zeros():
    assert k_reciprocal(QUERY, np.zeros((0, 3), np.float32)).shape == (0,)
    # Two that name each other, 60 degrees apart: the codes are (1, x) and (x, 1).
    x = math.exp(-0.5)
    assert k_reciprocal(QUERY, arc(60), k2=1) == pytest.approx([0.7 * x + 0.3 * 0.5])
    found = k_reciprocal(QUERY, np.concatenate([arc(0, 30, 0, 30), np.zeros((2, 3))]), k1=1, k2=1)
    assert np.isfinite(found).all()
    # Four pictures and two of nothing. Once its first duplicate is the query's neighbour, they
    # name each other; what holds nothing shares nothing.
    assert found[0] == pytest.approx(1) and found[4:].tolist() == [0, 0]
    assert np.isfinite(k_reciprocal(QUERY * 0, arc(0, 30))).all()


def test_k_reciprocal_refuses():
    for wrong in ({"k1": 0}, {"k2": 0}):
        with pytest.raises(ValueError, match="k1, k2: expected at least 1, got"):
            k_reciprocal(QUERY, CHAIN_AND_GROUP, **wrong)
    for share in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="lambda_value: expected 0 to 1, got"):
            k_reciprocal(QUERY, CHAIN_AND_GROUP, lambda_value=share)
    with pytest.raises(ValueError, match=r"got shapes \(2,\) and \(7, 3\)"):
        k_reciprocal(EAST, CHAIN_AND_GROUP)


# --- diffusion -------------------------------------------------------------------------------


def test_diffusion_between_two():
    # S = [[0, 1], [1, 0]] whatever the affinity, y = (1, 0):
    # (I - S / 2) f = y  =>  f = (1, 1/2) / (1 - 1/4)
    found = diffusion(EAST, vectors((1, 0), (0.8, 0.6)), k_query=1, alpha=0.5)
    assert found.dtype == np.float32
    assert np.allclose(found, [4 / 3, 2 / 3], atol=1e-6)
    # Started at both, y = (1, 0.8^3): f = (y0 + y1 / 2, y1 + y0 / 2) / (1 - 1/4)
    found = diffusion(EAST, vectors((1, 0), (0.8, 0.6)), k_query=2, alpha=0.5)
    assert np.allclose(found, [1.256 * 4 / 3, 1.012 * 4 / 3], atol=1e-6)


def test_diffusion_along_three():
    # a - b with 0.8^3 = 0.512, b - c with 0.6^3 = 0.216, a and c at a right angle. Degrees 0.512,
    # 0.728, 0.216, so S_ab = u, S_bc = v with u^2 = 0.512 / 0.728, v^2 = 0.216 / 0.728, sum 1.
    # With y = (1, 0, 0): b = alpha (u a + v c), c = alpha v b, a = 1 + alpha u b
    #   =>  b = alpha u / (1 - alpha^2), and a and c from it.
    u, v, alpha = math.sqrt(0.512 / 0.728), math.sqrt(0.216 / 0.728), 0.5
    b = alpha * u / (1 - alpha**2)
    found = diffusion(EAST, A_B_C, k_query=1, alpha=alpha)
    assert np.allclose(found, [1 + alpha * u * b, b, alpha * v * b], atol=1e-6)


def test_diffusion_joins_only_pictures_that_name_each_other():
    # Nearest of 0 is 20, of 20 is 30, of 30 is 20: with k = 1 the first has no edge.
    found = diffusion(QUERY, arc(0, 20, 30), k=1, k_query=1)
    assert found.tolist() == [1, 0, 0]


def test_diffusion_follows_the_chain():
    assert (CHAIN_AND_GROUP @ QUERY)[END] < (CHAIN_AND_GROUP @ QUERY)[GROUP].min()
    found = diffusion(QUERY, CHAIN_AND_GROUP, k=2, k_query=2)
    assert (found[: END + 1] > 1).all()
    assert found[GROUP].tolist() == [0, 0, 0]  # a graph of its own


def test_diffusion_without_walking_is_the_affinity():
    found = diffusion(QUERY, arc(0, 60, 90, 120), alpha=0)
    assert np.allclose(found, [1, 0.125, 0, 0], atol=1e-6)


def test_diffusion_of_short_lists_duplicates_and_zeros():
    assert diffusion(QUERY, np.zeros((0, 3), np.float32)).shape == (0,)
    assert diffusion(QUERY, arc(60)) == pytest.approx([0.125])
    found = diffusion(QUERY, np.concatenate([arc(10, 10, 10, 20), np.zeros((2, 3))]))
    assert np.allclose(found[:3], found[0], rtol=1e-5)
    assert (found[:4] > 1).all() and found[4:].tolist() == [0, 0]
    assert diffusion(QUERY * 0, arc(0, 10)).tolist() == [0, 0]


def test_diffusion_refuses():
    for wrong in ({"k": 0}, {"k_query": 0}):
        with pytest.raises(ValueError, match="k, k_query: expected at least 1, got"):
            diffusion(QUERY, CHAIN_AND_GROUP, **wrong)
    for alpha in (-0.1, 1, math.nan):
        with pytest.raises(ValueError, match="alpha: expected 0 to below 1, got"):
            diffusion(QUERY, CHAIN_AND_GROUP, alpha=alpha)
    with pytest.raises(ValueError, match="gamma: expected above 0, got 0"):
        diffusion(QUERY, CHAIN_AND_GROUP, gamma=0)


@pytest.mark.parametrize("rerank", [k_reciprocal, diffusion])
def test_scores_follow_their_pictures(rerank):
    descriptors = random_vectors(30)
    shuffled = np.random.default_rng(1).permutation(30)
    found = rerank(descriptors[0], descriptors)
    assert np.allclose(rerank(descriptors[0], descriptors[shuffled]), found[shuffled], rtol=1e-4)
