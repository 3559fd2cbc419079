"""The default network's pass: our engine beside PyTorch, ONNX Runtime and torch.compile.

    python benchmarks/network.py [--write]

All give the same two layers (block6, last) of the same picture, at 512 pixels, in turn in one
process; each thread count has a process of its own, because engines keep their threads. Peers get
the normalised input; `Backbone.activations` gets the picture, and resizes, normalises, joins and
checks. The machine's peak is a large float32 matrix product in the same run. ONNX Runtime's model
is PyTorch's own export. `--compile` adds torch.compile, whose first pass takes minutes.
"""

import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import PHOTOS, network, parser, publish, table

from dff.backbones.convert import _layers
from dff.backbones.networks import build_network, module_of
from dff.images import read_image, resize
from dff.threads import use_threads

SIZES = ((384, 512), (512, 288))  # height, width
ROUNDS = 15
PAUSE = 0.02  # seconds between two runs: engines' threads spin on for a while after their own
LAYERS = ("blocks.6.0.bn1", "bn2")
NAMES = {
    "eager": "PyTorch eager, NCHW",
    "channels": "PyTorch eager, channels_last (before)",
    "onnx": "ONNX Runtime",
    "compile": "torch.compile",
    "engine": "OpenVINO, as we use it: the network alone",
    "ours": "`Backbone.activations`: picture in, joined layers out",
}


def main() -> None:
    made = parser(__doc__ or "", ["pass", "facts"])
    made.add_argument("--compile", action="store_true", help="torch.compile too: minutes")
    made.add_argument("--threads", type=int, help="one process of the benchmark: JSON on stdout")
    args = made.parse_args()
    if args.threads:
        print(json.dumps(measure(args.threads, args.compile)))
        return
    runs = {threads: _process(threads, args.compile) for threads in (1, 2)}
    if "pass" in args.only:
        publish("network", _passes(runs), write=args.write)
    if "facts" in args.only:
        publish("network facts", _facts(runs), write=args.write)


