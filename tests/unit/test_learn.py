"""What the steps of the lesson show, on planted and on real numbers."""

import base64
from pathlib import Path

import numpy as np
import pytest

from dff.app.learn import adding, failures, iterations, maps, matching
from dff.app.learn.packing import floats, levels
from dff.app.learn.texts import STEPS
from dff.app.part_flow import split_facts
from dff.index import Index
from dff.index.query import Seen

SAMPLE = Path(__file__).parents[2] / "sample_index"


@pytest.fixture(scope="module")
def sample() -> Index:
    return Index.open(SAMPLE)


def unpacked(text: str, *shape: int, dtype: str = "<f4") -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype).reshape(shape)


def seen(activations: np.ndarray) -> Seen:
    return Seen(activations, (64, 48), (0.0, 0.0, 1.0, 1.0), None, frozenset(), None)


def planted_query(sample: Index):
    """A real query and activations that its parts explain exactly."""
    query = sample.indexed_query("windmill_01")
    heat = query.parts.heatmaps
    activations = np.tensordot(query.parts.basis.T, heat, axes=1).astype(np.float32)
    return query, seen(activations)


def test_there_are_seven_steps_with_one_question_each():
    assert len(STEPS) == 7
    assert all(step["title"] and step["sentence"] and step["button"] for step in STEPS)
    assert all(step["question"].endswith("?") for step in STEPS[:-1])


def test_packed_numbers_come_back():
    values = np.array([[0.0, 1.5], [2.0, 0.25]])
    assert np.array_equal(unpacked(floats(values), 2, 2), values.astype(np.float32))
    packed = levels(values)
    back = unpacked(packed["data"], 2, 2, dtype="<u2") / 65535 * packed["scale"]
    assert back == pytest.approx(values, abs=2e-5)
    assert levels(np.zeros(3))["scale"] == 0


def test_channels_come_strongest_first_with_their_layer():
    activations = np.zeros((5, 2, 3), np.float32)
    activations[3], activations[1, 0, 0], activations[4, 0, 0] = 2, 3, 1
    found = maps.facts(seen(activations), (2, 3))
    assert found["ids"][:3] == [4, 2, 5]  # energies 24, 9, 1
    assert found["layers"][:3] == [2, 1, 2]
    assert found["shares"][0] == pytest.approx(24 / 34, abs=1e-6)
    assert found["channels"] == 5 and (found["rows"], found["columns"]) == (2, 3)
    assert found["start"] == 1  # in one position only, as channel 5, and stronger
    assert len(base64.b64decode(found["magma"])) == 768


def test_every_number_of_the_formula_leads_to_the_next(sample):
    query, picture = planted_query(sample)
    found = iterations.facts(picture, query)
    k, n = 4, found["iterations"]
    rows, columns = query.parts.grid
    assert n == iterations.ITERATIONS == 30 and len(found["heats"]) == len(found["errors"]) == 31
    h = unpacked(found["cells"], n + 1, rows * columns, k)
    pull = unpacked(found["pulls"], n, rows * columns, k)
    gram = unpacked(found["grams"], n + 1, k, k)
    for t in (0, 1, 29):
        after = h[t] * pull[t] / (h[t] @ gram[t])
        assert after == pytest.approx(h[t + 1], rel=2e-3, abs=1e-5)
    assert found["errors"][-1] < 0.2 * found["errors"][0]
    assert min(found["alike"]) > 0.9  # exact parts are found from any start


def test_done_is_when_95_percent_of_the_fall_lies_behind():
    assert iterations.done_after(np.array([1.0, 0.5, 0.04, 0.02, 0.0])) == 2
    assert iterations.done_after(np.array([1.0])) == 0


def named(*names: str) -> list[dict]:
    return [{"number": i + 1, "name": name} for i, name in enumerate(names)]


def test_a_split_is_told_with_its_shares():
    flow = np.array([[0.3, 0, 0.1], [0.1, 0.5, 0]])
    told = split_facts(flow, named("sails", ""))
    assert (told["part"], told["targets"]) == (0, [0, 2])
    assert told["answer"].startswith(
        "From 2 to 3, part 1 (sails) splits: 75 % go to part 1 and 25 % go to part 3."
    )
    assert "Part 1 is put together from parts 1 and 2." in told["answer"]


