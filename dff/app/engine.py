"""What all sessions of the dashboard share: the open index, the network in the background, caches.

The first view needs none of the network. It is loaded in a thread after that, so that it is
there when somebody uploads a picture, draws a box or moves the slider. Caches are keyed by the
sha256 of a picture's bytes and every parameter; what they hold is never changed.
"""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast
from weakref import ReferenceType, WeakSet, ref

import numpy as np
import streamlit as st

from dff.app.colours import chain_colours
from dff.app.errors import logged
from dff.app.garbage import set_aside
from dff.app.memo import Cache, bytes_of
from dff.app.scene import large_image, shown_large
from dff.app.turns import turn, wait_for
from dff.backbones import Backbone
from dff.deletion import heats_on_picture, hidden, own_pixels
from dff.geometry import Box
from dff.images import MAX_PIXELS, file_sha256, read_image
from dff.index import Index, Query
from dff.index.format import MANIFEST
from dff.index.query import Seen
from dff.threads import use_all_cores
from dff.troubles import NO_NETWORK

log = logging.getLogger(__name__)

SENT = 1.0  # seconds until the first page is with the browser
# Bytes that are kept, for all sessions together.
SEEN = 32_000_000  # activations, 2 MB a picture at 512 px
QUERIES = 16_000_000  # 0.1 MB each
SCENES = 48_000_000  # cards, 50 kB each, and the rest of what is shown
DECODED = 2  # uploads whose pixels wait for the network, of all sessions: up to 200 MB each

_engines: "WeakSet[Engine]" = WeakSet()


