"""Rectangles of cells, and what is pooled inside them."""

import math
from collections.abc import Callable, Sequence

import numpy as np

Window = tuple[int, int, int, int]  # (top, left, height, width) in cells


def positions(room: int, count: int) -> list[int]:
    """`count` starts from 0 to `room`, evenly spaced, rounded down; a single one in the middle."""
    if count == 1:
        return [math.floor(room / 2)]
    return [math.floor(room * i / (count - 1)) for i in range(count)]


def masks(windows: Sequence[Window], grid: tuple[int, int]) -> np.ndarray:
    """1 inside each window, 0 outside: (r, rows, columns) float32."""
    found = np.zeros((len(windows), *grid), np.float32)
    for mask, window in zip(found, windows, strict=True):
        mask[_inside(window)] = 1
    return found


def pooled(
    activations: np.ndarray, windows: Sequence[Window], pool: Callable[..., np.ndarray]
) -> np.ndarray:
    """One vector a window: (r, channels) float32.

    activations: (channels, rows, columns). pool: np.max or np.mean, over the cells of a window.
    """
    found = np.empty((len(windows), len(activations)), np.float32)
    for vector, window in zip(found, windows, strict=True):
        vector[:] = pool(activations[:, *_inside(window)], axis=(1, 2))
    return found


def _inside(window: Window) -> tuple[slice, slice]:
    top, left, height, width = window
    return slice(top, top + height), slice(left, left + width)
