"""Concepts in a browser: choose a set, see what it shares, name it, meet the name elsewhere."""

import io
import re
import zipfile

import pytest

pytestmark = pytest.mark.browser


def test_a_set_is_chosen_its_part_is_named_and_the_name_is_met_on_explore(open_page):
    from playwright.sync_api import expect

    expect.set_options(timeout=30_000)
    page = open_page("/?picture=dam_3")
    page.get_by_role("radio", name="Concepts").click()
    view = page.get_by_test_id("concepts")
    expect(view.get_by_test_id("card")).to_have_count(9)

    # Choose the dams in the gallery, with the keyboard.
    page.get_by_role("button", name="Choose pictures").click()
    gallery = page.get_by_test_id("gallery")
    gallery.get_by_role("button", name="Choose none").click()
    gallery.get_by_label("Search pictures by name or category").fill("dam_")
    for id in ("Amagase Dam", "Békés weir", "Don Joaquin Dam"):
        tile = gallery.get_by_role("button", name=id)
        tile.press("Enter")
        expect(tile).to_have_attribute("aria-pressed", "true")
    gallery.get_by_test_id("use-chosen").press("Enter")
    expect(view.get_by_test_id("card")).to_have_count(3)
    expect(view.get_by_role("img", name="Amagase Dam; part 1")).to_have_count(1)
    expect(page).to_have_url(re.compile("set=dam_1%2Cdam_2%2Cdam_4"))

    # One part alone: the alternative texts tell of no other.
    concept = view.get_by_test_id("concept").nth(2)
    concept.get_by_test_id("only").press("Enter")
    expect(view.get_by_role("img", name="Amagase Dam; part 3")).to_have_count(1)
    label = view.get_by_test_id("set-picture").first.get_attribute("aria-label")
    assert "part 1" not in label and "part 2" not in label
    assert concept.get_by_test_id("crop").count() >= 4

    # Name it; digits and h are shortcuts elsewhere.
    concept.get_by_test_id("part-rename").click()
    field = concept.get_by_test_id("part-name-input")
    field.press_sequentially("h3 falling water")
    field.press("Enter")
    expect(concept.get_by_test_id("part-name")).to_have_text("h3 falling water")
    expect(page.get_by_role("button", name="Names (1)")).to_be_visible()

    # The masks can be had as files.
    page.get_by_role("button", name="Masks").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    with zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes())) as file:
        assert "dam_1-part3.png" in file.namelist()
        assert "h3 falling water" in file.read("masks.csv").decode()
    page.keyboard.press("Escape")

    # A picture opens on Explore, where its part has the name, with how alike it is.
    view.get_by_test_id("open-picture").first.click()
    named = page.get_by_test_id("part-name").filter(has_text="h3 falling water").first
    expect(named).to_have_text(re.compile(r"^h3 falling water 0\.[6-9]\d$"))


def test_a_result_is_starred_and_asked_about_with_the_query(open_page):
    from playwright.sync_api import expect

    page = open_page("/?picture=dam_3")
    card = page.get_by_test_id("card").nth(1)
    id = card.get_attribute("data-id")
    card.get_by_test_id("keep").click()
    shortlist = page.get_by_role("button", name="Shortlist (1)")
    expect(shortlist).to_be_visible()
    shortlist.click()
    page.get_by_placeholder("A note").fill("not a dam")
    page.get_by_placeholder("A note").press("Enter")
    page.keyboard.press("Escape")

    # Less like it: both are the query now, and it is no result.
    card.get_by_test_id("open-detail").click()
    page.get_by_test_id("detail-less").click()
    view = page.get_by_test_id("several")
    expect(view.get_by_test_id("asked")).to_have_count(2)
    expect(page).to_have_url(re.compile(f"also=dam_3&less={id}"))
    assert id not in [one.get_attribute("data-id") for one in view.get_by_test_id("card").all()]
    told = view.get_by_test_id("open-result").first.get_attribute("aria-label")
    assert re.search(
        r"Rank 1, .*, score 0\.\d+; Iedigawa Dam \+0\.\d+, .* [−+]0\.\d+\. Open it", told
    )

    # Turned around by keyboard, it adds to the score; the focus stays where it was.
    less = view.locator(f"[data-id='{id}']")
    less.get_by_test_id("more").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"also=dam_3%2C{id}$"))
    expect(less.get_by_test_id("more")).to_have_attribute("aria-pressed", "true")
    expect(less.get_by_test_id("more")).to_be_focused()
    less.get_by_test_id("leave-out").click()
    expect(view.get_by_test_id("asked")).to_have_count(1)

    # The star is there in this view, too, with its note.
    kept = view.locator(f"[data-id='{id}']").get_by_test_id("keep")
    expect(kept).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Shortlist (1)").click()
    expect(page.get_by_placeholder("A note")).to_have_value("not a dam")
