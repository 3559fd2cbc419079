import argparse
import itertools
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from dff.cli.progress import facts, told
from dff.images import file_sha256
from dff.index import IndexProblem, ahead
from dff.index import build as building
from dff.index.build import build
from dff.index.check import verify
from dff.index.collection import find_pictures
from dff.index.edit import remove
from dff.index.photos import Folder
from dff.index.state import alone
from dff.whitening import Whitening

SIZE = 128


def content(folder):
    """{relative path: bytes} of all files of an index."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


class StopAt:
    """A progress callback that presses Ctrl-C after `count` pictures of this run."""

    def __init__(self, count):
        self.left = count

    def __call__(self, progress):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def test_build_then_open(photos, index):
    assert len(index) == 12
    assert [p.path for p in index.pictures] == find_pictures(photos)
    first = index.pictures[index.row("shape_00")]
    assert (first.title, first.category, first.credit) == (
        "A red square",
        "squares",
        "Ada, CC0-1.0",
    )
    plain = index.pictures[index.row("shape_02")]
    assert (plain.title, plain.category, plain.credit) == ("shape 02", "", "")
    assert (first.width, first.height, first.grid) == (160, 120, (3, 4))
    parts, detail = index.parts(0), index.detail(0)
    assert parts.heatmaps.shape == (4, 3, 4) and detail.heatmaps.shape == (8, 3, 4)
    lengths = np.linalg.norm(parts.basis, axis=1)
    np.testing.assert_allclose(lengths, ~parts.dead, atol=1e-3)
    assert parts.energy.sum() == pytest.approx(1, abs=1e-6)
    assert all(len(p.names) == 4 for p in index.pictures)
    assert index.photos_root.resolve() == photos.resolve()
    for name in ("dff", "gem", "rmac"):
        np.testing.assert_allclose(np.linalg.norm(index.vectors(name), axis=1), 1, atol=1e-5)
    # Twelve pictures are too few to learn a whitening from.
    assert index.whitening().projection is None
    assert "no whitening" in index.manifest["whitening"]["dff"]["note"]


def test_progress_counts_every_file(photos, counting, tmp_path):
    seen = []
    report = build(photos, tmp_path / "index", counting, size=SIZE, progress=seen.append)
    assert [p.done for p in seen] == list(range(1, 13)) and {p.total for p in seen} == {12}
    assert [p.path for p in seen] == find_pictures(photos)
    assert all(p.rate > 0 for p in seen) and seen[-1].left == 0
    assert (report.count, report.resumed, report.unreadable) == (12, 0, [])
    assert counting.passes == 12


@pytest.mark.parametrize("how", ["between two pictures", "within a network pass"])
def test_interrupted_build_goes_on_and_ends_byte_identical(
    photos, counting, tmp_path, monkeypatch, opened, one_by_one, how
):
    monkeypatch.setattr(building, "CHUNK", 5)  # stopped in the second of three shards
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "index"
    options = {"size": SIZE, "descriptors": ("dff", "rmac"), "k": 3}
    build(photos, undisturbed, counting, **options)

    build(photos, out, counting, size=SIZE)  # an old index with another k
    old = content(out)
    counting.passes = 0
    counting.stop_at = 7 if how == "within a network pass" else None
    with pytest.raises(KeyboardInterrupt):
        build(photos, out, counting, **options, progress=StopAt(7 if not counting.stop_at else -1))
    assert counting.passes == 7
    # The old index is there as it was, beside what has been done of the new one.
    now = content(out)
    assert {name: now[name] for name in old} == old and verify(out) == []
    assert opened(out).settings.k == 4 and len(opened(out).search(photos / "round/shape_01.png"))

    counting.stop_at = None
    first = []
    report = build(photos, out, counting, **options, progress=first.append)
    assert counting.passes == 12 and report.resumed == 7  # nothing twice, nothing left out
    assert first[0].done == 8
    assert content(out) == content(undisturbed)
    assert opened(out).settings.k == 3 and verify(out) == []


def test_stopped_again_and_again(photos, counting, tmp_path, monkeypatch, one_by_one):
    monkeypatch.setattr(building, "CHUNK", 5)
    build(photos, tmp_path / "undisturbed", counting, size=SIZE)
    counting.passes = 0
    stops = 0
    while True:
        try:
            build(photos, tmp_path / "index", counting, size=SIZE, progress=StopAt(3))
            break
        except KeyboardInterrupt:
            stops += 1
    assert stops == 4 and counting.passes == 12
    assert content(tmp_path / "index") == content(tmp_path / "undisturbed")


def at_once(monkeypatch, workers):
    monkeypatch.setattr(ahead, "WORKERS", workers)
    monkeypatch.setattr(ahead, "network_threads", lambda: None)
    monkeypatch.setattr(ahead, "AHEAD", workers)


class Uneven:
    """A backbone that takes longest for the first of every three pictures."""

    def __init__(self, backbone):
        self._backbone = backbone
        self.calls = itertools.count()

    def __getattr__(self, name):
        return getattr(self._backbone, name)

    def activations(self, picture, size=None):
        if next(self.calls) % 3 == 0:
            time.sleep(0.05)
        return self._backbone.activations(picture, size)


def test_several_at_once_give_the_same_files_in_the_same_order(
    photos, backbone, tmp_path, monkeypatch, one_by_one
):
    monkeypatch.setattr(building, "CHUNK", 5)
    build(photos, tmp_path / "one", Uneven(backbone), size=SIZE)
    at_once(monkeypatch, 4)
    seen = []
    build(photos, tmp_path / "four", Uneven(backbone), size=SIZE, progress=seen.append)
    assert [p.path for p in seen] == find_pictures(photos)
    assert content(tmp_path / "one") == content(tmp_path / "four")


def test_stopped_with_several_under_way_keeps_what_is_done(photos, counting, tmp_path, monkeypatch):
    at_once(monkeypatch, 3)
    build(photos, tmp_path / "undisturbed", counting, size=SIZE)
    counting.passes = 0
    with pytest.raises(KeyboardInterrupt):
        build(photos, tmp_path / "index", counting, size=SIZE, progress=StopAt(4))
    under_way = counting.passes
    assert 4 <= under_way <= 4 + 6
    report = build(photos, tmp_path / "index", counting, size=SIZE)
    # One chunk holds them all: those that were under way were waited for and kept, too.
    assert report.resumed == under_way and counting.passes == 12
    assert content(tmp_path / "index") == content(tmp_path / "undisturbed")


def test_a_picture_that_fails_among_several_is_reported_in_its_place(
    photos, counting, tmp_path, monkeypatch, opened
):
    at_once(monkeypatch, 3)
    root = tmp_path / "photos"
    shutil.copytree(photos, root)
    damaged = root / "round/shape_05.png"
    damaged.write_bytes(damaged.read_bytes()[:200])
    report = build(root, tmp_path / "index", counting, size=SIZE)
    ((path, reason),) = report.unreadable
    assert path == "round/shape_05.png" and "damaged or truncated" in reason
    index = opened(tmp_path / "index")
    kept = [path for path in find_pictures(root) if path != "round/shape_05.png"]
    assert [p.path for p in index.pictures] == kept and verify(tmp_path / "index") == []


def test_an_error_of_the_network_ends_the_build_and_keeps_what_came_before(
    photos, counting, tmp_path, monkeypatch, one_by_one
):
    class Broken(type(counting)):
        def activations(self, picture, size=None):
            if self.passes == 5:
                raise ValueError("no such layer")
            return super().activations(picture, size)

    with pytest.raises(ValueError, match="no such layer"):
        build(photos, tmp_path / "index", Broken(counting._backbone), size=SIZE)
    report = build(photos, tmp_path / "index", counting, size=SIZE)
    assert report.resumed == 5 and counting.passes == 7


def test_a_changed_photo_is_computed_again(photos, counting, tmp_path, opened):
    root = tmp_path / "photos"
    shutil.copytree(photos, root)
    with pytest.raises(KeyboardInterrupt):
        build(root, tmp_path / "index", counting, size=SIZE, progress=StopAt(6))
    changed = root / "round/shape_01.png"
    shutil.copy(root / "square/shape_10.png", changed)
    counting.passes = 0
    report = build(root, tmp_path / "index", counting, size=SIZE)
    assert report.resumed == 0 and counting.passes == 12  # one chunk holds them all
    index = opened(tmp_path / "index")
    rows = [index.row(name) for name in ("shape_01", "shape_10")]
    assert index.pictures[rows[0]].sha256 == index.pictures[rows[1]].sha256


def test_new_titles_are_taken_up_after_a_stop(photos, counting, tmp_path, opened):
    root = tmp_path / "photos"
    shutil.copytree(photos, root)
    with pytest.raises(KeyboardInterrupt):
        build(root, tmp_path / "index", counting, size=SIZE, progress=StopAt(9))
    (root / "photos.csv").write_text("file,title\nround/shape_01.png,Another title\n")
    build(root, tmp_path / "index", counting, size=SIZE)
    index = opened(tmp_path / "index")
    assert index.pictures[index.row("shape_01")].title == "Another title"


def test_files_with_one_name_get_different_ids(photos, counting, tmp_path, opened):
    for folder in ("a", "b", "c"):
        (tmp_path / "photos" / folder).mkdir(parents=True)
        name = "x.png" if folder == "c" else "Same name.PNG"
        shutil.copy(photos / "round/shape_01.png", tmp_path / "photos" / folder / name)
    build(tmp_path / "photos", tmp_path / "index", counting, size=SIZE)
    ids = [p.id for p in opened(tmp_path / "index").pictures]
    assert len(set(ids)) == 3 and ids[2] == "x"
    assert all(i.startswith("same_name-") for i in ids[:2])


def test_unreadable_files_are_reported_and_left_out(photos, counting, tmp_path, opened):
    root = tmp_path / "photos"
    root.mkdir()
    shutil.copy(photos / "round/shape_01.png", root / "good.png")
    (root / "empty.jpg").write_bytes(b"")
    (root / "text.png").write_text("no picture")
    whole = (photos / "round/shape_03.png").read_bytes()
    (root / "cut.png").write_bytes(whole[: len(whole) // 2])
    (root / "gone.png").symlink_to(root / "nowhere.png")
    (root / "notes.txt").write_text("of no interest")
    (root / ".hidden.png").write_bytes(b"")
    (root / ".thumbnails").mkdir()
    (root / ".thumbnails" / "small.png").write_bytes(whole)
    report = build(root, tmp_path / "index", counting, size=SIZE)
    reasons = dict(report.unreadable)
    assert list(reasons) == ["cut.png", "empty.jpg", "gone.png", "text.png"]
    assert "truncated" in reasons["cut.png"] and "empty" in reasons["empty.jpg"]
    assert "cannot be opened" in reasons["gone.png"] and "not a picture" in reasons["text.png"]
    index = opened(tmp_path / "index")
    assert [p.path for p in index.pictures] == ["good.png"]
    assert index.manifest["unreadable"] == [list(u) for u in report.unreadable]


def test_file_names_that_cannot_be_stored_do_not_spoil_the_index(
    photos, counting, tmp_path, opened
):
    root = tmp_path / "photos"
    root.mkdir()
    odd = "a\u2028b\nc ü.png"  # line ends that only some programs know
    data = (photos / "round/shape_01.png").read_bytes()
    for name in ("back\\slash.png", odd, os.fsdecode(b"latin-\xe4.png")):
        try:
            (root / name).write_bytes(data)
        except OSError:
            pytest.skip("this file system refuses such names")
    with pytest.raises(KeyboardInterrupt):
        build(root, tmp_path / "index", counting, size=SIZE, progress=StopAt(1))
    report = build(root, tmp_path / "index", counting, size=SIZE)
    assert report.resumed == 1 and counting.passes == 1
    assert [path for path, _ in report.unreadable] == ["back\\slash.png", "latin-\ufffd.png"]
    assert all("rename it" in reason for _, reason in report.unreadable)
    assert [p.path for p in opened(tmp_path / "index").pictures] == [odd]
    assert verify(tmp_path / "index") == []


def test_nothing_to_build_from(photos, counting, tmp_path):
    empty = tmp_path / "photos"
    with pytest.raises(IndexProblem, match="expected a folder"):
        build(empty, tmp_path / "index", counting)
    empty.mkdir()
    with pytest.raises(IndexProblem, match="no pictures under"):
        build(empty, tmp_path / "index", counting)
    (empty / "text.png").write_text("no picture")
    with pytest.raises(IndexProblem, match="none of 1 files could be read: 'text.png'"):
        build(empty, tmp_path / "index", counting)
    assert not (tmp_path / "index" / "index.json").exists()
    with pytest.raises(ValueError, match="expected some of dff"):
        build(photos, tmp_path / "index", counting, descriptors=("nix",))
    with pytest.raises(ValueError, match="k: expected 1 to 10"):
        build(photos, tmp_path / "index", counting, k=11)


def test_photos_that_vanish_or_change_during_a_build_are_named(
    photos, counting, tmp_path, opened, one_by_one, capsys
):
    own, out = tmp_path / "photos", tmp_path / "index"
    shutil.copytree(photos, own)

    def meanwhile(progress):
        if progress.done == 1:
            (own / "round/shape_11.png").unlink()
            shutil.copy(own / "round/shape_03.png", own / "square/shape_02.png")

    report = build(own, out, counting, size=SIZE, progress=meanwhile)
    assert report.count == 11 and report.changed == ["square/shape_02.png"]
    ((path, reason),) = report.unreadable
    assert path == "round/shape_11.png" and "cannot be opened (No such file" in reason
    # The index holds what was read, not what was there before.
    index = opened(out)
    assert index.pictures[index.row("shape_02")].sha256 == file_sha256(
        (own / "square/shape_02.png").read_bytes()
    )
    assert verify(out) == []
    told(argparse.Namespace(), lambda tell: report)
    err = capsys.readouterr().err
    assert "left out round/shape_11.png: 'shape_11.png' cannot be opened" in err
    assert "changed meanwhile, taken as it is now: square/shape_02.png" in err
    assert facts(report).endswith(", 1 left out, 1 changed meanwhile")


@dataclass(frozen=True)
class Growing(Folder):
    """A folder with a file that grows whenever it was read: `grows` more times."""

    grows: list[int] = field(default_factory=list)

    def read(self, path):
        data = super().read(path)
        if path.endswith("shape_04.png") and self.grows:
            self.grows.pop()
            with open(self.path / path, "ab") as file:
                file.write(b"more")
        return data


@pytest.mark.parametrize("times", [1, 9])
def test_a_file_that_changes_while_it_is_read_is_read_again(photos, counting, tmp_path, times):
    shutil.copytree(photos, tmp_path / "photos")
    source = Growing(tmp_path / "photos", [0] * times)
    report = build(source, tmp_path / "index", counting, size=SIZE)
    if times == 1:
        assert report.changed == ["square/shape_04.png"] and report.unreadable == []
    else:
        assert report.changed == [] and report.count == 11
        ((path, reason),) = report.unreadable
        assert path == "square/shape_04.png" and "changes while it is read" in reason
    assert verify(tmp_path / "index") == []


def test_two_builders(photos, counting, tmp_path):
    out = tmp_path / "index"
    refused = []

    def another(progress):
        if progress.done == 2:
            with pytest.raises(IndexProblem) as caught:
                build(photos, out, counting, size=SIZE)
            refused.append(str(caught.value))

    build(photos, out, counting, size=SIZE, progress=another)
    assert len(refused) == 1 and counting.passes == 12 and verify(out) == []
    assert re.search(
        rf"another build is writing to .*index \(process {os.getpid()} on {socket.gethostname()}, "
        r"since 20.*\): wait for it or stop it",
        refused[0],
    )
    assert (out / ".lock").read_text() == ""
    build(photos, out, counting, size=SIZE)  # the lock is free again


HOLD = """
import sys
from pathlib import Path
from dff.index.state import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_another_process_is_named_and_its_lock_is_free_once_it_is_killed(index_folder, tmp_path):
    out = tmp_path / "index"
    shutil.copytree(index_folder, out)
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", HOLD, str(out)]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(
            IndexProblem, match=rf"\(process {other.pid} on .*: wait for it or stop"
        ):
            remove(out, ["shape_01"])
        other.kill()
        other.wait()
    assert remove(out, ["shape_01"]) == 1 and verify(out) == []


