"""What strangers planted: markup in every name, a place and a text in every photo's file.

Everything that leaves the dashboard and the command line is made of such a collection. Names must
come out as text, and nothing of what a camera wrote must come out at all.
"""

import ast
import base64
import csv
import io
import json
import re
import xml.etree.ElementTree as ElementTree
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from dff.app import compare_markup, deletion_markup, evaluate_markup, markup, shortlist
from dff.app import takeaway_files as files
from dff.app.components.talk import page as talk_page
from dff.app.deletion_data import HiddenOnFactors, HiddenPart, Place, picture_pair
from dff.app.engine import Engine, Source
from dff.app.evaluate_data import AnswerFacts, ResultFacts
from dff.app.factors_data import PartFacts
from dff.app.talk import talk
from dff.evaluation.datasets.base import Sample, asks_by_label, assemble
from dff.evaluation.report import write_report
from dff.evaluation.retrieval import Answer, Row, Settings
from dff.evaluation.runner import Evaluation
from dff.export.records import concepts_csv, parts_csv
from dff.export.report import parts_report
from dff.export.snippet import parts_script
from dff.export.view import PartsView
from dff.factorization import factorize
from dff.figures import concepts_figure, save
from dff.geometry import fit_size, grid_extent
from dff.index.build import build
from dff.parts import Parts
from dff.shared_parts import JOINT, joint_parts
from tests.conftest import draw

# An element and attributes that are nobody's; what a spreadsheet runs; what formats give a meaning.
MARKUP = (
    "=cmd|</script></title></style><planted onplanted='1'>' \" onplanted=\"2\" $x^2$ \\n &amp; {0}"
)
FILE = "=1+1 <planted onplanted=1> ' \" onplanted=2 &lt; $"
TEXT = "planted by a camera"
COUNT = 5
FIGURES = (files.RESULTS, files.ONE)  # the third is made in every format


def exif() -> Image.Exif:
    """Where a photo was taken, and a text."""
    made = Image.Exif()
    made[0x010E] = made[0x013B] = TEXT  # description, artist
    gps = made.get_ifd(0x8825)
    gps.update({1: "N", 2: (47.0, 22.0, 11.0), 3: "E", 4: (8.0, 32.0, 30.0), 29: TEXT})
    return made


def jpeg(number: int) -> bytes:
    """A photo with all that a camera writes into one."""
    file = io.BytesIO()
    xmp = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{TEXT}</x:xmpmeta>".encode()
    draw(number).save(file, "JPEG", exif=exif(), comment=TEXT.encode(), xmp=xmp)
    return file.getvalue()


def png(number: int) -> bytes:
    file = io.BytesIO()
    words = PngImagePlugin.PngInfo()
    words.add_text("Comment", TEXT)
    words.add_itxt("XML:com.adobe.xmp", TEXT)
    draw(number).save(file, "PNG", exif=exif(), pnginfo=words)
    return file.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, backbone) -> Path:
    """An index of such photos."""
    root = tmp_path_factory.mktemp("planted")
    photos = root / "photos" / FILE
    photos.mkdir(parents=True)
    facts = io.StringIO()
    table = csv.writer(facts)
    table.writerow(("file", "title", "category", "licence", "author"))
    for number in range(COUNT):
        name = f"{FILE}{number}.{'png' if number == 3 else 'jpg'}"
        (photos / name).write_bytes(png(number) if number == 3 else jpeg(number))
        table.writerow((f"{FILE}/{name}", f"{MARKUP}{number}", MARKUP, MARKUP, MARKUP))
    (root / "photos" / "photos.csv").write_text(facts.getvalue())
    build(root / "photos", root / "index", backbone, descriptors=("dff", "gem"), size=128)
    return root / "index"


