"""An index is data from strangers, who can compute hashes too: each trick is one sentence.

Most tricks are sealed: the manifest is written again with the sizes and hashes of what was put in.
"""

import hashlib
import io
import json
import os
import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from dff.app.photos_store import copy_index
from dff.index import Index, IndexProblem
from dff.index import build as building
from dff.index.build import build
from dff.index.check import info, verify
from dff.index.collection import parse_facts
from dff.index.format import file_record
from dff.index.manifest import read_damaged, read_manifest, write_manifest
from dff.index.repair import repair
from tests.conftest import SIZE
from tests.unit.test_index_check import with_entry as entry

FILES = "shards/*/"
VECTORS = "generations/*/gem/vectors.npy"


@pytest.fixture
def folder(index_folder, tmp_path):
    return shutil.copytree(index_folder, tmp_path / "index")


def only(folder, pattern):
    (path,) = folder.glob(pattern)
    return path


def seal(folder):
    """Record the files as they are now."""
    manifest = read_damaged(folder)
    for name in manifest["files"]:
        if (folder / name).is_file():
            manifest["files"][name] = file_record(folder / name)
    write_manifest(folder, manifest)


# --- tricks ----------------------------------------------------------------------------
# Each takes the folder of an index and changes it.


def raw(pattern, how):
    """Change the bytes of a file."""

    def trick(folder):
        path = only(folder, pattern)
        path.write_bytes(how(path.read_bytes()))

    return trick


def array(pattern, how):
    """Change the array in a file."""

    def how_bytes(data):
        out = io.BytesIO()
        np.save(out, how(np.load(io.BytesIO(data))))
        return out.getvalue()

    return raw(pattern, how_bytes)


def lines(how):
    """Change the pictures, a list of tables."""

    def how_bytes(data):
        rows = [json.loads(line) for line in data.splitlines()]
        how(rows)
        return "".join(json.dumps(row) + "\n" for row in rows).encode()

    return raw(FILES + "pictures.jsonl", how_bytes)


def field(name, value, row=3):
    return lines(lambda rows: rows[row].update({name: value}))


def facts(**values):
    """Change entries of index.json."""
    return lambda folder: write_manifest(folder, {**read_manifest(folder), **values})


def a_file_more(name):
    def trick(folder):
        manifest = read_manifest(folder)
        manifest["files"][name] = {"bytes": 1, "sha256": "0"}
        write_manifest(folder, manifest)

    return trick


def exchange(folder):
    """Two files of the same size and shape."""
    mine, other = only(folder, VECTORS), only(folder, "generations/*/dff/vectors.npy")
    data = mine.read_bytes()
    mine.write_bytes(other.read_bytes())
    other.write_bytes(data)


def link(pattern, to_folder=False):
    """A link in place of a file or folder, to a copy of it outside of the index."""

    def trick(folder):
        path = only(folder, pattern)
        outside = folder.parent / "outside"
        shutil.move(path, outside)
        path.symlink_to(outside, target_is_directory=to_folder)

    return trick


def pipe(pattern):
    def trick(folder):
        path = only(folder, pattern)
        path.unlink()
        os.mkfifo(path)

    return trick


class Bomb:
    def __reduce__(self):
        return (os.system, ("touch exploded",))


def pickled(data):
    out = io.BytesIO()
    np.save(out, np.array([Bomb()], dtype=object), allow_pickle=True)
    return out.getvalue()


def zipped(data):
    out = io.BytesIO()
    np.savez(out, x=np.load(io.BytesIO(data)))
    return out.getvalue()


def header(text):
    """An array whose header says this."""

    def how(data):
        filled = text.encode().ljust(117) + b"\n"
        return b"\x93NUMPY\x01\x00" + len(filled).to_bytes(2, "little") + filled + data[128:]

    return how


def whitening(**values):
    def how(data):
        return json.dumps({**json.loads(data), **values}).encode()

    return raw("generations/*/gem/whitening.json", how)


HUGE = "{'descr': '<f4', 'fortran_order': False, 'shape': (%s, 2432), }"

