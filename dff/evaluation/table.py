"""The retrieval table of a run in words: what a terminal and a report show."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dff.evaluation.noise import Noise
from dff.evaluation.retrieval import Row, Settings, main_task
from dff.evaluation.runner import Evaluation

# head, cell ("" where the setting does not apply), from how many different cells on it is shown.
_SETTINGS: tuple[tuple[str, Callable[[Settings], str], int], ...] = (
    ("descriptor", lambda own: own.descriptor, 0),
    ("network", lambda own: own.backbone, 2),
    ("layer", lambda own: own.layer, 2),
    ("scales", lambda own: ", ".join(f"{scale:g}" for scale in own.scales), 2),
    ("k", lambda own: "" if own.k is None else str(own.k), 2),
    ("whitening", lambda own: own.whitening, 0),
    ("fitted on", lambda own: own.whitening_on or "", 2),
    ("matching", lambda own: own.matching, 0),
    ("ranked again", lambda own: own.rerank or "", 1),
)


@dataclass(frozen=True)
class Line:
    """One row: what is special about it ("default", "best", "level"), and its cells."""

    kinds: tuple[str, ...]
    cells: tuple[str, ...]


def retrieval_table(found: Evaluation) -> tuple[list[str], list[Line]]:
    """The heads and the rows, best first.

    Of the settings there are descriptor, whitening and matching, and those in which rows differ. A
    setting that does not apply to a row has an empty cell and is no difference.
    """
    if not found.rows:
        return [], []
    ordered = _best_first(found)
    shown = [
        (head, cell)
        for head, cell, fewest in _SETTINGS
        if len({cell(row.settings) for row in found.rows} - {""}) >= fewest
    ]
    tasks = list(found.rows[0].mean_precisions)
    lines, seen = [], set()
    for row, noise in ordered:
        name = row.settings.descriptor
        marks = [
            ("default", "default", row.default),
            ("best", f"best of {name}", name not in seen),
            ("level", "level with the best", noise.level),
        ]
        seen.add(name)
        cells = [
            *(cell(row.settings) for _, cell in shown),
            str(row.dimensions),
            *(tenth(row.mean_precisions.get(task)) for task in tasks),
            f"{noise.low:.1f} to {noise.high:.1f}",
            "" if row.default else _against(noise),
            tenth(row.first),
            f"{1000 * row.seconds:.0f}",
            str(row.bytes),
            ", ".join(words for _, words, true in marks if true),
        ]
        lines.append(Line(tuple(kind for kind, _, true in marks if true), tuple(cells)))
    means = [f"mAP {task}" for task in tasks] if len(tasks) > 1 else ["mAP"]
    heads = [*(head for head, _ in shown), "dimensions", *means, "95 %", "against the default"]
    return [*heads, "P@1", "ms", "bytes", ""], lines


def verdict(found: Evaluation) -> str:
    """Which row is best, and how many may be as good; those that are ranked again apart."""
    ordered = _best_first(found)
    plain = [pair for pair in ordered if pair[0].settings.rerank is None]
    again = [pair for pair in ordered if pair[0].settings.rerank is not None]
    told = [f"The best row is {_and_its_equals(plain)}."] if plain else []
    if again:
        told.append(f"Of those ranked again it is {_and_its_equals(again)}.")
    if sum(noise.level for _, noise in ordered) > len(told):
        told.append(
            "What may be as good is marked “level with the best”: the 95 % interval of the "
            "difference, query by query, holds 0 (bootstrap over the queries)."
        )
    return " ".join(told)


def name_of(settings: Settings) -> str:
    """A row in words."""
    own = settings
    on = f" fitted on {own.whitening_on}" if own.whitening_on else ""
    again = f", ranked again by {own.rerank}" if own.rerank else ""
    return f"{own.descriptor}, whitening {own.whitening}{on}, {own.matching}{again}"


def networks_of(settings: Sequence[Settings]) -> str:
    """What the rows were made from: networks and layers, sizes and numbers of parts."""
    networks = " and ".join(dict.fromkeys(f"{own.backbone}, layer {own.layer}" for own in settings))
    sizes = ", ".join(dict.fromkeys(str(own.size) for own in settings))
    parts = ", ".join(dict.fromkeys(str(own.k) for own in settings if own.k is not None))
    told = f"Network {networks}; longest side {sizes} pixels"
    return f"{told}; k = {parts} parts a picture." if parts else f"{told}."


def tenth(value: float | None) -> str:
    """One digit behind the point, "" for None."""
    return "" if value is None else f"{value:.1f}"


def _and_its_equals(ordered: Sequence[tuple[Row, Noise]]) -> str:
    """The first of some rows, best first, and how many of the others may be as good."""
    best = name_of(ordered[0][0].settings)
    others, equals = ordered[1:], [row for row, noise in ordered[1:] if noise.level]
    if not others:
        return best
    told = f"{best}; {len(equals) or 'none'} of {len(others)} others may be as good"
    if not any(row.default for row, _ in others):
        return told
    among = any(row.default for row in equals)
    return f"{told}, the default {'among them' if among else 'not'}"


def _best_first(found: Evaluation) -> list[tuple[Row, Noise]]:
    task = main_task(found.dataset)
    pairs = zip(found.rows, found.noise, strict=True)
    return sorted(pairs, key=lambda pair: -pair[0].mean_precisions[task])


def _against(noise: Noise) -> str:
    found = noise.vs_default
    return "" if found is None else f"{found.mean:+z.1f} ({found.low:+z.1f} to {found.high:+z.1f})"
