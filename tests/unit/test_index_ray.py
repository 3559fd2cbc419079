"""A build on Ray. One Ray for all of these tests: it takes seconds to begin."""

import builtins
import os
import signal
from pathlib import Path

import pytest
import torch

from dff.cli import main
from dff.index import IndexProblem
from dff.index import build as building
from dff.index.build import build
from dff.index.check import verify
from dff.index.photos import Folder
from dff.index.ray_engine import _start, build_with_ray

SIZE = 128


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


@pytest.fixture(autouse=True)
def five_a_shard(monkeypatch):
    monkeypatch.setattr(building, "CHUNK", 5)  # twelve pictures: three shards


@pytest.fixture(scope="module")
def ray():
    ray = pytest.importorskip("ray", reason="the engine ray needs ray")
    _start(ray, None)
    yield ray
    ray.shutdown()


@pytest.fixture
def plain(photos, backbone, tmp_path):
    """The index built without Ray, with one thread a pass as Ray's tasks have."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        build(photos, tmp_path / "plain", backbone, descriptors=("dff", "rmac"), size=SIZE)
    finally:
        torch.set_num_threads(threads)
    return content(tmp_path / "plain")


def test_a_killed_worker_leaves_a_complete_and_identical_index(
    ray, photos, backbone, tmp_path, plain
):
    marks = tmp_path / "marks"
    marks.mkdir()

    class Deadly(Folder):
        """Kills the process that reads the eighth picture: in the middle of a shard, once."""

        def read(self, path: str) -> bytes:
            (marks / f"{os.getpid()}").touch()
            if path == "square/shape_02.png" and not (marks / "killed").exists():
                (marks / "killed").write_text(str(os.getpid()))
                os.kill(os.getpid(), signal.SIGKILL)
            return super().read(path)

    seen = []
    report = build_with_ray(
        Deadly(photos),
        tmp_path / "index",
        backbone,
        descriptors=("dff", "rmac"),
        size=SIZE,
        progress=seen.append,
    )
    killed = int((marks / "killed").read_text())
    readers = {int(path.name) for path in marks.iterdir() if path.name != "killed"}
    assert killed in readers and len(readers) > 1 and os.getpid() not in readers
    assert (report.count, report.resumed, report.unreadable) == (12, 0, [])
    assert sorted(p.done for p in seen)[-1] == 12 and len(seen) == 3
    assert content(tmp_path / "index") == plain and verify(tmp_path / "index") == []


def test_stopped_it_goes_on_from_the_shards_that_were_done(ray, photos, backbone, tmp_path, plain):
    def stop(progress):
        raise KeyboardInterrupt

    options = {"descriptors": ("dff", "rmac"), "size": SIZE}
    with pytest.raises(KeyboardInterrupt):
        build_with_ray(photos, tmp_path / "index", backbone, **options, progress=stop)
    assert not (tmp_path / "index" / "index.json").exists()
    report = build_with_ray(photos, tmp_path / "index", backbone, **options)
    assert report.resumed >= 2 and content(tmp_path / "index") == plain


def test_a_worker_with_other_weights_is_told(ray, photos, backbone, tmp_path):
    class Retrained:
        fingerprint = "0" * 12

        def __getattr__(self, name):
            return getattr(backbone, name)

    with pytest.raises(IndexProblem, match="expected the weights 0{12} of efficientnet_lite0"):
        build_with_ray(photos, tmp_path / "index", Retrained(), size=SIZE)


def test_on_the_command_line(ray, photos, backbone, tmp_path, plain, monkeypatch, capsys):
    monkeypatch.setattr("dff.backbones.load_backbone", lambda name: backbone)
    command = ["index", "build", str(photos), "--out", str(tmp_path / "index"), "--engine", "ray"]
    assert main([*command, "--size", str(SIZE), "--descriptors", "dff,rmac"]) == 0
    assert "12 pictures in" in capsys.readouterr().out
    assert content(tmp_path / "index") == plain


def test_errors_of_a_task_are_told_as_without_ray(ray, photos, backbone, tmp_path):
    class Lost(Folder):
        def read(self, path: str) -> bytes:
            raise IndexProblem("the bucket is gone")

    with pytest.raises(IndexProblem, match="^the bucket is gone$"):
        build_with_ray(Lost(photos), tmp_path / "index", backbone, size=SIZE)

    class Fatal(Folder):
        def read(self, path: str) -> bytes:
            os._exit(1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dff.index.ray_engine.RETRIES", 0)
        with pytest.raises(IndexProblem, match="lost the task that begins .*too little memory"):
            build_with_ray(Fatal(photos), tmp_path / "index", backbone, size=SIZE)


def test_without_ray_it_says_what_to_install(photos, backbone, tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "ray":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(IndexProblem, match="not installed: `pip install ray`"):
        build_with_ray(photos, tmp_path / "index", backbone)
    assert not (tmp_path / "index").exists()