# What was damaged: (trick, words of the one sentence).
DAMAGED = {
    "a flipped byte": (
        raw(FILES + "cells.npy", lambda d: d[:200] + bytes([d[200] ^ 4]) + d[201:]),
        "cells.npy is not as it was written",
    ),
    "a missing file": (lambda folder: only(folder, VECTORS).unlink(), "vectors.npy is missing"),
    "a longer file": (raw(VECTORS, lambda d: d + b"0"), "vectors.npy: expected 116864 bytes"),
    "a shorter file": (raw(VECTORS, lambda d: d[:-1]), "vectors.npy: expected 116864 bytes"),
    "a file too many": (
        lambda folder: (folder / "notes.txt").write_text("mine"),
        "notes.txt does not belong to the index; delete it",
    ),
    "another version": (facts(format=99), "index.json: expected format 3, got 99"),
    "a changed manifest": (
        raw("index.json", lambda d: d.replace(b"../photos", b"../secret")),
        "index.json is not as it was written",
    ),
    "half a manifest": (raw("index.json", lambda d: d[:500]), "index.json cannot be read"),
}

# What was put together to look sound: (trick, words of the one sentence).
SEALED = {
    "NaN in a descriptor": (
        array(VECTORS, entry((2, 7), np.nan)),
        "gem/vectors.npy: expected fin",
    ),
    "infinity in a descriptor": (
        array(VECTORS, entry((2, 7), np.inf)),
        "gem/vectors.npy: expecte",
    ),
    "NaN in a basis": (
        array(FILES + "basis.npy", entry((0, 0, 0), np.nan)),
        "/basis.npy: expec",
    ),
    "NaN in a heatmap": (
        array(FILES + "cells.npy", entry(3, np.nan)),
        "cells.npy: expected fini",
    ),
    "NaN in a weight": (
        array(FILES + "weights-gem.npy", entry(0, np.nan)),
        "-gem.npy: expected fi",
    ),
    "another dtype": (array(VECTORS, lambda a: a.astype(">f4")), "expected a 2-D float32 array"),
    "complex numbers": (
        array(VECTORS, lambda a: a.astype(complex)),
        "2-D float32 array, got 2-D c",
    ),
    "texts for numbers": (array(VECTORS, lambda a: a.astype("U8")), "a 2-D float32 array, got 2-D"),
    "another shape": (array(VECTORS, lambda a: a.T), "gem/vectors.npy: expected (12, 2432), got"),
    "another depth": (array(VECTORS, lambda a: a[None]), "2-D float32 array, got 3-D"),
    "a picture fewer": (array(FILES + "basis.npy", lambda a: a[:-1]), "expected a basis (12, 4, 2"),
    "a pickle": (raw(VECTORS, pickled), "vectors.npy cannot be read"),
    "a pickle with the whitening": (raw("generations/*/gem/whitening-*.npy", pickled), "whitening"),
    "an archive": (raw(VECTORS, zipped), "vectors.npy cannot be read"),
    "an archive of the whitening": (raw("generations/*/gem/whitening-*.npy", zipped), "whitening"),
    "no array": (raw(VECTORS, lambda d: b"hello"), "vectors.npy cannot be read"),
    "an empty file": (raw(VECTORS, lambda d: b""), "vectors.npy cannot be read"),
    "more rows than there are": (raw(VECTORS, header(HUGE % 10**6)), "vectors.npy cannot be read"),
    "rows beyond counting": (raw(VECTORS, header(HUGE % 10**30)), "vectors.npy cannot be read"),
    "fewer than no rows": (raw(VECTORS, header(HUGE % -3)), "vectors.npy"),
    "a header of brackets": (raw(VECTORS, header("(" * 110)), "vectors.npy cannot be read"),
    "an id twice": (field("id", "shape_05", row=0), "2 pictures have the id 'shape_05'"),
    "a path twice": (field("path", "round/shape_05.png", row=0), "2 pictures have the path"),
    "a path that climbs": (field("path", "../secret.png"), "expected a path inside"),
    "a path from the root": (field("path", "/etc/passwd"), "expected a path inside"),
    "a path with a zero": (field("path", "a\0.png"), "expected a path inside"),
    "a path that is none": (field("path", 3), "pictures.jsonl, line 4, cannot be read"),
    "half a letter": (field("title", "\ud800"), "pictures.jsonl, line 4, cannot be read"),
    "an id that is a list": (field("id", ["x"]), "pictures.jsonl, line 4, cannot be read"),
    "a width in words": (field("width", "160"), "pictures.jsonl, line 4, cannot be read"),
    "a width without end": (field("width", 10**40), "pictures.jsonl, line 4, cannot be read"),
    "no width": (field("width", 0), "pictures.jsonl, line 4"),
    "a grid of three": (field("grid", [3, 4, 1]), "pictures.jsonl, line 4, cannot be read"),
    "a grid too fine": (field("grid", [300, 400]), "pictures.jsonl, line 5"),
    "energy that is NaN": (field("energy", [1, 1, float("nan"), 1]), "pictures.jsonl, line 4, can"),
    "energy without end": (field("energy", [1, 1, 1e300, 1]), "pictures.jsonl, line 4, cannot"),
    "names that are numbers": (field("names", [[1]] * 4), "pictures.jsonl, line 4, cannot be read"),
    "regions elsewhere": (field("regions", {"gem": [0, 1], "rmac": [-5, 9]}), "line 4, cannot be"),
    "a heatmap elsewhere": (field("cells", 10**9), "for cells, got 1000000000"),
    "a thumbnail elsewhere": (field("thumbnail", [160, 120, 10**9, 5]), "for thumbnail, got"),
    "brackets": (raw(FILES + "pictures.jsonl", lambda d: b"[" * 10**5), "line 1, cannot be read"),
    "no pictures": (raw(FILES + "pictures.jsonl", lambda d: b""), "expected a basis (0, 4, 2432)"),
    "a shard elsewhere": (facts(shards=["../../outside"]), "expected a valid 'shards'"),
    "shards that are one text": (facts(shards="abc"), "expected a valid 'shards'"),
    "a generation elsewhere": (facts(generation="/srv"), "expected a valid 'generation'"),
    "a generation that is not there": (facts(generation="0" * 12), "000000000000 is missing"),
    "a file elsewhere": (a_file_more("../../outside.txt"), "the entry of '../../outside.txt'"),
    "a file from the root": (a_file_more("/etc/passwd"), "the entry of '/etc/passwd'"),
    "a hidden way out": (a_file_more("shards/0123456789ab/.."), "the entry of 'shards/"),
    "another count": (facts(count=13), "expected 13 pictures, the shards hold 12"),
    "a count in words": (facts(count="12"), "expected a valid 'count'"),
    "parts without end": (facts(k=10**9), "expected a valid 'k'"),
    "a descriptor elsewhere": (facts(descriptors=["../gem"]), "expected a valid 'descriptors'"),
    "no descriptor": (facts(descriptors=[]), "expected a valid 'descriptors'"),
    "layers of nothing": (facts(blocks=[-1, 0]), "expected a valid 'blocks'"),
    "photos nowhere": (facts(photos_root="a\0b"), "expected photos_root to be a path"),
    "an added folder that climbs": (facts(added_roots={"..": "x"}), "of added_roots is not"),
    "a list for unreadable files": (facts(unreadable=[["one"]]), "expected a valid 'unreadable'"),
    "a whitening of nothing": (facts(whitening={"gem": 3}), "expected a valid 'whitening'"),
    "files that are a list": (facts(files=[]), "expected a valid 'files'"),
    "a whitening elsewhere": (whitening(array="../../../index.json"), "whitening"),
    "a whitening without end": (whitening(dimensions=1e999), "whitening"),
    "a linked file": (link(FILES + "basis.npy"), "basis.npy is a link"),
    "a linked shard": (link("shards/*", to_folder=True), "is a link"),
    "linked shards": (link("shards", to_folder=True), "shards is a link"),
    "a linked descriptor": (link("generations/*/gem", to_folder=True), "gem is a link"),
    "a linked manifest": (link("index.json"), "index.json is a link"),
    "a pipe": (pipe(FILES + "pictures.jsonl"), "pictures.jsonl is no file"),
    "a pipe for a manifest": (pipe("index.json"), "index.json is no file"),
    "a pipe for an array": (pipe(VECTORS), "vectors.npy is no file"),
}
WAYS_OUT = ("again", "repair", "verify", "delete it", "copy")


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_one_sentence(folder, name):
    trick, words = DAMAGED[name]
    trick(folder)
    (sentence,) = verify(folder)
    assert words in sentence and any(way in sentence for way in WAYS_OUT), sentence


