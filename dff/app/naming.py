"""Names that users give to parts: where the pages get them, and where they are changed."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from dff.app import kept
from dff.app.factors_data import plain
from dff.backbones import Backbone
from dff.concepts import directions
from dff.index import Index
from dff.named import SAME, Named, clean_name, documents, read_document, recognise, with_name

KIND = "names"
MOST = 500  # names an index
UNDO = "names_undo"

# {part: (name, cosine with what was named, None for the very same part)}
OwnNames = dict[int, tuple[str, float | None]]


def named(index: Index) -> list[Named]:
    """The named concepts of an index, in the order they were named."""
    return read_document(kept.read(KIND, index.folder))


def own_names(index: Index, basis: np.ndarray) -> OwnNames:
    """The user's names for the parts of a basis (k, channels) of the index's network."""
    known = named(index)
    if not known:
        return {}
    found = recognise(directions(basis, index.settings.blocks), known, index.settings)
    return {
        j: (hit[0].name, None if hit[1] >= SAME else round(hit[1], 2))
        for j, hit in enumerate(found)
        if hit is not None
    }


def names_seen(index: Index, backbone: Backbone, basis: np.ndarray) -> OwnNames:
    """The same for the parts of any network: names fit only those of the index's own."""
    settings = index.settings
    same = (backbone.name, backbone.layer) == (settings.backbone, settings.layer)
    return own_names(index, basis) if same else {}


def rename(index: Index, basis: np.ndarray, value: Any, picture: str = "") -> None:
    """What a component sends: {"part": number from 0, "name": text}. Nonsense changes nothing.

    basis: (k, channels) of the parts that are shown. An empty name takes away the one that the
    part has.
    """
    if not isinstance(value, dict) or type(value.get("part")) is not int:
        return
    part, name = value["part"], clean_name(value.get("name"))
    if not 0 <= part < len(basis) or not basis[part].any():
        return
    direction = directions(basis[part : part + 1], index.settings.blocks)
    if name:
        _add(index, Named.new(name, index.settings, direction[0], picture))
        return
    (hit,) = recognise(direction, named(index), index.settings)
    if hit is not None:
        remove(index, hit[0])


def remove(index: Index, one: Named) -> None:
    """Forget a name. It can be undone."""
    _change(index, lambda known: [other for other in known if other.id != one.id])
    st.session_state[UNDO] = (f"“{one.name}” is removed.", [one], [])


def names_popover(index: Index) -> None:
    """The one place where all named concepts are listed and taken away."""
    known = named(index)
    with st.popover(f"Names ({len(known)})", icon=":material/label:", key="names"):
        st.markdown("**Named concepts**")
        st.caption(
            "A name belongs to what a part looks like: every part that is alike enough shows it, "
            "on all pages, in every picture of this collection."
        )
        if not known:
            st.caption("None yet. Use the pencil beside a part to name it.")
        for one in reversed(known):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                row = index.row_of.get(one.picture)
                where = f" · {index.pictures[row].title}" if row is not None else ""
                st.markdown(f"{plain(one.name)} :gray[:small[{plain(where)}]]")
                st.button(
                    "Remove",
                    icon=":material/delete:",
                    type="tertiary",
                    key=f"remove_{one.id}",
                    on_click=remove,
                    args=(index, one),
                )
        if UNDO in st.session_state:
            said, gone, added = st.session_state[UNDO]
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.markdown(f":small[{plain(said)}]")
                st.button(
                    "Undo",
                    icon=":material/undo:",
                    key="names_undo_button",
                    on_click=partial(_undo, index, gone, added),
                )


def _add(index: Index, one: Named) -> None:
    before = named(index)
    after = with_name(before, one)
    replaced = [other for other in before if other.id not in {o.id for o in after}]
    _change(index, lambda known: with_name(known, one)[-MOST:])
    st.session_state[UNDO] = (f"“{one.name}” is named.", replaced, [one.id])


def _undo(index: Index, gone: Sequence[Named], added: Sequence[str]) -> None:
    _change(index, lambda known: [*(o for o in known if o.id not in added), *gone])
    st.session_state.pop(UNDO, None)


def _change(index: Index, how: Any) -> None:
    kept.change(KIND, index.folder, lambda document: documents(how(read_document(document))))
