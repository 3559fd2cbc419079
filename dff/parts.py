"""What the rest of the package passes around: the parts of one picture, with their place in it."""

from dataclasses import dataclass, replace

import numpy as np

from dff.factorization import Factorization
from dff.geometry import WHOLE, Box, Extent, heat_on_picture


@dataclass(frozen=True, eq=False)
class Parts:
    """The factors of one picture, in the picture's own coordinates.

    heatmaps: (k, rows, columns) float32 >= 0. basis: (k, channels) float32, unit rows, zero for
    dead parts. energy: (k,) float32, shares of the picture's energy. width, height: pixels of the
    upright original. box: the rectangle that was factorized, None for the whole picture.
    extent: what the grid covers, as shares of that rectangle (see `dff.geometry.grid_extent`).
    blocks: the channels of each layer, where they are known; several where they are joined.
    """

    heatmaps: np.ndarray
    basis: np.ndarray
    energy: np.ndarray
    width: int
    height: int
    extent: Extent = WHOLE
    box: Box | None = None
    blocks: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        factorization: Factorization,
        size: tuple[int, int],
        extent: Extent,
        box: Box | None = None,
        blocks: tuple[int, ...] = (),
    ) -> "Parts":
        """The parts of a factorization of a picture of `size` (width, height)."""
        return cls(
            heatmaps=factorization.heatmaps,
            basis=factorization.basis,
            energy=factorization.energy,
            width=size[0],
            height=size[1],
            extent=extent,
            box=box,
            blocks=blocks,
        )

    @property
    def k(self) -> int:
        """Number of parts, dead ones included."""
        return len(self.heatmaps)

    @property
    def dead(self) -> np.ndarray:
        """(k,) bool: parts that hold nothing."""
        return np.asarray(~self.basis.any(axis=1))

    @property
    def deepest_energy(self) -> np.ndarray:
        """(k,) float32: the parts' shares of energy in the deepest of the joined layers, which
        knows things better than grounds; `energy` where no layers are known."""
        if not self.blocks:
            return self.energy
        return _energy(self.heatmaps, self.basis[:, -self.blocks[-1] :])

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, columns) of the heatmaps."""
        return self.heatmaps.shape[1], self.heatmaps.shape[2]

    def with_heatmaps(self, heatmaps: np.ndarray, basis: np.ndarray) -> "Parts":
        """The same picture seen in other parts: heatmaps (j, rows, columns), basis (j, channels).

        Energies are recomputed from them.
        """
        return replace(self, heatmaps=heatmaps, basis=basis, energy=_energy(heatmaps, basis))

    def on_picture(self, heatmap: np.ndarray, longest: int) -> np.ndarray:
        """A heatmap (rows, columns) over the whole picture, its longest side `longest` pixels.

        Outside the box, if there is one, it is zero. Returns (height, width) float32.
        """
        scale = longest / max(self.width, self.height)
        width, height = max(1, round(self.width * scale)), max(1, round(self.height * scale))
        if self.box is None:
            return heat_on_picture(heatmap, width, height, self.extent)
        x0, y0, x1, y1 = (round(v * scale) for v in self.box)
        x0, y0 = min(x0, width - 1), min(y0, height - 1)
        x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
        canvas = np.zeros((height, width), np.float32)
        canvas[y0:y1, x0:x1] = heat_on_picture(heatmap, x1 - x0, y1 - y0, self.extent)
        return canvas


def _energy(heatmaps: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Shares <HW, h_j w_j> / ||HW||^2 (k,) float32 of heatmaps (k, rows, columns) and a basis."""
    flat = heatmaps.reshape(len(heatmaps), -1).astype(np.float64)
    shares = ((flat @ flat.T) * (basis @ basis.T)).sum(axis=1)
    total = shares.sum()
    found: np.ndarray = (shares / total if total > 0 else np.zeros_like(shares)).astype(np.float32)
    return found
