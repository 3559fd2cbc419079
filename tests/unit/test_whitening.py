import json

import numpy as np
import pytest

from dff.whitening import Whitening, l2_normalise


def planted(n: int = 400, channels: int = 12, seed: int = 0) -> np.ndarray:
    """Non-negative vectors with a common component and a few strong directions."""
    rng = np.random.default_rng(seed)
    return (rng.gamma(0.5, 1, (n, 5)) @ rng.random((5, channels)) + 0.1).astype(np.float32)


def projected(whitening: Whitening, vectors: np.ndarray) -> np.ndarray:
    return (l2_normalise(vectors) - whitening.mean) @ whitening.projection.T


def test_l2_normalise_keeps_zeros_and_extremes():
    rows = np.array([[3, 4], [0, 0], [1e30, 0], [0, 1e-30]], np.float32)
    unit = l2_normalise(rows)
    assert unit.dtype == np.float32
    assert np.allclose(unit, [[0.6, 0.8], [0, 0], [1, 0], [0, 1]])
    assert l2_normalise(np.array([3, 4])).tolist() == pytest.approx([0.6, 0.8])


def test_four_points_on_a_cross_have_known_directions():
    # Unit rows (c, +-a, 0) and (c, 0, +-b): mean (c', 0, 0), variances proportional to a^2, b^2.
    a, b = 0.6, 0.3
    rows = np.array([[0.8, a, 0], [0.8, -a, 0], [0, 0, 0], [0.0, 0, 0]])
    rows[2] = [np.sqrt(1 - b * b), 0, b]
    rows[3] = [np.sqrt(1 - b * b), 0, -b]
    whitening = Whitening.fit(rows, power=0.5)
    assert whitening.provenance["count"] == 4
    assert np.allclose(whitening.mean, [(0.8 + np.sqrt(1 - b * b)) / 2, 0, 0])
    assert np.allclose(whitening.projection[0], [0, 1, 0], atol=1e-6)
    # The second direction's variance is (b/a)^2 of the first: whitening multiplies it by a/b.
    assert np.allclose(whitening.projection[1], [0, 0, a / b], atol=1e-5)


def test_full_whitening_gives_equal_variances():
    vectors = planted()
    whitening = Whitening.fit(vectors, power=0.5)
    assert np.allclose(whitening.mean, l2_normalise(vectors).mean(axis=0), atol=1e-6)
    covariance = np.cov(projected(whitening, vectors).T)
    assert np.allclose(covariance / covariance[0, 0], np.eye(len(covariance)), atol=1e-3)


def test_power_shrinks_variances_by_the_exponent():
    vectors = planted()
    plain = np.diag(np.cov(projected(Whitening.fit(vectors, 0, 4), vectors).T))
    quarter = np.diag(np.cov(projected(Whitening.fit(vectors, 0.25, 4), vectors).T))
    assert (np.diff(plain) < 0).all()
    assert np.allclose(quarter / quarter[0], np.sqrt(plain / plain[0]), rtol=1e-3)


def test_dimensions_are_capped_by_what_was_seen():
    vectors = planted(6, 12)
    assert Whitening.fit(vectors, 0.5).dimensions == 5  # n - 1
    assert Whitening.fit(vectors, 0.5, 99).dimensions == 5
    assert Whitening.fit(vectors, 0.5, 3).projection.shape == (3, 12)
    # A channel that never fired has no direction: it would be noise times a thousand.
    dead = planted(100, 4)
    dead[:, 2] = 0
    whitening = Whitening.fit(dead, 0.5)
    assert whitening.dimensions == 3 and np.allclose(whitening.projection[:, 2], 0, atol=1e-6)


def test_gain_is_clipped():
    a, b = 0.6, 0.6e-4  # relative variance 1e-8, below the floor of 1e-6
    rows = [[np.sqrt(1 - a * a - b * b), s * a, t * b] for s in (1, -1) for t in (1, -1)]
    gains = np.linalg.norm(Whitening.fit(np.array(rows), 0.5).projection, axis=1)
    assert gains == pytest.approx([1, 1000], rel=1e-5)


def test_apply_returns_unit_rows_and_keeps_zeros_and_shape():
    whitening = Whitening.fit(planted(), 0.5)
    stack = planted(6).reshape(2, 3, 12)
    stack[1, 1] = 0
    out = whitening.apply(stack)
    assert out.dtype == np.float32 and out.shape == (2, 3, whitening.dimensions)
    norms = np.linalg.norm(out, axis=-1)
    assert norms[1, 1] == 0 and np.delete(norms.ravel(), 4) == pytest.approx(1, abs=1e-6)
    assert np.allclose(whitening.apply(stack[0, 0]), out[0, 0], atol=1e-6)
    assert np.allclose(whitening.apply(stack * 7), out, atol=1e-5)  # the length does not matter
    assert whitening.apply(np.zeros((0, 12), np.float32)).shape == (0, whitening.dimensions)


