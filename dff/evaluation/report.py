"""An evaluation as one page that needs nothing else: tables, every query, and what went wrong."""

import functools
import html
import json
import os
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dff.evaluation.curves_chart import threshold_section
from dff.evaluation.datasets.base import Sample
from dff.evaluation.retrieval import WATCHED, Answer, Row
from dff.evaluation.runner import Evaluation
from dff.evaluation.table import name_of, networks_of, retrieval_table, tenth, verdict
from dff.export.page import data_uri, page, table, words
from dff.images import ImageError, read_image, thumbnail

SHOWN, RESULTS, FAILURES, SIDE = 6, 5, 12, 160
# Blue and vermilion after Okabe & Ito, dark enough for text; words and dashes say the same.
_STYLE = """
:root { color-scheme: light dark; --right: #0072b2; --wrong: #b34700; --shade: #0072b222; }
@media (prefers-color-scheme: dark) {
  :root { --right: #56b4e9; --wrong: #ff9a4d; --shade: #56b4e933; }
}
tr.default { background: var(--shade); }
tr.best, .default { font-weight: 700; }
svg { display: block; width: 100%; height: 9rem; border: 1px solid #8886; }
.results { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1rem 0; }
figure { width: 8.5rem; }
img { border: 4px solid #8886; }
.right img { border-color: var(--right); } .right b { color: var(--right); }
.wrong img { border-color: var(--wrong); border-style: dashed; } .wrong b { color: var(--wrong); }
"""
_FINDING = (
    ("AP", "how early one query's right pictures come; 100 is all of them first, percent."),
    ("mAP", "the mean of AP over all queries."),
    ("95 %", "where the mAP of other queries of this kind would lie, 95 times of 100."),
    ("against the default", "mAP more or less than the default row, query by query, and its 95 %."),
    ("P@1", "how many queries have a right picture in first place, percent."),
    ("ms, bytes", "time to describe one picture, and what a search keeps of it."),
)
_LOCATING = (
    ("IoU", "what was found and the truth: their overlap over their union; 1 is a perfect fit."),
    ("CorLoc", "how many boxes have an IoU of at least one half, percent."),
    ("ms", "time a picture, after the network has seen it."),
)
_GONE = "This picture cannot be read any more."

Picture = Callable[[Sample], str]


def write_report(found: Evaluation, folder: Path) -> Path:
    """Write report.json and report.html into a folder, each whole or not at all; the latter's path.

    The page asks nothing of anyone else: its pictures are thumbnails inside it, without the
    metadata of the photos. Raises ValueError for numbers that JSON cannot hold, OSError for a
    folder that cannot be written.
    """
    document = found.document()
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    content = _page(found, document)
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / "report.json", text + "\n")
    path = folder / "report.html"
    _replace(path, content)
    return path


def _page(found: Evaluation, document: dict[str, Any]) -> str:
    title = f"How well pictures are found: {document['dataset']}"
    crop = "queries are cropped to their box" if found.crop else "queries are not cropped"
    settings = (
        f"{document['queries']} queries, {document['images']} pictures; {crop}. "
        f"{networks_of([row.settings for row in found.rows])}"
    )
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in found.notes)
    # A picture is often shown more than once, and decoding is what takes the time.
    picture = functools.cache(_picture)
    chosen = next((row for row in found.rows if row.default), next(iter(found.rows), None))
    body = (
        f"<p>{html.escape(settings)}</p>"
        + (f"<details><summary>Notes</summary><ul>{notes}</ul></details>" if notes else "")
        + _finding(found)
        + _locating(document["localization"])
        + threshold_section(found.curves)
        + (_queries(found, chosen, picture) if chosen is not None and chosen.answers else "")
    )
    return page(title, _STYLE, body)


def _finding(found: Evaluation) -> str:
    """The retrieval table, best first, and what it comes to."""
    head, lines = retrieval_table(found)
    told = table(head, ((line.kinds, line.cells) for line in lines))
    return f"<h2>Finding</h2>{words(_FINDING)}<p>{html.escape(verdict(found))}</p>{told}"


