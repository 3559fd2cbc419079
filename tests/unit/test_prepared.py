"""The engine: converted, kept and run, with PyTorch's values. Tiny networks but for the bundled."""

import logging
import multiprocessing
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from timm.layers import Conv2dSame
from torch import nn

from dff.backbones import Backbone, load_backbone, prepared
from dff.backbones.convert import _layers, convert
from dff.backbones.engine import EnginePass, engine_version
from dff.backbones.networks import Network, build_network
from dff.backbones.prepared import FACTS, FILES, Prepared, _made, _read, prepare, write

ROOT = Path(__file__).parents[2]


class Same(nn.Module):
    """Padding from the input's size, a depthwise layer, a ReLU in place, a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Conv2dSame(3, 8, 5, stride=4)
        self.relu = nn.ReLU()
        self.deep = Conv2dSame(8, 8, 5, stride=2, groups=8)
        self.cap = nn.ReLU6(inplace=True)
        self.fc = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.cap(self.deep(self.relu(self.stem(x))))
        return self.fc(x.mean((2, 3)))


@pytest.fixture(scope="module")
def network() -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = Same().eval()
    return Network(module, (0.5,) * 3, (0.25,) * 3, "none", "none", {"end": "cap"}, {"end": 2.0})


@pytest.fixture(scope="module")
def made(network: Network) -> Prepared:
    return prepare(network)


def test_outputs_are_pytorchs_at_every_size_and_padding_is_no_step_of_its_own(network: Network):
    assert network.module is not None
    model = convert(network.module, ["relu", "cap"])
    assert "Pad" not in {one.get_type_name() for one in model.get_ops()}
    passed = EnginePass(model, [0, 1])
    layers = _layers(network.module, ["relu", "cap"])
    for number, size in enumerate([(32, 32), (33, 64), (50, 201), (2048, 32), (97, 31)]):
        x = np.random.default_rng(number).standard_normal((1 + number % 3, 3, *size))
        x = x.astype(np.float32)
        with torch.inference_mode():
            expected = [one.numpy() for one in layers(torch.from_numpy(x))]
        for got, other in zip(passed.run(x), expected, strict=True):
            np.testing.assert_allclose(got, other, atol=1e-5 * other.max())
    (only,) = EnginePass(model, [1]).run(x)
    np.testing.assert_array_equal(only, passed.run(x)[1])


def test_other_values_than_pytorchs_are_refused():
    class Fixed(nn.Module):
        """What a trace cannot see: Python that depends on the size."""

        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 4, stride=4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            maps: torch.Tensor = self.conv(x).relu() * (2.0 if x.shape[3] > 100 else 1.0)
            return maps

    module = nn.Sequential(Fixed()).eval()
    with pytest.raises(ValueError, match="0: expected PyTorch's values within 0.001 .* 161 x 97"):
        convert(module, ["0"])


def test_what_is_written_is_read(made: Prepared, tmp_path: Path):
    write(made, tmp_path / "a")
    again = _read(tmp_path / "a")
    assert again is not None
    assert vars(again.network) == vars(made.network)
    assert again.network.module is None
    assert (again.found.taps, again.found.modules) == (made.found.taps, made.found.modules)
    assert (again.found.refused, again.found.head_tap) == (made.found.refused, "cap")
    assert again.found.head is not None and made.found.head is not None
    for one, other in zip(again.found.head, made.found.head, strict=True):
        np.testing.assert_array_equal(one, other)
        assert not one.flags.writeable
    assert (again.fingerprint, again.labels) == (made.fingerprint, None)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]  # nothing half made is left


def test_a_backbone_of_it_is_that_of_pytorch(made: Prepared, network: Network):
    picture = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    for layer in ("end", "relu"):
        ours = Backbone("tiny", made, layer=layer)
        # A copy of the network: a Backbone changes its own.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            module = Same().eval()
        theirs = Backbone("tiny", Network(module, *list(vars(network).values())[1:]), layer=layer)
        for name in ("layer", "channels", "stride", "blocks", "taps", "mean", "std", "fingerprint"):
            assert getattr(ours, name) == getattr(theirs, name), name
        got, expected = ours.activations(picture, 64), theirs.activations(picture, 64)
        np.testing.assert_allclose(got, expected, atol=1e-5 * expected.max())
        np.testing.assert_equal(ours.class_weights, theirs.class_weights)
        assert ours.engine == f"OpenVINO {engine_version()}"
        assert theirs.engine == f"PyTorch {torch.__version__}"


@pytest.mark.parametrize("name", [FACTS, *FILES])
@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_a_damaged_file_is_made_again(
    name: str, damage: str, made: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    place = tmp_path / "a"
    write(made, place)
    data = (place / name).read_bytes()
    if damage == "gone":
        (place / name).unlink()
    else:
        (place / name).write_bytes(data[:-9] if damage == "cut" else data[:-1] + b"~")
    assert _read(place) is None
    monkeypatch.setattr(prepared, "build_network", lambda name: None)
    monkeypatch.setattr(prepared, "prepare", lambda network: made)
    assert _made(place) is made
    assert (place / name).read_bytes() == data
    assert _read(place) is not None


def _race(place: Path, made_by: Any) -> None:
    calls: list[str] = []
    prepared.build_network = lambda name: calls.append(name)  # type: ignore[assignment]
    module = Same().eval()
    network = Network(module, (0.5,) * 3, (0.25,) * 3, "none", "none")
    prepared.prepare = lambda network_: prepare(network)  # type: ignore[assignment]
    _made(place)
    made_by.put(len(calls))


def test_two_processes_at_once_make_it_once(tmp_path: Path):
    context = multiprocessing.get_context("spawn")
    made_by = context.Queue()
    both = [context.Process(target=_race, args=(tmp_path / "a", made_by)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(120)
    assert [one.exitcode for one in both] == [0, 0]
    assert sorted([made_by.get(), made_by.get()]) == [0, 1]
    assert _read(tmp_path / "a") is not None


def test_threads_with_different_sizes_never_mix(made: Prepared):
    passed = EnginePass(made.model, [1])
    rng = np.random.default_rng(0)
    shown = [rng.standard_normal((1, 3, 40 + 8 * n, 64)).astype(np.float32) for n in range(4)]
    expected = [passed.run(x)[0].copy() for x in shown]
    right = [0] * 4

    def work(number: int) -> None:
        for _ in range(20):
            right[number] += np.array_equal(passed.run(shown[number])[0], expected[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert right == [20] * 4


def test_memory_is_given_back_after_many_sizes(made: Prepared, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("dff.backbones.engine.MAX_SHAPES", 2)
    passed = EnginePass(made.model, [1])
    shown = [np.full((1, 3, 40 + 8 * n, 64), n, np.float32) for n in range(3)]
    first = passed._model
    before = [passed.run(x)[0].copy() for x in shown[:2]]
    assert passed._model is first
    passed.run(shown[2])
    assert passed._model is not first
    for x, maps in zip(shown, before, strict=False):
        np.testing.assert_array_equal(passed.run(x)[0], maps)


def test_memory_is_given_back_on_demand(made: Prepared):
    passed = EnginePass(made.model, [1])
    shown = np.full((1, 3, 64, 64), 1, np.float32)
    first, before = passed._model, passed.run(shown)[0].copy()
    passed.rest()
    second = passed._model
    assert second is not first
    passed.rest()
    assert passed._model is second  # which has nothing to give back
    np.testing.assert_array_equal(passed.run(shown)[0], before)


def test_where_the_engine_fails_pytorch_runs_and_the_log_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def broken(place: Path) -> None:
        raise ValueError("bn2: other values")

    monkeypatch.setattr(prepared, "_read", broken)
    with caplog.at_level(logging.WARNING):
        backbone = load_backbone()
    assert backbone.engine.startswith("PyTorch")
    assert "efficientnet_lite0 runs in PyTorch: ValueError: bn2: other values" in caplog.text


def test_the_bundled_network_gives_pytorchs_activations():
    """The real weights, at the sizes that pictures have."""
    ours = load_backbone()
    theirs = Backbone("efficientnet_lite0", build_network("efficientnet_lite0"))
    assert ours.engine.startswith("OpenVINO") and theirs.engine.startswith("PyTorch")
    photo = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    for shown, size in [
        (photo, 512),
        (photo[:, :30], 97),
        (photo[:9], 224),
        (photo, 32),
        (photo[:, :10], 1024),
        (photo[:5], 2048),
    ]:
        expected, got = theirs.activations(shown, size), ours.activations(shown, size)
        assert abs(got - expected).max() <= 1e-3 * expected.max()
        assert got.flags["C_CONTIGUOUS"] and got.base is None


def test_the_bundled_network_is_loaded_and_run_without_torch():
    load_backbone()  # prepared, now
    code = """
