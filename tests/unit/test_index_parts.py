import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from dff.cli import main
from dff.index import IndexProblem
from dff.index import build as building
from dff.index.build import build
from dff.index.check import info, verify
from dff.index.edit import remove
from dff.index.parts import Part, build_part, merge
from dff.whitening import Whitening

SIZE = 128


@pytest.fixture(autouse=True)
def five_a_shard(monkeypatch):
    monkeypatch.setattr(building, "CHUNK", 5)  # twelve pictures: three shards


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def make(photos, out, backbone, *parts, of=2, **options):
    for number in parts:
        build_part(photos, out, backbone, Part(number, of), size=SIZE, **options)


@pytest.mark.parametrize(
    ("pictures", "of", "expected"),
    [
        (12, 2, [[0], [1, 2]]),
        (12, 3, [[0], [1], [2]]),
        (12, 5, [[], [0], [], [1], [2]]),
        (0, 2, [[], []]),
        (11, 1, [[0, 1, 2]]),
    ],
)
def test_parts_are_runs_of_shards_that_make_the_whole(pictures, of, expected):
    found = [list(Part(number, of).chunks(pictures)) for number in range(1, of + 1)]
    assert found == expected


def test_a_part_is_written_as_i_of_n():
    assert Part.of_text("2/5") == Part(2, 5) and str(Part(2, 5)) == "2/5"
    for wrong in ("0/5", "6/5", "2", "2/", "a/b", "-1/5", "2/5/6", "2/0"):
        with pytest.raises(ValueError, match="part: expected"):
            Part.of_text(wrong)


@pytest.mark.parametrize(("of", "order"), [(1, [1]), (2, [2, 1]), (5, [4, 1, 5, 2, 3])])
def test_the_merged_index_is_that_of_one_build(photos, counting, tmp_path, of, order):
    options = {"descriptors": ("dff", "rmac"), "k": 3, "seed": 7}
    build(photos, tmp_path / "whole", counting, size=SIZE, **options)
    counting.passes = 0
    make(photos, tmp_path / "parts", counting, *order, of=of, **options)
    assert counting.passes == 12 and not (tmp_path / "parts" / "index.json").exists()
    report = merge(tmp_path / "parts")
    assert counting.passes == 12 and (report.count, report.unreadable) == (12, [])
    assert content(tmp_path / "parts") == content(tmp_path / "whole")
    assert verify(tmp_path / "parts") == []


def test_files_that_cannot_be_read_are_in_the_merged_index_too(photos, counting, tmp_path):
    root = tmp_path / "photos"
    shutil.copytree(photos, root)
    (root / "round/shape_01.png").write_bytes(b"")
    for number in (3, 5, 7, 9):
        (root / f"round/shape_{number:02}.png").write_text("no picture")  # a shard of nothing
    (root / "square/back\\slash.png").write_bytes(b"")
    build(root, tmp_path / "whole", counting, size=SIZE)
    make(root, tmp_path / "parts", counting, 1, 2)
    report = merge(tmp_path / "parts")
    assert report.count == 7 and len(report.unreadable) == 6
    assert content(tmp_path / "parts") == content(tmp_path / "whole")


def test_a_given_whitening_goes_to_the_merge(photos, counting, tmp_path):
    mean, *projection = np.random.default_rng(0).random((17, counting.channels), np.float32)
    given = Whitening(mean, np.stack(projection), 0.25, 16, {"fitted_on": "elsewhere"})
    build(photos, tmp_path / "whole", counting, size=SIZE, whitening=given)
    make(photos, tmp_path / "parts", counting, 1, 2)
    with pytest.raises(ValueError, match="whitening: expected one of 2432 channels"):
        merge(tmp_path / "parts", whitening=Whitening.identity(3))
    merge(tmp_path / "parts", whitening=given)
    assert content(tmp_path / "parts") == content(tmp_path / "whole")


def test_a_stopped_part_goes_on(photos, counting, tmp_path):
    out = tmp_path / "parts"
    build(photos, tmp_path / "whole", counting, size=SIZE)
    make(photos, out, counting, 1)
    counting.passes, counting.stop_at = 0, 3
    with pytest.raises(KeyboardInterrupt):
        make(photos, out, counting, 2)
    with pytest.raises(IndexProblem, match="part 2/2 is not finished, 3 of 7 pictures"):
        merge(out)
    counting.stop_at = None
    report = build_part(photos, out, counting, Part(2, 2), size=SIZE)
    assert (report.count, report.resumed, counting.passes) == (7, 3, 7)
    merge(out)
    assert content(out) == content(tmp_path / "whole")


def test_a_missing_part_is_named(photos, counting, tmp_path):
    for wrong in (tmp_path / "nothing", tmp_path):
        with pytest.raises(IndexProblem, match="expected parts to merge, found none"):
            merge(wrong)
    make(photos, tmp_path / "parts", counting, 2, of=3)
    before = content(tmp_path / "parts")
    with pytest.raises(IndexProblem, match=r"missing of 3 parts: 1/3, 3/3; .* --part 1/3"):
        merge(tmp_path / "parts")
    assert content(tmp_path / "parts") == before
    make(photos, tmp_path / "parts", counting, 1, of=2)
    with pytest.raises(IndexProblem, match="expected parts of one build, got parts 1/2 and 2/3"):
        merge(tmp_path / "parts")


def test_other_settings_are_named_and_mended_by_the_part_made_again(photos, counting, tmp_path):
    out = tmp_path / "parts"
    make(photos, out, counting, 1)
    make(photos, out, counting, 2, k=5)
    with pytest.raises(IndexProblem, match="1/2 and 2/2 .* k is 4 in the one and 5 in the other"):
        merge(out)
    make(photos, out, counting, 2)
    merge(out)
    build(photos, tmp_path / "whole", counting, size=SIZE)
    assert content(out) == content(tmp_path / "whole")


