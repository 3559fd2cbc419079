import json

import pytest

from dff.app.components.gallery import (
    PAGE,
    first_page,
    gallery_data,
    items_text,
    valid_row,
    valid_rows,
)


class Picture:
    def __init__(self, row):
        self.id, self.title = f"id{row}", f"<b>{row}"
        self.category = "other" if row % 3 == 1 else "kind"


class Index:
    pictures = [Picture(row) for row in range(100)]

    def __len__(self):
        return len(self.pictures)

    def thumbnail(self, row):
        return b"\xff\xd8" + bytes([row])


def test_only_the_thumbnails_that_are_needed_are_sent():
    data = gallery_data(Index(), [3, 99], 3)
    assert data["items"] == items_text(Index())
    assert data["thumbnails"] == {
        "3": "data:image/jpeg;base64,/9gD",
        "99": "data:image/jpeg;base64,/9hj",
    }
    assert data["selected"] == 3


def test_all_pictures_are_one_text_of_columns_written_once():
    index = Index()
    text = items_text(index)
    items = json.loads(text)
    assert items["ids"] == [f"id{row}" for row in range(100)]
    assert items["titles"][5] == "<b>5"
    assert items["kinds"] == ["kind", "other"]
    assert items["kind"] == [int(row % 3 == 1) for row in range(100)]
    assert items_text(index) is text


def test_the_page_of_the_choice_opens():
    assert first_page(None, 100) == list(range(PAGE))
    assert first_page(50, 100) == list(range(PAGE, 2 * PAGE))
    assert first_page(99, 100) == list(range(2 * PAGE, 100))


@pytest.mark.parametrize("value", [None, -1, 100, 1.5, "3", True, [], {}])
def test_what_is_not_a_row_is_none(value):
    assert valid_row(value, 100) is None


def test_rows_from_the_browser_are_checked_and_bounded():
    assert valid_rows([5, 5, -1, "x", None, 99, 100, True], 100) == [5, 99]
    assert len(valid_rows(list(range(1000)), 1000)) == PAGE
    assert valid_rows("123", 100) == valid_rows({"a": 1}, 100) == valid_rows(None, 100) == []