@pytest.fixture(scope="module")
def made(folder, backbone, tmp_path_factory) -> dict[str, bytes]:
    """All that leaves, by its name and ending."""
    from dff.index import Index

    index = Index.open(folder)
    index._backbone = backbone
    engine = Engine(index)
    engine.ready.set()
    found: dict[str, bytes] = {}
    names = [MARKUP] * 4
    for kind, source in {
        "indexed": Source.of_row(index, 0),
        "uploaded": Source.of_upload(f"{FILE}.jpg", jpeg(7)),
    }.items():
        query = engine.query(source, 4, None)
        scores = index.row_scores(query).sum(axis=1)
        first = [int(row) for row in np.argsort(-scores) if int(row) not in query.same][:JOINT]
        shared = joint_parts(index, query, first)
        view = files.search_view(
            engine, source, query, shared, names=names, weights=[1.0] * 4, top=3, refined=False
        )
        asked = "https://example.org/?picture=\"><planted onplanted='1'>"
        every = [files.search_report(view, "today", asked), *files.search_tables(view)]
        every += [files.search_script(view)]
        every += [files.search_figure(view, files.PARTS, 0, format) for format in files.FORMATS]
        if kind == "indexed":
            every += [files.search_figure(view, other, 0, "svg") for other in FIGURES]
        for number, file in enumerate(every):
            found[f"{kind} {number} {file.name}"] = file.make()
        found[f"{kind} shown.jpg"] = engine.large(source)
        mask = np.zeros((120, 160), bool)
        mask[:60] = True
        pair = picture_pair(engine.pixels(source), mask, None)
        found[f"{kind} hidden.jpg"] = pair.after
        slides = talk(
            index, query, engine.pixels(source), MARKUP, shared, [0, 1, 2, 3], {0: (MARKUP, None)}
        )
        found[f"{kind} talk.html"] = talk_page(MARKUP, slides).encode()
    found |= parts_files(index, backbone)
    found |= pieces(index)
    found["evaluation.html"], found["evaluation.json"] = evaluation(
        folder, tmp_path_factory.mktemp("report")
    )
    known = [shortlist.Entry(one.id, one.sha256, MARKUP) for one in index.pictures]
    found["shortlist.csv"] = shortlist.as_csv(index, known).encode()
    found["shortlist.json"] = shortlist.as_json(index, known).encode()
    pictures = [index.parts(row) for row in range(2)]
    ids = [MARKUP, FILE]
    found["concepts.csv"] = concepts_csv(ids, pictures, names, [0.25] * 4).encode()
    for file in folder.rglob("*"):
        if file.is_file():
            found[f"the index's {file.relative_to(folder)}"] = file.read_bytes()
    return found


def parts_files(index, backbone) -> dict[str, bytes]:
    """What leaves Factors, and the figure of Concepts."""
    picture = index.picture(1)
    factors = factorize(picture, 3, backbone=backbone, size=128)
    input_size = fit_size(160, 120, 128)
    parts = Parts.of(factors, (160, 120), grid_extent(factors.grid, backbone.stride, input_size))
    names = (MARKUP, FILE, "")
    view = PartsView(
        index, MARKUP, MARKUP, MARKUP, False, picture, factors, parts, input_size, backbone,
        names, (0, 1, 9),
    )  # fmt: skip
    panels = [view.panel(), view.panel()]
    figure = concepts_figure(panels, names, [0.5, 0.3, 0.2], note=MARKUP)
    return {
        "concepts.svg": save(figure, "svg"),
        "parts.html": parts_report(view, made="today").encode(),
        "parts.csv": parts_csv(factors, names).encode(),
        "parts.py": parts_script(view).encode(),
        "parts.svg": save(view.figure(), "svg"),
    }


def pieces(index) -> dict[str, bytes]:
    """The HTML that the pages are made of."""
    own = PartFacts(1, 0, False, MARKUP, 0.5, 0.5, 1.0, "centre", 0.95, "steady", new=True)
    other = replace(own, number=2, colour=9, name=FILE, own=True, probability=None)
    parts = [own, other]
    place = Place(0.5, 1, 5, 50.0)
    tests = [HiddenPart(j, 0.1, 0.2, place, place) for j in range(2)]
    seen = HiddenOnFactors(0.1, np.ones(2), [(MARKUP, 0.5)], [(FILE, 0.4)])
    image = "data:image/jpeg;base64,"
    result = ResultFacts(1, True, MARKUP, MARKUP, image)
    answer = AnswerFacts(MARKUP, MARKUP, MARKUP, image, 50.0, 1, 2, (result, result))
    text = [
        markup.parts_table(parts), markup.part_head(own), markup.short_head(own),
        markup.pair_head(own, other), markup.plain_head(MARKUP, MARKUP), markup.fine(MARKUP),
        markup.facts_line([MARKUP, FILE]),
        compare_markup.overlap_table([MARKUP, FILE], [[1, 2], [2, 1]], 2, [1, 1]),
        deletion_markup.tests_table(parts, tests, 0), deletion_markup.guesses_table(seen),
        deletion_markup.remaining_table(parts, seen, 0),
        evaluate_markup.answer(answer, compare=True),
    ]  # fmt: skip
    return {f"piece {number}.html": piece.encode() for number, piece in enumerate(text)}


