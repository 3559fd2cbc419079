"""Numbers on coloured cells can be read: WCAG's contrast of 4.5 to 1, in both themes."""

from pathlib import Path

import pytest

from dff.app.components import stage

pytestmark = pytest.mark.browser
SCRIPT = (Path(stage.__file__).parent / "tables.js").read_text(encoding="utf-8")


def luminance(red: int, green: int, blue: int) -> float:
    shares = (value / 255 for value in (red, green, blue))
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: list[int], other: list[int]) -> float:
    darker, lighter = sorted(luminance(*colour) for colour in (one, other))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_every_cell_of_the_contribution_tables_can_be_read(chromium, dark):
    page = chromium.new_page()
    found = page.evaluate(
        f"""(dark) => {{
          {SCRIPT}
          const probe = document.body.appendChild(document.createElement("p"));
          const values = (text) => text.match(/\\d+/g).slice(0, 3).map(Number);
          return Array.from({{ length: 201 }}, (_, i) => {{
            Object.assign(probe.style, divergingStyle(i / 100 - 1, 1, dark));
            const style = getComputedStyle(probe);
            return [values(style.backgroundColor), values(style.color)];
          }});
        }}""",
        dark,
    )
    page.close()
    assert len({tuple(background) for background, _ in found}) > 150
    assert len({tuple(ink) for _, ink in found}) == 1
    assert min(contrast(*pair) for pair in found) >= 4.5
    assert contrast([0, 0, 0], [255, 255, 255]) == pytest.approx(21)
