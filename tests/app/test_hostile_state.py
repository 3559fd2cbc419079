"""Every page in every bad state: no page ends in an error of ours, and none is silent about it.

What a page drops from an address is tested page by page; here the same nonsense goes to all.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dff.app.engine import opened
from dff.index.manifest import read_manifest, write_manifest

PAGES = {
    "explore": {},
    "explore (concepts)": {"view": "concepts"},
    "explore (several)": {"view": "several"},
    "learn": {},
    "photos": {},
    "present": {},
    "factors": {},
    "compare": {},
    "evaluate": {},
}
SCRIPT = """
import streamlit as st
from dff.app.collections import chosen
from dff.app.engine import engine
from dff.app.views import {page}
{page}.page(engine(str(chosen().folder)))
"""
MARKUP = "<script>alert(1)</script>[x](javascript:alert(1))"
NONSENSE = {
    "names of nothing": dict.fromkeys(
        ("picture", "result", "with", "layer", "network", "descriptors", "collection", "view"),
        "../../etc/passwd",
    ),
    "markup": dict.fromkeys(
        ("picture", "k", "box", "weights", "set", "like", "unlike", "step", "slide", "collection"),
        MARKUP,
    ),
    "numbers out of range": {
        "k": "999", "box": "1e309,-5,nan,2", "weights": "inf,nan,-1,1e99", "slide": "-3",
        "step": "99", "top": "1000000", "first": "-1", "seed": "99999999999999999999",
    },
    "numbers that are none": {
        "k": "-1", "box": "1,2", "weights": "1", "slide": "two", "step": "0x2", "top": "six",
    },
    "too long": {"picture": "p" * 10_000, "set": "a," * 5_000, "weights": "1," * 5_000},
}  # fmt: skip


def visit(page: str, **address: str) -> AppTest:
    """A page by its address."""
    at = AppTest.from_string(SCRIPT.format(page=page.split()[0]), default_timeout=60)
    for name, value in {**PAGES[page], **address}.items():
        at.query_params[name] = value
    return at.run()


def drawn(at: AppTest) -> int:
    """How much there is on a page besides words: components, pictures, charts."""
    kinds = ("bidi_component", "imgs", "vega_lite_chart", "arrow_data_frame", "metric")
    return sum(len(at.get(kind)) for kind in kinds) + sum("<img" in html.value for html in at.html)


def said(at: AppTest) -> list[str]:
    """All texts that a visitor reads."""
    kinds = (at.error, at.warning, at.info, at.markdown, at.caption, at.title, at.html, at.code)
    return [element.value for kind in kinds for element in kind]


@pytest.fixture(autouse=True)
def tiny(index_folder, monkeypatch):
    """The tiny index: a page has the same code for it as for the sample index."""
    monkeypatch.setenv("DFF_INDEX", str(index_folder))


@pytest.fixture
def damaged(index_folder, photos, tmp_path, monkeypatch):
    """A copy of the tiny index that the dashboard is started on, to be damaged."""
    folder = tmp_path / "copy" / "index"
    shutil.copytree(index_folder, folder)
    shutil.copytree(photos, tmp_path / "copy" / "photos")
    monkeypatch.setenv("DFF_INDEX", str(folder))
    yield folder
    opened.clear()


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_in_the_address_is_dropped(page: str, kind: str) -> None:
    at = visit(page, **NONSENSE[kind])
    assert not at.exception, at.exception
    if page == "factors" and "network" in NONSENSE[kind]:
        # A network is typed by name, so a wrong one is said, with what can be done.
        assert len(at.error) == 1 and "timm" in at.error[0].value
    else:
        assert not at.error, at.error
        assert drawn(at)
        assert not any("etc/passwd" in text for text in said(at))
    assert not any("alert(1)" in text for text in said(at))


@pytest.mark.parametrize("page", PAGES)
def test_thumbnails_that_cannot_be_read(page: str, damaged: Path) -> None:
    files = list(damaged.glob("shards/*/thumbnails.npy"))
    assert files
    for file in files:
        np.save(file, np.zeros_like(np.load(file)))
    at = visit(page)  # a browser draws such a picture's alternative text
    assert not at.exception, at.exception
    assert drawn(at) or at.error


@pytest.mark.parametrize("page", PAGES)
def test_photos_that_are_gone(page: str, damaged: Path) -> None:
    shutil.rmtree(damaged.parent / "photos")
    at = visit(page)
    assert not at.exception, at.exception
    assert drawn(at) or at.error
    for error in at.error:
        assert "shape\\_" in error.value  # which photo, and not a traceback
        assert "Traceback" not in error.value


def empty(folder: Path) -> None:
    """An index that says that it holds no picture."""
    write_manifest(folder, {**read_manifest(folder), "count": 0, "shards": []})


BAD_INDEX = {
    "no folder": lambda folder: shutil.rmtree(folder),
    "a file": lambda folder: (shutil.rmtree(folder), folder.write_text("no index")),
    "no pictures": empty,
    "another version": lambda folder: (folder / "index.json").write_text('{"format": 999}'),
    "half a manifest": lambda folder: (folder / "index.json").write_bytes(
        (folder / "index.json").read_bytes()[:200]
    ),
    "not JSON": lambda folder: (folder / "index.json").write_bytes(b"\xff\xfe\x00"),
}


@pytest.mark.parametrize("kind", BAD_INDEX)
def test_an_index_that_cannot_be_opened_is_one_page_for_all(kind: str, damaged: Path) -> None:
    """`main` opens the index before any page."""
    BAD_INDEX[kind](damaged)
    at = AppTest.from_file(str(Path(__file__).parents[2] / "streamlit_app.py")).run()
    assert not at.exception, at.exception
    if (damaged / "index.json").exists():
        (title,), (said,) = at.title, [error.value.replace("\\", "") for error in at.error]
        assert title.value == "This collection cannot be opened"
    else:
        (title,), (said,) = at.title, [caption.value for caption in at.caption]
        assert title.value == "No collection yet" and "dff index build" in at.code[0].value
    assert str(damaged) in said and "\n" not in said
