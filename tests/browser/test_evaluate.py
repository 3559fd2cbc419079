"""Lab, Evaluate in a browser: one visit, from Explore and back by a failed query."""

import re
from pathlib import Path
from typing import Any

import pytest

from dff.app import evaluate_data
from dff.evaluation.stored import measure, questions
from dff.index import Index

pytestmark = pytest.mark.browser

SAMPLE = Path(__file__).parents[2] / "sample_index"


def go(page: Any) -> None:
    page.get_by_role("button", name="Lab").click()
    page.get_by_role("menuitem", name="Evaluate").click()
    page.locator(".dff-answer").first.wait_for()


def test_a_visit(open_page):
    from playwright.sync_api import expect

    index = Index.open(SAMPLE)
    question = questions(index)[0]
    usual = evaluate_data.default_row(measure(index, question))
    worst = evaluate_data.ordered_outcomes(question, usual, None, True)[0]
    asked = index.pictures[worst.query]

    page = open_page("/")
    go(page)
    card = page.locator(".dff-answer").first
    expect(card.locator("header b")).to_have_text(asked.title)
    expect(card.locator("header")).to_contain_text(f"first right in place {worst.first}")
    marks = card.locator(".dff-verdict").all_inner_texts()
    assert marks[0] == "query" and re.fullmatch(r"1 [✓✕] (right|wrong)", marks[1])
    # Its pictures have come, and the whole row fits on the page.
    loaded = card.locator("img").evaluate_all("all => all.map((i) => i.naturalWidth > 0)")
    assert len(loaded) == 8 and all(loaded)

    # A reload of the address shows the same.
    page.get_by_text("Best queries").click()
    expect(page).to_have_url(re.compile("order=Best"))
    best = evaluate_data.ordered_outcomes(question, usual, None, False)[0]
    expect(card.locator("header b")).to_have_text(index.pictures[best.query].title)
    page.reload()
    expect(card.locator("header b")).to_have_text(index.pictures[best.query].title)

    page.get_by_text("Worst queries").click()
    expect(card.locator("header b")).to_have_text(asked.title)
    card.get_by_role("link", name=f"Open in Explore: {asked.title}").click()
    page.wait_for_selector("canvas.filled")
    assert f"picture={asked.id}" in page.url
    expect(page.get_by_role("combobox", name=re.compile("Picture"))).to_have_value(asked.title)


def test_a_phone_needs_no_sideways_scrolling(open_page):
    dark = {"color_scheme": "dark"}
    page = open_page("/evaluate", size=(390, 844), media=dark, shown=".dff-answer")
    card = page.locator(".dff-answer").first
    card.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    tops = card.evaluate(
        "(card) => [...card.querySelectorAll('img')].map((i) => i.getBoundingClientRect().top)"
    )
    assert len(set(tops[:4])) == 1 and tops[4] > tops[0]  # four in a row
