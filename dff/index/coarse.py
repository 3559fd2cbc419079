"""Region matching in a large index: every picture by one vector first, the best by their regions.

Matching takes time for every region of an index, a product of vectors only for every picture. So
above a size that is measured, the pictures that one vector finds are matched region by region, and
have exactly the rows that they have without this step. All others come behind them in the order of
their vectors, whatever the user's weights; what they have for rows says that and no more.
"""

import numpy as np

from dff.explain import best

# Up to so many regions every picture is matched. On two cores 600,000 take 0.15 s and the default's
# 1,500,000 of 100,000 pictures 0.4 s (docs/performance.md).
EXACT_REGIONS = 1_000_000
MOST_CHOSEN = 8000  # pictures by their score
MOST_BY_ROWS = 4000  # and by single rows of it, for weights that make these decide


def choose(coarse: np.ndarray, least: int = 0) -> np.ndarray:
    """The pictures that are matched: rising rows. The first by the sum of `coarse` (n, k), and the
    first by each column of it. least: how many of the first must be among them."""
    each = max(1, MOST_BY_ROWS // coarse.shape[1])
    chosen = set(best(coarse.sum(axis=1), max(MOST_CHOSEN, least)))
    for column in coarse.T:
        chosen.update(best(column, each))
    return np.array(sorted(chosen), np.intp)


def filled(coarse: np.ndarray, chosen: np.ndarray, exact: np.ndarray, sign: float) -> np.ndarray:
    """The rows of all pictures: (n, k) float32.

    exact: (len(chosen), k), those of the chosen pictures. The others' are their coarse ones, moved
    as a whole so that none is better than the worst of the chosen in any column. sign: negative
    for a query to be unlike, where the higher is the worse.
    """
    others = np.ones(len(coarse), bool)
    others[chosen] = False
    rows = coarse.astype(np.float32)
    rest = rows[others]
    if len(rest):
        if sign < 0:
            rows[others] = rest + np.maximum(exact.max(axis=0) - rest.min(axis=0), 0)
        else:
            rows[others] = rest - np.maximum(rest.max(axis=0) - exact.min(axis=0), 0)
    rows[chosen] = exact
    return rows
