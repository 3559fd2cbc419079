"""Two visitors of a real public server, who speak its protocol themselves: what is one's own."""

import http.client
import io
import re
import sys
import time
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pytest
from PIL import Image
from streamlit.proto.WidgetStates_pb2 import WidgetState

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import visitor

UPLOADER = "Your own picture"


@pytest.fixture(scope="module")
def port(index_folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DFF_PUBLIC", "1")
        options = ("--server.disconnectedSessionTTL=1", "--server.enableXsrfProtection=false")
        with visitor.server(index_folder, *options) as (_, port):
            yield port


class Visitor(visitor.Visitor):
    """One that remembers what the server tells about its pages and its uploads."""

    pages: dict[str, str]
    urls = None

    def _next(self, kind=None):
        message = super()._next(kind)
        if message.WhichOneof("type") == "navigation":
            pages = message.navigation.app_pages
            self.pages = {page.url_pathname: page.page_script_hash for page in pages}
        if message.WhichOneof("type") == "file_urls_response":
            self.urls = message.file_urls_response.file_urls[0]
        return message

    def turn_to(self, page: str) -> None:
        self._page = self.pages[page]
        self._ask([])


def picture() -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(3).integers(0, 255, (60, 90, 3), np.uint8)
    Image.fromarray(noise).save(file, "PNG")
    return file.getvalue()


def answer(port: int, path: str) -> tuple[int, bytes]:
    wire = http.client.HTTPConnection("localhost", port, timeout=30)
    try:
        wire.request("GET", urlparse(path).path)
        got = wire.getresponse()
        return got.status, got.read()
    finally:
        wire.close()


def files_of(stranger: Visitor) -> set[str]:
    """The addresses of pictures that the server keeps for this page."""
    text = " ".join(map(str, stranger.elements))
    return set(re.findall(r"/media/\w+\.\w+", text))


def test_a_file_of_another_session_is_not_to_be_had(port):
    first, second = Visitor(port), Visitor(port)
    try:
        first.upload(UPLOADER, "mine.png", picture())
        assert first.stage["query"]["title"] == "mine.png"
        urls = first.urls
        state = WidgetState(id=second.element("file_uploader", UPLOADER).id)
        file = state.file_uploader_state_value.uploaded_file_info.add()
        file.name, file.size, file.file_id = "mine.png", len(picture()), urls.file_id
        file.file_urls.CopyFrom(urls)
        second._ask([state])
        assert second.stage["query"]["title"] != "mine.png"
        # Streamlit answers with the page; a file is never given back.
        assert picture() not in answer(port, urls.upload_url)[1]
    finally:
        first.close()
        second.close()


def test_too_many_bytes_are_refused_by_the_server_itself(port):
    stranger = Visitor(port)
    try:
        with pytest.raises(RuntimeError, match="413"):
            stranger.upload(UPLOADER, "large.png", picture() + bytes(10 << 20))
    finally:
        stranger.close()


def test_what_the_server_kept_for_a_session_goes_with_it(port):
    stranger = Visitor(port)
    stranger.upload(UPLOADER, "mine.png", picture())
    stranger.turn_to("compare")
    kept = files_of(stranger)
    assert kept and all(answer(port, one)[0] == 200 for one in kept)
    stranger.close()
    until = time.monotonic() + 60
    while time.monotonic() < until and any(answer(port, one)[0] == 200 for one in kept):
        time.sleep(0.5)
        Visitor(port).close()  # Streamlit tidies up when somebody leaves
    assert {answer(port, one)[0] for one in kept} == {404}


def test_the_server_does_not_hold_every_file_that_was_uploaded(port):
    """What Streamlit says that it holds: the uploader's count of bytes."""
    stranger = Visitor(port)
    try:
        for number in range(3):
            stranger.upload(UPLOADER, f"mine {number}.png", picture())
            assert stranger.stage["query"]["title"] == f"mine {number}.png"
        _, told = answer(port, "/_stcore/metrics")
        held = re.findall(r'cache_memory_bytes{cache_type="Upl[^}]*} (\d+)', told.decode())
        assert b"cache_memory_bytes" in told and sum(map(int, held)) == 0
    finally:
        stranger.close()
