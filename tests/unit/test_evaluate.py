"""The evaluation: its runner, its tables and its command, on drawn pictures."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from dff.backbones import load_backbone
from dff.cli import main
from dff.descriptors import DEFAULT_DESCRIPTOR, MATCHINGS, Regions, matching_of
from dff.evaluation.datasets import open_dataset
from dff.evaluation.datasets.base import Dataset, Sample, asks_by_label, assemble
from dff.evaluation.described import (
    Described,
    Setup,
    choose,
    describe_all,
    describers,
    readable_rows,
)
from dff.evaluation.features import Features, mask_box
from dff.evaluation.locating import draws, locate_all
from dff.evaluation.protocols import Relevance
from dff.evaluation.retrieval import rows_of
from dff.evaluation.runner import Options, evaluate
from dff.evaluation.whitenings import Fitted
from dff.images import ImageError
from dff.reranker import RERANKINGS
from dff.whitening import Whitening

SIZE = 128
NAMES = ("dff", DEFAULT_DESCRIPTOR, "gem", "rmac")


def quiet(what: str, done: int, total: int) -> None:
    """No progress."""


@pytest.fixture(scope="module")
def features(backbone, tmp_path_factory):
    return Features(backbone, tmp_path_factory.mktemp("activations"), SIZE)


@pytest.fixture(scope="module")
def narrow(features):
    """A layer of a quarter of the channels: its whitenings are quick."""
    return Features(load_backbone("efficientnet_lite0:block5"), features.folder, SIZE)


@pytest.fixture(scope="module")
def found(photos, features):
    return evaluate(open_dataset(photos), [features], Options(NAMES))


def planted(labels: list[str], vectors: list[list[float]]) -> tuple[Dataset, Described]:
    """A collection of one region a picture, leave one out."""
    images = [
        Sample(Path(f"/nowhere/{n}.png"), str(n), frozenset([x])) for n, x in enumerate(labels)
    ]
    rows = range(len(images))
    dataset = assemble("planted", "finite", images, asks_by_label(images, rows, rows), list(rows))
    one = np.ones(1, np.float32)
    own: list[Regions | None] = [Regions(np.array([v], np.float32), one) for v in vectors]
    seen = SimpleNamespace(backbone=SimpleNamespace(name="net", layer="last"), size=64)
    return dataset, Described("gem", Setup(seen, 4), own, [None] * len(images), 0.5)


def described_by(names: list[str], dataset: Dataset, setup: Setup, crop: bool = False):
    """The regions of every picture, and notes."""
    rows, notes = readable_rows(dataset, setup, quiet)
    functions = describers(dataset, rows, setup, names)
    return describe_all(dataset, rows, setup, functions, crop=crop, tell=quiet), notes


def test_the_document_is_the_contract(found):
    document = found.document()
    assert (document["queries"], document["images"]) == (12, 12)
    # Twelve pictures are too few to whiten: one row a matching.
    kinds = [(row["descriptor"], row["whitening"], row["matching"]) for row in document["rows"]]
    several = {name: [(name, "none", m) for m in MATCHINGS] for name in NAMES}
    assert kinds == [k for name in NAMES for k in several[name] if name != "gem" or "vector" in k]
    assert [k for k, row in zip(kinds, document["rows"], strict=True) if row["default"]] == [
        (DEFAULT_DESCRIPTOR, "none", matching_of(DEFAULT_DESCRIPTOR))
    ]
    for row in document["rows"]:
        assert 0 < row["map"] <= 100 and 0 <= row["p_at_1"] <= 100 and row["seconds"] > 0
        assert (row["backbone"], row["layer"]) == ("efficientnet_lite0", "block6+last")
        assert (row["size"], row["dimensions"], row["scales"]) == (SIZE, 2432, [1.0])
        assert row["k"] == (4 if row["descriptor"] in ("dff", "dff_gem") else None)
        assert (row["whitening_on"], row["rerank"]) == (None, None)
        assert 0 <= row["map_low"] <= row["map"] <= row["map_high"] <= 100
        against = row["vs_default"]
        assert against["low"] <= against["difference"] <= against["high"]
        assert row["default"] <= (against == {"difference": 0, "low": 0, "high": 0})
    assert document["localization"] == []  # a folder has no boxes


def test_a_repeated_run_gives_the_same_numbers_and_needs_no_network(
    found, photos, features, monkeypatch
):
    def forbidden(*args, **options):
        raise AssertionError("the network runs")

    monkeypatch.setattr(features.backbone, "activations", forbidden, raising=False)
    again = evaluate(open_dataset(photos), [features], Options(NAMES))
    timeless = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in run.document()["rows"]]
        for run in (found, again)
    ]
    assert timeless[0] == timeless[1]


def test_planted_regions_have_the_map_worked_out_by_hand():
    # Angles: 0 and 1 point the same way, 3 lies between; 2 and 3 share a label.
    #   query 0 (a): 1 first: 1.   query 1 (a): 0 first: 1.
    #   query 2 (b), along y: cosines 0, 0, 0.6 to 0, 1, 3: 3 first: 1.
    #   query 3 (b) = (0.8, 0.6): 0.8, 0.8, 0.6 to 0, 1, 2: 2 is third: 1/3.
    dataset, described = planted(["a", "a", "b", "b"], [[1, 0], [2, 0], [0, 3], [0.8, 0.6]])
    (row,) = rows_of(dataset, described, tell=quiet)
    assert row.mean_precisions == {"all": pytest.approx(100 * (3 + 1 / 3) / 4)}
    assert row.first == 75 and row.bytes == 8 and not row.default
    assert [a.precision for a in row.answers] == pytest.approx([1, 1, 1, 1 / 3])
    assert row.answers[3].results == (0, 1, 2)


def test_a_picture_that_cannot_be_read_is_left_out_and_named(photos, features, tmp_path):
    for path in photos.glob("*/*.png"):
        (tmp_path / path.parent.name).mkdir(exist_ok=True)
        (tmp_path / path.parent.name / path.name).write_bytes(path.read_bytes())
    (tmp_path / "round" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n, and no more")
    run = evaluate(open_dataset(tmp_path), [features], Options(["gem"]))
    assert any("broken.png" in note for note in run.notes)
    assert len(run.rows[0].answers) == 12


def test_what_cannot_be_read_does_not_become_nan():
    dataset, described = planted(["a", "a", "b", "b"], [[1, 0], [2, 0], [0, 3], [0.8, 0.6]])
    with pytest.raises(ValueError, match="planted: expected pictures to search, none"):
        list(rows_of(dataset, replace(described, pictures=[None] * 4), tell=quiet))
    one_each = [described.pictures[0], None, described.pictures[2], None]
    with pytest.raises(ValueError, match="planted: expected queries and something relevant"):
        list(rows_of(dataset, replace(described, pictures=one_each), tell=quiet))
    # A task that nobody asks is not a mean of nothing.
    (row,) = rows_of(replace(dataset, tasks=("all", "hard")), described, tell=quiet)
    assert list(row.mean_precisions) == ["all"]


def test_what_else_a_target_holds_costs_nothing_region_by_region():
    # Query 0 is x alone. 1 holds x and y: 1 by its best region, 0.707 by their sum; 2 is
    # (0.8, 0.6): 0.8 either way; 3 is y: 0. So 1, the right one, is first only by regions.
    own = [[[1, 0]], [[1, 0], [0, 1]], [[0.8, 0.6]], [[0, 1]]]
    dataset, described = planted(["a", "a", "b", "b"], [[1, 0]] * 4)
    pictures = [Regions(np.array(v, np.float32), np.ones(len(v), np.float32)) for v in own]
    several = replace(described, pictures=pictures)
    rows = {row.settings.matching: row for row in rows_of(dataset, several, tell=quiet)}
    firsts = {matching: row.answers[0] for matching, row in rows.items()}
    assert (firsts["vector"].results, firsts["vector"].precision) == ((2, 1, 3), 0.5)
    assert (firsts["regions"].results, firsts["regions"].precision) == ((1, 2, 3), 1.0)
    # Two numbers of four bytes: a sum a picture, or five regions in four pictures.
    assert (rows["vector"].regions, rows["vector"].bytes, rows["regions"].bytes) == (1.25, 8, 10)


def test_a_box_that_reaches_past_the_border_is_clipped(photos, features):
    dataset = open_dataset(photos)
    made = []
    for box in ((-3, 20, 80, 125), (0, 20, 80, 120)):
        asks = (replace(dataset.queries[0], box=box), *dataset.queries[1:])
        boxed = replace(dataset, queries=asks)
        (gem,), notes = described_by(["gem"], boxed, Setup(features, 4), crop=True)
        assert notes == [] and gem.asked[1:] == [None] * 11
        made.append(gem.asked[0].vectors)
    np.testing.assert_array_equal(*made)
    assert not np.allclose(made[0], gem.pictures[dataset.queries[0].image].vectors)


def test_only_known_descriptors_and_those_that_the_layer_can():
    with pytest.raises(ValueError, match=r"descriptors: expected all or some of dff, .*'nix'"):
        choose(["dff", "nix"], True)
    names, notes = choose(["all"], False)
    assert "dff_gem" in names and "cam" not in names
    assert len(notes) == 1 and "cam" in notes[0] and "no classifier" in notes[0]
    with pytest.raises(ValueError, match="expected one that this layer can, got cam"):
        choose(["cam"], False)


# --- options: each adds rows --------------------------------------------------------------

FOUR = ["a", "a", "b", "b"], [[1, 0], [2, 0], [0, 3], [0.8, 0.6]]


def test_a_whitening_from_elsewhere_adds_a_row_worked_out_by_hand():
    # Three times the height: picture 3 is (0.8, 1.8), of cosine 0.41 to 0 and 1 and 0.91 to 2.
    # So query 3 finds 2 first, as all others did before.
    taller = Whitening(np.zeros(2, np.float32), np.diag([1, 3]).astype(np.float32), 0.5, 2, {})
    dataset, described = planted(*FOUR)
    elsewhere = [Fitted("1/2", "other", taller)]
    own, other = rows_of(dataset, described, elsewhere=elsewhere, tell=quiet)
    assert (own.settings.whitening, own.settings.whitening_on) == ("none", None)
    assert own.mean_precisions == {"all": pytest.approx(100 * (3 + 1 / 3) / 4)}
    assert (other.settings.whitening, other.settings.whitening_on) == ("1/2", "other")
    assert other.mean_precisions == {"all": pytest.approx(100)} and not other.default


def test_a_second_ranking_adds_a_row_worked_out_by_hand():
    # AQE, each query with the three others: the new query of 0 is (1 + 1 + 0 + 0.8, 1 + 0.6) =
    # (2.8, 1.6), which gives 2.8 to 1 and 3.2 to 3: AP 1/2; 1 likewise. The new query of 2 and of
    # 3 is the same sum: 3 is first for 2, and 2 (1.6) is behind 0 and 1 (2.8) for 3.
    dataset, described = planted(*FOUR)
    plain, again = rows_of(dataset, described, reranks=["aqe"], tell=quiet)
    assert (plain.settings.rerank, again.settings.rerank) == (None, "aqe")
    assert again.mean_precisions == {"all": pytest.approx(100 * (1 / 2 + 1 / 2 + 1 + 1 / 3) / 4)}
    assert [a.results for a in again.answers] == [(3, 1, 2), (3, 0, 2), (3, 0, 1), (0, 1, 2)]


def test_a_query_is_taken_out_only_where_it_must_not_find_itself():
    # As in the old Oxford protocol: each query's own picture is there and counts as right.
    dataset, described = planted(*FOUR)
    with_itself = []
    for ask in dataset.queries:
        relevance = ask.tasks["all"]
        positives = [*relevance.positives, ask.image]
        with_itself.append(replace(ask, tasks={"all": Relevance.of(positives)}))
    old = replace(dataset, queries=tuple(with_itself))
    for name in RERANKINGS:
        _, again = rows_of(old, described, reranks=[name], tell=quiet)
        assert all(sorted(a.results) == [0, 1, 2, 3] for a in again.answers)


def test_several_sizes_stand_side_by_side(photos, features):
    dataset = open_dataset(photos)
    (both,), _ = described_by(["gem"], dataset, Setup(features, 4, (1.0, 0.5)))
    small = Features(features.backbone, features.folder, SIZE // 2)
    row = int(dataset.database[0])
    for seen, vector in zip((features, small), both.pictures[row].vectors, strict=True):
        (alone,), _ = described_by(["gem"], dataset, Setup(seen, 4))
        np.testing.assert_array_equal(vector, alone.pictures[row].vectors[0])
    np.testing.assert_array_equal(both.pictures[row].weights, [0.5, 0.5])


def test_every_k_and_scale_has_its_rows(photos, narrow):
    options = Options(["dff_gem", "gem"], ks=(2, 3), scales=(1.0, 0.5), reranks=["aqe"])
    run = evaluate(open_dataset(photos), [narrow], options)
    found = [
        (own.descriptor, own.k, len(own.scales), own.matching, own.rerank, row.regions)
        for row in run.rows
        for own in [row.settings]
    ]
    ways = (*((matching, None) for matching in MATCHINGS), ("vector", "aqe"))
    several = {
        (name, k, scales): [(name, k, scales, *way, k_regions * scales) for way in ways]
        for name, k, k_regions in (("dff_gem", 2, 2.0), ("dff_gem", 3, 3.0), ("gem", None, 1.0))
        for scales in (1, 2)
    }
    assert found == [
        *several["dff_gem", 2, 1],
        *[row for row in several["gem", None, 1] if row[3] == "vector"],
        *several["dff_gem", 2, 2],
        *several["gem", None, 2],
        *several["dff_gem", 3, 1],
        *several["dff_gem", 3, 2],
    ]
    with pytest.raises(ValueError, match="scales: expected factors that make 128 pixels 32 to"):
        evaluate(open_dataset(photos), [narrow], Options(["gem"], scales=(0.2,)))


def test_every_layer_has_its_rows_and_the_usual_one_the_default(photos, features, narrow):
    layers = [narrow, features]
    options = Options([DEFAULT_DESCRIPTOR])
    run = evaluate(open_dataset(photos), layers, options, usual="block6+last")
    assert {row.settings.layer for row in run.rows} == {"block5", "block6+last"}
    (default,) = [row.settings for row in run.rows if row.default]
    assert (default.layer, default.matching) == ("block6+last", matching_of(DEFAULT_DESCRIPTOR))
    alone = evaluate(open_dataset(photos), layers[:1], options, usual="block6+last").document()
    assert {row["vs_default"] for row in alone["rows"]} == {None}
    with pytest.raises(ValueError, match="layers: expected at least one"):
        evaluate(open_dataset(photos), [], options)


def test_whitenings_are_fitted_on_other_pictures_alone(photos, narrow, tmp_path, monkeypatch):
    monkeypatch.setattr("dff.evaluation.whitenings.FEWEST_TO_WHITEN", 12)
    for path in photos.glob("*/*.png"):
        (tmp_path / path.parent.name).mkdir(exist_ok=True)
        (tmp_path / path.parent.name / path.name).write_bytes(path.read_bytes())
    (tmp_path / "round" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n, and no more")
    other = open_dataset(tmp_path)
    run = evaluate(open_dataset(photos), [narrow], Options(["gem"], whiten_on=other))
    found = [(row.settings.whitening, row.settings.whitening_on) for row in run.rows]
    powers = ("0", "1/16", "1/4", "1/2")
    assert found == [
        ("none", None),
        *[(power, "itself") for power in powers],
        *[(power, other.name) for power in powers],
        ("pairs", other.name),
    ]
    # The other dataset holds the same pictures under other paths: the same whitenings.
    own, copied = run.rows[1:5], run.rows[5:9]
    assert [r.mean_precisions for r in own] == [r.mean_precisions for r in copied]
    assert any(note.startswith(f"{other.name}: left out") for note in run.notes)
    with pytest.raises(ValueError, match=r"whiten_on: expected other pictures .*, got 13 of them"):
        evaluate(other, [narrow], Options(["gem"], whiten_on=other))


# --- locating ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def boxed(tmp_path_factory) -> Dataset:
    """Four squares of one label with box and mask, two discs of another: too few."""
    folder = tmp_path_factory.mktemp("boxed")
    lines = []
    for number in range(6):
        label = "square" if number < 4 else "disc"
        picture = np.full((120, 160, 3), (40, 130, 60), np.uint8)
        x, y = 20 + 15 * number, 20 + 10 * (number % 3)
        picture[y : y + 50, x : x + 50] = (200, 40, 40)
        mask = np.zeros((120, 160), np.uint8)
        mask[y : y + 50, x : x + 50] = 255
        Image.fromarray(picture).save(folder / f"{number}.png")
        Image.fromarray(mask).save(folder / f"mask{number}.png")
        box = [x, y, x + 50, y + 50]
        line = {"image": f"{number}.png", "label": label, "bbox": box, "mask": f"mask{number}.png"}
        lines.append(json.dumps(line))
    (folder / "manifest.jsonl").write_text("\n".join(lines))
    return open_dataset(folder / "manifest.jsonl")


def test_draws_repeat_and_leave_small_labels_out(boxed):
    chosen = draws(boxed)
    assert chosen == draws(boxed) and len(chosen) == 3
    for query, targets in chosen:
        assert sorted([query, *targets]) == [0, 1, 2, 3]


def test_every_method_has_a_row_and_blind_ones_the_overlap_worked_out_by_hand(boxed, features):
    located = locate_all(boxed, features, k=3, tell=quiet)
    rows = located.rows
    by_name = {row.method: row for row in rows}
    assert located.notes == () and [row.method for row in rows if row.default] == [
        "joint DFF, refined"
    ]
    assert {"CAM", "Grad-CAM", "AML window search", "instant DFF", "joint DFF"} <= set(by_name)
    whole = by_name["whole image"]
    share = 50 * 50 / (160 * 120)
    assert (whole.box_iou, whole.mask_iou) == (pytest.approx(share), pytest.approx(share))
    assert whole.corloc == 0
    for row in rows:
        assert 0 <= row.mask_iou <= 1 and 0 <= row.box_iou <= 1 and row.seconds >= 0
    assert by_name["joint DFF, refined"].mask_iou > 2 * share
    # Twice, for the largest piece and for all, every method that has a heatmap of its own.
    drawn = {curve.method for curve in located.curves}
    assert len(located.curves) == 2 * len(drawn)
    assert drawn == set(by_name) - {
        "whole image",
        "centre box",
        "AML window search",
        "joint DFF, refined",
    }


def test_a_query_that_cannot_be_read_is_named_and_does_not_stop_the_bar(
    boxed, features, monkeypatch
):
    (query, _), *_ = draws(boxed)
    broken = boxed.images[query].path
    see = features.see

    def seeing(path, box=None):
        if path == broken:
            raise ImageError("torn")
        return see(path, box)

    monkeypatch.setattr(features, "see", seeing, raising=False)
    told = []
    located = locate_all(boxed, features, k=2, tell=lambda *facts: told.append(facts))
    assert [done for _, done, _ in told] == [1, 2, 3]
    assert located.notes == (f"not located: {boxed.images[query].name}: torn",)


def test_the_box_around_a_mask():
    mask = np.zeros((5, 6), bool)
    assert mask_box(mask) is None
    mask[1:3, 2:6] = True
    assert mask_box(mask) == (2, 1, 6, 3)


# --- the command -------------------------------------------------------------------------


def test_the_command_prints_one_document(photos, backbone, features, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("dff.backbones.load_backbone", lambda name: backbone)
    options = ["--descriptors", "dff,gem", "--size", str(SIZE), "--cache", str(features.folder)]
    arguments = ["evaluate", str(photos), *options, "--json", "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 1 and "report.html" in err
    document = json.loads(out)
    assert {row["descriptor"] for row in document["rows"]} == {"dff", "gem"}
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["report.html", "report.json"]
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == document
    assert main(["evaluate", str(photos), *options]) == 0
    assert "mAP" in capsys.readouterr().out
    assert main(["evaluate", str(photos), *options[2:], "--descriptors", "nix"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "descriptors: expected" in err and err.count("\n") == 1


def test_the_options_reach_the_table(photos, backbone, narrow, monkeypatch, capsys):
    layers = {"one": backbone, "one:block5": narrow.backbone}
    monkeypatch.setattr("dff.backbones.load_backbone", layers.__getitem__)
    start = ["evaluate", str(photos), "--size", str(SIZE), "--cache", str(narrow.folder)]
    varied = ["--descriptors", "dff_gem", "--k", "2,3", "--scales", "1,0.5", "--rerank", "dba"]
    assert main([*start, "--backbone", "one:block5", *varied, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    # Two k, one size and two; each by all matchings, and ranked again.
    assert len(rows) == 2 * 2 * (len(MATCHINGS) + 1)
    assert {row["layer"] for row in rows} == {"block5"} and not any(row["default"] for row in rows)
    # A layer was named first, but the usual one is the network's own.
    start += ["--descriptors", DEFAULT_DESCRIPTOR]
    assert main([*start, "--backbone", "one:block5,one", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {row["layer"] for row in rows} == {"block5", "block6+last"}
    assert [row["layer"] for row in rows if row["default"]] == ["block6+last"]

    wrong = {
        ("--k", "4,11"): "expected a whole number from 1 to 10, got '11'",
        ("--scales", "1,x"): "expected factors of the size such as 1,0.7, got '1,x'",
        ("--scales", "99"): "scales: expected factors that make 128 pixels 32 to 4096, got 99",
        ("--scales", "nan"): "scales: expected factors",
        ("--rerank", "nix"): "rerank: expected all or some of aqe",
        ("--whiten-on", str(photos)): "whiten_on: expected other pictures than those of",
        ("--backbone", ""): "layers: expected at least one",
    }
    for arguments, message in wrong.items():
        try:
            status = main([*start, "--backbone", "one", *arguments])
        except SystemExit as stop:
            status = stop.code
        out, err = capsys.readouterr()
        assert (status, out) == (2, "") and message in err, arguments


def test_a_wrong_dataset_is_one_line(tmp_path, capsys):
    assert main(["evaluate", str(tmp_path / "nix.jsonl")]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("dff: ") and err.count("\n") == 1
