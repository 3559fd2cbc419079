"""A talk in a lecture hall: 1280 x 720, from the first slide to the last, by keyboard."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.browser

SLIDE = ".slide"
TITLE = ".slide h1"


def test_a_story_is_told_by_keyboard(open_page: Any) -> None:
    from playwright.sync_api import expect

    page = open_page(
        "/present?picture=great_wall_of_china_1", size=(1280, 720), shown=".slide img.seen"
    )
    title = page.locator(TITLE)
    expect(title).to_have_text("Great Wall of China on green hills")
    page.keyboard.press("ArrowRight")
    expect(title).to_have_text("A network sees 4 parts in it")
    expect(page.locator(".legend li")).to_have_count(4)
    page.wait_for_url("**slide=2**")

    seen = page.locator(".slide img.seen").first
    page.keyboard.down("h")
    expect(seen).to_be_hidden()
    page.keyboard.up("h")
    expect(seen).to_be_visible()

    told = []
    while page.get_by_role("button", name="Next slide").is_enabled():
        page.keyboard.press("ArrowRight")
        told.append(title.inner_text())
        # One window holds it all, in letters that the last row reads.
        fits = page.evaluate(
            """() => {
              const deck = document.querySelector("[data-testid=stBidiComponentIsolated]")
                .shadowRoot.querySelector(".deck");
              const words = [...deck.querySelectorAll(".slide *")].filter((node) =>
                [...node.childNodes].some((one) => one.nodeType === 3 && one.data.trim()));
              const inside = words.every((node) => {
                const box = node.getBoundingClientRect();
                return box.left >= 0 && box.right <= 1280 && box.bottom <= 720;
              });
              const sizes = words.map((node) => parseFloat(getComputedStyle(node).fontSize));
              return [inside, Math.min(...sizes)];
            }"""
        )
        assert fits == [True, pytest.approx(fits[1])] and fits[1] >= 24, (told[-1], fits)
    assert told[-1] == "The photos" and any("best match" in one for one in told)
    assert page.locator("[data-testid=stSidebar]").count() == 0

    # At half contrast, as on a projector in daylight, letters still stand out from the page.
    page.keyboard.press("Home")
    page.evaluate("document.documentElement.style.filter = 'contrast(0.5)'")
    picture = np.asarray(Image.open(io.BytesIO(title.screenshot())).convert("L"), np.float64)
    darkest, lightest = ((picture / 255) ** 2.2).min(), ((picture / 255) ** 2.2).max()
    assert (lightest + 0.05) / (darkest + 0.05) >= 4.5

    page.keyboard.press("Escape")
    page.wait_for_selector("canvas.filled")
    assert "/present" not in page.url and "great_wall_of_china_1" in page.url
    href = page.get_by_role("link", name="Present").get_attribute("href")
    assert "present?" in href and "picture=great_wall_of_china_1" in href
