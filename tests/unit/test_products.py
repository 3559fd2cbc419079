"""Blocks, threads and half precision change nothing but the time."""

import numpy as np
import pytest

from dff import products as module
from dff.products import multiply, products


def vectors(rows: int, dimensions: int = 24) -> np.ndarray:
    return np.random.default_rng(rows).standard_normal((rows, dimensions)).astype(np.float32)


def test_by_hand():
    left = np.array([[1, 2], [3, 4], [0, -1]], np.float32)
    assert products(left, np.array([[1], [10]])).tolist() == [[21], [43], [-10]]


@pytest.mark.parametrize("rows", [0, 1, 15, 16, 100])
@pytest.mark.parametrize("columns", [1, 7])
def test_blocks_and_threads(monkeypatch, rows, columns):
    monkeypatch.setattr(module, "CHUNK", 32)
    monkeypatch.setattr(module, "SMALL", 24 * columns * 48)
    monkeypatch.setattr(module, "cores", lambda: 3)
    left, right = vectors(rows), vectors(columns).T
    found = products(left, right)
    assert found.dtype == np.float32 and found.shape == (rows, columns)
    np.testing.assert_allclose(found, left.astype(np.float64) @ right, atol=1e-5)


def test_some_rows():
    left, right = vectors(50), np.ascontiguousarray(vectors(3).T)
    rows = np.array([0, 3, 4, 49])
    out = np.empty((4, 3), np.float32)
    multiply(left, right, out, rows)
    np.testing.assert_allclose(out, left[rows] @ right, atol=1e-5)


def test_every_finite_half_is_widened_exactly():
    bits = np.arange(2**16, dtype=np.uint16)
    half = bits.view(np.float16)
    half = half[np.isfinite(half)][:, None]
    one = np.ones((1, 1), np.float32)
    np.testing.assert_array_equal(products(half, one)[:, 0], half[:, 0].astype(np.float32))


def test_an_error_in_a_thread_is_raised():
    with pytest.raises(ValueError, match="shapes"):
        products(vectors(20_000), np.ones((5, 2), np.float32))
