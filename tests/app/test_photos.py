"""My photos as a user meets it, without a browser."""

import base64
import io
import json
import shutil
import threading
import time
import zipfile
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dff.app import kept, photos_change, photos_make, photos_map, photos_store, photos_work
from dff.app.collections import own_folder, own_names, title_of
from dff.app.jobs import CANCELLED, DONE, jobs
from dff.app.photos_make import look
from dff.images import read_image
from dff.index import Index
from dff.index.duplicates import near_duplicates
from dff.index.edit import remove, rename
from dff.index.manifest import read_manifest, write_manifest
from dff.index.state import changes
from dff.projection import neighbour_plane

SCRIPT = (
    "from dff.app.collections import chosen\n"
    "from dff.app.engine import engine\n"
    "from dff.app.views import photos\n"
    "photos.page(engine(str(chosen().folder)))"
)
SOON = 120  # seconds, on a busy machine
OTHERS = ["Near-duplicates", "About", "Credits"]


@pytest.fixture
def open_page(open_script, backbone, monkeypatch):
    """This page for an address, on a server without jobs."""
    monkeypatch.setattr(photos_work, "_network", lambda: backbone)
    jobs.clear()
    return partial(open_script, SCRIPT)


@pytest.fixture
def own(index_folder):
    """A copy of the tiny index as a collection of the user's own."""
    name = photos_store.create("My <b>shapes</b>", None, {})
    photos_store.copy_index(index_folder, name, lambda done, total: None)
    return name


@pytest.fixture
def three(photos, tmp_path):
    """A folder of three pictures and a file that is none."""
    folder = tmp_path / "three photos"
    folder.mkdir()
    for name in ("shape_01.png", "shape_03.png", "shape_05.png"):
        shutil.copy(photos / "round" / name, folder / name)
    (folder / "broken.jpg").write_bytes(b"")
    return folder


def folder_of(name):
    return own_folder() / name / "index"


def checked(at: AppTest) -> AppTest:
    assert not at.exception, at.exception
    return at


def press(at: AppTest, key: str) -> AppTest:
    return checked(at.button(key=key).click().run())


def keys(at: AppTest) -> set[str]:
    return {button.key for button in at.button}


def said(at: AppTest) -> str:
    """All words of the page."""
    kinds = (at.markdown, at.caption, at.html, at.error, at.info, at.success, at.warning)
    return " ".join(element.value for kind in kinds for element in kind).replace("\\", "")


def choices(at: AppTest) -> list[str]:
    return list(at.segmented_control(key="photos_show").options)


def shown(at: AppTest) -> dict[str, object]:
    """What the gallery was given."""
    (node,) = at.get("bidi_component")
    data: dict[str, object] = json.loads(node.proto.json)
    return {**data, "items": json.loads(str(data["items"]))["ids"]} if "items" in data else data


def ended(at: AppTest) -> AppTest:
    """The page after all work."""
    for job in jobs().all():
        assert jobs().wait(job, SOON), job
    return checked(at.run())


# --- looking ---------------------------------------------------------------------------


def test_what_is_in_a_collection_that_is_only_looked_at(open_page, index_folder, photos):
    at = open_page()
    assert choices(at) == ["Pictures", "Map", *OTHERS, "New collection"]
    assert len(shown(at)["items"]) == 12 and shown(at)["inline"] is True
    assert not keys(at) & {"delete_collection", "undo_change"}
    at = open_page(photos_show="About")
    words = said(at)
    for fact in ("12 pictures", "2 categories", "no files left out", "no photos missing"):
        assert fact in words
    assert "efficientnet_lite0, block6+last" in words and "128 pixels" in words
    assert str(index_folder.resolve()) in words and str(photos.resolve()) in words
    assert "none: too few pictures" in words
    press(at, "verify")
    assert [e.value for e in at.success] == ["Every file is as it was written."]
    at = open_page(photos_show="Credits")
    assert "Licences: CC0-1.0 1. Of 11 nothing is known." in said(at)


def test_the_map_shows_every_picture_once_it_is_arranged(open_page, index):
    at = open_page(photos_show="Map")
    for _ in range(SOON * 10):
        if any("Only nearness counts" in caption.value for caption in at.caption):
            break
        time.sleep(0.1)
        at = checked(at.run())
    facts = json.loads(str(shown(at)["json"]))
    points = np.frombuffer(base64.b64decode(facts["points"]), "<f4").reshape(-1, 2)
    np.testing.assert_array_equal(points, neighbour_plane(np.asarray(index.vectors())))
    assert facts["ids"] == [picture.id for picture in index.pictures]
    assert facts["pictures"] == {}  # the browser asks for what it has room for
    assert facts["concepts"].startswith("./?") and facts["concepts"].endswith("set=")


