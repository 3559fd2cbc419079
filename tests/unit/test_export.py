"""What leaves the dashboard: scripts that compute the same, reports that hold it all."""

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from dff.export.report import parts_report, search_report
from dff.export.snippet import parts_script, search_script
from dff.export.view import PartsView, SearchView, photo
from dff.factorization import factorize
from dff.geometry import fit_size, grid_extent
from dff.images import read_image
from dff.index import Index
from dff.parts import Parts
from dff.shared_parts import JOINT, exact_joint_parts, joint_parts

HOSTILE = "\"><script>alert(1)</script> & 'x'\n# {0}"
TOP = 3


@pytest.fixture(autouse=True)
def one_network(backbone, monkeypatch):
    """Scripts load the network that the tests have loaded already."""
    monkeypatch.setattr("dff.index.search.load_backbone", lambda *_: backbone)
    monkeypatch.setattr("dff.load_backbone", lambda *_: backbone)


def view_of(index: Index, refined: bool = False, upload=None, weights=None, **asked) -> SearchView:
    """A search as the page shows it. upload: a file that is asked about instead of a picture."""
    id = "shape_03"
    row = index.row(id)
    source = upload or index.photo_path(row)
    query = index.query(source, **asked) if asked or upload else index.indexed_query(id)
    k = query.parts.k
    first = [match.row for match in index.search(query, top=JOINT)]
    pixels = read_image(source)
    return SearchView(
        index=index,
        query=query,
        title=HOSTILE,
        credit=HOSTILE,
        source=upload.name if upload else id,
        uploaded=upload is not None,
        read=lambda: pixels,
        names=tuple(f"<i>{j}</i>" for j in range(k)),
        colours=tuple(range(k)),
        weights=weights or (1.0,) * k,
        top=TOP,
        shared=exact_joint_parts(index, query, pixels, first)
        if refined
        else joint_parts(index, query, first),
        refined=refined,
    )


@pytest.fixture
def upload(tmp_path):
    """A file that is not in the index, with a quote in its name."""
    path = tmp_path / 'it\'s "mine".png'
    noise = np.random.default_rng(1).integers(0, 255, (12, 16, 3), np.uint8)
    Image.fromarray(noise).resize((160, 120)).save(path)
    return path


@pytest.fixture
def parts_view(index, backbone) -> PartsView:
    row = index.row("shape_03")
    picture = index.picture(row)
    made = factorize(picture, 3, backbone=backbone, size=128, init="random", seed=5)
    input_size = fit_size(160, 120, 128)
    extent = grid_extent(made.grid, backbone.stride, input_size)
    return PartsView(
        index=index,
        title=HOSTILE,
        credit="",
        source="shape_03",
        uploaded=False,
        picture=picture,
        factorization=made,
        parts=Parts.of(made, (160, 120), extent),
        input_size=input_size,
        backbone=backbone,
        names=("sky", "", "<i>"),
        colours=(0, 9, 2),
        how="per_factor",
    )


# --- code -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"weights": (1.0, 0.5, 0.0, 2.0)},
        {"k": 3, "box": (20, 10, 120, 100), "weights": (0.125, 1.0, 1.75)},
        {"refined": True, "weights": (1.0, 0.0, 1.0, 0.5)},
        {"refined": True, "k": 2, "box": (20, 10, 120, 100)},
    ],
    ids=str,
)
def test_the_script_of_a_search_computes_what_is_shown(index, asked, monkeypatch):
    view = view_of(index, **asked)
    script = search_script(view)
    assert str(index.folder.parent) not in script
    monkeypatch.chdir(index.folder.parent)
    space: dict = {}
    exec(compile(script, "script", "exec"), space)
    found = space["found"]
    assert [(m.id, m.score, m.box) for m in found] == [(m.id, m.score, m.box) for m in view.found]
    for one, other in zip(found, view.found, strict=True):
        assert (one.contributions == other.contributions).all()
    assert space["boxes"] == view.boxes and len(found) == TOP
    assert (space["query"].parts.heatmaps == view.query.parts.heatmaps).all()


def test_the_script_for_an_upload_reads_the_file_beside_it(index, upload, monkeypatch, capsys):
    view = view_of(index, upload=upload, k=4)
    script = search_script(view)
    assert repr(upload.name) in script and "put the picture you uploaded beside" in script
    (upload.parent / "index").symlink_to(index.folder)
    monkeypatch.chdir(upload.parent)
    space: dict = {}
    exec(compile(script, "script", "exec"), space)
    assert [(m.id, m.score) for m in space["found"]] == [(m.id, m.score) for m in view.found]
    assert capsys.readouterr().out.count("\n") == TOP
    assert view.record()["query"]["path"] == upload.name


