"""My photos: the near-duplicates of a collection, side by side."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from dff.app.collections import Collection
from dff.app.engine import Engine
from dff.app.factors_data import plain
from dff.export.page import data_uri
from dff.index import Index
from dff.index.duplicates import default_threshold, near_duplicates

MOST_GROUPS = 30  # shown at once
MOST_SHOWN = 12  # pictures of a group
SIDE = 148  # two beside each other on a phone
LOWEST, HIGHEST = 0.5, 1.0


def duplicates(collection: Collection, engine: Engine) -> None:
    """What the collection holds several times, or nearly so."""
    index = engine.index
    threshold = st.slider(
        "How alike",
        LOWEST,
        HIGHEST,
        default_threshold(index),
        0.01,
        key="duplicates_threshold",
        bind="query-params",
        width=320,
        help="The least cosine of two pictures' descriptors. The value that comes with it finds "
        "copies that are smaller, compressed, brightened, mirrored or a little cropped. Lower it "
        "for photos of the same thing.",
    )
    groups: list[list[int]] = engine.scene(
        ("duplicates", threshold), lambda: near_duplicates(index, threshold)
    )
    if not groups:
        st.info("No two pictures are that much alike.", icon=":material/check:")
        return
    pictures = sum(map(len, groups))
    many = "group" if len(groups) == 1 else "groups"
    st.caption(f"{len(groups)} {many}, {pictures} of {len(index)} pictures.")
    for rows in groups[:MOST_GROUPS]:
        _group(index, rows)
    if len(groups) > MOST_GROUPS:
        st.caption(f"{len(groups) - MOST_GROUPS} more groups. Raise the value to see the nearest.")


def _group(index: Index, rows: Sequence[int]) -> None:
    vectors = np.asarray(index.vectors()[list(rows)])
    cosines = vectors @ vectors[0]
    first = index.pictures[rows[0]]
    with st.container(border=True), st.container(horizontal=True, gap="small"):
        for row, cosine in list(zip(rows, cosines, strict=True))[:MOST_SHOWN]:
            picture = index.pictures[row]
            like = f"{cosine:.2f} like the first"
            if row == rows[0]:
                like = "the first"
            elif picture.pixels_sha256 == first.pixels_sha256:
                like = "the same pixels"
            with st.container(gap="xsmall", width=SIDE):
                st.image(data_uri(index.thumbnail(row)), width=SIDE, alt=f"{picture.title}, {like}")
                st.markdown(f"**{plain(picture.title, 60)}**")
                st.caption(
                    f"{picture.width} × {picture.height}, {like}  \n{plain(picture.path, 60)}"
                )
        if len(rows) > MOST_SHOWN:
            st.caption(f"and {len(rows) - MOST_SHOWN} more")
