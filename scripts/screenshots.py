"""Take the pictures of the README and of docs/pages.md: real pages, real browser, sample index.

    make screenshots        (or: python scripts/screenshots.py [NAME ...])

Needs the system's Chromium and the development requirements.
"""

import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "screenshots"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
WIDE, PHONE = (1440, 900), (390, 844)
QUALITY = 88
STAGE = "[data-testid=stage] canvas.filled"
TAJ = "picture=taj_mahal_1"
DOME = "box=395,170,600,360"


def still(page: Page) -> None:
    """Leave the page as it is."""


def story(page: Page) -> None:
    """Follow the opening invitation and let the cards glide."""
    page.get_by_test_id("story-button").click()


def detail(page: Page) -> None:
    """Open the second result: the first windmill."""
    page.get_by_test_id("open-detail").nth(1).click()


def answer(page: Page) -> None:
    """Show the answer of a step of the lesson."""
    page.get_by_test_id("show").click()
    page.wait_for_timeout(1500)


def frame(page: Page) -> None:
    """Draw a frame on the map."""
    box = page.get_by_test_id("plane").bounding_box()
    assert box is not None
    x, y, width, height = box.values()
    page.mouse.move(x + 0.62 * width, y + 0.05 * height)
    page.mouse.down()
    page.mouse.move(x + 0.97 * width, y + 0.42 * height, steps=6)
    page.mouse.up()
    page.wait_for_timeout(1500)


@dataclass(frozen=True)
class Shot:
    """One picture: its address, what tells that the page is complete, and what is done then."""

    path: str
    ready: str = STAGE
    size: tuple[int, int] = WIDE
    scheme: str = "light"
    act: Callable[[Page], None] = still


LESSON = "[data-testid=figure][aria-busy=false]"
FACTORS = "text=How well the parts fit"

SHOTS = {
    "explore": Shot("/"),
    "explore-after": Shot("/", act=story),
    "explore-dark": Shot("/?picture=neuschwanstein_castle_1", scheme="dark"),
    "explore-taj": Shot(f"/?{TAJ}"),
    "explore-box": Shot(f"/?{TAJ}&{DOME}"),
    "explore-detail": Shot("/", act=detail),
    "explore-phone": Shot("/?picture=eiffel_tower_1", size=PHONE),
    "concepts": Shot(f"/?view=concepts&{TAJ}", "[data-testid=set] canvas.filled"),
    "several": Shot("/?view=several&also=windmill_01&less=india_gate", "[data-testid=open-result]"),
    "learn": Shot("/learn?step=1", LESSON, act=answer),
    "learn-split": Shot("/learn?step=3", LESSON, act=answer),
    "learn-match": Shot("/learn?step=5", LESSON, act=answer),
    "learn-dark": Shot("/learn?step=6", LESSON, scheme="dark", act=answer),
    "learn-phone": Shot("/learn?step=6", LESSON, size=PHONE),
    "present": Shot(
        "/present?picture=great_wall_of_china_1&slide=2", ".slide img.seen", size=(1280, 720)
    ),
    "photos": Shot("/photos", ".tile img"),
    "photos-map": Shot("/photos?photos_show=Map", "text=Only nearness counts", act=frame),
    "factors": Shot("/factors?picture=eiffel_tower_1", FACTORS),
    "factors-dark": Shot("/factors?picture=eiffel_tower_1", FACTORS, scheme="dark"),
    "compare": Shot("/compare?first=5", "text=One result, by each descriptor"),
    "evaluate": Shot("/evaluate", "text=Query by query"),
}


def main() -> None:
    """Start the dashboard, visit each page, save what a visitor sees."""
    wanted = sys.argv[1:] or list(SHOTS)
    unknown = set(wanted) - set(SHOTS)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if unknown or chromium is None:
        sys.exit(f"unknown: {', '.join(unknown)}" if unknown else "no chromium on this machine")
    OUT.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py"]
    options = [f"--server.port={port}", "--server.headless=true", "--server.fileWatcherType=none"]
    # As a newcomer sees it: no names and no shortlist of this machine's user.
    data = tempfile.TemporaryDirectory()
    env = {k: v for k, v in os.environ.items() if k != "DFF_INDEX"} | {"DFF_DATA": data.name}
    server = subprocess.Popen([*command, *options], cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
    try:
        address = f"http://localhost:{port}"
        wait_for(address)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
            for name in wanted:
                shot = SHOTS[name]
                width, height = shot.size
                context = browser.new_context(
                    viewport={"width": width, "height": height}, color_scheme=shot.scheme
                )
                page = context.new_page()
                page.goto(address + shot.path)
                page.locator(shot.ready).first.wait_for(timeout=120_000)
                page.wait_for_timeout(4000)  # pictures decode, charts are drawn
                shot.act(page)
                page.wait_for_timeout(1500)
                picture = Image.open(io.BytesIO(page.screenshot()))
                picture.convert("RGB").save(OUT / f"{name}.webp", quality=QUALITY, method=6)
                print(OUT / f"{name}.webp")
                context.close()
            browser.close()
    finally:
        server.terminate()
        server.wait(10)
        data.cleanup()


def wait_for(address: str) -> None:
    """Until the server answers, a minute at most."""
    for _ in range(240):
        try:
            urllib.request.urlopen(address + "/_stcore/health", timeout=1)
            return
        except OSError:
            time.sleep(0.25)
    sys.exit("the dashboard did not start")


if __name__ == "__main__":
    main()
