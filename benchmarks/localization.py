"""Where things are: the ways to find a query's box in another photo of the same landmark.

    python benchmarks/localization.py [--only methods colours ...] [--write]

How it is counted is said in scenes.py. `dff evaluate` compares methods on more pictures; here are
the constants of those that work from stored factors.
"""

import time
from collections.abc import Callable

import numpy as np
from common import (
    parser,
    progress,
    publish,
    table,
)
from scenes import (
    THRESHOLDS,
    Found,
    K,
    Method,
    Scenes,
    cell,
    weighted,
)

from dff import localization
from dff.evaluation.protocols import box_iou, corloc
from dff.factorization import match_parts
from dff.localization import (
    THRESHOLD,
    expressed_in,
    joint_from_stored,
    region_of_interest,
)
from dff.parts import Parts

STEPS = (1, 2, 5, 20, 100)  # iterations of joint_from_stored
DETAILS = (4, 6, 8, 10)
FLOORS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4)
DRAWN = 10  # pictures of the same category and of others, a query


def methods(scenes: Scenes, write: bool) -> None:
    """All ways to find the query's box in the other photo."""

    def instant(i: int, j: int) -> Found:
        target = expressed_in(scenes.detail(j), scenes.parts(i, K).basis)
        return weighted(target, scenes.interest(i, K)), target

    def pairwise(i: int, j: int) -> Found:
        return in_joint(scenes, joint_from_stored(scenes.parts(i, K), [scenes.detail(j)]), 1, i)

    kept: dict[tuple[str, int], list[Parts]] = {}

    def with_results(i: int, j: int) -> Found:
        if ("stored", i) not in kept:
            targets = [scenes.detail(row) for row in scenes.results[i]]
            kept["stored", i] = joint_from_stored(scenes.parts(i, K), targets)
        return in_joint(scenes, kept["stored", i], 1 + scenes.results[i].index(j), i)

    def exact(i: int, j: int) -> Found:
        return in_joint(scenes, scenes.true_joint([i, j], K), 1, i)

    def exact_with_results(i: int, j: int) -> Found:
        if ("exact", i) not in kept:
            kept["exact", i] = scenes.true_joint([i, *scenes.results[i]], K)
        return in_joint(scenes, kept["exact", i], 1 + scenes.results[i].index(j), i)

    rows: list[list[object]] = [
        ["whole image", *[fixed(scenes, 1.0)] * len(THRESHOLDS)],
        ["centre box, half the area", *[fixed(scenes, 0.5)] * len(THRESHOLDS)],
    ]
    ways: dict[str, Method] = {
        "instant": instant,
        "joint from stored, two photos": pairwise,
        "joint from stored, with 12 results": with_results,
        "true joint, two photos": exact,
        "true joint, with 12 results": exact_with_results,
    }
    for name, way in progress(ways.items(), "methods"):
        rows.append([name, *map(cell, scenes.scores(way))])
    publish("methods", table(["method", *map(str, THRESHOLDS)], rows), write=write)


def in_joint(scenes: Scenes, pictures: list[Parts], place: int, i: int) -> Found:
    """The query's box in one of some pictures that share their parts, the query first."""
    weights = region_of_interest(pictures[0], scenes.boxes[i])
    return weighted(pictures[place], weights), pictures[place]


def fixed(scenes: Scenes, share: float) -> str:
    """A box in the middle that covers a share of the picture, whatever it shows."""
    ious = []
    for _, j in scenes.pairs:
        width, height = scenes.size(j)
        dx, dy = (side * (1 - share**0.5) / 2 for side in (width, height))
        box = (round(dx), round(dy), round(width - dx), round(height - dy))
        ious.append(box_iou(box, scenes.boxes[j]))
    return cell((float(np.mean(ious)), 100 * corloc(ious)))


