"""An evaluation as one page that needs nothing else: tables, and the best and worst queries."""

import base64
import html
import json
import os
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path

from dff.evaluation.retrieval import Answer, Row
from dff.evaluation.runner import Evaluation
from dff.images import ImageError, read_image, thumbnail

SHOWN, RESULTS, SIDE = 6, 5, 160
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { padding: .25rem .75rem; text-align: right; border-bottom: 1px solid #8884; }
th:first-child, td:first-child { text-align: left; }
tr.default { font-weight: 700; }
.query { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1rem 0; }
figure { margin: 0; width: 10rem; } figcaption { font-size: .85rem; overflow-wrap: anywhere; }
img { max-width: 100%; border: 4px solid transparent; }
.right img { border-color: #2b6cb0; } .wrong img { border-color: #e76300; border-style: dashed; }
"""
_WORDS = (
    "mAP: how early the right pictures come, on average; 100 is all of them first. "
    "P@1: how often the first result is right. "
    "IoU: the overlap of what was found with the truth, over their union; 1 is perfect. "
    "CorLoc: how often a box's IoU is at least one half."
)


def write_report(found: Evaluation, folder: Path) -> Path:
    """Write report.json and report.html into a folder, each whole or not at all; the latter's path.

    The page holds its pictures as thumbnails, without the metadata of the photos.
    """
    folder.mkdir(parents=True, exist_ok=True)
    document = json.dumps(found.document(), indent=1, ensure_ascii=False, allow_nan=False)
    _replace(folder / "report.json", document + "\n")
    page = folder / "report.html"
    _replace(page, _page(found))
    return page


def _page(found: Evaluation) -> str:
    document = found.document()
    title = f"How well pictures are found: {html.escape(document['dataset'])}"
    chosen = next((row for row in found.rows if row.default), found.rows[0])
    crop = "queries cropped to their box" if found.crop else "queries are whole pictures"
    settings = (
        f"{document['queries']} queries, {document['images']} pictures, {crop}. "
        f"{found.backbone}:{found.layer}, longest side {found.size} pixels, k = {found.k}."
    )
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in found.notes)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>"
        f"<p>{html.escape(settings)}</p><p>{_WORDS}</p>"
        + (f"<details><summary>Notes ({len(found.notes)})</summary><ul>{notes}</ul></details>")
        + "<h2>Finding</h2>"
        + _table(
            ("descriptor", "whitening", "matching", "dimensions", "mAP", "P@1", "ms", "bytes"),
            (
                (
                    row["default"],
                    (
                        row["descriptor"],
                        row["whitening"],
                        row["matching"],
                        row["dimensions"],
                        f"{row['map']:.1f}",
                        f"{row['p_at_1']:.1f}",
                        f"{1000 * row['seconds']:.0f}",
                        row["bytes"],
                    ),
                )
                for row in sorted(document["rows"], key=lambda row: -row["map"])
            ),
        )
        + _locating(found)
        + _queries(found, chosen)
    )


def _locating(found: Evaluation) -> str:
    if not found.localization:
        return ""
    rows = (
        (
            row.default,
            (
                row.method,
                "" if row.mask_iou is None else f"{row.mask_iou:.3f}",
                f"{row.box_iou:.3f}",
                f"{row.corloc:.1f}",
                f"{1000 * row.seconds:.0f}",
            ),
        )
        for row in found.localization
    )
    return "<h2>Locating</h2>" + _table(("method", "mask IoU", "box IoU", "CorLoc", "ms"), rows)


def _queries(found: Evaluation, row: Row) -> str:
    """The worst and the best queries of one row, and every query's average precision."""
    ordered = sorted(row.answers, key=lambda answer: (answer.precision, answer.query))
    worst, best = ordered[:SHOWN], ordered[::-1][:SHOWN]
    name = html.escape(f"{row.descriptor}, whitening {row.whitening}, {row.matching}")
    all_of_them = _table(
        ("query", "AP"),
        (
            (False, (found.dataset.images[a.query].name, f"{100 * a.precision:.1f}"))
            for a in ordered
        ),
    )
    return (
        f"<h2>The worst queries of {name}</h2>{_shown(found, worst)}"
        f"<h2>The best</h2>{_shown(found, best)}"
        f"<details><summary>Every query</summary>{all_of_them}</details>"
    )


def _shown(found: Evaluation, answers: Sequence[Answer]) -> str:
    images = found.dataset.images
    blocks = []
    for answer in answers:
        asked = next(ask for ask in found.dataset.queries if ask.image == answer.query)
        right = {int(row) for task in asked.tasks.values() for row in task.positives}
        figures = [_figure(found, answer.query, "", f"query, AP {100 * answer.precision:.1f}")]
        for place, row in enumerate(answer.results[:RESULTS], start=1):
            judged = "right" if row in right else "wrong"
            label = ", ".join(sorted(images[row].labels))
            figures.append(_figure(found, row, judged, f"{place}: {judged} {label}"))
        blocks.append(f'<div class="query">{"".join(figures)}</div>')
    return "".join(blocks)


def _figure(found: Evaluation, row: int, kind: str, text: str) -> str:
    sample = found.dataset.images[row]
    caption = html.escape(text)
    try:
        jpeg = thumbnail(read_image(sample.path), SIDE)
        source = "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
        picture = f'<img src="{source}" alt="{caption}">'
    except (ImageError, OSError):
        picture = "<p>The picture is no longer there.</p>"
    name = html.escape(sample.name)
    return f'<figure class="{kind}">{picture}<figcaption>{caption}<br>{name}</figcaption></figure>'


def _table(head: Sequence[str], rows: Iterable[tuple[bool, Sequence[object]]]) -> str:
    top = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    lines = []
    for default, cells in rows:
        body = "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells)
        lines.append(f'<tr class="{"default" if default else ""}">{body}</tr>')
    return f'<div class="wide"><table><tr>{top}</tr>{"".join(lines)}</table></div>'


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
