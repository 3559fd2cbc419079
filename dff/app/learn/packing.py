"""Arrays as text for the browser."""

import base64
from typing import Any

import numpy as np


def floats(array: np.ndarray) -> str:
    """Little-endian float32, base64."""
    return base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode()


def levels(array: np.ndarray) -> dict[str, Any]:
    """Numbers >= 0 as 16 bits each: value = level / 65535 * scale. {"scale", "data"}."""
    scale = float(array.max(initial=0))
    unit = array / scale if scale > 0 else array
    data = np.rint(unit * 65535).astype("<u2")
    return {"scale": scale, "data": base64.b64encode(np.ascontiguousarray(data).tobytes()).decode()}
