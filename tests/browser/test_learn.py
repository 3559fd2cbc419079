"""The lesson in a browser, from its first step to its last by keyboard."""

import re
from typing import Any

import pytest

pytestmark = pytest.mark.browser

TITLES = [
    "A stack of maps",
    "Finding parts",
    "Change k",
    "One descriptor",
    "Why this match",
    "Switch a part off",
    "When it fails",
]


def text(page: Any, testid: str) -> str:
    return str(page.get_by_test_id(testid).first.inner_text())


def at_step(page: Any, step: int) -> None:
    """Wait for a step's picture; the words are there before."""
    from playwright.sync_api import expect

    expect(page.get_by_test_id("where")).to_have_text(f"{step} of 7 · {TITLES[step - 1]}")
    page.wait_for_selector("[data-testid=figure][aria-busy=false]")


def answered(page: Any) -> str:
    """Show the answer by its key: its text. Nothing on the page moves."""
    from playwright.sync_api import expect

    question = page.get_by_test_id("question")
    before = question.bounding_box()
    page.keyboard.press("s")
    expect(page.get_by_test_id("show")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_test_id("answer")).not_to_be_empty()
    assert question.bounding_box() == before
    return text(page, "answer")


def test_the_lesson_is_walked_through_by_keyboard(open_page: Any) -> None:
    from playwright.sync_api import expect

    expect.set_options(timeout=60_000)
    page = open_page("/learn?picture=windmill_01", media={"reduced_motion": "reduce"})
    page.set_default_timeout(60_000)

    at_step(page, 1)
    page.get_by_test_id("channel").focus()
    before = text(page, "channel-title"), text(page, "here")
    page.keyboard.press("ArrowRight")  # the slider's own key: the page is not turned
    expect(page.get_by_test_id("channel-title")).not_to_have_text(before[0])
    page.get_by_test_id("cells").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_test_id("here")).not_to_have_text(before[1])
    page.get_by_test_id("show").focus()
    assert "light up in the same places" in answered(page) or "rather alone" in answered(page)
    expect(page.get_by_test_id("map-thumb").first).to_have_text(re.compile(r"^\d+: [01]\.\d\d$"))
    page.keyboard.press("s")
    expect(page.get_by_test_id("answer")).to_be_empty()

    page.keyboard.press("ArrowRight")
    at_step(page, 2)
    expect(page.get_by_test_id("iteration-title")).to_have_text(re.compile("^Start: random"))
    formula = text(page, "formula")
    page.get_by_test_id("step-on").press("Enter")
    expect(page.get_by_test_id("iteration-title")).to_have_text(re.compile("^Iteration 1 of 30"))
    expect(page.get_by_test_id("formula")).not_to_have_text(formula)
    done = re.search(r"About (\d+) of 30", answered(page))
    assert done and 1 < int(done[1]) < 30
    expect(page.get_by_test_id("iteration-title")).to_have_text(
        re.compile(f"^Iteration {done[1]} of 30")
    )

    page.keyboard.press("ArrowRight")
    at_step(page, 3)
    expect(page.get_by_test_id("flow-title")).to_have_text("k = 4")
    assert answered(page).startswith("From 4 to 5, part 1")
    expect(page.get_by_test_id("flow-title")).to_have_text("k = 5")
    expect(page.locator(".ribbon.lit")).to_have_count(2)
    page.keyboard.press("s")
    expect(page.get_by_test_id("flow-title")).to_have_text("k = 4")

    page.keyboard.press("ArrowRight")
    at_step(page, 4)
    assert text(page, "cosines").split() == ["Before", "whitening", "After", "whitening"]
    assert "cosine of" in answered(page)
    expect(page.locator(".cosine").first).to_have_text("1.00")

    page.keyboard.press("ArrowRight")
    at_step(page, 5)
    cells = [
        float(cell.replace("−", "-")) for cell in page.get_by_test_id("pair").all_inner_texts()
    ]
    score = float(text(page, "score-line").split()[1])
    assert len(cells) == 16 and abs(sum(cells) - score) < 0.01
    assert f"{max(cells):.3f}" in answered(page)
    expect(page.locator(".cell.looked-at")).to_have_text(f"{max(cells):.3f}")

    page.keyboard.press("ArrowRight")
    at_step(page, 6)
    expect(page.get_by_test_id("rank").first).to_contain_text("India Gate")
    assert "“India Gate, New Delhi” falls from rank 1" in answered(page)
    expect(page.get_by_test_id("rank").first).to_contain_text("Windmill")
    expect(page.locator("[data-testid=part-switch][aria-checked=false]")).to_have_count(1)

    page.keyboard.press("ArrowRight")
    at_step(page, 7)
    page.keyboard.press("ArrowRight")  # there is no eighth
    expect(page.get_by_test_id("right-rank")).to_have_text("?")
    assert "the right answer, is at rank 3" in answered(page)
    expect(page.get_by_test_id("right-rank")).to_have_text("3")
    assert "step=7" in page.url

    page.keyboard.press("ArrowLeft")
    at_step(page, 6)
    expect(page.locator("[data-testid=part-switch][aria-checked=false]")).to_have_count(0)
    page.emulate_media(media="print")
    expect(page.get_by_test_id("sentence")).to_be_visible()
    expect(page.get_by_test_id("question")).to_be_visible()
    for control in ("show", "next", "dot"):
        expect(page.get_by_test_id(control).first).to_be_hidden()
    page.emulate_media(media="screen")

    page.set_viewport_size({"width": 390, "height": 844})
    for step in range(1, 8):
        page.get_by_test_id("dot").nth(step - 1).click()
        at_step(page, step)
        wide = page.evaluate(
            "[document.scrollingElement.scrollWidth, "
            "document.querySelector('[data-testid=stMain]').scrollWidth]"
        )
        assert max(wide) <= 390, (step, wide)
