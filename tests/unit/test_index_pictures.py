"""Pictures are read by shard when they are asked for, and are the same as ever."""

import json

import pytest

from dff.index import Index, IndexProblem
from dff.index import build as building
from dff.index.build import build
from dff.index.pictures import regions_of_all, values


@pytest.fixture(scope="module")
def folder(photos, backbone, tmp_path_factory):
    """Twelve pictures in three shards."""
    out = tmp_path_factory.mktemp("shards") / "index"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "CHUNK", 5)
        build(photos, out, backbone, descriptors=("dff", "rmac"), size=128)
    return out


def test_only_the_shards_asked_for_are_opened(folder):
    index = Index.open(folder)
    assert len(index) == len(index.pictures) == 12 and len(index.shards) == 3
    assert set(index.shards._open) == {0}
    assert index.pictures[11].id == index.pictures[-1].id
    assert set(index.shards._open) == {0, 2}
    assert index.row(index.pictures[7].id) == 7
    index.vectors()
    index.rows_of_file("no such hash")


def test_rows_ids_and_hashes_are_those_of_the_lines(folder):
    index = Index.open(folder)
    every = list(index.pictures)
    assert [index.pictures[row] for row in range(12)] == every == list(index.pictures[:])
    assert index.pictures[3:9:2] == tuple(every[3:9:2])
    assert index.row_of == {picture.id: row for row, picture in enumerate(every)}
    for row, picture in enumerate(every):
        assert index.rows_of_file(picture.sha256) == [row]
        assert index.rows_of_file(picture.pixels_sha256) == [row]
    with pytest.raises(IndexError, match="row: expected 0 to 11, got 12"):
        index.pictures[12]


@pytest.mark.parametrize("descriptor", ["dff", "rmac"])
def test_numbers_and_weights_of_regions(folder, descriptor):
    index = Index.open(folder)
    counts, weights = regions_of_all(index.shards, descriptor)
    expected = [
        shard.weights(row, descriptor)
        for shard in index.shards
        for row in range(len(shard.pictures))
    ]
    assert counts.tolist() == [len(own) for own in expected]
    assert weights.tolist() == [float(value) for own in expected for value in own]


def test_texts_that_look_like_fields_are_not_taken_for_them(tmp_path):
    nasty = 'x", "sha256": "no", "regions": {"a": 1} \\" \\\\ \u2028'
    line = {"id": "1", "title": nasty, "sha256": 'a"\\b', "regions": {"rmac": [0, 3]}}
    (tmp_path / "pictures.jsonl").write_text(json.dumps(line, ensure_ascii=False) + "\n")
    assert list(values(tmp_path, "sha256", "title", "regions")) == [
        ('a"\\b', nasty, {"rmac": [0, 3]})
    ]


def test_lines_without_a_field_are_damage(tmp_path):
    (tmp_path / "pictures.jsonl").write_text('{"id": "1"}\n')
    with pytest.raises(IndexProblem, match="cannot be read .*sha256"):
        list(values(tmp_path, "sha256"))
    with pytest.raises(IndexProblem, match="cannot be read"):
        list(values(tmp_path / "none", "id"))
