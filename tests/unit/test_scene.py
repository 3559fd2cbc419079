import base64
import json
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

from dff import explain
from dff.app import scene
from dff.factorization import match_parts
from dff.images import read_image
from dff.marks import MAX_COLOURS
from dff.parts import Parts
from dff.shared_parts import exact_joint_parts, joint_parts


def decoded(facts: dict) -> np.ndarray:
    levels = np.frombuffer(base64.b64decode(facts["data"]), np.uint8)
    shape = facts["k"], facts["rows"], facts["columns"]
    return levels.reshape(shape).astype(np.float32) / 255 * facts["scale"]


def parts_of(heatmaps: np.ndarray, **more) -> Parts:
    k = len(heatmaps)
    basis = np.eye(k, 5, dtype=np.float32)
    return Parts(heatmaps, basis, np.full(k, 1 / k, np.float32), 200, 100, **more)


# --- which cards ------------------------------------------------------------------------------


def test_best_takes_the_highest_and_equal_ones_in_order():
    scores = np.array([0.5, 0.9, 0.5, 0.1, 0.9, 0.5], np.float32)
    assert explain.best(scores, 3, frozenset()) == [1, 4, 0]
    assert explain.best(scores, 4, frozenset()) == [1, 4, 0, 2]
    assert explain.best(scores, 3, frozenset({1, 0})) == [4, 2, 5]
    assert explain.best(scores, 99, frozenset({3})) == [1, 4, 0, 2, 5]
    assert explain.best(scores[:0], 5, frozenset()) == []


def test_best_agrees_with_a_full_sort():
    random = np.random.default_rng(3)
    for _ in range(20):
        scores = random.integers(0, 8, 60).astype(np.float32)  # many ties
        gone = frozenset(int(row) for row in random.integers(0, 60, 4))
        order = [int(row) for row in np.argsort(-scores, kind="stable") if int(row) not in gone]
        assert explain.best(scores, 7, gone) == order[:7]


def test_candidates_hold_the_first_results_of_every_switch_setting():
    rows = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    weights = np.array([1, 0.5, 2, 0], np.float32)
    gone = frozenset({7})
    found = scene.candidates(rows, weights, 5, gone)
    assert found[:5] == explain.best(rows @ weights, 5, gone)
    assert len(set(found)) == len(found) <= scene.MOST_CARDS
    assert 7 not in found
    assert set(explain.best(rows @ np.ones(4, np.float32), 5, gone)) <= set(found)
    for part in range(4):
        off = np.ones(4, np.float32)
        off[part] = 0
        assert set(explain.best(rows @ off, 5, gone)) <= set(found)


def test_candidates_are_enough_for_a_long_list_and_bounded_for_many_parts():
    rows = np.random.default_rng(1).normal(size=(300, 10)).astype(np.float32)
    ones = np.ones(10, np.float32)
    assert scene.candidates(rows, ones, 50, frozenset()) == explain.best(
        rows @ ones, 50, frozenset()
    )
    assert len(scene.candidates(rows, ones, 5, frozenset())) <= scene.MOST_CARDS
    assert scene.candidates(rows[:3], ones, 5, frozenset({1})) in ([0, 2], [2, 0])


# --- heat -------------------------------------------------------------------------------------


def test_heat_survives_its_bytes():
    heatmaps = np.random.default_rng(0).random((3, 4, 6)).astype(np.float32) * 7
    heatmaps[2] = 0
    facts = scene.heat_facts(parts_of(heatmaps))
    assert (facts["k"], facts["rows"], facts["columns"]) == (3, 4, 6)
    assert np.abs(decoded(facts) - heatmaps).max() <= facts["scale"] / 255 / 2 + 1e-6
    assert not decoded(facts)[2].any()
    assert facts["extent"] == [0, 0, 1, 1] and facts["clip"] is None


def test_no_heat_is_all_zero():
    facts = scene.heat_facts(parts_of(np.zeros((2, 3, 3), np.float32)))
    assert facts["scale"] == 0 and not decoded(facts).any()


def test_the_heat_of_a_box_lies_in_the_box():
    heatmaps = np.ones((1, 2, 2), np.float32)
    parts = parts_of(heatmaps, box=(50, 20, 150, 70), extent=(-0.1, 0.0, 1.1, 1.2))
    facts = scene.heat_facts(parts)
    assert facts["clip"] == pytest.approx([0.25, 0.2, 0.75, 0.7])
    # The grid reaches a tenth of the box over its left and right, a fifth under it.
    assert facts["extent"] == pytest.approx([0.2, 0.2, 0.8, 0.8])


# --- facts ------------------------------------------------------------------------------------


@pytest.fixture
def query(index):
    return index.indexed_query(index.pictures[0].id)


