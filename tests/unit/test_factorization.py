"""dff.factorization: conventions, joint factorization, matching, stability."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.optimize import nnls
from scipy.special import kl_div

from dff import factorization as fz


def scene(seed=0, rows=8, columns=10, channels=30, k=3, noise=0.05):
    """Activations of k blobs, each with channels of its own: (channels, rows, columns) float32."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:rows, :columns]
    heat = np.zeros((k, rows, columns))
    for j in range(k):
        centre = generator.random(2) * (rows, columns)
        heat[j] = (3 - j) * np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / 4)
    basis = np.random.default_rng(99).gamma(0.3, size=(k, channels))
    clean = np.einsum("krc,kd->drc", heat, basis)
    return np.maximum(clean + noise * generator.normal(size=clean.shape), 0).astype(np.float32)


def model(parts):
    return np.einsum("krc,kd->drc", parts.heatmaps, parts.basis)


def test_shapes_dtypes_and_conventions():
    activations = scene()
    parts = fz.factorize_activations(activations, 4)
    assert parts.heatmaps.shape == (4, 8, 10)
    assert parts.basis.shape == (4, 30)
    assert (parts.k, parts.grid) == (4, (8, 10))
    for array in (parts.heatmaps, parts.basis, parts.energy, parts.error_curve):
        assert array.dtype == np.float32
        assert array.min() >= 0
    assert parts.error_curve.shape == (parts.iterations + 1,)
    assert (parts.solver, parts.init, parts.seed) == ("hals", "nndsvda", 0)
    np.testing.assert_allclose(np.linalg.norm(parts.basis, axis=1), 1, rtol=1e-6)
    assert parts.energy.sum() == pytest.approx(1, abs=1e-6)
    assert (np.diff(parts.energy) <= 0).all()
    assert not parts.dead.any()


def test_error_explained_and_energy_are_what_their_formulas_say():
    activations = scene().astype(np.float64)
    parts = fz.factorize_activations(activations, 3)
    fitted = model(parts)
    error = np.linalg.norm(activations - fitted) / np.linalg.norm(activations)
    assert parts.error == pytest.approx(error, rel=1e-5)
    assert parts.explained == pytest.approx(1 - error**2, rel=1e-6)
    assert parts.error_curve[-1] == pytest.approx(error, rel=1e-4)
    for j in range(3):
        own = parts.heatmaps[j] * parts.basis[j][:, None, None]
        assert parts.energy[j] == pytest.approx((fitted * own).sum() / (fitted**2).sum(), rel=1e-4)


def test_with_kl_error_and_energy_stay_frobenius_and_the_curve_is_the_divergence():
    activations = scene().astype(np.float64)
    parts = fz.factorize_activations(activations, 2, solver="kl")
    fitted = model(parts).astype(np.float64)
    error = np.linalg.norm(activations - fitted) / np.linalg.norm(activations)
    assert parts.error == pytest.approx(error, rel=1e-5)
    assert parts.explained == pytest.approx(1 - error**2, rel=1e-6)
    own = parts.heatmaps[0] * parts.basis[0][:, None, None]
    assert parts.energy[0] == pytest.approx((fitted * own).sum() / (fitted**2).sum(), rel=1e-4)
    divergence = kl_div(activations, fitted).sum() / activations.sum()
    assert parts.error_curve[-1] == pytest.approx(divergence, rel=1e-4)
    # Each solver is the better one at what it minimises.
    frobenius = fz.factorize_activations(activations, 2)
    assert frobenius.error < parts.error
    assert divergence < kl_div(activations, model(frobenius)).sum() / activations.sum()


def test_the_explained_share_of_kl_can_be_negative():
    # Ones in the first channel and at the first position, except where they cross. One part
    # puts 8 there (16 * 16 / 32) and half elsewhere on the cross: far worse than nothing.
    activations = np.zeros((17, 1, 17))
    activations[0, 0, 1:] = activations[1:, 0, 0] = 1
    parts = fz.factorize_activations(activations, 1, solver="kl")
    assert parts.heatmaps[0, 0, 0] * parts.basis[0, 0] == pytest.approx(8, rel=1e-5)
    squares = 8**2 + 32 * 0.5**2 + 16**2 / 32**2  # 256 cells of 1 / 32
    assert parts.explained == pytest.approx(1 - squares / 32, rel=1e-4)


