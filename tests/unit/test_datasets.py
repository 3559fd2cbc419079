"""Readers, on tiny made-up copies in the official layouts."""

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dff.evaluation import Dataset, DatasetProblem, open_dataset
from dff.evaluation.datasets.convert_revisited import convert, main
from dff.evaluation.datasets.oxford import DAMAGED
from dff.evaluation.protocols import (
    precision_at,
    relevant_ranks,
    trapezoid_average_precision,
)


def touch(root: Path, names: Iterable[str]) -> None:
    """Files that are there and never opened."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def picture(path: Path, width: int = 8, height: int = 6) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height)).save(path)


def asked(dataset: Dataset, task: str = "all") -> dict[str, tuple[set[str], set[str]]]:
    """The names of positives and junk, by the query's name."""
    names = [image.name for image in dataset.images]
    return {
        names[ask.image]: tuple({names[row] for row in rows} for rows in ask.tasks[task])
        for ask in dataset.queries
        if task in ask.tasks
    }


def searched(dataset: Dataset) -> list[str]:
    return [dataset.images[row].name for row in dataset.database]


# --- manifest --------------------------------------------------------------------------


def manifest(root: Path, *rows: object) -> Path:
    """A manifest with one line a row; texts as they are. Its pictures exist."""
    root.mkdir(exist_ok=True)
    for row in rows:
        if isinstance(row, dict):
            touch(root, [row[key] for key in ("image", "mask") if isinstance(row.get(key), str)])
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path = root / "manifest.jsonl"
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def test_manifest_with_queries(tmp_path):
    path = manifest(
        tmp_path / "logos",
        {"image": "a.jpg", "label": "A", "bbox": [1, 2, 30, 40], "mask": "masks/a.png"},
        {"image": "q.jpg", "label": "A", "labels": ["A", "B"], "query": True, "bbox": [0, 0, 9, 9]},
        "",
        {"image": "sub/b.jpg", "label": "B", "query": False},
        {
            "image": "ab.jpg",
            "label": "B",
            "labels": ["C", "B"],
            "objects": [{"label": "C", "bbox": [0, 0, 5, 5]}, {"label": "B", "bbox": [5, 5, 9, 9]}],
        },
        {"image": "lonely.jpg", "label": "L", "query": True},
        {"image": "é\u2028.jpg", "label": "", "labels": [], "bbox": None, "mask": None},
    )
    dataset = open_dataset(path)
    assert dataset.name == "logos" and dataset.protocol == "finite" and dataset.tasks == ("all",)
    assert [image.name for image in dataset.images] == [
        "a.jpg",
        "q.jpg",
        "sub/b.jpg",
        "ab.jpg",
        "lonely.jpg",
        "é\u2028.jpg",
    ]
    assert dataset.database.tolist() == [0, 2, 3, 5] and dataset.database.dtype == np.int64
    assert asked(dataset) == {"q.jpg": ({"a.jpg", "sub/b.jpg", "ab.jpg"}, set())}
    assert dataset.queries[0].box == (0, 0, 9, 9)
    assert dataset.skipped == {"all": 1}  # lonely.jpg has nothing to find
    first, _, third, both, _, distractor = dataset.images
    assert first.path == path.parent / "a.jpg" and first.path.is_absolute()
    assert first.box == (1, 2, 30, 40) and first.mask == path.parent / "masks/a.png"
    assert first.labels == {"A"} and first.label == "A" and first.objects == ()
    assert third.path == path.parent / "sub" / "b.jpg" and third.box is third.mask is None
    assert both.labels == {"B", "C"} and both.label == "B"
    assert both.objects == (("C", (0, 0, 5, 5)), ("B", (5, 5, 9, 9)))
    assert distractor.labels == frozenset() and distractor.label == ""


def test_manifest_without_queries_leaves_one_out(tmp_path):
    path = manifest(
        tmp_path / "m",
        {"image": "1.jpg", "label": "A"},
        {"image": "2.jpg", "label": "A", "query": False},
        {"image": "3.jpg", "label": "B", "labels": ["A", "B"]},
        {"image": "4.jpg", "label": "B"},
        {"image": "5.jpg", "label": "C"},
    )
    dataset = open_dataset(path)
    assert dataset.database.tolist() == [0, 1, 2, 3, 4]
    assert asked(dataset) == {
        "1.jpg": ({"2.jpg", "3.jpg"}, {"1.jpg"}),
        "2.jpg": ({"1.jpg", "3.jpg"}, {"2.jpg"}),
        "3.jpg": ({"1.jpg", "2.jpg", "4.jpg"}, {"3.jpg"}),
        "4.jpg": ({"3.jpg"}, {"4.jpg"}),
    }
    assert dataset.skipped == {"all": 1}


