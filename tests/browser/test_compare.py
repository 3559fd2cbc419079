"""Lab, Compare in a browser: one visit, from Explore to the split of a result."""

import re
from pathlib import Path
from typing import Any

import pytest

from dff.app import compare_data
from dff.descriptors import about
from dff.index import Index

pytestmark = pytest.mark.browser

SAMPLE = Path(__file__).parents[2] / "sample_index"
QUERY = "dam_3"
TOP = 8


@pytest.fixture(scope="module")
def rankings() -> list[compare_data.Ranking]:
    """What the page shows, by the package itself."""
    index = Index.open(SAMPLE)
    names = compare_data.preferred(index.settings.descriptors, index.descriptor)
    return [
        compare_data.rank(index, index.indexed_query(QUERY, name))
        for name in names[: compare_data.MOST]
    ]


def shown(page: Any) -> list[list[int]]:
    """The rows of the pictures in the chart, column by column, as they lie on the screen."""
    cards: list[tuple[int, float, int]] = page.get_by_test_id("bump").evaluate(
        """(chart) => [...chart.querySelectorAll(".card")].map((card) =>
          [Math.round(card.getBoundingClientRect().x), card.getBoundingClientRect().y,
           Number(card.dataset.row)])"""
    )
    columns = sorted({x for x, _, _ in cards})
    return [[row for x, _, row in sorted(cards) if x == column] for column in columns]


def joined(page: Any) -> set[tuple[int, int]]:
    """(row, count) of the lines between columns."""
    rows: list[int] = page.get_by_test_id("bump").evaluate(
        """(chart) => [...chart.querySelectorAll(".line:not(.open)")].map((line) =>
          Number(line.dataset.row))"""
    )
    return {(row, rows.count(row)) for row in rows}


def test_a_visit(open_page, rankings):
    from playwright.sync_api import expect

    index = Index.open(SAMPLE)
    page = open_page(f"/?picture={QUERY}")
    page.get_by_role("button", name="Lab").click()
    page.get_by_role("menuitem", name="Compare").click()

    # The query has come along, and every column is the descriptor's own search.
    page.get_by_test_id("bump-card").first.wait_for()
    expect(page).to_have_url(re.compile(f"picture={QUERY}"))
    found = [ranking.first(TOP) for ranking in rankings]
    assert shown(page) == found
    pairs = [
        row for one, other in zip(found, found[1:], strict=False) for row in one if row in other
    ]
    assert joined(page) == {(row, pairs.count(row)) for row in pairs}

    # Pointing at a picture names it, with its rank and score by each descriptor.
    place = 2
    row = found[-1][place]
    card = page.get_by_test_id("bump-card").nth(TOP * (len(found) - 1) + place)
    card.hover()
    tip = page.get_by_test_id("tip")
    expect(tip).to_contain_text(index.pictures[row].title)
    for ranking in rankings:
        score = f"{ranking.scores[row]:.3f}".replace("-", "−")
        line = f"{about(ranking.descriptor).title}{ranking.ranks[row]}{score}"
        expect(tip).to_contain_text(line)

    # Choosing it splits its scores, and the address keeps the choice.
    card.click()
    expect(page).to_have_url(re.compile(f"result={index.pictures[row].id}"))
    expect(card).to_have_attribute("aria-pressed", "true")
    for ranking in rankings:
        text = f"rank {ranking.ranks[row]} of {len(index) - 1}"
        expect(page.get_by_text(text).first).to_be_visible()
    expect(page.locator(".dff-split").first).to_be_visible()

    # The chart is walked with the arrow keys.
    card.focus()
    page.keyboard.press("ArrowUp")
    above = page.get_by_test_id("bump").locator(".card:focus")
    expect(above).to_have_attribute("data-row", str(found[-1][place - 1]))


def test_a_phone_shows_it_all(open_page):
    shown = "[data-testid=bump-card]"
    page = open_page(f"/compare?picture={QUERY}", size=(390, 844), shown=shown)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390
    right = page.get_by_test_id("bump").evaluate(
        "(chart) => Math.max(...[...chart.querySelectorAll('.card, .head')]"
        ".map((node) => node.getBoundingClientRect().right))"
    )
    assert right <= 390