def test_a_card_is_made_of_one_row(index, query):
    shared = joint_parts(index, query, [1, 2, 3])
    for row in (1, 5):
        card = scene.card_facts(index, query, row, shared.of(index, row), (3, 1, 0, 2))
        picture = index.pictures[row]
        assert (card["row"], card["id"], card["title"]) == (row, picture.id, picture.title)
        jpeg = base64.b64decode(card["image"].removeprefix("data:image/jpeg;base64,"))
        assert jpeg == index.thumbnail(row)
        own = index.parts(row)
        assert np.abs(decoded(card["own"]) - own.heatmaps).max() <= own.heatmaps.max() / 255
        found = shared.of(index, row).heatmaps
        assert np.abs(decoded(card["joint"]) - found).max() <= found.max() / 255
        table = index.contributions(query, row)
        assert card["contributions"] == pytest.approx(table, abs=1e-6)
        # A region of the match takes the colour of the part it goes with best.
        assert card["own_colours"] == [(3, 1, 0, 2)[i] for i in table.argmax(axis=0)]
        assert json.loads(json.dumps(card, allow_nan=False)) == card


def test_partners_are_those_of_the_index_also_where_a_region_adds_nothing(
    index, query, monkeypatch
):
    shared = joint_parts(index, query, [1])
    colours = (3, 1, 0, 2)
    partners = index.partners(query, 1)
    card = scene.card_facts(index, query, 1, shared.of(index, 1), colours)
    assert card["own_colours"] == [colours[i] for i in partners]
    table = index.contributions(query, 1)
    table[:, 2] = 0
    monkeypatch.setattr(index, "contributions", lambda *_: table)
    expected = [colours[i] for i in index.partners(query, 1)]
    assert (
        scene.card_facts(index, query, 1, shared.of(index, 1), colours)["own_colours"] == expected
    )


def test_pictures_in_the_joint_parts_are_the_same_together_and_alone(index, query):
    shared = joint_parts(index, query, [1, 2, 3])
    together = shared.all_of(index, [5, 1, 2])
    for row, found in zip([5, 1, 2], together, strict=True):
        alone = shared.of(index, row)
        assert (found.width, found.height) == (alone.width, alone.height)
        assert np.abs(found.heatmaps - alone.heatmaps).max() < 1e-4 * alone.heatmaps.max()
    assert shared.all_of(index, []) == []


def test_contributions_sum_to_the_row_scores(index, query):
    rows = index.row_scores(query)
    for row in range(len(index)):
        table = index.contributions(query, row)
        assert table.sum(axis=1) == pytest.approx(rows[row], abs=1e-5)


def test_scores_are_sent_whole_and_the_average_is_of_all(index, query):
    rows = index.row_scores(query)
    facts = scene.score_facts(query, rows)
    sent = np.frombuffer(base64.b64decode(facts["rows"]), "<f4").reshape(facts["n"], -1)
    assert (sent == rows).all()
    assert facts["exclude"] == [0]
    assert facts["average"] == pytest.approx(rows.mean(axis=0), abs=1e-5)


def test_a_large_collection_is_ranked_on_the_server(index, query, monkeypatch):
    rows = index.row_scores(query)
    monkeypatch.setattr(scene, "BROWSER_LIMIT", len(rows))
    assert scene.score_facts(query, rows) is not None
    monkeypatch.setattr(scene, "BROWSER_LIMIT", len(rows) - 1)
    assert scene.score_facts(query, rows) is None


def test_parts_carry_names_colours_and_energy(index, query):
    facts = scene.part_facts(query, (2, 0, 1, 5), {1: ("my own", 0.71)})
    assert [part["number"] for part in facts] == [1, 2, 3, 4]
    assert [part["colour"] for part in facts] == [2, 0, 1, 5]
    assert sum(part["energy"] for part in facts) == pytest.approx(1, abs=1e-3)
    own = facts[1]
    assert (own["name"], own["confidence"], own["renamed"]) == ("my own", 0.71, True)
    assert facts[0]["name"] and not facts[0]["renamed"]
    assert 0 < facts[0]["confidence"] <= 1


def test_the_joint_parts_keep_the_querys_numbers(index, query):
    shared = joint_parts(index, query, [1, 2, 3, 4])
    assert not query.parts.dead.any()
    assert match_parts(query.parts.basis, shared.basis).tolist() == [0, 1, 2, 3]
    again = joint_parts(index, query, [1, 2, 3, 4])
    assert (again.basis == shared.basis).all()


def test_a_located_box_needs_a_part_that_counts(index, query):
    shared = joint_parts(index, query, [1])
    nothing = np.zeros(query.parts.k, np.float32)
    assert scene.box_facts(shared.query, shared.of(index, 1), nothing, exact=False) is None
    picture = index.pictures[1]
    for part in range(query.parts.k):
        weights = nothing.copy()
        weights[part] = 1
        box = scene.box_facts(shared.query, shared.of(index, 1), weights, exact=False)
        if box is not None:
            x0, y0, x1, y1 = box
            assert 0 <= x0 < x1 <= picture.width and 0 <= y0 < y1 <= picture.height
            assert (x1 - x0) * (y1 - y0) <= 0.9 * picture.width * picture.height


