"""Activations -> `Factorization`: where the k parts of a picture are, and what each one is.

Activations (channels, rows, columns) become positions (rows * columns, channels), which are
factorized as heatmaps times basis (Collins, Achanta & Süsstrunk, "Deep Feature Factorization
for Concept Discovery", ECCV 2018). One picture is the joint factorization of one picture:
there is one definition of everything. All arrays here are NumPy.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from dff import nmf
from dff.nmf import DEFAULT_INIT, TOLERANCE, Progress
from dff.nmf_arrays import blocks, scaled, square_sum

# A part with less than this share of the energy is noise that must not be shown, or it would
# look like any other once its basis has unit length.
DEAD_SHARE = 1e-6

NEGATIVE_HINT = ": choose a layer that ends in a ReLU"


class Network(Protocol):
    """What `factorize` needs of a backbone."""

    layer: str

    def activations(self, picture: np.ndarray, size: int | None = None) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Factorization:
    """k parts of one picture, by falling energy, dead ones last.

    heatmaps: (k, rows, columns) float32 >= 0, where each part is, and how strongly.
    basis: (k, channels) float32 >= 0, what each part is: rows of unit length, so that all
        scale is in the heatmaps. Rows of dead parts, and their heatmaps, are zero.
    energy: (k,) float32, each part's share <HW, h_j w_j> / ||HW||^2. Sums to 1 (to 0 if all
        parts are dead).
    explained: 1 - ||A - HW||^2 / ||A||^2. error: ||A - HW|| / ||A||. Of all-zero activations
        nothing is left over: explained 1, error 0. Frobenius norms whatever the solver, so that
        solvers can be compared. "kl" does not minimise them: its explained share is lower, and
        can be negative.
    error_curve: (iterations + 1,) float32, what the solver minimises, before the first iteration
        and after each one (of a joint factorization: over all its pictures): the error, or with
        solver "kl" the Kullback-Leibler divergence over the sum of the activations, in nats.
    dead: (k,) bool, energy under one millionth (of a joint factorization: over all its
        pictures; a part that is merely absent from one picture is not dead).
    iterations, seed, solver, init: how it was made.
    """

    heatmaps: np.ndarray
    basis: np.ndarray
    energy: np.ndarray
    explained: float
    error: float
    error_curve: np.ndarray
    iterations: int
    dead: np.ndarray
    seed: int
    solver: str
    init: str

    @property
    def k(self) -> int:
        """Number of parts, dead ones included."""
        return len(self.heatmaps)

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, columns) of the heatmaps."""
        return self.heatmaps.shape[1], self.heatmaps.shape[2]


def factorize(
    picture: np.ndarray, k: int = 4, *, backbone: Network, size: int | None = None, **options: Any
) -> Factorization:
    """Factorize one picture, uint8 (height, width, 3).

    backbone: from `load_backbone`; size: longest side in pixels at which it sees the picture,
    by default the backbone's own. options: those of `factorize_activations`.
    Raises ValueError naming the layer if its activations are negative or not finite.
    """
    activations = backbone.activations(picture, size)
    nmf.check_nonnegative(activations, f"activations of layer {backbone.layer}", NEGATIVE_HINT)
    return factorize_activations(activations, k, **options)


def factorize_activations(
    activations: np.ndarray,
    k: int = 4,
    *,
    solver: str = "hals",
    init: str = DEFAULT_INIT,
    seed: int = 0,
    tolerance: float = TOLERANCE,
    max_iterations: int = 200,
    progress: Progress | None = None,
) -> Factorization:
    """Factorize the activations (channels, rows, columns) >= 0 of one picture.

    The options are those of `dff.nmf.solve`: solver is "hals", "mu" or "kl". Only
    init="random" depends on `seed`.
    Raises ValueError for activations of another shape, empty, negative or not finite.
    """
    return factorize_jointly(
        [activations],
        k,
        solver=solver,
        init=init,
        seed=seed,
        tolerance=tolerance,
        max_iterations=max_iterations,
        progress=progress,
    )[0]


