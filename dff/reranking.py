"""Second rankings: query expansion, database-side augmentation, k-reciprocal encoding, diffusion.

All work on descriptors, (n, dimensions) float32 of unit length (zero for a picture that holds
nothing), and return new vectors or new scores, higher is better, so that the caller ranks. Their
scores have no contributions: they depend on other pictures than the two compared. Nothing here
verifies a match, so each assumes that most of the first results are right. Fewer pictures than
asked for are taken as they are.
"""

import numpy as np

from dff.whitening import l2_normalise

# A sum this short beside its terms has cancelled: at unit length it would be rounding noise.
_CANCELLED = 1e-5
_CELLS = 2**22  # cosines held at a time by `augment_database`: 16 MB, and twice that to sort them


def average_query_expansion(
    query: np.ndarray, descriptors: np.ndarray, ranking: np.ndarray, top: int = 10
) -> np.ndarray:
    """AQE: the mean of the query and its first results, as a new query (dimensions,) float32.

    Chum et al. (ICCV 2007). They average up to 50 results that geometry has verified; nothing
    verifies these, and one wrong result counts as much as a right one: hence 10.

    query: (dimensions,). descriptors: (n, dimensions), memory-mapped or not. ranking: rows of
    `descriptors`, best first; its first `top` are averaged. Without results, or where all cancel
    each other, the query comes back; a query of zeros stays zero.
    """
    return alpha_query_expansion(query, descriptors, ranking, top, alpha=0)


def alpha_query_expansion(
    query: np.ndarray,
    descriptors: np.ndarray,
    ranking: np.ndarray,
    top: int = 50,
    alpha: float = 3.0,
) -> np.ndarray:
    """αQE: the query plus its first results, each weighted by max(0, cosine)^alpha.

    Radenović, Tolias & Chum (TPAMI 2018), whose top and alpha are the defaults: what is unlike the
    query fades, so that `top` matters little. The query itself weighs 1. alpha = 0 weighs all the
    same, those of negative cosine too, which is AQE. Arguments and result as there.
    """
    if top < 0:
        raise ValueError(f"top: expected at least 0, got {top}")
    _check_alpha(alpha)
    query = np.asarray(query, np.float32)
    _check_pair(query, descriptors)
    found = np.asarray(descriptors[np.asarray(ranking, np.intp)[:top]], np.float32)
    weights = np.maximum(0, found @ query) ** alpha
    expanded: np.ndarray = _unit_sum(query[None], weights @ found, weights.sum(keepdims=True))[0]
    return expanded


