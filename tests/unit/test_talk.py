"""The slides of a query, and the page that needs no server."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from dff.app.components.talk import page
from dff.app.stories import Story
from dff.app.talk import talk
from dff.images import read_image
from dff.shared_parts import joint_parts

ROOT = Path(__file__).parents[2]
DATA = re.compile(r"data:image/jpeg;base64,[A-Za-z0-9+/=]+")


@pytest.fixture
def told(index):
    """talk(...) for the first picture of the index."""

    def tell(title="A title", names=None, story=None):
        query = index.indexed_query(index.pictures[0].id)
        photo = read_image(index.photo_path(0))
        shared = joint_parts(index, query, [1, 2])
        return query, talk(
            index, query, photo, title, shared, range(query.parts.k), names or {}, story
        )

    return tell


def test_every_number_is_the_searches(index, told):
    query, slides = told()
    rows = index.row_scores(query)
    order = [row for row in np.argsort(-rows.sum(axis=1), kind="stable") if row != 0][:6]
    best = index.pictures[order[0]].title
    titles = [slide["title"] for slide in slides]
    parts = f"A network sees {query.parts.k} parts in it"
    match = f"The best match: {best}"
    assert titles[:2] == ["A title", parts] and titles[3] == match
    assert titles[-1] == "The photos"  # and none on parts that are switched off
    captions = [figure["caption"] for figure in slides[5]["figures"]]
    assert captions == [
        f"{place}. {index.pictures[row].title} · {rows[row].sum():.2f}"
        for place, row in enumerate(order, 1)
    ]
    table = index.contributions(query, order[0])
    told_table = slides[4]["table"]
    assert np.allclose(np.array(told_table["cells"], float), table, atol=0.0051)
    assert told_table["total"] == f"{rows[order[0]].sum():.2f}"
    assert table[tuple(told_table["most"])] == table.max()
    # Each picture that was shown is named in the end.
    assert len(slides[-1]["credits"]) == 1 + len(order)


def test_parts_that_a_story_switches_off_leave_the_sum(index, told):
    query = index.indexed_query(index.pictures[0].id)
    rows = index.row_scores(query)
    story = Story("", 3, None, "", "Switch it off", "", (0,), "", "", {}, {})
    slide = told(story=story)[1][-2]
    assert slide["title"] == "Switch it off"
    scores = rows[:, 1:].sum(axis=1)
    scores[0] = -np.inf
    first = int(scores.argmax())
    assert slide["figures"][0]["caption"] == (
        f"1. {index.pictures[first].title} · {scores[first]:.2f}"
    )


def test_a_users_name_is_no_guess(told):
    legend = told(names={1: ("my <b>part", None)})[1][1]["legend"]
    assert legend[1]["text"] == "my <b>part"
    assert all(row["text"] != "my <b>part" for row in legend[::2])


def test_the_page_holds_all_it_needs_and_no_title_ends_its_script(told):
    title = "</script><script>alert(1)</script>"
    document = page(title, told(title)[1])
    assert document.count("</script>") == 1 and "alert(1)</script>" not in document
    assert f"<title>{title.replace('<', '&lt;').replace('>', '&gt;')}</title>" in document
    assert not re.search(r"(src|href)=.https?:", document)


def test_the_great_walls_page_is_todays(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from story_page import OUT, story_page

    # Its words and numbers; pictures may differ in a bit from machine to machine.
    assert DATA.sub("", OUT.read_text(encoding="utf-8")) == DATA.sub("", story_page())


def test_slides_are_json(told):
    assert json.loads(json.dumps(told()[1], allow_nan=False))
