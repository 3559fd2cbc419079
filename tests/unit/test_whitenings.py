"""The whitenings that an evaluation compares: what each is fitted on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dff.descriptors import Regions
from dff.evaluation.datasets.base import ALL, Ask, Dataset, Sample
from dff.evaluation.described import Described
from dff.evaluation.protocols import Relevance
from dff.evaluation.whitenings import DEFAULT_WHITENING, label_pairs, own_whitenings, whitenings_of
from dff.whitening import Whitening
from dff.whitening_pairs import fit_pairs

COUNT, CHANNELS = 64, 6


@pytest.fixture
def trained() -> tuple[Dataset, Described]:
    """64 pictures of two regions each, labelled in fours, and one more that is not searched."""
    generator = np.random.default_rng(0)
    labels = [frozenset([str(n // 4)]) for n in range(COUNT)]
    images = [
        Sample(Path(f"/nowhere/{n}.png"), str(n), own)
        for n, own in enumerate([*labels, frozenset(["0"])])
    ]
    weights = np.array([0.75, 0.25], np.float32)
    own: list[Regions | None] = [
        Regions(generator.random((2, CHANNELS), np.float32), weights) for _ in images
    ]
    asks = (Ask(COUNT, None, {ALL: Relevance.of([0, 1, 2, 3])}),)
    rows = np.arange(COUNT)
    dataset = Dataset("other", "finite", tuple(images), asks, rows, (ALL,), {ALL: 0})
    return dataset, Described("dff", None, own, [None], 0.0)


def searched(described: Described) -> np.ndarray:
    return np.concatenate([regions.vectors for regions in described.pictures[:COUNT]])


def test_pairs_share_a_label_and_are_there_once():
    labels = [{"a"}, {"a", "b"}, {"b"}, set(), {"a"}, {"a", "b"}]
    pairs = label_pairs([frozenset(own) for own in labels])
    expected = [(0, 1), (0, 4), (0, 5), (1, 2), (1, 4), (1, 5), (2, 5), (4, 5)]
    assert pairs.tolist() == [list(pair) for pair in expected]
    assert label_pairs([frozenset("a"), frozenset(), frozenset("b")]).shape == (0, 2)


def test_own_whitenings_are_the_powers_and_one_is_the_default(trained):
    vectors = searched(trained[1])
    found = list(own_whitenings(vectors, COUNT))
    told = [(fitted.name, fitted.on, fitted.default) for fitted in found]
    assert told == [
        ("none", None, False),
        *[(name, "itself", name == DEFAULT_WHITENING) for name in ("0", "1/16", "1/4", "1/2")],
    ]
    assert sum(fitted.default for fitted in found) == 1
    none, *powers = found
    np.testing.assert_allclose(np.linalg.norm(none.whitening.apply(vectors), axis=1), 1, rtol=1e-6)
    for fitted, power in zip(powers, (0, 1 / 16, 1 / 4, 1 / 2), strict=True):
        expected = Whitening.fit(vectors, power, CHANNELS).apply(vectors)
        np.testing.assert_allclose(fitted.whitening.apply(vectors), expected, atol=1e-5)
    (none,) = own_whitenings(vectors, COUNT - 1)
    assert none.name == "none" and none.default


def test_other_whitenings_are_fitted_on_what_is_searched_there(trained):
    dataset, described = trained
    found = list(whitenings_of(dataset, described))
    assert [(fitted.name, fitted.on, fitted.default) for fitted in found] == [
        (name, "other", False) for name in ("0", "1/16", "1/4", "1/2", "pairs")
    ]
    vectors = searched(described)
    expected = Whitening.fit(vectors, 1 / 4).apply(vectors)
    np.testing.assert_allclose(found[2].whitening.apply(vectors), expected, atol=1e-5)

    # A picture's vector is the sum of its unit regions, three parts of one and one of the other.
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    sums = 0.75 * unit[::2] + 0.25 * unit[1::2]
    pairs = [(4 * g + i, 4 * g + j) for g in range(16) for j in range(4) for i in range(j)]
    learnt = fit_pairs(sums, np.array(pairs), 1 / 2)
    assert found[4].whitening.provenance["pairs"] == 16 * 6
    np.testing.assert_allclose(found[4].whitening.apply(vectors), learnt.apply(vectors), atol=1e-4)


def test_without_labels_there_are_no_pairs_and_few_pictures_are_refused(trained):
    dataset, described = trained
    bare = [replace(image, labels=frozenset()) for image in dataset.images]
    names = [f.name for f in whitenings_of(replace(dataset, images=tuple(bare)), described)]
    assert names == ["0", "1/16", "1/4", "1/2"]
    gone = replace(described, pictures=[None, *described.pictures[1:]])
    with pytest.raises(ValueError, match="other: expected at least 64 readable .*, got 63"):
        list(whitenings_of(dataset, gone))