def test_the_map_gives_the_pictures_that_are_asked_for_and_can_be_read(index, monkeypatch):
    stored = index.thumbnail(1)
    monkeypatch.setattr(type(index), "thumbnail", lambda self, row: stored if row else b"no JPEG")
    assert photos_map.picture_of(index, 0) == ""
    begin, _, data = photos_map.picture_of(index, 1).partition(",")
    assert begin == "data:image/jpeg;base64"
    assert max(read_image(base64.b64decode(data)).shape) == photos_map.SIDE


def test_near_duplicates_lie_side_by_side(open_page, index):
    at = open_page(photos_show="Near-duplicates")
    assert [element.value for element in at.info] == ["No two pictures are that much alike."]
    groups = near_duplicates(index, 0.8)
    assert groups
    at = checked(at.slider(key="duplicates_threshold").set_value(0.8).run())
    assert f"{sum(map(len, groups))} of 12 pictures" in said(at)
    shown_rows = [row for group in groups for row in group[:12]]
    titles = [f"**{index.pictures[row].title}**" for row in shown_rows]
    assert [element.value.replace("\\", "") for element in at.markdown] == titles
    assert len(at.image) == len(shown_rows)


def test_unreadable_files_and_missing_photos_are_said(open_page, index_folder, tmp_path):
    folder = tmp_path / "moved" / "index"
    shutil.copytree(index_folder, folder)
    left_out = [["<i>bad</i>.jpg", "'bad.jpg' is empty"]]
    write_manifest(folder, {**read_manifest(folder), "unreadable": left_out})
    at = open_page(folder=folder, photos_show="About")
    assert "12 of 12 photos are not where the collection expects them" in said(at)
    assert "1 file left out" in said(at)
    (table,) = at.dataframe
    assert table.value.values.tolist() == [["<i>bad</i>.jpg", "'bad.jpg' is empty"]]


def test_an_index_without_thumbnails_says_so(open_page, index_folder, tmp_path):
    folder = tmp_path / "index"
    shutil.copytree(index_folder, folder)
    next(folder.glob("shards/*/thumbnails.npy")).unlink()
    at = open_page(folder=folder)
    assert "thumbnails.npy is not there" in said(at)
    at = open_page(folder=folder, photos_show="About")
    press(at, "verify")
    assert any("thumbnails.npy is missing" in e.value.replace("\\", "") for e in at.error)


@pytest.mark.parametrize(
    "address",
    [
        {"collection": "../../etc"},
        {"collection": "nobody", "photos_show": "<script>"},
        {"collection": "my-b-shapes-b", "photos_show": "Add photos", "new_k": "99"},
        {"photos_show": "Add photos"},
        {"collection": "", "photos_collection": "my-b-shapes-b"},
    ],
)
def test_hostile_addresses(open_page, own, address):
    at = open_page(**address)
    assert not at.error
    known = address.get("collection") == own
    assert at.selectbox(key="photos_collection").value == (own if known else "")


def test_strangers_see_no_path_and_change_nothing(open_page, own, monkeypatch, index_folder):
    monkeypatch.setenv("DFF_PUBLIC", "1")
    at = open_page(collection=own)
    assert choices(at) == ["Pictures", "Map", *OTHERS]
    assert at.selectbox(key="photos_collection").options == ["Index"]
    assert not keys(at)
    at = open_page(photos_show="About")
    assert str(index_folder.parent) not in said(at) and "12 pictures" in said(at)
    assert keys(at) == {"verify"}


# --- making ----------------------------------------------------------------------------


def make_from(at: AppTest, folder, title: str) -> AppTest:
    at.text_input(key="new_title_0").input(title)
    at.segmented_control(key="new_source").set_value(photos_make.FOLDER)
    checked(at.run())
    at.text_input(key="new_folder_0").input(str(folder))
    return checked(at.run())


