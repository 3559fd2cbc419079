"""An index that was damaged comes back with all that is intact, and says what is lost."""

import json
import shutil

import pytest

from dff.index import Index, IndexProblem
from dff.index import build as building
from dff.index.build import build
from dff.index.check import verify
from dff.index.edit import remove
from dff.index.repair import repair
from tests.conftest import SIZE

SHARDS, EACH = 3, 4


@pytest.fixture(scope="module")
def sound(photos, backbone, tmp_path_factory):
    """Twelve pictures in three shards."""
    out = tmp_path_factory.mktemp("sound") / "index"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "CHUNK", EACH)
        build(photos, out, backbone, descriptors=("dff", "gem"), size=SIZE)
    return out


@pytest.fixture
def folder(sound, tmp_path):
    copy = tmp_path / "index"
    shutil.copytree(sound, copy)
    return copy


def manifest(folder):
    return json.loads((folder / "index.json").read_text())


def flip(path):
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def test_a_sound_index_is_not_touched(folder):
    before = contents(folder)
    done = repair(folder)
    assert (done.count, done.lost, done.mended) == (12, [], [])
    assert contents(folder) == before


def test_a_damaged_shard_is_lost_alone_and_named(folder):
    names = manifest(folder)["shards"]
    index = Index.open(folder)
    ids = [picture.id for picture in index.pictures]
    whitening = index.whitening("gem").mean.copy()
    del index
    flip(folder / "shards" / names[1] / "cells.npy")
    done = repair(folder)
    assert done.count == 8
    (sentence,) = done.lost
    assert sentence == f"shards/{names[1]}: lost, with 4 pictures: {', '.join(ids[4:8])}"
    assert verify(folder) == [] and manifest(folder)["shards"] == [names[0], names[2]]
    again = Index.open(folder)
    assert [picture.id for picture in again.pictures] == ids[:4] + ids[8:]
    # No score moves: the whitening is the one that was in force.
    assert (again.whitening("gem").mean == whitening).all()


def test_a_list_of_pictures_that_is_damaged_is_not_believed(folder):
    name = manifest(folder)["shards"][0]
    flip(folder / "shards" / name / "pictures.jsonl")
    (sentence,) = repair(folder).lost
    assert sentence == f"shards/{name}: lost, and so is the list of its pictures"


def test_a_missing_shard_is_lost(folder):
    name = manifest(folder)["shards"][2]
    shutil.rmtree(folder / "shards" / name)
    done = repair(folder)
    assert done.count == 8 and len(done.lost) == 1 and verify(folder) == []


@pytest.mark.parametrize("array", ["dff/vectors.npy", "gem/vectors.npy"])
def test_whitened_vectors_come_back_byte_for_byte(folder, array):
    before = contents(folder)
    flip(folder / "generations" / manifest(folder)["generation"] / array)
    done = repair(folder)
    assert done.lost == [] and done.mended == ["the whitened vectors were made again"]
    assert contents(folder) == before


def test_a_whitening_is_fitted_again(folder):
    flip(folder / "generations" / manifest(folder)["generation"] / "gem" / "whitening.json")
    done = repair(folder)
    assert done.count == 12 and done.lost == [] and verify(folder) == []
    assert any(text.startswith("gem: its whitening was fitted again") for text in done.mended)


def test_a_flipped_bit_in_the_manifest_loses_no_intact_shard_in_silence(sound, tmp_path):
    data = (sound / "index.json").read_bytes()
    outcomes = set()
    for at in range(0, len(data), len(data) // 25):
        folder = tmp_path / str(at)
        shutil.copytree(sound, folder)
        (folder / "index.json").write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        try:
            done = repair(folder)
        except IndexProblem as problem:  # not JSON any more, or made with other settings
            assert "so it cannot be repaired" in str(problem) or "build it again" in str(problem)
            outcomes.add("refused")
        else:
            assert verify(folder) == [] and done.count == 12 and done.lost == []
            outcomes.add("mended" if done.mended else "untouched")
        shutil.rmtree(folder)
    assert outcomes == {"refused", "mended"}


def test_the_state_before_the_last_change_stands_in_for_a_broken_manifest(folder):
    first = Index.open(folder).pictures[0].id
    remove(folder, [first])
    (folder / "index.json").write_text("{")
    done = repair(folder)
    assert done.count == 12 and verify(folder) == []
    assert done.mended[0].endswith("the state before the last change is back")


def test_nothing_to_go_by(folder, tmp_path):
    (folder / "index.json").write_text("{")
    with pytest.raises(IndexProblem, match="nothing else says how this index was made"):
        repair(folder)
    with pytest.raises(IndexProblem, match="expected the folder of an index"):
        repair(tmp_path / "nowhere")


def test_no_shard_is_intact(folder):
    before = contents(folder)
    for name in manifest(folder)["shards"]:
        flip(folder / "shards" / name / "basis.npy")
    with pytest.raises(IndexProblem, match="no shard of this index is intact"):
        repair(folder)
    assert contents(folder).keys() == before.keys()  # an expert may still want them
