import numpy as np
import pytest

from dff.evaluation.protocols import (
    AVERAGE_PRECISION,
    Relevance,
    average_precision,
    bootstrap_difference,
    box_iou,
    corloc,
    mask_iou,
    precision_at,
    rank,
    relevant_ranks,
    revisited_tasks,
    trapezoid_average_precision,
)


@pytest.mark.parametrize(
    ("place", "finite", "trapezoid"),
    [(0, 1, 1), (1, 1 / 2, 0.25), (2, 1 / 3, 1 / 6), (3, 1 / 4, 0.125), (4, 1 / 5, 0.1)],
)
def test_one_positive(place, finite, trapezoid):
    assert average_precision(np.array([place]), 1) == pytest.approx(finite, abs=1e-12)
    assert trapezoid_average_precision(np.array([place]), 1) == pytest.approx(trapezoid, abs=1e-12)


def test_two_positives_of_three():
    # Ranks 0 and 3. Finite: (1/1 + 2/4) / 3. Trapezoid: ((1 + 1) / 2 + (1/3 + 2/4) / 2) / 3.
    ranks = np.array([0, 3])
    assert AVERAGE_PRECISION["finite"](ranks, 3) == pytest.approx(0.5)
    assert AVERAGE_PRECISION["trapezoid"](ranks, 3) == pytest.approx((1 + 5 / 12) / 3)


@pytest.mark.parametrize("measure", AVERAGE_PRECISION.values(), ids=AVERAGE_PRECISION)
def test_the_ends_of_average_precision(measure):
    assert measure(np.arange(7), 7) == pytest.approx(1)
    assert measure(np.array([], int), 4) == 0
    assert measure(np.arange(2), 4) == pytest.approx(0.5)  # two are missing, and count 0


def test_trapezoid_is_the_area_under_the_curve():
    """As the old program does it: walk down the results and add up the trapezoids."""
    generator = np.random.default_rng(0)
    for _ in range(20):
        hits = generator.random(30) < 0.3
        positives = int(hits.sum()) + 2
        recall, precision, area = 0.0, 1.0, 0.0
        for place in range(1, 31):
            found = hits[:place].sum()
            area += (found / positives - recall) * (precision + found / place) / 2
            recall, precision = found / positives, found / place
        ranks = np.flatnonzero(hits)
        assert trapezoid_average_precision(ranks, positives) == pytest.approx(area, abs=1e-12)


@pytest.mark.parametrize("measure", AVERAGE_PRECISION.values(), ids=AVERAGE_PRECISION)
@pytest.mark.parametrize(
    ("ranks", "positives", "message"),
    [
        ([], 0, "expected at least 1"),
        ([0, 1], 1, "one for each rank"),
        ([1, 0], 2, "expected ascending"),
        ([2, 2], 2, "expected ascending"),
        ([-1, 0], 2, "expected ascending"),
    ],
)
def test_ranks_that_make_no_sense(measure, ranks, positives, message):
    with pytest.raises(ValueError, match=message):
        measure(np.array(ranks, int), positives)
    with pytest.raises(ValueError, match=message):
        precision_at(1, np.array(ranks, int), positives)


def test_junk_is_taken_out_before_ranks():
    ranking = np.array([7, 3, 9, 4, 1, 8, 0])
    relevance = Relevance.of([1, 3, 5], [9, 7])  # 5 is not in the ranking
    assert relevant_ranks(ranking, relevance).tolist() == [0, 2]  # of 3 4 1 8 0
    assert relevant_ranks(ranking, Relevance.of([1, 3, 5])).tolist() == [1, 4]
    assert relevant_ranks(ranking[:0], relevance).tolist() == []


def test_a_row_that_is_positive_and_junk_is_not_found():
    ranks = relevant_ranks(np.array([2, 0, 1]), Relevance.of([0, 2], [2]))
    assert ranks.tolist() == [0] and average_precision(ranks, 2) == 0.5


def test_a_ranking_must_not_repeat_itself():
    with pytest.raises(ValueError, match="expected every row once"):
        relevant_ranks(np.array([3, 1, 3]), Relevance.of([3]))