def test_a_query_never_finds_its_own_picture_under_another_row(tmp_path):
    path = manifest(
        tmp_path / "m",
        {"image": "a.jpg", "label": "A", "query": True, "bbox": [0, 0, 2, 2]},
        {"image": "a.jpg", "label": "A", "query": True, "bbox": [2, 2, 4, 4]},
        {"image": "x/../a.jpg", "label": "A"},
        {"image": "b.jpg", "label": "A"},
    )
    (tmp_path / "m" / "x").mkdir(exist_ok=True)
    dataset = open_dataset(path)
    assert [ask.box for ask in dataset.queries] == [(0, 0, 2, 2), (2, 2, 4, 4)]
    for ask in dataset.queries:
        assert [rows.tolist() for rows in ask.tasks["all"]] == [[3], [2]]


def test_a_folder_with_a_manifest_and_another_name(tmp_path):
    rows = ({"image": "a.jpg", "label": "A"}, {"image": "b.jpg", "label": "A"})
    path = manifest(tmp_path / "m", *rows)
    assert open_dataset(tmp_path / "m").name == "m"
    other = path.rename(path.with_name("mine.jsonl"))
    assert open_dataset(other).name == "mine"
    other.write_bytes(b"\xef\xbb\xbf" + other.read_bytes().replace(b"\n", b"\r\n"))  # Windows
    assert len(open_dataset(other).images) == 2


BAD_ROWS = {
    "{nonsense": "expected a JSON object, got {nonsense",
    "[" * 100_000: "expected a JSON object, got \\[",
    "[1]": "expected a JSON object, got \\[1\\]",
    '{"label": "A"}': "image: expected text, got nothing",
    '{"image": "", "label": "A"}': "image: expected text, got ''",
    '{"image": 3, "label": "A"}': "image: expected text, got 3",
    '{"image": "a.jpg"}': "label: expected text, got nothing",
    '{"image": "a.jpg", "label": ["A"]}': "label: expected text, got \\['A'\\]",
    '{"image": "a.jpg", "label": "A", "labels": "A"}': "labels: expected a list of texts, got 'A'",
    '{"image": "a.jpg", "label": "A", "labels": [1]}': "labels: expected text, got 1",
    '{"image": "a.jpg", "label": "A", "query": "yes"}': "query: expected true or false, got 'yes'",
    '{"image": "a.jpg", "label": "A", "query": 1}': "query: expected true or false, got 1",
    '{"image": "a.jpg", "label": "A", "mask": 0}': "mask: expected text, got 0",
    '{"image": "a.jpg", "label": "A", "bbox": [1, 2, 3]}': "bbox: expected .*, got \\[1, 2, 3\\]",
    '{"image": "a.jpg", "label": "A", "bbox": [5, 2, 5, 4]}': "bbox: expected .* x0 < x1",
    '{"image": "a.jpg", "label": "A", "bbox": [-1, 0, 5, 4]}': "bbox: expected .* 0 <= x0",
    '{"image": "a.jpg", "label": "A", "bbox": [0, 0, true, 4]}': "bbox: expected",
    '{"image": "a.jpg", "label": "A", "bbox": [0, 0, 1, "4"]}': "bbox: expected",
    '{"image": "a.jpg", "label": "A", "bbox": [0, 0, NaN, 4]}': "bbox: expected .*nan",
    '{"image": "a.jpg", "label": "A", "bbox": [0, 0, 1, 1' + "0" * 400 + "]}": "bbox: expected",
    '{"image": "a.jpg", "label": "A", "objects": [4]}': "objects: expected a list of",
    '{"image": "a.jpg", "label": "A", "objects": [{"label": "A"}]}': "objects: bbox: expected",
    '{"image": "a.jpg", "label": "A", "objects": [{"bbox": [0, 0, 1, 1]}]}': "objects: label: expe",
}