import sys
class Refuse:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in ("torch", "torchvision", "timm", "openvino_telemetry"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
import numpy as np, dff
from dff.threads import prepare, use_all_cores
prepare(); use_all_cores()
for layer in (None, "block5"):
    backbone = dff.load_backbone("efficientnet_lite0", layer)
    assert backbone.activations(np.zeros((60, 80, 3), np.uint8), 64).any()
    assert backbone.fingerprint == "455f8aa787bad27b" and "Apache" in backbone.licence
assert dff.load_backbone().labels[281] == "tabby"
assert dff.factorize(np.eye(64, dtype=np.uint8)[..., None] * np.uint8([255] * 3),
                     k=2, backbone=backbone, size=64).heatmaps.shape[0] == 2
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_first_passes_of_a_process_may_come_together():
    load_backbone()  # prepared, now
    code = """
import sys, threading
import numpy as np, dff
backbone = dff.load_backbone()
picture = np.full((64, 64, 3), 90, np.uint8)
ready = threading.Barrier(6)
sys.setswitchinterval(1e-6)
def work():
    ready.wait()
    found.append(backbone.activations(picture, 64).sum())
found = []
threads = [threading.Thread(target=work, daemon=True) for _ in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert len(found) == 6
"""
    for _ in range(3):  # where the engine was not made ready for it, half of them hung for ever
        subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60)