def played(name, folder):
    """Play a trick and give what it changed the right hashes; what is to be said of it."""
    trick, words = SEALED[name]
    trick(folder)
    if "manifest" not in name and read_damaged(folder)["files"]:
        seal(folder)
    return words


@pytest.mark.parametrize("name", SEALED)
def test_a_trick_is_one_sentence_under_right_hashes(folder, name):
    words = played(name, folder)
    sentences = verify(folder)
    assert len(sentences) == 1, sentences
    assert words in sentences[0] and "\n" not in sentences[0], sentences
    assert any(way in sentences[0] for way in WAYS_OUT), sentences


# --- opening ---------------------------------------------------------------------------

opened_files: list[str] = []
found_classes: list[str] = []
listening: list[bool] = []


def listen(event, args):
    if listening and event == "open" and isinstance(args[0], str | bytes):
        opened_files.append(os.fsdecode(args[0]))
    if listening and event in ("pickle.find_class", "os.system", "subprocess.Popen", "exec"):
        found_classes.append(event)


sys.addaudithook(listen)  # for good, so it sleeps between


@pytest.mark.filterwarnings("ignore:invalid value encountered")  # infinity times nothing
@pytest.mark.parametrize("name", SEALED)
def test_opening_and_searching_end_in_a_sentence_and_read_nothing_else(
    folder, name, monkeypatch, tmp_path
):
    played(name, folder)
    monkeypatch.chdir(tmp_path)
    opened_files.clear()
    found_classes.clear()
    listening.append(True)
    try:
        index = Index.open(folder)
        for descriptor in index.settings.descriptors:
            query = index.indexed_query(index.pictures[0].id, descriptor)
            index.search(query, top=12)
        for row in range(len(index)):
            index.photo_path(row)
            index.thumbnail(row)
            index.detail(row)
        info(folder)
    except ValueError as problem:  # of which IndexProblem is one
        assert "\n" not in str(problem)
    finally:
        listening.clear()
    own = [path for path in opened_files if Path(path).is_absolute() and str(tmp_path) in path]
    assert all(Path(path).resolve().is_relative_to(folder) for path in own), own
    assert found_classes == [] and not (tmp_path / "exploded").exists()


