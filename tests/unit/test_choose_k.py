"""The number of parts, on activations in which it was planted."""

import numpy as np
import pytest

from dff.choose_k import FLAT, explained_share, k_by_explained, knee
from dff.factorization import factorize_jointly


def planted(k: int, pictures: int = 1, noise: float = 0.02) -> list[np.ndarray]:
    """k parts, each in its own blocks of an 8 x 8 grid and with its own channels of 24."""
    generator = np.random.default_rng(k)
    basis = np.zeros((k, 24), np.float32)
    for j in range(k):
        basis[j, 24 // k * j : 24 // k * (j + 1)] = 1
    found = []
    for _ in range(pictures):
        owner = np.resize(generator.permutation(np.resize(np.arange(k), 16)), 16)
        owner = np.kron(owner.reshape(4, 4), np.ones((2, 2), int))
        heat = (owner[None] == np.arange(k)[:, None, None]) * generator.uniform(0.8, 1.2, (8, 8))
        clean = np.einsum("jrc,jn->nrc", heat, basis)
        found.append((clean + noise * generator.random((24, 8, 8))).astype(np.float32))
    return found


@pytest.mark.parametrize("k", [2, 3, 4, 6])
def test_the_planted_number_is_found(k):
    assert k_by_explained(planted(k), ks=range(1, 9)).k == k


def test_pictures_together_have_the_parts_of_all():
    stack = planted(3, pictures=2)
    choice = k_by_explained(stack, ks=range(1, 7))
    assert choice.k == 3 and choice.ks == (1, 2, 3, 4, 5, 6) and len(choice.scores) == 6
    assert choice == k_by_explained(stack, ks=range(1, 7))


def test_the_knee_is_farthest_above_the_chord():
    # Heights over the chord from (1, 0) to (5, 1): 0, 0.25, 0.4, 0.2, 0.
    assert knee([1, 2, 3, 4, 5], [0, 0.5, 0.9, 0.95, 1]) == 3
    assert knee([2, 4, 6], [0.1, 0.9, 1]) == 4
    assert knee([3, 4], [0.5, 0.5 + FLAT / 2]) == 3  # flat
    assert knee([7], [0.3]) == 7


def test_the_explained_share_is_of_all_pictures_together():
    weak, strong = planted(2, pictures=2, noise=0.3)
    stack = [weak, 10 * strong]
    found = factorize_jointly(stack, 2)
    left = [
        np.square(one - np.einsum("jrc,jn->nrc", part.heatmaps, part.basis)).sum()
        for one, part in zip(stack, found, strict=True)
    ]
    total = sum(np.square(one).sum() for one in stack)
    assert explained_share(stack, found) == pytest.approx(1 - sum(left) / total, abs=1e-4)


def test_an_empty_picture_has_one_part_at_most():
    empty = [np.zeros((5, 3, 3), np.float32)]
    assert k_by_explained(empty, ks=(1, 2, 3)).k == 1


def test_wrong_arguments_are_refused():
    stack = planted(2)
    for wrong in ((), (0, 1), (2, 2), (3, 1)):
        with pytest.raises(ValueError, match="ks: expected ascending numbers from 1 on"):
            k_by_explained(stack, ks=wrong)
