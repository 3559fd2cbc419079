"""The evaluation's page: what it says of planted numbers, and that it asks nothing of anyone."""

import base64
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dff.evaluation.datasets.base import Dataset, Sample, asks_by_label, assemble
from dff.evaluation.locating import Method
from dff.evaluation.report import write_report
from dff.evaluation.retrieval import Answer, Row, Settings
from dff.evaluation.runner import Evaluation

COUNT = 14  # pictures, even ones of one label, odd ones of another
HOSTILE = '<b onclick="x">bold</b> & "quoted"'


SETTINGS = Settings("gem", "net<3", "last", 128, (1.0,), None, "none", None, "vector")


def answers(shift: float = 0.0) -> tuple[Answer, ...]:
    """Query n has an AP of (n + 1) %, and shift; the first four find a wrong picture first."""
    made = []
    for query in range(COUNT):
        kin = [n for n in range(COUNT) if n % 2 == query % 2 and n != query]
        others = [n for n in range(COUNT) if n % 2 != query % 2]
        found = [*others[:2], *kin[:4]] if query < 4 else [*kin[:4], *others[:2]]
        made.append(Answer(query, (query + 1 + shift) / 100, tuple(found)))
    return tuple(made)


def row(descriptor: str, shift: float = 0.0, **changes: object) -> Row:
    """One line of the table; its mAP is 7.5 % and shift."""
    names = {name: changes.pop(name) for name in list(changes) if hasattr(SETTINGS, name)}
    settings = replace(SETTINGS, descriptor=descriptor, **names)
    own, mean = answers(shift), {"all": 7.5 + shift}
    return replace(Row(settings, 8, 1.0, mean, 50.0, 0.25, 32, False, own), **changes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Pictures of 200 x 100 pixels, each of its own grey, with a place in their EXIF."""
    made = tmp_path_factory.mktemp("pictures")
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    for number in range(COUNT):
        grey = np.full((100, 200, 3), 10 * number, np.uint8)
        Image.fromarray(grey).save(made / f"{number}.jpg", exif=exif)
    return made


@pytest.fixture
def dataset(folder) -> Dataset:
    images = [
        Sample(folder / f"{n}.jpg", f"photo {n:02}", frozenset([("<i>even</i>", "odd")[n % 2]]))
        for n in range(COUNT)
    ]
    images[0] = replace(images[0], name=HOSTILE)
    rows = range(COUNT)
    return assemble(HOSTILE, "finite", images, asks_by_label(images, rows, rows), list(rows))


@pytest.fixture
def found(dataset) -> Evaluation:
    rows = (
        row("gem", -0.5),
        row("dff", k=4, default=True),
        row("dff", 10.0, k=4, whitening="1/16", whitening_on="itself"),
        row("gem", -0.75, whitening="1/16", whitening_on="itself"),
    )
    located = (
        Method("whole image", 0.125, 0.25, 12.5, 0.0, False),
        Method("joint DFF, refined", None, 0.5, 62.5, 0.031, True),
    )
    note = "left out <script>alert(1)</script>"
    return Evaluation(dataset, 4, True, rows, located, (note,))


TEN = "+10.0 (+10.0 to +10.0)"  # every query is 10 points better: no noise


def written(found: Evaluation, folder: Path) -> str:
    return write_report(found, folder).read_text(encoding="utf-8")


def table_rows(text: str, heading: str) -> list[tuple[str, list[str]]]:
    """(class, cells) of the table below a heading."""
    table = text[text.index(f"<h2>{heading}</h2>") :].split("</table>")[0]
    lines = re.findall(r'<tr class="([^"]*)">(.*?)</tr>', table)
    return [(kind, re.findall("<td[^>]*>(.*?)</td>", cells)) for kind, cells in lines]


def figures(text: str) -> list[tuple[str, str]]:
    """(class, caption) in order."""
    return re.findall(
        r'<figure class="(\w+)">.*?<figcaption><b>(.*?)</b>.*?</figcaption></figure>', text
    )


def test_both_files_are_written_whole_and_the_json_is_the_document(found, tmp_path):
    page = write_report(found, tmp_path / "new" / "report")
    assert page == tmp_path / "new" / "report" / "report.html"
    assert sorted(p.name for p in page.parent.iterdir()) == ["report.html", "report.json"]
    text = (page.parent / "report.json").read_text(encoding="utf-8")
    assert json.loads(text) == found.document()

    with pytest.raises(ValueError, match="JSON"):
        write_report(replace(found, rows=(row("dff", seconds=float("nan")),)), page.parent)
    assert (page.parent / "report.json").read_text(encoding="utf-8") == text


def test_the_tables_are_sorted_and_marked(found, tmp_path):
    text = written(found, tmp_path)
    finding = table_rows(text, "Finding")
    assert [(kind, c[0], c[1], c[4], c[6], c[-1]) for kind, c in finding] == [
        ("best level", "dff", "1/16", "17.5", TEN, "best of dff, level with the best"),
        ("default", "dff", "none", "7.5", "", "default"),
        ("best", "gem", "none", "7.0", "-0.5 (-0.5 to -0.5)", "best of gem"),
        ("", "gem", "1/16", "6.8", "-0.8 (-0.8 to -0.8)", ""),
    ]
    assert re.findall(r'<td( class="word")?>', text[text.index("<h2>Finding") :])[:11] == [
        *[' class="word"'] * 3,
        *[""] * 7,
        ' class="word"',
    ]
    best = "The best row is dff, whitening 1/16 fitted on itself, vector"
    assert f"<p>{best}; none of 3 others may be as good, the default not.</p>" in text
    assert table_rows(text, "Locating") == [
        ("", ["whole image", "0.125", "0.250", "12.5", "0", ""]),
        ("default", ["joint DFF, refined", "", "0.500", "62.5", "31", "default"]),
    ]
    assert "<h2>Locating" not in written(replace(found, localization=()), tmp_path)


def test_it_says_what_was_run_and_what_the_numbers_mean(found, tmp_path):
    text = written(found, tmp_path)
    assert f"{COUNT} queries, {COUNT} pictures; queries are cropped to their box" in text
    assert "Network net&lt;3, layer last; longest side 128 pixels; k = 4 parts" in text
    assert "queries are not cropped" in written(replace(found, crop=False), tmp_path)
    for word in ("AP", "mAP", "P@1", "IoU", "CorLoc"):
        assert f"<li><b>{word}</b>: " in text


def test_every_query_is_drawn_and_listed_worst_first(found, tmp_path):
    text = written(found, tmp_path)
    # 1 to 14 %: the mean is 7.5, and of an even number the upper one of the middle two is named.
    told = "AP of 14 queries, worst first: from 1.0 to 14.0, the middle one 8.0, mean 7.5"
    assert f'aria-label="{told}"' in text
    assert "M0 100V99.0H1V98.0H2" in text and "V86.0H14V100Z" in text and "M0 92.5H14" in text
    cells = re.findall("<td[^>]*>(.*?)</td>", text[text.index("The AP of each query") :])
    assert cells[1::2] == [f"{n}.0" for n in range(1, COUNT + 1)]


def test_the_worst_and_the_best_queries_with_their_results(found, tmp_path):
    text = written(found, tmp_path)
    worst, rest = text.split("<h2>The worst queries</h2>")[1].split("<h2>The best queries</h2>")
    best, failed = rest.split("<h2>Failures: a wrong picture came first</h2>")
    for part, precisions in ((worst, range(1, 7)), (best, range(14, 8, -1))):
        captions = [caption for kind, caption in figures(part) if kind == "query"]
        assert captions == [f"query, AP {n}.0" for n in precisions]
        assert len(figures(part)) == 6 * (1 + 5)
    # The worst query, 0, found 1 and 3 of the other label before 2, 4 and 6.
    places = [(1, "wrong"), (2, "wrong"), (3, "right"), (4, "right"), (5, "right")]
    assert figures(worst)[1:6] == [(judged, f"result {n}: {judged}") for n, judged in places]
    assert 'alt="result 1: wrong, photo 01"' in worst
    assert 'alt="result 3: right, photo 02"' in worst
    assert figures(best)[1] == ("right", "result 1: right")

    pair = [("query", "query, first right in place 3"), ("wrong", "result 1: wrong")]
    assert figures(failed) == 4 * pair
    assert "<br>odd<br>photo 01" in failed


def test_few_queries_are_shown_once_and_no_failure_is_said(found, tmp_path):
    few = replace(found, rows=(row("dff", answers=answers()[4:7]),))  # no default: the first
    text = written(few, tmp_path)
    captions = [caption for kind, caption in figures(text) if kind == "query"]
    assert captions == ["query, AP 5.0", "query, AP 6.0", "query, AP 7.0"]
    assert "None: the first result of every query is right." in text

    wrong = (1, 3, 5)
    never = replace(found, rows=(row("dff", answers=(Answer(0, 0.0, wrong),)),))
    text = written(never, tmp_path)
    assert "<h2>The best" not in text
    assert figures(text)[-2:] == [
        ("query", "query, first right after place 20"),
        ("wrong", "result 1: wrong"),
    ]


def test_thumbnails_are_small_and_without_metadata(found, tmp_path):
    text = written(found, tmp_path)
    sources = re.findall(r'<img src="data:image/jpeg;base64,([^"]+)"', text)
    assert len(sources) == text.count("<img") == 2 * 6 * 6 + 4 * 2
    assert len(set(sources)) == COUNT
    for source in set(sources):
        data = base64.b64decode(source)
        with Image.open(io.BytesIO(data)) as image:
            assert image.size == (160, 80) and not image.getexif()
        assert b"taken at home" not in data


def test_a_picture_that_is_gone_leaves_its_name(found, dataset, tmp_path):
    images = (replace(dataset.images[0], path=tmp_path / "gone.jpg"), *dataset.images[1:])
    text = written(replace(found, dataset=replace(dataset, images=images)), tmp_path)
    # Query 0 is the worst query and a failure; 2 and 4 found it among the first five.
    assert text.count("This picture cannot be read any more.") > 2
    assert "query, AP 1.0" in text


def test_names_are_text_and_nothing_is_asked_of_anyone(found, tmp_path):
    text = written(found, tmp_path)
    for markup in ("<b onclick", "<script", "<i>", "<link", "<iframe", "@import", "url("):
        assert markup not in text
    assert "&lt;b onclick=&quot;x&quot;&gt;bold&lt;/b&gt; &amp; &quot;quoted&quot;" in text
    assert "&lt;i&gt;even&lt;/i&gt;" in text and "&lt;script&gt;" in text
    assert re.search(r"https?://", text) is None
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in text
    assert "prefers-color-scheme: dark" in text and "width=device-width" in text


def test_a_name_that_is_not_utf8_can_be_written(found, dataset, tmp_path):
    images = (replace(dataset.images[0], name="caf\udce9.jpg"), *dataset.images[1:])
    note = "left out caf\udce9.jpg"
    changed = replace(found, dataset=replace(dataset, images=images), notes=(note,))
    assert r"caf\udce9.jpg" in written(changed, tmp_path)
    document = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert document["notes"] == [note]


def test_every_task_of_a_revisited_dataset_has_its_column(found, dataset, tmp_path):
    tasks = ("easy", "medium", "hard")
    # No query has anything hard to find.
    means = {"easy": 75.0, "medium": 50.0}
    changed = replace(
        found,
        dataset=replace(dataset, tasks=tasks),
        rows=(row("dff", mean_precisions=means), row("gem", mean_precisions=means)),
    )
    text = written(changed, tmp_path)
    heads = re.findall(r'<th scope="col"[^>]*>(mAP.*?)</th>', text)
    assert heads == ["mAP easy", "mAP medium"]
    assert table_rows(text, "Finding")[0][1][4:6] == ["75.0", "50.0"]
