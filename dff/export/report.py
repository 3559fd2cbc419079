"""What is shown as one page for a handout: pictures, numbers, settings, versions, and the code.

The page asks nothing of anyone else and has no script. Its pictures are drawn anew, so nothing
that a camera wrote into a photo is in it.
"""

import html
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

import numpy as np

from dff.doctor import versions
from dff.export.page import data_uri, page, table, words
from dff.export.snippet import parts_script, search_script
from dff.export.view import PartsView, SearchView
from dff.figures.panel import Panel, cropped
from dff.figures.sheet import number
from dff.geometry import Box
from dff.images import resize
from dff.index import Match
from dff.marks import colour_of, draw_box, hex_of, ink_on
from dff.render import Scale, encode_jpeg, overlay, single_heatmap

LARGE, SMALL = 720, 360  # pixels of the longest side of a picture
SPLITS = 6  # results whose split is shown
WIDER = 2.0  # a picture is drawn at most so many times as large as it is

_STYLE = """
:root { color-scheme: light; }
body { color: #1c1c1e; background: #fff; max-width: 64rem; }
h2 { margin: 2rem 0 .5rem; } h3 { margin: .25rem 0; font-size: 1rem; }
.quiet { color: #5c5c60; font-size: .85rem; }
.query { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); gap: 1.5rem;
  align-items: start; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr));
  gap: 1.25rem; }
.splits { display: flex; flex-wrap: wrap; gap: 1.5rem 2.5rem; }
.split td { text-align: center; min-width: 2.6rem; border: 2px solid #fff; }
.split th { border: 0; text-align: center; } .split td.sum { font-weight: 700; }
.badge { display: inline-block; width: 1.35rem; line-height: 1.35rem; border-radius: 50%;
  text-align: center; font-size: .75rem; font-weight: 700; }
.hatched { outline: 2px dotted #fff; outline-offset: -4px; }
.cards img { max-height: 15rem; } .query img { max-height: 30rem; }
th, td, .ranked span { overflow-wrap: normal; white-space: nowrap; }
figcaption { margin-top: .25rem; line-height: 1.4; } figcaption b { font-weight: 600; }
.ranked { display: flex; gap: .75rem; justify-content: space-between; }
pre { background: #f4f4f6; padding: .75rem; font-size: .8rem; white-space: pre-wrap; }
@media (max-width: 40rem) { .query { grid-template-columns: 1fr; } }
@media print {
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { font-size: 10pt; max-width: none; margin: 0; }
  .wide td { white-space: normal; } .query img { max-height: 9cm; }
  .cards { grid-template-columns: repeat(3, 1fr); }
  figure, .split, tr { break-inside: avoid; } h2, h3 { break-after: avoid; }
}
"""
# Below 0 and above, as on the page; the largest cell stays readable.
_BELOW, _ABOVE, _FULL = "66 133 204", "236 138 44", 0.75
_SEARCH_WORDS = (
    ("Part", "one of the pieces into which the network's view of the query falls. Names are the "
     "network's own guesses and can be wrong, however sure it is."),
    ("Score", "how alike two pictures are; higher is more alike. Above: how much of the "
     "collection scores lower."),
    ("Split", "what each pair of parts adds to a score. It sums to the score exactly; it is "
     "arithmetic, not proof of cause."),
)  # fmt: skip
_PARTS_WORDS = (
    ("Part", "one of the pieces into which the network's view of the picture falls. Names are the "
     "network's own guesses and can be wrong, however sure it is."),
    ("Energy", "a part's share of all that the parts explain."),
    ("Explained", "how much of the network's activations the parts account for."),
)  # fmt: skip


def search_report(view: SearchView, *, made: str, address: str | None = None) -> str:
    """A search as HTML. made: the day. address: where the view can be opened again."""
    query, results = view.shared_panels(view.top)
    maximum = max(float(panel.parts.heatmaps.max()) for panel in (query, *results))
    shown = [
        _result(place, panel, match, maximum)
        for place, (panel, match) in enumerate(zip(results, view.found, strict=True), start=1)
    ]
    splits = [_split(view, match) for match in view.found[:SPLITS]]
    settings = view.index.settings
    box = "none" if view.query.box is None else ", ".join(map(str, view.query.box))
    told = [
        ("collection", f"{view.index.folder.name}, {len(view.index)} pictures"),
        ("query", view.path),
        ("box", box),
        ("parts", view.query.parts.k),
        ("weights", ", ".join(f"{w:g}" for w in view.weights)),
        ("network and layer", f"{settings.backbone}:{settings.layer}"),
        ("weights of the network", settings.weights),
        ("longest side", f"{view.record()['query']['size']} px"),
        ("seed", settings.seed),
        ("compared by", f"{view.query.descriptor}, {view.query.matching}"),
        ("whitened dimensions", view.index.whitening(view.query.descriptor).dimensions),
        ("shared parts", "from the pixels (Refine)" if view.refined else "from stored factors"),
    ]
    rows = [
        [m.rank, m.id, view.index.pictures[m.row].title, f"{m.score:.4f}", f"{m.percentile:.1f} %",
         _told(box)]
        for m, box in zip(view.found, view.boxes, strict=True)
    ]  # fmt: skip
    body = (
        _opening(view.note(), made, address)
        + _query(view, query, maximum)
        + f'<h2>Most similar pictures</h2><div class="cards">{"".join(shown)}</div>'
        + (f'<h2>What each pair of parts adds</h2><p class="quiet">Rows: parts of the query. '
           f"Columns: the result's own parts, in the colour of the query's that they go with.</p>"
           f'<div class="splits">{"".join(splits)}</div>' if splits else "")
        + "<h2>Results in numbers</h2>"
        + table(("rank", "id", "title", "score", "above", "box"), (((), row) for row in rows))
        + _closing(_SEARCH_WORDS, told, search_script(view))
    )  # fmt: skip
    return page(f"Pictures like {view.title}", _STYLE, body)