@pytest.mark.parametrize("line", BAD_ROWS, ids=range(len(BAD_ROWS)))
def test_malformed_lines(tmp_path, line):
    path = manifest(tmp_path / "m", {"image": "a.jpg", "label": "A"}, "", line)
    with pytest.raises(DatasetProblem, match=f"manifest.jsonl: line 3: {BAD_ROWS[line]}") as caught:
        open_dataset(path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_every_malformed_line_is_named(tmp_path):
    path = manifest(tmp_path / "m", "1", {"image": "a.jpg", "label": "A"}, "2", *"345678")
    with pytest.raises(DatasetProblem) as caught:
        open_dataset(path)
    told = str(caught.value)
    assert all(f"line {n}: expected a JSON object" in told for n in (1, 3, 4, 5, 6))
    assert told.endswith("; and 3 more")


def test_missing_pictures_and_masks_are_named_together(tmp_path):
    path = manifest(
        tmp_path / "m",
        *({"image": f"{n}.jpg", "label": "A", "mask": f"{n}.png"} for n in range(6)),
    )
    for gone in ("1.jpg", "2.jpg", "4.jpg", "5.png"):
        (tmp_path / "m" / gone).unlink()
    with pytest.raises(DatasetProblem, match=r"4 do not: '1.jpg', '2.jpg', '4.jpg' and 1 more"):
        open_dataset(path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "expected one JSON object a line, found none"),
        ([("a", True), ("b", True)], "expected pictures to search, found only queries"),
        ([("a", True), ("b", False)], "found none among 1: 'a.jpg'"),
        ([("a", False), ("b", False)], "found none among 2: 'a.jpg', 'b.jpg'"),
    ],
)
def test_manifests_that_ask_nothing(tmp_path, rows, message):
    lines = [{"image": f"{x}.jpg", "label": x, "query": query} for x, query in rows]
    with pytest.raises(DatasetProblem, match=message):
        open_dataset(manifest(tmp_path / "m", *lines))


def test_a_manifest_that_is_not_text(tmp_path):
    (tmp_path / "m.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatasetProblem, match="m.jsonl: expected a text file, got"):
        open_dataset(tmp_path / "m.jsonl")


# --- folder ----------------------------------------------------------------------------


def test_folder(tmp_path):
    touch(
        tmp_path / "shop",
        [
            "cups/1.jpg",
            "cups/old/2.JPG",
            "hats/1.png",
            "hats/2.png",
            "hats/notes.txt",
            "one/1.jpg",
            ".bin/9.jpg",
        ],
    )
    dataset = open_dataset(tmp_path / "shop")
    assert dataset.name == "shop" and dataset.protocol == "finite"
    assert [(image.name, image.label) for image in dataset.images] == [
        ("cups/1.jpg", "cups"),
        ("cups/old/2.JPG", "cups"),
        ("hats/1.png", "hats"),
        ("hats/2.png", "hats"),
        ("one/1.jpg", "one"),
    ]
    assert dataset.images[1].path == tmp_path / "shop" / "cups" / "old" / "2.JPG"
    assert dataset.images[1].labels == {"cups"}
    assert dataset.database.tolist() == [0, 1, 2, 3, 4]
    assert asked(dataset)["cups/1.jpg"] == ({"cups/old/2.JPG"}, {"cups/1.jpg"})
    assert len(dataset.queries) == 4 and dataset.skipped == {"all": 1}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a/1.jpg", "b/1.jpg", "x.jpg"], "found outside 'x.jpg'"),
        (["a/1.jpg", "a/2.jpg"], "at least two sub-folders with pictures.* only 'a'"),
        (["a/1.jpg", "b/1.jpg"], "found none among 2"),
        (["a/1.txt"], "expected pictures in it or below it, found none"),
        ([], "expected pictures in it or below it, found none"),
        (["1.jpg", "2.jpg"], "found 2 pictures such as '1.jpg' without any ground truth"),
    ],
)
def test_folders_that_are_no_dataset(tmp_path, names, message):
    touch(tmp_path, names)
    with pytest.raises(DatasetProblem, match=message):
        open_dataset(tmp_path)


