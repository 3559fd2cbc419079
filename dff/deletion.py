"""The deletion check: hide a region of a picture, score it again, and see whether the explanation
said so.

An explanation credits every region with a part of a score. If it names causes, the score falls
most where the region with the largest credit is hidden (Samek et al., IEEE TNNLS 2017; the deletion
metric of Petsiuk et al., BMVC 2018). Pixels are hidden by a strong blur, as by Fong & Vedaldi
(ICCV 2017): black or grey rectangles have edges that a network sees.

Departures from these papers: not single pixels are removed one after the other but whole regions,
each alone, since a part is what our split credits. A large region takes more with it than a small
one, so explanations are compared on the same regions (equal hidden areas by construction), and
`hottest_pixels` gives regions of one area to all parts.

Heats are (k, height, width) float32 >= 0 in the picture's own coordinates, as `Parts.on_picture`
makes them; masks are (m, height, width) bool and may be coarser than the picture.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dff.images import check_picture, resize
from dff.parts import Parts

MASK_SIDE = 256  # longest side of a mask: sixteen pixels for a cell of the default grid
BLUR = 1 / 16  # standard deviation as a share of the longest side: one cell of the default grid
EDGE = 1 / 128  # the same of the mask's soft edge
DRAWS = 2000  # of the bootstrap
LEVEL = 0.95
_BLUR_SIDE = 256  # the blur is made at this size: nothing finer is left of it


# --- regions -----------------------------------------------------------------------------


def heats_on_picture(parts: Parts) -> np.ndarray:
    """The heatmaps over the whole picture, longest side 256: (k, height, width) float32."""
    return np.stack([parts.on_picture(heatmap, MASK_SIDE) for heatmap in parts.heatmaps])


def own_pixels(heats: np.ndarray) -> np.ndarray:
    """The pixels of each part: those where it is the strongest. (k, height, width) bool.

    No pixel belongs to two parts, so what is credited to different parts is hidden in different
    places. On ties the first part has it; where no part has any heat, as outside a query's box,
    it belongs to none.
    """
    heats = _check_heats(heats)
    first = heats.argmax(axis=0)
    masks: np.ndarray = (first == np.arange(len(heats))[:, None, None]) & (heats > 0)
    return masks


def hottest_pixels(heats: np.ndarray, share: float) -> np.ndarray:
    """The hottest of each part's own pixels, equally many for all: (k, height, width) bool.

    That many is `share` of the picture, or less: as many as the smallest part has that has any.
    Raises ValueError unless 0 < share <= 1.
    """
    own = own_pixels(heats)
    if not 0 < share <= 1:
        raise ValueError(f"share: expected above 0 and at most 1, got {share}")
    counts = own.sum(axis=(1, 2))
    count = min(round(share * own[0].size), int(counts[counts > 0].min(initial=own[0].size)))
    masks = np.zeros_like(own)
    for heat, mine, mask in zip(heats, own, masks, strict=True):
        order = np.argsort(np.where(mine, -heat, np.inf), axis=None, kind="stable")
        mask.flat[order[: min(count, int(mine.sum()))]] = True
    return masks


def random_regions(masks: np.ndarray, seed: int) -> np.ndarray:
    """Other regions of the same areas in random places: (m, height, width) bool.

    Each in turn, in random order, takes the free pixels nearest to a random free one, so regions
    are compact and disjoint, and together cover what `masks` cover. Raises ValueError for masks
    that overlap.
    """
    masks = np.asarray(masks, bool)
    if masks.ndim != 3 or (masks.sum(axis=0) > 1).any():
        raise ValueError(f"masks: expected disjoint (m, height, width), got shape {masks.shape}")
    random = np.random.default_rng(seed)
    free = masks.any(axis=0)
    regions = np.zeros_like(masks)
    for number in random.permutation(len(masks)):
        rows, columns = np.nonzero(free)
        count = int(masks[number].sum())
        if count == 0:
            continue
        start = int(random.integers(len(rows)))
        distance = (rows - rows[start]) ** 2 + (columns - columns[start]) ** 2
        taken = np.argsort(distance, kind="stable")[:count]
        regions[number, rows[taken], columns[taken]] = True
        free &= ~regions[number]
    return regions


def mass_inside(heat: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """How much of a heatmap (height, width) lies in each region: (m,) float64, shares of its sum
    (zeros if that is 0). What a saliency map credits a region with."""
    if heat.shape != masks.shape[1:]:
        raise ValueError(f"heat: expected {masks.shape[1:]}, got {heat.shape}")
    total = float(heat.sum(dtype=np.float64))
    inside = np.array([heat[mask].sum(dtype=np.float64) for mask in masks])
    return inside / total if total > 0 else np.zeros_like(inside)


# --- hiding ------------------------------------------------------------------------------


def hidden(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The picture with a region blurred beyond recognition, a new (height, width, 3) uint8.

    mask: (rows, columns) bool over the whole picture, of any size. The standard deviation of the
    blur is 1/16 of the longest side; at the region's border the blurred and the sharp picture
    mix over about 1/64 of it, so that no edge appears.
    """
    import cv2

    check_picture(picture, minimum=1)
    if mask.ndim != 2 or 0 in mask.shape or mask.dtype != np.bool_:
        raise ValueError(f"mask: expected (rows, columns) bool, got {mask.dtype} {mask.shape}")
    height, width = picture.shape[:2]
    scale = min(1.0, _BLUR_SIDE / max(width, height))
    small = resize(picture, max(1, round(width * scale)), max(1, round(height * scale)))
    sigma = BLUR * max(small.shape[:2])
    blurred = resize(cv2.GaussianBlur(small, (0, 0), sigma), width, height)
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), EDGE * max(mask.shape))
    alpha = np.clip(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR), 0, 1)
    mixed = cv2.blendLinear(np.ascontiguousarray(picture), blurred, 1 - alpha, alpha)
    return np.asarray(mixed, np.uint8)