def _process(threads: int, compile: bool) -> dict[str, Any]:
    command = [sys.executable, __file__, "--threads", str(threads)]
    done = subprocess.run(
        command + ["--compile"] * compile, stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(threads: int, compile: bool) -> dict[str, Any]:
    """Everything that is measured with one number of threads."""
    import numpy as np

    use_threads(threads)
    start = time.perf_counter()
    backbone = network()
    from_cache = time.perf_counter() - start
    import torch

    torch.set_num_threads(threads)
    start = time.perf_counter()
    plain = _layers(module_of(build_network("efficientnet_lite0")), LAYERS)
    from_torch = time.perf_counter() - start
    last = _layers(module_of(build_network("efficientnet_lite0")), LAYERS)
    last = last.to(memory_format=torch.channels_last)
    session = _onnx(plain, threads)
    compiled = torch.compile(plain, dynamic=False) if compile else None
    photo = read_image(PHOTOS / "landmarks" / "eiffel_tower_1.jpg")
    rows = {}
    for height, width in SIZES:
        picture = resize(photo, width, height)
        x = backbone._input([picture], width, height)
        tensor = torch.from_numpy(x)
        nhwc = tensor.contiguous(memory_format=torch.channels_last)

        def in_torch(module: Any, given: Any) -> Callable[[], Any]:
            def run() -> Any:
                with torch.inference_mode():
                    return [one.numpy() for one in module(given)]

            return run

        ways: dict[str, Callable[[], Any]] = {
            "eager": in_torch(plain, tensor),
            "channels": in_torch(last, nhwc),
            "onnx": lambda x=x: session.run(None, {"x": x}),
            "engine": lambda x=x: backbone._pass.run(x),
            "ours": lambda picture=picture: backbone.activations(picture),
        }
        if compiled is not None:
            ways["compile"] = in_torch(compiled, tensor)
        seconds = _in_turn(ways)
        expected = ways["eager"]()
        got = ways["engine"]()
        worst = max(
            float(np.abs(a - b).max() / b.max()) for a, b in zip(got, expected, strict=True)
        )
        rows[f"{width} × {height}"] = {
            "ms": {name: 1e3 * float(np.median(times)) for name, times in seconds.items()},
            "difference": worst,
            "flops": _flops(plain, tensor),
            "peak": _peak(),
        }
    return {"rows": rows, "cache": from_cache, "torch": from_torch, "prepare": _prepare()}


def _in_turn(ways: dict[str, Callable[[], Any]]) -> dict[str, list[float]]:
    for run in ways.values():
        run(), run()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    for turn in range(ROUNDS):
        for place in range(len(names)):  # another one begins, and follows another, each time
            name = names[(turn + place * (1 + turn % 2 * (len(names) - 2))) % len(names)]
            time.sleep(PAUSE)
            start = time.perf_counter()
            ways[name]()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def _onnx(module: Any, threads: int) -> Any:
    import onnxruntime
    import torch

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = str(Path(folder) / "network.onnx")
        axes = {"x": {0: "n", 2: "height", 3: "width"}}
        example = (torch.zeros(1, 3, 128, 160),)
        torch.onnx.export(module, example, path, dynamo=False, input_names=["x"], dynamic_axes=axes)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _flops(module: Any, x: Any) -> float:
    """Multiplications and additions of the convolutions up to the last layer, by hooks."""
    import torch

    total = 0.0

    def count(conv: Any, inputs: Any, output: Any) -> None:
        nonlocal total
        total += 2 * output.numel() * conv.weight[0].numel()

    convs = [one for one in module.modules() if isinstance(one, torch.nn.Conv2d)]
    handles = [one.register_forward_hook(count) for one in convs]
    with torch.inference_mode():
        module(x)
    for handle in handles:
        handle.remove()
    return total


def _peak() -> float:
    """Float32 operations a second of a matrix product of 2048, the best of eight."""
    import torch

    a = torch.ones(2048, 2048)
    seconds = []
    for _ in range(8):
        start = time.perf_counter()
        torch.mm(a, a)
        seconds.append(time.perf_counter() - start)
    return float(2 * 2048**3 / min(seconds))


def _prepare() -> float:
    """Seconds to convert, compare and write, with PyTorch imported already."""
    from dff.backbones.prepared import prepare, write

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        write(prepare(build_network("efficientnet_lite0")), Path(folder) / "prepared")
        return time.perf_counter() - start


def _passes(runs: dict[int, dict[str, Any]]) -> str:
    sizes = list(runs[1]["rows"])
    names = [name for name in NAMES if name in runs[1]["rows"][sizes[0]]["ms"]]
    lines = []
    for name in names:
        cells: list[str] = []
        for run in runs.values():
            for size in sizes:
                ms = run["rows"][size]["ms"]
                cells.append(f"{ms[name]:.0f} ({ms['eager'] / ms[name]:.1f})")
        lines.append([NAMES[name], *cells])
    head = [f"{size}, {threads} thread{'s' * (threads > 1)}" for threads in runs for size in sizes]
    return table(["ms (times faster than eager)", *head], lines)


def _facts(runs: dict[int, dict[str, Any]]) -> str:
    lines: list[list[str]] = []
    for threads, run in runs.items():
        for size, row in run["rows"].items():
            rate = row["flops"] / (row["ms"]["engine"] / 1e3)
            lines.append(
                [
                    f"{size}, {threads} thread{'s' * (threads > 1)}",
                    f"{row['flops'] / 1e9:.2f}",
                    f"{rate / 1e9:.0f}",
                    f"{row['peak'] / 1e9:.0f}",
                    f"{100 * rate / row['peak']:.0f} %",
                    f"{row['difference']:.0e}",
                    f"{row['ms']['ours'] - row['ms']['engine']:.1f}",
                ]
            )
    seconds = " / ".join(f"{run['prepare']:.1f}" for run in runs.values())
    loads = " / ".join(f"{run['cache']:.1f}" for run in runs.values())
    torchs = " / ".join(f"{run['torch']:.1f}" for run in runs.values())
    head = [
        "input",
        "GFLOP",
        "GFLOP/s",
        "peak GFLOP/s",
        "share",
        "largest relative difference",
        "ms around the network",
    ]
    return (
        f"{table(head, lines)}\n\n"
        f"Seconds, 1 / 2 threads: loading from the cache {loads}; building in PyTorch, its import "
        f"already paid in part {torchs}; preparing, once {seconds}."
    )


if __name__ == "__main__":
    main()
