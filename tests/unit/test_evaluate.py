"""The evaluation: its runner, its tables and its command, on drawn pictures."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dff.cli import main
from dff.descriptors import Regions
from dff.evaluation.datasets import open_dataset
from dff.evaluation.datasets.base import Dataset, Sample, asks_by_label, assemble
from dff.evaluation.features import Features, mask_box
from dff.evaluation.locating import draws, locate_all
from dff.evaluation.retrieval import Described, choose, describe_all, rows_of
from dff.evaluation.runner import evaluate

SIZE = 128


def quiet(what: str, done: int, total: int) -> None:
    """No progress."""


@pytest.fixture(scope="module")
def features(backbone, tmp_path_factory):
    return Features(backbone, tmp_path_factory.mktemp("activations"), SIZE)


@pytest.fixture(scope="module")
def found(photos, features):
    return evaluate(open_dataset(photos), features, ["dff", "dff_gem", "gem", "rmac"])


def planted(labels: list[str], vectors: list[list[float]]) -> tuple[Dataset, Described]:
    """A collection of one region a picture, leave one out."""
    images = [
        Sample(Path(f"/nowhere/{n}.png"), str(n), frozenset([x])) for n, x in enumerate(labels)
    ]
    rows = range(len(images))
    dataset = assemble("planted", "finite", images, asks_by_label(images, rows, rows), list(rows))
    one = np.ones(1, np.float32)
    own: list[Regions | None] = [Regions(np.array([v], np.float32), one) for v in vectors]
    return dataset, Described("gem", own, [None] * len(images), 0.5)


def test_the_document_is_the_contract(found):
    document = found.document()
    assert (document["queries"], document["images"]) == (12, 12)
    # Twelve pictures are too few to whiten: one row a matching.
    kinds = [(row["descriptor"], row["whitening"], row["matching"]) for row in document["rows"]]
    both = ("vector", "regions")
    several = [(n, "none", m) for n in ("dff", "dff_gem") for m in both]
    assert kinds == [*several, ("gem", "none", "vector"), *[("rmac", "none", m) for m in both]]
    assert [k for k, row in zip(kinds, document["rows"], strict=True) if row["default"]] == [
        ("dff_gem", "none", "regions")
    ]
    for row in document["rows"]:
        assert 0 < row["map"] <= 100 and 0 <= row["p_at_1"] <= 100 and row["seconds"] > 0
        assert (row["backbone"], row["layer"]) == ("efficientnet_lite0", "block6+last")
        assert (row["size"], row["dimensions"]) == (SIZE, 2432)
    assert document["localization"] == []  # a folder has no boxes


def test_a_repeated_run_gives_the_same_numbers_and_needs_no_network(
    found, photos, features, monkeypatch
):
    def forbidden(*args, **options):
        raise AssertionError("the network runs")

    monkeypatch.setattr(features.backbone, "activations", forbidden, raising=False)
    again = evaluate(open_dataset(photos), features, ["dff", "dff_gem", "gem", "rmac"])
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
    run = evaluate(open_dataset(tmp_path), features, ["gem"])
    assert any("broken.png" in note for note in run.notes)
    assert len(run.rows[0].answers) == 12


def test_what_cannot_be_read_does_not_become_nan():
    dataset, described = planted(["a", "a", "b", "b"], [[1, 0], [2, 0], [0, 3], [0.8, 0.6]])
    with pytest.raises(ValueError, match="planted: expected pictures to search, none"):
        next(rows_of(dataset, replace(described, pictures=[None] * 4), tell=quiet))
    one_each = [described.pictures[0], None, described.pictures[2], None]
    with pytest.raises(ValueError, match="planted: expected queries and something relevant"):
        next(rows_of(dataset, replace(described, pictures=one_each), tell=quiet))
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
    rows = {row.matching: row for row in rows_of(dataset, several, tell=quiet)}
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
        (gem,), notes = describe_all(boxed, features, ["gem"], k=4, crop=True, tell=quiet)
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
    rows, notes = locate_all(boxed, features, k=3, tell=quiet)
    by_name = {row.method: row for row in rows}
    assert notes == [] and [row.method for row in rows if row.default] == ["joint DFF, refined"]
    assert {"CAM", "Grad-CAM", "AML window search", "instant DFF", "joint DFF"} <= set(by_name)
    whole = by_name["whole image"]
    share = 50 * 50 / (160 * 120)
    assert (whole.box_iou, whole.mask_iou) == (pytest.approx(share), pytest.approx(share))
    assert whole.corloc == 0
    for row in rows:
        assert 0 <= row.mask_iou <= 1 and 0 <= row.box_iou <= 1 and row.seconds >= 0
    assert by_name["joint DFF, refined"].mask_iou > 2 * share


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


def test_a_wrong_dataset_is_one_line(tmp_path, capsys):
    assert main(["evaluate", str(tmp_path / "nix.jsonl")]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("dff: ") and err.count("\n") == 1
