"""My photos: the collection as a map, alike pictures near each other."""

import base64
import logging
import threading
from typing import Any

import numpy as np
import streamlit as st

from dff.app.collections import Collection
from dff.app.components.atlas import MOST_NEEDED, atlas
from dff.app.components.gallery import valid_rows
from dff.app.concepts_data import MOST
from dff.app.engine import Engine
from dff.app.state import CONCEPTS, link_to
from dff.images import read_image, thumbnail
from dff.index import Index
from dff.projection import neighbour_plane, principal_plane

log = logging.getLogger(__name__)

KEY = "photos_map"
SIDE = 96  # pixels of a picture on the map


class Arranged:
    """Where every picture of an index lies: at once along the principal directions, in the end
    where its neighbours are. The thread ends with the server.

    points: (n, 2) float32 in 0..1, replaced and never changed. settled: whether they are final.
    """

    def __init__(self, vectors: np.ndarray) -> None:
        self.points = principal_plane(vectors)
        self.settled = False
        threading.Thread(target=self._settle, args=(vectors,), name="dff-map", daemon=True).start()

    def _settle(self, vectors: np.ndarray) -> None:
        try:
            self.points = neighbour_plane(vectors)
        except Exception:
            log.exception("the map could not be arranged; it stays as it was at first")
        finally:
            self.settled = True


def collection_map(collection: Collection, engine: Engine) -> None:
    """All pictures at once; a frame around some shows what they are."""
    index = engine.index
    arranged: Arranged = engine.scene(("map",), lambda: Arranged(np.asarray(index.vectors())))
    # Looking again each second redraws this and nothing else of the page.
    st.fragment(_map, run_every=None if arranged.settled else 1)(
        engine, arranged, was_settled=arranged.settled
    )


def _map(engine: Engine, arranged: Arranged, *, was_settled: bool) -> None:
    index = engine.index
    settled = arranged.settled  # before the points: they are final if it says so
    if settled and not was_settled:
        st.rerun()  # nobody needs to look again
    count = len(index)
    if settled:
        st.caption(
            "Pictures lie near those that the network finds most alike. Only nearness counts: "
            "the axes, and how far apart two groups are, mean nothing."
        )
    else:
        st.caption(f"A first draft. Finding the neighbours of {count} pictures …")
    state = st.session_state.get(KEY) or {}
    needed = valid_rows(state.get("needed"), count, MOST_NEEDED)
    pictures: dict[str, str] = engine.scene(
        ("map pictures", *needed), lambda: {str(row): picture_of(index, row) for row in needed}
    )
    atlas(map_data(index, arranged.points, pictures), key=KEY)


def map_data(index: Index, points: np.ndarray, pictures: dict[str, str]) -> dict[str, Any]:
    """What the component shows."""
    return {
        "points": base64.b64encode(points.astype("<f4").tobytes()).decode("ascii"),
        "ids": [picture.id for picture in index.pictures],
        "titles": [picture.title for picture in index.pictures],
        "pictures": pictures,
        "explore": link_to("", picture=""),
        "concepts": link_to("", view=CONCEPTS, set=""),
        "most": MOST,
    }


def picture_of(index: Index, row: int) -> str:
    """A picture as it is on the map, or "" where it cannot be read."""
    try:
        picture = read_image(index.thumbnail(row))
    except ValueError:
        return ""
    jpeg = thumbnail(picture, SIDE)
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
