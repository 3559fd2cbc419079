"""The classic saliency methods, beside which DFF's heatmaps and boxes are shown and measured.

*Summed activations* need nothing but a layer. *CAM* (Zhou et al., CVPR 2016) and *Grad-CAM*
(Selvaraju et al., ICCV 2017) show what spoke for one class of the network's own classifier. *AML*
(Tolias, Sicre & Jégou, ICLR 2016) looks for a query in a picture: the window whose max-pooled
activations are most like the query's. Activations come from `Backbone.activations`, gradients from
`Backbone.gradient`; `dff.localization.locate` finds the box around a heatmap.
"""

import math

import numpy as np

from dff.geometry import WHOLE, Box, Extent, check_box
from dff.nmf import check_nonnegative

# AML, all but the last two as in its authors' code.
POWER = 10  # of the generalised mean that stands for the maximum
ASPECT_LIMIT = 1.1  # the factor by which a window's aspect may differ from the query's
REFINEMENT_STEPS = (3, 2, 1)  # cells by which sides are moved
REFINEMENT_SWEEPS = 5  # over the four sides with each step, at most
EQUAL = 1e-6  # cosines that are no further apart are equal
# A smaller share of a channel's sum may be nothing but the integral image's rounding, of which the
# tenth root would make up to 5 % of the channel's maximum.
ROUNDING = 1e-13

_CHUNK = 256  # windows that are pooled at a time, so that their vectors stay in the cache

# (row0, column0, row1, column1) in cells, row1 and column1 exclusive
Window = tuple[int, int, int, int]


def summed_activations(activations: np.ndarray) -> np.ndarray:
    """The sum over the channels: (channels, rows, columns) -> (rows, columns) float32."""
    _check(activations, "activations")
    return np.asarray(activations.sum(axis=0, dtype=np.float64), np.float32)


def top_classes(probabilities: np.ndarray, count: int = 1) -> list[int]:
    """The `count` most probable classes of (classes,) probabilities, most probable first.

    For `cam`, the classifier's answer to the whole picture:
    `backbone.classify(activations.mean(axis=(1, 2))[None])[0]`. On ties the lower class wins.
    """
    if probabilities.ndim != 1 or not np.isfinite(probabilities).all():
        raise ValueError(
            f"probabilities: expected (classes,) finite numbers, got shape {probabilities.shape}"
        )
    if not 1 <= count <= len(probabilities):
        raise ValueError(f"count: expected 1 to {len(probabilities)}, got {count}")
    return [int(index) for index in np.argsort(-probabilities, kind="stable")[:count]]


def cam(activations: np.ndarray, class_weights_row: np.ndarray) -> np.ndarray:
    """Class activation map: the sum of the channels, weighted for one class, rectified.

    activations: (channels, rows, columns) of the layer whose mean is the classifier's input.
    class_weights_row: (channels,), one row of `Backbone.class_weights`.
    Returns (rows, columns) float32 >= 0.

    The bias is left out, as in the paper. The paper keeps negative values, which speak against the
    class; here they are zero, as in Grad-CAM, so that both can be drawn and compared.
    """
    _check(activations, "activations")
    if class_weights_row.shape != activations.shape[:1]:
        raise ValueError(
            f"class_weights_row: expected ({len(activations)},), got {class_weights_row.shape}"
        )
    if not np.isfinite(class_weights_row).all():
        raise ValueError("class_weights_row: expected finite numbers, got NaN or infinity")
    weighted = np.tensordot(class_weights_row, activations, axes=1)
    return np.maximum(weighted, 0).astype(np.float32)