def test_relevance_is_sorted_and_without_repetition():
    given = [4, 1, 4, 0]
    relevance = Relevance.of(given, ())
    assert relevance.positives.tolist() == [0, 1, 4] and relevance.positives.dtype == np.int64
    assert relevance.junk.shape == (0,) and relevance.junk.dtype == np.int64
    assert given == [4, 1, 4, 0]


def test_rank_keeps_the_order_of_equal_scores():
    scores = np.array([0.5, 0.9, 0.5, -1, 0.9, 0.5], np.float32)
    assert rank(scores).tolist() == [1, 4, 0, 2, 5, 3]
    assert rank(np.zeros(1000)).tolist() == list(range(1000))
    assert rank(np.array([1, 3, 2], np.uint8)).tolist() == [1, 2, 0]  # 0 - 1 is no uint8


@pytest.mark.parametrize("scores", [[1, float("nan")], [[1, 2]], 1])
def test_scores_that_cannot_be_ranked(scores):
    with pytest.raises(ValueError, match="scores: expected one row without NaN"):
        rank(np.array(scores))


def test_precision_at_k():
    ranks = np.array([0, 2, 5])  # places 1, 3, 6
    assert precision_at(1, ranks, 3) == 1
    assert precision_at(2, ranks, 3) == 0.5
    assert precision_at(5, ranks, 3) == pytest.approx(2 / 5)
    assert precision_at(10, ranks, 3) == pytest.approx(3 / 6)  # the last is at place 6
    assert precision_at(10, ranks, 4) == pytest.approx(3 / 10)  # one is behind every place
    assert precision_at(10, np.array([0]), 1) == 1
    assert precision_at(1, np.array([1]), 1) == 0
    assert precision_at(5, np.array([], int), 2) == 0
    with pytest.raises(ValueError, match="k: expected at least 1, got 0"):
        precision_at(0, ranks, 3)


def test_revisited_tasks():
    tasks = revisited_tasks([5, 2], [7], [9, 1])
    assert {name: [list(rows) for rows in task] for name, task in tasks.items()} == {
        "easy": [[2, 5], [1, 7, 9]],
        "medium": [[2, 5, 7], [1, 9]],
        "hard": [[7], [1, 2, 5, 9]],
    }


def test_revisited_by_hand():
    """Ten pictures, ranked 4 0 8 2 6 1 9 3 7 5; easy 0 and 1, hard 2 and 3, junk 4 and 9.

    place            1  2  3  4  5  6  7  8  9  10
    picture          4  0  8  2  6  1  9  3  7  5
    is               J  E  .  H  .  E  J  H  .  .

    Easy: without J and H remain 0 8 6 1 7 5: ranks 0 and 3.
        AP = ((1 + 1) / 2 + (1/3 + 2/4) / 2) / 2 = (1 + 5/12) / 2 = 17/24
        P@1 = 1/1, P@5 = 2 / min(5, 4) = 1/2, P@10 = 2 / min(10, 4) = 1/2
    Medium: without J remain 0 8 2 6 1 3 7 5: ranks 0, 2, 4, 5.
        AP = (1 + (1/2 + 2/3) / 2 + (2/4 + 3/5) / 2 + (3/5 + 4/6) / 2) / 4
           = (1 + 7/12 + 11/20 + 19/30) / 4 = (60 + 35 + 33 + 38) / 240 = 166/240
        P@1 = 1/1, P@5 = 3/5, P@10 = 4 / min(10, 6) = 2/3
    Hard: without J and E remain 8 2 6 3 7 5: ranks 1 and 3.
        AP = ((0 + 1/2) / 2 + (1/3 + 2/4) / 2) / 2 = (1/4 + 5/12) / 2 = 1/3
        P@1 = 0, P@5 = 2 / min(5, 4) = 1/2, P@10 = 1/2
    """
    ranking = np.array([4, 0, 8, 2, 6, 1, 9, 3, 7, 5])
    expected = {
        "easy": ([0, 3], 17 / 24, (1, 1 / 2, 1 / 2)),
        "medium": ([0, 2, 4, 5], 166 / 240, (1, 3 / 5, 2 / 3)),
        "hard": ([1, 3], 1 / 3, (0, 1 / 2, 1 / 2)),
    }
    tasks = revisited_tasks([0, 1], [2, 3], [4, 9])
    assert list(tasks) == list(expected)
    for name, (ranks, area, precisions) in expected.items():
        found, count = relevant_ranks(ranking, tasks[name]), len(tasks[name].positives)
        assert found.tolist() == ranks
        assert trapezoid_average_precision(found, count) == pytest.approx(area, abs=1e-12)
        for k, precision in zip((1, 5, 10), precisions, strict=True):
            assert precision_at(k, found, count) == pytest.approx(precision, abs=1e-12)