def test_a_collection_from_a_folder(open_page, three):
    at = make_from(open_page(photos_show="New collection"), three, "Drei *Bilder*")
    assert "4 pictures found." in said(at) and "About 2 s on a laptop" in said(at)
    at.slider(key="new_k").set_value(3)
    press(at, "make")
    (job,) = jobs().all()
    at = ended(at)
    assert job.state == DONE and job.message == "3 pictures found, 1 file left out."
    assert "broken.jpg" in said(at) and "is empty" in said(at)
    index = Index.open(folder_of("drei-bilder"))
    assert (len(index), index.settings.k, index.settings.descriptors) == (3, 3, ("dff", "dff_tree"))
    assert index.photos_root.resolve() == three.resolve()
    press(at, f"open_{job.id}")
    assert at.selectbox(key="photos_collection").value == "drei-bilder"
    assert "Add photos" in choices(at)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("~nobody-here-1/x", "is not there"),
        ("photos", "begins in the middle"),
        ("/no/such/folder", "is not there"),
        ("{file}", "is a file, not a folder"),
        ("{empty}", "no pictures in"),
        ("a\0b", "not a path"),
    ],
)
def test_paths_that_cannot_be_used(text, words, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty" / ".hidden").mkdir(parents=True)
    (tmp_path / "empty" / ".hidden" / "a.png").write_text("")
    given = look(text.format(file=tmp_path / "file", empty=tmp_path / "empty"))
    assert words in given.problem and given.folder is None and given.count == 0


def test_a_folder_that_holds_too_much(three, monkeypatch):
    assert look(str(three)).count == 4
    monkeypatch.setattr(photos_make, "MOST_FOUND", 3)
    assert "holds too much" in look(str(three)).problem


def packed(files) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def test_a_collection_from_a_zip_then_more_photos(open_page, photos):
    first = (photos / "round/shape_01.png").read_bytes()
    second = (photos / "round/shape_03.png").read_bytes()
    at = open_page(photos_show="New collection")
    at.text_input(key="new_title_0").input("From a ZIP")
    archive = packed({"a/one.png": first, "../evil.png": second, "inner.zip": b""})
    at.file_uploader[0].set_value([("all.zip", archive, "application/zip")])
    checked(at.run())
    press(at, "make")
    assert "2 files were not taken" in said(at) and "leads out of the folder" in said(at)
    at = ended(at)
    name = "from-a-zip"
    assert [p.path for p in Index.open(folder_of(name)).pictures] == ["a/one.png"]
    at = open_page(collection=name, photos_show="Add photos")
    at.file_uploader[0].set_value([("two.png", second, "image/png")])
    checked(at.run())
    press(at, "add")
    at = ended(at)
    index = Index.open(folder_of(name))
    assert [p.path for p in index.pictures] == ["a/one.png", "two.png"]
    assert index.photo_path(1) == photos_store.own_photos(name).resolve() / "two.png"
    assert "Last change: 1 picture added (“two”)" in said(at)


def test_nothing_usable_in_an_upload_makes_no_collection(open_page):
    at = open_page(photos_show="New collection")
    at.text_input(key="new_title_0").input("Nothing")
    at.file_uploader[0].set_value([("all.zip", b"no archive", "application/zip")])
    checked(at.run())
    press(at, "make")
    assert "Nothing could be taken" in said(at) and "not a ZIP" in said(at)
    at.file_uploader[0].set_value([("photos.csv", b"file,title\n", "text/csv")])
    checked(at.run())
    press(at, "make")
    assert "no picture in it" in said(at) and own_names() == [] and jobs().all() == []


def test_stopped_work_goes_on_later(open_page, three, counting, monkeypatch, one_by_one):
    monkeypatch.setattr(photos_work, "_network", lambda: counting)
    at = make_from(open_page(photos_show="New collection"), three, "Drei")
    passes = counting.activations

    def stop_after_first(picture, size=None):
        found = passes(picture, size)
        if counting.passes == 1:
            jobs().cancel(jobs().all()[-1].id)
        return found

    monkeypatch.setattr(counting, "activations", stop_after_first)
    press(at, "make")
    at = ended(at)
    assert jobs().all()[0].state == CANCELLED
    assert "“Drei” is not finished. What is done is kept." in said(at)
    jobs.clear()  # the server has been started again
    at = open_page()
    press(at, "go_on_drei")
    at = ended(at)
    assert jobs().all()[-1].state == DONE and counting.passes == 3
    assert len(Index.open(folder_of("drei"))) == 3


# --- changing --------------------------------------------------------------------------


def test_a_collection_with_work_under_way_is_left_alone(open_page, own):
    go_on = threading.Event()

    def work(job):
        job.tell(3, 10, 1.5, 61.0)
        assert go_on.wait(SOON)
        job.check()
        return ""

    remove(folder_of(own), ["shape_03"])
    job = None
    try:
        at = open_page(collection=own)
        job = jobs().submit("Adding to *mine*", own, work)
        while not job.total:
            pass
        checked(at.run())
        (bar,) = at.get("progress")
        assert (bar.value, bar.text) == (
            30,
            r"Adding to \*mine\*\: 3 of 10 pictures, 1\.5 a second, 1 min left",
        )
        assert at.button(key="delete_collection").disabled and at.button(key="undo_change").disabled
        with pytest.raises(ValueError, match="has work under way"):
            photos_work.start_rewhiten(own)
        press(at, f"stop_{job.id}")
        assert "stopping after this picture" in at.get("progress")[0].text
    finally:
        go_on.set()
    at = ended(at)
    assert job.state == CANCELLED and not at.button(key="delete_collection").disabled
    assert "stopped. What was done is kept." in said(at)
    press(at, f"again_{job.id}")
    (again,) = jobs().all()
    at = ended(at)
    assert again is not job and again.state == DONE
    press(at, f"close_{again.id}")
    assert "Adding" not in said(at)


def test_a_collection_that_has_grown_is_fitted_again(open_page, own, monkeypatch):
    monkeypatch.setattr(photos_change, "FEWEST_TO_WHITEN", 6)
    remove(folder_of(own), [f"shape_{n:02}" for n in range(6)])
    assert "Many are new" not in said(open_page(collection=own))
    before = Index.whitening

    def few(self, descriptor=None):
        found = before(self, descriptor)
        return replace(found, provenance={**found.provenance, "pictures": 3})

    monkeypatch.setattr(Index, "whitening", few)
    at = open_page(collection=own)
    assert "Many are new" in said(at)
    press(at, "rewhiten")
    for job in jobs().all():
        assert jobs().wait(job, SOON)
        assert job.state == DONE, job
    assert changes(folder_of(own))[-1].kind == "rewhiten"


def test_a_copy_of_ones_own(open_page, index_folder):
    kept.change("names", index_folder, lambda _: {"version": 1, "concepts": []})
    at = open_page()
    at.text_input[0].input("Shapes of mine")
    next(b for b in at.button if b.label == "Make a copy").click()
    checked(at.run())
    at = ended(at)
    assert own_names() == ["shapes-of-mine"] and len(Index.open(folder_of("shapes-of-mine"))) == 12
    copied = json.loads((own_folder() / "shapes-of-mine" / "names.json").read_text())
    assert copied == {"version": 1, "concepts": []}
    press(at, f"open_{jobs().all()[0].id}")
    assert shown(at)["verb"] == "Change" and shown(at)["chosen"] == []


def test_the_last_change_can_be_undone_after_a_restart(open_page, own):
    folder = folder_of(own)
    remove(folder, ["shape_03", "shape_04"])
    rename(folder, {"shape_05": "A *new* name"})
    at = open_page(collection=own)
    assert "Last change: 1 picture renamed (“shape 05”)" in said(at)
    press(at, "undo_change")
    assert "Last change: 2 pictures removed" in said(at) and len(shown(at)["items"]) == 10
    press(at, "undo_change")
    assert "Last change" not in said(at) and len(shown(at)["items"]) == 12
    remove(folder, ["shape_03"])
    at = open_page(collection=own)
    press(at, "forget")
    assert changes(folder) == [] and "undo_change" not in keys(at)


def test_delete_and_bring_back(open_page, own):
    at = open_page(collection=own)
    press(at, "delete_collection")
    assert at.selectbox(key="photos_collection").value == "" and own_names() == []
    (one,) = photos_store.binned()
    press(at, f"restore_{one.folder.name}")
    assert at.selectbox(key="photos_collection").value == own and own_names() == [own]
    press(at, "delete_collection")
    press(at, "empty_bin")
    assert photos_store.binned() == [] and "empty_bin" not in keys(at)


def test_a_collection_gets_another_name(open_page, own):
    at = open_page(collection=own)
    at.text_input[0].input("  Formen & *Farben* ")
    next(b for b in at.button if b.label == "Save").click()
    checked(at.run())
    assert title_of(own) == "Formen & *Farben*"
    assert "Formen & *Farben*" in at.selectbox(key="photos_collection").options


def test_an_own_collection_that_is_damaged_has_ways_out(visit, own):
    (folder_of(own) / "index.json").write_text('{"format": 1}')
    dashboard = visit(collection=own)
    assert "cannot be opened" in dashboard.errors[0] and "expected format" in dashboard.errors[0]
    assert [b.label for b in dashboard.at.button] == ["Open the first collection", "Delete"]
    assert not dashboard.at.button(key="delete_collection").disabled


def test_a_collection_without_pictures_is_damaged(visit, own):
    folder = folder_of(own)
    write_manifest(folder, {**read_manifest(folder), "shards": [], "count": 0})
    assert "expected a valid 'shards'" in visit(collection=own).errors[0]
