from dataclasses import replace
from pathlib import PurePath
from types import SimpleNamespace

import numpy as np
import pytest

from dff.app import compare_data, compare_maps, compare_markup
from dff.app.compare_data import Ranking, Split
from dff.descriptors import MATCHINGS, PART, about, families, learned
from dff.index import Index, Query

DESCRIPTORS = ("dff", "gem", "rmac")  # what the index of the tests stores


def ranking(order, count=8, query=None) -> Ranking:
    """One that found `order`, a row a rank, and all other rows after it."""
    order = [*order, *(row for row in range(count) if row not in order)]
    ranks = np.zeros(count, np.int32)
    ranks[order] = np.arange(1, len(order) + 1)
    scores = (1 - ranks / 100).astype(np.float32)
    return Ranking(query, scores, np.array(order, np.int32), ranks)


@pytest.fixture
def sorted_index(index: Index) -> Index:
    """The index with the folders of its pictures as their categories."""
    for shard in index.shards:
        shard.pictures = [replace(p, category=PurePath(p.path).parent.name) for p in shard.pictures]
    return index


@pytest.fixture
def query(index: Index) -> Query:
    return index.indexed_query(index.pictures[2].id, "rmac")


# --- choosing ----------------------------------------------------------------------------


def test_the_default_comes_first_then_the_papers():
    stored = ("mac", "zzz", "gem", "dff_gem", "dff", "aaa", "rmac")
    order = ["dff_gem", "dff", "rmac", "gem", "mac", "aaa", "zzz"]
    assert compare_data.preferred(stored, "dff_gem") == order
    assert compare_data.preferred(("gem", "dff"), "gem") == ["gem", "dff"]


def test_a_choice_is_cut_to_four_that_are_stored():
    stored = ("dff", "gem", "mac", "rmac", "spoc")
    asked = ["gem", "gem", "../x", "dff", "spoc", "mac", "rmac"]
    assert compare_data.chosen(asked, stored) == ["gem", "dff", "spoc", "mac"]
    assert compare_data.chosen(["no"], stored) == []


# --- ranks -------------------------------------------------------------------------------


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
def test_an_index_is_ranked_as_search_ranks_it(index, descriptor):
    query = index.indexed_query(index.pictures[2].id, descriptor)
    found = compare_data.rank(index, query)
    matches = index.search(query, top=len(index))
    assert found.first(len(index)) == [match.row for match in matches]
    assert [found.scores[row] for row in found.order] == [match.score for match in matches]
    assert [found.ranks[match.row] for match in matches] == [match.rank for match in matches]


def test_the_query_itself_has_no_rank(index, query):
    found = compare_data.rank(index, query)
    assert found.ranks[2] == 0 and 2 not in found.order
    assert sorted(found.ranks) == list(range(len(index)))


def test_equal_scores_keep_the_order_of_the_index():
    rows = np.array([[0.5, 0], [0.25, 0.5], [0.25, 0.25], [1, 0]], np.float32)
    index = SimpleNamespace(row_scores=lambda query: rows)
    found = compare_data.rank(index, SimpleNamespace(same=frozenset({3})))
    assert found.order.tolist() == [1, 0, 2]
    assert found.ranks.tolist() == [2, 1, 3, 0]
    assert found.scores.tolist() == [0.5, 0.75, 0.5, 1.0]


def test_overlap_counts_the_shared_of_the_first():
    one, two, three = ranking([0, 1, 2, 3]), ranking([2, 1, 4, 0]), ranking([5, 6, 7, 1])
    rankings = [one, two, three]
    assert compare_data.overlap(rankings, 3) == [[3, 2, 0], [2, 3, 0], [0, 0, 3]]
    assert compare_data.overlap(rankings, 4) == [[4, 3, 1], [3, 4, 1], [1, 1, 4]]
    assert compare_data.in_all(rankings, 3) == 0
    assert compare_data.in_all(rankings, 4) == 1
    assert compare_data.in_all(rankings[:2], 2) == 1


def test_shown_pictures_come_by_their_best_rank():
    rankings = [ranking([4, 2, 0]), ranking([7, 4, 2])]
    assert compare_data.shown_rows(rankings, 2) == [4, 7, 2]


def test_hits_are_pictures_of_the_querys_category(sorted_index, query):
    # Rows 0 to 5 are "round", 6 to 11 "square"; the query is row 2.
    assert compare_data.category_of(sorted_index, query) == "round"
    assert compare_data.relevant(sorted_index, query) == 5
    mixed = ranking([6, 0, 1, 7], 12, query)
    assert [compare_data.hits(sorted_index, mixed, top) for top in (1, 2, 3, 4)] == [0, 1, 2, 2]


