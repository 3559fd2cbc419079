"""Uploaded files and ZIPs on their way into a folder: nothing outside it, nothing unbounded."""

import io
import stat
import struct
import zipfile
import zlib

import pytest

from dff.app import photos_uploads
from dff.app.photos_uploads import take_in


def packed(entries, **options):
    """A ZIP of {name: bytes}."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **options) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    file.seek(0)
    return file


def files(folder):
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "inside" / "photos"


def test_pictures_and_a_zip(folder):
    archive = packed({"a/One.JPG": b"1", "b.png": b"2", "photos.csv": b"file,title\n", "a/": b""})
    taken = take_in([("c.webp", io.BytesIO(b"3")), ("all.ZIP", archive)], folder)
    assert taken.written == ["c.webp", "a/One.JPG", "b.png"] and taken.refused == []
    assert files(folder) == {"c.webp", "a/One.JPG", "b.png", "photos.csv"}
    assert (folder / "a/One.JPG").read_bytes() == b"1"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../evil.png", "leads out of the folder"),
        ("a/../../evil.png", "leads out of the folder"),
        ("..\\evil.png", "leads out of the folder"),
        ("/etc/evil.png", "leads out of the folder"),
        ("C:\\evil.png", "leads out of the folder"),
        ("C:evil.png", "leads out of the folder"),
        ("\\\\server\\evil.png", "leads out of the folder"),
        ("inner.zip", "an archive inside an archive"),
        ("inner.tar.gz", "an archive inside an archive"),
        ("run.sh", "not a picture"),
        ("no_ending", "not a picture"),
        ("/".join("abcdefghij") + ".png", "more than 8 folders deep"),
    ],
)
def test_hostile_names_in_a_zip(folder, name, why):
    taken = take_in([("all.zip", packed({name: b"x", "good.png": b"y"}))], folder)
    ((_, said),) = taken.refused
    assert why in said and taken.written == ["good.png"]
    assert files(folder.parent.parent) == {"inside/photos/good.png"}


def test_odd_names_become_harmless(folder):
    names = ['a<b>:"|?*.png', "tab\there.png", "x" * 300 + ".png", "trailing. /dots..png"]
    taken = take_in(
        [("all.zip", packed({name: b"%d" % i for i, name in enumerate(names)}))], folder
    )
    assert taken.refused == [] and set(taken.written) == files(folder)
    assert taken.written[0] == "a_b______.png" and taken.written[1] == "tab_here.png"
    assert max(len(part) for name in taken.written for part in name.split("/")) <= 80


def test_hidden_files_and_notes_of_systems_are_passed_over(folder):
    entries = {"__MACOSX/._a.png": b"x", ".thumbs/a.png": b"x", "b/.DS_Store": b"x", "a.png": b"y"}
    taken = take_in([("all.zip", packed(entries))], folder)
    assert (taken.written, taken.refused) == (["a.png"], [])


def test_links_in_a_zip_are_refused(folder):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        entry = zipfile.ZipInfo("link.png")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    taken = take_in([("all.zip", file)], folder)
    assert taken.refused == [("link.png", "it is a link, not a file.")] and files(folder) == set()


def test_locked_and_damaged_zips(folder):
    locked = packed({"secret.png": b"x" * 100})
    data = bytearray(locked.getvalue())
    data[data.find(b"PK\x01\x02") + 8] |= 1  # the flag of a password, in the directory
    damaged = bytearray(packed({"hurt.png": b"x" * 1000, "good.png": b"y"}).getvalue())
    damaged[damaged.find(b"x" * 100) + 50] = ord("z")  # its checksum is wrong now
    given = [
        ("locked.zip", io.BytesIO(bytes(data))),
        ("damaged.zip", io.BytesIO(bytes(damaged))),
        ("text.zip", io.BytesIO(b"no archive at all")),
        ("empty.zip", packed({})),
    ]
    taken = take_in(given, folder)
    reasons = dict(taken.refused)
    assert "password" in reasons["secret.png"] and "damaged in the ZIP" in reasons["hurt.png"]
    assert "not a ZIP" in reasons["text.zip"] and "no file in it" in reasons["empty.zip"]
    assert taken.written == ["good.png"] and files(folder) == {"good.png"}


def test_a_bomb_is_stopped_while_it_is_unpacked(folder, monkeypatch):
    monkeypatch.setattr(photos_uploads, "MOST_MEGABYTES", 2)
    monkeypatch.setattr(photos_uploads, "MOST_TOTAL", 5)
    big = bytes(3_000_000)
    small = {f"{n}.png": bytes([n]) * 1_500_000 for n in range(3)}
    archive = packed({"bomb.png": big, **small}, compression=zipfile.ZIP_DEFLATED)
    assert len(archive.getvalue()) < 20_000
    taken = take_in([("all.zip", archive)], folder)
    reasons = dict(taken.refused)
    assert "larger than 2 MB" in reasons["bomb.png"] and "first 5 MB" in reasons["1.png"]
    assert taken.written == ["0.png"] and files(folder) == {"0.png"}


def test_only_so_many_pictures(folder, monkeypatch):
    monkeypatch.setattr(photos_uploads, "MOST_FILES", 2)
    taken = take_in([("all.zip", packed({f"{n}.png": b"%d" % n for n in range(4)}))], folder)
    assert taken.written == ["0.png", "1.png"]
    assert [name for name, why in taken.refused if "first 2 pictures" in why] == ["2.png", "3.png"]


def test_a_zip_of_a_hundred_thousand_files_is_refused_as_one(folder):
    """Made by hand, entry by entry of its directory: all of them are the same three bytes."""
    count = 100_000
    common = struct.pack("<HHHHHIIIHH", 20, 0, 0, 0, 33, zlib.crc32(b"abc"), 3, 3, 9, 0)
    local = b"PK\3\4" + common + b"00000.png" + b"abc"
    head = b"PK\1\2" + struct.pack("<H", 20) + common + struct.pack("<HHHII", 0, 0, 0, 0, 0)
    directory = b"".join(head + b"%05d.png" % number for number in range(count))
    # Its number of entries overflows the 16 bits of the classic end: only the larger one has it.
    end = struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, len(directory), len(local))
    there = struct.pack("<IQI", 0, len(local) + len(directory), 1)
    classic = struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    ends = b"PK\6\6" + end + b"PK\6\7" + there + b"PK\5\6" + classic
    taken = take_in([("many.zip", io.BytesIO(local + directory + ends))], folder)
    said = "there are 100,000 files in it, expected at most 20,000: make several."
    assert taken.refused == [("many.zip", said)] and taken.written == []


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name(folder):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        for data in (b"1", b"2", b"1"):
            made.writestr("a.png", data)
    taken = take_in([("all.zip", archive)], folder)
    assert taken.written == ["a.png", "a-2.png", "a.png"] and taken.refused == []
    assert (folder / "a.png").read_bytes() == b"1" and (folder / "a-2.png").read_bytes() == b"2"


def test_files_of_one_name(folder):
    first = take_in([("a.png", io.BytesIO(b"1"))], folder)
    again = take_in([("a.png", io.BytesIO(b"1")), ("A.png", io.BytesIO(b"2"))], folder)
    assert first.written == ["a.png"] and again.written == ["a.png", "A-2.png"]
    assert files(folder) == {"a.png", "A-2.png"}
    facts = [("photos.csv", io.BytesIO(text)) for text in (b"file\n", b"file,title\n")]
    assert take_in(facts, folder).refused == []
    assert (folder / "photos.csv").read_bytes() == b"file\n"  # the first one stays


def test_a_file_where_a_folder_is_wanted(folder):
    taken = take_in([("all.zip", packed({"a.png": b"1", "a.png/b.png": b"2"}))], folder)
    assert taken.written == ["a.png"] and "name of its folder" in taken.refused[0][1]
