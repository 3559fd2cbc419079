"""From a coarse heatmap to a mask that follows the picture's edges: GrabCut, seeded by the heat.

GrabCut (Rother, Kolmogorov & Blake, SIGGRAPH 2004, OpenCV's) learns the colours of what is hot and
of what is cold and cuts along edges between them. Its boundaries are the picture's, where those of
a grid of 32-pixel cells are not. Measured in docs/evaluation.md.
"""

import numpy as np

from dff.images import check_picture

# Shares of the heat's maximum: hotter is surely the object, then perhaps, then perhaps not; colder
# is surely not.
SURE, PERHAPS, COLD = 0.8, 0.4, 0.2
# More rounds learn the colours of what leaked in: the mask drifts off the heat.
ROUNDS = 1
# A mask that shrinks or grows beyond these shares of the heat's own has lost it.
LEAST, MOST = 0.4, 2.5
# Pieces smaller than this share of the largest are specks of the same colour.
SPECK = 0.1


def refine_mask(picture: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """The mask, (height, width) bool, of what is hot in a picture.

    picture: (height, width, 3) uint8; some 256 pixels a side are enough. heat: (height, width)
    float32 >= 0, on the same pixels. Where GrabCut has nothing to tell apart, or loses what the
    heat shows, the mask is what is over 40 % of the maximum. Nothing hot gives an empty mask.
    Raises ValueError if heat and picture differ in size, or heat is negative or not finite.
    """
    import cv2

    check_picture(picture, minimum=1)
    if heat.shape != picture.shape[:2]:
        raise ValueError(f"heat: expected shape {picture.shape[:2]}, got {heat.shape}")
    if not (np.isfinite(heat).all() and heat.min() >= 0):
        raise ValueError("heat: expected finite numbers >= 0, got others")
    top = float(heat.max())
    if top == 0:
        return np.zeros(heat.shape, bool)
    share = heat / top
    hot = share >= PERHAPS
    if not (share < PERHAPS).any():
        return hot
    labels = np.full(heat.shape, cv2.GC_PR_BGD, np.uint8)
    labels[hot] = cv2.GC_PR_FGD
    labels[share >= SURE] = cv2.GC_FGD
    labels[share < COLD] = cv2.GC_BGD
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)  # OpenCV's own generator, one a thread: the same mask every time
    bgr = np.ascontiguousarray(picture[..., ::-1])
    cv2.grabCut(bgr, labels, None, background, foreground, ROUNDS, cv2.GC_INIT_WITH_MASK)
    mask = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    if not LEAST <= mask.sum() / hot.sum() <= MOST:
        mask = hot
    return _without_specks(mask)


def _without_specks(mask: np.ndarray) -> np.ndarray:
    import cv2

    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    kept = 1 + np.flatnonzero(areas >= SPECK * areas.max(initial=0))
    return np.isin(labels, kept)