def parts_report(view: PartsView, *, made: str, address: str | None = None) -> str:
    """A factorization as HTML. made: the day. address: where the view can be opened again."""
    made_of, panel = view.factorization, view.panel()
    largest = float(view.parts.heatmaps.max())
    cards = "".join(_heat(panel, view, j, largest) for j in range(made_of.k))
    record = view.record()
    told = [
        ("picture", view.source),
        ("size", f"{view.parts.width} × {view.parts.height}"),
        ("network and layer", f"{view.backbone.name}:{view.backbone.layer}"),
        ("weights of the network", f"{view.backbone.weights} ({view.backbone.licence})"),
        ("seen at", f"{view.input_size[0]} × {view.input_size[1]}"),
        ("grid", f"{record['grid'][0]} rows, {record['grid'][1]} columns"),
        ("parts", made_of.k),
        ("solver", made_of.solver),
        ("start", made_of.init),
        ("seed", made_of.seed),
        ("iterations", made_of.iterations),
        ("explained", f"{100 * made_of.explained:.2f} %"),
        ("relative error", f"{made_of.error:.4f}"),
    ]
    scale = "all on one scale" if view.how == "shared" else "each on its own scale"
    body = (
        _opening(view.note(), made, address)
        + _query(view, panel, largest, view.how)
        + f'<h2>Where each part is</h2><p class="quiet">Strength of its activations, {scale}: '
        f'black is 0.</p><div class="cards">{cards}</div>'
        + _closing(_PARTS_WORDS, told, parts_script(view))
    )
    return page(f"{view.title} in {made_of.k} parts", _STYLE, body)


def _opening(note: str, made: str, address: str | None) -> str:
    again = ""
    if address is not None:
        shown = html.escape(address)
        # Another scheme than the web's would be run by the reader's browser.
        known = urlsplit(address).scheme in ("http", "https")
        link = f'<a href="{shown}">{shown}</a>' if known else shown
        again = f'<p class="quiet">Open it again: {link}</p>'
    return f'<p>{html.escape(note)}</p><p class="quiet">{html.escape(made)}</p>{again}'


def _closing(
    explained: Sequence[tuple[str, str]], settings: Iterable[tuple[str, object]], script: str
) -> str:
    return (
        f"<h2>How to read this</h2>{words(explained)}"
        f"<h2>Settings</h2>{table(('setting', 'value'), (((), row) for row in settings))}"
        f"<h2>Versions</h2>{table(('package', 'version'), (((), v) for v in versions().items()))}"
        f"<h2>The same in Python</h2><pre>{html.escape(script)}</pre>"
    )


def _query(
    view: SearchView | PartsView, panel: Panel, maximum: float, how: Scale = "shared"
) -> str:
    """The picture that is asked about, beside its parts; with a box the photo and what is in it."""
    where = ""
    if panel.parts.box is not None:
        drawn = _boxed(_sized(panel.picture, LARGE), panel, panel.parts.box)
        said = html.escape(f"{panel.title}, and the box that was asked about")
        where = f'<figure><img src="{data_uri(encode_jpeg(drawn))}" alt="{said}"></figure>'
    return (
        f'<div class="query"><div>{where}<figure>{_picture(panel, LARGE, maximum, how)}'
        f"<figcaption><b>{html.escape(view.title)}</b>{_credit(view.credit)}</figcaption></figure>"
        f"</div><div><h3>Its parts</h3>{_parts(view)}</div></div>"
    )


def _parts(view: SearchView | PartsView) -> str:
    """The parts: badge, name, energy, and the user's weight where there are such."""
    parts = view.query.parts if isinstance(view, SearchView) else view.parts
    weights = view.weights if isinstance(view, SearchView) and view.weighted else None
    rows = []
    for j in range(parts.k):
        name = "holds nothing" if parts.dead[j] else view.names[j] or f"part {j + 1}"
        cells = [f"<td>{100 * parts.energy[j]:.0f} %</td>"]
        if weights is not None:
            cells.append(f"<td>{weights[j]:g}</td>")
        rows.append(
            f'<tr><td class="word">{_badge(str(j + 1), view.colours[j])}</td>'
            f'<td class="word">{html.escape(name)}</td>{"".join(cells)}</tr>'
        )
    extra = "" if weights is None else '<th scope="col">weight</th>'
    return (
        '<table><tr><th scope="col" class="word" colspan="2">part</th><th scope="col">energy</th>'
        f"{extra}</tr>{''.join(rows)}</table>"
    )


