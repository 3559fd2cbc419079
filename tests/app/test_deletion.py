"""The deletion check as a user meets it, without a browser."""

from types import SimpleNamespace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dff.app import deletion_data, deletion_markup
from dff.app.deletion_data import HiddenOnFactors, HiddenPart, Place
from dff.app.engine import Engine, Source, opened
from dff.app.factors_data import PartFacts
from dff.deletion import heats_on_picture, hidden, own_pixels


def part(number: int, name: str | None = None, dead: bool = False) -> PartFacts:
    return PartFacts(number, number - 1, dead, name, None, 0.25, 1.0, "centre", None, None)


def tried(number: int, contribution: float, after: float, rank: int = 1) -> HiddenPart:
    return HiddenPart(number, 0.2, contribution, Place(0.7, 1, 9, 100), Place(after, rank, 9, 50))


# --- what is said -----------------------------------------------------------------------------


def test_the_place_of_a_result_leaves_the_query_out():
    scores = np.array([1.0, 0.5, 0.9, 0.5, 0.1], np.float32)
    found = deletion_data.place(scores, 1, frozenset({0}))
    assert (found.score, found.rank, found.of, found.percentile) == (0.5, 2, 4, 20)
    assert deletion_data.place(scores, 2, frozenset()).rank == 2


def test_the_sentence_of_a_result():
    said = deletion_data.result_sentence(part(2, "dome"), tried(1, 0.31, 0.5, rank=4))
    assert said == (
        "The split credits part 2 (dome) with 0.310 of the score 0.700. Without its pixels (20 % "
        "of the picture) the score is 0.500: 0.200 lower. The result moves from rank 1 to 4 of 9."
    )
    risen = deletion_data.result_sentence(part(1), tried(0, -0.02, 0.75))
    assert "part 1 with −0.020" in risen and "0.750: 0.050 higher" in risen
    assert risen.endswith("The result stays at rank 1 of 9.")


def test_the_verdict():
    parts = [part(1, "dome"), part(2), part(3, "sky")]
    agree = [tried(0, 0.4, 0.2), tried(1, 0.2, 0.5), tried(2, 0.1, 0.6)]
    assert deletion_data.verdict(parts, agree) == (
        "They agree: part 1 (dome) has the largest contribution, and its loss lowers the score "
        "most. Rank correlation over the 3 parts: 1.00 (1: the same order, 0: none in common, "
        "−1: the reverse)."
    )
    differ = [tried(0, 0.4, 0.6), tried(2, 0.1, 0.2)]
    said = deletion_data.verdict(parts, differ)
    assert "They disagree: part 1 (dome)" in said and "the loss of part 3 (sky) lowers" in said
    assert "the 2 parts: -1.00" in said
    assert "nothing to compare" in deletion_data.verdict(parts, differ[:1])


def test_the_sentence_on_factors():
    test = HiddenOnFactors(0.1, np.array([0.05, 1.2]), (("mosque", 0.6),), (("castle", 0.2),))
    assert deletion_data.factors_sentence(part(1, "dome"), test) == (
        "With part 1 (dome) hidden (10 % of the picture), 5 % of the activation energy along its "
        "basis vector is left. The network's first guess was mosque (0.60), now it is castle "
        "(0.20)."
    )
    same = HiddenOnFactors(0.1, np.array([0.05, 1.2]), (("mosque", 0.6),), (("mosque", 0.3),))
    said = deletion_data.factors_sentence(part(2), same)
    assert "120 % of the activation" in said and "stays mosque: 0.60 before, 0.30 after" in said
    unread = HiddenOnFactors(0.1, np.array([0.05]), (), ())
    assert deletion_data.factors_sentence(part(1), unread).endswith("so it has no guess.")


def test_remaining_energy_by_hand():
    before = np.array([[[3, 4]], [[1, 0]], [[0, 0]]], np.float32)
    after = np.array([[[0, 4]], [[2, 0]], [[0, 0]]], np.float32)
    assert deletion_data.remaining_energy(before, after).tolist() == [16 / 25, 4, 0]


def test_guesses_need_a_classifier_of_this_layer():
    activations = np.array([[[2.0, 0.0]], [[1.0, 1.0]]], np.float32)  # both channels have mean 1
    seen = []
    network = SimpleNamespace(
        labels=("a", "b"),
        classify=lambda vectors: seen.append(vectors) or np.array([[0.25, 0.75]], np.float32),
    )
    assert deletion_data.guesses(network, activations) == (("b", 0.75), ("a", 0.25))
    assert seen[0].tolist() == [[1, 1]]
    blind = SimpleNamespace(labels=("a", "b"), classify=lambda vectors: None)
    assert deletion_data.guesses(blind, activations) == ()


def test_markup_escapes_names_and_shows_a_rise_left_of_zero():
    parts = [part(1, "<b>dome</b>"), part(2)]
    tests = [tried(0, 0.3, 0.4), tried(1, 0.1, 0.8)]  # falls of 0.3 and -0.1
    table = deletion_markup.tests_table(parts, tests, 0)
    assert "&lt;b&gt;dome" in table and "<b>dome" not in table
    assert table.count("<strong>") == 2 and "<strong>0.300</strong>" in table
    assert "left: 0.0%; width: 25.0%" in table and ">−0.100<" in table
    bars = deletion_markup.expected_and_measured(parts[1], tests[0])
    assert bars.count("left: 0.0%; width: 100.0%") == 2


