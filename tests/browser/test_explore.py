"""Explore in a browser: what only a browser can show."""

import base64
import io
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dff.app import scene
from dff.app.stories import Story, load
from dff.index import Index, Query
from dff.shared_parts import JOINT, joint_parts

pytestmark = pytest.mark.browser

SAMPLE = Path(__file__).parents[2] / "sample_index"
STORY = load()[0][0]
SIDE = 24  # pictures are compared at 24 x 24


@pytest.fixture(scope="module")
def index() -> Index:
    return Index.open(SAMPLE)


@pytest.fixture(autouse=True)
def patience() -> None:
    from playwright.sync_api import expect

    expect.set_options(timeout=30_000)


# --- reading the page -------------------------------------------------------------------------


def expect_url(page: Any, pattern: str) -> None:
    from playwright.sync_api import expect

    expect(page).to_have_url(re.compile(pattern))


def expect_text(locator: Any, text: str | re.Pattern[str]) -> None:
    from playwright.sync_api import expect

    expect(locator).to_have_text(text)


def expect_count(locator: Any, count: int) -> None:
    from playwright.sync_api import expect

    expect(locator).to_have_count(count)


def settle(page: Any) -> None:
    """Until nothing moves and every canvas is painted."""
    page.evaluate(FRAMES)
    page.wait_for_function(
        """() => {
          const all = (root) => [...root.querySelectorAll("*")]
            .flatMap((node) => [node, ...(node.shadowRoot ? all(node.shadowRoot) : [])]);
          const nodes = all(document);
          const moving = nodes.some((n) => n.matches(".card") && n.getAnimations().length);
          const blank = nodes.some((n) => n.matches(".card canvas:not(.filled)"));
          return !moving && !blank;
        }"""
    )


# The stage draws with the next frame.
FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def cards(page: Any) -> list[dict[str, Any]]:
    """What the cards show, in the order in which they lie on the screen."""
    page.evaluate(FRAMES)
    found: list[dict[str, Any]] = page.get_by_test_id("stage").evaluate(
        """(stage) => [...stage.querySelectorAll("[data-testid=card]")].map((card) => {
          const { x, y } = card.getBoundingClientRect();
          const canvas = card.querySelector("canvas");
          return {
            x, y, row: Number(card.dataset.row), rank: Number(card.dataset.rank),
            id: card.dataset.id, title: card.querySelector(".title").textContent,
            shown: card.querySelector(".rank").textContent,
            score: card.querySelector("[data-testid=score]").textContent,
            moved: card.querySelector("[data-testid=moved]").textContent,
            label: canvas.getAttribute("aria-label"), image: canvas.toDataURL(),
          };
        })"""
    )
    return sorted(found, key=lambda card: (round(card["y"]), card["x"]))


def images(page: Any) -> list[str]:
    """Every picture as it is drawn now: the query and the cards."""
    page.evaluate(FRAMES)
    drawn: list[str] = page.get_by_test_id("stage").evaluate(
        """(stage) => [...stage.querySelectorAll(".query canvas, .card canvas")].map((canvas) =>
          canvas.toDataURL())"""
    )
    return drawn


def pixels(source: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(source)).convert("RGB")
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32)


@cache
def photos(index: Index) -> np.ndarray:
    """All thumbnails of the index: (n, 24, 24, 3)."""
    return np.stack([pixels(index.thumbnail(row)) for row in range(len(index))])


def decoded(uri: str) -> bytes:
    return base64.b64decode(uri.partition(",")[2])


