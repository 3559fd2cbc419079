"""A second picture beside the first on the factors page: part by part, and channel by channel."""

from dataclasses import dataclass, replace

import numpy as np
import streamlit as st

from dff.app import charts, compare_data, compare_markup, factors_data, factors_grid, markup
from dff.app.compare_data import Ranking
from dff.app.components.heatgrid import heatgrid
from dff.app.engine import Source
from dff.app.factors_closer import profile
from dff.app.factors_data import PartFacts
from dff.app.factors_grid import Grid, Panel
from dff.app.factors_panels import described, heat_panel, overlay_alt, residual_panel
from dff.app.factors_pictures import View, draw_parts, sharp
from dff.app.microscope import Microscope, Recipe, Slide
from dff.app.state import link_to, write_one
from dff.descriptors import PART, about
from dff.factorization import Factorization
from dff.images import crop
from dff.localization import locate
from dff.parts import Parts
from dff.render import encode_jpeg

KEY, CHOICE, ASKED = "beside", "with_picture", "asked_with"
LARGE, NARROW, SMALL = (340, 260), (150, 260), (130, 150)  # pixels of the page

NOTE = (
    "Each picture is factorized alone. A part of the second has the colour of the part of the "
    "first that it goes with. Cut out: the largest region over a third of the part's maximum."
)
ELSEWHERE_NOTE = (
    "The score is made of parts in the index's own layer, from the usual solver and start: here "
    "parts are paired by the cosine of their basis vectors alone."
)
ADDED, ALIKE = "What they add", "How alike they are"


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two pictures, as it is drawn. view: with its own number of parts."""

    name: str
    slide: Slide
    view: View
    factors: Factorization
    parts: list[PartFacts]


@dataclass(frozen=True, eq=False)
class Second:
    """The second picture.

    row: of the index. k: its number of parts: the index's where `table` says what each pair adds
    to the score, (k of the first, k) float32, else that of the first. score, rank: in the search.
    """

    row: int
    slide: Slide
    k: int
    table: np.ndarray | None
    score: float
    rank: int


def is_open() -> bool:
    """Whether there is a second picture: the panel is open, or the address asks for one."""
    if ASKED not in st.session_state:
        st.session_state[ASKED] = st.query_params.get("with")
    if KEY not in st.session_state:
        if "with" in st.query_params:
            st.session_state[KEY] = True
        return st.query_params.get(KEY) == "true" or "with" in st.query_params
    return bool(st.session_state[KEY])


def second(lab: Microscope, slide: Slide, view: View) -> Second | None:
    """The second picture under the layer of the first: the one asked for, or the best match. None
    where the panel is closed, and where the index holds no other."""
    if not is_open():
        write_one("with", None)
        return None
    index, ranking = lab.engine.index, _ranking(lab, slide.source, view.k)
    if not len(ranking.order):
        return None
    row = index.row_of.get(st.session_state[ASKED] or "", -1)
    if row not in ranking.order:
        row = int(ranking.order[0])
    there = lab.slide(Source.of_row(index, row), slide.key[1], slide.key[2])
    own = lab.layers(slide.backbone.name).own == slide.backbone.layer
    table, k = None, view.k
    if own and view.recipe == Recipe() and about(ranking.query.descriptor).region == PART:
        table, k = index.contributions(ranking.query, row), index.settings.k
    return Second(row, there, k, table, float(ranking.scores[row]), int(ranking.ranks[row]))


def highest(lab: Microscope, slide: Slide, view: View, found: Second) -> float:
    """The strongest heat of both pictures."""
    return max(
        float(lab.factors(where, k, view.recipe).heatmaps.max())
        for where, k in ((slide, view.k), (found.slide, found.k))
    )


def beside(lab: Microscope, slide: Slide, view: View, found: Second | None) -> None:
    """The panel. found: None where the index holds no other picture."""
    if found is None:
        st.info("This index holds no other picture.")
        return
    ranking = _ranking(lab, slide.source, view.k)
    _choose(lab, ranking, found)
    adds = found.table if _by_contribution(found) else None
    own = described(lab, slide, view.k, view.recipe)
    first = Side(slide.source.name, slide, view, lab.factors(slide, view.k, view.recipe), own)
    factors = lab.factors(found.slide, found.k, view.recipe)
    cosines = _cosines(first.factors.basis, factors.basis)
    partners, back = pairs(cosines, adds)
    colours = [own[i].colour for i in back]
    others = described(lab, found.slide, found.k, view.recipe, colours=colours)
    title = lab.engine.index.pictures[found.row].title
    other = Side(title, found.slide, replace(view, k=found.k), factors, others)
    _pictures(lab, (first, other))
    st.caption(NOTE if found.table is not None else f"{NOTE} {ELSEWHERE_NOTE}")
    for i, j in enumerate(partners):
        if not own[i].dead:
            st.html(markup.pair_head(own[i], others[j]))
            st.html(markup.facts_line(_pair_facts(i, j, cosines, found.table)))
            _pair(lab, (first, other), (i, j))
    _tables(found, ranking, cosines, (first, other))


def pairs(cosines: np.ndarray, adds: np.ndarray | None) -> tuple[list[int], list[int]]:
    """The partner of each part of the first picture, and of each of the second.

    cosines: (k, m) of their basis vectors. adds: (k, m), what each pair adds to the score; with
    it the partner is the one that adds most, and only by cosine where none adds anything.
    """
    table = np.zeros(cosines.shape, np.float32) if adds is None else adds
    found = (
        np.where(table.any(axis=axis), table.argmax(axis=axis), cosines.argmax(axis=axis))
        for axis in (1, 0)
    )
    there, back = ([int(part) for part in row] for row in found)
    return there, back


# --- choosing ------------------------------------------------------------------------------


def _ranking(lab: Microscope, source: Source, k: int) -> Ranking:
    engine = lab.engine
    ranking: Ranking = engine.scene(
        (source.sha256, k, "ranking"),
        lambda: compare_data.rank(engine.index, engine.query(source, k, None)),
    )
    return ranking


def _by_contribution(found: Second) -> bool:
    """How parts are paired: the user's choice, where there is one."""
    if found.table is None:
        return False
    chosen = st.segmented_control(
        "Pair parts by",
        (ADDED, ALIKE),
        default=ADDED,
        required=True,
        key="pairs",
        bind="query-params",
        help="Each part of the first picture goes with the part of the second that adds most to "
        "the score with it, as on Explore, or whose basis vector is most like its own.",
    )
    return chosen == ADDED


