"""The gallery of queries as HTML: each query, its first results, and which of them are right.

Right and wrong differ in word, sign and the border's shape, and only then in colour: blue and
vermilion after Okabe & Ito, dark enough for white letters on any page. Every text is escaped.
"""

from html import escape

from dff.app.evaluate_data import RESULTS, AnswerFacts, ResultFacts
from dff.app.state import link_to

# Written once on a page.
STYLE = """<style>
.dff-answer { container-type: inline-size; border-top: 1px solid
  color-mix(in srgb, currentColor 18%, transparent); padding-top: 12px; }
.dff-answer header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 16px;
  margin-bottom: 10px; font-size: 14px; line-height: 1.5; }
.dff-answer header b { font-size: 16px; font-weight: 600; overflow-wrap: anywhere; }
.dff-answer nav { display: flex; gap: 16px; margin-left: auto; }
.dff-answer nav a { color: inherit; text-decoration: underline; text-underline-offset: 3px;
  padding: 3px 0; }
.dff-strip { display: grid; grid-template-columns: repeat(8, minmax(0, 1fr)); gap: 12px 10px; }
@container (max-width: 720px) {
  .dff-strip { grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 10px 8px; }
  .dff-answer nav { margin-left: 0; }
}
.dff-strip p { margin: 6px 0 0; }
.dff-strip figure { margin: 0; min-width: 0; }
.dff-strip img { display: block; box-sizing: border-box; width: 100%; aspect-ratio: 4 / 3;
  object-fit: contain; border-radius: 6px; border: 3px solid transparent;
  background: color-mix(in srgb, currentColor 8%, transparent); }
.dff-strip .dff-asks img { border-color: color-mix(in srgb, currentColor 55%, transparent); }
.dff-strip .dff-right img { border-color: #0072b2; }
.dff-strip .dff-wrong img { border: 3px dashed #d05400; }
.dff-strip figcaption { font-size: 12px; line-height: 1.35; margin-top: 5px; }
.dff-verdict { display: inline-block; padding: 0 6px; border-radius: 4px; color: #fff;
  font-weight: 600; white-space: nowrap; }
.dff-right .dff-verdict { background: #0072b2; }
.dff-wrong .dff-verdict { background: #b34700; }
.dff-asks .dff-verdict { color: inherit; padding: 0;  }
.dff-line { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
</style>"""


def answer(facts: AnswerFacts, *, compare: bool) -> str:
    """One query with its results. compare: whether there are descriptors to compare it by."""
    pages = [("Open in Explore", ""), *([("Compare", "compare")] if compare else [])]
    links = "".join(
        f"<a href='{escape(link_to(path, picture=facts.id))}' "
        f"aria-label='{name}: {escape(facts.title)}'>{name}</a>"
        for name, path in pages
    )
    count = f"{facts.right} right {'one' if facts.right == 1 else 'ones'} to find"
    told = (
        f"{escape(facts.label)} · average precision {facts.precision:.1f} · "
        f"first right in place {facts.first} · {count}"
    )
    asking = (
        f"<figure class='dff-asks'><img src='{facts.source}' alt='query: {escape(facts.title)}'>"
        f"<figcaption><span class='dff-verdict'>query</span></figcaption></figure>"
    )
    strip = asking + "".join(map(_result, facts.results))
    found = sum(result.right for result in facts.results)
    if found == facts.right and len(facts.results) < RESULTS:
        strip += "<p class='dff-muted dff-fine'>No more right ones to find.</p>"
    return (
        f"<section class='dff-answer'><header><b>{escape(facts.title)}</b>"
        f"<span class='dff-muted'>{told}</span><nav>{links}</nav></header>"
        f"<div class='dff-strip'>{strip}</div></section>"
    )


def _result(facts: ResultFacts) -> str:
    verdict, sign = ("right", "✓") if facts.right else ("wrong", "✕")
    title = escape(facts.title)
    return (
        f"<figure class='dff-{verdict}'><img src='{facts.source}' "
        f"alt='result {facts.place}, {verdict}: {title}' title='{title}'><figcaption>"
        f"<span class='dff-verdict'>{facts.place} {sign} {verdict}</span>"
        f"<span class='dff-line'>{title}</span>"
        f"<span class='dff-line dff-muted'>{escape(facts.label)}</span></figcaption></figure>"
    )
