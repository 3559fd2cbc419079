import hashlib
import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from dff.index import IndexProblem
from dff.index import build as building
from dff.index.build import build
from dff.index.check import info, verify
from dff.index.manifest import read_manifest, write_manifest


@pytest.fixture
def copy(index_folder, tmp_path):
    folder = tmp_path / "index"
    shutil.copytree(index_folder, folder)
    return folder


def only(folder, pattern):
    (path,) = folder.glob(pattern)
    return path


def seal(folder):
    """Record the files as they are now, as an index does that was built wrongly."""
    manifest = read_manifest(folder)
    for name in manifest["files"]:
        data = (folder / name).read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        manifest["files"][name] = {"bytes": len(data), "sha256": digest}
    write_manifest(folder, manifest)


def change(folder, pattern, how):
    """Rewrite an array of the index and record it."""
    path = only(folder, pattern)
    array = how(np.load(path))
    np.save(path, array)
    seal(folder)


def change_rows(folder, how):
    path = only(folder, "shards/*/pictures.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    how(rows)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    seal(folder)


def with_entry(index, value):
    def how(array):
        array[index] = value
        return array

    return how


def test_a_sound_index_has_no_problems(index_folder):
    assert verify(index_folder) == []


def test_a_flipped_byte_is_found_in_every_file(copy):
    files = json.loads((copy / "index.json").read_text())["files"]
    assert len(files) == 18
    for name in files:
        data = (copy / name).read_bytes()
        middle = len(data) // 2
        flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        (copy / name).write_bytes(flipped)
        (problem,) = verify(copy)
        assert name in problem and "build the index again" in problem
        (copy / name).write_bytes(data)
    assert verify(copy) == []


def test_missing_cut_and_strange_files_are_found(copy):
    only(copy, "shards/*/cells.npy").unlink()
    vectors = only(copy, "generations/*/gem/vectors.npy")
    vectors.write_bytes(vectors.read_bytes()[:-1])
    (copy / "notes.txt").write_text("mine")
    problems = verify(copy)
    assert len(problems) == 3
    cut, strange, missing = sorted(problems, key=lambda problem: problem.split("/")[0])
    assert "cells.npy is missing" in missing
    assert "gem/vectors.npy: expected" in cut
    assert "notes.txt does not belong" in strange


def test_no_index_or_a_damaged_manifest(copy, tmp_path):
    with pytest.raises(IndexProblem, match="no index in"):
        verify(tmp_path / "nowhere")
    text = (copy / "index.json").read_text()
    for damaged, expected in (
        (text[:50], "cannot be read"),
        ("[]", "expected format 3"),
        ("[" * 100_000, "cannot be read"),
        (text.replace('"k": 4', '"k": 5'), "not as it was written"),
        (text.replace('"count": 12', '"count": NaN'), "cannot be read"),
    ):
        assert damaged != text
        (copy / "index.json").write_text(damaged)
        (problem,) = verify(copy)
        assert expected in problem and "build the index again" in problem


@pytest.mark.parametrize(
    ("pattern", "how", "expected"),
    [
        ("shards/*/basis.npy", with_entry((2, 0, 5), np.nan), "basis.npy: expected finite"),
        ("shards/*/detail_basis.npy", with_entry((0, 0, 0), 3), "rows of unit length"),
        ("shards/*/cells.npy", with_entry(7, -1), "cells.npy: expected finite numbers >= 0"),
        ("shards/*/cells.npy", lambda a: a[:-1], "cells.npy: expected 1728 entries, got 1727"),
        ("shards/*/basis.npy", lambda a: a[:, :3], "expected a basis (12, 4, 2432)"),
        ("shards/*/basis.npy", lambda a: a.astype(np.float32), "expected a 3-D float16 array"),
        ("shards/*/regions-rmac.npy", with_entry((0, 0), np.inf), "regions-rmac.npy: expected"),
        ("shards/*/regions-rmac.npy", lambda a: a[1:], "regions-rmac.npy: expected"),
        ("shards/*/thumbnails.npy", with_entry(slice(0, 40), 0), "that of shape_01 is not"),
        ("generations/*/dff/vectors.npy", with_entry((0, 0), np.nan), "got NaN"),
        ("generations/*/dff/vectors.npy", lambda a: 2 * a, "vectors of unit length"),
        ("generations/*/gem/vectors.npy", lambda a: a[:-1], "expected (12, 2432), got (11, 2432)"),
        ("generations/*/gem/vectors.npy", lambda a: a.astype(float), "2-D float32 array"),
    ],
)
def test_wrong_content_is_found_under_right_hashes(copy, pattern, how, expected):
    change(copy, pattern, how)
    (problem,) = verify(copy)
    assert expected in problem and ("again" in problem or "verify" in problem)


@pytest.fixture(scope="module")
def matched_folder(photos, backbone, tmp_path_factory):
    """An index whose pictures are compared region by region: it stores whitened regions."""
    out = tmp_path_factory.mktemp("matched") / "index"
    build(photos, out, backbone, descriptors=("dff_gem",), size=128)
    return out


@pytest.fixture
def matched(matched_folder, tmp_path):
    return shutil.copytree(matched_folder, tmp_path / "index")


def test_only_descriptors_matched_by_regions_store_them(matched_folder, index_folder):
    stored = only(matched_folder, "generations/*/*/regions.npy")
    assert stored.parent.name == "dff_gem" and np.load(stored).shape == (48, 2432)
    assert verify(matched_folder) == []
    assert not list(index_folder.glob("generations/*/*/regions.npy"))


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (with_entry((3, 0), np.nan), "regions.npy: expected finite numbers, got NaN"),
        (with_entry(7, 2.0), "regions.npy: expected vectors of unit length"),
        (lambda a: a[:-1], "regions.npy: expected (48, 2432), got (47, 2432)"),
        (lambda a: a[:, :-1], "regions.npy: expected (48, 2432), got (48, 2431)"),
        (lambda a: a.astype(np.float16), "regions.npy: expected a 2-D float32 array"),
        (lambda a: a[0], "regions.npy: expected a 2-D float32 array, got 1-D"),
    ],
)
def test_wrong_whitened_regions_are_found_under_right_hashes(matched, how, expected):
    change(matched, "generations/*/dff_gem/regions.npy", how)
    (problem,) = verify(matched)
    assert expected in problem and "build the index again" in problem


