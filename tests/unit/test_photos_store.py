"""The user's own collections as folders."""

import json
import shutil
import time

import pytest

from dff.app import photos_store
from dff.app.collections import own_folder, own_names, title_of
from dff.app.photos_store import binned, copy_index, create, delete, empty_bin, restore, retitle
from dff.index import Index
from dff.index.check import verify
from dff.index.edit import remove
from dff.index.state import changes


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Holidays 2026", "holidays-2026"),
        ("  Grüße / ../aus Köln ", "grue-aus-koln"),
        ("写真", "collection"),
        ("x" * 200, "x" * 40),
    ],
)
def test_titles_become_addresses(title, name):
    assert create(title, None, {}) == name
    assert create(title, None, {}) == f"{name}-2" and own_names() == [name, f"{name}-2"]


def test_a_title_keeps_its_characters_and_can_change(tmp_path):
    name = create("Grüße «aus» Köln", tmp_path, {"k": 6})
    assert title_of(name) == "Grüße «aus» Köln"
    retitle(name, " Anders \n")
    assert title_of(name) == "Anders"
    record = json.loads((own_folder() / name / "collection.json").read_text())
    assert record == {"title": "Anders", "photos": str(tmp_path), "k": 6}
    assert photos_store.photos_of(name) == tmp_path
    with pytest.raises(ValueError, match="expected some text"):
        retitle(name, " ")
    (own_folder() / name / "collection.json").write_text("[")
    assert title_of(name) == "Grue aus koln"  # from its address


def test_the_bin(tmp_path):
    name = create("Holidays", None, {})
    photos_store.own_photos(name).mkdir()
    (photos_store.own_photos(name) / "a.png").write_bytes(b"x")
    gone = delete(name)
    assert own_names() == [] and [(b.name, b.title) for b in binned()] == [(name, "Holidays")]
    assert restore(binned()[0]) == name and binned() == [] and own_names() == [name]
    assert (photos_store.own_photos(name) / "a.png").read_bytes() == b"x"
    delete(name)
    create("Holidays", None, {})  # the name is taken meanwhile
    delete_two = delete("holidays")
    assert len(binned()) == 2 and {b.folder for b in binned()} >= {delete_two.folder}
    assert restore(binned()[0]) == "holidays" and restore(binned()[0]) == "holidays-2"
    assert not gone.folder.exists()


def test_only_what_is_old_leaves_the_bin(monkeypatch):
    for title in ("Old", "New"):
        create(title, None, {})
    now = time.time()
    monkeypatch.setattr(photos_store.time, "time", lambda: now - 31 * 86400)
    delete("old")
    monkeypatch.setattr(photos_store.time, "time", lambda: now)
    delete("new")
    (photos_store.bin_folder() / "strange").mkdir()
    assert empty_bin(older_than=30) == 1 and [b.name for b in binned()] == ["new"]
    assert empty_bin() == 1 and binned() == []
    assert (photos_store.bin_folder() / "strange").is_dir()  # nobody's business


def test_a_copy_is_whole_and_finds_the_photos(index_folder, photos, opened):
    name = create("Mine", None, {})
    told = []
    copy_index(index_folder, name, lambda done, total: told.append((done, total)))
    folder = own_folder() / name / "index"
    assert verify(folder) == [] and told[-1][0] == told[-1][1] and len(told) == 18
    index = Index.open(folder)
    assert index.photo_path(0) == (photos / index.pictures[0].path).resolve()
    remove(folder, [index.pictures[0].id])
    assert len(Index.open(folder)) == 11 and len(Index.open(index_folder)) == 12


def test_a_copy_that_is_stopped_leaves_nothing(index_folder):
    name = create("Mine", None, {})

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_index(index_folder, name, stop)
    assert [path.name for path in (own_folder() / name).iterdir()] == ["collection.json"]
    assert photos_store.unfinished() == [name]


def test_what_is_only_kept_for_undo_can_go(photos, backbone):
    from dff.index.build import build

    name = create("Mine", None, {})
    shutil.copytree(photos / "round", photos_store.own_photos(name))
    folder = own_folder() / name / "index"
    build(photos_store.own_photos(name), folder, backbone, size=128)
    remove(folder, ["shape_03"])
    assert (photos_store.own_photos(name) / "shape_03.png").is_file()
    assert photos_store.forget(name) > 10_000 and changes(folder) == []
    left = {path.name for path in photos_store.own_photos(name).iterdir()}
    assert left == {f"shape_{n:02}.png" for n in (1, 5, 7, 9, 11)} and verify(folder) == []
