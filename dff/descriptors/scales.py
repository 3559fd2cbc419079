"""One picture at several input sizes: the regions of all of them as one descriptor.

For any family, after the multi-scale evaluation of R-MAC and GeM (Radenović et al., TPAMI 2018),
who sum the descriptors of three sizes. Here the sizes' regions stand side by side, so that a score
is still a sum over regions that can be shown.
"""

from collections.abc import Sequence

import numpy as np

from dff.descriptors.base import Regions


def across_scales(scales: Sequence[Regions]) -> Regions:
    """The regions of several sizes of one picture, together, each size counting equally.

    scales: what one family gives for the views of one picture, at least one. The weights of each
    size are divided by their sum and by the number of sizes. Heatmaps are brought to the grid of
    the first size: they shrink by averaging areas and grow bilinearly. (Grids of different sizes
    reach past the picture's border by different parts of a cell; this is ignored.) There are none
    if one of the sizes has none. Raises ValueError without sizes, or for different channels.
    """
    channels = sorted({regions.vectors.shape[1] for regions in scales})
    if len(channels) != 1:
        got = f"channels {', '.join(map(str, channels))}" if channels else "none"
        raise ValueError(f"scales: expected at least one, of one network and layer, got {got}")
    weights = [_shares(regions.weights) / len(scales) for regions in scales]
    maps = [regions.heatmaps for regions in scales if regions.heatmaps is not None]
    return Regions(
        np.concatenate([regions.vectors for regions in scales]),
        np.concatenate(weights).astype(np.float32),
        _on_one_grid(maps) if len(maps) == len(scales) else None,
    )


def _shares(weights: np.ndarray) -> np.ndarray:
    total = weights.sum(dtype=np.float64)
    shares: np.ndarray = weights / (total if total > 0 else 1)
    return shares


def _on_one_grid(maps: Sequence[np.ndarray]) -> np.ndarray:
    """(r, rows, columns) of any grids -> all of them on the grid of the first."""
    import cv2

    rows, columns = maps[0].shape[1:]
    resized = []
    for heatmap in (one for size in maps for one in size):
        shrinks = heatmap.shape[0] >= rows and heatmap.shape[1] >= columns
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        resized.append(cv2.resize(heatmap, (columns, rows), interpolation=how))
    return np.array(resized, np.float32).reshape(-1, rows, columns)
