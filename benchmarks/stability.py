"""The start of the factorization: how low the error ends, and how surely parts are found again.

    python benchmarks/stability.py [--only seeds changes] [--pictures N] [--write]

On sample photos, in the layers of the default. Two factorizations of a picture are compared part
by part: heatmaps paired one to one, the most similar first; a picture counts as changed if the
worst pair of heatmaps has a cosine under 0.7.
"""

import io
from collections.abc import Callable

import numpy as np
from common import SIZE, network, parser, progress, publish, sample_photos, table
from PIL import Image

from dff.evaluation.features import Features
from dff.factorization import factorize_activations, match_parts
from dff.geometry import fit_size
from dff.images import read_image, resize
from dff.nmf import DEFAULT_INIT, INITS

PARTS = ("seeds", "changes")
SEEDS = (0, 1, 2, 3, 4)
SAME = 0.7
SHIFT = 8  # pixels of the network's input: a quarter of a cell
QUALITY = 60


def worst_cosine(one: np.ndarray, two: np.ndarray) -> float:
    """The lowest cosine of paired heatmaps, both (k, rows, columns)."""
    a, b = (maps.reshape(len(maps), -1) for maps in (one, two))
    a = a[match_parts(a, b)]
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(((a * b).sum(axis=1) / np.maximum(lengths, 1e-9)).min())


def seeds(rows: np.ndarray, k: int, features: Features) -> list[list[object]]:
    """Inits x seeds: errors, iterations, and whether the parts are the same."""
    images = sample_photos()[1].images
    errors: dict[str, list[list[float]]] = {init: [] for init in INITS}
    counts: dict[str, list[int]] = {init: [] for init in INITS}
    pairs: dict[str, list[bool]] = {init: [] for init in INITS}
    for row in progress(rows, f"seeds, k = {k}"):
        activations = features.see(images[row].path).activations
        for init in INITS:
            runs = [
                factorize_activations(activations, k, init=init, seed=seed)
                for seed in (SEEDS if init == "random" else SEEDS[:2])
            ]
            errors[init].append([run.error for run in runs])
            counts[init] += [run.iterations for run in runs]
            pairs[init] += [worst_cosine(runs[0].heatmaps, run.heatmaps) < SAME for run in runs[1:]]
    best = np.min(np.concatenate([np.array(e) for e in errors.values()], axis=1), axis=1)
    table_rows: list[list[object]] = []
    for init in INITS:
        above = 100 * (np.array(errors[init]) / best[:, None] - 1)
        table_rows.append(
            [
                init,
                k,
                f"{np.mean(errors[init]):.4f}",
                f"{above.mean():.2f} %",
                f"{np.percentile(above, 95):.2f} %",
                f"{above.max():.2f} %",
                f"{np.mean(counts[init]):.0f}",
                f"{100 * np.mean(pairs[init]):.0f} %",
            ]
        )
    return table_rows


def changes(rows: np.ndarray, features: Features, write: bool) -> None:
    """Small changes of the picture: do the same parts come out?"""
    images, backbone = sample_photos()[1].images, features.backbone

    def flip(picture: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(picture[:, ::-1])

    def shift(picture: np.ndarray) -> np.ndarray:
        moved = np.empty_like(picture)
        moved[:, SHIFT:], moved[:, :SHIFT] = picture[:, :-SHIFT], picture[:, :1]
        return moved

    def jpeg(picture: np.ndarray) -> np.ndarray:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=QUALITY)
        return np.array(Image.open(file))

    ways: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "mirrored": flip,
        f"moved by {SHIFT} px": shift,
        f"JPEG quality {QUALITY}": jpeg,
    }
    found: dict[tuple[str, str, int], list[float]] = {}
    for row in progress(rows, "changes"):
        picture = read_image(images[row].path)
        height, width = picture.shape[:2]
        picture = resize(picture, *fit_size(width, height, backbone.size))
        pictures = [picture, *(way(picture) for way in ways.values())]
        maps = [backbone.activations(p) for p in pictures]
        maps[1] = np.ascontiguousarray(maps[1][:, :, ::-1])
        for k in (4, 8):
            for init in ("random", "nndsvd", DEFAULT_INIT):
                runs = [factorize_activations(a, k, init=init).heatmaps for a in maps]
                for name, changed in zip(ways, runs[1:], strict=True):
                    found.setdefault((init, name, k), []).append(worst_cosine(runs[0], changed))
    table_rows = []
    for k in (4, 8):
        for init in ("random", "nndsvd", DEFAULT_INIT):
            cells = [np.array(found[init, name, k]) for name in ways]
            shares = [f"{100 * (c < SAME).mean():.0f} % ({np.median(c):.2f})" for c in cells]
            table_rows.append([init, k, *shares])
    publish("changes", table(["init", "k", *ways], table_rows), write=write)


def main() -> None:
    """Run the tables that were asked for."""
    made = parser(__doc__.partition("\n")[0], PARTS)
    made.add_argument("--pictures", type=int, default=56, help="how many, evenly drawn")
    options = made.parse_args()
    count = len(sample_photos()[1].images)
    rows = np.unique(np.linspace(0, count - 1, min(count, options.pictures)).round().astype(int))
    print(f"{len(rows)} pictures")
    features = Features(network(), options.cache, SIZE)
    if "seeds" in options.only:
        head = [
            "init",
            "k",
            "mean error",
            "above the best",
            "95th percentile",
            "most",
            "iterations",
            "changed with another seed",
        ]
        lines = [line for k in (4, 6, 8) for line in seeds(rows, k, features)]
        publish("seeds", table(head, lines), write=options.write)
    if "changes" in options.only:
        changes(rows, features, options.write)


if __name__ == "__main__":
    main()
