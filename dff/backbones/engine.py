"""A network run by OpenVINO on the CPU, without PyTorch.

Float32 throughout: on processors that multiply bfloat16 faster, the engine's own default would
round to three digits. One model for every size: its shapes are dynamic.
"""

import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dff.threads import network_streams, network_threads

if TYPE_CHECKING:
    import openvino as ov

PACKAGE = "openvino"
# The engine keeps code and memory for every shape it has seen, about 2 MB each at 512 pixels, and
# frees them with the model alone: after so many it is compiled anew, in about 0.3 s.
MAX_SHAPES = 32

_importing = threading.Lock()


def engine_version() -> str:
    """The installed version, without importing it. Raises PackageNotFoundError."""
    from importlib import metadata

    return metadata.version(PACKAGE)


def openvino() -> Any:
    """The module `openvino`.

    Imported without its telemetry, which would otherwise report every import to a web service: it
    is then as if the package `openvino-telemetry` were not installed, which OpenVINO allows for.
    """
    name = "openvino_telemetry"
    with _importing:
        hidden = PACKAGE not in sys.modules and name not in sys.modules
        if hidden:
            sys.modules[name] = None  # type: ignore[assignment]  # an import of it now fails
        try:
            import openvino
        finally:
            if hidden:
                sys.modules.pop(name, None)
        # Its binding looks for NumPy when it first needs it. Two threads that are the first at the
        # same moment wait for each other for ever: one holds Python's lock, one the binding's.
        openvino.Type.f32.to_dtype()
    return openvino


class EnginePass:
    """A converted network up to some of its outputs. Safe to share between threads.

    model: as `dff.backbones.convert.convert` made it, or read from its files.
    outputs: the numbers of the wanted outputs; what lies behind the last of them does not run.
    It gets the threads that `dff.threads` was told when it is made.
    """

    def __init__(self, model: "ov.Model", outputs: Sequence[int]) -> None:
        ov = openvino()
        results = model.get_results()
        wanted = ov.Model([results[place] for place in outputs], model.get_parameters())
        self._wanted = wanted
        self._settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "f32",
            # For the page one picture on all threads, and a second one waits its turn.
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": network_streams(),
            # Bound to cores, threads would wait there for other programs while other cores idle.
            "ENABLE_CPU_PINNING": False,
        }
        count = network_threads()
        if count is not None:
            self._settings["INFERENCE_NUM_THREADS"] = count
        self._shapes: set[tuple[int, ...]] = set()
        self._lock = threading.Lock()
        self._model = self._compiled()
        self._count = len(outputs)
        self.engine = f"OpenVINO {engine_version()}"

    def run(self, x: np.ndarray) -> list[np.ndarray]:
        """Normalised input (n, 3, height, width) -> each layer's (n, channels, rows, columns)."""
        with self._lock:
            if x.shape not in self._shapes:
                if len(self._shapes) == MAX_SHAPES:
                    self._renew()
                self._shapes.add(x.shape)
            model = self._model
        request = model.create_infer_request()  # each call its own: threads do not mix
        request.infer([x], share_inputs=True)
        return [request.get_output_tensor(place).data for place in range(self._count)]

    def rest(self) -> None:
        """Free what is kept for every shape seen so far."""
        with self._lock:
            if self._shapes:
                self._renew()

    def _renew(self) -> None:
        self._model = self._compiled()  # who still runs the old one keeps it
        self._shapes.clear()

    def _compiled(self) -> Any:
        return openvino().Core().compile_model(self._wanted, "CPU", self._settings)