def test_planted_parts_have_exact_energy_and_place():
    activations = np.zeros((3, 2, 2), dtype=np.float32)
    activations[0, 0, 0] = 3  # part of energy 9, upper left
    activations[1:, 1, 1] = 1  # part of energy 2, lower right
    parts = fz.factorize_activations(activations, 2)
    np.testing.assert_allclose(parts.energy, [9 / 11, 2 / 11], rtol=1e-5)
    np.testing.assert_allclose(parts.basis, [[1, 0, 0], [0, 0.5**0.5, 0.5**0.5]], atol=1e-5)
    np.testing.assert_allclose(parts.heatmaps[0], [[3, 0], [0, 0]], atol=1e-5)
    np.testing.assert_allclose(parts.heatmaps[1], [[0, 0], [0, 2**0.5]], atol=1e-5)
    assert parts.explained == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("solver", ["hals", "mu", "kl"])
def test_parts_beyond_the_rank_are_dead_zero_and_last(solver):
    activations = np.zeros((4, 3, 3), dtype=np.float32)
    activations[:2, 0] = 1
    activations[2:, 2] = 2
    parts = fz.factorize_activations(activations, 5, solver=solver)
    assert parts.dead.tolist() == [False, False, True, True, True]
    assert not parts.heatmaps[2:].any()
    assert not parts.basis[2:].any()
    assert parts.energy.tolist()[2:] == [0, 0, 0]
    assert parts.energy.sum() == pytest.approx(1, abs=1e-6)
    assert parts.error < 1e-3


def test_constant_activations_are_one_part_and_single_positions_are_answered():
    constant = fz.factorize_activations(np.full((5, 3, 4), 2.0), 4)
    assert constant.dead.tolist() == [False, True, True, True]
    np.testing.assert_allclose(constant.heatmaps[0], 2 * 5**0.5, rtol=1e-5)
    single = fz.factorize_activations(np.arange(3.0).reshape(3, 1, 1), 4)
    assert single.dead.tolist() == [False, True, True, True]
    assert single.heatmaps[0, 0, 0] == pytest.approx(5**0.5, rel=1e-5)


@pytest.mark.parametrize("solver", ["hals", "mu", "kl"])
@pytest.mark.parametrize("init", ["random", "nndsvda"])
def test_all_zero_activations_are_answered(solver, init):
    parts = fz.factorize_activations(np.zeros((5, 3, 4)), 3, solver=solver, init=init)
    assert parts.dead.all()
    for array in (parts.heatmaps, parts.basis, parts.energy):
        assert not array.any()
    assert (parts.error, parts.explained, parts.iterations) == (0, 1, 0)
    assert parts.error_curve.tolist() == [0]


@pytest.mark.parametrize("scale", [2.0**-80, 2.0**80])
def test_extreme_scales_change_nothing_but_the_heatmaps(scale):
    parts = fz.factorize_activations(scene(), 3, init="nndsvd")
    scaled = fz.factorize_activations(scale * scene().astype(np.float64), 3, init="nndsvd")
    assert scaled.error == pytest.approx(parts.error, rel=1e-6)
    np.testing.assert_allclose(scaled.basis, parts.basis, atol=1e-6)
    np.testing.assert_allclose(scaled.energy, parts.energy, atol=1e-6)
    np.testing.assert_allclose(scaled.heatmaps / scale, parts.heatmaps, atol=1e-6)


def test_joint_factorization_of_copies_gives_identical_heatmaps():
    activations = scene()
    single = fz.factorize_activations(activations, 3)
    copies = fz.factorize_jointly([activations] * 3, 3)
    for parts in copies:
        np.testing.assert_allclose(parts.heatmaps, copies[0].heatmaps, atol=1e-5)
        np.testing.assert_allclose(parts.heatmaps, single.heatmaps, atol=1e-2)
        np.testing.assert_allclose(parts.basis, single.basis, atol=1e-2)
        assert parts.error == pytest.approx(single.error, rel=1e-4)


