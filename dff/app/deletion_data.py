"""What the deletion check says on a page: arrays in, plain records and sentences out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dff import explain
from dff.app.factors_data import PartFacts, display_size, place_of_peak
from dff.app.markup import percent
from dff.deletion import hidden, largest_agrees, rank_correlation
from dff.geometry import Box
from dff.images import crop, resize
from dff.index import Query
from dff.names import short_name
from dff.render import encode_jpeg
from dff.saliency import top_classes

WIDEST, TALLEST = 560, 390  # pixels of the page for each of the two pictures
NARROW = 320  # the same where they stand beside a table
CLASSES = 3
DECIMALS = 3  # of a score, as in the tables of contributions

NOTE = (
    "The split is exact arithmetic of the score, not proof of cause. Nor is this test: a large "
    "part takes more with it than a small one, the network sees the blur too, and the altered "
    "picture is split into parts anew. So the fall need not equal the contribution; what can be "
    "compared is which part comes first. All parts count fully here, whatever their switches say."
)


# --- a result of a search ------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """Where a picture stands among all that can be found. rank: from 1, of `of` pictures.
    percentile: the share of the index with a lower score, in percent."""

    score: float
    rank: int
    of: int
    percentile: float


@dataclass(frozen=True)
class HiddenPart:
    """One part of a query hidden, as one result sees it.

    part: from 0. area: the share of the picture that was hidden. contribution: what the split of
    the untouched score credits to the part. before, after: the result's place.
    """

    part: int
    area: float
    contribution: float
    before: Place
    after: Place

    @property
    def drop(self) -> float:
        """By how much the score falls; negative where it rises."""
        return self.before.score - self.after.score

    @property
    def told(self) -> float:
        """The fall as it is written: the difference of the two scores as they are written."""
        return round(self.before.score, DECIMALS) - round(self.after.score, DECIMALS)


def place(scores: np.ndarray, row: int, excluded: frozenset[int]) -> Place:
    """The place of picture `row` by scores (n,), `excluded` rows (the query itself) left out."""
    score = scores[row]
    others = np.ones(len(scores), bool)
    others[list(excluded)] = False
    rank = 1 + int(np.count_nonzero(scores[others] > score))
    percentile = explain.percentile(scores, float(score))
    return Place(float(score), rank, int(np.count_nonzero(others)), percentile)


def query_facts(
    query: Query, colours: Sequence[int], renamed: dict[int, str] | None = None
) -> list[PartFacts]:
    """The parts of a query; renamed: the user's own names by part."""
    facts = []
    for j, heatmap in enumerate(query.parts.heatmaps):
        named = short_name(query.names[j]) if j < len(query.names) else None
        own = (renamed or {}).get(j)
        facts.append(
            PartFacts(
                number=j + 1,
                colour=int(colours[j]),
                dead=bool(query.parts.dead[j]),
                name=own or (named[0] if named else None),
                probability=None if own or named is None else named[1],
                energy=float(query.parts.energy[j]),
                peak=float(heatmap.max()),
                where=place_of_peak(heatmap),
                stability=None,
                mark=None,
            )
        )
    return facts


def result_sentence(part: PartFacts, test: HiddenPart) -> str:
    """What was expected and what was measured, in plain words."""
    change = f"{number(abs(test.told))} {'lower' if test.told >= 0 else 'higher'}"
    moved = (
        f"The result stays at rank {test.after.rank} of {test.after.of}."
        if test.after.rank == test.before.rank
        else f"The result moves from rank {test.before.rank} to {test.after.rank} of "
        f"{test.after.of}."
    )
    return (
        f"The split credits {_named(part)} with {number(test.contribution)} of the score "
        f"{number(test.before.score)}. Without its pixels ({percent(test.area)} of the picture) "
        f"the score is {number(test.after.score)}: {change}. {moved}"
    )


