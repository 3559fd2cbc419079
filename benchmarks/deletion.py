"""Is the explanation true? Hide each part of a query, search again, compare with the split.

    python benchmarks/deletion.py [--only agreement drops] [--pictures N] [--write]

On sample photos, each searched in the sample index by its default descriptor; the score is that of
the first result, before and after hiding. About 13 network passes a picture.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from common import ROOT, parser, progress, publish, table

from dff import explain
from dff.deletion import (
    MASK_SIDE,
    Agreement,
    Deletion,
    agreement,
    bootstrap_interval,
    delete,
    heats_on_picture,
    hottest_pixels,
    mass_inside,
    own_pixels,
    random_regions,
)
from dff.index import Index, Query
from dff.saliency import grad_cam

PARTS = ("agreement", "drops")
SHARE = 1 / 8  # of the picture, at most, where all parts are given one area

Credits = dict[str, np.ndarray]
REGIONS = (
    "the parts' own pixels",
    "equally many pixels of each part",
    "random regions, areas of the parts",
)
NAMES = (
    "contribution (the split)",
    "lead over its weight's share",
    "Grad-CAM inside",
    "energy",
    "area",
)


@dataclass(frozen=True, eq=False)
class Trial:
    """One query with one kind of regions: what was credited, what was lost."""

    credits: Credits
    deletion: Deletion


def part_weights(index: Index, query: Query, row: int) -> np.ndarray:
    """How much each part weighs in the score of a picture: what it would be credited with if all
    its matches were perfect. (k,), sum 1."""
    target = index.described(row)
    mutual = query.matching == "mutual"
    table = explain.matched_contributions(query.described, target, mutual=mutual)
    cosines = query.described.regions @ target.regions.T
    weights = np.divide(table, cosines, out=np.zeros_like(table), where=table != 0)
    return explain.by_parts(weights, query.described, target).sum(axis=1)


def lead(contribution: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """By how much the score would fall if a part were gone and the weights of the others were
    scaled up to sum to 1 again: (c_i - a_i S) / (1 - a_i), a_i its weight, S the score."""
    shares = weights / weights.sum()
    return np.asarray((contribution - shares * contribution.sum()) / np.maximum(1 - shares, 1e-9))


def spread(credit: np.ndarray, heats: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """What regions get of credits that are spread over the parts' heat: (m,)."""
    return np.asarray(
        sum(c * mass_inside(heat, masks) for c, heat in zip(credit, heats, strict=True))
    )


def grad_cam_on_picture(index: Index, picture: np.ndarray, query: Query) -> np.ndarray:
    """Grad-CAM of the network's most probable class over the picture, as large as the masks."""
    activations, gradient, _ = index.backbone().gradient(picture, size=index.settings.size)
    return query.parts.on_picture(grad_cam(activations, gradient), MASK_SIDE)


def trials(index: Index, row: int) -> dict[str, Trial] | None:
    """All that is measured of one query; None where fewer than two parts hold anything."""
    query = index.indexed_query(index.pictures[row].id)
    live = ~query.parts.dead
    (match,) = index.search(query, top=1)
    picture = index.picture(row)

    def score(shown: np.ndarray) -> float:
        return float(index.row_scores(index.query(shown))[match.row].sum())

    all_heats = heats_on_picture(query.parts)
    own = own_pixels(all_heats)
    live &= own.any(axis=(1, 2))
    if live.sum() < 2:
        return None
    heats, own = all_heats[live], own[live]
    equal = hottest_pixels(all_heats, SHARE)[live]
    elsewhere = random_regions(own, seed=row)
    contribution = match.contributions.sum(axis=1)
    leads = lead(contribution, part_weights(index, query, match.row))
    saliency = grad_cam_on_picture(index, picture, query)
    energy = query.parts.energy

    def of_parts(masks: np.ndarray) -> Credits:
        values = (contribution[live], leads[live], mass_inside(saliency, masks), energy[live])
        return dict(zip(NAMES, (*values, masks.mean(axis=(1, 2))), strict=True))

    def of_others(masks: np.ndarray) -> Credits:
        inside = [spread(values[live], heats, masks) for values in (contribution, leads, energy)]
        values = (inside[0], inside[1], mass_inside(saliency, masks), inside[2])
        return dict(zip(NAMES, (*values, masks.mean(axis=(1, 2))), strict=True))

    credits = (of_parts(own), of_parts(equal), of_others(elsewhere))
    done = delete(picture, np.concatenate([own, equal, elsewhere]), score)
    after, areas = np.split(done.after, 3), np.split(done.areas, 3)
    return {
        name: Trial(credits[n], Deletion(done.before, after[n], areas[n]))
        for n, name in enumerate(REGIONS)
    }