@pytest.mark.parametrize("text", ["", "hello", "12 \x1b[31m x\n" * 500])
def test_a_lock_that_says_something_else_is_still_a_lock(index_folder, tmp_path, text):
    out = tmp_path / "index"
    shutil.copytree(index_folder, out)
    with alone(out):
        (out / ".lock").write_text(text)
        with pytest.raises(IndexProblem, match=r"another build is writing to [^(]*index: wait"):
            remove(out, ["shape_01"])


def test_a_given_whitening_is_used_and_kept(photos, backbone, counting, tmp_path, opened):
    mean, *projection = np.random.default_rng(0).random((17, backbone.channels), np.float32)
    given = Whitening(mean, np.stack(projection), 0.25, 16, {"fitted_on": "elsewhere"})
    build(photos, tmp_path / "index", counting, size=SIZE, whitening=given)
    index = opened(tmp_path / "index")
    # It does not say for which descriptor: for the one that pictures are found by.
    assert index.descriptor == "dff_tree" and index.vectors().shape == (12, 16)
    assert index.regions().regions.shape == (index.regions().starts[-1], 16)
    assert index.manifest["whitening"]["dff_tree"]["fitted_on"] == "elsewhere"
    np.testing.assert_array_equal(index.whitening().projection, given.projection)
    assert index.whitening("dff").projection is None and verify(tmp_path / "index") == []
    wrong = Whitening.identity(backbone.channels + 1)
    counting.passes = 0
    with pytest.raises(ValueError, match="whitening: expected one of 2432 channels"):
        build(photos, tmp_path / "index", counting, size=SIZE, whitening=wrong)
    assert counting.passes == 0


