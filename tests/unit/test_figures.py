"""Figures for print: what they say, that they are whole files, and that they leave no trace."""

import io

import matplotlib
import numpy as np
import pytest
from matplotlib._pylab_helpers import Gcf
from PIL import Image

from dff.figures import (
    FORMATS,
    Panel,
    concepts_figure,
    contributions_figure,
    parts_figure,
    results_figure,
    save,
)
from dff.figures.panel import cropped
from dff.figures.sheet import Sheet, number
from dff.parts import Parts

HOSTILE = "$\\frac{1}</text><script>alert(1)</script> & 100 %"


def panel(k: int = 2, title: str = "A lighthouse", asked=None, **more) -> Panel:
    """A picture of 80 x 60 whose part j is strongest in column j; the last part is the weakest."""
    heatmaps = np.zeros((k, 3, 12), np.float32)
    for j in range(k):
        heatmaps[j, 1, j] = 4.5 - 0.25 * j
    basis = np.eye(k, 12, dtype=np.float32)
    energy = np.full(k, 1 / k, np.float32)
    parts = Parts(heatmaps, basis, energy, 160, 120, box=asked)
    picture = np.full((60, 80, 3), 200, np.uint8)
    facts = {"credit": "Ada, CC0", **more}
    return Panel(picture, parts, range(k), title, **facts)


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize("k", [1, 2, 4, 7, 10])
def test_a_figure_of_parts_names_them_all(k):
    names = [f"thing {j}" for j in range(k)]
    figure = parts_figure(panel(k), names, note="net:last")
    said = texts(figure)
    assert {"A lighthouse", "net:last", "Photo", f"{100 / k:.0f} %", *names} <= set(said)
    assert [said.count(str(j + 1)) for j in range(k)] == [2] * k  # in its head and on the picture
    # The photo, all parts on it, one heatmap a part, one colour bar.
    assert len(figure.axes[0].images) == k + 3
    assert {"0", "2.25", "4.5"} <= set(said)  # the bar's own numbers
    assert any("Ada, CC0" in text for text in said)
    assert figure.get_size_inches()[0] == pytest.approx(7.2)


def test_every_part_has_its_own_bar_where_scales_are_its_own():
    figure = parts_figure(panel(2), ["a", "b"], how="per_factor")
    assert len(figure.axes[0].images) == 2 + 2 * 2
    assert {"4.5", "4.25"} <= set(texts(figure))


def test_a_box_is_shown_in_the_photo_and_its_crop_alone():
    whole, boxed = panel(), panel(asked=(40, 30, 120, 90))
    assert cropped(whole) is whole
    inside = cropped(boxed)
    assert inside.picture.shape == (30, 40, 3)
    assert (inside.parts.width, inside.parts.height, inside.parts.box) == (80, 60, None)
    assert "Photo and box" in texts(parts_figure(boxed, ["a", "b"]))


def results(count: int, **more) -> list[Panel]:
    made = []
    for n in range(count):
        shares = np.array([0.5 - 0.1 * n, -0.125])
        facts = {"score": float(shares.sum()), "shares": shares, "box": (10, 10, 90, 80), **more}
        made.append(panel(title=f"result {n}", **facts))
    return made


def test_a_figure_of_results_has_their_scores_boxes_and_bars():
    figure = results_figure(panel(), results(4), ["sky", ""], note="net")
    said = texts(figure)
    assert {"Most similar to A lighthouse", "sky", "part 2", "0.375", "0.275", "0.175"} <= set(said)
    assert [f"result {n}" in said for n in range(4)] == [True] * 4
    assert len(figure.axes[0].images) == 5
    boxes = [p for p in figure.axes[0].patches if p.get_linewidth() > 1.5]
    assert len(boxes) == 4  # the casing of each result's box
    # Bars: what lowers the score lies left of the line, what raises it right.
    assert number(-0.125) == "−0.125"
    bars = [p for p in figure.axes[0].patches if p.get_height() == 0.05]
    assert len(bars) == 8
    rising, falling = bars[0], bars[1]
    assert falling.get_x() + falling.get_width() == pytest.approx(rising.get_x())
    assert rising.get_width() / falling.get_width() == pytest.approx(4)


@pytest.mark.parametrize("count", [1, 4, 9])
def test_a_figure_of_a_set_names_its_parts_and_shows_every_picture(count):
    panels = [panel(title=f"picture {n}") for n in range(count)]
    figure = concepts_figure(panels, ["sky", ""], [0.75, 0.25], note="net")
    said = texts(figure)
    title = "What one picture holds" if count == 1 else f"What {count} pictures share"
    assert {title, "sky", "part 2", "75 %", "25 %", "net"} <= set(said)
    assert len(figure.axes[0].images) == count
    assert [said.count(str(j)) for j in (1, 2)] == [count + 1 + 1, count + 1 + (count > 1)]
    with pytest.raises(ValueError, match="expected pictures and energies of 2 parts"):
        concepts_figure(panels, ["sky", ""], [1.0])