def test_the_script_of_parts_computes_what_is_shown(parts_view, monkeypatch):
    script = parts_script(parts_view)
    monkeypatch.chdir(parts_view.index.folder.parent)
    space: dict = {}
    exec(compile(script, "script", "exec"), space)
    assert (space["parts"].heatmaps == parts_view.factorization.heatmaps).all()
    assert space["parts"].seed == 5
    alone = parts_script(replace(parts_view, uploaded=True, source="my.jpg"))
    assert "Index.open" not in alone and "dff.read_image(PICTURE)" in alone


# --- the report -------------------------------------------------------------------------------


def pictures(page: str) -> list[Image.Image]:
    sources = re.findall(r'<img src="data:image/jpeg;base64,([^"]*)"', page)
    assert len(sources) == page.count("<img")
    return [Image.open(io.BytesIO(base64.b64decode(source))) for source in sources]


def is_self_contained(page: str) -> bool:
    """No script, no stranger's tag, nothing fetched, nothing a camera wrote."""
    assert page.count("<script") == 0 and "&lt;script&gt;" in page
    assert "<i>" not in page and "default-src 'none'" in page
    assert not re.search(r'(src|href)="(?!data:|https?:)', page)
    for image in pictures(page):
        assert image.getexif() == {} and not {"exif", "icc_profile", "xmp"} & set(image.info)
    return True


def test_the_report_of_a_search_holds_pictures_numbers_settings_and_versions(index):
    for shard in index.shards:
        shard.pictures = [replace(p, title=f"{p.id} {HOSTILE}") for p in shard.pictures]
    view = view_of(index, weights=(1.0, 0.5, 0.0, 2.0))
    page = search_report(view, made="2026-11-25", address="http://localhost:8501/?weights=1,0.5")
    assert is_self_contained(page) and str(index.folder.parent) not in page
    assert len(pictures(page)) == 1 + TOP
    for match in view.found:
        assert f"<td>{match.score:.4f}</td>" in page
        assert f"<td>{match.percentile:.1f} %</td>" in page
    table = view.found[0].contributions
    cells = re.findall(r">([−\d.]+)</td>", page[page.index("What each pair") :])
    shown = [float(cell.replace("−", "-")) for cell in cells[: 4 * 5]]
    assert np.reshape(shown, (4, 5))[:, :4] == pytest.approx(table, abs=0.0005)
    assert np.reshape(shown, (4, 5))[:, 4] == pytest.approx(table.sum(axis=1), abs=0.0005)
    for told in ("1, 0.5, 0, 2", "efficientnet_lite0:block6+last", "torch", "2026-11-25"):
        assert told in page
    assert '<a href="http://localhost:8501/?weights=1,0.5">' in page


def test_the_report_of_a_box_shows_the_photo_and_the_crop(index):
    view = view_of(index, k=2, box=(20, 10, 120, 100))
    page = search_report(view, made="today")
    photo_, crop, *results = pictures(page)
    assert photo_.width / photo_.height == pytest.approx(160 / 120, abs=0.02)
    assert crop.width / crop.height == pytest.approx(100 / 90, abs=0.02)
    assert len(results) == TOP and "Open it again" not in page


def test_an_address_that_is_not_of_the_web_is_no_link(index):
    page = search_report(view_of(index), made="today", address="javascript:alert(1)")
    assert "javascript:alert(1)" in page and "<a " not in page


def test_the_report_of_parts(parts_view):
    page = parts_report(parts_view, made="2026-11-25")
    assert is_self_contained(page)
    assert len(pictures(page)) == 1 + 3
    made = parts_view.factorization
    assert f"{100 * made.explained:.2f} %" in page and f"{made.error:.4f}" in page
    assert f"strongest {made.heatmaps[1].max():.3g}, bright is" in page
    assert "<td>5</td>" in page or '<td class="word">5</td>' in page  # the seed


# --- views ------------------------------------------------------------------------------------


def test_what_is_switched_off_is_not_drawn(index):
    view = view_of(index, weights=(1.0, 0.0, 0.25, 1.0))
    query, results = view.shared_panels(TOP)
    for panel in (query, *results):
        assert not panel.parts.heatmaps[1].any()
    for panel, match in zip(results, view.found, strict=True):
        assert panel.shares == pytest.approx(match.contributions.sum(axis=1))
        assert panel.shares[1] == 0 and panel.score == match.score
    assert "weights 1, 0, 0.25, 1" in view.note()


def test_without_photos_thumbnails_are_drawn(index, monkeypatch):
    view = view_of(index)
    whole = photo(index, 0)
    monkeypatch.setattr(index, "photo_path", lambda row: None)
    small = photo(index, 0)
    assert small.shape[:2] == index.pictures[0].thumbnail[1::-1]
    assert np.abs(small.astype(int) - whole).mean() < 10
    assert len(view.pair_figure(view.found[0]).axes[0].images) == 3  # two pictures, the scale


def test_names_and_colours_must_fit(index):
    with pytest.raises(ValueError, match="each of 4 parts, got 1 and 4"):
        replace(view_of(index), names=("one",))
    with pytest.raises(ValueError, match="weights: expected 4 numbers"):
        replace(view_of(index), weights=(1.0,))