def _choose(lab: Microscope, ranking: Ranking, found: Second) -> None:
    """The select box of all other pictures, the best match first."""
    index, row = lab.engine.index, found.row
    ids = [index.pictures[int(r)].id for r in ranking.order]
    st.session_state[CHOICE] = index.pictures[row].id
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.selectbox(
            "Second picture",
            ids,
            format_func=lambda id: (
                f"{ranking.ranks[index.row_of[id]]}. {index.pictures[index.row_of[id]].title}"
            ),
            key=CHOICE,
            on_change=_chosen,
            width=320,
            help="All other pictures of the collection, in the order in which they are found.",
        )
        own = ranking.query.row
        if own is not None and len(index.settings.descriptors) > 1:
            first, second = (index.pictures[r].id for r in (own, row))
            st.link_button(
                "The same two by other descriptors",
                link_to("compare", picture=first, result=second),
                icon=":material/compare:",
            )
    st.caption(
        f"Rank {found.rank} of {len(ranking.order)}, score {compare_markup.number(found.score)}."
    )
    write_one("with", index.pictures[row].id)


def _chosen() -> None:
    st.session_state[ASKED] = st.session_state[CHOICE]


# --- showing -------------------------------------------------------------------------------


def _pictures(lab: Microscope, sides: tuple[Side, Side]) -> None:
    """Both pictures in their parts, and what these leave over."""
    grids, groups = [], []
    for number, side in enumerate(sides):
        slide, view, parts = side.slide, side.view, side.parts
        size = factors_data.display_size(*slide.size, *LARGE)
        residual = lab.residual(slide, view.k, view.recipe)
        grids += [
            Grid(side.factors.heatmaps, slide.extent, number),
            Grid(residual[None], slide.extent, number),
        ]
        whole = Panel(
            draw_parts(lab, slide, view, [part.colour for part in parts], size),
            size,
            overlay_alt(side.name, parts, side.factors),
            head=markup.plain_head(side.name),
            grid=2 * number,
            reads=tuple(factors_grid.part_read(part) for part in parts if not part.dead),
        )
        head = markup.plain_head("Left over")
        left = residual_panel(lab, slide, view, NARROW, grid=2 * number + 1, head=head)
        groups.append([whole, left])
    heatgrid(factors_grid.facts(grids, groups), key="both pictures")