def test_a_path_is_taken_from_the_working_folder(tmp_path, monkeypatch):
    touch(tmp_path / "shop", ["a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg"])
    monkeypatch.chdir(tmp_path / "shop")
    dataset = open_dataset(Path("."))
    assert dataset.name == "shop" and dataset.images[0].path == tmp_path / "shop" / "a" / "1.jpg"


# --- Oxford and Paris, old protocol ----------------------------------------------------


def oxford_query(
    folder: Path, name: str, line: str, good: str = "", ok: str = "", junk: str = ""
) -> None:
    """The four files of one query."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}_query.txt").write_text(line + "\n")
    for kind, names in (("good", good), ("ok", ok), ("junk", junk)):
        (folder / f"{name}_{kind}.txt").write_text("".join(f"{n}\n" for n in names.split()))


@pytest.fixture
def oxford(tmp_path: Path) -> Path:
    root = tmp_path / "oxbuildings"
    touch(root / "jpg", [f"{n}.jpg" for n in ("all_souls_000026", "christ_1", "oxford_000001")])
    picture(root / "jpg" / "all_souls_000013.jpg", 20, 30)
    picture(root / "jpg" / "all_souls_000051.jpg", 20, 30)
    gt = root / "gt_files"
    oxford_query(
        gt,
        "all_souls_1",
        "oxc1_all_souls_000013 2.5 3.6 21.2 15.4",
        good="all_souls_000013 all_souls_000026",
        ok="christ_1",
        junk="oxford_000001",
    )
    oxford_query(gt, "all_souls_2", "oxc1_all_souls_000051 -0.8 0 10 9.9", good="all_souls_000013")
    return root


def test_oxford(oxford):
    dataset = open_dataset(oxford)
    assert dataset.name == "oxford5k" and dataset.protocol == "trapezoid"
    assert dataset.notes == () and dataset.skipped == {"all": 0}
    names = [
        "all_souls_000013",
        "all_souls_000026",
        "all_souls_000051",
        "christ_1",
        "oxford_000001",
    ]
    assert [image.name for image in dataset.images] == names
    assert searched(dataset) == names  # the queries stay in
    assert asked(dataset) == {
        "all_souls_000013": (
            {"all_souls_000013", "all_souls_000026", "christ_1"},
            {"oxford_000001"},
        ),
        "all_souls_000051": ({"all_souls_000013"}, set()),
    }
    # Rounded to pixels (half to even), and clipped to the picture of 20 x 30.
    assert [ask.box for ask in dataset.queries] == [(2, 4, 20, 15), (0, 0, 10, 10)]
    query, other = dataset.images[0], dataset.images[4]
    assert query.path == oxford / "jpg" / "all_souls_000013.jpg"
    assert query.label == "all_souls" and query.box == (2, 4, 20, 15)
    assert query.objects == (("all_souls", (2, 4, 20, 15)),)
    assert dataset.images[3].labels == {"all_souls"} and dataset.images[3].box is None
    assert other.labels == frozenset() and other.label == ""


def test_the_query_of_the_old_protocol_finds_itself(oxford):
    dataset = open_dataset(oxford)
    relevance = dataset.queries[0].tasks["all"]
    # 000013 (itself), junk, 000051, 000026, christ_1: ranks 0, 2, 3 without junk.
    ranks = relevant_ranks(np.array([0, 4, 2, 1, 3]), relevance)
    assert ranks.tolist() == [0, 2, 3]


def test_paris_in_sub_folders_without_its_damaged_pictures(tmp_path):
    gt = tmp_path / "gt"
    picture(tmp_path / "paris" / "louvre" / "paris_louvre_000001.jpg")
    touch(
        tmp_path / "paris",
        ["louvre/paris_louvre_000136.jpg", "triomphe/paris_triomphe_000002.jpg"],
    )
    oxford_query(
        gt,
        "louvre_1",
        "paris_louvre_000001 0 0 4 4",
        good="paris_louvre_000001",
        ok="paris_louvre_000136 paris_louvre_000146 paris_triomphe_000002",
        junk="paris_pompidou_000640",
    )
    dataset = open_dataset(tmp_path)
    assert dataset.name == "paris6k"
    assert searched(dataset) == ["paris_louvre_000001", "paris_triomphe_000002"]
    everything = {"paris_louvre_000001", "paris_triomphe_000002"}
    assert asked(dataset) == {"paris_louvre_000001": (everything, set())}
    assert len(DAMAGED) == 20
    (note,) = dataset.notes
    assert note.startswith("3 pictures that the authors list as damaged are left out: 'paris_lou")


def test_missing_pictures_of_oxford_are_not_left_out_silently(oxford):
    (oxford / "jpg" / "christ_1.jpg").unlink()
    (oxford / "jpg" / "all_souls_000026.jpg").rename(oxford / "jpg" / "ALL_SOULS_000026.jpg")
    message = (
        "for each of the 5 names in the ground truth, found none for 2: "
        "'all_souls_000026', 'christ_1'; pictures there are called 'ALL_SOULS_000026'"
    )
    with pytest.raises(DatasetProblem, match=message):
        open_dataset(oxford)


def test_oxford_without_any_picture(oxford):
    with pytest.raises(DatasetProblem, match="expected pictures in it or below it, found none"):
        open_dataset(oxford / "gt_files")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("oxc1_all_souls_000013 1 2 3", "with 'name x0 y0 x1 y1', got oxc1_all_souls_000013 1 2 3"),
        ("oxc1_all_souls_000013 1 2 3 x", "with 'name x0 y0 x1 y1', got"),
        ("", "with 'name x0 y0 x1 y1', got"),
        ("oxc1_all_souls_000013 9 2 3 4", "a query's box x0, y0, x1, y1 within 20 x 30 pixels"),
        ("oxc1_all_souls_000013 20 2 23 4", "a query's box x0, y0, x1, y1 within 20 x 30 pixels"),
        ("oxc1_all_souls_000013 nan 2 3 4", "a query's box x0, y0, x1, y1 within 20 x 30 pixels"),
        ("oxc1_all_souls_000026 1 2 3 4", "all_souls_000026.jpg: expected a picture, got"),
    ],
)
def test_malformed_queries_of_oxford(oxford, line, message):
    (oxford / "gt_files" / "all_souls_1_query.txt").write_text(line)
    with pytest.raises(DatasetProblem, match=message):
        open_dataset(oxford)


def test_files_of_oxford_that_do_not_fit(oxford):
    gt = oxford / "gt_files"
    (gt / "all_souls_2_junk.txt").unlink()
    with pytest.raises(DatasetProblem, match="all_souls_2_junk.txt: expected a text file, got"):
        open_dataset(oxford)
    oxford_query(gt, "all_souls_2", "oxc1_all_souls_000051 0 0 9 9", good="christ_1")
    oxford_query(gt, "souls", "oxc1_all_souls_000051 0 0 9 9")
    with pytest.raises(DatasetProblem, match="expected '<landmark>_<n>_query.txt'"):
        open_dataset(oxford)
    (gt / "souls_query.txt").rename(oxford / "all_souls_2_query.txt")
    with pytest.raises(DatasetProblem, match="files once, found more than once 'all_souls_2_query"):
        open_dataset(oxford)


def test_pictures_that_are_there_twice(oxford):
    touch(oxford, ["small/christ_1.png"])
    with pytest.raises(DatasetProblem, match="picture's name once, found more than once 'christ_1"):
        open_dataset(oxford)


# --- revisited -------------------------------------------------------------------------

NAMES = [f"radcliffe_{n}" for n in range(10)]


def official(**changes: object) -> dict[str, object]:
    """Ground truth in the authors' layout: two queries, the second without anything easy."""
    first = {"bbx": [1.0, 2.4, 7.5, 6.0], "easy": [0, 1], "hard": [2, 3], "junk": [4, 9]}
    second = {"bbx": [0, 0, 8, 6], "easy": [], "hard": [5], "junk": []}
    return {"imlist": NAMES, "qimlist": ["query_0", "query_1"], "gnd": [first, second], **changes}


