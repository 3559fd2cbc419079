"""Names of parts, from a classifier small enough to work out by hand."""

from dataclasses import dataclass

import numpy as np
import pytest

from dff.factorization import factorize_activations
from dff.names import name_parts, short_name


@dataclass
class TwoClasses:
    """A classifier whose logits are the first two channels."""

    labels: tuple[str, ...] | None = ("tower", "tree")

    def classify(self, vectors: np.ndarray) -> np.ndarray:
        odds = np.exp(vectors[:, :2])
        return odds / odds.sum(axis=1, keepdims=True)


def two_parts(strength: float = 3.0) -> np.ndarray:
    """Activations (3, 4, 4): channel 0 on the left half, weaker channel 1 on the right."""
    activations = np.zeros((3, 4, 4), np.float32)
    activations[0, :, :2] = strength
    activations[1, :, 2:] = strength / 2
    return activations


def test_a_basis_row_is_brought_to_the_strength_it_has_in_the_picture():
    factors = factorize_activations(two_parts(), 2)
    first, second = name_parts(factors, TwoClasses())
    # The part's heat is 3 wherever it is, so its logits are 3 and 0.
    assert first[0] == ("tower", pytest.approx(np.exp(3) / (np.exp(3) + 1), abs=1e-3))
    assert second[0] == ("tree", pytest.approx(np.exp(1.5) / (np.exp(1.5) + 1), abs=1e-3))


def test_dead_parts_and_layers_without_a_classifier_have_no_name():
    factors = factorize_activations(two_parts(), 3)
    assert factors.dead.tolist() == [False, False, True]
    assert name_parts(factors, TwoClasses())[2] == ()
    assert name_parts(factors, TwoClasses(labels=None)) == ((), (), ())


def test_short_names():
    assert short_name(()) is None
    assert short_name((("valley", 0.6), ("alp", 0.1))) == ("valley", 0.6)
    assert short_name((("mosque", 0.41), ("beacon", 0.30))) == ("mosque / beacon", 0.41)