def _share(value: float, interval: tuple[float, float]) -> str:
    return f"{100 * value:.0f} % ({100 * interval[0]:.0f} to {100 * interval[1]:.0f})"


def _correlation(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.2f} ({interval[0]:.2f} to {interval[1]:.2f})"


def _cells(found: Agreement) -> list[str]:
    return [
        _share(found.first, found.first_interval),
        _correlation(found.correlation, found.correlation_interval),
    ]


def agreement_rows(found: list[dict[str, Trial]]) -> list[list[object]]:
    """One line for each kind of regions and each way to rank them."""
    ways: tuple[Callable[[Deletion], np.ndarray], ...] = (
        lambda deletion: deletion.drops,
        lambda deletion: deletion.drops_by_area,
    )
    lines: list[list[object]] = []
    for region in REGIONS:
        mine = [each[region] for each in found]
        same_area = region == REGIONS[1]
        for name in NAMES:
            if same_area and name == "area":
                continue
            credits = [trial.credits[name] for trial in mine]
            made = [agreement(credits, [way(t.deletion) for t in mine]) for way in ways]
            cells = [_cells(one) for one in made]
            lines.append([region, name, *cells[0], *(("", "") if same_area else cells[1])])
        lines.append([region, "random order", f"{100 * made[0].chance:.0f} %", "0", "", ""])
    return lines


def drop_rows(found: list[dict[str, Trial]]) -> list[list[object]]:
    """How much of the score is lost by hiding which region."""
    of_parts, _, of_others = REGIONS
    kinds: dict[str, tuple[list[float], list[float]]] = {}
    for each in found:
        credit = each[of_parts].credits[NAMES[0]]
        part, other = each[of_parts].deletion, each[of_others].deletion  # areas are the same
        for name, at in (("largest", int(credit.argmax())), ("smallest", int(credit.argmin()))):
            falls = {
                "the part": part.drops[at],
                "a random region of its area": other.drops[at],
                "the part minus the region": part.drops[at] - other.drops[at],
            }
            for what, fall in falls.items():
                areas, drops = kinds.setdefault(f"{name} contribution: {what}", ([], []))
                areas.append(float(part.areas[at]))
                drops.append(float(fall))
    lines: list[list[object]] = []
    for name, (areas, drops) in kinds.items():
        low, high = bootstrap_interval(np.array(drops))
        cells = (f"{np.mean(drops):.3f}", f"{low:.3f} to {high:.3f}")
        lines.append([name, f"{100 * np.mean(areas):.0f} %", *cells])
    return lines


def main() -> None:
    """Run the tables that were asked for."""
    made = parser(__doc__.partition("\n")[0], PARTS)
    made.add_argument("--pictures", type=int, default=80, help="how many, evenly drawn")
    options = made.parse_args()
    index = Index.open(ROOT / "sample_index")
    count = min(len(index), options.pictures)
    rows = np.unique(np.linspace(0, len(index) - 1, count).round().astype(int))
    found = [one for row in progress(rows, "hiding") if (one := trials(index, int(row)))]
    before = np.mean([each[REGIONS[0]].deletion.before for each in found])
    equal = np.mean([each[REGIONS[1]].deletion.areas.max() for each in found])
    print(f"{len(found)} queries, mean score {before:.3f}, equal area {100 * equal:.1f} %")
    if "agreement" in options.only:
        head = ["hidden", "ranked by", "largest first", "rank correlation"]
        head += ["per hidden area: largest first", "rank correlation"]
        publish("deletion-agreement", table(head, agreement_rows(found)), write=options.write)
    if "drops" in options.only:
        head = ["hidden", "mean area", "mean fall of the score", "95 % interval"]
        publish("deletion-drops", table(head, drop_rows(found)), write=options.write)


if __name__ == "__main__":
    main()
