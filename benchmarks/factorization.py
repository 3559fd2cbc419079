"""How fast a picture, and fifty pictures together, are factorized, beside three peers.

    python benchmarks/factorization.py [--only single joint] [--threads N] [--write]

The peers: scikit-learn's NMF with its defaults; pytorch-grad-cam's DFF, which is scikit-learn from
a random start; torchnmf's multiplicative updates (beta 2) until they reach scikit-learn's error
plus half a percent, or for 200 iterations. Ours runs twice: with its defaults, and, as torchnmf,
with the loosest of a few tolerances that reaches that error. All get the same float32 positions, in
the order that suits them, in the same process with the same threads, in turn; medians after a
warm-up.
"""

import sys
import time
import warnings
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from common import network, parser, progress, publish, sample_photos, table
from pytorch_grad_cam.feature_factorization.deep_feature_factorization import dff as grad_cam_dff
from sklearn.decomposition import NMF
from threadpoolctl import threadpool_limits
from torchnmf.nmf import NMF as TorchNMF

from dff import Backbone, load_backbone
from dff.factorization import factorize_activations, factorize_jointly
from dff.images import read_image
from dff.nmf import TOLERANCE

PARTS = ("single", "joint")
HEAD = (
    "activations",
    "k",
    "DFF, ms",
    "error",
    "DFF at scikit-learn's error",
    "error",
    "scikit-learn",
    "error",
    "torchnmf",
    "error",
    "grad-cam",
    "error",
    "times as fast as the best peer",
    "at its error",
)
RUNS = {"single": 9, "joint": 1}
PATIENCE = 0.8  # seconds: what took longer, after its warm-up, is not run again
KS = {"single": (4, 6, 10), "joint": (4, 8)}
SLACK = 1.005  # of scikit-learn's error: there torchnmf and ours may stop
TOLERANCES = (1e-3, 3e-4, 1e-4, 3e-5, 1e-5)  # of ours, beside the default
FIFTY = 50

Run = Callable[[], float]  # does it, and says the relative error it ended with


def ours(maps: list[np.ndarray], k: int, tolerance: float = TOLERANCE) -> Run:
    """maps: activations (channels, rows, columns) float32, one a picture."""
    if len(maps) == 1:
        return lambda: factorize_activations(maps[0], k, tolerance=tolerance).error
    return lambda: float(factorize_jointly(maps, k, tolerance=tolerance)[0].error_curve[-1])


def loosest(maps: list[np.ndarray], k: int, enough: float) -> Run:
    """Ours with the loosest tolerance that ends with an error that is low enough."""
    ways = [ours(maps, k, tolerance) for tolerance in TOLERANCES]
    return next((way for way in ways if way() <= enough), ours(maps, k))


def scikit_learn(positions: np.ndarray, k: int) -> Run:
    def run() -> float:
        model = NMF(k)
        model.fit_transform(positions)
        return float(model.reconstruction_err_ / np.linalg.norm(positions))

    return run


def torchnmf(positions: np.ndarray, k: int, enough: float) -> Run:
    """Ten iterations at a time, so that it can stop as soon as its error is low enough."""
    data = torch.from_numpy(positions)
    length = float(torch.linalg.vector_norm(data))

    def run() -> float:
        torch.manual_seed(0)
        model = TorchNMF(data.shape, rank=k)
        for _ in range(20):
            model.fit(data, beta=2, max_iter=10, tol=0)
            with torch.no_grad():
                error = float(torch.linalg.vector_norm(data - model())) / length
            if error <= enough:
                break
        return error

    return run


def grad_cam(maps: np.ndarray, k: int) -> Run:
    """maps: (1, channels, rows, columns)."""
    flat = maps[0].reshape(maps.shape[1], -1)
    offset = flat.min(axis=1, keepdims=True)

    def run() -> float:
        concepts, heat = grad_cam_dff(maps, n_components=k)
        model = (concepts - offset) @ heat[0].reshape(k, -1) + offset
        return float(np.linalg.norm(flat - model) / np.linalg.norm(flat))

    return run


def line(name: str, maps: list[np.ndarray], k: int, runs: int) -> list[object]:
    """One row of the table."""
    flat = np.concatenate([one.reshape(len(one), -1) for one in maps], axis=1)
    positions = np.ascontiguousarray(flat.T)
    learnt = scikit_learn(positions, k)
    enough = SLACK * learnt()
    ways = [
        ours(maps, k),
        loosest(maps, k, enough),
        learnt,
        torchnmf(positions, k, enough),
        grad_cam(flat[None, :, None, :], k),
    ]
    seconds: list[list[float]] = [[] for _ in ways]
    errors = [0.0] * len(ways)
    for turn in range(runs + 1):
        for number, way in enumerate(ways):
            if turn > 1 and seconds[number][-1] > PATIENCE:
                continue
            begin = time.perf_counter()
            errors[number] = way()
            seconds[number] = [*(seconds[number] if turn > 1 else []), time.perf_counter() - begin]
    middle = [1000 * median(some) for some in seconds]
    cells: list[object] = [f"{name}: {len(positions)} × {positions.shape[1]}", k]
    for milliseconds, error in zip(middle, errors, strict=True):
        cells += [f"{milliseconds:.0f}", f"{error:.4f}"]
    # A peer that stopped above scikit-learn's error plus half a percent has not done the work.
    fair = [m for m, e in zip(middle[2:], errors[2:], strict=True) if e <= SLACK * errors[2]]
    return [*cells, min(fair) / middle[0], min(fair) / middle[1]]


def seen(backbone: Backbone, count: int) -> list[np.ndarray]:
    """Activations of sample photos, evenly drawn."""
    images = sample_photos()[1].images
    rows = np.linspace(0, len(images) - 1, count).astype(int)
    return [backbone.activations(read_image(images[row].path)) for row in progress(rows, "seen")]


def single() -> list[list[object]]:
    backbone = network()
    joined = seen(backbone, 1)
    last = [np.ascontiguousarray(joined[0][backbone.blocks[0] :])]
    deep = load_backbone("efficientnet_lite0:block5")
    block5 = seen(deep, 1)
    large = [last[0].repeat(2, axis=1).repeat(2, axis=2)[:, :32, :32]]
    large[0] = large[0] * (0.5 + np.random.default_rng(0).random(large[0].shape, np.float32))
    shapes = {"joined": joined, "last": last, "block5": block5, "last enlarged": large}
    return [
        line(name, maps, k, RUNS["single"]) for name, maps in shapes.items() for k in KS["single"]
    ]


def joint() -> list[list[object]]:
    maps = seen(network(), FIFTY)
    return [line("50 pictures", maps, k, RUNS["joint"]) for k in KS["joint"]]


def main() -> None:
    made = parser(__doc__.splitlines()[0], PARTS)
    made.add_argument("--threads", type=int, default=1, help="of all; default: %(default)s")
    asked = made.parse_args()
    warnings.filterwarnings("ignore", message="Maximum number of iterations")
    torch.set_num_threads(asked.threads)
    if asked.threads != 1 and asked.write:
        sys.exit("--write: the tables are those of one thread")
    with threadpool_limits(asked.threads):
        for part in asked.only:
            rows = {"single": single, "joint": joint}[part]()
            publish(f"factorization {part}", table(HEAD, rows), write=asked.write)


if __name__ == "__main__":
    main()