def tint(heat: np.ndarray, maximum: float, weights: np.ndarray) -> np.ndarray:
    """How much colour lies on each pixel of a picture: the stage's formula, (24, 24)."""
    scaled = np.stack(
        [
            np.asarray(Image.fromarray(part).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
            for part in heat.astype(np.float32) / maximum
        ]
    ).clip(0, 1)
    t = ((scaled.max(axis=0) - 0.15) / 0.3).clip(0, 1)
    cubes = scaled**3
    seen = (cubes * (weights > 0)[:, None, None]).sum(axis=0)
    return t * t * (3 - 2 * t) * seen / np.maximum(cubes.sum(axis=0), 1e-9)


def query_of(index: Index, story: Story) -> Query:
    if story.box is None:
        return index.indexed_query(story.picture)
    path = index.photo_path(index.row(story.picture))
    assert path is not None
    return index.query(path, box=story.box)


def check_cards(page: Any, index: Index, weights: list[float], story: Story = STORY) -> list[str]:
    """Every card's picture, name, score and heat are one picture's; the ids in order."""
    settle(page)
    shown = cards(page)
    query = query_of(index, story)
    matches = index.search(query, weights=weights, top=len(shown))
    assert [card["id"] for card in shown] == [match.id for match in matches]
    rows = [match.row for match in matches]
    shared = joint_parts(index, query, [m.row for m in index.search(query, top=JOINT)])
    heats = {row: shared.of(index, row).heatmaps for row in rows}
    maximum = max(float(heat.max()) for heat in (shared.query.heatmaps, *heats.values()))
    expected = {row: tint(heat, maximum, np.array(weights)) for row, heat in heats.items()}
    for rank, (card, match) in enumerate(zip(shown, matches, strict=True), start=1):
        title = index.pictures[match.row].title
        score = f"{match.score:.3f}"
        assert (card["row"], card["title"], card["score"]) == (match.row, title, score)
        assert (card["rank"], card["shown"]) == (rank, str(rank))
        assert card["label"].startswith(f"Rank {rank}, {title}, score {score}")
        drawn = pixels(decoded(card["image"]))
        colour = drawn.max(axis=2) - drawn.min(axis=2)
        if expected[match.row].max() < 0.02:  # none of the parts that are on is there
            assert colour.max() < 40, colour.max()
            continue
        likeness = {
            row: float(np.corrcoef(colour.ravel(), map.ravel())[0, 1])
            for row, map in expected.items()
            if map.std() > 0
        }
        assert max(likeness, key=lambda row: likeness[row]) == match.row, likeness
    page.get_by_test_id("only-photo").click()
    for card in cards(page):
        distance = np.abs(photos(index) - pixels(decoded(card["image"]))).mean(axis=(1, 2, 3))
        assert int(distance.argmin()) == card["row"]
    page.get_by_test_id("only-photo").click()
    return [card["id"] for card in shown]


# --- the opening story ------------------------------------------------------------------------


def test_the_opening_story(open_page, index):
    page = open_page()
    ones = [1.0] * STORY.k
    before = check_cards(page, index, ones)
    assert {id: before.index(id) + 1 for id in STORY.before} == STORY.before
    expect_text(page.get_by_test_id("story-text"), STORY.invitation)
    page.evaluate("window.animations.length = 0")
    page.get_by_test_id("story-button").click()
    page.wait_for_function("window.animations.length > 0")
    moves = page.evaluate("window.animations")
    watched = str(index.row_of[STORY.watch])
    (glide,) = (move for move in moves if move["row"] == watched)
    assert glide["transform"].startswith("translate(") and glide["duration"] == 450
    settle(page)
    old, new = STORY.before[STORY.watch], STORY.after[STORY.watch]
    outcome = f"{STORY.watch_title} moved from rank {old} to {new}."
    expect_text(page.get_by_test_id("story-outcome"), outcome)
    moved = {card["id"]: card["moved"] for card in cards(page)}
    assert moved[STORY.watch] == f"▲{old - new}"
    weights = [0.0 if part in STORY.switch else 1.0 for part in range(STORY.k)]
    after = check_cards(page, index, weights)
    assert {id: after.index(id) + 1 for id in STORY.after} == STORY.after
    expect_url(page, "weights=" + "(,|%2C)".join(f"{w:g}" for w in weights))
    assert check_cards(page, index, weights) == after  # nothing changes when the server answers
    page.get_by_test_id("story-button").click()
    expect_text(page.get_by_test_id("story-outcome"), re.compile(f"rank {old}"))
    assert check_cards(page, index, ones) == before
    expect_url(page, "^[^?]*$")


# One of each other kind: several parts switched off, a box, one part. All are true of the index:
# tests/app/test_stories.py.
OTHERS = [s for s in load()[0] if s.picture in ("chateau_de_chenonceau_1", "taj_mahal_1", "dam_5")]


@pytest.mark.parametrize("story", OTHERS, ids=lambda story: story.picture)
def test_other_stories(open_page, index, story):
    box = f"&box={','.join(map(str, story.box))}" if story.box else ""
    page = open_page(f"/?picture={story.picture}{box}")
    before = check_cards(page, index, [1.0] * story.k, story)
    assert {id: before.index(id) + 1 for id in story.before} == story.before
    if story.switch:
        page.get_by_test_id("story-button").click()
        page.wait_for_timeout(600)  # the glide
        weights = [0.0 if part in story.switch else 1.0 for part in range(story.k)]
        after = check_cards(page, index, weights, story)
        assert {id: after.index(id) + 1 for id in story.after} == story.after


def test_reduced_motion_is_respected(open_page, index):
    page = open_page(media={"reduced_motion": "reduce"})
    before = [card["id"] for card in cards(page)]
    page.evaluate("window.animations.length = 0")
    page.get_by_test_id("story-button").click()
    expect_text(page.get_by_test_id("story-outcome"), re.compile("moved"))
    assert [card["id"] for card in cards(page)] != before
    assert page.evaluate("window.animations") == []


# --- looking closer ---------------------------------------------------------------------------


def test_a_part_lights_up_in_every_picture(open_page):
    page = open_page()
    settle(page)
    page.mouse.move(2, 2)
    calm = images(page)
    page.get_by_test_id("part").nth(0).hover()
    lit = images(page)
    assert all(a != b for a, b in zip(calm, lit, strict=True)) and len(calm) == 7
    page.get_by_test_id("part").nth(1).hover()
    assert all(a != b for a, b in zip(lit, images(page), strict=True))
    page.mouse.move(2, 2)
    assert images(page) == calm


def test_how_it_is_drawn_is_the_browsers_own_business(open_page):
    page = open_page("/?picture=eiffel_tower_1")
    settle(page)
    page.wait_for_timeout(300)
    asked = page.evaluate("window.sent")
    assert asked > 0
    drawn = images(page)
    page.get_by_test_id("display-toggle").click()
    for name in ("opacity", "threshold"):
        slider = page.get_by_test_id(name)
        slider.focus()
        for _ in range(12):
            slider.press("ArrowLeft")
        drawn, old = images(page), drawn
        assert all(a != b for a, b in zip(old, drawn, strict=True)), name
    for act in (
        lambda: page.get_by_test_id("scale").select_option("picture"),
        lambda: page.get_by_test_id("grid").check(),
        lambda: page.get_by_test_id("view-own").click(),
        lambda: page.get_by_test_id("only-photo").click(),
    ):
        act()
        drawn, old = images(page), drawn
        assert drawn != old
    page.wait_for_timeout(500)
    assert page.evaluate("window.sent") == asked
    page.get_by_test_id("part-switch").nth(0).click()  # and this one does ask the server
    expect_url(page, "weights=0")
    assert page.evaluate("window.sent") > asked


def test_the_detail_dialog(open_page, index):
    page = open_page("/?picture=neuschwanstein_castle_1")
    settle(page)
    shown = cards(page)
    page.get_by_test_id("open-detail").nth(1).click()
    dialog = page.get_by_test_id("detail")
    for place in (1, 2, 1):
        card = shown[place]
        expect_text(page.get_by_test_id("detail-title"), f"{place + 1}. {card['title']}")
        texts = dialog.get_by_test_id("cell").all_inner_texts()
        cells = [float(text.replace("−", "-")) for text in texts]
        assert len(cells) == 16
        assert sum(cells) == pytest.approx(float(card["score"]), abs=16 * 0.0005)
        expect_text(page.get_by_test_id("detail-score"), card["score"])
        page.keyboard.press("ArrowRight" if place == 1 else "ArrowLeft")
    assert dialog.get_by_test_id("pair-sentence").inner_text().startswith("Strongest pair")
    dialog.get_by_test_id("cell").nth(5).hover()
    expect_text(dialog.get_by_test_id("pair-sentence"), re.compile("This pair: your part 2"))
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    assert [card["id"] for card in cards(page)] == [card["id"] for card in shown]


# --- asking something else --------------------------------------------------------------------


def asked_again(page: Any, act: Callable[[], Any], address: str) -> list[str]:
    """Do it, wait for the server's answer at that address; the ids that are shown then."""
    act()
    expect_url(page, address)
    expect_text(page.get_by_test_id("status"), "")
    settle(page)
    return [card["id"] for card in cards(page)]


def test_a_box_by_mouse_keyboard_and_numbers(open_page, index):
    page = open_page("/?picture=taj_mahal_1")
    settle(page)
    whole = [card["id"] for card in cards(page)]
    picture = index.pictures[index.row_of["taj_mahal_1"]]

    def by_mouse() -> None:
        page.get_by_test_id("mark-region").click()
        frame = page.get_by_test_id("box-layer").bounding_box()

        def move(x: float, y: float) -> None:
            across, down = x / picture.width, y / picture.height
            left, top = across * frame["width"], down * frame["height"]
            page.mouse.move(frame["x"] + left, frame["y"] + top)

        move(395, 170)
        page.mouse.down()
        move(500, 300)
        move(600, 360)
        page.mouse.up()
        page.get_by_test_id("box-apply").click()

    dome = asked_again(page, by_mouse, r"box=39\d(%2C|,)\d+(%2C|,)(59|60)\d")
    assert dome != whole and "dome_of_the_rock" in dome

    def by_keyboard() -> None:
        page.get_by_test_id("mark-region").press("Enter")
        layer = page.get_by_test_id("box-layer")
        for key in ["ArrowLeft"] * 3 + ["Shift+ArrowDown"] * 3 + ["Enter"]:
            layer.press(key)

    x0 = round(395 - 3 * picture.width / 100)
    moved = asked_again(page, by_keyboard, r"box=3[56]\d(%2C|,)")
    assert abs(int(re.search(r"box=(\d+)", page.url)[1]) - x0) <= 6

    def by_numbers() -> None:
        page.get_by_test_id("mark-region").click()
        # The new x0 lies to the right of the old x1, so that the corners cross on the way.
        for name, value in zip(("x0", "y0", "x1", "y1"), (700, 30, 780, 180), strict=True):
            field = page.get_by_test_id(f"box-{name}")
            field.fill("")
            field.press_sequentially(str(value), delay=30)
        page.get_by_test_id("box-y1").press("Enter")

    corner = asked_again(page, by_numbers, r"box=700(%2C|,)30(%2C|,)780(%2C|,)180")
    assert corner != moved
    again = asked_again(page, lambda: page.get_by_test_id("clear-box").click(), "^((?!box).)*$")
    assert again == whole


def test_a_result_becomes_the_query_and_its_weights_are_heard(open_page, index):
    page = open_page()
    settle(page)
    page.get_by_test_id("story-button").click()
    (part,) = STORY.switch
    told = "weights=" + "(%2C|,)".join("0" if j == part else "1" for j in range(STORY.k))
    expect_url(page, told)
    settle(page)
    chosen = cards(page)[1]
    page.get_by_test_id("use-as-query").nth(1).click()
    expect_text(page.get_by_test_id("query-title"), chosen["title"])
    expect_url(page, f"picture={chosen['id']}$")
    settle(page)
    query = index.indexed_query(chosen["id"])
    assert [card["id"] for card in cards(page)] == [m.id for m in index.search(query, top=6)]
    page.get_by_test_id("part-switch").nth(part).click()  # the same weights, for another picture
    expect_url(page, told)


def test_k_is_a_slider_and_a_name_can_be_typed(open_page):
    page = open_page("/?picture=clownfish")
    page.get_by_role("slider", name="Parts").first.press("ArrowRight")
    expect_count(page.get_by_test_id("part"), 5)
    expect_url(page, "k=5")
    settle(page)
    page.get_by_test_id("part-rename").nth(2).click()
    field = page.get_by_test_id("part-name-input").nth(2)
    field.press_sequentially("h12 fins")  # h and numbers are shortcuts elsewhere
    field.press("Enter")
    expect_text(page.get_by_test_id("part-name").nth(2), "h12 fins")
    for switch in page.get_by_test_id("part-switch").all():
        assert switch.get_attribute("aria-checked") == "true"


def test_an_own_picture_is_uploaded(open_page, index):
    page = open_page()
    photo = index.photo_path(index.row_of["eiffel_tower_2"])
    page.get_by_role("button", name="Upload").click()
    file = {"name": "my holiday.jpg", "mimeType": "image/jpeg", "buffer": photo.read_bytes()}
    page.locator("input[type=file]").set_input_files([file])
    page.get_by_role("button", name="my holiday.jpg").wait_for()
    expect_text(page.get_by_test_id("query-title"), "my holiday.jpg")
    settle(page)
    found = [card["id"] for card in cards(page)]
    assert found[0].startswith("eiffel_tower") and "eiffel_tower_2" not in found
    bad = {"name": "notes.png", "mimeType": "image/png", "buffer": b"no picture"}
    expect_count(page.locator("input[type=file]"), 1)  # an empty one, in the old one's place
    page.locator("input[type=file]").set_input_files([bad])
    alert = page.get_by_test_id("stAlert")
    alert.wait_for()
    assert "notes.png" in alert.inner_text()
    expect_text(page.get_by_test_id("query-title"), "my holiday.jpg")


def test_a_picture_is_chosen_in_the_gallery(open_page):
    page = open_page()
    page.get_by_role("button", name="Browse").click()
    gallery = page.get_by_test_id("gallery")
    gallery.get_by_label("Search pictures").fill("neuschwanstein")
    tile = gallery.locator("button.tile").first
    title = tile.locator(".name").inner_text()
    tile.locator("img").wait_for()
    tile.click()
    expect_text(page.get_by_test_id("query-title"), title)
    expect_url(page, "picture=neuschwanstein_castle_")
    gallery.wait_for(state="hidden")


# --- on every screen --------------------------------------------------------------------------


def test_a_phone_scrolls_in_one_direction(open_page):
    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    wide = "document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"
    inside = """() => { const main = document.querySelector("[data-testid=stMain]");
      return main.scrollWidth - main.clientWidth; }"""

    def check(what: str) -> None:
        assert page.evaluate(wide) <= 0 and page.evaluate(inside) <= 0, what

    settle(page)
    check("first view")
    columns = {round(card["x"]) for card in cards(page)}
    assert len(columns) <= 2
    page.get_by_test_id("display-toggle").tap()
    page.get_by_test_id("weights-toggle").tap()
    page.get_by_test_id("mark-region").tap()
    check("everything unfolded")
    page.get_by_test_id("open-detail").first.tap()
    dialog = page.get_by_test_id("detail")
    dialog.wait_for()
    check("detail")
    assert dialog.evaluate("(node) => node.scrollWidth - node.clientWidth") <= 0


# Colours come in many notations: paint them on the background and look at the pixel.
LUMINANCES = """(node) => {
  const context = document.createElement("canvas").getContext("2d");
  const luminance = () => {
    const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].slice(0, 3).map((v) =>
      v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const app = document.querySelector(".stApp");
  return [getComputedStyle(app).backgroundColor, getComputedStyle(node).color].map((colour) => {
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    return luminance();
  });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_can_be_read(open_page, scheme):
    page = open_page("/?picture=eiffel_tower_1", media={"color_scheme": scheme})
    settle(page)
    stage = page.get_by_test_id("stage")
    assert ("dark" in stage.get_attribute("class").split()) == (scheme == "dark")
    for name in ("query-title", "part-name", "score", "use-as-query", "mark-region"):
        background, text = page.get_by_test_id(name).first.evaluate(LUMINANCES)
        assert (background < 0.2) == (scheme == "dark")
        dark, light = sorted((background, text))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, name


def test_no_photo_is_enlarged_too_much(open_page, index):
    page = open_page("/?picture=goldfish&top=24", size=(2200, 1200))
    settle(page)
    found = page.get_by_test_id("stage").evaluate(
        """(stage) => [...stage.querySelectorAll(".card, .query")].map((node) =>
          [Number(node.dataset.row ?? -1), node.querySelector("canvas").clientWidth])"""
    )
    assert len(found) == 25
    for row, width in found:
        picture = index.pictures[row if row >= 0 else index.row_of["goldfish"]]
        own = picture.thumbnail[0] if row >= 0 else min(picture.width, scene.LARGE_SIDE)
        assert 0 < width <= 1.5 * own + 1, picture.id
    page.get_by_test_id("open-detail").first.click()
    match = page.get_by_test_id("detail-match")
    match.wait_for()
    own = index.pictures[cards(page)[0]["row"]].thumbnail[0]
    assert match.bounding_box()["width"] <= 1.5 * own + 1


def test_refining_tells_how_far_it_is_and_stops(open_page):
    page = open_page("/?picture=dam_3")
    settle(page)
    before = [card["id"] for card in cards(page)]
    page.get_by_text("Refine", exact=True).click()
    page.get_by_text("of 13").wait_for()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect_count(page.get_by_text("of 13"), 0)
    expect_count(page.locator("label", has_text="Refine").locator("input:checked"), 0)
    settle(page)
    assert [card["id"] for card in cards(page)] == before
