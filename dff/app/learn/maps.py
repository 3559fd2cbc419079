"""Step 1: the channels of the activations, and what one position holds."""

import base64
from typing import Any

import numpy as np

from dff.app.learn.packing import levels
from dff.index.query import Seen
from dff.marks import colour_map

FIRST = 8  # of the strongest: the lesson starts with the one that is the least spread out
MOST = 256  # channels that are sent: 100 kB; the rest are weaker at every position


def facts(seen: Seen, blocks: tuple[int, ...]) -> dict[str, Any]:
    """The strongest channels by energy, strongest first.

    blocks: the channels of each joined layer. `start` is the one to begin with, from 0; `ids` are
    the channels' places in the stack, from 1; `layers` says of each which of the joined layers it
    is of, from 1.
    """
    channels, rows, columns = seen.activations.shape
    flat = seen.activations.reshape(channels, -1)
    energy = np.square(flat, dtype=np.float64).sum(axis=1)
    order = np.argsort(-energy, kind="stable")[:MOST]
    layer = np.searchsorted(np.cumsum(blocks), order, side="right") if blocks else 0 * order
    first = flat[order[:FIRST]]
    return {
        "start": int(np.argmax(first.std(axis=1) / np.maximum(first.mean(axis=1), 1e-12))),
        "channels": channels,
        "rows": rows,
        "columns": columns,
        "extent": [round(v, 6) for v in seen.extent],
        "ids": [int(c) + 1 for c in order],
        "layers": [int(v) + 1 for v in layer],
        "joined": len(blocks),
        "shares": [round(float(v), 6) for v in energy[order] / (energy.sum() or 1)],
        "maps": levels(flat[order]),
        "magma": base64.b64encode(colour_map("magma").tobytes()).decode(),
    }
