"""dff.nmf against scikit-learn, SciPy, planted matrices and degenerate input."""

import numpy as np
import pytest
from scipy.optimize import nnls
from scipy.special import kl_div
from sklearn.decomposition import non_negative_factorization
from sklearn.decomposition._nmf import _initialize_nmf

from dff import nmf, nmf_arrays


def planted(n=60, channels=40, k=3, seed=0):
    """A matrix of exact non-negative rank k whose parts are found in a unique way.

    Each part has positions and channels of its own, beside those it shares.
    """
    generator = np.random.default_rng(seed)
    coefficients = generator.random((n, k)) * (generator.random((n, k)) < 0.5)
    basis = generator.random((k, channels)) * (generator.random((k, channels)) < 0.5)
    for j in range(k):
        coefficients[j], coefficients[j, j] = 0, 1
        basis[:, j], basis[j, j] = 0, 1
    return coefficients, basis


def activations_like(n=80, channels=120, seed=0):
    """Sparse, noisy, of high rank: nothing that k parts could fit exactly."""
    generator = np.random.default_rng(seed)
    mixture = generator.gamma(0.5, size=(n, 8)) @ generator.gamma(0.3, size=(8, channels))
    return np.maximum(mixture + generator.normal(size=(n, channels)), 0)


def error(positions, solution):
    residual = positions - solution.coefficients @ solution.basis
    return np.linalg.norm(residual) / np.linalg.norm(positions)


def divergence(positions, solution):
    model = solution.coefficients.astype(np.float64) @ solution.basis
    return kl_div(positions, model).sum() / positions.sum()


MINIMISED = {"hals": error, "mu": error, "kl": divergence}


@pytest.mark.filterwarnings("ignore:Maximum number of iterations")
@pytest.mark.parametrize(("ours", "theirs"), [("mu", "mu"), ("hals", "cd")])
@pytest.mark.parametrize("k", [2, 4, 10])
@pytest.mark.parametrize("seed", range(4))
def test_error_is_at_most_half_a_percent_above_scikit_learn(ours, theirs, k, seed):
    positions = activations_like(seed=seed)
    start = nmf.initialise(positions, k)
    # scikit-learn's names are the other way round: its W are the coefficients.
    coefficients, basis, _ = non_negative_factorization(
        positions,
        W=start[0].copy(),
        H=start[1].copy(),
        n_components=k,
        init="custom",
        solver=theirs,
        max_iter=200,
    )
    reference = np.linalg.norm(positions - coefficients @ basis) / np.linalg.norm(positions)
    assert error(positions, nmf.solve(positions, k, solver=ours, init=start)) <= 1.005 * reference


@pytest.mark.filterwarnings("ignore:Maximum number of iterations")
@pytest.mark.parametrize("k", [2, 4, 10])
@pytest.mark.parametrize("iterations", [1, 50])
def test_kl_is_scikit_learns_entry_by_entry(k, iterations):
    positions = activations_like()
    start = nmf.initialise(positions, k)
    coefficients, basis, _ = non_negative_factorization(
        positions,
        W=start[0].copy(),
        H=start[1].copy(),
        n_components=k,
        init="custom",
        solver="mu",
        beta_loss="kullback-leibler",
        max_iter=iterations,
        tol=0,
    )
    solution = nmf.solve(
        positions, k, solver="kl", init=start, max_iterations=iterations, tolerance=0
    )
    np.testing.assert_allclose(solution.coefficients, coefficients, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(solution.basis, basis, rtol=1e-9, atol=1e-9)


def test_kl_of_one_part_is_the_product_of_the_sums_with_the_divergence_worked_out_by_hand():
    positions = np.array([[1.0, 0.0], [1.0, 2.0]])
    solution = nmf.solve(positions, 1, solver="kl", max_iterations=2)
    # Row sums (1, 3) times column sums (2, 2) over their total of 4.
    np.testing.assert_allclose(solution.coefficients @ solution.basis, [[0.5, 0.5], [1.5, 1.5]])
    # (1 ln(1 / 0.5) + 1 ln(1 / 1.5) + 2 ln(2 / 1.5)) / 4, the sums being equal
    expected = np.log(2 * (2 / 3) * (4 / 3) ** 2) / 4
    np.testing.assert_allclose(solution.error_curve[1:], expected)


def test_kl_lets_one_strong_position_count_for_less_than_the_frobenius_error_does():
    positions = np.full((11, 2), [0.0, 1.0])
    positions[0] = [10, 0]
    # One part fits the ten equal positions or the strong one. Squares: 100 against 10 * 1.
    strong = nmf.solve(positions, 1, max_iterations=500, tolerance=0).basis[0]
    assert strong[0] > 100 * strong[1]
    # Sums: 10 against 10.
    equal = nmf.solve(positions, 1, solver="kl").basis[0]
    assert equal[0] == pytest.approx(equal[1])


@pytest.mark.parametrize("init", ["nndsvd", "nndsvda"])
def test_kl_is_finite_with_zeros_in_the_positions_and_in_the_start(init):
    positions = activations_like().astype(np.float32)
    positions[3] = 0
    positions[:, 7] = 0
    with np.errstate(all="raise", under="ignore"):
        solution = nmf.solve(positions, 4, solver="kl", init=init)
    assert np.isfinite(solution.error_curve).all()
    assert solution.coefficients[3].max() < 1e-10
    assert solution.basis[:, 7].max() < 1e-10
    for fill in (0, 1):
        start = np.zeros((80, 4)), np.full((4, 120), fill)
        with np.errstate(all="raise", under="ignore"):
            solution = nmf.solve(positions, 4, solver="kl", init=start)
        assert np.isfinite(solution.error_curve).all()


@pytest.mark.parametrize("init", ["nndsvd", "nndsvda"])
def test_svd_starts_are_those_of_scikit_learn(init):
    positions = activations_like()
    ours = nmf.initialise(positions, 3, init)
    theirs = _initialize_nmf(positions, 3, init, random_state=0)
    for mine, reference in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, reference, atol=2e-3)


