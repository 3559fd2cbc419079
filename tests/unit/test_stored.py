"""Measuring an index from what it stores: planted vectors with numbers worked out by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from dff.descriptors import MATCHINGS, matching_of
from dff.evaluation import stored
from dff.evaluation.protocols import average_precision
from dff.evaluation.stored import by_label, is_right, measure, questions
from dff.index.format import IndexProblem
from dff.matching import Stored


def unit(*degrees: float) -> np.ndarray:
    """Unit vectors in the plane, by their angles."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


# Cosines fall with the angle between two pictures.
ANGLES = (0.0, 10.0, 25.0, 27.0, 60.0)
LABELS = ("a", "a", "b", "a", "b")


class Planted:
    """An index of five pictures in the plane, each with one or two regions."""

    def __init__(self, root, labels=LABELS, paths=None, hashes="abcde") -> None:
        self.photos_root = root
        paths = paths or [f"{n}.jpg" for n in range(len(ANGLES))]
        self.pictures = [
            SimpleNamespace(
                id=str(n),
                path=path,
                title=f"picture {n}",
                category=label,
                pixels_sha256=digest,
                regions={"gem": (n, 1), "dff_gem": (2 * n, 2)},
            )
            for n, (path, label, digest) in enumerate(zip(paths, labels, hashes, strict=True))
        ]
        self.settings = SimpleNamespace(descriptors=("gem", "dff_gem"), k=2)
        self.descriptor = "dff_gem"

    def __len__(self) -> int:
        return len(self.pictures)

    def vectors(self, descriptor: str) -> np.ndarray:
        return unit(*ANGLES)

    def regions(self, descriptor: str) -> Stored:
        """Both regions of a picture look alike, so matching ranks as the vectors do."""
        assert descriptor == "dff_gem"
        return Stored.of(np.repeat(unit(*ANGLES), 2, axis=0), [np.ones(2)] * len(ANGLES))


@pytest.fixture
def planted(tmp_path) -> Planted:
    return Planted(tmp_path)


def asked(index) -> list[str]:
    return [question.kind for question in questions(index)]


# --- what is measured ------------------------------------------------------------------


def test_every_number_of_five_planted_pictures(planted):
    """By angle: 0 ranks 1 a, 2 b, 3 a, 4 b: AP (1 + 2/3) / 2. 1: 0 a, 2 b, 3 a: the same.
    2: 3 a, 1 a, 0 a, 4 b: 1/4. 3: 2 b, 1 a, 0 a: (1/2 + 2/3) / 2. 4: 3 a, 2 b: 1/2."""
    (question,) = questions(planted)
    assert (question.kind, question.possible, len(question.dataset.queries)) == ("category", 5, 5)
    gem = next(row for row in measure(planted, question) if row.descriptor == "gem")
    expected = (5 / 6, 5 / 6, 1 / 4, 7 / 12, 1 / 2)
    assert [o.precision for o in gem.outcomes] == pytest.approx(expected)
    assert [o.first for o in gem.outcomes] == [1, 1, 4, 2, 2]
    assert [o.results for o in gem.outcomes][:2] == [(1, 2, 3, 4), (0, 2, 3, 4)]
    assert gem.outcomes[2].results == (3, 1, 0, 4)
    assert gem.precision.mean == pytest.approx(60)
    assert gem.precision.low < 60 < gem.precision.high
    assert gem.first == pytest.approx(40)
    assert (gem.matching, gem.dimensions, gem.regions, gem.bytes) == ("vector", 2, 1, 8)


def test_regions_are_another_row_and_the_default_is_what_a_search_uses(planted):
    (question,) = questions(planted)
    rows = measure(planted, question)
    usual = matching_of("dff_gem")
    assert [(r.descriptor, r.matching, r.bytes, r.default) for r in rows] == [
        ("gem", "vector", 8, False),
        *(("dff_gem", m, 8 if m == "vector" else 16, m == usual) for m in MATCHINGS),
    ]
    (default,) = (row for row in rows if row.default)
    assert default.against is None
    # They find the same here, so no difference is left to chance.
    assert (rows[0].against.mean, rows[0].against.low, rows[0].against.high) == (0, 0, 0)


def test_with_one_region_a_picture_the_default_is_its_vector(planted):
    for n, picture in enumerate(planted.pictures):
        picture.regions["dff_gem"] = (n, 1)
    (question,) = questions(planted)
    rows = measure(planted, question)
    assert [(r.descriptor, r.matching, r.default) for r in rows] == [
        ("gem", "vector", False),
        ("dff_gem", "vector", True),
    ]