def test_joint_factorization_shares_the_basis_and_keeps_grids_and_numbers_apart():
    stack = [scene(seed=1), scene(seed=2, rows=5, columns=12), scene(seed=3) * 0.1]
    joint = fz.factorize_jointly(stack, 3)
    assert [parts.grid for parts in joint] == [(8, 10), (5, 12), (8, 10)]
    for activations, parts in zip(stack, joint, strict=True):
        assert np.array_equal(parts.basis, joint[0].basis)
        assert parts.energy.sum() == pytest.approx(1, abs=1e-6)
        error = np.linalg.norm(activations - model(parts)) / np.linalg.norm(activations)
        assert parts.error == pytest.approx(error, rel=1e-4)
    total = sum((model(parts) ** 2).sum() * parts.energy for parts in joint)
    assert (np.diff(total) <= 0).all()


def test_a_part_absent_from_one_picture_is_not_dead():
    left, right = np.zeros((2, 4, 2, 2), dtype=np.float32)
    left[:2], right[2:] = 1, 1
    right[:, 0, 0] = 2
    one, two = fz.factorize_jointly([left, right], 2)
    assert not one.dead.any()
    assert one.energy.min() == pytest.approx(0, abs=1e-4)
    assert two.energy.min() > 0.01
    blank, _ = fz.factorize_jointly([0 * left, right], 2)
    assert not blank.energy.any()
    assert (blank.error, blank.explained) == (0, 1)


def test_results_are_the_same_to_the_byte_and_inputs_are_not_changed():
    activations = scene()
    copy = activations.copy()
    activations.flags.writeable = False
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    runs = [fz.factorize_activations(activations, 4, init="random", seed=2) for _ in range(2)]
    for name in ("heatmaps", "basis", "energy", "error_curve"):
        assert getattr(runs[0], name).tobytes() == getattr(runs[1], name).tobytes()
    fz.stability(activations, runs[0])
    fz.project_onto(activations, runs[0].basis)
    assert np.array_equal(activations, copy)
    assert np.array_equal(before, np.random.get_state()[1])


def test_project_onto_its_own_basis_gives_the_heatmaps_back():
    activations = scene()
    parts = fz.factorize_activations(activations, 3, tolerance=1e-8, max_iterations=2000)
    heatmaps = fz.project_onto(activations, parts.basis)
    assert heatmaps.dtype == np.float32
    np.testing.assert_allclose(heatmaps, parts.heatmaps, atol=1e-2)
    expected = nnls(parts.basis.T.astype(np.float64), activations[:, 2, 5].astype(np.float64))[0]
    np.testing.assert_allclose(heatmaps[:, 2, 5], expected, atol=1e-3)


def test_project_onto_a_dead_basis_row_gives_a_zero_heatmap():
    basis = np.array([[1, 0], [0, 0]], dtype=np.float32)
    heatmaps = fz.project_onto(np.ones((2, 3, 3)), basis)
    assert not heatmaps[1].any()
    np.testing.assert_allclose(heatmaps[0], 1)


def test_stability_is_high_for_planted_parts_and_zero_for_dead_ones():
    activations = scene()
    parts = fz.factorize_activations(activations, 3)
    stable = fz.stability(activations, parts)
    assert stable.shape == (3,)
    assert stable.dtype == np.float32
    assert stable.min() > 0.95
    assert stable.max() <= 1
    flat = np.full((5, 3, 4), 2.0)
    with_dead = fz.stability(flat, fz.factorize_activations(flat, 2))
    assert with_dead[0] > 0.9
    assert with_dead[1] == 0


