"""A tiny collection of drawn pictures, and an index of it, for all tests."""

import importlib.util
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from dff.backbones import Backbone, load_backbone
from dff.index import Index, ahead
from dff.index.build import build
from dff.threads import prepare

prepare()  # before torch is imported

ROOT = Path(__file__).parents[1]
SIZE = 128  # the network's input: 4 x 3 cells, 10 ms a pass
COLOURS = ("#c0392b", "#2471a3", "#239b56", "#d4ac0d", "#7d3c98", "#ca6f1e")


def draw(number: int) -> Image.Image:
    """A picture of 160 x 120 with two shapes, never twice the same."""
    image = Image.new("RGB", (160, 120), ("white", "#dde6ee", "#333333")[number % 3])
    pen = ImageDraw.Draw(image)
    x, y, reach = 10 + 7 * number % 60, 8 + 5 * number % 40, 30 + 9 * number % 30
    box = (x, y, x + reach, y + reach)
    colour = COLOURS[number % len(COLOURS)]
    if number % 2:
        pen.ellipse(box, fill=colour, outline="black", width=3)
    else:
        pen.rectangle(box, fill=colour, outline="black", width=3)
    corner = (100 + number % 5 * 4, 60)
    pen.polygon(
        [corner, (150, 110), (85, 112 - number)], fill=COLOURS[(number * 5 + 2) % len(COLOURS)]
    )
    for line in range(number % 4):
        pen.line((0, 100 - 6 * line, 90, 115 - 8 * line), fill="black", width=2)
    return image


def script(name: str) -> ModuleType:
    """A file of scripts/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Counting:
    """A backbone that counts network passes, and can be stopped by Ctrl-C within one."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        self.passes = 0
        self.stop_at: int | None = None
        self._counting = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backbone, name)

    def activations(self, picture: np.ndarray, size: int | None = None) -> np.ndarray:
        with self._counting:
            if self.passes == self.stop_at:
                raise KeyboardInterrupt
            self.passes += 1
        return self._backbone.activations(picture, size)


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder of the user's own: no test sees or changes that of this machine."""
    folder = tmp_path / "own data"
    monkeypatch.setenv("DFF_DATA", str(folder))
    return folder


@pytest.fixture(scope="session")
def backbone() -> Backbone:
    return load_backbone("efficientnet_lite0")


@pytest.fixture
def counting(backbone: Backbone) -> Counting:
    return Counting(backbone)


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build begins a picture when the one before it is done."""
    monkeypatch.setattr(ahead, "WORKERS", 1)
    monkeypatch.setattr(ahead, "AHEAD", 0)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures in two folders, with titles, categories and credits for two of them."""
    root = tmp_path_factory.mktemp("collection") / "photos"
    for number in range(12):
        folder = root / ("round" if number % 2 else "square")
        folder.mkdir(parents=True, exist_ok=True)
        draw(number).save(folder / f"shape_{number:02}.png")
    (root / "photos.csv").write_text(
        "file,title,category,licence,author\n"
        "square/shape_00.png,A red square,squares,CC0-1.0,Ada\n"
        "round/shape_01.png,A blue disc,discs,,\n"
    )
    return root


@pytest.fixture(scope="session")
def index_folder(photos: Path, backbone: Backbone) -> Path:
    """Its index. Not to be changed: tests that damage one take a copy."""
    out = photos.parent / "index"
    build(photos, out, backbone, descriptors=("dff", "gem", "rmac"), size=SIZE)
    return out


@pytest.fixture
def opened(backbone: Backbone) -> Callable[..., Index]:
    """Open an index with the network that the tests have loaded already."""

    def open_index(folder: Path, **options: Any) -> Index:
        index = Index.open(folder, **options)
        index._backbone = backbone
        return index

    return open_index


@pytest.fixture
def index(index_folder: Path, opened: Callable[..., Index]) -> Index:
    return opened(index_folder)