def test_rows_come_best_first_and_are_compared_query_by_query(planted, monkeypatch):
    monkeypatch.setattr(planted, "vectors", lambda name: unit(0, 1, 90, 2, 91))
    (question,) = questions(planted)
    first, second, *others = measure(planted, question)
    assert {first.matching, second.matching} == {"vector"}
    assert [row.precision.mean for row in others] == pytest.approx([60.0] * len(others))
    assert first.precision.mean == second.precision.mean == pytest.approx(100)
    # 1/6, 1/6, 3/4, 5/12 and 1/2 better: 40 points on average, and 16.7 at least.
    assert first.against.mean == pytest.approx(40)
    assert 16.6 < first.against.low < 40 < first.against.high < 75.1


def test_labels_come_worst_first(planted):
    (question,) = questions(planted)
    means = by_label(question, measure(planted, question)[0])
    assert [(m.label, m.queries) for m in means] == [("b", 2), ("a", 3)]
    assert means[0].precision == pytest.approx(37.5)
    assert means[1].precision == pytest.approx(75)
    assert is_right(question, 0, 3) and not is_right(question, 0, 2)


def test_only_the_first_results_are_kept(planted, monkeypatch):
    monkeypatch.setattr(stored, "WATCHED", 2)
    (question,) = questions(planted)
    row = measure(planted, question)[0]
    assert row.outcomes[2].results == (3, 1)
    assert row.outcomes[2].first == 4


# --- what can be asked -----------------------------------------------------------------


def test_a_picture_alone_with_its_label_is_searched_and_does_not_ask(tmp_path):
    (question,) = questions(Planted(tmp_path, labels=("a", "a", "alone", "", "")))
    assert question.possible == 2
    assert [ask.image for ask in question.dataset.queries] == [0, 1]
    assert len(question.dataset.database) == 5


def test_a_copy_is_neither_right_nor_wrong(tmp_path):
    """0 and 1 are one photo: 0 asks for 3 alone, which comes second after 2."""
    index = Planted(tmp_path, hashes="aacde")
    (question,) = questions(index)
    (outcome, *_) = measure(index, question)[0].outcomes
    assert outcome.results == (2, 3, 4)
    assert outcome.precision == pytest.approx(average_precision(np.array([1]), 1)) == 0.5
    # Only copies of itself share the label: there is nothing to ask.
    assert asked(Planted(tmp_path, labels=("a", "a", "b", "", ""), hashes="aacde")) == []


def test_folders_are_labels_where_categories_do_not_do(tmp_path):
    paths = ["x/0.jpg", "x/deep/1.jpg", "y/2.jpg", "y/3.jpg", "4.jpg"]
    for labels in ([""] * 5, ["one", "", "", "", ""]):
        (question,) = questions(Planted(tmp_path, labels=labels, paths=paths))
        assert question.kind == "folder"
        assert [image.label for image in question.dataset.images] == ["x", "x", "y", "y", ""]
    assert asked(Planted(tmp_path, labels=LABELS, paths=paths)) == ["category"]


@pytest.mark.parametrize("labels", [[""] * 5, list("abcde"), ["same"] * 5])
def test_without_labels_that_tell_pictures_apart_there_is_no_question(tmp_path, labels):
    assert asked(Planted(tmp_path, labels=labels)) == []


def test_instances_are_asked_for_where_the_photos_csv_is_there(tmp_path, planted):
    csv = tmp_path / "photos.csv"
    csv.write_text("file,instance\n0.jpg,tower\n4.jpg,tower\n1.jpg,bridge\n")
    by_category, by_thing = questions(planted)
    assert (by_category.kind, by_thing.kind) == ("category", "instance")
    assert [ask.image for ask in by_thing.dataset.queries] == [0, 4]
    csv.write_text("name\nx\n")  # no column 'file'
    with pytest.raises(IndexProblem):
        stored.read_facts(tmp_path)
    assert asked(planted) == ["category"]


def test_a_large_collection_asks_with_an_even_selection(planted, monkeypatch):
    monkeypatch.setattr(stored, "MOST_PAIRS", 15)
    (question,) = questions(planted)
    assert question.possible == 5
    assert [ask.image for ask in question.dataset.queries] == [0, 2, 4]


# --- a real index ----------------------------------------------------------------------


def test_what_is_measured_is_what_a_search_finds(index, monkeypatch):
    """Also: without the network, and without the photos."""
    monkeypatch.setattr(type(index), "backbone", None)
    index.photos_root = index.photos_root / "moved"
    (question,) = questions(index)
    assert question.kind == "folder"
    rows = measure(index, question)
    assert {(r.descriptor, r.matching) for r in rows} == {
        ("gem", "vector"),
        *((name, matching) for name in ("dff", "rmac") for matching in MATCHINGS),
    }
    for row in rows:
        for outcome in row.outcomes[::4]:
            query = index.indexed_query(
                index.pictures[outcome.query].id, row.descriptor, row.matching
            )
            found = index.search(query, top=20)
            assert outcome.results == tuple(match.row for match in found)


def test_a_repetition_gives_the_same(planted):
    (question,) = questions(planted)
    first, second = measure(planted, question), measure(planted, question)
    assert [row.precision for row in first] == [row.precision for row in second]
    assert [row.against for row in first] == [row.against for row in second]
