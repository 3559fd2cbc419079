"""A visitor of the dashboard without a browser: what the server does for one interaction.

It speaks Streamlit's own protocol over its WebSocket, so what it waits for is the whole answer of
the server: the script, Streamlit's own work, and every byte on the wire. Nothing is drawn.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from common import ROOT
from streamlit.components.v2.bidi_component.main import _make_trigger_id
from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Delta_pb2 import Delta
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import ClientConnection, connect

PATIENCE = 120  # seconds
STAGE = "dff_stage"


class Visitor:
    """One session. received: bytes of the last answer."""

    def __init__(self, port: int, address: str = "") -> None:
        self._port = port
        self._address = address
        self._page = ""
        self._session = ""
        self._placed: dict[tuple[int, ...], Element] = {}
        self.received = 0
        self._socket: ClientConnection = connect(
            f"ws://localhost:{port}/_stcore/stream",
            subprotocols=["streamlit"],  # type: ignore[list-item]
            max_size=None,
            compression=None,
        )
        self._ask([])

    def close(self) -> None:
        """Leave."""
        self._socket.close()

    @property
    def elements(self) -> list[Element]:
        """What the page holds now."""
        return list(self._placed.values())

    @property
    def errors(self) -> list[str]:
        """What the page says went wrong."""
        said = [e.exception.message for e in self.elements if e.WhichOneof("type") == "exception"]
        alerts = (e.alert for e in self.elements if e.WhichOneof("type") == "alert")
        return [*said, *(alert.body for alert in alerts if alert.format == Alert.ERROR)]

    @property
    def stage(self) -> dict[str, Any]:
        """What Explore's stage was given, but its results."""
        found: dict[str, Any] = json.loads(json.loads(self._stage.bidi_component.json)["json"])
        return found

    @property
    def cards(self) -> list[dict[str, Any]]:
        """The results that Explore's stage was given."""
        found: list[dict[str, Any]] = json.loads(
            json.loads(self._stage.bidi_component.json)["cards"]
        )
        return found

    def element(self, kind: str, label: str) -> Any:
        """A widget by its kind in the protocol and its label."""
        found = (getattr(e, kind) for e in self.elements if e.WhichOneof("type") == kind)
        return next(widget for widget in found if widget.label == label)

    def send(self, event: str, value: object) -> float:
        """What the stage sends when the user does something; seconds until all is answered."""
        return self._ask([self._state(event, value)])

    def ask_and_leave(self, event: str, value: object) -> None:
        """The same, without waiting for the answer."""
        self._socket.send(self._message([self._state(event, value)]).SerializeToString())
        self.close()

    def slide(self, label: str, value: int) -> float:
        """Move a slider."""
        state = WidgetState(id=self.element("slider", label).id)
        state.double_array_value.data.append(value)
        return self._ask([state])

    def tick(self, label: str, value: bool) -> float:
        """Turn a toggle on or off."""
        state = WidgetState(id=self.element("checkbox", label).id, bool_value=value)
        return self._ask([state])

    def upload(self, label: str, name: str, data: bytes) -> float:
        """Give the uploader a file."""
        began = time.perf_counter()
        message = BackMsg()
        message.file_urls_request.request_id = name
        message.file_urls_request.file_names.append(name)
        message.file_urls_request.session_id = self._session
        self._socket.send(message.SerializeToString())
        urls = self._next("file_urls_response").file_urls_response.file_urls[0]
        self._put(urls.upload_url, name, data)
        state = WidgetState(id=self.element("file_uploader", label).id)
        file = state.file_uploader_state_value.uploaded_file_info.add()
        file.name, file.size, file.file_id = name, len(data), urls.file_id
        file.file_urls.CopyFrom(urls)
        self._ask([state])
        return time.perf_counter() - began

    @property
    def _stage(self) -> Element:
        return next(e for e in self.elements if e.bidi_component.component_name == STAGE)

    def _state(self, event: str, value: object) -> WidgetState:
        state = WidgetState(id=_make_trigger_id(self._stage.bidi_component.id, "events"))
        state.json_trigger_value = json.dumps([{"event": event, "value": value}])
        return state

    def _message(self, changed: list[WidgetState]) -> BackMsg:
        message = BackMsg()
        message.rerun_script.query_string = self._address
        message.rerun_script.page_script_hash = self._page
        message.rerun_script.widget_states.widgets.extend(changed)
        return message

    def _ask(self, changed: list[WidgetState]) -> float:
        message = self._message(changed)
        began = time.perf_counter()
        self._socket.send(message.SerializeToString())
        self._placed, self.received = {}, 0
        while True:
            answer = self._next()
            kind = answer.WhichOneof("type")
            if kind == "delta":
                self._place(tuple(answer.metadata.delta_path), answer.delta)
            elif kind == "new_session":
                self._session = answer.new_session.initialize.session_id or self._session
            elif kind == "navigation":
                self._page = answer.navigation.page_script_hash
            elif kind == "page_info_changed":
                self._address = answer.page_info_changed.query_string
            elif kind == "script_finished" and answer.script_finished == (
                ForwardMsg.FINISHED_SUCCESSFULLY
            ):
                return time.perf_counter() - began

    def _place(self, path: tuple[int, ...], delta: Delta) -> None:
        """What comes to a place takes away what was there, and all that was in it."""
        for other in [other for other in self._placed if other[: len(path)] == path]:
            del self._placed[other]
        if delta.WhichOneof("type") == "new_element":
            self._placed[path] = delta.new_element

    def _next(self, kind: str | None = None) -> ForwardMsg:
        while True:
            data = self._socket.recv(PATIENCE)
            self.received += len(data)
            message = ForwardMsg.FromString(bytes(data))  # type: ignore[arg-type]
            if kind in (None, message.WhichOneof("type")):
                return message

    def _put(self, path: str, name: str, data: bytes) -> None:
        boundary = "visitor"
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        body = head.encode() + data + f"\r\n--{boundary}--\r\n".encode()
        wire = http.client.HTTPConnection("localhost", self._port, timeout=PATIENCE)
        kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        wire.request("PUT", urllib.parse.urlparse(path).path, body, kind)
        answer = wire.getresponse()
        answer.read()
        wire.close()
        if answer.status >= 300:
            raise RuntimeError(f"the upload was answered by {answer.status} {answer.reason}")


@contextmanager
def server(
    folder: Path,
    *options: str,
    environment: Mapping[str, str] | None = None,
    log: IO[bytes] | int = subprocess.DEVNULL,
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A dashboard on an index: its process and its port, once it answers.

    environment: beyond this process's own. log: where what the server says goes.
    """
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    given = [
        f"--server.port={port}",
        "--server.headless=true",
        "--server.fileWatcherType=none",
        *options,
    ]
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "streamlit",
            "run",
            "streamlit_app.py",
            *given,
        ],
        cwd=ROOT,
        env={**os.environ, "DFF_INDEX": str(folder), **(environment or {})},
        stdout=log,
        stderr=log,
    )
    try:
        while process.poll() is None:
            try:
                wire = http.client.HTTPConnection("localhost", port, timeout=1)
                wire.request("GET", "/_stcore/health")
                wire.getresponse().read()
                break
            except OSError:
                time.sleep(0.02)
        yield process, port
    finally:
        process.terminate()
        process.wait(20)