@dataclass(frozen=True, eq=False)
class Deletion:
    """A score, and what is left of it without each region.

    before: the score of the untouched picture. after: (m,) float64, with that region hidden.
    areas: (m,) float64, the share of the picture that was hidden.
    """

    before: float
    after: np.ndarray
    areas: np.ndarray

    @property
    def drops(self) -> np.ndarray:
        """(m,) float64: by how much the score falls; negative where it rises."""
        return self.before - self.after

    @property
    def drops_by_area(self) -> np.ndarray:
        """(m,) float64: the fall for each unit of hidden area, 0 for an empty region."""
        drops = self.drops
        return np.asarray(
            np.divide(drops, self.areas, out=np.zeros_like(drops), where=self.areas > 0)
        )


def delete(
    picture: np.ndarray, masks: np.ndarray, score: Callable[[np.ndarray], float]
) -> Deletion:
    """Score the picture as it is, then with each region alone hidden.

    score: takes a picture (height, width, 3) uint8. It is called once for the picture and once
    for each region that has any pixels.
    """
    before = float(score(picture))
    after = [float(score(hidden(picture, mask))) if mask.any() else before for mask in masks]
    return Deletion(before, np.array(after, np.float64), masks.mean(axis=(1, 2), dtype=np.float64))


# --- does the explanation say so? -----------------------------------------------------------


@dataclass(frozen=True)
class Agreement:
    """How well credits foretell drops, over many pictures.

    first: the share of pictures in which the region with the largest credit has the largest drop;
    chance: what a random order would reach. correlation: the mean of Spearman's rank correlation.
    The intervals are those of a bootstrap over the pictures.
    """

    pictures: int
    first: float
    first_interval: tuple[float, float]
    chance: float
    correlation: float
    correlation_interval: tuple[float, float]


def agreement(
    credits: Sequence[np.ndarray], drops: Sequence[np.ndarray], seed: int = 0
) -> Agreement:
    """Compare credits and drops, one pair of (m,) arrays a picture; m >= 2 may differ.

    Pictures in which all credits or all drops are equal have no order: their correlation is 0, as
    that of a random order is on average. Raises ValueError for lengths that do not fit.
    """
    if not credits or len(credits) != len(drops):
        raise ValueError(
            f"expected credits and drops of the same pictures, got {len(credits)} and {len(drops)}"
        )
    pairs = list(zip(credits, drops, strict=True))
    same = np.array([largest_agrees(credit, drop) for credit, drop in pairs], np.float64)
    correlations = np.array([rank_correlation(credit, drop) for credit, drop in pairs])
    return Agreement(
        pictures=len(pairs),
        first=float(same.mean()),
        first_interval=bootstrap_interval(same, seed),
        chance=float(np.mean([1 / len(credit) for credit in credits])),
        correlation=float(correlations.mean()),
        correlation_interval=bootstrap_interval(correlations, seed),
    )


def largest_agrees(credit: np.ndarray, drop: np.ndarray) -> bool:
    """Whether the region with the largest credit has the largest drop (the first on ties)."""
    _check_pair(credit, drop)
    return int(np.argmax(credit)) == int(np.argmax(drop))


def rank_correlation(credit: np.ndarray, drop: np.ndarray) -> float:
    """Spearman's rank correlation of two (m,) arrays, -1 to 1; equal values share their mean rank.
    0 where one of them has no order."""
    _check_pair(credit, drop)
    one, two = _ranks(credit), _ranks(drop)
    one, two = one - one.mean(), two - two.mean()
    length = float(np.sqrt((one @ one) * (two @ two)))
    return float(one @ two) / length if length > 0 else 0.0


def bootstrap_interval(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile interval of the mean of (n,) values (Efron 1979)."""
    random = np.random.default_rng(seed)
    values = np.asarray(values, np.float64)
    means = values[random.integers(len(values), size=(DRAWS, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, equal values at the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    middles: np.ndarray = np.cumsum(counts) - (counts - 1) / 2
    return np.asarray(middles[place])


def _check_pair(credit: np.ndarray, drop: np.ndarray) -> None:
    if credit.ndim != 1 or credit.shape != drop.shape or len(credit) < 2:
        raise ValueError(
            "expected credits and drops of the same two or more regions, "
            f"got shapes {credit.shape} and {drop.shape}"
        )


def _check_heats(heats: np.ndarray) -> np.ndarray:
    heats = np.asarray(heats, np.float32)
    if heats.ndim != 3 or 0 in heats.shape:
        raise ValueError(f"heats: expected (k, height, width), got shape {heats.shape}")
    if not np.isfinite(heats).all() or heats.min() < 0:
        raise ValueError("heats: expected finite numbers >= 0, got negative ones or NaN")
    return heats
