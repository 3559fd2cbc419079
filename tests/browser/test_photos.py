"""My photos: a collection from an uploaded ZIP, looked at in Explore, changed, and changed back."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser
SAMPLES = Path(__file__).parents[2] / "assets/photos"
PHOTOS = ("animals/bison.jpg", "animals/cat_1.jpg", "animals/cat_2.jpg")


def packed() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name in PHOTOS:
            archive.write(SAMPLES / name, name)
        archive.writestr("../outside.jpg", b"")
    return data.getvalue()


def test_a_frame_on_the_map_catches_what_is_alike(open_page: Any) -> None:
    from playwright.sync_api import expect

    page = open_page("/photos?photos_show=Map", shown="[data-testid=plane][data-shown]")
    page.get_by_text("Only nearness counts").wait_for(timeout=120_000)
    plane = page.get_by_test_id("plane")
    assert int(plane.get_attribute("data-shown")) > 40  # that many have room; the rest are dots
    expect(page.get_by_text("Nothing chosen")).to_be_visible()

    # A corner of the map: what lies in it is listed, with pictures, and can be looked at.
    box = plane.bounding_box()
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    caught = page.get_by_test_id("caught")
    count = int(page.get_by_test_id("caught-count").inner_text().split()[0])
    assert 10 < count < 222 and caught.count() == min(count, 60)
    expect(caught.first.locator("img[src^='data:image/jpeg']")).to_be_visible()
    ids = [one.get_attribute("data-id") for one in caught.all()]
    together = page.get_by_test_id("open-concepts").get_attribute("href")
    assert together.endswith("view=concepts&set=" + ",".join(ids[:24]))
    assert caught.first.get_attribute("href").endswith(f"picture={ids[0]}")

    # By keyboard: none, a neighbour, and one more.
    plane.focus()
    page.keyboard.press("Escape")
    expect(page.get_by_text("Nothing chosen")).to_be_visible()
    page.keyboard.press("ArrowRight")
    told = page.get_by_test_id("told")
    first = told.inner_text()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    expect(told).not_to_have_text(first)
    page.keyboard.press("Enter")
    expect(caught.locator(".title")).to_have_text([first, told.inner_text()])
    page.keyboard.press("+")
    expect(page.get_by_role("button", name="The whole map")).to_be_enabled()
    page.keyboard.press("0")
    expect(page.get_by_role("button", name="The whole map")).to_be_disabled()

    # What they share, in a tab of its own.
    with page.expect_popup() as opened:
        page.get_by_test_id("open-concepts").click()
    expect(opened.value.get_by_test_id("set-picture")).to_have_count(2, timeout=60_000)


def test_from_a_zip_to_explore_and_back(open_page: Any) -> None:
    page = open_page()
    page.get_by_role("link", name="My photos").click()
    page.get_by_role("radio", name="New collection").click()
    title = page.get_by_role("textbox", name="Name of the collection")
    title.fill("Three <i>animals</i>")
    title.press("Enter")
    page.locator("input[type=file]").first.set_input_files(
        [{"name": "all.zip", "mimeType": "application/zip", "buffer": packed()}]
    )
    page.locator("button:not([disabled])", has_text="Make the collection").click()
    # What was refused is said; the work goes on behind, and tells what came of it.
    page.get_by_text("leads out of the folder").wait_for()
    page.get_by_text("3 pictures found.").wait_for(timeout=180_000)
    page.get_by_role("button", name="Open it").click()
    page.wait_for_url("**collection=three-i-animals-i**")

    # Explore shows it.
    page.get_by_role("link", name="Explore").click()
    page.wait_for_selector("li.card[data-id=cat_1], li.card[data-id=cat_2]")
    assert "collection=three-i-animals-i" in page.url
    assert page.locator("li.card").count() == 2

    # Another name for one picture, by keyboard; another picture out; and back, step by step.
    page.get_by_role("link", name="My photos").click()
    page.get_by_role("radio", name="Pictures").click()
    page.locator(".tile").first.focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Change 1 picture").click()
    page.get_by_role("dialog").get_by_role("textbox").fill("Ein *Bison*")
    page.get_by_role("button", name="Save names").click()
    page.get_by_text("1 picture renamed").wait_for()
    page.locator(".tile .name", has_text="Ein *Bison*").wait_for()
    page.locator(".tile").nth(1).click()
    page.get_by_role("button", name="Change 1 picture").click()
    page.get_by_role("button", name="Remove this picture").click()
    page.get_by_text("1 picture removed").wait_for()
    page.get_by_text("2 pictures", exact=True).wait_for()
    page.get_by_role("button", name="Undo", exact=True).click()
    page.get_by_text("3 pictures", exact=True).wait_for()
    page.get_by_text("1 picture renamed").wait_for()
    assert page.locator(".tile .name").first.inner_text() == "Ein *Bison*"