def test_stability_is_low_where_parts_are_arbitrary():
    noise = np.random.default_rng(0).random((40, 8, 8))
    parts = fz.factorize_activations(noise, 6)
    each = np.array([fz.stability(noise, parts, seeds=[seed]) for seed in (1, 2, 3)])
    assert each.min() < 0.7
    assert np.array_equal(fz.stability(noise, parts), each.min(axis=0))
    assert not np.array_equal(each.min(axis=0), each[-1])


def test_match_parts_finds_a_permutation_and_numbers_new_parts_last():
    reference = np.eye(4, 6)
    order = np.array([2, 0, 3, 1])
    assert fz.match_parts(reference, 5 * reference[order] + 0.01).tolist() == order.tolist()
    # from three parts to five: the two new ones come after the known ones, in their order
    more = np.eye(6)[[4, 1, 5, 0, 2]]
    assert fz.match_parts(reference[:3], more).tolist() == [3, 1, 4, 0, 2]
    # from four parts to two, and an all-zero row beside a live one
    assert fz.match_parts(reference, np.eye(6)[[3, 1]]).tolist() == [3, 1]
    assert fz.match_parts(reference[:2], np.stack([np.zeros(6), reference[0]])).tolist() == [1, 0]


def test_match_parts_gives_the_surest_pair_first():
    reference = np.array([[1.0, 0.0], [0.8, 0.6]])
    basis = np.array([[0.9, 0.3], [0.8, 0.6]])
    assert fz.match_parts(reference, basis).tolist() == [0, 1]


class FakeBackbone:
    layer = "block6"

    def __init__(self, activations):
        self.result = activations
        self.asked = None

    def activations(self, picture, size=None):
        self.asked = (picture.shape, size)
        return self.result


def test_factorize_passes_picture_size_and_options_on():
    backbone = FakeBackbone(scene())
    picture = np.zeros((64, 48, 3), dtype=np.uint8)
    parts = fz.factorize(picture, 2, backbone=backbone, size=256, solver="kl", seed=5)
    assert backbone.asked == ((64, 48, 3), 256)
    assert (parts.k, parts.solver, parts.seed) == (2, "kl", 5)


def test_factorize_names_the_layer_whose_activations_are_negative():
    backbone = FakeBackbone(scene() - 1)
    message = "activations of layer block6 must be non-negative, got values down to -1.*ReLU"
    with pytest.raises(ValueError, match=message):
        fz.factorize(np.zeros((64, 48, 3), dtype=np.uint8), backbone=backbone)


GOOD = np.ones((4, 3, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fz.factorize_activations(np.ones((3, 3))), r"got shape \(3, 3\)"),
        (lambda: fz.factorize_activations(np.ones((3, 0, 3))), "must not be empty"),
        (lambda: fz.factorize_activations(np.full((2, 2, 2), np.nan)), "must be finite"),
        (lambda: fz.factorize_activations(-GOOD), "non-negative, got values down to -1.*ReLU"),
        (lambda: fz.factorize_activations(GOOD, 0), "k must be a whole number of at least 1"),
        (lambda: fz.factorize_jointly([]), "got no activations"),
        (lambda: fz.factorize_jointly([GOOD, np.ones((5, 3, 3))]), "got channels 4, 5"),
        (lambda: fz.project_onto(GOOD, np.ones((2, 5))), "same number of channels, got 4 and 5"),
        (lambda: fz.match_parts(np.ones((2, 3)), np.ones((2, 4))), "same channels, got 3 and 4"),
        (lambda: fz.match_parts(np.ones(3), np.ones((2, 3))), "non-empty matrices"),
        (
            lambda: fz.stability(np.ones((4, 2, 2)), fz.factorize_activations(GOOD, 1)),
            r"grid \(3, 3\).*got grid \(2, 2\)",
        ),
        (
            lambda: fz.stability(GOOD, fz.factorize_activations(GOOD, 1), seeds=()),
            "0 seeds",
        ),
    ],
)
def test_wrong_arguments_are_refused_with_what_was_expected_and_got(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_importing_needs_neither_torch_nor_streamlit():
    code = "import sys, dff.factorization; print({'torch', 'streamlit'} & set(sys.modules))"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "set()"