class Engine:
    """An index and its network, shared by all sessions.

    state: which of the index's states this is, told from its file's time and size.
    """

    def __init__(self, index: Index, state: str = "") -> None:
        self.index = index
        self.state = state
        self._seen = Cache(SEEN, bytes_of)
        self._queries = Cache(QUERIES, bytes_of)
        self._scenes = Cache(SCENES, bytes_of)
        self._starting = threading.Lock()
        self._started = False
        self._wanted = threading.Event()
        self.problem: str | None = None
        self.ready = threading.Event()
        _engines.add(self)

    def start(self) -> None:
        """Load the network in a thread, once.

        Called when the first page has been drawn. Where the network is not prepared yet or is not
        the bundled one, torch is imported, which holds Python's lock for seconds in which nothing
        would be sent: the thread waits until the page is with the browser, unless
        somebody waits for the network.
        """
        with self._starting:
            if not self._started:
                self._started = True
                threading.Thread(target=self._load, name="dff-load", daemon=True).start()

    def settle(self) -> None:
        """Wait until the network is loaded, or could not be and `problem` says why."""
        self._wanted.set()
        self.start()
        wait_for(self.ready.wait)

    def wait(self) -> None:
        """Wait for the network. Raises ValueError if it could not be loaded."""
        self.settle()
        if self.problem is not None:
            raise ValueError(self.problem)

    def _load(self) -> None:
        self._wanted.wait(SENT)
        try:
            use_all_cores()
            self.index.backbone()
            set_aside()
        except ValueError as error:
            log.exception("the network could not be loaded")
            self.problem = str(error)
        except Exception as error:
            self.problem = logged(error, "loading the network", NO_NETWORK)
        finally:
            self.ready.set()

    def rest(self) -> None:
        """Have the network let go of what it keeps for pictures to come."""
        if self.ready.is_set() and self.problem is None:
            self.index.backbone().rest()

    def needs_network(self, row: int | None, k: int, box: Box | None) -> bool:
        """Whether a query cannot be answered from the index alone."""
        return row is None or box is not None or k != self.index.settings.k

    def query(self, source: "Source", k: int, box: Box | None) -> Query:
        """A described query. Waits for the network if it is needed and still loading."""
        index = self.index
        key = (source.sha256, k, box)
        if source.row is not None and not self.needs_network(source.row, k, box):
            picture = index.pictures[source.row]
            return self._query(key, lambda: index.indexed_query(picture.id))
        found = self._query(key, lambda: self.described(self.seen(source, box), k))
        source.take()  # they have been seen, perhaps long ago
        return found

    def described(self, seen: Seen, k: int | None, *how: str) -> Query:
        """What the network saw as a query, factorized in turn with others' heavy work.

        how: the descriptor and the matching, by default the index's.
        """
        with turn():
            return self.index.described_as_query(seen, k, *how)

    def seen(self, source: "Source", box: Box | None) -> Seen:
        """The network's view of a picture, kept for the next k."""
        self.wait()

        def run() -> Seen:
            with turn():
                decoded = source.take()
                if decoded is None:
                    return self.index.see(source.read(self.index), box=box, name=source.name)
                seen = self.index.see(decoded, box=box, name=source.name)
            # Known by its file, too.
            same = seen.same | set(self.index.rows_of_file(source.sha256))
            return replace(seen, same=same, path=source.name)

        seen: Seen = self._seen.get((source.sha256, box), run)
        return seen

    def pixels(self, source: "Source") -> np.ndarray:
        """The picture itself; ValueError, for the page, where its photo is not there."""
        if source.row is not None and self.index.photo_path(source.row) is None:
            raise ValueError(
                f"The photo {self.index.pictures[source.row].path} is not beside the index, and "
                "its pixels are needed: upload it, or start the dashboard where the photos are."
            )
        data = source.read(self.index)
        return read_image(data, source.name if isinstance(data, bytes) else None)

    def large(self, source: "Source") -> bytes:
        """The picture as it is shown, a JPEG; the thumbnail where the photo is gone."""
        return cast(bytes, self.scene((source.sha256, "large"), partial(source.large, self.index)))

    def activations(self, backbone: Backbone, picture: np.ndarray) -> np.ndarray:
        """One pass of any network over a picture that is not kept, in turn with the others."""
        with turn():
            return backbone.activations(picture)

    def without(self, source: "Source", query: Query, part: int) -> Query:
        """The query with one of its parts hidden, described anew. Runs the network, once.

        part: from 0. The other parts are found anew too, and carry other numbers. Waits for the
        network. Raises ValueError if that or the photo is not there.
        """
        k, box = query.parts.k, query.box

        def run() -> Query:
            mask = own_pixels(heats_on_picture(query.parts))[part]
            altered = hidden(self.pixels(source), mask)
            self.wait()
            with turn():
                seen = self.index.see(altered, box=box, name=source.name)
            return self.described(seen, k, query.descriptor, query.matching)

        kind = (query.descriptor, query.matching)
        return self._query((source.sha256, k, box, kind, "without", part), run)

    def colours(self, source: "Source", k: int, box: Box | None) -> tuple[int, ...]:
        """One colour index a part, so that a part keeps its colour when k changes.

        The parts at the index's own k are coloured by energy; from there the colours pass to
        k + 1 or k - 1 by the cosine of basis vectors, step by step.
        """
        own = self.index.settings.k
        steps = range(min(own, k), max(own, k) + 1)
        bases = {step: self.query(source, step, box).parts.basis for step in steps}
        return chain_colours(bases, own, k)

    def scene(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        """Anything else worth keeping, such as the joint parts of a query and its results."""
        return self._scenes.get(key, compute)

    def scenes(
        self, keys: Sequence[Hashable], compute: Callable[[list[int]], Sequence[Any]]
    ) -> list[Any]:
        """Many of them. compute: what is not kept yet, in one go, as for `Cache.get_all`."""
        return self._scenes.get_all(keys, compute)

    def _query(self, key: Hashable, compute: Callable[[], Query]) -> Query:
        query: Query = self._queries.get(key, compute)
        return query


@dataclass
class Upload:
    """An uploaded file. data: its bytes. size: (width, height). large: as it is shown, a JPEG,
    which is made while the network sees the picture.

    pixels: what was decoded to find these out, until the network has seen it or others have come.
    """

    data: bytes
    size: tuple[int, int]
    large: Future[bytes]
    pixels: np.ndarray | None


_decoded: deque[ReferenceType[Upload]] = deque()
_keeping = threading.Lock()


def _keep_few(upload: Upload) -> None:
    """Let go of the pixels of those who came before, but for `DECODED`: they are decoded again if
    they are needed. Many users at once would take gigabytes otherwise, and so would one who sends
    picture after picture and waits for none."""
    with _keeping:
        _decoded.append(ref(upload))
        while len(_decoded) > DECODED:
            oldest = _decoded.popleft()()
            if oldest is not None:
                oldest.pixels = None


class Source:
    """The picture that is asked about: a row of the index, or an uploaded file."""

    def __init__(
        self, sha256: str, name: str, row: int | None = None, upload: Upload | None = None
    ) -> None:
        self.sha256 = sha256
        self.name = name
        self.row = row
        self._upload = upload

    @classmethod
    def of_row(cls, index: Index, row: int) -> "Source":
        """A picture of the index."""
        picture = index.pictures[row]
        return cls(picture.sha256, picture.title, row=row)

    @classmethod
    def of_upload(cls, name: str, data: bytes, most_pixels: int = MAX_PIXELS) -> "Source":
        """An uploaded file. It is decoded here, once. Raises ImageError if it cannot be."""
        picture = read_image(data, name, most_pixels=most_pixels)
        height, width = picture.shape[:2]
        drawing = ThreadPoolExecutor(1, "dff-large")
        large = drawing.submit(shown_large, picture)
        drawing.shutdown(wait=False)  # its thread ends with this one task
        upload = Upload(data, (width, height), large, picture)
        _keep_few(upload)
        return cls(file_sha256(data), name, upload=upload)

    def size(self, index: Index) -> tuple[int, int]:
        """(width, height) of the picture."""
        if self._upload is not None:
            return self._upload.size
        picture = index.pictures[self._row()]
        return picture.width, picture.height

    def large(self, index: Index) -> bytes:
        """The picture as it is shown, a JPEG; the thumbnail where the photo is gone."""
        if self._upload is None:
            return large_image(index, self._row())
        return self._upload.large.result()

    def take(self) -> np.ndarray | None:
        """The pixels of an uploaded file if they are still here; they go with this."""
        if self._upload is None:
            return None
        pixels, self._upload.pixels = self._upload.pixels, None
        return pixels

    def read(self, index: Index) -> bytes | Path:
        """What `Index.see` reads; ValueError if the photo is not there."""
        if self._upload is not None:
            return self._upload.data
        row = self._row()
        path = index.photo_path(row)
        if path is None:
            raise ValueError(
                f"expected the photo {index.pictures[row].path} beside the index, it is not "
                "there; with the index's own number of parts and without a box it is not needed"
            )
        return path

    def _row(self) -> int:
        if self.row is None:
            raise ValueError("expected a picture of the index or an uploaded one")
        return self.row


def rest_all() -> None:
    """`Engine.rest` of all that are there."""
    for engine in list(_engines):
        engine.rest()


def index_folder() -> Path:
    """The index to open: DFF_INDEX, or sample_index beside the app."""
    given = os.environ.get("DFF_INDEX")
    return Path(given) if given else Path(__file__).parents[2] / "sample_index"


def engine(folder: str) -> Engine:
    """The engine of an index folder as it is now, one a server.

    An index that has changed is opened anew; who still looks at the old one keeps it.
    """
    try:
        written = (Path(folder) / MANIFEST).stat()
        state = f"{written.st_mtime_ns} {written.st_size}"
    except OSError:
        state = ""  # Index.open says what is wrong
    return opened(folder, state)


@st.cache_resource(max_entries=4, show_spinner=False)
def opened(folder: str, state: str) -> Engine:
    """The engine of one state of an index folder."""
    return Engine(Index.open(folder), state)
