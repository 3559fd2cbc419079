"""dff.nmf_trace: the states are those of the solvers themselves."""

import numpy as np
import pytest

from dff import nmf
from dff.nmf_trace import trace


def positions(n=40, channels=30, seed=0):
    generator = np.random.default_rng(seed)
    mixture = generator.gamma(0.5, size=(n, 5)) @ generator.gamma(0.5, size=(5, channels))
    return mixture.astype(np.float32)


@pytest.mark.parametrize("solver", sorted(nmf.SOLVERS))
@pytest.mark.parametrize("iterations", [1, 7])
def test_state_t_is_what_the_solver_has_after_t_iterations(solver, iterations):
    data = positions()
    run = trace(data, 3, solver=solver, iterations=7)
    solved = nmf.solve(
        data, 3, solver=solver, init="random", tolerance=0, max_iterations=iterations
    )
    assert run.iterations == 7
    assert np.array_equal(run.coefficients[iterations], solved.coefficients)
    assert np.array_equal(run.basis[iterations], solved.basis)
    assert np.array_equal(run.error_curve[: iterations + 1], solved.error_curve)


def test_state_0_is_the_start_and_the_error_is_that_of_each_state():
    data = positions()
    run = trace(data, 4, seed=3, iterations=5)
    start = nmf.initialise(data, 4, "random", 3)
    assert np.allclose(run.coefficients[0], start[0], rtol=1e-6)
    assert np.array_equal(run.basis[0], start[1])
    for h, w, error in zip(run.coefficients, run.basis, run.error_curve, strict=True):
        left = np.linalg.norm(data - h @ w) / np.linalg.norm(data)
        assert error == pytest.approx(left, abs=1e-4)
    assert (np.diff(run.error_curve) < 1e-6).all()


def test_the_positions_stay_as_they_are_and_nothing_gives_nothing():
    data = positions()
    kept = data.copy()
    trace(data, 2, iterations=2)
    assert np.array_equal(data, kept)
    nothing = trace(np.zeros((6, 5)), 2)
    assert nothing.iterations == 0
    assert nothing.coefficients.shape == (1, 6, 2) and not nothing.basis.any()


@pytest.mark.parametrize(
    "wrong", [{"k": 0}, {"solver": "magic"}, {"iterations": 0}, {"init": "good"}]
)
def test_wrong_arguments_are_told(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        trace(positions(), **{"k": 2, **wrong})