def test_a_picture_from_elsewhere_has_no_category(index):
    assert compare_data.category_of(index, SimpleNamespace(row=None)) == ""


def test_without_categories_nothing_is_correct(index, query):
    facts = compare_data.chart_facts(index, [compare_data.rank(index, query)], 8, marked=0)
    assert facts["category"] == "" and len(facts["pictures"]) == 8
    assert not any(picture["correct"] for picture in facts["pictures"].values())


# --- the chart ---------------------------------------------------------------------------


def test_the_chart_has_each_picture_once_with_its_rank_everywhere(sorted_index):
    index = sorted_index
    id = index.pictures[2].id
    rankings = [compare_data.rank(index, index.indexed_query(id, name)) for name in DESCRIPTORS]
    facts = compare_data.chart_facts(index, rankings, 3, marked=5)
    assert [column["title"] for column in facts["columns"]] == ["DFF", "GeM", "R-MAC"]
    assert [column["rows"] for column in facts["columns"]] == [r.first(3) for r in rankings]
    assert {int(row) for row in facts["pictures"]} == set(compare_data.shown_rows(rankings, 3))
    for row, picture in facts["pictures"].items():
        assert picture["title"] == index.pictures[int(row)].title
        assert picture["ranks"] == [int(r.ranks[int(row)]) for r in rankings]
        assert picture["scores"] == pytest.approx([r.scores[int(row)] for r in rankings], abs=1e-4)
        assert picture["correct"] == (int(row) < 6)
    assert (facts["count"], facts["top"], facts["marked"]) == (11, 3, 5)


@pytest.mark.parametrize(
    ("descriptor", "words"),
    [
        ("dff", "4 parts in one vector"),
        ("gem", "one vector for the whole picture"),
        ("rmac", "20 squares in one vector"),
    ],
)
def test_the_method_in_words(index, descriptor, words):
    assert compare_data.method(index.indexed_query(index.pictures[0].id, descriptor)) == words


def test_the_way_of_matching_is_said(index):
    def method(matching, members=None):
        described = SimpleNamespace(regions=np.zeros((6, 3)), members=members)
        query = SimpleNamespace(described=described, descriptor="dff", matching=matching)
        return compare_data.method(query)

    assert method("regions") == "6 parts, matched one by one"
    credited = "6 regions, credited to 4 parts, matched one by one in both directions"
    assert method("mutual", np.ones((6, 4))) == credited
    assert set(compare_data.COMPARED) == set(MATCHINGS)


def test_every_descriptor_says_what_it_is():
    for name in (*families(), *learned()):
        words = about(name)
        assert words.title != name and words.says.endswith(".") and words.paper
    assert {name for name in families() if about(name).region == PART} >= {"dff", "dff_gem"}
    assert compare_data.plural("class") == "classes"


# --- the split ---------------------------------------------------------------------------


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
def test_the_cells_sum_to_the_score(index, descriptor):
    query = index.indexed_query(index.pictures[2].id, descriptor)
    found = compare_data.rank(index, query)
    row = int(found.order[0])
    split = compare_data.split(index, found, row)
    assert split.table.sum() == pytest.approx(split.score, abs=1e-5)
    assert split.rank == 1
    assert split.single == (descriptor == "gem")
    assert (split.colours is None) == (descriptor != "dff")


def test_the_results_parts_have_the_colour_of_their_partner(index):
    found = compare_data.rank(index, index.indexed_query(index.pictures[2].id, "dff"))
    split = compare_data.split(index, found, 7)
    assert split.colours == ((0, 1, 2, 3), tuple(split.table.argmax(axis=0)))


def made_split(table, colours=None) -> Split:
    table = np.array(table, np.float32)
    return Split(ranking([1, 0]), 0, table, colours, float(table.sum()), 2)


def test_the_table_shows_numbers_sums_and_colours():
    split = made_split([[0.5, -0.25], [0, 0.125]], ((0, 1), (1, 0)))
    html = compare_markup.split_table(split, "part")
    for text in (">0.500<", ">−0.250<", ">·<", ">0.125<"):
        assert text in html
    assert ">0.250</td></tr>" in html and ">0.125</td></tr>" in html  # the sums of the rows
    assert f"rgb({compare_markup.ORANGE} / 0.750)" in html  # the largest
    assert f"rgb({compare_markup.BLUE} / 0.375)" in html  # half of it, below zero
    assert "part 1 of the query, part 2 of the result: −0.250" in html
    assert compare_markup.pair_sentence(split, "part") == (
        "Strongest pair: part 1 of the query with part 1 of the result adds 0.500."
    )