def test_zero_rows_do_not_count_in_the_fit():
    vectors = planted()
    more = np.concatenate([vectors, np.zeros((50, 12), np.float32)])
    one, two = Whitening.fit(vectors, 0.25), Whitening.fit(more, 0.25)
    assert np.allclose(one.projection, two.projection, atol=1e-6)
    assert two.provenance["count"] == 400


def test_identity():
    for whitening in (Whitening.identity(12), Whitening.fit(planted(), 0)):
        assert whitening.projection is None and whitening.dimensions == 12
        assert np.array_equal(whitening.apply(planted()), l2_normalise(planted()))


def test_deterministic_whatever_the_order_and_blocks():
    vectors = planted(9000)  # three blocks
    one, two = Whitening.fit(vectors, 0.25), Whitening.fit(vectors[::-1], 0.25)
    assert np.allclose(one.projection, two.projection, atol=1e-4)
    largest = np.abs(one.projection).argmax(axis=1)
    assert (one.projection[np.arange(one.dimensions), largest] > 0).all()


def test_arguments_are_not_changed():
    vectors = planted()
    before = vectors.copy()
    Whitening.fit(vectors, 0.5).apply(vectors)
    assert np.array_equal(vectors, before)


@pytest.mark.parametrize("power", [0, 0.25])
def test_save_and_load(tmp_path, power):
    whitening = Whitening.fit(planted(), power, provenance={"fitted_on": "häuser", "layer": "last"})
    whitening.save(tmp_path / "new")
    loaded = Whitening.load(tmp_path / "new")
    assert loaded.provenance == {"count": 400, "fitted_on": "häuser", "layer": "last"}
    assert (loaded.power, loaded.dimensions) == (power, whitening.dimensions)
    assert np.array_equal(loaded.apply(planted(5)), whitening.apply(planted(5)))


def test_saving_again_replaces_and_leaves_no_rest(tmp_path):
    Whitening.fit(planted(), 0.5).save(tmp_path)
    Whitening.fit(planted(), 0.25).save(tmp_path)
    assert Whitening.load(tmp_path).power == 0.25
    assert len(list(tmp_path.iterdir())) == 2


def test_a_save_that_fails_keeps_the_old_one(tmp_path):
    Whitening.fit(planted(), 0.5).save(tmp_path)
    with pytest.raises((TypeError, ValueError)):
        Whitening.fit(planted(), 0.25, provenance={"bad": object()}).save(tmp_path)
    assert Whitening.load(tmp_path).power == 0.5
    assert len(list(tmp_path.iterdir())) == 2


def test_load_refuses_missing_and_damaged(tmp_path):
    with pytest.raises(ValueError, match="no usable whitening in .*whitening.json"):
        Whitening.load(tmp_path)
    Whitening.fit(planted(), 0.5).save(tmp_path)
    array = next(tmp_path.glob("*.npy"))
    data = array.read_bytes()
    array.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ValueError, match="sha256"):
        Whitening.load(tmp_path)
    array.write_bytes(data)
    facts = json.loads((tmp_path / "whitening.json").read_text())
    for change, message in (({"version": 9}, "version 1"), ({"dimensions": 3}, "projection")):
        (tmp_path / "whitening.json").write_text(json.dumps(facts | change))
        with pytest.raises(ValueError, match=message):
            Whitening.load(tmp_path)
    outside = tmp_path.parent / "outside.npy"
    outside.write_bytes(data)
    (tmp_path / "whitening.json").write_text(json.dumps(facts | {"array": "../outside.npy"}))
    with pytest.raises(ValueError, match="FileNotFoundError"):
        Whitening.load(tmp_path)


@pytest.mark.parametrize(
    ("vectors", "power", "dimensions", "message"),
    [
        (np.ones(3), 0.5, None, r"expected \(n, channels\), got shape \(3,\)"),
        (np.full((3, 3), np.nan), 0.5, None, "finite"),
        (np.ones((3, 3)), 0.5, None, "same direction"),
        (np.ones((1, 3)), 0.5, None, "at least 2 rows that are not zero, got 1"),
        (np.zeros((5, 3)), 0.5, None, "got 0"),
        (np.eye(3), -0.1, None, "power: expected 0 to 1"),
        (np.eye(3), float("nan"), None, "power: expected 0 to 1"),
        (np.eye(3), 0.5, 0, "dimensions: expected at least 1, got 0"),
    ],
)
def test_fit_refuses(vectors, power, dimensions, message):
    with pytest.raises(ValueError, match=message):
        Whitening.fit(vectors, power, dimensions)


def test_apply_refuses():
    whitening = Whitening.fit(planted(), 0.5)
    with pytest.raises(ValueError, match=r"expected \(\.\.\., 12\), got shape \(4, 11\)"):
        whitening.apply(np.ones((4, 11)))
    with pytest.raises(ValueError, match="finite"):
        whitening.apply(np.full((4, 12), np.inf))
