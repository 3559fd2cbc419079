"""The gallery: choose a picture of the index, or several, by looking.

The browser knows every picture's title and category, so it searches and filters at once. It shows
a page of pictures at a time and asks for those thumbnails it has not seen.
"""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import streamlit as st

from dff.index import Index

PAGE = 48  # pictures on a page

_FOLDER = Path(__file__).parent
_ITEMS: WeakKeyDictionary[Index, str] = WeakKeyDictionary()


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _nothing() -> None:
    """Declare a key: Streamlit drops state and triggers that have no callback."""


_GALLERY = st.components.v2.component(
    "dff_gallery",
    html="<div class='gallery' data-testid='gallery'></div>",
    css=_read("gallery.css"),
    js=_read("gallery.js"),
)


def gallery(
    index: Index, *, key: str, selected: int | None = None, inline: bool = False
) -> int | None:
    """Mount the gallery and return the row of the picture that was just picked, or None.

    selected: the row of the present choice; it is marked, and its page is the one that opens.
    inline: it is a part of the page, not of a dialog, and leaves the keyboard's focus alone.
    """
    selected = valid_row(selected, len(index))
    result = _mount(index, key, selected, {"selected": selected, "inline": inline})
    return valid_row(result.get("pick"), len(index))


def gallery_of_many(
    index: Index,
    *,
    key: str,
    chosen: Sequence[int],
    most: int,
    verb: str = "Use",
    inline: bool = False,
) -> list[int]:
    """Mount the gallery for several pictures; the rows that were just decided on, or none.

    chosen: the rows of the present choice, in their order. most: how many can be chosen. verb:
    what the button says is done with them. inline: as in `gallery`.
    """
    given = valid_rows(chosen, len(index), most)
    first = given[0] if given else None
    several = {"selected": first, "chosen": given, "most": most, "verb": verb, "inline": inline}
    result = _mount(index, key, first, several)
    return valid_rows(result.get("done"), len(index), most)


def _mount(index: Index, key: str, selected: int | None, choice: dict[str, Any]) -> Any:
    state = st.session_state.get(key) or {}
    needed = valid_rows(state.get("needed"), len(index)) or first_page(selected, len(index))
    return _GALLERY(
        key=key,
        data={**gallery_data(index, needed, selected), **choice},
        on_needed_change=_nothing,
        on_pick_change=_nothing,
        on_done_change=_nothing,
    )


def gallery_data(index: Index, needed: Sequence[int], selected: int | None) -> dict[str, Any]:
    """What the browser gets, as JSON values: all pictures, the thumbnails of `needed`."""
    return {
        "items": items_text(index),
        "thumbnails": {str(row): _data_uri(index.thumbnail(row)) for row in needed},
        "selected": selected,
        "page": PAGE,
    }


def items_text(index: Index) -> str:
    """The ids, titles and categories of all pictures, as JSON: columns, in the order of rows.

    One text, written once an index: for 10,000 pictures as many small objects would be looked
    through and written again by Streamlit in every run.
    """
    if index not in _ITEMS:
        kinds = list(dict.fromkeys(picture.category for picture in index.pictures))
        place = {kind: number for number, kind in enumerate(kinds)}
        columns = {
            "ids": [picture.id for picture in index.pictures],
            "titles": [picture.title for picture in index.pictures],
            "kinds": kinds,
            "kind": [place[picture.category] for picture in index.pictures],
        }
        _ITEMS[index] = json.dumps(columns, ensure_ascii=False, separators=(",", ":"))
    return _ITEMS[index]


def first_page(selected: int | None, count: int) -> list[int]:
    """Rows of the page that opens: the one with the present choice."""
    start = (selected or 0) // PAGE * PAGE
    return list(range(start, min(start + PAGE, count)))


def valid_row(value: object, count: int) -> int | None:
    """A row from the browser, or None."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < count:
        return value
    return None


def valid_rows(value: object, count: int, most: int = PAGE) -> list[int]:
    """At most `most` rows from the browser, each once; what is not a row is left out."""
    if not isinstance(value, list | tuple):
        return []
    found = dict.fromkeys(valid_row(row, count) for row in value[:most])
    return [row for row in found if row is not None]


def _data_uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
