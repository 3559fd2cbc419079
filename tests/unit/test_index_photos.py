"""Photos that lie elsewhere. (`memory://` and `zip://` stand for object stores: the same code.)"""

import builtins
import json
import shutil
import zipfile

import pytest

from dff.cli import main
from dff.images import ImageError
from dff.index import IndexProblem
from dff.index import photos as sources
from dff.index.build import build
from dff.index.check import info, verify
from dff.index.edit import add
from dff.index.manifest import read_manifest, write_manifest
from dff.index.photos import Folder, Remote, open_photos

fsspec = pytest.importorskip("fsspec", reason="photos at URLs need fsspec")
SIZE = 128


@pytest.fixture
def bucket(photos):
    """The tests' photos at memory://bucket/photos, with others beside them."""
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.put(f"{photos}/", "/bucket/photos/", recursive=True)
    memory.pipe("/bucket/photos-2/other.png", b"")
    memory.pipe("/bucket/photos/.hidden/small.png", b"")
    memory.pipe("/bucket/photos/notes.txt", b"of no interest")
    yield "memory://bucket/photos"
    memory.store.clear()


@pytest.fixture
def archive(photos, tmp_path):
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as file:
        for photo in sorted(photos.rglob("*.*")):
            file.write(photo, photo.relative_to(photos).as_posix())
    return f"zip://::{path}"


def test_a_source_lists_and_reads_what_the_folder_holds(photos, bucket, archive):
    folder = open_photos(photos)
    assert isinstance(folder, Folder) and open_photos(folder) is folder
    assert open_photos(photos.as_uri()) == folder  # file://
    for url, name in ((bucket, "photos"), (archive, "photos.zip")):
        source = open_photos(url)
        assert source.find() == folder.find() and source.facts() == folder.facts()
        assert all(source.read(path) == folder.read(path) for path in source.find())
        assert source.name == name and source.root(photos) == url
    assert folder.name == "photos" and folder.root(photos / "index") == ".."


def test_an_index_of_a_url_is_that_of_the_folder_but_for_the_place(
    photos, bucket, archive, counting, tmp_path, opened
):
    build(photos, tmp_path / "folder", counting, size=SIZE)
    for number, url in enumerate((bucket, archive)):
        out = tmp_path / str(number)
        report = build(url, out, counting, size=SIZE)
        assert report.count == 12 and report.unreadable == [] and verify(out) == []
        one, two = (json.loads((f / "index.json").read_text()) for f in (tmp_path / "folder", out))
        assert one["shards"] == two["shards"] and two["photos_root"] == url
        same = {"photos_root", "generation", "whitening", "files", "sha256"}  # the place is in all
        assert {k: v for k, v in one.items() if k not in same} == {
            k: v for k, v in two.items() if k not in same
        }
        mine, its = opened(tmp_path / "folder"), opened(out)
        assert (mine.vectors() == its.vectors()).all()


def test_opening_never_looks_at_the_url(bucket, photos, counting, tmp_path, opened, monkeypatch):
    out = tmp_path / "index"
    build(bucket, out, counting, size=SIZE)
    monkeypatch.setattr(Remote, "_files", property(lambda self: pytest.fail("it was looked at")))
    index = opened(out)
    assert index.photos_url == bucket and index.photo_path(0) is None
    assert index.thumbnail(0)[:2] == b"\xff\xd8"
    assert index.search(index.indexed_query("shape_01"), top=2)
    with pytest.raises(ValueError, match="expected the photo round/shape_01.png under memory://"):
        index.picture(0)
    assert (info(out)["photos_root"], info(out)["photos_missing"]) == (bucket, 12)
    # Photos that were copied to this machine are shown.
    here = opened(out, photos_root=photos)
    assert here.photos_url is None and here.photo_path(0) == photos.resolve() / "round/shape_01.png"
    assert info(out, photos)["photos_missing"] == 0


def test_a_url_that_leads_elsewhere_is_no_folder(bucket, photos, counting, tmp_path, opened):
    out = tmp_path / "index"
    build(bucket, out, counting, size=SIZE)
    for url in (f"s3://../..{photos}", f"file://{photos}", "s3://" + 300 * "x"):
        write_manifest(out, {**read_manifest(out), "photos_root": url})
        index = opened(out)
        assert index.photos_url == url and index.photo_path(0) is None


def test_folders_are_added_to_an_index_of_a_url(bucket, photos, counting, tmp_path, opened):
    out, more = tmp_path / "index", tmp_path / "more"
    build(bucket, out, counting, size=SIZE)
    more.mkdir()
    shutil.copy(photos / "round/shape_01.png", more / "another.png")
    assert add(out, more, counting).count == 1
    index = opened(out)
    assert index.photos_url == bucket and verify(out) == []
    assert index.photo_path(index.row("another")) == (more / "another.png").resolve()


