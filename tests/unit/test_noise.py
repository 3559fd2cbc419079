"""What may be chance: intervals of planted precisions, worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from dff.evaluation.noise import noise_of
from dff.evaluation.protocols import Difference, bootstrap_difference
from dff.evaluation.retrieval import Answer, Row, Settings

SETTINGS = Settings("gem", "net", "last", 128, (1.0,), None, "none", None, "vector")


def row(precisions: list[float], default: bool = False, rerank: str | None = None) -> Row:
    answers = tuple(Answer(n, p, ()) for n, p in enumerate(precisions))
    mean = 100 * sum(precisions) / len(precisions)
    settings = replace(SETTINGS, rerank=rerank)
    return Row(settings, 8, 1.0, {"all": mean}, 50.0, 0.25, 32, default, answers)


def test_the_interval_of_two_opposite_queries_is_everything():
    # Drawn twice of {0, 100}: 0 and 100 have a quarter each, far more than 2.5 %.
    (noise,) = noise_of([row([0, 1])])
    assert (noise.low, noise.high, noise.vs_default, noise.level) == (0, 100, None, True)


def test_intervals_are_those_of_the_textbook_bootstrap():
    generator = np.random.default_rng(1)
    first, second = generator.random((2, 50)).tolist()
    found, _ = noise_of([row(first), row(second, default=True)])
    expected = bootstrap_difference(first, second)
    assert found.vs_default.mean == pytest.approx(100 * expected.mean)
    assert found.vs_default.low == pytest.approx(100 * expected.low, abs=0.5)
    assert found.vs_default.high == pytest.approx(100 * expected.high, abs=0.5)


def test_differences_are_paired():
    # Ten better for every query: certain, however far the queries lie apart.
    better, default = noise_of([row([0.1, 1]), row([0, 0.9], default=True)])
    found = better.vs_default
    assert (found.mean, found.low, found.high) == pytest.approx((10, 10, 10))
    assert default.vs_default == Difference(0, 0, 0)
    assert (better.level, default.level) == (True, False)


def test_rows_that_are_better_for_some_and_worse_for_others_are_level():
    best, other, worst = noise_of([row([0.9, 0.5]), row([0.4, 0.9]), row([0.1, 0.1])])
    assert (best.level, other.level, worst.level) == (True, True, False)
    assert noise_of([]) == []


def test_rows_that_are_ranked_again_have_a_best_of_their_own():
    found = noise_of(
        [row([0.5, 0.5]), row([0.9, 0.9], rerank="aqe"), row([0.8, 0.8], rerank="dba")]
    )
    assert [noise.level for noise in found] == [True, True, False]