def factorize_jointly(
    stack: Sequence[np.ndarray],
    k: int = 4,
    *,
    solver: str = "hals",
    init: str = DEFAULT_INIT,
    seed: int = 0,
    tolerance: float = TOLERANCE,
    max_iterations: int = 200,
    progress: Progress | None = None,
) -> list[Factorization]:
    """Factorize several pictures at once, so that part j means the same in each of them.

    stack: activations (channels, rows, columns) >= 0; grids may differ, channels may not.
    Returns one Factorization a picture. All share the basis, the order of its parts (by
    energy over all pictures), `dead` and the error curve; heatmaps, energy, explained and
    error are each picture's own. Options and errors as in `factorize_activations`.
    """
    checked = [_check_activations(activations) for activations in stack]
    channels = sorted({activations.shape[0] for activations in checked})
    if len(channels) != 1:
        got = f"channels {', '.join(map(str, channels))}" if channels else "no activations"
        raise ValueError(f"a joint factorization needs one network and layer, got {got}")
    pictures = [activations.reshape(len(activations), -1) for activations in checked]
    solution = nmf.solve(
        (np.concatenate(pictures, axis=1) if len(pictures) > 1 else pictures[0]).T,
        k,
        solver=solver,
        init=init,
        seed=seed,
        tolerance=tolerance,
        max_iterations=max_iterations,
        progress=progress,
    )
    coefficients, basis, dead = _normalise(solution.coefficients, solution.basis)
    ends = np.cumsum([picture.shape[1] for picture in pictures])
    parts = []
    for activations, picture, own in zip(
        checked, pictures, np.split(coefficients, ends[:-1]), strict=True
    ):
        heat = np.ascontiguousarray(own.T)
        error = _relative_error(picture, heat, basis)
        parts.append(
            Factorization(
                heatmaps=heat.reshape(-1, *activations.shape[1:]),
                basis=basis,
                energy=_energy(own, basis).astype(np.float32),
                explained=1 - error**2,
                error=error,
                error_curve=solution.error_curve.astype(np.float32),
                iterations=solution.iterations,
                dead=dead,
                seed=seed,
                solver=solver,
                init=init,
            )
        )
    return parts