def test_exact_parts_are_cut_higher():
    """Heat of 1 in the middle and of 0.375 around it: over 0.35, under 0.4."""
    heat = np.zeros((1, 8, 8), np.float32)
    heat[0, 1:7, 1:7] = 0.375
    heat[0, 3:5, 3:5] = 1
    one = np.ones(1, np.float32)
    parts = Parts(heat, np.ones((1, 2), np.float32), one, 80, 80)
    wide = scene.box_facts(parts, parts, one, exact=False)
    narrow = scene.box_facts(parts, parts, one, exact=True)
    # Cells of 10 pixels. 0.35 is reached near the middle of the ring's outer cells (15), 0.4 near
    # that of its inner ones (25).
    assert wide == pytest.approx([15, 15, 65, 65], abs=2)
    assert narrow == pytest.approx([25, 25, 55, 55], abs=2)


@pytest.mark.parametrize(
    ("matching", "members", "says", "best_only"),
    [
        ("vector", False, "Every pair of parts counts in the score.", False),
        ("regions", False, "most like it. The other pairs add nothing.", True),
        ("mutual", False, "it, and the other way round. The other pairs add nothing.", False),
        ("vector", True, "has 5 regions, from fine parts to the whole. Every pair", False),
        ("regions", True, "is shared among the parts in which its regions lie.", False),
        ("mutual", True, "and the other way round. What a pair adds is shared", False),
    ],
)
def test_the_rule_of_the_score_in_words(matching, members, says, best_only):
    members = np.full((5, 4), 0.25, np.float32) if members else None
    rule = scene.rule_facts(
        SimpleNamespace(described=SimpleNamespace(members=members), matching=matching)
    )
    assert says in rule["text"] and rule["best_only"] is best_only


def test_exact_joint_parts_are_in_the_querys_order(index, query, backbone):
    told: list[tuple[int, int]] = []
    exact = exact_joint_parts(
        index, query, index.picture(0), [1, 2], lambda done, count: told.append((done, count))
    )
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert set(exact.exact) == {1, 2}
    assert exact.of(index, 1) is exact.exact[1]
    assert exact.basis.shape == query.parts.basis.shape
    mine, found = (
        np.stack([parts.on_picture(heat, 64).ravel() for heat in parts.heatmaps])
        for parts in (query.parts, exact.query)
    )
    assert match_parts(mine, found).tolist() == [0, 1, 2, 3]


def test_exact_joint_parts_let_others_work_between_the_pictures(index, query, monkeypatch):
    happened: list[str] = []

    @contextmanager
    def turn():
        happened.append("begins")
        yield
        happened.append("ends")

    original = index.picture
    monkeypatch.setattr(index, "picture", lambda row: happened.append("photo") or original(row))
    exact_joint_parts(index, query, original(0), [1, 2], turn=turn)
    own, photo = ["begins", "ends"], ["begins", "photo", "ends"]
    assert happened == [*own, *photo, *photo, *own]


def test_the_palette_has_ten_distinct_entries():
    palette = scene.palette_facts()
    assert len(palette) == MAX_COLOURS == 10
    assert len({(entry["hex"], entry["hatched"]) for entry in palette}) == 10


def test_the_large_image_falls_back_to_the_thumbnail(index, monkeypatch):
    assert scene.large_image(index, 0) == scene.shown_large(index.picture(0))
    monkeypatch.setattr(index, "photo_path", lambda row: None)
    assert scene.large_image(index, 0) == index.thumbnail(0)


@pytest.mark.parametrize(
    ("size", "shown"), [((4000, 1000), (800, 200)), ((1000, 4000), (200, 800)), ((300, 64), None)]
)
def test_the_large_image_is_bounded(size, shown):
    width, height = size
    ramp = np.linspace(0, 255, width).astype(np.uint8)
    picture = np.repeat(np.broadcast_to(ramp, (height, width))[..., None], 3, axis=2)
    found = read_image(scene.shown_large(picture))
    assert found.shape[1::-1] == (shown or size)
    there = np.linspace(0, 255, found.shape[1])
    assert np.abs(found.mean(axis=(0, 2)) - there).max() < 4  # nothing has moved


def test_versions_tell_values_apart():
    assert scene.version_of("a", 1) == scene.version_of("a", 1)
    assert len({scene.version_of(*v) for v in (("a", 1), ("a", 2), ("b", 1), ("a1",))}) == 4


def test_weights_of_zero_remove_exactly_their_row(index, query):
    rows = index.row_scores(query)
    for part in range(rows.shape[1]):
        weights = explain.check_weights([0.0 if i == part else 1.0 for i in range(4)], 4)
        assert rows @ weights == pytest.approx(rows.sum(axis=1) - rows[:, part], abs=1e-5)