def test_where_nothing_splits_the_widest_stream_is_told():
    told = split_facts(np.array([[0.9, 0.1]]), named("all"))
    assert told["part"] is None
    assert "10 % of part 1 (all), which go to part 2" in told["answer"]


def test_the_descriptor_is_built_from_the_strips(sample):
    query = sample.indexed_query("windmill_01")
    whitening = sample.whitening("dff")
    found = adding.facts(query, whitening, sample.descriptor)
    described = sample.described(sample.row("windmill_01"), "dff")
    count, kept = found["shown"]
    assert (count, kept) == (96, 96)
    raw, unit = unpacked(found["raw"], 4, 96), unpacked(found["unit"], 4, 96)
    lengths = np.array(found["lengths"]["raw"])
    assert raw / lengths[:, None] == pytest.approx(unit, abs=1e-3)
    whitened = unpacked(found["whitened"], 4, 96)
    assert whitened == pytest.approx(described.regions[:, :96], abs=1e-4)
    total = np.array(found["weights"]) @ whitened
    assert total == pytest.approx(unpacked(found["sum"], 96), abs=1e-3)
    vector = unpacked(found["vector"], 96)
    assert total / found["lengths"]["sum"] == pytest.approx(vector, abs=1e-3)
    assert vector == pytest.approx(described.vector[:96], abs=1e-4)
    assert found["lengths"]["vector"] == pytest.approx(1)
    assert "fifteen vectors" in found["note"] and "simplest form" in found["note"]


def test_the_pairs_of_a_match_sum_to_its_score(sample):
    query = sample.indexed_query("windmill_01")
    rows = sample.row_scores(query)
    found = matching.match_facts(sample, query, rows, (0, 1, 2, 3))["results"]
    assert [one["rank"] for one in found] == [1, 2, 3, 4, 5]
    assert found[0]["id"] == "india_gate"
    for one in found:
        assert sum(map(sum, one["table"])) == pytest.approx(one["score"], abs=1e-5)


def test_the_ranking_has_cards_for_what_may_come_to_the_front(sample):
    query = sample.indexed_query("windmill_01")
    rows = sample.row_scores(query)
    found = matching.ranking_facts(sample, query, rows)
    assert found["scores"]["n"] == len(sample)
    for off in range(4):
        weights = np.ones(4, np.float32)
        weights[off] = 0
        order = [int(r) for r in np.argsort(-(rows @ weights), kind="stable")]
        shown = [row for row in order if row not in query.same][: found["top"]]
        assert {str(row) for row in shown} <= set(found["cards"])


def test_every_failure_is_true_of_the_sample_collection(sample):
    kinds = [failure.kind for failure in failures.examples(sample)]
    assert kinds == ["match", "match", "match", "name", "reason"]
    told = failures.facts(sample, {})["examples"]
    ranks = [one["right"]["rank"] for one in told if one["kind"] == "match"]
    assert all(rank > 1 for rank in ranks)
    for one in told[:3]:
        i, j = one["pair"]
        table = np.array(one["result"]["table"])
        assert table[i, j] == table.max()
        assert (
            f"{table.max():.3f}" in one["answer"]
            and f"rank {one['right']['rank']}" in one["answer"]
        )
    name = told[3]["parts"][told[3]["pair"][0]]
    assert name["confidence"] > 0.8 and f"{name['confidence']:.2f}" in told[3]["answer"]
    assert told[4]["falls"] is None and told[4]["answer"] == ""


def test_what_a_deletion_says_depends_on_its_numbers():
    credit = np.array([0.1, 0.2, 0.05])
    assert "rises by 0.030" in failures.told(credit, np.array([0.04, -0.03, 0.0]))
    assert "falls by 0.010 only" in failures.told(credit, np.array([0.04, 0.01, 0.0]))
    assert "here it holds" in failures.told(credit, np.array([0.04, 0.05, 0.0]))


def test_another_collection_has_none_of_the_failures(index):
    assert failures.facts(index, {}) == {"examples": []}