def test_random_start_has_scikit_learns_scale_and_depends_on_the_seed_alone():
    positions = np.full((300, 200), 8.0)
    coefficients, basis = nmf.initialise(positions, 2, "random", seed=5)
    # |Gaussian| of spread sqrt(8 / 2) has mean 2 * sqrt(2 / pi)
    assert coefficients.mean() == pytest.approx(2 * np.sqrt(2 / np.pi), rel=0.1)
    assert basis.mean() == pytest.approx(2 * np.sqrt(2 / np.pi), rel=0.1)
    again, _ = nmf.initialise(positions, 2, "random", seed=5)
    other, _ = nmf.initialise(positions, 2, "random", seed=6)
    assert np.array_equal(coefficients, again)
    assert not np.array_equal(coefficients, other)


@pytest.mark.parametrize("solver", ["hals", "mu", "kl"])
@pytest.mark.parametrize("init", ["random", "nndsvd", "nndsvda"])
@pytest.mark.parametrize(("dtype", "rounding"), [("float64", 1e-10), ("float32", 1e-6)])
def test_the_error_never_rises_and_the_curve_ends_with_the_true_error(
    solver, init, dtype, rounding
):
    positions = activations_like().astype(dtype)
    solution = nmf.solve(positions, 5, solver=solver, init=init, tolerance=0)
    assert solution.error_curve.shape == (solution.iterations + 1,)
    assert np.diff(solution.error_curve).max() <= rounding
    assert solution.error_curve[-1] < 0.99 * solution.error_curve[0]
    assert solution.error_curve[-1] == pytest.approx(
        MINIMISED[solver](positions, solution), abs=10 * rounding
    )


@pytest.mark.parametrize("solver", ["hals", "mu", "kl"])
def test_planted_parts_are_recovered(solver):
    coefficients, basis = planted()
    solution = nmf.solve(
        coefficients @ basis, 3, solver=solver, tolerance=1e-9, max_iterations=20_000
    )
    assert solution.error_curve[-1] < 1e-3
    for truth, found in ((basis, solution.basis), (coefficients.T, solution.coefficients.T)):
        truth = truth / np.linalg.norm(truth, axis=1, keepdims=True)
        found = found / np.linalg.norm(found, axis=1, keepdims=True)
        assert (truth @ found.T).max(axis=1).min() > 0.999


def test_planted_parts_of_separate_channels_are_exact_after_a_few_iterations():
    positions = np.zeros((6, 5))
    positions[:4, :2] = 2
    positions[4:, 2:] = 1
    solution = nmf.solve(positions, 2)
    np.testing.assert_allclose(solution.coefficients @ solution.basis, positions, atol=1e-9)


