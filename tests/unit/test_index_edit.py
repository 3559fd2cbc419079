"""Changes of an index: each whole or not at all, and each can be undone."""

import json
import shutil
from dataclasses import asdict

import numpy as np
import pytest

from dff.index import IndexProblem
from dff.index import build as building
from dff.index.build import build
from dff.index.check import verify
from dff.index.edit import add, clean_title, remove, rename, rewhiten
from dff.index.manifest import read_manifest, write_manifest
from dff.index.state import bytes_before, changes, compact, undo

SIZE = 128
DESCRIPTORS = ("dff", "gem", "rmac")


def content(folder):
    """{relative path: bytes} of all files of an index."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


@pytest.fixture
def copy(index_folder, photos, tmp_path):
    """The tiny index, at the same distance from its photos."""
    folder = tmp_path / "index"
    shutil.copytree(index_folder, folder)
    write_manifest(folder, {**read_manifest(folder), "photos_root": str(photos)})
    return folder


@pytest.fixture(scope="module")
def few(photos, tmp_path_factory):
    """The first ten of the twelve pictures, and the other two."""
    root = tmp_path_factory.mktemp("few")
    shutil.copytree(photos, root / "photos")
    (root / "more").mkdir()
    for name in ("shape_08.png", "shape_10.png"):
        shutil.move(root / "photos/square" / name, root / "more" / name)
    return root


@pytest.fixture(scope="module")
def few_index(few, backbone):
    build(few / "photos", few / "index", backbone, descriptors=DESCRIPTORS, size=SIZE)
    return few / "index"


def ids(index):
    return [picture.id for picture in index.pictures]


def same(one, other, id):
    """Whether two indexes hold the same of a picture."""
    rows = one.row(id), other.row(id)
    for name in one.settings.descriptors:
        np.testing.assert_array_equal(one.vectors(name)[rows[0]], other.vectors(name)[rows[1]])
        mine, yours = one.regions(name), other.regions(name)
        np.testing.assert_array_equal(
            mine.regions[slice(*mine.starts[rows[0] : rows[0] + 2])],
            yours.regions[slice(*yours.starts[rows[1] : rows[1] + 2])],
        )
    for part in ("heatmaps", "basis", "energy"):
        np.testing.assert_array_equal(
            getattr(one.detail(rows[0]), part), getattr(other.detail(rows[1]), part)
        )
    assert one.thumbnail(rows[0]) == other.thumbnail(rows[1])
    facts = [asdict(index.pictures[row]) for index, row in zip((one, other), rows, strict=True)]
    for fact in facts:
        for place in ("cells", "thumbnail", "regions"):
            del fact[place]
    assert facts[0] == facts[1]
    return True


# --- remove ----------------------------------------------------------------------------


def test_remove_and_undo(copy, index, opened):
    before = content(copy)
    assert remove(copy, ["shape_03", "shape_00"]) == 2
    left = opened(copy)
    assert ids(left) == [id for id in ids(index) if id not in ("shape_03", "shape_00")]
    assert all(same(left, index, id) for id in ids(left)) and verify(copy) == []
    found = left.search(left.indexed_query("shape_05"), top=20)
    assert len(found) == 9 and "shape_03" not in {match.id for match in found}
    (change,) = changes(copy)
    assert (change.kind, change.count, change.title) == ("remove", 2, "shape 03")
    assert bytes_before(copy) > 0
    assert undo(copy).kind == "remove"
    assert content(copy) == before and changes(copy) == []


def test_removing_from_one_shard_leaves_the_others(photos, backbone, tmp_path, monkeypatch, opened):
    monkeypatch.setattr(building, "CHUNK", 5)
    folder = tmp_path / "index"
    build(photos, folder, backbone, size=SIZE)
    first, second, third = (shard.folder.name for shard in opened(folder).shards)
    names = [[p.id for p in shard.pictures] for shard in opened(folder).shards]
    remove(folder, [*names[1], names[2][0]])
    now = [shard.folder.name for shard in opened(folder).shards]
    assert now[0] == first and len(now) == 2 and now[1] not in (second, third)
    assert ids(opened(folder)) == [*names[0], *names[2][1:]] and verify(folder) == []


def test_remove_then_rewhiten_is_a_fresh_build(few_index, copy, opened):
    remove(copy, ["shape_08", "shape_10"])
    rewhiten(copy)
    assert [change.kind for change in changes(copy)] == ["remove", "rewhiten"]
    compact(copy)
    mine, fresh = content(copy), content(few_index)
    manifests = [json.loads(files.pop("index.json")) for files in (mine, fresh)]
    for manifest in manifests:
        del manifest["photos_root"], manifest["sha256"]
    assert mine == fresh and manifests[0] == manifests[1]


@pytest.mark.parametrize("wanted", [["nobody"], ["shape_01", "../x"], []])
def test_unknown_ids_change_nothing(copy, wanted):
    before = content(copy)
    with pytest.raises(ValueError, match="id: expected"):
        remove(copy, wanted)
    assert content(copy) == before


def test_the_last_picture_stays(copy, index, opened):
    with pytest.raises(IndexProblem, match="at least one picture to be left"):
        remove(copy, ids(index))
    remove(copy, ids(index)[1:])
    assert ids(opened(copy)) == ids(index)[:1] and verify(copy) == []


# --- rename ----------------------------------------------------------------------------


def test_rename_and_undo(copy, index, opened):
    before = content(copy)
    rename(copy, {"shape_02": "  Ein\nTitel «ü» ", "shape_04": "x" * 300})
    now = opened(copy)
    titles = {picture.id: picture.title for picture in now.pictures}
    assert titles["shape_02"] == "Ein Titel «ü»" and titles["shape_04"] == "x" * 120
    assert titles["shape_00"] == "A red square" and verify(copy) == []
    assert now.manifest["generation"] == index.manifest["generation"]
    assert changes(copy)[-1].title == "shape 02"
    undo(copy)
    assert content(copy) == before
    rename(copy, {"shape_02": "shape 02"})  # no change, nothing to undo
    assert changes(copy) == [] and content(copy) == before


@pytest.mark.parametrize("title", ["", " \n\t", "\u200b"])
def test_a_title_needs_a_character(title):
    with pytest.raises(ValueError, match="title: expected some text"):
        clean_title(title)


# --- add -------------------------------------------------------------------------------


@pytest.fixture
def growing(few, few_index, tmp_path):
    """A copy of the ten, and the folder of the two, which lies elsewhere."""
    shutil.copytree(few, tmp_path / "place")
    return tmp_path / "place/index", tmp_path / "place/more"


def test_add_a_folder_from_elsewhere(growing, index, counting, opened):
    folder, more = growing
    (more / "broken.jpg").write_bytes(b"")
    seen = []
    report = add(folder, more, counting, progress=seen.append)
    assert (report.count, report.resumed, counting.passes) == (2, 0, 2)
    assert [p.done for p in seen] == [1, 2, 3] and {p.total for p in seen} == {3}
    now = opened(folder)
    assert ids(now)[-2:] == ["shape_08", "shape_10"] and len(now) == 12
    assert now.pictures[-1].path == "photos-2/shape_10.png"
    assert now.photo_path(11) == (more / "shape_10.png").resolve()
    assert now.manifest["added_roots"] == {"photos-2": "../more"}
    assert now.manifest["unreadable"] == [
        ["photos-2/broken.jpg", "'broken.jpg' is empty, expected a picture file."]
    ]
    assert verify(folder) == [] and (changes(folder)[-1].kind, changes(folder)[-1].count) == (
        "add",
        2,
    )
    # Again there is nothing to do but the broken file.
    assert add(folder, more, counting).count == 0 and counting.passes == 2
    undo(folder)
    assert len(opened(folder)) == 10 and "added_roots" not in opened(folder).manifest
    assert verify(folder) == []


def test_add_below_the_photos_then_rewhiten_is_a_fresh_build(
    growing, photos, counting, tmp_path, opened
):
    folder, more = growing
    for path in list(more.iterdir()):
        path.rename(folder.parent / "photos/square" / path.name)
    new = folder.parent / "photos/square/shape_10.png"
    assert add(folder, new, counting).count == 1  # one picture
    assert add(folder, folder.parent / "photos", counting).count == 1  # what is left
    assert counting.passes == 2 and len(opened(folder).shards) == 1
    fresh = tmp_path / "place/fresh"
    build(folder.parent / "photos", fresh, counting, descriptors=DESCRIPTORS, size=SIZE)
    built = opened(fresh)
    assert all(same(opened(folder), built, id) for id in ids(built)) and verify(folder) == []
    assert sorted(ids(opened(folder))) == sorted(ids(built))


def test_only_some_paths_are_added(growing, counting, opened):
    folder, more = growing
    assert add(folder, more, counting, paths=["shape_10.png"]).count == 1
    assert ids(opened(folder))[-1] == "shape_10" and counting.passes == 1


def test_a_stopped_add_leaves_the_old_state_and_goes_on(growing, counting, opened, one_by_one):
    folder, more = growing
    before = content(folder)
    counting.stop_at = 1
    with pytest.raises(KeyboardInterrupt):
        add(folder, more, counting)
    counting.stop_at = None
    now = content(folder)
    assert {name: now[name] for name in before} == before and verify(folder) == []
    assert add(folder, more, counting).resumed == 1
    assert counting.passes == 2 and len(opened(folder)) == 12


def test_shards_are_filled_up(growing, counting, opened, monkeypatch):
    monkeypatch.setattr(building, "CHUNK", 11)
    folder, more = growing
    add(folder, more, counting)
    assert [len(shard.pictures) for shard in opened(folder).shards] == [11, 1]
    assert verify(folder) == []


def test_an_id_that_is_taken(growing, counting, opened):
    folder, more = growing
    (more / "shape_10.png").rename(more / "Shape 01.png")
    add(folder, more, counting)
    assert "shape_01" in ids(opened(folder)) and ids(opened(folder))[-2].startswith("shape_01-")


def test_what_cannot_be_added(growing, counting, tmp_path):
    folder, more = growing
    before = content(folder)
    with pytest.raises(IndexProblem, match="photos: expected a folder"):
        add(folder, tmp_path / "nowhere", counting)
    (tmp_path / "empty").mkdir()
    with pytest.raises(IndexProblem, match="no pictures under"):
        add(folder, tmp_path / "empty", counting)
    counting.layer = "block5"
    with pytest.raises(IndexProblem, match="backbone: expected that of the index"):
        add(folder, more, counting)
    with pytest.raises(IndexProblem, match="no index in"):
        add(tmp_path, more, counting)
    assert content(folder) == before and counting.passes == 0


# --- crashes ---------------------------------------------------------------------------

STEPS = ("write_shard", "write_generation", "manifest_of", "change")


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_leaves_the_old_state(copy, opened, monkeypatch, step):
    before = content(copy)

    def crash(*args, **options):
        raise SystemExit("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(f"dff.index.edit.{step}", crash)
        with pytest.raises(SystemExit):
            remove(copy, ["shape_03"])
    now = content(copy)
    assert {name: now[name] for name in before} == before and len(opened(copy)) == 12
    assert changes(copy) == []
    remove(copy, ["shape_03"])  # and what was left over is gone
    assert verify(copy) == [] and len(opened(copy)) == 11


def test_a_crash_between_keeping_the_old_state_and_the_step(copy, opened, monkeypatch):
    from dff.index import state

    def crash(folder, manifest):
        raise SystemExit("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(state, "write_manifest", crash)
        with pytest.raises(SystemExit):
            remove(copy, ["shape_03"])
    assert len(opened(copy)) == 12 and changes(copy) == []
    with pytest.raises(IndexProblem, match="no change to undo"):
        undo(copy)
    remove(copy, ["shape_03"])
    undo(copy)
    assert len(opened(copy)) == 12 and changes(copy) == [] and verify(copy) == []


def test_undo_goes_back_five_changes(copy, opened):
    for number in range(7):
        rename(copy, {"shape_02": f"title {number}"})
    titles = []
    while changes(copy):
        undo(copy)
        titles.append(opened(copy).pictures[opened(copy).row("shape_02")].title)
    assert titles == [f"title {number}" for number in (5, 4, 3, 2, 1)]
    assert verify(copy) == []


def test_verify_looks_at_what_undo_needs(copy):
    remove(copy, ["shape_03"])
    now = json.loads((copy / "index.json").read_text())["files"]
    old = next(name for name in changes(copy)[0].manifest["files"] if name not in now)
    (copy / old).unlink()
    (problem,) = verify(copy)
    assert old in problem and "is missing" in problem
    compact(copy)
    assert verify(copy) == []
    remove(copy, ["shape_04"])
    (kept,) = (copy / "before").iterdir()
    kept.write_text('{"kind": "remove"}')
    problems = verify(copy)
    assert any("before/" in text and "delete it" in text for text in problems)
    assert changes(copy) == []


def test_one_writer_at_a_time(copy, monkeypatch):
    from dff.index.state import alone

    with alone(copy), pytest.raises(IndexProblem, match="another build is writing"):
        remove(copy, ["shape_03"])