# --- the engine -------------------------------------------------------------------------------


def test_a_query_without_a_part_is_that_of_the_blurred_picture(index, counting):
    index._backbone = counting
    shared = Engine(index)
    source = Source.of_row(index, 0)
    query = shared.query(source, 4, None)
    masks = own_pixels(heats_on_picture(query.parts))
    part = int(masks.sum(axis=(1, 2)).argmax())
    found = shared.without(source, query, part)
    again = index.query(hidden(index.picture(0), masks[part]))
    assert np.array_equal(found.described.regions, again.described.regions)
    passes = counting.passes
    assert shared.without(source, query, part) is found and counting.passes == passes
    other = shared.without(source, query, (part + 1) % 4)
    assert not np.array_equal(other.described.regions, found.described.regions)


def test_a_part_of_a_box_is_hidden_in_the_box(index):
    shared = Engine(index)
    source = Source.of_row(index, 0)
    query = shared.query(source, 3, (0, 0, 80, 120))
    masks = own_pixels(heats_on_picture(query.parts))
    assert masks.any() and not masks[:, :, masks.shape[2] // 2 + 1 :].any()
    found = shared.without(source, query, 0)
    assert found.box == (0, 0, 80, 120) and found.parts.k == 3
    pair = deletion_data.picture_pair(shared.pixels(source), masks[0], query.box)
    assert pair.width == 120  # the crop of 80 pixels, half as large again


def test_an_uploaded_picture_can_be_tested(index):
    shared = Engine(index)
    data = index.photo_path(1).read_bytes()
    source = Source.of_upload("mine.png", data)
    query = shared.query(source, 4, None)
    assert shared.without(source, query, 0).described.regions.shape[0] == 4


def test_a_missing_photo_is_one_sentence(index, monkeypatch):
    shared = Engine(index)
    source = Source.of_row(index, 0)
    query = shared.query(source, 4, None)
    monkeypatch.setattr(index, "photo_path", lambda row: None)
    with pytest.raises(ValueError, match="is not beside the index, and its pixels are needed"):
        shared.without(source, query, 0)


# --- the pages --------------------------------------------------------------------------------

RESULT = """
from dff.app.deletion_panel import result_test
from dff.app.engine import Source, engine, index_folder

shared = engine(str(index_folder()))
source = Source.of_row(shared.index, 0)
query = shared.query(source, 4, None)
result_test(shared, source, query, 1, {0: "my own"})
"""
FACTORS = (
    "from dff.app.engine import engine, index_folder\n"
    "from dff.app.views import factors\n"
    "factors.page(engine(str(index_folder())))"
)


@pytest.fixture
def open_page(index_folder, monkeypatch):
    monkeypatch.setenv("DFF_INDEX", str(index_folder))

    def run(script: str) -> AppTest:
        at = AppTest.from_string(script, default_timeout=60).run()
        assert not at.exception, at.exception
        return at

    return run


def texts(at: AppTest) -> str:
    return " ".join([*(h.value for h in at.html), *(m.value for m in at.markdown)])


def test_a_result_is_tested_part_by_part(open_page):
    at = open_page(RESULT)
    assert not at.error
    assert "The split credits part" in texts(at) and "Credited by the split" in texts(at)
    assert "Fall when hidden" not in texts(at)
    assert any("not proof of cause" in caption.value for caption in at.caption)
    assert "1 my own" in at.pills[0].options
    other = next(j for j in range(4) if j != at.pills[0].value)
    at.pills[0].set_value(other).run()
    assert f"The split credits part {other + 1}" in texts(at)
    at.toggle(key="hide_all").set_value(True).run()
    assert not at.exception
    assert "Fall when hidden" in texts(at)
    assert "They agree" in texts(at) or "They disagree" in texts(at)


def test_without_the_photo_the_page_says_why(open_page, monkeypatch):
    opened.clear()  # which keeps what it has computed
    monkeypatch.setattr("dff.index.Index.photo_path", lambda self, row: None)
    at = open_page(RESULT)
    assert len(at.error) == 1 and "pixels are needed" in at.error[0].value


def test_factors_hides_a_part_only_when_asked(open_page):
    at = open_page(FACTORS)
    assert "Energy left" not in texts(at)
    pills = next(p for p in at.pills if p.label == "Part to hide")
    assert pills.value is None
    pills.set_value(0).run()
    assert not at.exception and not at.error
    assert "With part 1" in texts(at) and "Energy left" in texts(at)
    assert "Guesses after" in texts(at)


def test_the_stage_opens_the_test_of_a_result(visit, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "dff.app.views.explore.result_dialog", lambda *facts: asked.append(facts[3])
    )
    dashboard = visit()
    row = dashboard.stage["cards"][0]["row"]
    dashboard.send("test", row)
    assert asked == [row]
    for wrong in (-1, 10**6, "1", None, 1.5, True):
        dashboard.send("test", wrong)
    assert asked == [row] and not dashboard.errors
    dashboard.at.run()
    assert asked == [row]