def grad_cam(activations: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Grad-CAM: the sum of the channels, weighted by their mean gradient, rectified.

    activations, gradient: (channels, rows, columns) of any layer, from `Backbone.gradient`.
    Returns (rows, columns) float32 >= 0. For the layer whose mean is the classifier's input it is
    `cam` divided by the number of positions.
    """
    _check(gradient, "gradient")
    if gradient.shape != activations.shape:
        raise ValueError(f"gradient: expected {activations.shape}, got {gradient.shape}")
    return cam(activations, gradient.mean(axis=(1, 2), dtype=np.float64))


def max_pooled(activations: np.ndarray, window: Window | None = None) -> np.ndarray:
    """The maximum of every channel in a window of cells, or everywhere: (channels,) float32.

    activations: (channels, rows, columns). Raises ValueError for a window that is empty or leaves
    the grid.
    """
    _check(activations, "activations")
    row0, column0, row1, column1 = (
        (0, 0, *activations.shape[1:])
        if window is None
        else _check_window(window, activations.shape[1:])
    )
    pooled = activations[:, row0:row1, column0:column1].max(axis=(1, 2))
    return np.asarray(pooled, np.float32)


def aml(
    activations: np.ndarray, query: np.ndarray, aspect: float | None = None, *, step: int = 1
) -> tuple[Window, float]:
    """Approximate max-pooling localisation: the window most like a query, and its cosine.

    activations: (channels, rows, columns) >= 0 of the picture that is searched.
    query: (channels,), `max_pooled` of what is searched for, not whitened.
    aspect: rows / columns of what is searched for. The search passes over windows whose aspect
        differs by more than a factor of 1.1 (or more than that of the nearest one); the refinement
        does not. None searches all windows, about ten times as many.
    step: by how many cells the windows of the search differ in place and size.

    A window's vector is (sum of x^10)^(1/10) over its cells, nearly their maximum, which four
    look-ups in an integral image give. From the best window on, each side in turn is moved by 3,
    then 2, then 1 cells as long as that helps. If no window is like the query, the answer is the
    whole map and 0.

    Departures from the paper: a step of 1 instead of 3, and windows from one cell on instead of
    two, since our grids are coarser than theirs; activations are not quantised; where windows match
    equally well, the smallest is taken instead of the first: empty cells around what was found
    change no maximum.
    """
    _check(activations, "activations")
    check_nonnegative(activations, "activations")
    if query.shape != activations.shape[:1] or not np.isfinite(query).all():
        raise ValueError(
            f"query: expected ({len(activations)},) finite numbers, got shape {query.shape}"
        )
    if aspect is not None and not (math.isfinite(aspect) and aspect > 0):
        raise ValueError(f"aspect: expected a number above 0, got {aspect}")
    if step < 1:
        raise ValueError(f"step: expected at least 1 cell, got {step}")
    _, rows, columns = activations.shape
    integral = _integral(activations)
    length = float(np.linalg.norm(query.astype(np.float64)))
    unit = (query / (length if length > 0 else 1)).astype(np.float32)
    window, cosine = _best(integral, unit, _windows(rows, columns, aspect, step))
    window, cosine = _refined(integral, unit, window, cosine)
    return (window, cosine) if cosine > 0 else ((0, 0, rows, columns), 0.0)


def window_of_box(
    box: Box, grid: tuple[int, int], size: tuple[int, int], extent: Extent = WHOLE
) -> Window:
    """The window of cells that is nearest to a box; at least one cell.

    box: (x0, y0, x1, y1) pixels of a picture of `size` (width, height). grid: (rows, columns).
    extent: what the grid covers, from `grid_extent`. Raises ValueError as `check_box` does.
    """
    x0, y0, x1, y1 = check_box(box, *size)
    row0, row1 = _nearest(y0, y1, size[1], (extent[1], extent[3]), grid[0])
    column0, column1 = _nearest(x0, x1, size[0], (extent[0], extent[2]), grid[1])
    return row0, column0, row1, column1


def box_of_window(
    window: Window, grid: tuple[int, int], size: tuple[int, int], extent: Extent = WHOLE
) -> Box:
    """The box of a window of cells, cut to the picture; at least one pixel. See `window_of_box`.

    Raises ValueError for a window that is empty or leaves the grid.
    """
    row0, column0, row1, column1 = _check_window(window, grid)
    x0, x1 = _nearest(column0, column1, grid[1], _inverse(extent[0], extent[2]), size[0])
    y0, y1 = _nearest(row0, row1, grid[0], _inverse(extent[1], extent[3]), size[1])
    return x0, y0, x1, y1


# --- AML's search ----------------------------------------------------------------------


def _integral(activations: np.ndarray) -> np.ndarray:
    """Sums of x^10 over all cells above and left: (rows + 1, columns + 1, channels) float64.

    x is relative to the largest activation: cosines do not mind, and nothing overflows.
    """
    channels, rows, columns = activations.shape
    top = float(activations.max())
    x = np.moveaxis(activations, 0, -1).astype(np.float64) / (top if top > 0 else 1)
    integral = np.zeros((rows + 1, columns + 1, channels))
    integral[1:, 1:] = (x**POWER).cumsum(axis=0).cumsum(axis=1)
    return integral


def _windows(rows: int, columns: int, aspect: float | None, step: int) -> np.ndarray:
    """The windows of the search: (n, 4) int, at least one."""
    row0, row1 = _spans(rows, step)
    column0, column1 = _spans(columns, step)
    down, across = (one.ravel() for one in np.indices((len(row0), len(column0))))
    windows = np.stack([row0[down], column0[across], row1[down], column1[across]], axis=1)
    if aspect is not None:
        ratios = (windows[:, 2] - windows[:, 0]) / (windows[:, 3] - windows[:, 1])
        differences = np.abs(np.log(ratios / aspect))
        windows = windows[differences <= max(math.log(ASPECT_LIMIT), differences.min())]
    return windows


def _spans(cells: int, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the windows start and end along one side: all sizes from one cell on."""
    starts, ends = np.meshgrid(np.arange(0, cells, step), np.arange(1, cells + 1), indexing="ij")
    wanted = (ends > starts) & ((ends - starts - 1) % step == 0)
    return starts[wanted], ends[wanted]


def _best(integral: np.ndarray, unit: np.ndarray, windows: np.ndarray) -> tuple[Window, float]:
    """The smallest of the windows (n, 4) that are most like the query, the first on ties."""
    cosines = np.concatenate(
        [
            _cosines(integral, unit, windows[start : start + _CHUNK])
            for start in range(0, len(windows), _CHUNK)
        ]
    )
    areas = (windows[:, 2] - windows[:, 0]) * (windows[:, 3] - windows[:, 1])
    best = int(np.argmin(np.where(cosines >= cosines.max() - EQUAL, areas, np.inf)))
    row0, column0, row1, column1 = (int(v) for v in windows[best])
    return (row0, column0, row1, column1), float(cosines[best])


def _cosines(integral: np.ndarray, unit: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """Cosines (n,) of a query of unit length with windows (n, 4); 0 for those that hold nothing."""
    row0, column0, row1, column1 = windows.T
    sums = integral[row1, column1] - integral[row0, column1]
    sums -= integral[row1, column0]
    sums += integral[row0, column0]
    sums[sums < ROUNDING * integral[-1, -1]] = 0
    pooled = sums.astype(np.float32) ** np.float32(1 / POWER)
    lengths = np.linalg.norm(pooled, axis=1)
    cosines = np.zeros(len(windows), np.float32)
    np.divide(pooled @ unit, lengths, out=cosines, where=lengths > 0)
    return cosines


def _refined(
    integral: np.ndarray, unit: np.ndarray, window: Window, cosine: float
) -> tuple[Window, float]:
    """Coordinate descent over the window's four sides, with ever smaller steps."""
    low, high = np.zeros(4, int), np.array(integral.shape[:2] * 2) - 1
    for step in REFINEMENT_STEPS:
        for _ in range(REFINEMENT_SWEEPS):
            before = window
            for move in np.eye(4, dtype=int) * step:
                moved = window + np.array([0 * move, -move, move])
                inside = ((moved >= low) & (moved <= high)).all(axis=1)
                moved = moved[inside & (moved[:, :2] < moved[:, 2:]).all(axis=1)]
                window, cosine = _best(integral, unit, moved)
            if window == before:
                break
    return window, cosine


# --- checks and cells ------------------------------------------------------------------


def _check(array: np.ndarray, name: str) -> None:
    if array.ndim != 3 or 0 in array.shape:
        raise ValueError(f"{name}: expected (channels, rows, columns), got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")


def _check_window(window: Window, grid: tuple[int, ...]) -> Window:
    row0, column0, row1, column1 = window
    rows, columns = grid
    if not (0 <= row0 < row1 <= rows and 0 <= column0 < column1 <= columns):
        raise ValueError(
            f"window: expected 0 <= row0 < row1 <= {rows} and 0 <= column0 < column1 <= {columns}, "
            f"got {window}"
        )
    return window


def _nearest(
    low: int, high: int, length: int, span: tuple[float, float], cells: int
) -> tuple[int, int]:
    """The cells nearest to low..high, of `cells` that cover `span`, in units of `length`."""
    first, last = (
        math.floor((v / length - span[0]) / (span[1] - span[0]) * cells + 0.5) for v in (low, high)
    )
    first = min(max(first, 0), cells - 1)
    return first, min(max(last, first + 1), cells)


def _inverse(low: float, high: float) -> tuple[float, float]:
    """What a picture covers, as shares of its grid, from what the grid covers."""
    return (0 - low) / (high - low), (1 - low) / (high - low)
