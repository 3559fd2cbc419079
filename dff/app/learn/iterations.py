"""Step 2: the states of the factorization, iteration by iteration.

The lesson starts from random numbers and takes the textbook's multiplicative updates, whose
formula fits on a line. The index starts from singular vectors and takes HALS: faster, and the same
parts where the optimum is the same; how alike they end is told.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from dff.app.learn.packing import floats
from dff.app.scene import heat_facts
from dff.factorization import match_parts
from dff.index.query import Query, Seen
from dff.nmf_trace import Trace, trace

ITERATIONS = 30
DONE = 0.95  # of the whole fall of the error


def facts(seen: Seen, query: Query) -> dict[str, Any]:
    """What the player needs: the heatmaps and numbers of every state.

    Parts carry the numbers of the query's own parts that they come to resemble. For position p and
    part j, iteration t turns h into h * pull / push, with pull = (A W^T)[p, j] and
    push = (H W W^T)[p, j]; `cells` are the h, `pulls` those numerators, `grams` the W W^T.
    """
    channels, rows, columns = seen.activations.shape
    positions = seen.activations.reshape(channels, -1).T
    run = _ordered(trace(positions, query.parts.k, iterations=ITERATIONS), query)
    lengths = np.linalg.norm(run.basis, axis=2)
    heat = run.coefficients * lengths[:, None, :]
    shown = [
        heat_facts(replace(query.parts, heatmaps=state.T.reshape(-1, rows, columns)))
        for state in heat
    ]
    pulls = [positions @ basis.T for basis in run.basis[:-1]]
    grams = [basis @ basis.T for basis in run.basis]
    return {
        "iterations": run.iterations,
        "size": [rows * columns, channels],
        "heats": shown,
        "errors": [round(float(e), 6) for e in run.error_curve],
        "done": done_after(run.error_curve),
        "cells": floats(run.coefficients),
        "pulls": floats(np.array(pulls)),
        "grams": floats(np.stack(grams)),
        "alike": [round(float(v), 3) for v in _cosines(heat[-1].T, query)],
    }


def done_after(error_curve: np.ndarray) -> int:
    """The first iteration after which 95 % of the whole fall of the error lies behind."""
    fall = error_curve[0] - error_curve
    return int(np.argmax(fall >= DONE * fall[-1])) if len(error_curve) else 0


def _ordered(run: Trace, query: Query) -> Trace:
    """The same run, its parts numbered as the query's that they end up like."""
    match = match_parts(query.parts.basis, run.basis[-1])
    order = np.argsort(match, kind="stable")
    return Trace(run.coefficients[:, :, order], run.basis[:, order], run.error_curve)


def _cosines(heat: np.ndarray, query: Query) -> np.ndarray:
    """How alike each part ended to the query's own: cosines of heatmaps, (k,)."""
    own = query.parts.heatmaps.reshape(query.parts.k, -1).astype(np.float64)
    lengths = np.linalg.norm(heat, axis=1) * np.linalg.norm(own, axis=1)
    products = (heat * own).sum(axis=1)
    cosines: np.ndarray = np.divide(
        products, lengths, out=np.zeros_like(products), where=lengths > 0
    )
    return cosines