def colours(scenes: Scenes, write: bool) -> None:
    """Do the colours of the normal view agree with true joint DFF, and what does it cost?"""
    rows: list[list[object]] = []
    at, in_use = THRESHOLDS.index(THRESHOLD), localization.JOINT_ITERATIONS
    for k in (4, 6):
        exact = {pair: scenes.true_joint(list(pair), k)[1] for pair in scenes.pairs}
        for steps in (0, *STEPS):
            found = {}
            for i, j in progress(scenes.pairs, f"steps {steps}, k = {k}"):
                query, detail = scenes.parts(i, k), scenes.detail(j)
                if steps:
                    localization.JOINT_ITERATIONS = steps
                    found[i, j] = joint_from_stored(query, [detail])
                else:
                    found[i, j] = [query, expressed_in(detail, query.basis)]

            def locating(i: int, j: int, found: dict = found) -> Found:
                query, target = found[i, j]
                return weighted(target, region_of_interest(query, scenes.boxes[i])), target

            agreed = [agreement(exact[pair], found[pair][1]) for pair in scenes.pairs]
            own = [_own(scenes.parts(i, k), found[i, j][0]) for i, j in scenes.pairs]
            located = cell(scenes.scores(locating)[at])
            cells = [*_shares(agreed), f"{np.mean(own):.2f}", located]
            rows.append(["two photos", k, steps, *cells, None])
        localization.JOINT_ITERATIONS = in_use
        agreed, own, times = [], [], []
        for i in progress(scenes.asked, f"12 results, k = {k}"):
            targets = [scenes.detail(row) for row in scenes.results[i]]
            spent, quick = _timed(scenes.parts(i, k), targets)
            times.append(spent)
            own.append(_own(scenes.parts(i, k), quick[0]))
            slow = scenes.true_joint([i, *scenes.results[i]], k)
            agreed += [agreement(a, b) for a, b in zip(slow[1:], quick[1:], strict=True)]
        cost = f"{np.median(times):.0f} (at most {max(times):.0f})"
        cells = [*_shares(agreed), f"{np.mean(own):.2f}", None, cost]
        rows.append(["12 results", k, in_use, *cells])
    head = [
        "targets",
        "k",
        "steps",
        "positions with the same part",
        "heatmap cosine",
        "query's cosine with its own parts",
        "IoU / CorLoc",
        "ms",
    ]
    publish("colours", table(head, rows), write=write)


def _own(before: Parts, after: Parts) -> float:
    """Mean cosine of a picture's heatmaps with themselves, part by part."""
    one, two = (parts.heatmaps.reshape(parts.k, -1) for parts in (before, after))
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    return float(((one * two).sum(axis=1) / np.maximum(lengths, 1e-9)).mean())


def _timed(query: Parts, targets: list[Parts]) -> tuple[float, list[Parts]]:
    """joint_from_stored: milliseconds of the fastest of three runs, and what it gave."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        made = joint_from_stored(query, targets)
        times.append(1000 * (time.perf_counter() - start))
    return min(times), made


def _shares(agreed: list[tuple[float, float]]) -> list[str]:
    same, cosine = np.mean(agreed, axis=0)
    return [f"{100 * same:.0f} %", f"{cosine:.2f}"]


def agreement(exact: Parts, quick: Parts) -> tuple[float, float]:
    """(heat-weighted share of positions with the same strongest part, mean heatmap cosine)."""
    match = match_parts(exact.basis, quick.basis)
    one = exact.heatmaps.reshape(exact.k, -1)[match]
    two = quick.heatmaps.reshape(quick.k, -1)
    weight = one.max(axis=0)
    same = float(weight[one.argmax(axis=0) == two.argmax(axis=0)].sum() / weight.sum())
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    cosines = (one * two).sum(axis=1) / np.maximum(lengths, 1e-9)
    return same, float(cosines.mean())


def detail(scenes: Scenes, write: bool) -> None:
    """How many factors a target has to keep for the query's parts to be found in it."""
    rows: list[list[object]] = []
    at = THRESHOLDS.index(THRESHOLD)
    for kept in DETAILS:

        def own_basis(i: int, j: int, kept: int = kept) -> Found:
            query = scenes.parts(i, K)
            target = expressed_in(scenes.parts(j, kept), query.basis)
            return weighted(target, region_of_interest(query, scenes.boxes[i])), target

        def joint(i: int, j: int, kept: int = kept) -> Found:
            source, target = joint_from_stored(scenes.parts(i, K), [scenes.parts(j, kept)])
            return weighted(target, region_of_interest(source, scenes.boxes[i])), target

        scores = [scenes.scores(method)[at] for method in (own_basis, joint)]
        cells = list(map(cell, scores))
        agreed = [
            agreement(scenes.true_joint([i, j], K)[1], joint(i, j)[1])
            for i, j in progress(scenes.pairs, f"{kept} factors")
        ]
        rows.append([kept, *cells, *_shares(agreed)])
    head = [
        "factors kept",
        "own basis IoU / CorLoc",
        "joint from stored IoU / CorLoc",
        "positions with the same part",
        "heatmap cosine",
    ]
    publish("detail", table(head, rows), write=write)


