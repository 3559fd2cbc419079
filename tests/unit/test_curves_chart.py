"""The threshold curves of the report."""

import re

from dff.evaluation.curves import Curve
from dff.evaluation.curves_chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, threshold_section

AT = (0.1, 0.3, 0.5)


def curve(method: str, pieces: str = "largest", masks: bool = True) -> Curve:
    return Curve(method, pieces, AT, (0.0, 0.5, 1.0) if masks else None, (0.2,) * 3, (0, 50, 100))


def test_no_curves_no_section():
    assert threshold_section([]) == ""


def test_a_line_goes_from_corner_to_corner():
    section = threshold_section([curve("a & b"), curve("a & b", "all")])
    low, high = HEIGHT - BOTTOM, TOP
    left, right = LEFT, WIDTH - RIGHT
    middle = f"{(left + right) / 2:.1f} {(low + high) / 2:.1f}"
    path = f'd="M{left:.1f} {low:.1f}L{middle}L{right:.1f} {high:.1f}"'
    assert section.count(path) == 2  # mask IoU 0 to 1, CorLoc 0 to 100
    assert "the best: a &amp; b 1 at 0.5" in section and "the best: a &amp; b 100 at 0.5" in section
    assert "a & b" not in section


def test_the_table_has_all_pieces_and_the_charts_only_the_largest():
    section = threshold_section([curve("heat"), curve("heat", "all")])
    assert section.count('role="img"') == 3
    assert "<td>0.50 / 0.20 / 50</td>" in section
    assert re.findall(r'scope="row">([^<]*)<', section) == ["heat, largest", "heat, all"]


def test_without_masks_there_is_no_chart_of_them():
    section = threshold_section([curve("heat", masks=False)])
    assert section.count('role="img"') == 2 and "mask IoU" not in section
    assert "<td>0.20 / 50</td>" in section


def test_the_last_method_always_looks_the_same():
    dashes = []
    for count in (1, 3, 6):
        section = threshold_section([curve(str(n)) for n in range(count)])
        dashes.append(re.findall(r'stroke="(#\w+)" stroke-width="3"', section))
        assert len(set(re.findall(r'stroke="(#\w+)"', section))) == count
    assert dashes[0][0] == dashes[1][0] == dashes[2][0]