def test_damaged_whitened_regions_are_found(matched):
    path = only(matched, "generations/*/dff_gem/regions.npy")
    data = path.read_bytes()
    for damaged, expected in (
        (data[:-1] + bytes([data[-1] ^ 1]), "is not as it was written"),
        (data[:-4], f"expected {len(data)} bytes, got {len(data) - 4}"),
        (None, "is missing"),
    ):
        path.unlink()
        if damaged is not None:
            path.write_bytes(damaged)
        (problem,) = verify(matched)
        assert "dff_gem/regions.npy" in problem and expected in problem
        path.write_bytes(data)
    assert verify(matched) == []


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("id", "shape_03", "2 pictures have the id 'shape_03'"),
        ("path", "round/shape_03.png", "2 pictures have the path"),
        ("path", "../x.png", "inside the photos' folder"),
        ("energy", [1.0], "expected 4 for energy, got 1"),
        ("cells", 5, "for cells, got 5"),
        ("thumbnail", [160, 120, 0, 9], "for thumbnail"),
        ("regions", {}, "regions of shape_01"),
    ],
)
def test_wrong_rows_are_found(copy, field, value, expected):
    change_rows(copy, lambda rows: rows[0].update({field: value}))
    problems = verify(copy)
    assert any(expected in problem for problem in problems), problems


def test_a_wrong_count_is_found(copy):
    write_manifest(copy, {**read_manifest(copy), "count": 13})
    assert any("expected 13 pictures, the shards hold 12" in p for p in verify(copy))


def test_an_unfinished_build_is_no_problem(photos, copy, counting):
    with pytest.raises(KeyboardInterrupt):
        counting.stop_at = 5
        build(photos, copy, counting, size=128, k=3)
    assert len(list(copy.glob("shards/*"))) == 2
    assert verify(copy) == []
    assert info(copy)["unfinished"] == 5
    shutil.rmtree(copy / "building")  # without it the shard is a leftover
    assert all("delete it" in problem for problem in verify(copy)) and verify(copy)


def test_info(index_folder, photos, tmp_path):
    facts = info(index_folder)
    json.dumps(facts, allow_nan=False)
    assert (facts["count"], facts["k"], facts["detail_k"], facts["size"]) == (12, 4, 8, 128)
    assert (facts["backbone"], facts["layer"]) == ("efficientnet_lite0", "block6+last")
    assert facts["descriptors"] == ["dff", "gem", "rmac"]
    assert facts["categories"] == {"": 10, "discs": 1, "squares": 1}
    assert (facts["photos_missing"], facts["unfinished"]) == (0, None)
    assert facts["photos_root"] == str(photos.resolve())
    assert facts["whitening"]["dff"]["pictures"] == 12
    on_disk = sum(p.stat().st_size for p in index_folder.rglob("*") if p.is_file())
    assert 0 < on_disk - facts["bytes"] < 20_000  # all but the manifest
    assert info(index_folder, tmp_path)["photos_missing"] == 12


def test_thumbnails_are_small_jpegs_of_their_pictures(index):
    for row, picture in enumerate(index.pictures):
        with Image.open(io.BytesIO(index.thumbnail(row))) as image:
            assert image.format == "JPEG" and image.size == (160, 120)
            assert image.size == picture.thumbnail[:2]


def test_shards_of_several_chunks_are_checked(photos, counting, tmp_path, monkeypatch):
    monkeypatch.setattr(building, "CHUNK", 5)
    build(photos, tmp_path / "index", counting, size=128)
    assert len(list((tmp_path / "index/shards").iterdir())) == 3
    assert verify(tmp_path / "index") == []