def evaluation(folder: Path, out: Path) -> tuple[bytes, bytes]:
    """The report of an evaluation of the photos."""
    photos = sorted((folder.parent / "photos" / FILE).iterdir())
    images = [Sample(path, MARKUP, frozenset([MARKUP])) for path in photos]
    rows = range(len(images))
    dataset = assemble(MARKUP, "finite", images, asks_by_label(images, rows, rows), list(rows))
    settings = Settings("gem", MARKUP, MARKUP, 128, (1.0,), None, MARKUP, None, "vector")
    own = tuple(Answer(n, 0.5, tuple(m for m in rows if m != n)) for n in rows)
    line = Row(settings, 8, 1.0, {"all": 50.0}, 50.0, 0.25, 32, True, own)
    page = write_report(Evaluation(dataset, len(images), False, (line,), (), (MARKUP,)), out)
    return page.read_bytes(), page.with_name("report.json").read_bytes()


# --- names ------------------------------------------------------------------------------------


class Planted(HTMLParser):
    """Finds elements and attributes that nobody of us writes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.found += [tag] if tag == "planted" else []
        self.found += [name for name, _ in attributes if name.startswith("onplanted")]
        links = [value for name, value in attributes if name == "href"]
        self.found += [to for to in links if not to.startswith(("https:", "./", "compare?"))]


def names_stay_text(name: str, data: bytes) -> None:
    """A file's own reader finds texts where texts are, and nothing else."""
    text = data.decode()
    match name.rpartition(".")[2]:
        case "html":
            reader = Planted()
            reader.feed(text)
            reader.close()
            assert not reader.found
            assert "planted" in text  # the names are there
        case "svg":
            for element in ElementTree.fromstring(text).iter():  # noqa: S314 (ours)
                assert "planted" not in element.tag
                assert not any("planted" in attribute for attribute in element.attrib)
        case "csv":
            for row in csv.reader(io.StringIO(text)):
                assert not any(re.match(r"[=@\t\r\n]|[+-](?![\d.])", cell) for cell in row), row
        case "json":
            json.loads(text)
        case "py":
            tree = ast.parse(text)
            names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            assert not names & {"planted", "onplanted", "cmd"}


def test_names_come_out_as_text(made):
    checked = [name for name in made if name.endswith((".html", ".svg", ".csv", ".json", ".py"))]
    assert len(checked) > 30
    for name in checked:
        names_stay_text(name, made[name])


# --- what cameras write -----------------------------------------------------------------------


def unpacked(data: bytes) -> bytes:
    """The bytes, with what is packed in them: pictures in pages, streams, chunks."""
    more = [base64.b64decode(found) for found in re.findall(rb"base64,([A-Za-z0-9+/=\s]+)", data)]
    for start in re.finditer(rb"stream\r?\n|IDAT|zTXt....|iTXt", data):
        try:
            more.append(zlib.decompressobj().decompress(data[start.end() :]))
        except zlib.error:
            continue
    return b"\n".join([data, *more])


def test_the_photos_have_what_is_looked_for():
    for data in (jpeg(0), png(3)):
        assert TEXT.encode() in data
        assert Image.open(io.BytesIO(data)).getexif().get_ifd(0x8825)[2] == (47.0, 22.0, 11.0)


def test_nothing_of_a_camera_comes_out(made):
    assert len(made) > 60
    for name, data in made.items():
        inside = unpacked(data)
        assert TEXT.encode() not in inside, name
        assert TEXT.encode("utf-16-le") not in inside and b"adobe:ns:meta" not in inside, name
        # Four letters come about by chance in numbers and in base64: where they are the name of a
        # PNG's block, the block's length stands before them.
        if not name.endswith((".npy", ".pdf")):
            assert b"Exif\0\0" not in inside and not re.search(rb"\0\0..eXIf", inside), name
        assert b"GPSInfo" not in inside and b"GPSLatitude" not in inside, name
