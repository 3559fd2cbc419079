"""The deletion check in a browser: from a result's detail to its test, and back."""

import re
from typing import Any

import pytest

pytestmark = pytest.mark.browser


def test_a_result_is_tested_from_its_detail(open_page: Any) -> None:
    from playwright.sync_api import expect

    expect.set_options(timeout=60_000)
    page = open_page("/?picture=taj_mahal_1")
    page.get_by_test_id("card").first.locator(".frame").click()
    page.get_by_test_id("detail-test").click()
    page.get_by_test_id("detail").wait_for(state="hidden")  # it would lie over the test
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("The split credits part")).to_be_visible()
    expect(dialog.get_by_text("not proof of cause")).to_be_visible()
    expect(dialog.get_by_role("img", name=re.compile("blurred$"))).to_be_visible()
    dialog.get_by_text("Test all parts").click()
    expect(dialog.get_by_text("Rank correlation")).to_be_visible()
    expect(dialog.locator(".dff-tests tbody tr")).to_have_count(4)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.get_by_test_id("card").first).to_be_visible()


def test_the_test_fits_a_phone(open_page: Any) -> None:
    from playwright.sync_api import expect

    expect.set_options(timeout=60_000)
    page = open_page("/?picture=taj_mahal_1", size=(390, 844))
    page.get_by_test_id("card").first.locator(".frame").click()
    page.get_by_test_id("detail-test").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("The split credits part")).to_be_visible()
    dialog.get_by_text("Test all parts").click()
    expect(dialog.get_by_text("Rank correlation")).to_be_visible()
    for node in (*dialog.locator("img").all(), dialog.locator(".dff-tests")):
        box = node.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390, box