def as_arrays(content: dict[str, object]) -> dict[str, object]:
    truths = [{key: np.array(v) for key, v in truth.items()} for truth in content["gnd"]]
    return {**content, "gnd": np.array(truths, object), "imlist": np.array(content["imlist"])}


def pickled(root: Path, content: object, protocol: int = 2) -> Path:
    """A pickle with its pictures beside it, as downloaded."""
    for name in ("query_0", "query_1"):
        picture(root / "jpg" / f"{name}.jpg")
    touch(root / "jpg", [f"{name}.jpg" for name in NAMES])
    path = root / "gnd_roxford5k.pkl"
    path.write_bytes(pickle.dumps(content, protocol))
    return path


DOCUMENT = {
    "format": "revisited",
    "name": "roxford5k",
    "images": NAMES,
    "queries": [
        {
            "image": "query_0",
            "box": [1, 2.4, 7.5, 6],
            "easy": [0, 1],
            "hard": [2, 3],
            "junk": [4, 9],
        },
        {"image": "query_1", "box": [0, 0, 8, 6], "easy": [], "hard": [5], "junk": []},
    ],
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("form", [dict, as_arrays], ids=["lists", "arrays"])
def test_conversion(tmp_path, protocol, form):
    source = pickled(tmp_path, form(official()), protocol)
    target = convert(source)
    assert target == tmp_path / "gnd_roxford5k.json"
    assert json.loads(target.read_text()) == DOCUMENT


def test_conversion_of_old_and_odd_arrays(tmp_path):
    # Names from before NumPy 2, bytes of the other order, columns first, single numbers.
    content = official()
    content["gnd"][0] |= {
        "bbx": (np.float32(1), np.float64(2.4), np.float64(7.5), np.uint8(6)),
        "easy": np.array([0, 1], ">i2"),
        "hard": np.array([[2, 0], [3, 0]], order="F")[:, 0],
        "junk": np.array([4, 9], float),
    }
    data = pickle.dumps(content, 2).replace(b"numpy._core.", b"numpy.core.")
    source = pickled(tmp_path, None)
    source.write_bytes(data)
    assert json.loads(convert(source, tmp_path / "mine.json").read_text()) == DOCUMENT
    assert not (tmp_path / "gnd_roxford5k.json").exists()


def test_two_dimensional_arrays_keep_their_order(tmp_path):
    content = official()
    content["gnd"][0]["bbx"] = np.asfortranarray([[1, 2], [3, 4]])
    for protocol in (2, 5):
        with pytest.raises(DatasetProblem, match=r"box x0, y0, x1, y1, got \[\[1, 2\], \[3, 4\]\]"):
            convert(pickled(tmp_path, content, protocol))


class Runs:
    """Unpickled by the ordinary means, it calls a function of its maker's choice."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.made = (function, arguments)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.made


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("place", ["whole", "inside"])
def test_a_malicious_file_does_not_run(tmp_path, protocol, place):
    trace = tmp_path / "trace"
    trap = Runs(os.mkdir, str(trace))
    source = pickled(tmp_path, trap if place == "whole" else official(gnd=[trap]), protocol)
    with pytest.raises(DatasetProblem, match=f"got the name '{os.name}.mkdir', which was not look"):
        convert(source)
    assert not trace.exists() and not (tmp_path / "gnd_roxford5k.json").exists()
    pickle.loads(source.read_bytes())
    assert trace.exists()  # the trap was real


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (Runs(eval, "1"), "got the name '(builtins|__builtin__).eval'"),
        (Runs(getattr, "text", "upper"), "got the name '(builtins|__builtin__).getattr'"),
        (Runs(np.load, "x.npy"), "got the name 'numpy.*load'"),
        (Path("x"), "got the name 'pathlib"),
        (1 + 2j, "got the name '(builtins|__builtin__).complex'"),
        (np.array([1], "datetime64[s]"), "arrays of numbers or texts, got elements 'M8'"),
        (np.zeros(1, [("a", int), ("b", int)]), "arrays of numbers or texts, got elements 'V16'"),
        (np.array([[None], [1]], object), "expected one row of 2 objects, got"),
        ({1, 2}, "got (the name '__builtin__.set'|{1, 2})"),
        (b"bytes", "expected texts and finite numbers, got b'bytes'"),
        (float("nan"), "expected texts and finite numbers, got nan"),
    ],
    ids=range(11),
)
@pytest.mark.parametrize("protocol", [2, 5])
def test_anything_but_the_layout_is_refused(tmp_path, content, message, protocol):
    with pytest.raises(DatasetProblem, match=f"gnd_roxford5k.pkl: .*{message}"):
        convert(pickled(tmp_path, official(imlist=[content]), protocol))


def test_the_module_of_an_unknown_name_is_not_imported(tmp_path):
    (tmp_path / "trapmodule.py").write_text("raise SystemExit('imported')")
    source = pickled(tmp_path, None)
    source.write_bytes(b"ctrapmodule\nanything\n.")
    done = subprocess.run(
        [sys.executable, "-m", "dff.evaluation.datasets.convert_revisited", str(source)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and done.stdout == ""
    assert "got the name 'trapmodule.anything', which was not looked up" in done.stderr


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a pickle",
        b"\x80\x02].."[:-2],
        b"\x80\x09.",
        b"(lp0\ng0\na.",  # a list that holds itself
        b"cnumpy\nndarray\n(tR(I1\n(I5\ntcnumpy\ndtype\n(S'i8'\ntRI00\nS'abc'\ntb.",  # too short
        b"cnumpy\ndtype\n(I3\ntR.",
    ],
)
def test_damaged_files(tmp_path, data):
    source = tmp_path / "gnd_x.pkl"
    source.write_bytes(data)
    with pytest.raises(DatasetProblem, match="gnd_x.pkl: expected"):
        convert(source)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "expected 'imlist', 'qimlist' and 'gnd'"),
        ({"imlist": []}, "expected 'imlist', 'qimlist' and 'gnd' .*, got imlist"),
        (official(qimlist=["query_0"]), "one dictionary for each of 1 queries"),
        (official(qimlist="ab"), "as lists, got"),
        (official(gnd=[1, 2]), "one dictionary for each of 2 queries"),
        (official(gnd=[{}, {}]), "query 0: a box x0, y0, x1, y1, got nothing"),
        (official(imlist=NAMES[:5]), "query 0: 'junk' as rows from 0 to 4, got \\[4, 9\\]"),
        (official(imlist=[*NAMES, "query_1"]), "that are not in the database, got 'query_1'"),
        (official(imlist=[*NAMES, NAMES[0]]), "each image once"),
        (official(imlist=[]), "each image once, at least one"),
        (official(imlist=[1]), "names as images"),
        (official(qimlist=[0, "query_1"]), "query 0: the image's name, got 0"),
        (official(qimlist=[], gnd=[]), "a list of queries"),
    ],
)
def test_other_layouts(tmp_path, content, message):
    with pytest.raises(DatasetProblem, match=message):
        convert(pickled(tmp_path, content))


def test_revisited(tmp_path):
    source = pickled(tmp_path, official())
    with pytest.raises(DatasetProblem, match=r"convert it once with python -m dff.*roxford5k.pkl"):
        open_dataset(tmp_path)
    assert main([str(source)]) == 0
    dataset = open_dataset(tmp_path)
    assert dataset.name == "roxford5k" and dataset.protocol == "trapezoid"
    assert dataset.tasks == ("easy", "medium", "hard")
    assert searched(dataset) == NAMES  # without the queries
    assert [image.name for image in dataset.images] == [*NAMES, "query_0", "query_1"]
    assert dataset.images[10].path == tmp_path / "jpg" / "query_0.jpg"
    assert [ask.box for ask in dataset.queries] == [(1, 2, 8, 6), (0, 0, 8, 6)]
    assert dataset.skipped == {"easy": 1, "medium": 0, "hard": 0}
    assert list(dataset.queries[1].tasks) == ["medium", "hard"]
    assert open_dataset(tmp_path / "gnd_roxford5k.json").tasks == dataset.tasks


def test_revisited_by_hand(tmp_path):
    """The ranking 4 0 8 2 6 1 9 3 7 5 for the first query, 0 5 1 2 3 4 6 7 8 9 for the second.

    First: easy 0 1, hard 2 3, junk 4 9, worked out in test_protocols: E 17/24, M 166/240, H 1/3,
    and at k = 5: E 1/2, M 3/5, H 1/2.
    Second: hard 5 at rank 1, nothing else: M = H = (0 + 1/2) / 2 = 1/4, and at k = 5 the divisor
    is min(5, 2): 1/2. It has no easy ones, so E is the first query's alone.
    """
    convert(pickled(tmp_path, official()))
    dataset = open_dataset(tmp_path)
    rankings = (np.array([4, 0, 8, 2, 6, 1, 9, 3, 7, 5]), np.array([0, 5, 1, 2, 3, 4, 6, 7, 8, 9]))
    expected = {
        "easy": (17 / 24, 1 / 2),
        "medium": ((166 / 240 + 1 / 4) / 2, (3 / 5 + 1 / 2) / 2),
        "hard": ((1 / 3 + 1 / 4) / 2, (1 / 2 + 1 / 2) / 2),
    }
    for task, (mean_ap, mean_precision) in expected.items():
        areas, precisions = [], []
        for ask, ranking in zip(dataset.queries, rankings, strict=True):
            if task in ask.tasks:
                ranks = relevant_ranks(dataset.database[ranking], ask.tasks[task])
                count = len(ask.tasks[task].positives)
                areas.append(trapezoid_average_precision(ranks, count))
                precisions.append(precision_at(5, ranks, count))
        assert np.mean(areas) == pytest.approx(mean_ap, abs=1e-12)
        assert np.mean(precisions) == pytest.approx(mean_precision, abs=1e-12)


def test_revisited_names_without_a_picture(tmp_path):
    convert(pickled(tmp_path, official()))
    for gone in ("radcliffe_3", "query_1"):
        (tmp_path / "jpg" / f"{gone}.jpg").unlink()
    message = "each of the 12 names .* none for 2: 'query_1', 'radcliffe_3'; pictures there are"
    with pytest.raises(DatasetProblem, match=message):
        open_dataset(tmp_path)


def test_two_ground_truths_in_one_folder(tmp_path):
    target = convert(pickled(tmp_path, official()))
    target.with_name("gnd_rparis6k.json").write_bytes(target.read_bytes())
    with pytest.raises(DatasetProblem, match="found gnd_roxford5k.json, gnd_rparis6k.json: name"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected JSON, got"),
        ("[]", "expected revisited ground truth"),
        ('{"images": []}', "expected revisited ground truth"),
        ('{"format": "revisited"}', "expected a name, got nothing"),
    ],
)
def test_json_that_is_something_else(tmp_path, text, message):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DatasetProblem, match=message):
        open_dataset(tmp_path / "x.json")


def test_the_conversion_command_says_what_it_expects(tmp_path, capsys):
    assert main([]) == 2
    assert main([str(tmp_path / "gnd_none.pkl")]) == 2
    told = capsys.readouterr()
    first, second = told.err.splitlines()
    assert first == "dff: expected one file such as gnd_roxford5k.pkl, got none"
    assert "gnd_none.pkl: expected a ground truth pickle, got FileNotFoundError" in second
    assert told.out == ""


# --- Holidays --------------------------------------------------------------------------


def test_holidays(tmp_path):
    names = ("100000", "100001", "100002", "100100", "100101", "149900")
    touch(tmp_path / "jpg", [f"{name}.jpg" for name in names])
    dataset = open_dataset(tmp_path)
    assert dataset.name == "holidays" and dataset.protocol == "finite"
    assert searched(dataset) == list(names)
    assert asked(dataset) == {
        "100000": ({"100001", "100002"}, {"100000"}),
        "100100": ({"100101"}, {"100100"}),
    }
    assert dataset.skipped == {"all": 1}  # 149900 has no other view
    assert dataset.images[4].label == "1001" and dataset.images[4].labels == {"1001"}


def test_holidays_with_strangers(tmp_path):
    touch(tmp_path, [f"jpg{n}/{100000 + n}.jpg" for n in range(5)] + ["cover.jpg", "99.jpg"])
    with pytest.raises(DatasetProblem, match="names of INRIA Holidays .* got '99', 'cover'"):
        open_dataset(tmp_path)


# --- anything else ---------------------------------------------------------------------


def test_what_is_no_dataset(tmp_path):
    with pytest.raises(DatasetProblem, match="expected a manifest .*, found nothing there"):
        open_dataset(tmp_path / "nowhere")
    touch(tmp_path, ["photo.jpg"])
    with pytest.raises(DatasetProblem, match="expected a manifest .*, got a file of another kind"):
        open_dataset(tmp_path / "photo.jpg")
    assert issubclass(DatasetProblem, ValueError)


def test_old_ground_truth_comes_before_revisited_in_one_folder(oxford):
    (oxford / "gnd_roxford5k.json").write_text("{}")
    assert open_dataset(oxford).name == "oxford5k"