def test_a_stopped_build_goes_on_unless_the_object_is_another(bucket, photos, counting, tmp_path):
    counting.stop_at = 6
    with pytest.raises(KeyboardInterrupt):
        build(bucket, tmp_path / "index", counting, size=SIZE)
    counting.stop_at = None
    assert build(bucket, tmp_path / "index", counting, size=SIZE).resumed == 6
    counting.passes, counting.stop_at = 0, 6
    with pytest.raises(KeyboardInterrupt):
        build(bucket, tmp_path / "index", counting, size=SIZE)
    counting.stop_at = None
    data = (photos / "square/shape_10.png").read_bytes()
    fsspec.filesystem("memory").pipe("/bucket/photos/round/shape_01.png", data)
    assert build(bucket, tmp_path / "index", counting, size=SIZE).resumed == 0


def test_objects_that_cannot_be_had_are_left_out(bucket, counting, tmp_path, monkeypatch):
    memory = fsspec.filesystem("memory")
    memory.pipe("/bucket/photos/empty.png", b"")
    monkeypatch.setattr(sources, "MOST_BYTES", 5_000)
    memory.pipe("/bucket/photos/large.png", bytes(5_001))
    listed = open_photos(bucket)
    memory.rm("/bucket/photos/round/shape_01.png")
    report = build(listed, tmp_path / "index", counting, size=SIZE)
    reasons = dict(report.unreadable)
    assert sorted(reasons) == ["empty.png", "large.png", "round/shape_01.png"]
    assert "is empty" in reasons["empty.png"] and "too large" in reasons["large.png"]
    assert "it is not there" in reasons["round/shape_01.png"]


def test_reading_is_bounded_in_folders_too(photos, monkeypatch):
    monkeypatch.setattr(sources, "MOST_BYTES", 10)
    with pytest.raises(ImageError, match="too large: expected at most 0 MB"):
        Folder(photos).read("round/shape_01.png")


def test_a_lost_connection_stops_the_build_and_leaves_no_photo_out(
    bucket, counting, tmp_path, monkeypatch
):
    memory = fsspec.filesystem("memory")
    real = type(memory).cat_file
    reads = []

    def flaky(self, path, *bounds, **options):
        reads.append(path)
        if len(reads) == 9:
            raise TimeoutError("no answer")
        return real(self, path, *bounds, **options)

    monkeypatch.setattr(type(memory), "cat_file", flaky)
    with pytest.raises(IndexProblem, match="TimeoutError: no answer.; what is done is kept"):
        build(bucket, tmp_path / "index", counting, size=SIZE)
    report = build(bucket, tmp_path / "index", counting, size=SIZE)
    assert report.count == 12 and report.resumed > 0 and report.unreadable == []


def test_names_that_lead_out_of_the_place_are_refused(photos, counting, tmp_path):
    class Hostile(Folder):  # as an archive may be, of a file system that does not look
        def find(self):
            return sorted([*super().find(), "../bad.png", "a/../../worse.png", "nul\0.png"])

    report = build(Hostile(photos), tmp_path / "index", counting, size=SIZE)
    assert report.count == 12 and verify(tmp_path / "index") == []
    assert len(report.unreadable) == 3
    assert all("leads out of its folder" in reason for _, reason in report.unreadable)


def test_what_is_wrong_with_a_url_is_said(tmp_path, monkeypatch):
    with pytest.raises(IndexProblem, match="without a password"):
        open_photos("ftp://ada:secret@host/photos")
    with pytest.raises(IndexProblem, match="nix://bucket: Protocol not known"):
        open_photos("nix://bucket")
    with pytest.raises(IndexProblem, match="cannot be read .FileNotFoundError"):
        open_photos(f"zip://::{tmp_path}/nowhere.zip")
    with pytest.raises(IndexProblem, match="expected a folder or a URL, got nowhere"):
        open_photos("nowhere")
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("fsspec"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(IndexProblem, match="need fsspec: `pip install fsspec`"):
        open_photos("s3://bucket/photos")


def test_on_the_command_line(bucket, backbone, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("dff.backbones.load_backbone", lambda name: backbone)
    command = ["index", "build", bucket, "--out", str(tmp_path / "index"), "--size", str(SIZE)]
    assert main(command) == 0 and "12 pictures" in capsys.readouterr().out
    assert main(["index", "info", str(tmp_path / "index")]) == 0
    assert f"{bucket}, shown as thumbnails" in capsys.readouterr().out
    assert main(["index", "build", "memory://empty", "--out", str(tmp_path / "x")]) == 2
    assert "no pictures under memory://empty" in capsys.readouterr().err
