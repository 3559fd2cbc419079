"""The real dashboard in a real Chromium: one server for all tests, a fresh page for each.

A test fails on any error on its page and on any request that leaves this machine.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[2]
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
WIDE = {"width": 1440, "height": 900}
PATIENCE = 30_000  # ms for one step, on a busy machine

# What happens between two looks of a test: every animation, by the row of its card, and how many
# messages went to the server.
NOTES = """
localStorage.clear();
window.animations = [];
window.sent = 0;
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (message) {
  window.sent += 1;
  return send.call(this, message);
};
const animate = Element.prototype.animate;
Element.prototype.animate = function (frames, options) {
  const { duration } = options;
  window.animations.push({ row: this.dataset.row, transform: frames[0]?.transform, duration });
  return animate.call(this, frames, options);
};
"""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a dashboard on the sample index."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py"]
    options = [f"--server.port={port}", "--server.headless=true", "--server.fileWatcherType=none"]
    log = tmp_path_factory.mktemp("server") / "log.txt"
    env = {name: value for name, value in os.environ.items() if name != "DFF_INDEX"}
    env["DFF_DATA"] = str(tmp_path_factory.mktemp("data"))
    address = f"http://localhost:{port}"
    with log.open("w") as out:
        process = subprocess.Popen([*command, *options], cwd=ROOT, env=env, stdout=out, stderr=out)
        try:
            _wait_for(address, process, log)
            yield address
        finally:
            process.terminate()
            process.wait(10)


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(address + "/_stcore/health", timeout=1)
            return
        except OSError:
            assert process.poll() is None, f"the server ended: {log.read_text()[-2000:]}"
            time.sleep(0.1)
    raise AssertionError(f"the server does not answer: {log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser; the test is skipped where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def wide(chromium: Any) -> Iterator[Any]:
    """The context of most tests: a desktop window, light; its pages share a cache."""
    context = chromium.new_context(viewport=WIDE, color_scheme="light")
    yield context
    context.close()


@pytest.fixture
def open_page(chromium: Any, wide: Any, server: str) -> Iterator[Callable[..., Any]]:
    """open_page("/?picture=dam_3", media={"color_scheme": "dark"}): the page with its cards.

    shown: what is on the page when it is complete. size: of the window. Further options make a new
    browser context, which takes longer.
    """
    problems: list[str] = []

    def watch(page: Any) -> None:
        def requested(request: Any) -> None:
            url = urlsplit(request.url)
            if url.scheme in ("http", "https", "ws", "wss") and url.hostname != "localhost":
                problems.append(f"request to {request.url}")

        page.on("pageerror", lambda error: problems.append(f"page error: {error}"))
        page.on("request", requested)
        page.on("websocket", requested)

    with ExitStack() as stack:

        def run(
            path: str = "/",
            *,
            media: dict[str, str] | None = None,
            size: tuple[int, int] | None = None,
            shown: str = "canvas.filled",
            **options: Any,
        ) -> Any:
            context = wide
            if options:
                context = chromium.new_context(**{"viewport": WIDE, **options})
                stack.callback(context.close)
            page = context.new_page()
            stack.callback(page.close)
            watch(page)
            page.set_default_timeout(PATIENCE)
            page.emulate_media(**(media or {}))
            if size:
                page.set_viewport_size({"width": size[0], "height": size[1]})
            page.add_init_script(NOTES)
            page.goto(server + path)
            page.locator(shown).first.wait_for()
            return page

        yield run
    assert problems == []
