"""A full disk during any change of an index: one sentence, the old index, and nothing left over.

Once by a limit on the size of files, which every machine has, and once on a small disk in memory
that is filled up more and more, so that the room ends at every step of the work; that needs the
right to mount one.
"""

import os
import shutil
import subprocess
from contextlib import contextmanager

import pytest

from dff.cli import main
from dff.index import IndexProblem, approximate, edit
from dff.index import build as building
from dff.index.build import build
from dff.index.check import verify
from dff.index.manifest import read_manifest
from dff.index.repair import repair
from dff.index.state import change, changes, undo
from tests.conftest import SIZE

resource = pytest.importorskip("resource", reason="limits of Unix")

DESCRIPTORS = ("dff", "gem")
KB = 1024


class Work:
    """An index of eight pictures, two more to add, and what can be done with them."""

    def __init__(self, sound, place, backbone):
        shutil.copytree(sound, place, dirs_exist_ok=True)
        self.folder, self.backbone = place / "index", backbone
        self.photos, self.more = place / "photos", place / "more"

    def prepare(self, operation):
        if operation == "undo":
            edit.remove(self.folder, ["shape_03"])
        if operation == "repair":
            damage(next(self.folder.glob("generations/*/gem/vectors.npy")))
        if operation == "another build":  # in place of the one that is there
            shutil.copy(self.more / "shape_04.png", self.photos)

    def do(self, operation):
        if operation in ("build", "another build"):
            build(self.photos, self.folder, self.backbone, descriptors=DESCRIPTORS, size=SIZE)
        elif operation == "add":
            edit.add(self.folder, self.more, self.backbone)
        elif operation == "remove":
            edit.remove(self.folder, ["shape_03", "shape_00"])
        elif operation == "rename":
            edit.rename(self.folder, {"shape_02": "another title"})
        elif operation == "halve":
            edit.halve(self.folder)
        elif operation == "approximate":
            pytest.importorskip("faiss")
            approximate.make(self.folder)
        elif operation == "repair":
            assert repair(self.folder).lost == []
        else:
            undo(self.folder)


# An unfinished build or addition keeps the pictures that are done; the others begin anew.
KEEP = ("build", "another build", "add")
OPERATIONS = (*KEEP, "remove", "rename", "halve", "approximate", "repair", "undo")


def damage(path):
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def content(folder):
    """{relative path: bytes, or None of a folder} of all that is there but the lock."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
        if path.name != ".lock"
    }


@pytest.fixture(scope="module")
def sound(photos, backbone, tmp_path_factory):
    place = tmp_path_factory.mktemp("sound")
    (place / "photos").mkdir()
    (place / "more").mkdir()
    for number, path in enumerate(sorted(photos.rglob("*.png"))[:10]):
        shutil.copy(path, place / ("photos" if number < 8 else "more"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "CHUNK", 5)
        build(place / "photos", place / "index", backbone, descriptors=DESCRIPTORS, size=SIZE)
    return place


def fails_in_a_sentence(work, operation):
    """Whether the operation fails for want of room. If so, what there was is there as it was."""
    before = content(work.folder) if work.folder.exists() else {}
    try:
        work.do(operation)
    except IndexProblem as problem:
        text = str(problem)
        assert "no room left to write to" in text and "the same command again" in text, text
        assert "\n" not in text
    else:
        return False
    now = content(work.folder)
    assert {name: now.get(name) for name in before} == before
    more = {name for name in now if name not in before}
    if operation not in KEEP:
        assert more == set()
    kept = ("building", "shards", "generations")
    assert all(name.split("/")[0] in kept for name in more), more
    assert not any("/." in name for name in more), more  # no scratch file and no scratch folder
    if (work.folder / "index.json").exists() and operation != "repair":
        assert verify(work.folder) == []
    return True


@contextmanager
def files_of_at_most(size):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def ended(sound, place, backbone, operation):
    """The files after an undisturbed operation."""
    work = Work(sound, place, backbone)
    if operation == "build":
        shutil.rmtree(work.folder)
    work.prepare(operation)
    work.do(operation)
    return settled(work.folder)


def settled(folder):
    """The files without the states for undo, which hold the time."""
    return {name: data for name, data in content(folder).items() if "before" not in name}


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(building, "CHUNK", 5)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_limit_on_files(sound, backbone, tmp_path, operation):
    expected = ended(sound, tmp_path / "undisturbed", backbone, operation)
    work = Work(sound, tmp_path / "place", backbone)
    if operation == "build":
        shutil.rmtree(work.folder)
    work.prepare(operation)
    failed = 0
    for size in (0, 2 * KB, 8 * KB, 30 * KB, 60 * KB, 90 * KB, 200 * KB):
        with files_of_at_most(size):
            if not fails_in_a_sentence(work, operation):
                break
            failed += 1
    else:
        work.do(operation)
    assert failed >= 1
    assert settled(work.folder) == expected


def test_the_command_line_says_it_in_one_line(sound, backbone, tmp_path, capsys):
    folder = Work(sound, tmp_path / "place", backbone).folder
    with files_of_at_most(9 * KB):
        assert main(["index", "remove", str(folder), "shape_03"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    assert said.err.startswith("dff: no room left to write to") and "free some space" in said.err


def test_a_way_back_is_not_kept_of_a_change_that_did_not_happen(sound, backbone, tmp_path):
    """The room ends between the state for undo and the manifest, which is larger."""
    folder = Work(sound, tmp_path / "place", backbone).folder
    before = content(folder)
    manifest = read_manifest(folder)
    manifest["unreadable"] = [[f"{number}.png", "is empty"] for number in range(1000)]
    with files_of_at_most(20 * KB), pytest.raises(OSError, match="File too large"):
        change(folder, manifest, "add", 1, "a title")
    assert content(folder) == before
    change(folder, manifest, "add", 1, "a title")
    assert len(changes(folder)) == 1


# --- a small disk ----------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)]
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("only an administrator may mount a small disk")
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this machine does not let a small disk be mounted")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)  # noqa: S607 (the system's)


def fill(place, left):
    """A file that leaves so many bytes of room."""
    ballast = place / "ballast"
    ballast.unlink(missing_ok=True)
    status = os.statvfs(place)
    room = status.f_bavail * status.f_frsize
    assert room > left
    with open(ballast, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, room - left)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_small_disk(sound, backbone, tmp_path, small_disk, operation):
    expected = ended(sound, tmp_path / "undisturbed", backbone, operation)
    work = Work(sound, small_disk, backbone)
    if operation == "build":
        shutil.rmtree(work.folder)
    work.prepare(operation)
    failed = 0
    for left in (0, *range(4 * KB, 64 * KB, 12 * KB), *range(64 * KB, 9000 * KB, 128 * KB)):
        fill(small_disk, left)
        if not fails_in_a_sentence(work, operation):
            break
        failed += 1
    else:
        pytest.fail("the disk was never large enough")
    assert failed >= 1
    assert settled(work.folder) == expected
