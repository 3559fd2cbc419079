"""What the factors page says about a factorization: arrays in, plain records out, no Streamlit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dff.factorization import Factorization, match_parts
from dff.names import Name, short_name

# The lowest heatmap cosine over random starts. Under 0.7 a part lies visibly elsewhere.
STEADY, VARIES = 0.9, 0.7

PROFILE = 12  # channels in a profile
MOST_ENLARGED = 1.5  # no photo is shown larger than this times its own size

Record = dict[str, Any]


@dataclass(frozen=True)
class PartFacts:
    """One part as the page shows it.

    number: from 1, by falling energy. colour: index of the palette. name, probability: None where
    the network gives none. peak: the strongest heat, in the activations' unit. where: the place
    of the peak in words. stability, mark: None while they are being computed and for dead parts.
    own: whether the name is the user's, and the probability how alike the part is to the one that
    was named (None where it is that one). new: whether it has no counterpart among the parts
    that gave the colours.
    """

    number: int
    colour: int
    dead: bool
    name: str | None
    probability: float | None
    energy: float
    peak: float
    where: str
    stability: float | None
    mark: str | None
    new: bool = False
    own: bool = False


def part_facts(
    factorization: Factorization,
    colours: Sequence[int],
    names: Sequence[Name],
    stability: Sequence[float] | np.ndarray | None = None,
    new: Sequence[bool] | None = None,
    own: Mapping[int, tuple[str, float | None]] | None = None,
) -> list[PartFacts]:
    """One record a part: `colours`, `names`, `stability` and `new` have one entry a part.

    own: the user's names by part, see `PartFacts`.
    """
    own = own or {}
    facts = []
    for j in range(factorization.k):
        dead = bool(factorization.dead[j])
        name, probability = own.get(j, short_name(names[j]) or (None, None))
        steady = None if stability is None or dead else float(stability[j])
        facts.append(
            PartFacts(
                number=j + 1,
                colour=int(colours[j]),
                dead=dead,
                name=name,
                probability=probability,
                energy=float(factorization.energy[j]),
                peak=float(factorization.heatmaps[j].max()),
                where=place_of_peak(factorization.heatmaps[j]),
                stability=steady,
                mark=None if steady is None else stability_word(steady),
                new=new is not None and not dead and bool(new[j]),
                own=j in own,
            )
        )
    return facts


def stability_word(similarity: float) -> str:
    """ "steady", "varies" or "changes", for the lowest heatmap cosine over random starts."""
    if similarity >= STEADY:
        return "steady"
    return "varies" if similarity >= VARIES else "changes"


def place_of_peak(heatmap: np.ndarray) -> str:
    """Where a heatmap (rows, columns) is strongest, in words: "upper left", ..., "centre"."""
    row, column = np.unravel_index(int(np.argmax(heatmap)), heatmap.shape)
    rows, columns = heatmap.shape
    down = ("upper", "", "lower")[min(2, int(3 * (row + 0.5) / rows))]
    across = ("left", "", "right")[min(2, int(3 * (column + 0.5) / columns))]
    if down and across:
        return f"{down} {across}"
    return {"upper": "top", "lower": "bottom"}.get(down, across or "centre")


def residual_map(activations: np.ndarray, factorization: Factorization) -> np.ndarray:
    """What the parts leave over at each position, ||a - hw|| / ||a||: (rows, columns) float32.

    0 where the parts explain all or where there is no activation, 1 where they explain nothing.
    Raises ValueError for activations (channels, rows, columns) of another grid.
    """
    if activations.ndim != 3 or activations.shape[1:] != factorization.grid:
        raise ValueError(
            f"activations: expected (channels, {factorization.grid[0]}, {factorization.grid[1]}), "
            f"got {activations.shape}"
        )
    # In slices of channels: fine grids have tens of thousands of positions.
    left = np.zeros(factorization.grid, np.float64)
    total = np.zeros(factorization.grid, np.float64)
    for start in range(0, len(activations), 256):
        own = activations[start : start + 256].astype(np.float64)
        basis = factorization.basis[:, start : start + 256].astype(np.float64)
        fitted = np.tensordot(basis.T, factorization.heatmaps.astype(np.float64), axes=1)
        left += np.square(own - fitted).sum(axis=0)
        total += np.square(own).sum(axis=0)
    share = np.divide(left, total, out=np.zeros_like(left), where=total > 0)
    relative: np.ndarray = np.minimum(np.sqrt(share), 1).astype(np.float32)
    return relative


def similarity(basis: np.ndarray) -> np.ndarray:
    """Cosines between the rows of a basis (k, channels): (k, k) float32, 0 for dead rows."""
    rows = basis.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    cosines: np.ndarray = np.clip(unit @ unit.T, -1, 1).astype(np.float32)
    return cosines


def similarity_records(basis: np.ndarray) -> list[Record]:
    """`table_records` of the cosines between the rows of a basis."""
    return table_records(similarity(basis))


def table_records(table: np.ndarray) -> list[Record]:
    """One record a cell of a table of cosines: part, other (from 1), cosine."""
    return [
        {"part": i + 1, "other": j + 1, "cosine": float(value)}
        for i, row in enumerate(table)
        for j, value in enumerate(row)
    ]


def most_alike(basis: np.ndarray) -> tuple[int, int, float] | None:
    """The two live parts (from 1) with the highest cosine; None if there are fewer than two."""
    table = np.triu(similarity(basis), 1)
    live = basis.any(axis=1)
    table[~live] = table[:, ~live] = -1
    table[np.tril_indices(len(table))] = -1
    if not len(table) or table.max() < 0:
        return None
    i, j = np.unravel_index(int(table.argmax()), table.shape)
    return int(i) + 1, int(j) + 1, float(table[i, j])


def profile(
    own: np.ndarray, other: np.ndarray, layer: str, blocks: Sequence[int], count: int = PROFILE
) -> list[Record]:
    """The strongest `count` channels of a basis row (channels,), one record each, the strongest
    first: channel (its name), value, other (of the row `other`).

    layer, blocks: of the backbone: a channel of joined layers is told as its layer's.
    """
    layers = layer.split("+") if len(blocks) > 1 else [""]
    ends = np.cumsum(blocks)
    records = []
    for channel in np.argsort(-own, kind="stable")[:count]:
        block = int(np.searchsorted(ends, channel, side="right"))
        number = int(channel) - (int(ends[block - 1]) if block else 0)
        records.append(
            {
                "channel": f"{layers[block]} {number}".strip(),
                "value": float(own[channel]),
                "other": float(other[channel]),
            }
        )
    return records


@dataclass(frozen=True)
class Counterpart:
    """A part's pair in another factorization of the same picture.

    other: its index there. cosine: of the heatmaps. overlap: intersection over union of the
    regions over half of their maximum.
    """

    other: int
    cosine: float
    overlap: float


def counterparts(own: np.ndarray, other: np.ndarray) -> list[Counterpart]:
    """The pair of each part, one to one, the most similar first.

    own, other: heatmaps of as many parts on one grid, flat: (k, cells) >= 0.
    """
    if own.shape != other.shape:
        raise ValueError(f"heatmaps: expected two alike, got {own.shape} and {other.shape}")
    found = []
    for here, pair in zip(own, match_parts(other, own), strict=True):
        there = other[pair]
        lengths = float(np.linalg.norm(here) * np.linalg.norm(there))
        inside, also = (heat > heat.max() / 2 for heat in (here, there))
        union = int((inside | also).sum())
        found.append(
            Counterpart(
                other=int(pair),
                cosine=float(here @ there) / lengths if lengths > 0 else 0.0,
                overlap=int((inside & also).sum()) / union if union else 0.0,
            )
        )
    return found


def quality_by_k(found: Mapping[int, Factorization]) -> list[Record]:
    """Two records a k: its error ||A - HW|| / ||A|| and its explained share."""
    rows: list[Record] = []
    for k in sorted(found):
        rows.append({"k": k, "measure": "explained share", "value": float(found[k].explained)})
        rows.append({"k": k, "measure": "relative error", "value": float(found[k].error)})
    return rows


def minimised(solver: str) -> str:
    """What a solver's error curve holds, in words."""
    return "divergence per unit of activation" if solver == "kl" else "relative error"


def convergence(error_curve: np.ndarray) -> list[Record]:
    """One record an iteration; iteration 0 is the start."""
    return [{"iteration": i, "error": float(error)} for i, error in enumerate(error_curve)]


def display_size(width: int, height: int, widest: int, tallest: int) -> tuple[int, int]:
    """Pixels at which a picture is drawn: inside widest x tallest, at most 1.5 times its own."""
    scale = min(widest / width, tallest / height, MOST_ENLARGED)
    return max(1, round(width * scale)), max(1, round(height * scale))


def plain(text: str, longest: int = 400) -> str:
    """A stranger's text as Markdown that shows it as it is, cut to `longest` characters."""
    text = "".join(c if c.isprintable() else " " for c in text)
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    return "".join("\\" + c if c in "\\`*_{}[]()<>#+-.!|~$:" else c for c in text)


def label(text: str) -> str:
    """A stranger's text as a widget's label that is read aloud: Markdown has no effect on it, and
    no backslashes are heard. What is neither letter nor digit nor a mark of a sentence is a space.
    """
    return " ".join("".join(c if c.isalnum() or c in ",.'’-" else " " for c in text).split())