def project_onto(activations: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Heatmaps (k, rows, columns) float32 of activations on a given basis (k, channels).

    The non-negative least squares fit: where parts found in other pictures are in this one.
    Dead (all-zero) basis rows get zero heatmaps. Raises ValueError for wrong arguments.
    """
    activations = _check_activations(activations)
    coefficients = nmf.project(_as_positions(activations), np.asarray(basis, dtype=np.float32))
    return np.ascontiguousarray(coefficients.T).reshape(-1, *activations.shape[1:])


def stability(
    activations: np.ndarray, factorization: Factorization, *, seeds: Sequence[int] = (1, 2, 3)
) -> np.ndarray:
    """How surely each part is found again from random starts: (k,) float32 in 0..1.

    For each part the lowest, over `seeds`, cosine between its heatmap and the one paired with
    it in a factorization from a random start. Pairs are one to one, the most similar first.
    Dead parts get 0. Raises ValueError if the activations do not fit.
    """
    activations = _check_activations(activations)
    if activations.shape[1:] != factorization.grid or len(seeds) == 0:
        raise ValueError(
            f"stability needs activations on the factorization's grid {factorization.grid} and "
            f"at least one seed, got grid {activations.shape[1:]} and {len(seeds)} seeds"
        )
    k = factorization.k
    reference = _unit_rows(factorization.heatmaps.reshape(k, -1))
    lowest = np.ones(k, dtype=np.float32)
    for seed in seeds:
        again = factorize_activations(
            activations, k, solver=factorization.solver, init="random", seed=seed
        )
        cosines = reference @ _unit_rows(again.heatmaps.reshape(k, -1)).T
        lowest = np.minimum(lowest, cosines[np.arange(k), _pair(cosines)])
    return lowest


def match_parts(reference_basis: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """For each row of `basis` (k, channels) its row in `reference_basis` (r, channels).

    One to one, the pair of highest cosine first, so that the surest matches are kept. Returns
    (k,) integers: below r, the reference row; rows left over when k > r are numbered r, r + 1,
    ... in their order. With a reference in the order of colours, the answer is the colours.
    Raises ValueError for wrong shapes.
    """
    if reference_basis.ndim != 2 or basis.ndim != 2 or 0 in (*reference_basis.shape, *basis.shape):
        raise ValueError(
            "both bases must be non-empty matrices (parts, channels), got shapes "
            f"{reference_basis.shape} and {basis.shape}"
        )
    if reference_basis.shape[1] != basis.shape[1]:
        raise ValueError(
            f"both bases must have the same channels, got {reference_basis.shape[1]} and "
            f"{basis.shape[1]}: use the same network and layer for both"
        )
    match = _pair(_unit_rows(basis) @ _unit_rows(reference_basis).T)
    new = match < 0
    match[new] = len(reference_basis) + np.arange(np.count_nonzero(new))
    return match


# --- pieces ----------------------------------------------------------------------------


def _check_activations(activations: np.ndarray) -> np.ndarray:
    activations = np.asarray(activations, dtype=np.float32)
    if activations.ndim != 3:
        raise ValueError(
            f"activations must be (channels, rows, columns), got shape {activations.shape}"
        )
    nmf.check_nonnegative(activations, "activations", NEGATIVE_HINT)
    return activations


def _as_positions(activations: np.ndarray) -> np.ndarray:
    return activations.reshape(activations.shape[0], -1).T


def _normalise(
    coefficients: np.ndarray, basis: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit basis rows with the scale in the coefficients, dead parts zero, order by energy."""
    energy = _energy(coefficients, basis)
    order = np.argsort(-energy, kind="stable")
    dead = energy[order] < DEAD_SHARE
    lengths = np.linalg.norm(basis, axis=1)[order]
    coefficients = coefficients[:, order] * np.where(dead, 0, lengths)
    basis = np.where(dead[:, None], 0, _unit_rows(basis[order]))
    return coefficients.astype(np.float32), basis.astype(np.float32), dead


def _energy(coefficients: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Shares <HW, h_j w_j> / ||HW||^2, (k,) float64."""
    coefficients, basis = coefficients.astype(np.float64), basis.astype(np.float64)
    parts = np.sum((coefficients.T @ coefficients) * (basis @ basis.T), axis=1)
    total = parts.sum()
    return parts / total if total > 0 else np.zeros_like(parts)


def _relative_error(picture: np.ndarray, heat: np.ndarray, basis: np.ndarray) -> float:
    """||A - HW|| / ||A|| of a picture (channels, n), from what is left over: near zero, too, it
    has all its digits, unlike the solver's. heat: (k, n), basis: (k, channels)."""
    picture, scale = scaled(picture)  # squares of tiny or huge values are not numbers
    if scale == 0:
        return 0.0
    heat = heat / scale
    left = 0.0
    for some in blocks(len(picture), heat.size):
        left += square_sum(picture[some] - basis[:, some].T @ heat)
    return math.sqrt(left / square_sum(picture))


def _unit_rows(rows: np.ndarray) -> np.ndarray:
    """Rows of unit length; zero rows stay zero."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)


def _pair(gain: np.ndarray) -> np.ndarray:
    """For each row its column, one to one, the pair of highest gain first; -1 for none left."""
    gain = gain.copy()
    match = np.full(gain.shape[0], -1)
    for _ in range(min(gain.shape)):
        row, column = np.unravel_index(np.argmax(gain), gain.shape)
        match[row] = column
        gain[row, :] = gain[:, column] = -np.inf
    return match