def nobox(scenes: Scenes, write: bool) -> None:
    """Without a box: what the parts should weigh, with the landmark's box as the truth."""

    def way(weigh: Callable[[Parts, Parts], np.ndarray], quick: bool) -> Method:
        def found(i: int, j: int) -> Found:
            query, detail = scenes.parts(i, K), scenes.detail(j)
            if quick:
                target = expressed_in(detail, query.basis)
                return weighted(target, weigh(query, target)), target
            source, target = joint_from_stored(query, [detail])
            return weighted(target, weigh(source, target)), target

        return found

    kinds: dict[str, Callable[[Parts, Parts], np.ndarray]] = {
        "uniform": lambda q, t: np.ones(q.k, np.float32),
        "energy in the query": lambda q, t: q.energy,
        "energy in the query × in the target": lambda q, t: q.energy * t.energy,
        "energy in the query's last layer (in use)": lambda q, t: q.deepest_energy,
        "the same × in the target's": lambda q, t: q.deepest_energy * t.deepest_energy,
    }
    rows = []
    at = THRESHOLDS.index(THRESHOLD)
    for name, weigh in progress(kinds.items(), "no box"):
        cells = []
        for quick in (True, False):
            scores = scenes.scores(way(weigh, quick))
            best = max(range(len(scores)), key=scores.__getitem__)
            cells += [cell(scores[at]), f"{cell(scores[best])} at {THRESHOLDS[best]}"]
        rows.append([name, *cells])
    rows.insert(0, ["whole image", *[fixed(scenes, 1.0), ""] * 2])
    head = [
        "weights",
        "instant",
        "at the best threshold",
        "joint from stored",
        "at the best threshold",
    ]
    publish("nobox", table(head, rows), write=write)


def floor(scenes: Scenes, write: bool) -> None:
    """How often the floor says "nothing found", on true and on unrelated pairs."""
    generator = np.random.default_rng(0)
    everything = range(len(scenes.images))
    kinds: dict[str, list[tuple[int, int]]] = {"same landmark": scenes.pairs}
    for i in scenes.asked:
        # The same kind of thing, another instance: towers for a tower.
        kin = [j for j in everything if scenes.kin(i, j) and not scenes.same(i, j)]
        others = [j for j in everything if not scenes.kin(i, j)]
        for name, rows in (("same category", kin), ("unrelated", others)):
            drawn = generator.choice(rows, min(len(rows), DRAWN), replace=False)
            kinds.setdefault(name, []).extend((i, int(j)) for j in drawn)

    def joint(box: bool) -> Callable[[int, int], float]:
        def share(i: int, j: int) -> float:
            source, target = joint_from_stored(scenes.parts(i, K), [scenes.detail(j)])
            weights = region_of_interest(source, scenes.boxes[i] if box else None)
            return float(weighted(target, weights).max() / weighted(source, weights).max())

        return share

    def instant(box: bool) -> Callable[[int, int], float]:
        queries = {
            i: scenes.index.query(scenes.index.picture(i), box=scenes.boxes[i] if box else None)
            for i in progress(scenes.asked, "queries")
        }

        def share(i: int, j: int) -> float:
            query, target = queries[i].parts, scenes.index.found_parts(queries[i], j)
            weights = region_of_interest(query)
            return float(weighted(target, weights).max() / weighted(query, weights).max())

        return share

    rows = []
    for name, way in (
        ("instant, no box", instant(False)),
        ("instant, the box's crop", instant(True)),
        ("joint from stored, no box", joint(False)),
        ("joint from stored, box", joint(True)),
    ):
        for kind, pairs in kinds.items():
            shares = np.array([way(i, j) for i, j in progress(pairs, name)])
            cells = [f"{100 * (shares < f).mean():.0f} %" for f in FLOORS]
            rows.append([name, f"{kind} ({len(pairs)})", *cells, f"{np.median(shares):.2f}"])
    head = ["heat", "pairs", *(f"< {f}" for f in FLOORS), "median"]
    publish("floor", table(head, rows), write=write)


def main() -> None:
    """Run the tables that were asked for."""
    made = {
        "methods": methods,
        "colours": colours,
        "detail": detail,
        "nobox": nobox,
        "floor": floor,
    }
    options = parser(__doc__.partition("\n")[0], list(made)).parse_args()
    scenes = Scenes(options.cache)
    for name in options.only:
        made[name](scenes, options.write)


if __name__ == "__main__":
    main()
