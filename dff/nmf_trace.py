"""Every state of a factorization on its way: for looking at how the solvers of `dff.nmf` work."""

from dataclasses import dataclass
from itertools import islice

import numpy as np

from dff.nmf import SOLVERS, initialise
from dff.nmf_arrays import as_count, as_matrix, copy_rows, scaled


@dataclass(frozen=True, eq=False)
class Trace:
    """What `trace` saw: state 0 is the start, state t what iteration t left.

    coefficients: (iterations + 1, n, k), basis: (iterations + 1, k, channels), both in the dtype of
    the positions and neither normalised. error_curve: (iterations + 1,) float64, as in
    `dff.nmf.Solution`.
    """

    coefficients: np.ndarray
    basis: np.ndarray
    error_curve: np.ndarray

    @property
    def iterations(self) -> int:
        """How many iterations were run."""
        return len(self.error_curve) - 1


def trace(
    positions: np.ndarray,
    k: int,
    *,
    solver: str = "mu",
    init: str = "random",
    seed: int = 0,
    iterations: int = 30,
) -> Trace:
    """Run `iterations` steps of a solver on positions (n, channels) and keep every state.

    The steps are those of `dff.nmf.solve` with the same solver, start and seed, which does not
    stop early here. All-zero positions have one state, zeros. Raises ValueError for wrong
    arguments.
    """
    positions = as_matrix(np.asarray(positions), "positions")
    k, iterations = as_count(k, "k"), as_count(iterations, "iterations")
    if solver not in SOLVERS:
        raise ValueError(f"solver must be one of {', '.join(SOLVERS)}, got {solver!r}")
    coefficients, basis = initialise(positions, k, init, seed)
    if not positions.any():
        return Trace(
            np.zeros_like(coefficients)[None], np.zeros_like(basis)[None], np.zeros(1, np.float64)
        )
    unit, scale = scaled(positions)
    rows, basis = copy_rows(coefficients.T) / scale, copy_rows(basis)
    seen_rows, seen_basis, curve = [], [], []
    # The solver improves both arrays in place, one iteration an error.
    for error in islice(SOLVERS[solver](unit, rows, basis), iterations + 1):
        seen_rows.append(rows.T * scale)
        seen_basis.append(basis.copy())
        curve.append(error)
    return Trace(np.stack(seen_rows), np.stack(seen_basis), np.array(curve, np.float64))