@pytest.mark.parametrize("solver", ["hals", "mu", "kl"])
def test_float32_and_float64_agree_and_keep_their_dtype(solver):
    positions = activations_like()
    double = nmf.solve(positions, 4, solver=solver)
    single = nmf.solve(positions.astype(np.float32), 4, solver=solver)
    assert double.basis.dtype == double.coefficients.dtype == np.float64
    assert single.basis.dtype == single.coefficients.dtype == np.float32
    assert single.error_curve[-1] == pytest.approx(double.error_curve[-1], rel=1e-4)
    np.testing.assert_allclose(
        single.coefficients @ single.basis, double.coefficients @ double.basis, atol=2e-2
    )


@pytest.mark.parametrize("dtype", ["float16", "int64", "uint8"])
def test_other_dtypes_are_computed_in_float32(dtype):
    positions = np.array([[1, 2, 0], [2, 4, 0], [0, 0, 3]], dtype=dtype)
    solution = nmf.solve(positions, 2)
    assert solution.basis.dtype == np.float32
    assert solution.error_curve[-1] < 1e-3


@pytest.mark.parametrize("solver", ["hals", "mu", "kl"])
@pytest.mark.parametrize("init", ["random", "nndsvda"])
def test_torch_and_numpy_give_the_same_result(solver, init):
    torch = pytest.importorskip("torch")
    positions = activations_like()
    expected = nmf.solve(positions, 4, solver=solver, init=init, seed=3)
    found = nmf.solve(torch.from_numpy(positions), 4, solver=solver, init=init, seed=3)
    assert isinstance(found.basis, torch.Tensor)
    assert isinstance(found.coefficients, torch.Tensor)
    assert found.iterations == expected.iterations
    np.testing.assert_allclose(found.error_curve, expected.error_curve, rtol=1e-8)
    np.testing.assert_allclose(found.basis.numpy(), expected.basis, atol=1e-6)
    np.testing.assert_allclose(found.coefficients.numpy(), expected.coefficients, atol=1e-6)
    np.testing.assert_allclose(
        nmf.project(torch.from_numpy(positions), found.basis).numpy(),
        nmf.project(positions, expected.basis),
        atol=1e-6,
    )


@pytest.mark.parametrize("solver", ["hals", "mu", "kl"])
@pytest.mark.parametrize("init", ["random", "nndsvd", "nndsvda"])
@pytest.mark.parametrize(
    "positions",
    [
        np.zeros((5, 4)),
        np.ones((5, 4)),
        np.outer([1.0, 2, 3], [0, 1, 2, 3]),
        np.array([[0.0, 1.0, 2.0]]),
        np.array([[1.0], [0.0], [2.0]]),
        np.array([[3.0]]),
        1e-30 * np.ones((5, 4)),
        1e30 * np.ones((5, 4)),
    ],
    ids=["zero", "constant", "rank one", "one position", "one channel", "1x1", "tiny", "huge"],
)
def test_degenerate_input_is_answered(solver, init, positions):
    with np.errstate(all="raise", under="ignore"):
        solution = nmf.solve(positions.astype(np.float32), 6, solver=solver, init=init)
    assert solution.coefficients.shape == (len(positions), 6)
    assert solution.basis.shape == (6, positions.shape[1])
    model = solution.coefficients.astype(np.float64) @ solution.basis
    np.testing.assert_allclose(model, positions, atol=1e-2 * positions.max())


def test_parts_beyond_the_rank_stay_zero():
    positions = np.outer([1.0, 2, 3], [0, 1, 2, 3])
    solution = nmf.solve(positions, 4)
    assert np.count_nonzero(solution.basis.any(axis=1)) == 1
    assert np.count_nonzero(solution.coefficients.any(axis=0)) == 1


@pytest.mark.parametrize(
    ("solver", "reference", "margin"),
    [("mu", ("hals", "nndsvd"), 1.02), ("kl", ("kl", "nndsvda"), 1.05)],
)
def test_multiplicative_updates_leave_zeros_and_never_become_denormal(solver, reference, margin):
    positions = activations_like().astype(np.float32)
    solution = nmf.solve(positions, 4, solver=solver, init="nndsvd")
    for array in (solution.coefficients, solution.basis):
        assert array.min() >= nmf.FLOOR
    unhindered = nmf.solve(positions, 4, solver=reference[0], init=reference[1])
    assert solution.error_curve[-1] < margin * unhindered.error_curve[-1]


