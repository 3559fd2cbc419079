"""dff.flow: planted parts that split and merge in a known way."""

import numpy as np
import pytest

from dff.flow import flows, part_flow, splits, strongest


def parts(*rows: str) -> np.ndarray:
    """Heatmaps of parts drawn as letters; "." is a position without heat."""
    letters = sorted(set("".join(rows)) - {"."})
    grid = np.array([list(row) for row in rows])
    return np.stack([(grid == letter) * (2.0 + i) for i, letter in enumerate(letters)])


ONE = parts("aaaa", "aaaa")
TWO = parts("aabb", "aabb")
THREE = parts("aabc", "aabc")
CROSSED = parts("abba", "abba")


def test_streams_are_counted_in_positions():
    assert part_flow(TWO, THREE) == pytest.approx(np.array([[0.5, 0, 0], [0, 0.25, 0.25]]))
    assert part_flow(TWO, CROSSED) == pytest.approx(np.full((2, 2), 0.25))


def test_what_flows_into_a_part_flows_out_of_it():
    first, second = flows({3: THREE, 1: ONE, 2: TWO})
    assert first.shape == (1, 2) and second.shape == (2, 3)
    assert first.sum(axis=0) == pytest.approx(second.sum(axis=1))
    assert first.sum() == pytest.approx(1)


def test_positions_without_heat_belong_to_no_part():
    assert strongest(parts("a.", "bb")).tolist() == [[0, -1], [1, 1]]
    assert part_flow(parts("a.", "bb"), parts("aa", "b.")).tolist() == [[0.25, 0], [0, 0.25]]


def test_ties_go_to_the_first_part():
    assert strongest(np.ones((3, 1, 2))).tolist() == [[0, 0]]


def test_splits_and_merges():
    assert splits(part_flow(TWO, THREE)) == {1: (1, 2)}
    assert splits(part_flow(THREE, TWO)) == {}
    assert splits(part_flow(THREE, TWO).T) == {1: (1, 2)}  # parts 1 and 2 merge into 1
    uneven = np.array([[0.1, 0.6, 0.3], [0.9, 0.1, 0]])
    assert splits(uneven) == {0: (1, 2)}
    assert splits(uneven, least=0.1) == {0: (1, 2, 0), 1: (0, 1)}
    assert splits(np.zeros((2, 2))) == {}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: part_flow(TWO, parts("ab")), "one grid"),
        (lambda: strongest(np.ones((2, 3))), "rows, columns"),
        (lambda: strongest(-TWO), "negative"),
        (lambda: strongest(TWO * np.nan), "negative ones or NaN"),
        (lambda: splits(np.ones(3)), "before, after"),
        (lambda: splits(np.ones((2, 2)), least=0.6), "least"),
    ],
)
def test_wrong_arguments_are_told(call, message):
    with pytest.raises(ValueError, match=message):
        call()
