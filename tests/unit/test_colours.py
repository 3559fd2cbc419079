"""Parts keep their colours while their number changes."""

import numpy as np

from dff.app.colours import chain_colours


def test_colours_follow_the_parts_up_and_down():
    unit = np.eye(4, dtype=np.float32)
    bases = {1: unit[[1]], 2: unit[[0, 1]], 3: unit[[2, 1, 0]], 4: unit[[3, 0, 1, 2]]}
    assert chain_colours(bases, 2, 2) == (0, 1)
    assert chain_colours(bases, 2, 3) == (2, 1, 0)
    assert chain_colours(bases, 2, 4) == (3, 0, 1, 2)
    assert chain_colours(bases, 2, 1) == (1,)