@pytest.mark.parametrize("what", ["another picture", "another title", "a new picture"])
def test_photos_that_change_in_between_are_noticed(photos, counting, tmp_path, what):
    root, out = tmp_path / "photos", tmp_path / "parts"
    shutil.copytree(photos, root)
    make(root, out, counting, 1)
    if what == "another picture":
        shutil.copy(root / "square/shape_10.png", root / "round/shape_01.png")
    elif what == "another title":
        (root / "photos.csv").write_text("file,title\nround/shape_01.png,Another title\n")
    else:
        shutil.copy(root / "square/shape_10.png", root / "zebra.png")
    make(root, out, counting, 2)
    with pytest.raises(IndexProblem, match="photos changed between part 1/2 .* and part 2/2"):
        merge(out)
    counting.passes = 0
    make(root, out, counting, 1, 2)
    # Only the shard with what changed is computed again; the new picture fell to part 2.
    assert counting.passes == (0 if what == "a new picture" else 5)
    merge(out)
    build(root, tmp_path / "whole", counting, size=SIZE)
    assert content(out) == content(tmp_path / "whole")


def test_photos_that_change_while_a_part_is_made_are_noticed(photos, counting, tmp_path):
    root, out = tmp_path / "photos", tmp_path / "parts"
    shutil.copytree(photos, root)

    def meddle(progress):
        if progress.done == 1:  # a picture of the next shard
            shutil.copy(root / "round/shape_01.png", root / "square/shape_10.png")

    make(root, out, counting, 1)
    make(root, out, counting, 2, progress=meddle)
    with pytest.raises(IndexProblem, match="photos changed while the parts were made"):
        merge(out)
    make(root, out, counting, 1, 2)
    assert merge(out).count == 12


def test_a_lost_shard_is_noticed(photos, counting, tmp_path):
    out = tmp_path / "parts"
    make(photos, out, counting, 1, 2)
    entries = [
        json.loads(x) for x in next(out.glob("building/*.part-2-*")).read_text().split("\n")[:-1]
    ]
    shutil.rmtree(out / "shards" / entries[-1]["shard"])
    with pytest.raises(IndexProblem, match="part 2/2 is damaged: give its command again"):
        merge(out)
    make(photos, out, counting, 2)
    assert merge(out).count == 12 and verify(out) == []


def test_builders_exclude_each_other(photos, counting, tmp_path):
    out = tmp_path / "index"
    build(photos, out, counting, size=SIZE)
    refused = []

    def others(progress):
        if progress.done != 2:
            return
        for attempt in (
            lambda: make(photos, out, counting, 1),  # the same part
            lambda: build(photos, out, counting, size=SIZE),  # the whole
            lambda: remove(out, ["shape_01"]),  # a change would sweep the part away
            lambda: merge(out),
        ):
            with pytest.raises(IndexProblem, match="another build is writing"):
                attempt()
            refused.append(attempt)
        make(photos, out, counting, 2)  # the other part

    make(photos, out, counting, 1, progress=others)
    assert len(refused) == 4 and merge(out).count == 12


def test_no_part_while_a_whole_index_is_built(photos, counting, tmp_path, monkeypatch):
    monkeypatch.setattr("dff.index.state.PASSING", 0.01)
    refused = []

    def part(progress):
        if progress.done == 2:
            with pytest.raises(IndexProblem, match="another build is writing"):
                make(photos, tmp_path / "index", counting, 1)
            refused.append(1)

    build(photos, tmp_path / "index", counting, size=SIZE, progress=part)
    assert refused == [1]


def test_an_old_index_stays_until_the_merge_and_info_counts_the_parts(photos, counting, tmp_path):
    out = tmp_path / "index"
    build(photos, out, counting, size=SIZE)
    old = content(out)
    make(photos, out, counting, 1, 2, k=5)
    now = content(out)
    assert {name: now[name] for name in old} == old and verify(out) == []
    assert info(out)["unfinished"] == 12 and info(out)["k"] == 4
    merge(out)
    assert info(out)["unfinished"] is None and info(out)["k"] == 5
    assert not (out / "building").exists()


def test_on_the_command_line(photos, backbone, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("dff.backbones.load_backbone", lambda name: backbone)
    command = ["index", "build", str(photos), "--size", str(SIZE), "--out"]
    threads = []
    monkeypatch.setattr(
        "dff.cli.index_build.use_threads", lambda count, streams: threads.append((count, streams))
    )
    for part in ("1/2", "2/2"):
        assert main([*command, str(tmp_path / "parts"), "--part", part, "--threads", "3"]) == 0
    assert threads == [(3, 3), (3, 3)]
    assert "7 pictures in part 2/2" in capsys.readouterr().out
    assert main(["index", "merge", str(tmp_path / "parts")]) == 0
    assert "12 pictures in" in capsys.readouterr().out
    assert main([*command, str(tmp_path / "whole")]) == 0
    assert content(tmp_path / "parts") == content(tmp_path / "whole")
    for wrong, told in (
        (["--part", "3/2"], "expected 1/n to n/n, got 3/2"),
        (["--part", "1/2", "--engine", "ray"], "--part: expected none with --engine"),
        (["--part", "1/2", "--whitening", "x"], "give it to `index merge`"),
        (["--address", "auto"], "expected --engine ray"),
    ):
        capsys.readouterr()
        assert main([*command, str(tmp_path / "x"), *wrong]) == 2
        assert told in capsys.readouterr().err
    assert main(["index", "merge", str(tmp_path / "whole")]) == 2
    assert "found none" in capsys.readouterr().err