def augment_database(
    descriptors: np.ndarray, neighbours: int = 20, alpha: float = 0.0
) -> np.ndarray:
    """DBA: every descriptor plus its nearest neighbours in the database, (n, dimensions) float32.

    Turcot & Lowe (ICCV Workshops 2009) and Arandjelović & Zisserman (CVPR 2012) add the pictures
    that geometry has matched, however many there are, all with weight 1 (alpha = 0); here, as
    Gordo et al. (IJCV 2017) do, the `neighbours` nearest by cosine, weighted by
    max(0, cosine)^alpha. Descriptors of zeros stay zero. Works through blocks of rows.

    Raises:
        ValueError: descriptors not (n, dimensions), neighbours or alpha negative.
    """
    if neighbours < 0:
        raise ValueError(f"neighbours: expected at least 0, got {neighbours}")
    _check_alpha(alpha)
    descriptors = _matrix(descriptors)
    n = len(descriptors)
    count = min(neighbours, n - 1)
    if count < 1:
        return l2_normalise(descriptors)
    augmented = np.empty(descriptors.shape, np.float32)
    step = max(1, _CELLS // n)
    for first in range(0, n, step):
        own = descriptors[first : first + step]
        cosines = own @ descriptors.T
        at = np.arange(len(own))
        cosines[at, first + at] = -np.inf
        nearest = np.argpartition(cosines, n - count, axis=1)[:, n - count :]
        weights = np.maximum(0, np.take_along_axis(cosines, nearest, axis=1)) ** alpha
        total = np.zeros(own.shape, np.float32)
        for column, weight in zip(nearest.T, weights.T, strict=True):
            total += weight[:, None] * descriptors[column]
        augmented[first : first + step] = _unit_sum(own, total, weights.sum(axis=1))
    return augmented


def k_reciprocal(
    query: np.ndarray,
    descriptors: np.ndarray,
    k1: int = 20,
    k2: int = 6,
    lambda_value: float = 0.3,
) -> np.ndarray:
    """Scores (n,) float32 of a short list by the neighbours it shares with the query.

    Zhong et al. (CVPR 2017), with their defaults: pictures whose k1 nearest neighbours name each
    other are encoded as a vector of exp(-distance), averaged over the k2 nearest, and compared by
    Jaccard distance; score = (1 - lambda_value) * (1 - Jaccard distance) + lambda_value * cosine.
    So lambda_value = 1 gives the cosines back.

    query: (dimensions,). descriptors: (n, dimensions), the short list alone; neighbours are looked
    for among it and the query, with memory and time of n². Distances are 1 - cosine as they are;
    the authors' program squares Euclidean ones, divides them by the largest of the list, and
    brings each code to a sum of 1.
    """
    if k1 < 1 or k2 < 1:
        raise ValueError(f"k1, k2: expected at least 1, got {k1}, {k2}")
    if not 0 <= lambda_value <= 1:
        raise ValueError(f"lambda_value: expected 0 to 1, got {lambda_value}")
    cosines = _cosines(query, descriptors)
    distances = np.maximum(0, 1 - cosines)
    # Each picture leads its own list, also where it has duplicates, or is zero and has no cosine.
    np.fill_diagonal(distances, -1)
    order = np.argsort(distances, axis=1, kind="stable")
    np.fill_diagonal(distances, 0)
    codes = np.where(_expanded(order, k1), np.exp(-distances), 0)
    codes = codes[order[:, :k2]].mean(axis=1)
    shared = np.minimum(codes[0], codes[1:]).sum(axis=1)
    either = np.maximum(codes[0], codes[1:]).sum(axis=1)
    scores: np.ndarray = (1 - lambda_value) * shared / either + lambda_value * cosines[0, 1:]
    return scores.astype(np.float32)


def diffusion(
    query: np.ndarray,
    descriptors: np.ndarray,
    k: int = 50,
    k_query: int = 10,
    alpha: float = 0.99,
    gamma: float = 3.0,
) -> np.ndarray:
    """Scores (n,) float32 >= 0 of a short list by random walks that start at the query.

    Iscen et al. (CVPR 2017), with their defaults for global descriptors: pictures that are among
    each other's k nearest are joined with affinity max(0, cosine)^gamma, S is that graph
    normalised symmetrically, y the affinity of the query to its k_query nearest, and the scores
    solve (I - alpha S) f = y. Pictures that no chain joins to the query's nearest score 0: rank
    with a stable sort, and they keep their order.

    query: (dimensions,). descriptors: (n, dimensions), the short list alone. Where the paper
    iterates (conjugate gradients, on a sparse graph of the database), a list of some hundred is
    solved directly, in n³.
    """
    if k < 1 or k_query < 1:
        raise ValueError(f"k, k_query: expected at least 1, got {k}, {k_query}")
    if not 0 <= alpha < 1:
        raise ValueError(f"alpha: expected 0 to below 1, got {alpha}")
    if not gamma > 0:
        raise ValueError(f"gamma: expected above 0, got {gamma}")
    affinities = np.maximum(0, _cosines(query, descriptors)) ** gamma
    joined = affinities[1:, 1:].copy()
    np.fill_diagonal(joined, 0)
    joined = _largest(joined, k)
    joined = np.minimum(joined, joined.T)
    degrees = joined.sum(axis=1)
    scale = 1 / np.sqrt(np.where(degrees > 0, degrees, 1))
    walk = scale[:, None] * joined * scale
    start = _largest(affinities[:1, 1:], k_query)[0]
    scores = np.linalg.solve(np.eye(len(walk)) - alpha * walk, start)
    # The solution is a sum of products >= 0: below that it is rounding.
    settled: np.ndarray = np.maximum(0, scores).astype(np.float32)
    return settled


def _expanded(order: np.ndarray, k1: int) -> np.ndarray:
    """The set R* of each picture, (n, n) bool: its k1-reciprocal neighbours, and those of each
    neighbour q (at half of k1) of which two thirds are among them already."""
    near = _reciprocal(order, k1)
    half = _reciprocal(order, k1 // 2)
    overlap = near.astype(np.float64) @ half.T  # counts, exact
    alike = near & (3 * overlap >= 2 * half.sum(axis=1))
    expanded: np.ndarray = near | (alike.astype(np.float64) @ half > 0)
    return expanded


def _reciprocal(order: np.ndarray, k: int) -> np.ndarray:
    """Which pictures are among each other's k nearest: (n, n) bool, True on the diagonal.

    order: (n, n), each row all pictures, nearest first, itself at the front.
    """
    near = np.zeros(order.shape, bool)
    np.put_along_axis(near, order[:, : k + 1], True, axis=1)
    mutual: np.ndarray = near & near.T
    return mutual


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """The `count` largest of each row, the lowest index on ties, and 0 elsewhere."""
    order = np.argsort(-values, axis=1, kind="stable")[:, :count]
    kept = np.zeros(values.shape)
    np.put_along_axis(kept, order, np.take_along_axis(values, order, axis=1), axis=1)
    return kept


def _cosines(query: np.ndarray, descriptors: np.ndarray) -> np.ndarray:
    """All cosines among the query, at index 0, and a short list: (n + 1, n + 1) float64."""
    query = np.asarray(query, np.float64)
    descriptors = np.asarray(descriptors, np.float64)
    _check_pair(query, descriptors)
    vectors = np.concatenate([query[None], descriptors])
    cosines: np.ndarray = vectors @ vectors.T
    return cosines


def _unit_sum(own: np.ndarray, others: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """l2(own + others) of each row, or own where the sum cancels or own is zero.

    own, others: (m, dimensions). weights: (m,), the sum of the weights within others.
    """
    total = own + others
    lost = np.linalg.norm(total, axis=1) <= _CANCELLED * (1 + weights)
    lost |= ~own.any(axis=1)
    return l2_normalise(np.where(lost[:, None], own, total))


def _matrix(descriptors: np.ndarray) -> np.ndarray:
    descriptors = np.asarray(descriptors, np.float32)
    if descriptors.ndim != 2:
        raise ValueError(f"descriptors: expected (n, dimensions), got shape {descriptors.shape}")
    return descriptors


def _check_pair(query: np.ndarray, descriptors: np.ndarray) -> None:
    if query.ndim != 1 or descriptors.ndim != 2 or descriptors.shape[1] != len(query):
        raise ValueError(
            "expected a query (dimensions,) and descriptors (n, dimensions), got shapes "
            f"{query.shape} and {descriptors.shape}"
        )


def _check_alpha(alpha: float) -> None:
    if not alpha >= 0:
        raise ValueError(f"alpha: expected at least 0, got {alpha}")
