"""The shortlist of an index: pictures to keep, a note for each, and the list to take away."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from dff.app import kept
from dff.app.factors_data import label, plain
from dff.export.page import data_uri
from dff.export.records import csv_table, csv_text
from dff.index import Index

KIND = "shortlists"
MOST = 500
LONGEST = 500  # characters of a note
UNDO = "shortlist_undo"
FIELDS = ("id", "path", "title", "note")


@dataclass(frozen=True)
class Entry:
    """A kept picture: its id, the sha256 of its file, by which it is found where its id has
    changed, and the user's note."""

    id: str
    sha256: str
    note: str = ""


def entries(index: Index) -> list[Entry]:
    """What is kept of an index, in the order it was kept; pictures that are gone included."""
    return read_document(kept.read(KIND, index.folder))


def rows_of(index: Index) -> frozenset[int]:
    """The rows of the kept pictures."""
    return frozenset(row for row in map(partial(row_of, index), entries(index)) if row is not None)


def row_of(index: Index, entry: Entry) -> int | None:
    """Where an entry's picture is now; None where it is gone."""
    row = index.row_of.get(entry.id)
    if row is not None:
        return row
    return min(index.rows_of_file(entry.sha256), default=None)


def toggle(index: Index, row: Any) -> None:
    """Keep a picture, or no longer. row: from a component; nonsense changes nothing."""
    if type(row) is not int or not 0 <= row < len(index):
        return
    found = [entry for entry in entries(index) if row_of(index, entry) == row]
    if found:
        remove(index, found[0])
        return
    picture = index.pictures[row]
    _change(index, lambda known: [*known, Entry(picture.id, picture.sha256)][-MOST:])


def remove(index: Index, entry: Entry) -> None:
    """Take an entry off the list. It can be undone."""
    known = entries(index)
    place = next((i for i, other in enumerate(known) if other.id == entry.id), None)
    if place is not None:
        _change(index, lambda now: [other for other in now if other.id != entry.id])
        st.session_state[UNDO] = (place, known[place])


def popover(index: Index) -> None:
    """The list, where notes are written, pictures removed, and all of it exported."""
    known = entries(index)
    label = "Shortlist" if not known else f"Shortlist ({len(known)})"
    with st.popover(label, icon=":material/star:", key="shortlist"):
        st.markdown("**Shortlist**")
        where = "kept on this machine" if kept.is_kept() else "kept until you leave the page"
        st.caption(f"Pictures you starred, with your notes: {where}.")
        if not known:
            st.caption("Empty. Use the star on a result to keep it.")
        for entry in known:
            _entry(index, entry)
        if UNDO in st.session_state:
            _, gone = st.session_state[UNDO]
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.markdown(f":small[{plain(_title(index, gone), 60)} is removed.]")
                st.button(
                    "Undo",
                    icon=":material/undo:",
                    key="shortlist_undo_button",
                    on_click=_undo,
                    args=(index,),
                )
        if known:
            with st.container(horizontal=True, gap="small"):
                for kind, make, mime in (("CSV", as_csv, "text/csv"), ("JSON", as_json, _JSON)):
                    st.download_button(
                        kind,
                        partial(make, index, known),
                        f"shortlist.{kind.lower()}",
                        mime,
                        icon=":material/download:",
                        on_click="ignore",
                        key=f"shortlist_{kind}",
                    )


_JSON = "application/json"


def as_csv(index: Index, known: Sequence[Entry]) -> str:
    """The list as a table."""
    return csv_table(
        FIELDS, ([csv_text(str(v)) for v in record.values()] for record in records(index, known))
    )


def as_json(index: Index, known: Sequence[Entry]) -> str:
    """The list as one JSON document."""
    return json.dumps(records(index, known), ensure_ascii=False, indent=1)


def records(index: Index, known: Sequence[Entry]) -> list[dict[str, str]]:
    """One record an entry; path and title are empty for pictures that are gone."""
    found = []
    for entry in known:
        row = row_of(index, entry)
        picture = None if row is None else index.pictures[row]
        path, title = ("", "") if picture is None else (picture.path, picture.title)
        found.append(dict(zip(FIELDS, (entry.id, path, title, entry.note), strict=True)))
    return found


def document_of(known: Sequence[Entry]) -> dict[str, Any]:
    """As one JSON document."""
    pictures = [{"id": e.id, "sha256": e.sha256, "note": e.note} for e in known]
    return {"version": 1, "pictures": pictures}


def read_document(document: object) -> list[Entry]:
    """The entries of such a document, each picture once; what cannot be read is left out."""
    given = document.get("pictures") if isinstance(document, Mapping) else None
    found: dict[str, Entry] = {}
    for record in given if isinstance(given, list) else []:
        values = record if isinstance(record, Mapping) else {}
        id, sha256, note = (values.get(name, "") for name in ("id", "sha256", "note"))
        if isinstance(id, str) and id and isinstance(sha256, str) and isinstance(note, str):
            found.setdefault(id, Entry(id, sha256, note[:LONGEST]))
    return list(found.values())


def _entry(index: Index, entry: Entry) -> None:
    row = row_of(index, entry)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if row is not None:
            st.image(data_uri(index.thumbnail(row)), width=72, alt=index.pictures[row].title)
        with st.container(gap="xsmall"):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.markdown(f"{plain(_title(index, entry), 60)}", width="stretch")
                st.button(
                    "Remove",
                    icon=":material/delete:",
                    type="tertiary",
                    key=f"shortlist_remove_{entry.id}",
                    on_click=remove,
                    args=(index, entry),
                )
            key = f"shortlist_note_{entry.id}"
            st.text_input(
                f"Note on {label(_title(index, entry))}",
                entry.note,
                max_chars=LONGEST,
                placeholder="A note",
                key=key,
                label_visibility="collapsed",
                on_change=_noted,
                args=(index, entry.id, key),
            )


def _title(index: Index, entry: Entry) -> str:
    row = row_of(index, entry)
    return f"{entry.id}, no longer here" if row is None else index.pictures[row].title


def _noted(index: Index, id: str, key: str) -> None:
    note = str(st.session_state[key])[:LONGEST]
    _change(
        index,
        lambda known: [Entry(e.id, e.sha256, note) if e.id == id else e for e in known],
    )


def _undo(index: Index) -> None:
    place, entry = st.session_state.pop(UNDO)
    _change(
        index,
        lambda known: [*known[:place], entry, *(e for e in known[place:] if e.id != entry.id)],
    )


def _change(index: Index, how: Any) -> None:
    kept.change(KIND, index.folder, lambda document: document_of(how(read_document(document))))
