"""A page that needs nothing else: no script, no request, pictures inside it."""

import base64
import html
from collections.abc import Iterable, Sequence

WORD = ' class="word"'
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 84rem; margin: 1rem auto;
  padding: 0 1rem; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
p, li { max-width: 60rem; }
table { border-collapse: collapse; white-space: nowrap; font-size: .85rem; }
th, td { padding: .25rem .4rem; text-align: right; border-bottom: 1px solid #8886; }
.word { text-align: left; }
figure { margin: 0; }
figcaption { font-size: .85rem; }
img { box-sizing: border-box; max-width: 100%; }
"""


def page(title: str, style: str, body: str) -> str:
    """A whole HTML document. title: plain text; style, body: ours, everything in them escaped."""
    title = html.escape(title)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "img-src data:; style-src 'unsafe-inline'\">"
        f"<title>{title}</title><style>{STYLE}{style}</style><h1>{title}</h1>{body}"
    )


def data_uri(jpeg: bytes) -> str:
    """A JPEG as the source of an image element."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def words(explained: Sequence[tuple[str, str]]) -> str:
    """Words and what they mean, as a list."""
    lines = (f"<li><b>{word}</b>: {html.escape(meaning)}</li>" for word, meaning in explained)
    return f"<ul>{''.join(lines)}</ul>"


def table(head: Sequence[str], rows: Iterable[tuple[Sequence[str], Sequence[object]]]) -> str:
    """rows: (classes, cells). Numbers stand to the right, words to the left."""
    lines = [(classes, [str(cell) for cell in cells]) for classes, cells in rows]
    kinds = [
        ""
        if any(column) and all(not cell or cell[0] in "+-0123456789" for cell in column)
        else WORD
        for column in zip(*(cells for _, cells in lines), strict=True)
    ] or [""] * len(head)
    top = "".join(
        f'<th scope="col"{kind}>{html.escape(cell)}</th>'
        for kind, cell in zip(kinds, head, strict=True)
    )
    body = "".join(
        f'<tr class="{" ".join(classes)}">'
        + "".join(
            f"<td{kind}>{html.escape(cell)}</td>" for kind, cell in zip(kinds, cells, strict=True)
        )
        + "</tr>"
        for classes, cells in lines
    )
    return f'<div class="wide"><table><tr>{top}</tr>{body}</table></div>'
