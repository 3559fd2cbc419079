from types import SimpleNamespace

import numpy as np
import pytest

from dff.concepts import (
    best_regions,
    common_parts,
    concept_scores,
    directions,
    energy_of,
    guesses,
)
from dff.descriptors import describe
from dff.descriptors.base import Regions
from dff.factorization import match_parts
from dff.parts import Parts

THINGS = np.eye(3, 6, dtype=np.float32)  # three parts that have no channel in common


def picture(*which: int, strength: float = 1.0) -> Parts:
    """A picture of 3 x 4 cells in which some of the things lie, each in a row of its own."""
    heatmaps = np.zeros((len(which), 3, 4), np.float32)
    for row, _ in enumerate(which):
        heatmaps[row, row] = strength
    energy = np.full(len(which), 1 / len(which), np.float32)
    return Parts(heatmaps, THINGS[list(which)], energy, 400, 300)


def test_planted_parts_are_found_in_every_picture():
    set_of_two = [picture(0, 1), picture(2, 0, strength=2)]
    found = common_parts(set_of_two, 3)
    basis = found[0].basis
    assert found[1].basis is basis
    order = match_parts(THINGS, basis)
    np.testing.assert_allclose(basis, THINGS[order], atol=1e-4)
    first, second = (parts.heatmaps[np.argsort(order)] for parts in found)  # by thing
    planted = np.zeros((3, 3, 4), np.float32)
    planted[0, 0] = planted[1, 1] = 1
    np.testing.assert_allclose(first, planted, atol=1e-3)
    planted = np.zeros((3, 3, 4), np.float32)
    planted[2, 0] = planted[0, 1] = 2
    np.testing.assert_allclose(second, planted, atol=1e-3)
    # Thing 0 has 4 cells of strength 1 and 4 of strength 2, thing 2 four of 2, thing 1 four of 1.
    np.testing.assert_allclose(energy_of(found)[np.argsort(order)], [20 / 40, 4 / 40, 16 / 40])
    assert (np.diff(energy_of(found)) <= 0).all()


def test_parts_that_a_set_does_not_have_are_dead():
    found = common_parts([picture(0), picture(0)], 3)
    assert found[0].dead.tolist() == [False, True, True]
    assert not found[1].heatmaps[1:].any()
    np.testing.assert_allclose(energy_of(found), [1, 0, 0])


def test_a_set_needs_a_picture():
    with pytest.raises(ValueError, match="at least one, got none"):
        common_parts([], 2)


def test_every_layer_has_the_same_say_in_a_direction():
    found = directions(np.array([[3, 4, 0, 0, 10], [0, 0, 0, 0, 0]], np.float32), (2, 3))
    half = np.sqrt(0.5)
    np.testing.assert_allclose(found[0], [0.6 * half, 0.8 * half, 0, 0, half], atol=1e-6)
    assert not found[1].any()
    np.testing.assert_allclose(directions(THINGS * 7, ()), THINGS)


def test_the_classifier_has_more_say_where_a_part_is_strong():
    index = SimpleNamespace(
        settings=SimpleNamespace(blocks=()),
        parts=[picture(0, 1), picture(1, 0)].__getitem__,
        pictures=[
            SimpleNamespace(names=((("mill", 0.8), ("barn", 0.1)), (("sky", 0.5),))),
            SimpleNamespace(names=((("cloud", 0.9),), (("barn", 0.4),))),
        ],
    )
    first, second = picture(0, 1), picture(0, 1, strength=3)
    named = guesses(index, [0, 1], [first, second])
    assert [label for label, _ in named[0]] == ["barn", "mill"]
    np.testing.assert_allclose([p for _, p in named[0]], [0.25 * 0.1 + 0.75 * 0.4, 0.25 * 0.8])
    assert named[1][0] == ("cloud", pytest.approx(0.75 * 0.9))


def test_scores_are_the_best_cosines_of_a_search_space(index):
    basis = np.concatenate([index.parts(3).basis[:2], np.zeros((1, 2432), np.float32)])
    found = concept_scores(index, basis)
    assert found.shape == (len(index), 3)
    whitening = index.whitening()
    wanted = describe(
        Regions(directions(basis, index.settings.blocks), np.ones(3, np.float32)), whitening
    ).regions
    for row in range(len(index)):
        cosines = index.described(row).regions @ wanted[:2].T
        np.testing.assert_allclose(found[row, :2], cosines.max(axis=0), atol=1e-5)


def test_an_index_without_regions_of_these_channels_says_so(index):
    with pytest.raises(ValueError, match="expected an index with regions of 5 channels"):
        concept_scores(index, np.ones((2, 5), np.float32))


def test_the_clearest_places_come_first_and_lie_in_their_pictures(index):
    rows = [0, 2, 4]
    shared = common_parts([index.detail(row) for row in rows], 4)
    scores = concept_scores(index, shared[0].basis)
    found = best_regions(index, shared, scores, 5)
    assert len(found) == 4 and any(found)
    for j, places in enumerate(found):
        assert len(places) <= 5
        assert [place.score for place in places] == sorted(
            (float(scores[place.row, j]) for place in places), reverse=True
        )
        for place in places:
            x0, y0, x1, y1 = place.box
            assert 0 <= x0 < x1 <= 160 and 0 <= y0 < y1 <= 120
    # A part that is nowhere has no place.
    shared[0].basis[1] = 0
    for parts in shared:
        parts.heatmaps[1] = 0
    assert best_regions(index, shared, scores, 5)[1] == []