def test_a_figure_of_one_score_is_the_table_and_its_sums():
    table = np.array([[0.25, -0.125, 0], [0.5, 0.0625, 0.03125]])
    query, match = panel(2), panel(3, title="The match")
    figure = contributions_figure(query, match, table, ["a", "b"], ["x", "y", ""])
    said = texts(figure)
    cells = {"0.250", "−0.125", "0.000", "0.500", "0.062", "0.031"}
    sums = {"0.125", "0.594", "0.750", "−0.062", "0.719"}
    assert cells | sums <= set(said)
    assert "Why The match scores 0.719 for A lighthouse" in said
    assert {"−0.500", "0.500", "part C", "A", "B", "C"} <= set(said)
    fills = {p.get_facecolor()[:3] for p in figure.axes[0].patches if p.get_height() > 0.3}
    assert any(blue > red for red, _, blue in fills) and any(red > blue for red, _, blue in fills)
    assert (1.0, 1.0, 1.0) in fills  # what adds nothing is white


@pytest.mark.parametrize("format", FORMATS)
def test_files_are_whole_and_equal_figures_equal_files(format):
    made = [save(parts_figure(panel(), ["sky", "sea"]), format) for _ in range(2)]
    assert made[0] == made[1]
    start = {"png": b"\x89PNG", "pdf": b"%PDF-", "svg": b"<?xml"}[format]
    assert made[0].startswith(start)
    if format == "png":
        with Image.open(io.BytesIO(made[0])) as image:
            assert image.width == 2160 and round(image.info["dpi"][0]) == 300
    if format == "pdf":
        # Real fonts, and which character each glyph is: text that can be searched and copied.
        assert b"/FontFile2" in made[0] and b"/ToUnicode" in made[0] and b"/Type3" not in made[0]
        assert b"CreationDate" not in made[0]
    if format == "svg":
        assert b">A lighthouse<" in made[0] and made[0].count(b"<image") == 5


def test_strangers_texts_are_shown_as_they_are():
    figure = parts_figure(panel(title=HOSTILE), ["a\nb", "x" * 200], note="n" * 400)
    said = texts(figure)
    assert HOSTILE in said and "a b" in said
    assert any(text.startswith("xxx") and text.endswith("…") for text in said)
    svg = save(figure, "svg")
    assert b"<script" not in svg and b"&lt;script&gt;" in svg


def test_long_texts_are_cut_to_their_width():
    sheet = Sheet(1)
    assert sheet.fitted("short", 2, 7) == "short"
    cut = sheet.fitted("w" * 100, 1, 7)
    assert cut.endswith("…") and 5 < len(cut) < 20
    assert sheet.fitted("w" * 100, 2, 7).startswith(cut[:-1])
    assert sheet.fitted("", 1, 7) == ""


def test_drawing_leaves_no_trace():
    before = dict(matplotlib.rcParams)
    save(parts_figure(panel(), ["a", "b"]), "svg")
    assert dict(matplotlib.rcParams) == before
    assert not Gcf.figs  # pyplot's list, which all sessions of a dashboard would share


@pytest.mark.parametrize("size", [(40, 5000), (5000, 40)])
def test_extreme_pictures_fit_their_frame(size):
    parts = Parts(np.ones((1, 2, 2), np.float32), np.ones((1, 3), np.float32), np.ones(1), *size)
    long = Panel(np.zeros((size[1] // 4, size[0] // 4, 3), np.uint8), parts, [0], "long")
    for figure in (parts_figure(long, ["a"]), results_figure(long, [long], ["a"])):
        width, height = figure.get_size_inches()
        assert width == pytest.approx(7.2) and height < 9


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(ValueError, match="one a part, got 1 for 2"):
        parts_figure(panel(2), ["a"])
    with pytest.raises(ValueError, match=r"results with 2 parts each.*got \[2\]"):
        results_figure(panel(2), [], ["a", "b"])
    with pytest.raises(ValueError, match=r"got \[2, 3\]"):
        results_figure(panel(2), [panel(3)], ["a", "b"])
    with pytest.raises(ValueError, match="expected 2 x 3 cells, got"):
        contributions_figure(panel(2), panel(3), np.zeros((3, 2)), ["a", "b"], ["a"] * 3)
    with pytest.raises(ValueError, match="expected one of png, pdf, svg, got 'gif'"):
        save(parts_figure(panel(), ["a", "b"]), "gif")