def _result(place: int, panel: Panel, match: Match, maximum: float) -> str:
    score = "" if panel.score is None else number(panel.score)
    return (
        f"<figure>{_picture(panel, SMALL, maximum)}<figcaption>"
        f'<span class="ranked"><b>{place}. {html.escape(panel.title)}</b>'
        f"<span>{score}</span></span>"
        f'<span class="quiet">above {match.percentile:.0f} % of the collection</span>'
        f"{_credit(panel.credit)}</figcaption></figure>"
    )


def _split(view: SearchView, match: Match) -> str:
    """The table of one result's contributions, with its sums."""
    values = match.contributions
    if values is None:
        return ""
    colours = view.own_panel(match).colours
    largest = float(np.abs(values).max()) or 1.0
    head = "".join(
        f'<th scope="col">{_badge(chr(ord("A") + j), colour)}</th>'
        for j, colour in enumerate(colours)
    )
    rows = "".join(
        f'<tr><th scope="row">{_badge(str(i + 1), view.colours[i])}</th>'
        + "".join(f"<td{_shade(float(v) / largest)}>{number(v)}</td>" for v in row)
        + f'<td class="sum">{number(row.sum())}</td></tr>'
        for i, row in enumerate(values)
    )
    title = html.escape(view.index.pictures[match.row].title)
    return (
        f"<div><h3>{match.rank}. {title}: {number(match.score)}</h3>"
        f'<table class="split"><tr><td></td>{head}<th scope="col">sum</th></tr>{rows}</table></div>'
    )


def _heat(panel: Panel, view: PartsView, part: int, largest: float) -> str:
    heatmap, parts = view.parts.heatmaps[part], view.parts
    maximum = largest if view.how == "shared" else float(heatmap.max())
    drawn = single_heatmap(
        _sized(panel.picture, SMALL),
        heatmap,
        maximum=maximum,
        smooth=view.smooth,
        extent=parts.extent,
    )
    name = view.names[part] or f"part {part + 1}"
    said = html.escape(f"Where part {part + 1}, {name}, is")
    return (
        f'<figure><img src="{data_uri(encode_jpeg(drawn))}" alt="{said}"><figcaption>'
        f"{_badge(str(part + 1), view.colours[part])} <b>{html.escape(name)}</b>"
        f'<br><span class="quiet">strongest {heatmap.max():.3g}, bright is {maximum:.3g}</span>'
        "</figcaption></figure>"
    )


def _picture(panel: Panel, side: int, maximum: float, how: Scale = "shared") -> str:
    """A picture, or the crop that was looked at, with its parts and a box around what is found."""
    inside = cropped(panel)
    drawn = overlay(
        _sized(inside.picture, side),
        inside.parts.heatmaps,
        colours=panel.colours,
        opacity=0.65,
        how=how,
        maximum=maximum if how == "shared" else None,
        extent=inside.parts.extent,
    )
    if panel.box is not None:
        drawn = _boxed(drawn, panel, panel.box)
    said = html.escape(f"{panel.title} with its {inside.parts.k} parts")
    return f'<img src="{data_uri(encode_jpeg(drawn))}" alt="{said}">'


def _boxed(picture: np.ndarray, panel: Panel, box: Box) -> np.ndarray:
    """A box of the original, drawn on a smaller picture."""
    height, width = picture.shape[:2]
    across, down = width / panel.parts.width, height / panel.parts.height
    x0, y0 = min(int(box[0] * across), width - 1), min(int(box[1] * down), height - 1)
    x1, y1 = max(round(box[2] * across), x0 + 1), max(round(box[3] * down), y0 + 1)
    return draw_box(picture, (x0, y0, min(x1, width), min(y1, height)))


def _sized(picture: np.ndarray, side: int) -> np.ndarray:
    height, width = picture.shape[:2]
    scale = min(side / max(width, height), WIDER)
    return resize(picture, max(1, round(width * scale)), max(1, round(height * scale)))


def _badge(label: str, colour: int) -> str:
    rgb, hatched = colour_of(colour)
    kind = "badge hatched" if hatched else "badge"
    style = f"background: {hex_of(rgb)}; color: {hex_of(ink_on(rgb))}"
    return f'<span class="{kind}" style="{style}">{label}</span>'


def _shade(share: float) -> str:
    rgb = _ABOVE if share > 0 else _BELOW
    return f' style="background: rgb({rgb} / {_FULL * abs(share):.3f})"'


def _told(box: Box | None) -> str:
    return "" if box is None else ", ".join(map(str, box))


def _credit(credit: str) -> str:
    return f'<br><span class="quiet">{html.escape(credit)}</span>' if credit else ""