def test_box_iou():
    assert box_iou((0, 0, 4, 2), (0, 0, 4, 2)) == 1
    assert box_iou((0, 0, 4, 2), (2, 1, 6, 3)) == pytest.approx(2 / 14)
    assert box_iou((0, 0, 4, 4), (1, 1, 3, 3)) == pytest.approx(4 / 16)
    assert box_iou((0, 0, 2, 2), (2, 0, 4, 2)) == 0  # they touch: x1 is exclusive
    assert box_iou((0, 0, 1, 1), (5, 5, 9, 9)) == 0  # apart both ways is not an overlap
    assert box_iou((0.5, 0, 1.5, 1), (0, 0, 1, 1)) == pytest.approx(1 / 3)
    assert box_iou(None, (0, 0, 4, 2)) == 0


@pytest.mark.parametrize("box", [(0, 0, 0, 5), (3, 0, 1, 5), (0, 0, 1), (0, 0, 1, float("nan"))])
def test_boxes_without_area(box):
    with pytest.raises(ValueError, match="box: expected x0 < x1 and y0 < y1, got"):
        box_iou((0, 0, 1, 1), box)


def test_mask_iou():
    a = np.array([[1, 1, 0], [0, 0, 0]], bool)
    b = np.array([[0, 1, 1], [0, 1, 0]], bool)
    assert mask_iou(a, b) == pytest.approx(1 / 4)
    assert mask_iou(b, b) == 1
    assert mask_iou(np.zeros((2, 3), bool), np.zeros((2, 3), bool)) == 0
    for other in (b.T, b.astype(np.uint8)):
        with pytest.raises(ValueError, match="masks: expected two bool arrays of one shape"):
            mask_iou(a, other)


def test_corloc():
    assert corloc([0.5, 0.49, 0.9, 0]) == 0.5
    assert corloc([0.5, 0.49, 0.9, 0], 0.3) == 0.75
    with pytest.raises(ValueError, match="expected at least one"):
        corloc([])


def test_bootstrap():
    # Differences 0 and 1: a mean of two draws is 0, 1/2 or 1, the ends in a quarter of the cases.
    found = bootstrap_difference([1, 3], [1, 2], resamples=2000)
    assert (found.mean, found.low, found.high) == (0.5, 0, 1)
    same = bootstrap_difference([0.2, 0.7, 0.4], [0.1, 0.6, 0.3])
    assert same.low == pytest.approx(0.1) and same.high == pytest.approx(0.1)


def test_bootstrap_agrees_with_the_normal_interval():
    generator = np.random.default_rng(5)
    first, second = generator.normal(0.1, 0.5, 400), generator.normal(0, 0.5, 400)
    found = bootstrap_difference(first, second)
    reach = 1.96 * (first - second).std() / 20
    assert found.low == pytest.approx(found.mean - reach, abs=0.004)
    assert found.high == pytest.approx(found.mean + reach, abs=0.004)


def test_bootstrap_repeats_itself_and_leaves_the_global_generator_alone():
    first, second = np.random.default_rng(1).random((2, 50))
    before = np.random.get_state()[1].copy()
    assert bootstrap_difference(first, second) == bootstrap_difference(first, second)
    assert bootstrap_difference(first, second) != bootstrap_difference(first, second, seed=1)
    assert (np.random.get_state()[1] == before).all()


@pytest.mark.parametrize(
    ("first", "second", "resamples"),
    [([], [], 10), ([1, 2], [1], 10), ([[1]], [[1]], 10), ([1], [1], 0)],
)
def test_bootstrap_of_unpaired_values(first, second, resamples):
    with pytest.raises(ValueError, match="expected two rows of one value a query"):
        bootstrap_difference(first, second, resamples=resamples)


def test_bootstrap_of_values_that_are_not_finite():
    with pytest.raises(ValueError, match="expected finite values"):
        bootstrap_difference([1, float("nan")], [0, 0])
