"""axe-core's rules on every page, light and dark: nothing serious may be found.

Other tests look at what axe cannot see: the keyboard, the words of alternative texts, and the
colours of what is drawn on a canvas.
"""

from typing import Any

import pytest

AXE = pytest.importorskip(
    "axe_playwright_python.base", reason="axe-core is not installed"
).AXE_SCRIPT

# A page and what is on it when it is complete.
PAGES = {
    "/": "canvas.filled",
    "/?view=concepts": "[data-testid=set] canvas.filled",
    "/?view=concepts&splits=true": "[data-testid=flow-panel] svg",
    "/?view=several": "[data-testid=open-result] img",
    "/learn": "canvas.filled",
    "/photos": "text=1–48 of 222",
    "/photos?photos_show=Map": "text=Only nearness counts",
    "/present": ".slide img.seen",
    "/factors": "text=How well the parts fit",
    "/compare": "text=One result, by each descriptor",
    "/evaluate": ".dff-answer",
}


@pytest.mark.parametrize("path", PAGES)
def test_nothing_serious_is_found(open_page: Any, path: str) -> None:
    page = open_page(path, shown=PAGES[path])
    page.evaluate(AXE)
    page.wait_for_timeout(1000)  # what the browser asks for when it has drawn is on its way
    page.locator(".stApp[data-test-script-state=notRunning]").wait_for()
    found, passed = [], []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(
            "scheme => getComputedStyle(document.querySelector('.stApp')).colorScheme === scheme",
            arg=scheme,
        )
        page.wait_for_timeout(400)  # colours fade from one theme to the other
        # Of all rules only that of contrast sees another page in the dark.
        rules = "{}" if scheme == "light" else "{runOnly: ['color-contrast']}"
        results = page.evaluate(f"axe.run(document, {{resultTypes: ['violations'], ...{rules}}})")
        passed.append({rule["id"] for rule in results["passes"]})
        found += [
            (scheme, rule["id"], node["target"], node["failureSummary"])
            for rule in results["violations"]
            if rule["impact"] in ("serious", "critical")
            for node in rule["nodes"]
        ]
    assert found == []
    # The rules have looked at something, in both themes.
    assert {"color-contrast", "button-name", "document-title"} <= passed[0]
    assert "color-contrast" in passed[1]