def test_results_are_the_same_to_the_byte_and_global_random_state_is_untouched():
    positions = activations_like().astype(np.float32)
    np.random.seed(123)
    before = np.random.get_state()[1].copy()
    for init in nmf.INITS:
        one = nmf.solve(positions, 4, init=init, seed=7)
        two = nmf.solve(positions, 4, init=init, seed=7)
        assert one.coefficients.tobytes() == two.coefficients.tobytes()
        assert one.basis.tobytes() == two.basis.tobytes()
        assert one.error_curve.tobytes() == two.error_curve.tobytes()
    assert np.array_equal(before, np.random.get_state()[1])


def test_power_of_two_scale_of_the_input_only_scales_the_coefficients():
    positions = activations_like()
    start = nmf.initialise(positions, 3, "nndsvd")
    one = nmf.solve(positions, 3, init=start)
    two = nmf.solve(64 * positions, 3, init=(64 * start[0], start[1]))
    assert np.array_equal(64 * one.coefficients, two.coefficients)
    assert np.array_equal(one.basis, two.basis)


@pytest.mark.parametrize("solver", ["hals", "mu", "kl"])
def test_arguments_are_not_changed(solver):
    positions = activations_like()
    start = nmf.initialise(positions, 3)
    copies = [array.copy() for array in (positions, *start)]
    for array in (positions, *start):
        array.flags.writeable = False
    nmf.solve(positions, 3, solver=solver, init=start)
    nmf.project(positions, start[1])
    for array, copy in zip((positions, *start), copies, strict=True):
        assert np.array_equal(array, copy)


def test_memory_order_of_the_input_does_not_matter():
    positions = activations_like()
    rows = nmf.solve(positions, 4)
    columns = nmf.solve(np.asfortranarray(positions), 4)
    np.testing.assert_allclose(rows.basis, columns.basis, atol=1e-8)


def test_progress_and_limits():
    positions = activations_like()
    calls = []
    solution = nmf.solve(
        positions, 3, tolerance=0, max_iterations=15, progress=lambda *call: calls.append(call)
    )
    assert solution.iterations == 15
    assert calls == list(enumerate(solution.error_curve[1:], start=1))
    assert nmf.solve(positions, 3, max_iterations=1).iterations == 1


def test_it_stops_when_the_last_ten_iterations_gained_less_than_the_tolerance():
    curve = nmf.solve(activations_like(), 3, tolerance=1e-4).error_curve
    assert len(curve) - 1 < 200
    gains = curve[:-10] - curve[10:]
    assert gains[-1] < 1e-4 * curve[0]
    assert (gains[:-1] >= 1e-4 * curve[0]).all()


