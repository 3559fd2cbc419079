"""index.json is sure of itself: whatever becomes of a byte of it is noticed."""

import json
import shutil

import pytest

from dff.cli import main
from dff.index import Index, IndexProblem
from dff.index.check import notes, verify
from dff.index.edit import remove, rename, rewhiten
from dff.index.manifest import read_manifest, read_sealed, write_manifest, write_sealed
from dff.index.repair import repair
from dff.index.state import changes, undo


@pytest.fixture
def copy(index_folder, tmp_path):
    return shutil.copytree(index_folder, tmp_path / "index")


def flipped(data, at, bits):
    return data[:at] + bytes([data[at] ^ bits]) + data[at + 1 :]


def without_checksum(path):
    """As an older version wrote it."""
    document, had = read_sealed(path)
    assert had
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def test_every_flipped_byte_of_the_manifest_is_noticed_on_opening(copy):
    path = copy / "index.json"
    data = path.read_bytes()
    assert len(data) > 3000
    for at in range(len(data)):
        path.write_bytes(flipped(data, at, (1, 0x20, 0xFF, 0x03)[at % 4]))
        with pytest.raises(IndexProblem, match=r"index\.json.* index repair .*build .* again"):
            Index.open(copy)
    path.write_bytes(data)
    assert len(Index.open(copy)) == 12


@pytest.mark.parametrize("bits", [1, 0x0A ^ 0x20, 0xFF])
def test_a_flipped_byte_of_the_manifest_is_one_problem_and_can_be_repaired(copy, bits):
    path = copy / "index.json"
    data = path.read_bytes()
    ends = range(len(data) - 90, len(data), 7)  # the checksum itself and what holds it
    for at in [*range(0, len(data), len(data) // 40), *ends]:
        path.write_bytes(flipped(data, at, bits))
        (problem,) = verify(copy)
        assert "index.json" in problem and "index repair" in problem
    path.write_bytes(data.replace(b"efficientnet_lite0", b"efficientnet_lite1"))
    done = repair(copy)
    assert done.count == 12 and done.lost == [] and verify(copy) == []
    (sentence,) = done.mended
    assert "index.json was damaged" in sentence and "photos' folder are right" in sentence


def test_with_the_manifest_damaged_other_damage_is_found_all_the_same(copy):
    data = (copy / "index.json").read_bytes()
    (copy / "index.json").write_bytes(flipped(data, 30, 1))
    (cells,) = copy.glob("shards/*/cells.npy")
    cells.write_bytes(cells.read_bytes() + b"0")
    one, two = verify(copy)
    assert "index.json" in one and cells.parent.name in two and "repair" in two


def test_an_older_index_opens_and_gets_its_checksum_with_the_first_change(copy, capsys):
    assert notes(copy) == []
    sealed = (copy / "index.json").read_bytes()
    without_checksum(copy / "index.json")
    assert len(Index.open(copy)) == 12 and verify(copy) == []
    assert main(["index", "verify", str(copy)]) == 0
    assert "note: index.json: written by an older version, without a checksum" in (
        capsys.readouterr().out
    )
    assert rewhiten(copy) is False  # nothing is different but that
    assert (copy / "index.json").read_bytes() == sealed and notes(copy) == []
    without_checksum(copy / "index.json")
    rename(copy, {"shape_02": "another"})
    assert read_sealed(copy / "index.json")[1] and notes(copy) == []
    undo(copy)
    assert (copy / "index.json").read_bytes() == sealed


def test_a_checksum_cannot_be_lost_by_a_flipped_byte(copy):
    text = (copy / "index.json").read_text()
    for damaged in (
        text.replace('"sha256": "', '"sha255": "'),
        text.replace(',\n "sha256": "', ', "sha256": "'),
        json.dumps(json.loads(text)),  # written by another hand
    ):
        assert damaged.count('"sha25') == text.count('"sha25')
        (copy / "index.json").write_text(damaged)
        with pytest.raises(IndexProblem, match="not as it was written"):
            read_manifest(copy)


def test_states_kept_for_undo_have_a_checksum_too(copy):
    remove(copy, ["shape_03"])
    (kept,) = (copy / "before").iterdir()
    data = kept.read_bytes()
    for at in range(0, len(data), 53):
        kept.write_bytes(flipped(data, at, 1))
        problems = verify(copy)
        assert any("before/000001.json" in text and "delete it" in text for text in problems)
        assert changes(copy) == []
    kept.write_bytes(data)
    assert verify(copy) == [] and len(changes(copy)) == 1
    without_checksum(kept)
    assert len(changes(copy)) == 1 and "before/000001.json" in notes(copy)[0]


def test_what_is_written_is_what_is_read(tmp_path):
    table = {"sha256": "mine", "text": 'a "quoted",\n "sha256": "line"', "more": {"x": [1, 2.5]}}
    write_sealed(tmp_path / "x.json", table)
    assert read_sealed(tmp_path / "x.json") == (table, True)
    assert json.loads((tmp_path / "x.json").read_text())["text"] == table["text"]


def test_a_manifest_of_another_version_says_so(copy):
    write_manifest(copy, {**read_manifest(copy), "format": 4})
    with pytest.raises(IndexProblem, match="expected format 3, got 4; build the index again"):
        Index.open(copy)
