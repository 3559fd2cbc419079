"""Take away in a real browser: an address that opens the same pair, and a figure on the disk."""

import io
from pathlib import Path

from PIL import Image

PATIENCE = 60_000


def expect_url(page, wait: str) -> None:
    page.wait_for_function("text => location.search.includes(text)", arg=wait)


def test_share_a_pair_and_take_a_figure(open_page, tmp_path):
    page = open_page("/?picture=neuschwanstein_castle_1")
    card = page.get_by_test_id("card").nth(1)
    id = card.get_attribute("data-id")
    card.get_by_test_id("open-detail").click()
    title = page.get_by_test_id("detail-title").inner_text()
    expect_url(page, f"result={id}")

    # Somebody else opens that address: the same pair is in front of them.
    there = open_page(f"/?picture=neuschwanstein_castle_1&result={id}")
    there.get_by_test_id("detail").wait_for()
    assert there.get_by_test_id("detail-title").inner_text() == title
    assert len(there.get_by_test_id("cell").all()) == 16
    there.keyboard.press("Escape")
    there.get_by_test_id("detail").wait_for(state="hidden")
    there.wait_for_function("!location.search.includes('result')")

    there.get_by_role("button", name="Take away").click()
    dialog = there.get_by_role("dialog", name="Take away")
    dialog.get_by_text("/?picture=neuschwanstein_castle_1").wait_for()
    dialog.get_by_text("One result").click()
    dialog.get_by_role("combobox").wait_for()
    files = {}
    for label in ("PNG", "Contributions, CSV"):
        with there.expect_download(timeout=PATIENCE) as download:
            dialog.get_by_role("button", name=label, exact=True).click()
        path = Path(tmp_path / download.value.suggested_filename)
        download.value.save_as(path)
        files[path.name] = path.read_bytes()
    figure, table = files.values()
    assert list(files) == [
        "neuschwanstein_castle_1-result-1.png",
        "neuschwanstein_castle_1-contributions.csv",
    ]
    with Image.open(io.BytesIO(figure)) as image:
        assert image.width == 2160
    assert table.startswith(b"rank,id,query_part,target_part,contribution\n1,")
    assert dialog.is_visible()  # taking something does not close it
