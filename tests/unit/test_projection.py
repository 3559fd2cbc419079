"""The map of a collection: planted groups, ties, few pictures, and the same map every time."""

import numpy as np
import pytest

from dff.projection import FEWEST, neighbour_plane, principal_plane


def groups(count: int, size: int, spread: float = 0.1, seed: int = 0) -> np.ndarray:
    """`count` groups of unit vectors in 64 dimensions, one after another."""
    rng = np.random.default_rng(seed)
    centres = np.eye(64)[:count]
    vectors = np.repeat(centres, size, axis=0) + spread * rng.normal(size=(count * size, 64)) / 8
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_neighbours_on_the_map_are_of_the_same_group():
    size, count = 20, 6
    points = neighbour_plane(groups(count, size))
    assert points.shape == (count * size, 2) and points.dtype == np.float32
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = distances.argsort(axis=1)[:, :5] // size
    own = np.arange(count * size)[:, None] // size
    assert (nearest == own).mean() > 0.98


def test_the_map_fills_its_frame_and_is_the_same_every_time():
    vectors = groups(3, 12)
    before = vectors.copy()
    points = neighbour_plane(vectors)
    np.testing.assert_array_equal(points, neighbour_plane(vectors))
    np.testing.assert_array_equal(vectors, before)
    np.testing.assert_allclose(points.min(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(points.max(axis=0), 1, atol=1e-6)


def test_few_pictures_lie_along_their_principal_directions():
    angles = np.radians([0, 10, 20, 90])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points = principal_plane(vectors)
    # Halfway between values and ranks, along the first direction.
    order = points[:, 0].argsort()
    assert order.tolist() in ([0, 1, 2, 3], [3, 2, 1, 0])
    assert len(vectors) < FEWEST
    np.testing.assert_array_equal(neighbour_plane(vectors), points)


@pytest.mark.parametrize("arrange", [principal_plane, neighbour_plane])
@pytest.mark.parametrize("count", [0, 1, 2, 30])
def test_equal_pictures_lie_in_one_place(arrange, count):
    points = arrange(np.ones((count, 5), np.float32))
    assert points.shape == (count, 2) and (points == 0.5).all()


@pytest.mark.parametrize("arrange", [principal_plane, neighbour_plane])
def test_copies_lie_together_and_a_picture_without_descriptor_breaks_nothing(arrange):
    vectors = groups(2, 10)
    vectors[3] = vectors[4]
    vectors[7] = 0
    points = arrange(vectors)
    assert np.isfinite(points).all()
    assert np.linalg.norm(points[3] - points[4]) < 0.15


@pytest.mark.parametrize("arrange", [principal_plane, neighbour_plane])
def test_what_cannot_be_arranged_is_refused(arrange):
    with pytest.raises(ValueError, match=r"expected \(n, dimensions\), got shape \(4,\)"):
        arrange(np.zeros(4))
    with pytest.raises(ValueError, match="expected finite numbers"):
        arrange(np.full((4, 4), np.nan))