def test_large_tables_tell_their_numbers_when_pointed_at():
    middle = compare_markup.split_table(made_split(np.full((6, 6), 0.25)), "class")
    large = compare_markup.split_table(made_split(np.full((11, 3), 0.25)), "square")
    assert ">0.250<" not in middle and ">6</span>" in middle
    assert "<th" not in large and "square 11 of the query, square 3 of the result: 0.250" in large


def test_a_table_of_zeros_is_drawn():
    split = made_split([[0, 0]])
    assert "rgb(" not in compare_markup.split_table(split, "part")
    assert compare_markup.pair_sentence(split, "part") == "No pair adds anything."


def test_a_pair_that_lowers_the_score_is_said_so():
    split = made_split([[0.1, -0.4]])
    assert "part 2 of the result takes away 0.400" in compare_markup.pair_sentence(split, "part")


def test_titles_are_escaped():
    html = compare_markup.overlap_table(["<b>", "x"], [[3, 1], [1, 3]], 3, [2, 0])
    assert "&lt;b&gt;" in html and "<b>" not in html.replace("<b>2 of 3", "").replace("<b>0 of", "")
    assert html.count("1 of 3") == 2 and "<b>2 of 3</b>" in html and "Query's category" in html
    assert "category" not in compare_markup.overlap_table(["a", "b"], [[1, 0], [0, 1]], 1)


@pytest.mark.parametrize(
    ("value", "text"), [(0.0004, "0.000"), (-0.0004, "0.000"), (-0.0126, "−0.013")]
)
def test_numbers(value, text):
    assert compare_markup.number(value) == text


# --- where they look ---------------------------------------------------------------------


def test_regions_are_drawn_by_their_kind():
    extent = (0.0, 0.0, 1.0, 1.0)

    def kind(heatmaps, parts=False):
        return compare_maps.looks(np.array(heatmaps, np.float32), extent, parts=parts)

    assert kind([[[1, 1]]]).kind == "even"
    assert kind([[[0.5, 0.5]]]).kind == "even"
    assert kind([[[0.5, 1]]]).kind == "sum"
    squares = kind([[[1, 0, 0]], [[1, 1, 0]], [[0, 1, 1]]])
    assert squares.kind == "count" and squares.total.tolist() == [[2, 2, 1]]
    parts = kind([[[0, 1]], [[1, 0]]], parts=True)
    assert parts.kind == "parts" and parts.regions.shape == (2, 1, 2)


def test_shares_are_spread_over_their_regions():
    regions = np.array([[[1, 1, 0]], [[0, 1, 3]], [[0, 0, 0]]], np.float32)
    places = compare_maps.spread(regions, np.array([0.5, -0.4, 9], np.float32))
    np.testing.assert_allclose(places, [[0.25, 0.15, -0.3]], atol=1e-7)


def test_drawings_keep_the_size_of_the_picture():
    picture = np.full((40, 60, 3), 120, np.uint8)
    for heatmaps, parts in (([[[1, 0.2]]], False), ([[[1, 0]], [[0, 1]]], True)):
        found = compare_maps.looks(np.array(heatmaps, np.float32), (0, 0, 1, 1), parts=parts)
        drawn = compare_maps.draw(picture, found)
        assert drawn.shape == picture.shape and (drawn != picture).any()
    even = compare_maps.looks(np.ones((1, 2, 2), np.float32), (0, 0, 1, 1), parts=False)
    assert (compare_maps.draw(picture, even) == picture).all()


def test_what_is_drawn_is_said():
    def words(kind, count, descriptor, members=None):
        found = compare_maps.Looks(kind, np.ones((count, 2, 2), np.float32), (0.0, 0.0, 1.0, 1.0))
        described = SimpleNamespace(members=members)
        query = SimpleNamespace(descriptor=descriptor, described=described)
        return compare_maps.words(found, query)

    assert words("count", 20, "rmac") == "How many of the 20 squares cover each place."
    assert words("sum", 1, "spoc") == "How much each place counts."
    assert words("sum", 8, "cam") == "How much each place counts, all 8 classes together."
    assert words("parts", 4, "dff") == "The 4 parts, numbered as in the table below."
    assert words("parts", 4, "dff_tree", np.ones((15, 4))) == (
        "The 4 parts in which its 15 regions lie, numbered as in the table below."
    )