def test_the_bomb_and_the_ears_of_these_tests_work(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    opened_files.clear()
    found_classes.clear()
    listening.append(True)
    pickle.loads(pickle.dumps(Bomb()))
    Index.open(folder)
    listening.clear()
    assert (tmp_path / "exploded").exists() and "os.system" in found_classes
    assert str(folder / "index.json") in opened_files


def test_numbers_that_are_not_finite_are_no_result(folder):
    array(VECTORS, entry((2, 7), np.nan))(folder)
    seal(folder)
    index = Index.open(folder)
    with pytest.raises(IndexProblem, match="numbers that are not finite; run .* index verify"):
        index.search(index.indexed_query("shape_00", "gem"))


def test_verify_finds_all_at_once(photos, backbone, tmp_path, monkeypatch):
    monkeypatch.setattr(building, "CHUNK", 4)
    folder = tmp_path / "index"
    build(photos, folder, backbone, descriptors=("dff", "gem"), size=SIZE)
    one, two, three = (folder / "shards" / name for name in read_manifest(folder)["shards"])
    (one / "cells.npy").write_bytes((one / "cells.npy").read_bytes()[:-1])
    (two / "basis.npy").unlink()
    data = (three / "thumbnails.npy").read_bytes()
    (three / "thumbnails.npy").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    exchange(folder)
    (folder / "mine.txt").write_text("mine")
    found = "\n".join(verify(folder))
    expected = [
        f"shards/{one.name}/cells.npy: expected",
        f"shards/{two.name}/basis.npy is missing",
        f"shards/{three.name}/thumbnails.npy is not as it was written",
        "gem/vectors.npy is not as it was written",
        "dff/vectors.npy is not as it was written",
        "mine.txt does not belong",
    ]
    assert [words for words in expected if words not in found] == []
    assert found.count("\n") == len(expected) - 1
    (two / "basis.npy").write_bytes(b"")
    with pytest.raises(IndexProblem, match="no shard of this index is intact"):
        repair(folder)


@pytest.mark.parametrize("name", SEALED)
def test_what_can_be_repaired_is_sound_then(folder, name):
    played(name, folder)
    try:
        done = repair(folder)
    except IndexProblem as problem:
        assert "\n" not in str(problem)
    else:
        assert done.mended and verify(folder) == []
        assert len(Index.open(folder)) == done.count


# --- what is written -------------------------------------------------------------------


def test_photos_are_read_only_below_their_folder(photos, backbone, tmp_path, opened):
    own = tmp_path / "photos"
    shutil.copytree(photos, own)
    build(own, tmp_path / "index", backbone, size=SIZE)
    secret = tmp_path / "secret.png"
    shutil.copy(own / "round/shape_01.png", secret)
    index = opened(tmp_path / "index")
    (own / "round/shape_01.png").unlink()
    (own / "round/shape_01.png").symlink_to(secret)
    (own / "round/shape_03.png").unlink()
    (own / "round/shape_03.png").symlink_to(own / "round/shape_05.png")  # stays inside
    (own / "round/shape_07.png").unlink()
    (own / "round/shape_07.png").symlink_to("shape_07.png")  # a circle
    shutil.move(own / "square", tmp_path / "elsewhere")
    (own / "square").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    there = {p.path for row, p in enumerate(index.pictures) if index.photo_path(row)}
    assert there == {f"round/shape_{number:02}.png" for number in (3, 5, 9, 11)}
    for row, picture in enumerate(index.pictures):
        if picture.path not in there:
            with pytest.raises(ValueError, match="it is not there"):
                index.picture(row)


def test_a_copy_of_an_index_writes_only_what_is_its_own(folder):
    a_file_more("../../escaped.txt")(folder)
    with pytest.raises(IndexProblem, match="is not valid"):
        copy_index(folder, "mine", lambda done, total: None)


def test_a_journal_that_climbs_is_not_followed(photos, counting, index_folder, tmp_path):
    out = tmp_path / "index"
    with pytest.raises(KeyboardInterrupt):
        counting.stop_at = 5
        build(photos, out, counting, size=SIZE)
    counting.stop_at = None
    (journal,) = (out / "building").glob("*.jsonl")
    line = json.loads(journal.read_text())
    shard = only(out, "shards/*")
    shutil.move(shard, tmp_path / "outside")
    tricks = [
        {**line, "shard": "../../outside"},
        {**line, "chunk": []},
        {**line, "unreadable": [1]},
        [],
    ]
    journal.write_bytes("".join(json.dumps(one) + "\n" for one in tricks).encode() + b"\xff\n")
    counting.passes = 0
    assert build(photos, out, counting, size=SIZE).resumed == 0
    assert counting.passes == 12 and verify(out) == []


@pytest.mark.parametrize("pattern", ["shards/*/cells.npy", "generations/*/gem/vectors.npy"])
def test_building_again_mends_a_file_that_keeps_its_name(photos, counting, tmp_path, pattern):
    """A folder is named by its content, so the one that is there was believed to be the same."""
    out = tmp_path / "index"
    build(photos, out, counting, descriptors=("dff", "gem"), size=SIZE)
    path = only(out, pattern)
    sound = path.read_bytes()
    path.write_bytes(sound[:-2] + b"\x11\x22")
    build(photos, out, counting, descriptors=("dff", "gem"), size=SIZE)
    assert only(out, pattern).read_bytes() == sound and verify(out) == []


def test_a_descriptor_that_no_picture_has_is_refused_on_opening(folder):
    facts(descriptors=["dff", "mac"])(folder)
    with pytest.raises(IndexProblem, match="regions of shape_01 for mac, got none; build .* again"):
        Index.open(folder)
    assert len(verify(folder)) == 2  # its whitening is not there either


@pytest.mark.parametrize("text", ["name,title\na,b,c\n", '"a\nb",title\nx,y\n', '"\x1b[31m"\n1\n'])
def test_tables_of_photos_that_fit_no_line_are_refused_in_one(text):
    with pytest.raises(IndexProblem, match="expected a column 'file', got") as caught:
        parse_facts(text.encode(), "photos.csv")
    assert str(caught.value).isprintable()


def test_a_hash_is_what_others_compute(folder):
    """docs/index-format.md says how."""
    data = (folder / "index.json").read_bytes()
    body, _, end = data.rpartition(b",\n")
    assert json.loads(b"{" + end)["sha256"] == hashlib.sha256(body).hexdigest()
