"""Threshold curves: heat of a few cells, every number worked out by hand."""

import numpy as np
import pytest

from dff.evaluation.curves import PIECES, THRESHOLDS, Curves, cut_at_all

# One row of ten pixels: a warm block, a hot one, nothing between them. The truth is the hot one.
HEAT = np.array([[0.3, 0.3, 0.3, 0, 0, 1, 1, 0, 0, 0]], np.float32)
MASK = np.array([[0, 0, 0, 0, 0, 1, 1, 0, 0, 0]], bool)
BOX = (50, 0, 70, 10)  # of a picture of 100 x 10: ten times the canvas
LOW, HIGH = THRESHOLDS.index(0.25), THRESHOLDS.index(0.5)
LARGEST, ALL = PIECES.index("largest"), PIECES.index("all")


def test_a_cut_is_worse_where_another_block_is_larger():
    cut = cut_at_all(HEAT, (100, 10), BOX, MASK)
    # Over 0.25 the largest piece is the wrong block; all are five pixels, two of them right,
    # within a box from 0 to 70.
    assert cut.mask_iou[LARGEST, LOW] == 0 and cut.box_iou[LARGEST, LOW] == 0
    assert cut.mask_iou[ALL, LOW] == pytest.approx(2 / 5)
    assert cut.box_iou[ALL, LOW] == pytest.approx(20 / 70)
    assert (cut.mask_iou[:, HIGH] == 1).all() and (cut.box_iou[:, HIGH] == 1).all()


def test_the_truth_may_have_any_size_or_be_a_box_alone():
    large = np.repeat(np.repeat(MASK, 10, axis=0), 10, axis=1)
    same = cut_at_all(HEAT, (100, 10), BOX, large)
    np.testing.assert_array_equal(same.mask_iou, cut_at_all(HEAT, (100, 10), BOX, MASK).mask_iou)
    assert cut_at_all(HEAT, (100, 10), BOX, None).mask_iou is None


def test_nothing_hot_overlaps_nothing():
    cut = cut_at_all(np.zeros_like(HEAT), (100, 10), BOX, MASK)
    assert not cut.mask_iou.any() and not cut.box_iou.any()


def test_curves_are_means_over_targets():
    curves = Curves()
    curves.add("heat", cut_at_all(HEAT, (100, 10), BOX, MASK))
    curves.add("heat", cut_at_all(np.zeros_like(HEAT), (100, 10), BOX, MASK))
    curves.add("boxes", cut_at_all(HEAT, (100, 10), BOX, None))
    largest, every, _, bare = curves.means()
    assert (largest.method, largest.pieces, every.pieces) == ("heat", "largest", "all")
    assert largest.thresholds == THRESHOLDS
    assert (largest.mask_iou[HIGH], largest.box_iou[HIGH], largest.corloc[HIGH]) == (0.5, 0.5, 50)
    assert every.box_iou[LOW] == pytest.approx(10 / 70) and every.corloc[LOW] == 0
    assert bare.mask_iou is None and bare.corloc[HIGH] == 100


def test_no_curves_without_cuts():
    assert Curves().means() == []
