"""The masks of a set as one file: made when asked for, with progress where it takes long."""

from collections.abc import Iterator
from functools import partial

import streamlit as st

from dff.app.concepts_data import Common
from dff.app.engine import Engine
from dff.app.naming import OwnNames
from dff.app.scene import palette_facts, version_of
from dff.app.turns import turn
from dff.masks import Masked, floors_of, masks_of, masks_zip
from dff.names import short_name

FILE = "masks.zip"
READY = "masks_ready"  # {what they are of: the file}


def masks_popover(
    engine: Engine, common: Common, colours: tuple[int, ...], own: OwnNames, *, exact: bool
) -> None:
    """Where each part is in each picture, as PNG files to take away."""
    palette = palette_facts()
    names = [
        own[j][0] if j in own else (short_name(name) or ("", 0))[0]
        for j, name in enumerate(common.names)
    ]
    inks = [palette[colour]["hex"] for colour in colours]
    with st.popover("Masks", icon=":material/filter_b_and_w:", key="masks"):
        st.markdown("**Masks of the parts**")
        st.caption(
            "One black and white PNG a picture and part, at the photo's own size, and a table "
            "that says which is which, in one ZIP file."
        )
        edges = st.toggle(
            "Follow the edges",
            key="masks_edges",
            help="Draws the outlines along edges in the photos (GrabCut). Takes about half a "
            "second a mask; the photos must be there.",
        )
        make = partial(_file, engine, common, names, inks)
        if not edges:
            st.download_button(
                "Download",
                lambda: list(make(edges=False))[-1],
                FILE,
                "application/zip",
                icon=":material/download:",
                on_click="ignore",
                key="masks_download",
            )
            return
        subject = version_of(engine.index.folder, common.rows, len(names), exact, names, inks)
        if st.button("Prepare", icon=":material/content_cut:", key="masks_prepare"):
            bar = st.progress(0.0, "Following the edges")
            for done, data in enumerate(make(edges=True), start=1):
                if data:
                    st.session_state[READY] = {subject: data}
                share = min(1.0, done / len(common.rows))
                bar.progress(share, f"{min(done, len(common.rows))} of {len(common.rows)} pictures")
            bar.empty()
        ready = st.session_state.get(READY, {}).get(subject)
        if ready is not None:
            st.download_button(
                "Download",
                ready,
                FILE,
                "application/zip",
                on_click="ignore",
                key="masks_ready_file",
            )


def _file(
    engine: Engine, common: Common, names: list[str], inks: list[str], *, edges: bool
) -> Iterator[bytes]:
    index = engine.index
    floors = floors_of(common.pictures)

    def pictures() -> Iterator[Masked]:
        for row, parts in zip(common.rows, common.pictures, strict=True):
            picture = index.pictures[row]
            with turn():
                photo = index.picture(row) if edges else None
                masks = masks_of(parts, floors, photo)
            yield Masked(picture.id, picture.title, masks)

    return masks_zip(pictures(), names, inks)