def verdict(parts: Sequence[PartFacts], tests: Sequence[HiddenPart]) -> str:
    """Whether the largest contribution is the largest fall; tests of the same result."""
    if len(tests) < 2:
        return "There is only one part to hide, so there is nothing to compare."
    credit = np.array([test.contribution for test in tests])
    drops = np.array([test.drop for test in tests])
    first = parts[tests[int(credit.argmax())].part]
    worst = parts[tests[int(drops.argmax())].part]
    if largest_agrees(credit, drops):
        said = (
            f"They agree: {_named(first)} has the largest contribution, and its loss lowers the "
            "score most."
        )
    else:
        said = (
            f"They disagree: {_named(first)} has the largest contribution, but the loss of "
            f"{_named(worst)} lowers the score most."
        )
    order = f"Rank correlation over the {len(tests)} parts: {rank_correlation(credit, drops):.2f}"
    return f"{said} {order} (1: the same order, 0: none in common, −1: the reverse)."


# --- one picture under the microscope --------------------------------------------------------


@dataclass(frozen=True, eq=False)
class HiddenOnFactors:
    """One part of a picture hidden, as the network sees it.

    area: the share of the picture that was hidden. remaining: (k,) float64, how much of the
    energy along each part's basis vector is left; over 1 where there is more than before.
    before, after: the network's first guesses, (class, probability); empty for a layer that the
    classifier does not read.
    """

    area: float
    remaining: np.ndarray
    before: tuple[tuple[str, float], ...]
    after: tuple[tuple[str, float], ...]


def remaining_energy(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The energy of heatmaps (k, rows, columns) on one basis, after over before: (k,) float64,
    0 for dead parts."""
    one, two = (np.square(maps.astype(np.float64)).sum(axis=(1, 2)) for maps in (before, after))
    return np.asarray(np.divide(two, one, out=np.zeros_like(one), where=one > 0))


def guesses(backbone: Any, activations: np.ndarray) -> tuple[tuple[str, float], ...]:
    """The three most probable classes of a picture by its activations (channels, rows, columns),
    with their probabilities; none where the network's classifier does not read this layer."""
    odds = backbone.classify(activations.mean(axis=(1, 2))[None])
    labels = backbone.labels
    if odds is None or labels is None:
        return ()
    best = top_classes(odds[0], min(CLASSES, odds.shape[1]))
    return tuple((labels[i], float(odds[0, i])) for i in best)


def factors_sentence(part: PartFacts, test: HiddenOnFactors) -> str:
    """What changes for the network, in plain words."""
    left = (
        f"With {_named(part)} hidden ({percent(test.area)} of the picture), "
        f"{percent(float(test.remaining[part.number - 1]))} of the activation energy along its "
        "basis vector is left."
    )
    if not test.before or not test.after:
        return f"{left} This layer is not what the network's classifier reads, so it has no guess."
    (was, sure), (now, odds) = test.before[0], test.after[0]
    if was == now:
        return f"{left} The network's first guess stays {was}: {sure:.2f} before, {odds:.2f} after."
    return f"{left} The network's first guess was {was} ({sure:.2f}), now it is {now} ({odds:.2f})."


# --- pictures and numbers --------------------------------------------------------------------


@dataclass(frozen=True)
class Pair:
    """A picture before and after, as JPEG files, and how wide each is shown, in pixels."""

    before: bytes
    after: bytes
    width: int


def picture_pair(
    picture: np.ndarray, mask: np.ndarray, box: Box | None = None, widest: int = WIDEST
) -> Pair:
    """What the network sees before and after; with a box, only its crop."""
    both = (picture, hidden(picture, mask))
    if box is not None:
        both = crop(both[0], box), crop(both[1], box)
    height, width = both[0].shape[:2]
    shown = display_size(width, height, widest, TALLEST)
    scale = min(1.0, 2 * shown[0] / width)  # twice as many pixels, for dense screens
    size = max(1, round(width * scale)), max(1, round(height * scale))
    before, after = (encode_jpeg(resize(one, *size)) for one in both)
    return Pair(before, after, shown[0])


def number(value: float) -> str:
    """Three decimals and a true minus sign."""
    text = f"{abs(value):.{DECIMALS}f}"
    return f"−{text}" if value < 0 and float(text) else text


def _named(part: PartFacts) -> str:
    return f"part {part.number} ({part.name})" if part.name else f"part {part.number}"
