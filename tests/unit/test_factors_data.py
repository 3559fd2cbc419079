import itertools
from dataclasses import replace

import numpy as np
import pytest

from dff.app import charts, factors_data, markup
from dff.factorization import Factorization, factorize_activations
from dff.marks import colour_map


def made(heatmaps, basis, energy=None, dead=None) -> Factorization:
    heatmaps = np.asarray(heatmaps, np.float32)
    k = len(heatmaps)
    return Factorization(
        heatmaps=heatmaps,
        basis=np.asarray(basis, np.float32),
        energy=np.asarray(energy if energy is not None else [1 / k] * k, np.float32),
        explained=0.75,
        error=0.5,
        error_curve=np.array([1.0, 0.6, 0.5], np.float32),
        iterations=2,
        dead=np.asarray(dead if dead is not None else [False] * k),
        seed=0,
        solver="hals",
        init="nndsvda",
    )


# --- parts -------------------------------------------------------------------------------


def test_part_facts_say_what_was_planted():
    heatmaps = np.zeros((2, 3, 3))
    heatmaps[0, 0, 2] = 7.5
    factors = made(heatmaps, [[1, 0], [0, 0]], energy=[1, 0], dead=[False, True])
    first, second = factors_data.part_facts(
        factors, (3, 0), ((("dome", 0.4), ("mosque", 0.1)), ()), stability=[0.95, 0.0]
    )
    assert (first.number, first.colour, first.name, first.probability) == (1, 3, "dome", 0.4)
    assert (first.energy, first.peak, first.where) == (1.0, 7.5, "upper right")
    assert (first.stability, first.mark) == (pytest.approx(0.95), "steady")
    assert second.dead and second.name is None and second.mark is None


def test_a_users_own_name_comes_first_and_is_no_guess():
    guesses = ((("dome", 0.4),), (("mosque", 0.5),), (("sky", 0.3),))
    parts = factors_data.part_facts(
        made(np.ones((3, 2, 2)), np.eye(3)),
        (0, 1, 2),
        guesses,
        own={0: ("<b>mine", None), 1: ("yours", 0.71)},
    )
    assert [(part.name, part.probability, part.own) for part in parts] == [
        ("<b>mine", None, True),
        ("yours", 0.71, True),
        ("sky", 0.3, False),
    ]
    heads = [markup.part_head(part) for part in parts]
    assert "looks like" not in heads[0] + heads[1] and "looks like" in heads[2]
    assert "&lt;b&gt;mine" in heads[0] and "0.71" in heads[1]


def test_without_stability_there_is_no_mark():
    factors = made(np.ones((1, 2, 2)), [[1.0]])
    assert factors_data.part_facts(factors, (0,), ((),))[0].mark is None


@pytest.mark.parametrize(
    ("value", "word"),
    [(1.0, "steady"), (0.9, "steady"), (0.89, "varies"), (0.7, "varies"), (0.69, "changes")],
)
def test_stability_words(value, word):
    assert factors_data.stability_word(value) == word


@pytest.mark.parametrize(
    ("at", "words"),
    [((0, 0), "upper left"), ((2, 2), "centre"), ((4, 2), "bottom"), ((2, 4), "right")],
)
def test_place_of_peak(at, words):
    heatmap = np.zeros((5, 5), np.float32)
    heatmap[at] = 1
    assert factors_data.place_of_peak(heatmap) == words


# --- residual and similarity ---------------------------------------------------------------


def test_residual_is_zero_where_explained_and_one_where_not():
    activations = np.zeros((2, 1, 4), np.float32)
    activations[:, 0, 0] = (2, 0)  # explained
    activations[:, 0, 1] = (0, 3)  # not at all
    activations[:, 0, 2] = (3, 4)  # the first channel only: 4 of 5 are left
    factors = made([[[2, 0, 3, 0]]], [[1, 0]])
    residual = factors_data.residual_map(activations, factors)
    assert residual.dtype == np.float32
    np.testing.assert_allclose(residual, [[0, 1, 0.8, 0]], atol=1e-6)


def test_residual_over_many_channels_agrees_with_the_error():
    activations = np.random.default_rng(0).random((600, 4, 5), np.float32)
    factors = factorize_activations(activations, 3)
    residual = factors_data.residual_map(activations, factors)
    lengths = np.linalg.norm(activations, axis=0)
    whole = np.sqrt((residual**2 * lengths**2).sum() / (lengths**2).sum())
    assert whole == pytest.approx(factors.error, abs=1e-5)


def test_residual_of_another_grid_is_refused():
    with pytest.raises(ValueError, match=r"expected \(channels, 2, 2\), got \(1, 3, 3\)"):
        factors_data.residual_map(np.ones((1, 3, 3)), made(np.ones((1, 2, 2)), [[1.0]]))


def test_similarity_of_planted_rows():
    basis = np.array([[1, 0], [0.6, 0.8], [0, 0]], np.float32)
    expected = [[1, 0.6, 0], [0.6, 1, 0], [0, 0, 0]]
    np.testing.assert_allclose(factors_data.similarity(basis), expected, atol=1e-6)
    assert factors_data.most_alike(basis) == (1, 2, pytest.approx(0.6))
    records = factors_data.similarity_records(basis)
    assert len(records) == 9
    assert records[1] == {"part": 1, "other": 2, "cosine": pytest.approx(0.6)}


@pytest.mark.parametrize("basis", [[[1.0, 0]], [[1, 0], [0, 0]]])
def test_one_live_part_has_nothing_to_compare(basis):
    assert factors_data.most_alike(np.array(basis, np.float32)) is None


