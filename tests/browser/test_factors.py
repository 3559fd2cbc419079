"""Lab, Factors in a browser: numbers under the pointer, parts through k, a closer look."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dff.app.engine import Source, engine
from dff.app.microscope import Recipe, microscope

pytestmark = pytest.mark.browser

SAMPLE = Path(__file__).parents[2] / "sample_index"
QUERY = "eiffel_tower_1"


def colours(page: Any) -> list[str]:
    """The colours of the parts' badges, heatmap by heatmap, each once."""
    return list(
        dict.fromkeys(
            page.locator(".heatgrid .head .dff-badge").evaluate_all(
                "(badges) => badges.map((badge) => badge.style.getPropertyValue('--part'))"
            )
        )
    )


def test_a_cell_is_read_k_is_changed_and_a_channel_is_looked_at(open_page: Any) -> None:
    from playwright.sync_api import expect

    expect.set_options(timeout=60_000)
    page = open_page(f"/factors?picture={QUERY}", shown="[aria-roledescription=heatmap]")
    expect(page.get_by_role("heading", name="How well the parts fit")).to_be_visible(timeout=60_000)
    rows = page.locator("table").filter(has_text="Share of energy").locator("tbody tr")

    # The strongest cell of the first part, by keyboard: what the package itself finds there.
    lab = microscope(engine(str(SAMPLE)))
    slide = lab.slide(
        Source.of_row(lab.engine.index, lab.engine.index.row_of[QUERY]),
        "efficientnet_lite0",
        lab.layers("efficientnet_lite0").default,
    )
    heat = lab.factors(slide, 4, Recipe()).heatmaps[0]
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    one = page.locator("[aria-roledescription=heatmap][aria-label^='Part 1']").first
    one.focus()
    page.keyboard.press("Home")
    spoken = page.locator(".spoken").filter(has_text="row").first
    expect(spoken).to_contain_text(f"row {row + 1}, column {column + 1}: ")
    expect(spoken).to_contain_text("100 % of its maximum")
    told = float(re.search(r"part 1 ([\d.e-]+)", spoken.inner_text())[1])  # type: ignore[index]
    assert told == pytest.approx(float(heat.max()), rel=6e-3)

    # The same place is marked and told in every part's heatmap.
    page.mouse.move(0, 0)
    one.hover()
    expect(page.locator(".heatgrid .tip:visible")).to_have_count(4)

    # One part more: the old ones keep their colours, the fifth is visibly new.
    before = colours(page)
    expect(rows).to_have_count(4)
    page.get_by_role("slider").first.focus()
    page.keyboard.press("ArrowRight")
    expect(rows).to_have_count(5)
    expect(page.locator("[aria-roledescription=heatmap][aria-label^='Part 5']")).to_be_visible()
    after = colours(page)
    assert len(before) == 4 and len(after) == 5 and set(before) < set(after)
    expect(page.locator(".heatgrid .head").filter(has=page.locator(".dff-new"))).to_have_count(1)
    assert "k=5" in page.url

    # Closer: the channels that a part is made of.
    page.get_by_text("Channels of each part").click()
    charts = page.get_by_role("button", name=re.compile("Show data: Part .'s strongest channels"))
    expect(charts).to_have_count(5)
    expect(page).to_have_url(re.compile("channels=true"))