def _locating(rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return ""
    lines = []
    for row in rows:
        mask = "" if row["mask_iou"] is None else f"{row['mask_iou']:.3f}"
        spent = f"{1000 * row['seconds']:.0f}"
        mark = ["default"] if row["default"] else []
        cells = [row["method"], mask, f"{row['box_iou']:.3f}", tenth(row["corloc"]), spent]
        lines.append((mark, [*cells, "".join(mark)]))
    head = ("method", "mask IoU", "box IoU", "CorLoc", "ms", "")
    return f"<h2>Locating</h2>{words(_LOCATING)}{table(head, lines)}"


def _queries(found: Evaluation, row: Row, picture: Picture) -> str:
    """Every query of one row of the table, worst first, and pictures of the worst and the best."""
    ordered = sorted(row.answers, key=lambda answer: (answer.precision, answer.query))
    worst = ordered[: min(SHOWN, -(-len(ordered) // 2))]
    best = ordered[::-1][: min(SHOWN, len(ordered) // 2)]  # no query is in both
    right: dict[int, set[int]] = {}
    for ask in found.dataset.queries:
        positives = (int(r) for task in ask.tasks.values() for r in task.positives)
        right.setdefault(ask.image, set()).update(positives)
    kind = html.escape(name_of(row.settings))
    images = found.dataset.images
    every = table(
        ("query", "AP"),
        (((), (images[a.query].name, tenth(100 * a.precision))) for a in ordered),
    )
    shown = [
        "".join(_answered(images, answer, right[answer.query], picture) for answer in answers)
        for answers in (worst, best)
    ]
    return (
        f"<h2>Every query of {kind}</h2>{_chart([100 * a.precision for a in ordered])}"
        f"<details><summary>The AP of each query</summary>{every}</details>"
        f"<h2>The worst queries</h2>{shown[0]}"
        + (f"<h2>The best queries</h2>{shown[1]}" if best else "")
        + _failures(images, ordered, right, picture)
    )


def _chart(precisions: Sequence[float]) -> str:
    """Average precisions, ascending and in percent, as steps from left to right."""
    count, mean = len(precisions), sum(precisions) / len(precisions)
    steps = "".join(f"V{100 - p:.1f}H{n}" for n, p in enumerate(precisions, start=1))
    told = (
        f"AP of {count} queries, worst first: from {precisions[0]:.1f} to {precisions[-1]:.1f}, "
        f"the middle one {precisions[count // 2]:.1f}, mean {mean:.1f}"
    )
    return (
        f'<svg role="img" aria-label="{told}" viewBox="0 0 {count} 100" preserveAspectRatio="none">'
        f'<path d="M0 100{steps}V100Z" fill="var(--right)"/><path d="M0 {100 - mean:.1f}H{count}" '
        'stroke="var(--wrong)" stroke-width="2" stroke-dasharray="6" '
        f'vector-effect="non-scaling-stroke"/></svg><p>{told} (dashed). '
        "One step a query; the bottom is 0, the top 100.</p>"
    )


def _answered(images: Sequence[Sample], answer: Answer, right: set[int], picture: Picture) -> str:
    told = f"query, AP {100 * answer.precision:.1f}"
    figures = [_figure(images[answer.query], "query", told, picture)]
    for place, row in enumerate(answer.results[:RESULTS], start=1):
        judged = "right" if row in right else "wrong"
        figures.append(_figure(images[row], judged, f"result {place}: {judged}", picture))
    return f'<div class="results">{"".join(figures)}</div>'


def _failures(
    images: Sequence[Sample],
    ordered: Sequence[Answer],
    right: dict[int, set[int]],
    picture: Picture,
) -> str:
    """What came first where it should not have: the query beside its first, wrong result."""
    blocks: list[str] = []
    for answer in ordered:
        hits = [row in right[answer.query] for row in answer.results]
        if len(blocks) == FAILURES or not hits or hits[0]:
            continue
        first = f"in place {hits.index(True) + 1}" if any(hits) else f"after place {WATCHED}"
        pair = _figure(images[answer.query], "query", f"query, first right {first}", picture)
        pair += _figure(images[answer.results[0]], "wrong", "result 1: wrong", picture)
        blocks.append(f'<div class="results">{pair}</div>')
    body = "".join(blocks) or "<p>None: the first result of every query is right.</p>"
    return f"<h2>Failures: a wrong picture came first</h2>{body}"


def _figure(sample: Sample, kind: str, told: str, picture: Picture) -> str:
    name, labels = html.escape(sample.name), html.escape(", ".join(sorted(sample.labels)))
    source = picture(sample)
    seen = f'<img src="{source}" alt="{told}, {name}">' if source else f"<p>{_GONE}</p>"
    caption = "<br>".join(filter(None, (f"<b>{told}</b>", labels, name)))
    return f'<figure class="{kind}">{seen}<figcaption>{caption}</figcaption></figure>'


def _picture(sample: Sample) -> str:
    """A thumbnail as an address that holds it, "" where the file cannot be read."""
    try:
        jpeg = thumbnail(read_image(sample.path), SIDE)
    except (ImageError, OSError):
        return ""
    return data_uri(jpeg)


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        # A file name that is not UTF-8 has characters that cannot be written as they are.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
