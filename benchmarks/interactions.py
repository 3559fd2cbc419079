"""How long each answer of the dashboard takes, seen from the browser.

    python benchmarks/interactions.py [--index NAME=FOLDER ...] [--repeat 20] [--write]

From the click or key to the first frame that shows the answer: the server, the wire and drawing,
for one visitor in headless Chromium on this machine. `benchmarks/large_index.py` writes an index
of 10,000 pictures to look at. The sample index is always measured.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from common import ROOT, parser, progress, publish, table
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
PATIENCE = 60_000  # ms
STARTS = 3
IDLE = ".stApp[data-test-script-state=notRunning]"  # the last answer is complete

# In the page: `arm(what)` waits for the next event, then for the first frame in which `what` gives
# another text than before it and every canvas in the window is drawn.
WATCH = """
localStorage.clear();
const hosts = () => [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")];
const roots = () => [document, ...hosts().map((host) => host.shadowRoot).filter(Boolean)];
window.all = (selector) => roots().flatMap((root) => [...root.querySelectorAll(selector)]);
window.texts = (selector) => all(selector).map((node) => node.textContent).join("|");
const drawn = () => all("canvas.photo").every((canvas) => {
  const box = canvas.getBoundingClientRect();
  const inside = box.width && box.bottom > 0 && box.top < innerHeight;
  return !inside || canvas.classList.contains("filled");
});
let began = null;
for (const kind of ["click", "keydown"]) {
  addEventListener(kind, () => { began ??= performance.now(); }, true);
}
window.arm = (what) => {
  const before = what();
  began = null;
  window.answer = new Promise((done, failed) => {
    setTimeout(() => failed(new Error(`no answer; before and now: ${before}, ${what()}`)), 30000);
    const look = () => {
      if (began !== null && what() !== before && drawn()) done(performance.now() - began);
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
};
"""


@dataclass(frozen=True)
class Interaction:
    """path: the page. shown: on it when it is complete. watched: JavaScript, a text that the answer
    changes. act: what the visitor does, the n-th time. before: what is made ready, unmeasured."""

    name: str
    path: str
    shown: str
    watched: str
    act: Callable[[Page, int], None]
    before: Callable[[Page, int], None] = lambda page, n: None


def press(role: str, name: str, *keys: str) -> Callable[[Page, int], None]:
    """Press a key on a control: the first the first time, the second the second, and over again."""
    return lambda page, n: page.get_by_role(role, name=name).first.press(keys[n % len(keys)])  # type: ignore[arg-type]


def click(testid: str, count: int = 1) -> Callable[[Page, int], None]:
    """Click on the n-th of some."""
    return lambda page, n: page.get_by_test_id(testid).nth(n % count).click()


def tab(*names: str) -> Callable[[Page, int], None]:
    """Choose one name after another."""
    return lambda page, n: page.get_by_role("radio", name=names[n % len(names)]).click()


def results(page: Page, n: int) -> None:
    page.get_by_role("option", name=str((12, 6)[n % 2]), exact=True).click()


def opened(page: Page, n: int) -> None:
    page.get_by_role("combobox", name="Results").click()


def marked(page: Page, n: int) -> None:
    """A box of its own each time, drawn by keyboard; it is asked for by the measured key."""
    page.get_by_test_id("mark-region").press("Enter")
    layer = page.get_by_test_id("box-layer")
    for key in ["ArrowRight"] * (n + 1) + ["ArrowDown"] * (n // 2):
        layer.press(key)


def closed(page: Page, n: int) -> None:
    if page.get_by_test_id("detail").count():
        page.keyboard.press("Escape")


EXPLORE = ("/?picture=dam_3", "[data-testid=card] canvas.filled")
FORTH, BACK = "ArrowRight", "ArrowLeft"
PARTS = "String(all('[data-testid=part]').length)"
RANKING = "texts('[data-testid=card] [data-testid=score]')"
TITLE = "texts('[data-testid=query-title]')"
INTERACTIONS = (
    Interaction("switch a part off or on", *EXPLORE, RANKING, click("part-switch", 4)),
    Interaction(
        "move a part's weight",
        *EXPLORE,
        RANKING,
        lambda page, n: page.get_by_test_id("part-weight").nth(n % 4).press(BACK),
        lambda page, n: n == 0 and page.get_by_test_id("weights-toggle").click(),
    ),
    Interaction(
        "open a result",
        *EXPLORE,
        "texts('[data-testid=detail-title]')",
        click("open-detail", 6),
        closed,
    ),
    Interaction(
        "show 12 results, or 6",
        *EXPLORE,
        "String(all('[data-testid=card]').length)",
        results,
        opened,
    ),
    Interaction(
        "k one more or less, seen before", *EXPLORE, PARTS, press("slider", "Parts", BACK, FORTH)
    ),
    Interaction(
        "another picture: use a result as the query",
        *EXPLORE,
        TITLE,
        lambda page, n: page.get_by_test_id("use-as-query").nth(n % 5 + 1).click(),
    ),
    Interaction(
        "surprise me",
        *EXPLORE,
        TITLE,
        lambda page, n: page.get_by_role("button", name="Surprise me").click(),
    ),
    Interaction(
        "mark a region (a network pass)",
        *EXPLORE,
        "texts('[data-testid=query]') + location",
        lambda page, n: page.get_by_test_id("box-layer").press("Enter"),
        marked,
    ),
    Interaction(
        "from one picture to its concepts, and back",
        "/?picture=dam_3",
        EXPLORE[1],
        "String(all('[data-testid=concept]').length)",
        tab("Concepts", "One picture"),
    ),
    Interaction(
        "k on Concepts, seen before",
        "/?view=concepts",
        "[data-testid=set] canvas.filled",
        "String(all('[data-testid=concept]').length)",
        press("slider", "Parts", BACK, FORTH),
    ),
    Interaction(
        "next step of the lesson, or back",
        "/learn?step=6",
        "canvas.filled",
        "texts('[data-testid=where]')",
        lambda page, n: page.get_by_test_id(("back", "next")[n % 2]).click(),
    ),
    Interaction(
        "k on Factors, seen before",
        "/factors?picture=dam_3",
        "text=How well the parts fit",
        "texts('.stApp [data-testid=stHtml]')",
        press("slider", "Parts", BACK, FORTH),
    ),
    Interaction(
        "another section of My photos",
        "/photos",
        "text=1–48 of",
        "texts('.stMain')",
        tab("Credits", "Pictures"),
    ),
)


def measured(page: Page, address: str, one: Interaction, repeat: int) -> list[float]:
    """Milliseconds of each time, after one of each kind that is not counted."""
    page.goto(address + one.path)
    page.locator(one.shown).first.wait_for()
    page.wait_for_timeout(1500)
    times = []
    for n in range(repeat + 2):
        page.locator(IDLE).wait_for()
        one.before(page, n)
        page.evaluate(f"arm(() => {one.watched})")
        one.act(page, n)
        times.append(float(page.evaluate("answer")))
        page.wait_for_timeout(250)
    return times[2:]


def first_page(browser: Browser, folder: Path) -> float:
    """Milliseconds from the start of the server to the first picture with its results."""
    began = time.perf_counter()
    with server(folder) as address:
        page = browser.new_page()
        page.goto(address)
        page.locator(EXPLORE[1]).first.wait_for(timeout=PATIENCE)
        page.close()
        return 1000 * (time.perf_counter() - began)


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """The address of a dashboard on an index."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    options = [f"--server.port={port}", "--server.headless=true", "--server.fileWatcherType=none"]
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", *options],
        cwd=ROOT,
        env={**os.environ, "DFF_INDEX": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://localhost:{port}"
    try:
        while process.poll() is None:
            try:
                urllib.request.urlopen(address + "/_stcore/health", timeout=1)
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait(20)


def visit(browser: Browser, folder: Path, repeat: int) -> dict[str, list[float]]:
    """Every interaction on one index."""
    found = {
        "first page, from the start of the server": [
            first_page(browser, folder) for _ in range(STARTS)
        ]
    }
    with server(folder) as address:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(PATIENCE)
        page.add_init_script(WATCH)
        for one in progress(INTERACTIONS, folder.name):
            found[one.name] = measured(page, address, one, repeat)
    return found


def main() -> None:
    """Measure, print and, with --write, put the table into docs/."""
    made = parser(__doc__, ["interactions"])
    made.add_argument("--index", nargs="+", default=[], metavar="NAME=FOLDER")
    made.add_argument("--repeat", type=int, default=20)
    args = made.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("no chromium on this machine: apt-get install chromium")
    folders = {"sample index": ROOT / "sample_index"}
    folders.update((name, Path(folder)) for name, folder in (x.split("=", 1) for x in args.index))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM)
        found = {name: visit(browser, folder, args.repeat) for name, folder in folders.items()}
    head = ["milliseconds", *(f"{name}, {what}" for name in found for what in ("median", "95 %"))]
    rows = [
        [
            name,
            *(
                f"{np.percentile(times[name], at):.0f}"
                for times in found.values()
                for at in (50, 95)
            ),
        ]
        for name in next(iter(found.values()))
    ]
    publish("interactions", table(head, rows), write=args.write)


if __name__ == "__main__":
    main()