def test_project_is_non_negative_least_squares():
    positions = activations_like(n=30)
    basis = nmf.solve(positions, 6).basis
    expected = np.array([nnls(basis.T, position)[0] for position in positions])
    assert (expected == 0).any()
    found = nmf.project(positions, basis, iterations=1000, tolerance=1e-10)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    by_default = nmf.project(positions, basis)
    assert np.abs(by_default - expected).max() < 1e-3 * expected.max()
    assert nmf.project(positions.astype(np.float32), basis.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_what_is_projected_beside_a_matrix_changes_no_bit_of_it(library):
    namespace = np.asarray
    if library == "torch":
        namespace = pytest.importorskip("torch").from_numpy
    rng = np.random.default_rng(4)
    stack = [namespace(rng.random((n, 300), np.float32) ** 4) for n in (8, 1, 37, 8, 120)]
    basis = namespace(rng.random((5, 300), np.float32))
    together = nmf.project_several(stack, basis)
    for several in (together, nmf.project_several(stack[::-1], basis)[::-1]):
        for positions, found in zip(stack, several, strict=True):
            alone = nmf.project(positions, basis)
            assert np.asarray(alone).tobytes() == np.asarray(found).tobytes()


def test_project_recovers_planted_coefficients_and_ignores_dead_basis_rows():
    coefficients, basis = planted()
    basis[1] = 0
    found = nmf.project(coefficients @ basis, basis, iterations=1000, tolerance=1e-12)
    np.testing.assert_allclose(found[:, [0, 2]], coefficients[:, [0, 2]], atol=1e-8)
    assert not found[:, 1].any()
    assert not nmf.project(np.zeros((4, 40)), basis).any()


GOOD = np.ones((4, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nmf.solve(np.ones(3), 1), r"positions must be a matrix \(2-D\), got shape \(3,\)"),
        (lambda: nmf.solve(np.ones((0, 3)), 1), r"must not be empty, got shape \(0, 3\)"),
        (lambda: nmf.solve(np.array([[1.0, np.nan]]), 1), "positions must be finite"),
        (lambda: nmf.solve(np.array([[1.0, np.inf]]), 1), "positions must be finite"),
        (lambda: nmf.solve(np.array([[1.0, -np.inf]]), 1), "positions must be finite"),
        (lambda: nmf.solve(np.array([[1.0, -0.5]]), 1), "non-negative, got values down to -0.5"),
        (lambda: nmf.solve(GOOD, 0), "k must be a whole number of at least 1, got 0"),
        (lambda: nmf.solve(GOOD, 2.5), "k must be a whole number of at least 1, got 2.5"),
        (lambda: nmf.solve(GOOD, 1, max_iterations=0), "max_iterations must be a whole number"),
        (lambda: nmf.solve(GOOD, 1, tolerance=-1), "tolerance must be a finite number"),
        (lambda: nmf.solve(GOOD, 1, tolerance=np.nan), "tolerance must be a finite number"),
        (lambda: nmf.solve(GOOD, 1, solver="cd"), "solver must be one of hals, mu, kl, got 'cd'"),
        (lambda: nmf.solve(GOOD, 1, init="svd"), "init must be one of random, nndsvd, nndsvda"),
        (lambda: nmf.solve(GOOD, 1, init=(GOOD, GOOD)), r"must be \(\(4, 1\), \(1, 3\)\), got"),
        (lambda: nmf.solve(GOOD, 1, init=(-GOOD[:, :1], GOOD[:1])), "initial coefficients must"),
        (lambda: nmf.solve(GOOD, 1, init=(GOOD[:, :1], -GOOD[:1])), "initial basis must"),
        (lambda: nmf.project(GOOD, np.ones((2, 5))), "same number of channels, got 3 and 5"),
        (lambda: nmf.project(GOOD, -GOOD), "basis must be non-negative"),
    ],
)
def test_wrong_arguments_are_refused_with_what_was_expected_and_got(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("k", [3, 8, 20])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_in_blocks_are_the_plain_product_whatever_the_layout(monkeypatch, k, order, dtype):
    generator = np.random.default_rng(0)
    rows = generator.random((k, 70)).astype(dtype)
    matrix = np.asarray(generator.random((101, 70)), dtype, order)
    plain = rows.astype(np.float64) @ matrix.T
    for block in (1, 5_000, 10**9):
        monkeypatch.setattr(nmf_arrays, "BLOCK", block)
        np.testing.assert_allclose(nmf_arrays.row_products(rows, matrix), plain, rtol=1e-5)
    np.testing.assert_allclose(nmf_arrays.row_products(rows, matrix[::2]), plain[:, ::2], rtol=1e-5)
    assert nmf_arrays.square_sum(matrix) == pytest.approx(np.linalg.norm(matrix) ** 2, rel=1e-6)


@pytest.mark.parametrize("k", [2, 4, 8])
def test_a_sketch_ends_where_the_plain_path_does(monkeypatch, k):
    positions = activations_like(n=400, channels=150)
    plain = nmf.solve(positions, k)
    monkeypatch.setattr(nmf, "SKETCHED", 0)
    sketched = nmf.solve(positions, k)
    assert sketched.iterations < plain.iterations
    assert error(positions, sketched) <= 1.0005 * error(positions, plain)
    assert sketched.error_curve[-1] == pytest.approx(error(positions, sketched), abs=1e-9)
    assert np.diff(sketched.error_curve).max() <= 1e-10
    given = nmf.initialise(positions, k)
    assert np.array_equal(nmf.solve(positions, k, init=given).error_curve, plain.error_curve)


@pytest.mark.parametrize("positions", [np.zeros((9, 7)), np.ones((9, 7)), np.ones((1, 7))])
def test_a_sketch_of_degenerate_input_is_answered(monkeypatch, positions):
    monkeypatch.setattr(nmf, "SKETCHED", 0)
    solution = nmf.solve(positions, 3)
    np.testing.assert_allclose(solution.coefficients @ solution.basis, positions, atol=1e-6)