def test_a_given_whitening_is_for_the_descriptor_it_names(photos, counting, tmp_path, opened):
    mean, *projection = np.random.default_rng(0).random((17, counting.channels), np.float32)
    facts = {"fitted_on": "elsewhere", "descriptor": "dff"}
    given = Whitening(mean, np.stack(projection), 0.25, 16, facts)
    build(photos, tmp_path / "index", counting, size=SIZE, whitening=given)
    index = opened(tmp_path / "index")
    assert index.vectors("dff").shape == (12, 16) and index.vectors("dff_tree").shape == (12, 2432)
    counting.passes = 0
    other = replace(given, provenance={"descriptor": "gem"})
    with pytest.raises(ValueError, match="whitening: expected .* dff_tree, got one for gem"):
        build(photos, tmp_path / "index", counting, size=SIZE, whitening=other)
    assert counting.passes == 0


def test_building_twice_gives_the_same_files(photos, counting, tmp_path):
    build(photos, tmp_path / "one", counting, size=SIZE)
    build(photos, tmp_path / "two", counting, size=SIZE)
    build(photos, tmp_path / "two", counting, size=SIZE)  # over itself
    assert content(tmp_path / "one") == content(tmp_path / "two")
    names = {name.split("/")[0] for name in content(tmp_path / "two")}
    assert names == {"index.json", "shards", "generations"}  # nothing left over


def test_a_damaged_unfinished_build_is_begun_again(photos, counting, tmp_path):
    out = tmp_path / "index"
    with pytest.raises(KeyboardInterrupt):
        build(photos, out, counting, size=SIZE, progress=StopAt(4))
    for path in out.glob("shards/*/basis.npy"):
        path.write_bytes(b"")  # as after a power cut
    (journal,) = (out / "building").glob("*.jsonl")
    with open(journal, "a") as file:
        file.write('{"chunk": 0, "sta')
    counting.passes = 0
    report = build(photos, out, counting, size=SIZE)
    assert counting.passes == 12 and report.resumed == 0 and verify(out) == []
    assert json.loads((out / "index.json").read_text())["count"] == 12