# --- curves and colours ----------------------------------------------------------------------


def test_curves_are_records():
    factors = made(np.ones((1, 2, 2)), [[1.0]])
    assert factors_data.quality_by_k({2: factors, 1: factors})[:2] == [
        {"k": 1, "measure": "explained share", "value": 0.75},
        {"k": 1, "measure": "relative error", "value": 0.5},
    ]
    assert [r["iteration"] for r in factors_data.convergence(factors.error_curve)] == [0, 1, 2]


# --- sizes and texts -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1024, 768), (512, 384)), ((768, 1024), (300, 400)), ((100, 80), (150, 120))],
)
def test_pictures_fit_and_are_not_enlarged_too_far(size, expected):
    assert factors_data.display_size(*size, 512, 400) == expected


def test_a_strangers_text_stays_text():
    shown = factors_data.plain("<b>![x](http://a)\n*hi*")
    assert "\n" not in shown
    assert "\\<b\\>\\!\\[x\\]\\(http" in shown and "\\*hi\\*" in shown
    assert len(factors_data.plain("a" * 1000)) == 400


def test_markup_escapes_names_and_rounds_stability_down():
    factors = made(np.ones((1, 2, 2)), [[1.0]])
    parts = factors_data.part_facts(factors, (0,), ((("<img src=x>", 0.5),),), [0.699])
    table = markup.parts_table(parts)
    assert "<img" not in table and "&lt;img" in table
    assert "changes" in table and "0.69<" in table
    assert "…" in markup.parts_table(factors_data.part_facts(factors, (0,), ((),)), pending=True)


def test_colour_bar_has_the_real_numbers():
    shared = markup.colour_bar(40.0, peak=10.0)
    assert "peak 10" in shared and "left: 25.0%" in shared and ">40<" in shared
    own = markup.colour_bar(12.5, peak=12.5)
    assert "peak" not in own and ">12.5<" in own and ">6.25<" in own
    assert ">0<" in markup.colour_bar(0.0, peak=0.0)


def test_charts_hold_the_numbers():
    factors = {k: made(np.ones((1, 2, 2)), [[1.0]]) for k in (1, 2)}
    quality = charts.quality_chart(factors_data.quality_by_k(factors), 2).to_dict()
    assert "0.75" in str(quality)
    curve = charts.convergence_chart(factors_data.convergence(factors[1].error_curve)).to_dict()
    assert curve["mark"]["type"] == "line"
    cells = factors_data.similarity_records(np.eye(2, dtype=np.float32))
    similarity = charts.similarity_chart(cells).to_dict()
    assert len(similarity["layer"]) == 2
    assert similarity["resolve"]["scale"]["color"] == "independent"  # ink is not put on the ramp
    # Yellow at 1, dark violet at 0.
    inks = [record["ink"] for record in similarity["data"]["values"]]
    assert inks == ["#000000", "#ffffff", "#ffffff", "#000000"]


def test_the_axis_holds_what_a_solver_does_not_minimise():
    factors = made(np.ones((1, 2, 2)), [[1.0]])
    worse = replace(factors, explained=-0.44, error=1.2)

    def domain(found):
        chart = charts.quality_chart(factors_data.quality_by_k({1: found}), 1).to_dict()
        return chart["layer"][1]["encoding"]["y"]["scale"]["domain"]

    assert (domain(factors), domain(worse)) == ([0, 1], [-0.44, 1.2])


def test_a_curve_is_named_after_what_its_solver_minimises():
    assert factors_data.minimised("hals") == factors_data.minimised("mu") == "relative error"
    assert "divergence" in factors_data.minimised("kl")
    records = factors_data.convergence(np.array([0.9, 0.4], np.float32))
    chart = charts.convergence_chart(records, "divergence").to_dict()
    assert chart["encoding"]["tooltip"][1]["title"] == "divergence"


# --- contrast ------------------------------------------------------------------------------


def luminance(colour) -> float:
    shares = [value / 255 for value in colour]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(ink: str, colour) -> float:
    light = luminance(colour)
    return (light + 0.05) / 0.05 if ink == "#000000" else 1.05 / (light + 0.05)


def test_ink_reads_on_every_colour():
    assert charts.ink_on((255, 255, 255)) == "#000000" and charts.ink_on((0, 0, 0)) == "#ffffff"
    steps = range(0, 256, 15)
    lowest = min(contrast(charts.ink_on(c), c) for c in itertools.product(steps, steps, steps))
    assert 4.5 <= lowest < 4.7


def test_every_cosine_can_be_read():
    stops = colour_map("viridis")[::15]
    for cosine in np.linspace(0, 1, 201):
        colour = charts.ramp_colour(stops, float(cosine))
        assert contrast(charts.ink_on(colour), colour) >= 4.5


def test_a_ramp_passes_through_its_stops():
    stops = np.array([[0, 0, 0], [100, 50, 0], [100, 50, 200]])
    assert charts.ramp_colour(stops, 0.25) == [50, 25, 0]
    assert charts.ramp_colour(stops, 0.5) == [100, 50, 0]
    assert charts.ramp_colour(stops, 1.0) == [100, 50, 200]


def test_a_label_has_no_markup_and_no_backslashes():
    text = "![x](https://example.org/a.png) *A* `b` $c$ :red[d] Père’s dam_3, no. 2"
    assert factors_data.label(text) == "x https example.org a.png A b c red d Père’s dam 3, no. 2"