def _pair_facts(i: int, j: int, cosines: np.ndarray, table: np.ndarray | None) -> list[str]:
    facts = [f"cosine of the basis vectors {cosines[i, j]:.2f}"]
    if table is not None:
        own, whole = (compare_markup.number(float(v)) for v in (table[i, j], table[i].sum()))
        facts += [f"this pair adds {own} to the score", f"part {i + 1} adds {whole} in all"]
    return facts


def _pair(lab: Microscope, sides: tuple[Side, Side], at: tuple[int, int]) -> None:
    """A part of the first picture and one of the second: heat, regions cut out, channels."""
    grids, heats, cuts = [], [], []
    for number, (side, j) in enumerate(zip(sides, at, strict=True)):
        grids.append(Grid(side.factors.heatmaps, side.slide.extent, number))
        heats.append(
            heat_panel(
                lab, side.slide, side.view, side.factors, side.parts[j], SMALL, grid=number, head=""
            )
        )
        cuts += _cut_out(lab, side, j)
    left, right = st.columns((11, 9), gap="medium")
    with left:
        heatgrid(factors_grid.facts(grids, [heats + cuts]), key=f"pair {at[0] + 1}")
    with right:
        own, other = (side.factors.basis[j] for side, j in zip(sides, at, strict=True))
        what = f"part {at[1] + 1} of the second picture"
        profile(sides[0].slide, sides[0].parts[at[0]], own, other, what)


def _cut_out(lab: Microscope, side: Side, j: int) -> list[Panel]:
    """The region in which a part is strongest, cut out of the picture; none where it is nowhere."""
    slide = side.slide
    box = locate(Parts.of(side.factors, slide.size, slide.extent), side.factors.heatmaps[j]).box
    if box is None:
        return []
    height, width = slide.picture.shape[:2]
    across, down = width / slide.size[0], height / slide.size[1]
    x0, y0 = int(box[0] * across), int(box[1] * down)
    x1, y1 = max(x0 + 1, round(box[2] * across)), max(y0 + 1, round(box[3] * down))
    size = factors_data.display_size(box[2] - box[0], box[3] - box[1], *SMALL)
    image = lab.drawing(
        ("cut out", slide.key, side.view.k, side.view.recipe, j, size),
        lambda: encode_jpeg(sharp(crop(slide.picture, (x0, y0, x1, y1)), size)),
    )
    return [Panel(image, size, f"Part {j + 1} of {side.name}, cut out")]


def _tables(found: Second, ranking: Ranking, cosines: np.ndarray, sides: tuple[Side, Side]) -> None:
    """All pairs: what they add to the score, and how alike they are."""
    own, theirs = (tuple(part.colour for part in side.parts) for side in sides)
    with st.grid("auto", min_column_width=300, gap="medium") as grid:
        if found.table is not None:
            split = compare_data.Split(
                ranking, found.row, found.table, (own, theirs), found.score, found.rank
            )
            with grid.cell():
                st.markdown("**What each pair adds**")
                st.caption(f"The cells sum to {compare_markup.number(found.score)}, the score")
                st.html(compare_markup.STYLE + compare_markup.split_table(split, PART))
        with grid.cell():
            st.markdown("**How alike each pair is**")
            st.caption("Cosine of two basis vectors, a row for each part of the first picture")
            i, j = np.unravel_index(int(cosines.argmax()), cosines.shape)
            st.altair_chart(
                charts.similarity_chart(factors_data.table_records(cosines)),
                key="pair cosines",
                alt=f"Part {i + 1} of the first picture and part {j + 1} of the second are the "
                f"most alike, with a cosine of {cosines[i, j]:.2f}",
            )


def _cosines(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Between the rows of two bases: (k, m) float32."""
    both = factors_data.similarity(np.concatenate([own, other]))
    return both[: len(own), len(own) :]
