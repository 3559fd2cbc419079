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
