"""Take the README's screenshots: real pages, real browser, the sample index.

    make screenshots        (or: python scripts/screenshots.py [NAME ...])

Needs the system's Chromium and the development requirements.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
OUT = ROOT / "assets" / "screenshots"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


def still(page: Page) -> None:
    """Leave the page as it is."""


def story(page: Page) -> None:
    """Follow the opening invitation and let the cards glide."""
    page.get_by_test_id("story-button").click()
    page.wait_for_timeout(1500)


def detail(page: Page) -> None:
    """Open the second result: the first windmill."""
    page.get_by_test_id("open-detail").nth(1).click()
    page.wait_for_timeout(900)


SHOTS: dict[str, tuple[str, tuple[int, int], str, Callable[[Page], None]]] = {
    "explore": ("/", (1440, 900), "light", still),
    "explore-after": ("/", (1440, 900), "light", story),
    "explore-dark": ("/?picture=neuschwanstein_castle_1", (1440, 900), "dark", still),
    "explore-box": ("/?picture=taj_mahal_1&box=395,170,600,360", (1440, 900), "light", still),
    "explore-detail": ("/", (1440, 900), "light", detail),
    "explore-phone": ("/?picture=eiffel_tower_1", (390, 844), "light", still),
    "factors": ("/factors?picture=eiffel_tower_1", (1440, 900), "light", still),
    "factors-dark": ("/factors?picture=eiffel_tower_1", (1440, 900), "dark", still),
    "compare": ("/compare?first=5", (1440, 900), "light", still),
    "evaluate": ("/evaluate", (1440, 900), "light", still),
}

# The last heading of each page of the lab: when it is there, so are the others.
LAB = {
    "/factors": "How well the parts fit",
    "/compare": "One result, by each descriptor",
    "/evaluate": "Query by query",
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
    env = {k: v for k, v in os.environ.items() if k != "DFF_INDEX"}
    server = subprocess.Popen([*command, *options], cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
    try:
        address = f"http://localhost:{port}"
        wait_for(address)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
            for name in wanted:
                path, (width, height), scheme, act = SHOTS[name]
                context = browser.new_context(
                    viewport={"width": width, "height": height}, color_scheme=scheme
                )
                page = context.new_page()
                page.goto(address + path)
                lab = next((words for start, words in LAB.items() if path.startswith(start)), "")
                if lab:
                    page.get_by_role("heading", name=lab).wait_for(timeout=90_000)
                    page.wait_for_timeout(8000)
                else:
                    page.wait_for_selector("[data-testid=stage] canvas", timeout=60_000)
                    page.wait_for_timeout(3000)
                act(page)
                page.screenshot(path=OUT / f"{name}.png")
                print(OUT / f"{name}.png")
                context.close()
            browser.close()
    finally:
        server.terminate()


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
