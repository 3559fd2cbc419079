import json
import shutil

import numpy as np
import pytest

from dff.descriptors import describe, regions_of
from dff.geometry import check_box
from dff.images import ImageError, read_image
from dff.index import Index, IndexProblem
from dff.index.build import build
from dff.index.manifest import read_manifest, write_manifest
from dff.reranker import RERANKINGS

SIZE = 128


def by_id(matches):
    return {match.id: match.score for match in matches}


@pytest.mark.parametrize("descriptor", ["dff", "gem", "rmac"])
def test_contributions_sum_to_the_score(index, descriptor):
    for picture in index.pictures:
        query = index.indexed_query(picture.id, descriptor)
        found = index.search(query, descriptor=descriptor, top=12, include_self=True)
        assert len(found) == 12
        vector = query.described.vector
        for match in found:
            assert match.contributions.sum() == pytest.approx(match.score, abs=1e-5)
            cosine = vector @ index.vectors(descriptor)[match.row]
            assert match.score == pytest.approx(cosine, abs=1e-5)


def test_contributions_of_new_queries_sum_to_the_score(index, photos):
    """Boxes and other ks as well: tables of k_q x k_t."""
    for k, box in ((1, None), (7, None), (4, (0, 0, 90, 90)), (2, (80, 50, 160, 120))):
        for match in index.search(photos / "round/shape_05.png", k=k, box=box, top=12):
            assert match.contributions.shape == (k, 4)
            assert match.contributions.sum() == pytest.approx(match.score, abs=1e-5)


def test_results_are_ranked_with_percentiles(index):
    found = index.search(index.indexed_query("shape_03"), top=5)
    assert [match.rank for match in found] == [1, 2, 3, 4, 5]
    scores = [match.score for match in found]
    assert scores == sorted(scores, reverse=True)
    # The query's own picture is above the first of 12, one of twelve is 1/12.
    assert found[0].percentile == pytest.approx(100 * 10 / 12)
    assert [m.path for m in found] == [index.pictures[m.row].path for m in found]
    assert len(index.search(index.indexed_query("shape_03"), top=100)) == 11


def test_weights_of_one_change_nothing_and_zero_removes_one_row(index):
    query = index.indexed_query("shape_07")
    plain = index.search(query, top=12)
    ones = index.search(query, top=12, weights=[1, 1, 1, 1])
    assert [(m.id, m.score) for m in plain] == [(m.id, m.score) for m in ones]
    tables = {match.row: match.contributions for match in plain}
    rows = index.row_scores(query)
    for off in range(4):
        weights = np.ones(4)
        weights[off] = 0
        found = index.search(query, top=12, weights=weights)
        others = [j for j in range(4) if j != off]
        for match in found:
            assert not match.contributions[off].any()
            np.testing.assert_array_equal(match.contributions[others], tables[match.row][others])
            assert match.score == pytest.approx(rows[match.row, others].sum(), abs=1e-6)
            assert match.contributions.sum() == pytest.approx(match.score, abs=1e-5)
    double = index.search(query, top=12, weights=[2, 2, 2, 2])
    assert [m.id for m in double] == [m.id for m in plain]
    assert double[0].score == pytest.approx(2 * plain[0].score, abs=1e-6)


def test_switching_a_part_off_can_change_the_order(index):
    """Otherwise the tests above would pass with weights that do nothing."""
    orders = set()
    for off in range(4):
        weights = [0.0 if j == off else 1.0 for j in range(4)]
        found = index.search(index.indexed_query("shape_07"), top=12, weights=weights)
        orders.add(tuple(m.id for m in found))
    assert len(orders) > 1


@pytest.mark.parametrize("weights", [[1, 1], [1, 1, 1, 3], [1, 1, 1, -1], [1, 1, 1, np.nan], "a"])
def test_wrong_weights_are_refused(index, weights):
    with pytest.raises(ValueError, match="weights: expected 4 numbers from 0 to 2"):
        index.search(index.indexed_query("shape_07"), weights=weights)


@pytest.mark.parametrize("descriptor", ["dff", "gem", "rmac"])
def test_query_by_id_equals_query_by_file(index, photos, descriptor):
    for number in (2, 4, 10):
        path = photos / f"square/shape_{number:02}.png"
        stored = index.indexed_query(f"shape_{number:02}", descriptor)
        sources = {"path": path, "bytes": path.read_bytes(), "array": read_image(path)}
        expected = by_id(index.search(stored, descriptor=descriptor, top=12))
        assert len(expected) == 11
        for kind, source in sources.items():
            found = index.search(source, descriptor=descriptor, top=12)
            assert by_id(found) == pytest.approx(expected, abs=1e-6), kind
            assert [m.id for m in found] == list(expected)


def test_own_picture_is_left_out_or_marked(index, photos):
    path = photos / "round/shape_09.png"
    for source in (path, path.read_bytes(), read_image(path), index.indexed_query("shape_09")):
        assert "shape_09" not in by_id(index.search(source, top=12))
        first, *others = index.search(source, top=12, include_self=True)
        assert (first.id, first.is_query) == ("shape_09", True)
        assert first.score == pytest.approx(1, abs=1e-5)
        assert not any(match.is_query for match in others)
    # A box of it is still the same picture.
    assert "shape_09" not in by_id(index.search(path, box=(0, 0, 80, 80), top=12))


def test_boxes_lie_in_their_pictures_and_the_own_one_covers_the_heat(index):
    for picture in index.pictures:
        for match in index.search(index.indexed_query(picture.id), top=12, include_self=True):
            if match.box is not None:
                assert check_box(match.box, 160, 120) == match.box
            if match.is_query:
                assert match.box is not None


def test_a_box_is_what_the_network_sees(index, photos):
    path, box = photos / "round/shape_05.png", (80, 50, 160, 120)
    query = index.query(path, box=box)
    assert query.box == box and query.parts.box == box and (query.parts.width) == 160
    picture = read_image(path)
    alone = index.query(np.ascontiguousarray(picture[50:120, 80:160]))
    np.testing.assert_array_equal(query.described.vector, alone.described.vector)
    whole = index.query(path, box=(0, 0, 160, 120))
    assert whole.box is None
    np.testing.assert_array_equal(whole.described.vector, index.query(path).described.vector)
    for wrong in ((0, 0, 161, 120), (10, 10, 10, 20), (0.5, 0, 10, 10), (0, 0, 10)):
        with pytest.raises(ValueError, match="box: expected"):
            index.query(path, box=wrong)


def test_k_of_a_search_may_differ_from_the_index(index, photos):
    path = photos / "round/shape_05.png"
    assert index.query(path).parts.k == 4
    for k in (1, 6, 10):
        query = index.query(path, k=k)
        assert query.parts.k == k and len(query.names) == k
        assert len(query.described.weights) == k
        assert len(index.search(query, weights=np.ones(k))) == 10
    for k in (0, 11):
        with pytest.raises(ValueError, match="k: expected 1 to 10"):
            index.query(path, k=k)


def test_stored_names_are_those_of_a_fresh_query(index, photos):
    for number in (1, 3):
        fresh = index.query(photos / f"round/shape_{number:02}.png")
        assert fresh.names == index.pictures[index.row(f"shape_{number:02}")].names
        assert any(fresh.names)


def test_wrong_arguments(index, photos):
    with pytest.raises(ValueError, match="got 'nix'"):
        index.row("nix")
    with pytest.raises(ValueError, match="top: expected at least 1"):
        index.search(index.indexed_query("shape_01"), top=0)
    with pytest.raises(ValueError, match="expected one of this index"):
        index.search(photos / "round/shape_01.png", descriptor="nix")
    for row in (-1, 12):
        with pytest.raises(ValueError, match="row: expected 0 to 11"):
            index.parts(row)
    with pytest.raises(ImageError):
        index.search(photos / "missing.png")


def test_without_photos_there_are_thumbnails(index_folder, tmp_path, opened):
    moved = tmp_path / "somewhere" / "else"
    shutil.copytree(index_folder, moved)
    index = opened(moved)
    assert index.photo_path(0) is None
    with pytest.raises(ValueError, match="photos_root"):
        index.picture(0)
    assert index.thumbnail(0).startswith(b"\xff\xd8")
    found = index.search(index.indexed_query("shape_05"))
    assert len(found) == 10 and any(match.box for match in found)
    with pytest.raises(ValueError, match="not there"):
        found[0].picture()


def test_photos_root_can_be_given(index_folder, photos, tmp_path, opened):
    shutil.copytree(photos, tmp_path / "moved")
    index = opened(index_folder, photos_root=tmp_path / "moved")
    picture = index.picture(index.row("shape_01"))
    np.testing.assert_array_equal(picture, read_image(photos / "round/shape_01.png"))
    assert index.photo_path(0).is_relative_to(tmp_path)


def test_photos_outside_their_folder_are_not_read(index_folder, photos, tmp_path, opened):
    root = tmp_path / "photos"
    (root / "round").mkdir(parents=True)
    (root / "round/shape_01.png").symlink_to(photos / "round/shape_01.png")
    index = opened(index_folder, photos_root=root)
    assert index.photo_path(index.row("shape_01")) is None


@pytest.mark.parametrize("path", ["../secret.png", "/etc/passwd", "a/../../b.png", "a\\b.png", ""])
def test_a_path_that_escapes_is_refused(index_folder, tmp_path, opened, path):
    folder = tmp_path / "index"
    shutil.copytree(index_folder, folder)
    (lines,) = folder.glob("shards/*/pictures.jsonl")
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    rows[3]["path"] = path
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(IndexProblem, match="inside the photos' folder"):
        opened(folder)


@pytest.mark.parametrize("field", ["shards", "generation"])
def test_folders_that_escape_are_refused(index_folder, tmp_path, opened, field):
    folder = tmp_path / "index"
    shutil.copytree(index_folder, folder)
    value = ["../x"] if field == "shards" else "../x"
    write_manifest(folder, {**read_manifest(folder), field: value})
    with pytest.raises(IndexProblem, match=f"expected a valid '{field}'"):
        opened(folder)


def test_other_weights_of_the_network_are_refused(index_folder, monkeypatch):
    from dff.index import search

    index = Index.open(index_folder)
    monkeypatch.setattr(search, "load_backbone", lambda *a: type("B", (), {"fingerprint": "no"})())
    with pytest.raises(IndexProblem, match="other weights"):
        index.backbone()


def test_neither_network_nor_photos_nor_factorization_for_an_indexed_query(
    index_folder, tmp_path, monkeypatch
):
    from dff import nmf
    from dff.index import search

    def forbidden(*args, **options):
        raise AssertionError("not needed")

    shutil.copytree(index_folder, tmp_path / "index")
    monkeypatch.setattr(search, "load_backbone", forbidden)
    monkeypatch.setattr(search, "read_image", forbidden)
    monkeypatch.setattr(nmf, "solve", forbidden)
    index = Index.open(tmp_path / "index")
    assert len(index.search(index.indexed_query("shape_05"), weights=[1, 0, 1, 2])) == 10


def test_a_search_maps_its_arrays_once(index_folder, tmp_path, monkeypatch):
    from dff.index import generation, store

    mapped = []

    def load_array(path, dtype, ndim):
        mapped.append(path)
        return original(path, dtype, ndim)

    original = store.load_array
    shutil.copytree(index_folder, tmp_path / "index")
    monkeypatch.setattr(store, "load_array", load_array)
    monkeypatch.setattr(generation, "load_array", load_array)
    index = Index.open(tmp_path / "index")
    for descriptor in ("dff", "rmac"):
        for picture in index.pictures:
            index.search(index.indexed_query(picture.id, descriptor), descriptor=descriptor)
    assert len(mapped) == len(set(mapped))


@pytest.mark.parametrize("name", RERANKINGS)
def test_a_second_ranking_has_scores_and_no_split(index, name):
    query = index.indexed_query("shape_03")
    found = index.search(query, rerank=name, top=12)
    assert len({match.row for match in found}) == 11 and query.row not in [m.row for m in found]
    assert all(match.contributions is None for match in found)
    scores = [match.score for match in found]
    assert scores == sorted(scores, reverse=True)
    assert [match.percentile for match in found] == [100 * (10 - n) / 11 for n in range(11)]
    assert len(index.search(query, rerank=name, top=12, include_self=True)) == 12


def test_average_query_expansion_by_hand(index):
    query = index.indexed_query("shape_03")
    vectors = np.array(index.vectors())
    others = [row for row in range(12) if row != query.row]
    first = sorted(others, key=lambda row: -float(vectors[row] @ query.described.vector))[:10]
    expanded = query.described.vector + vectors[first].sum(axis=0)
    expanded /= np.linalg.norm(expanded)
    for match in index.search(query, rerank="aqe", top=3):
        assert match.score == pytest.approx(float(vectors[match.row] @ expanded), abs=1e-5)


def test_a_second_ranking_refuses_weights_and_unknown_names(index):
    query = index.indexed_query("shape_03")
    with pytest.raises(ValueError, match="expected none with rerank='aqe'"):
        index.search(query, rerank="aqe", weights=[1, 1, 1, 0])
    with pytest.raises(ValueError, match="rerank: expected all or some of aqe"):
        index.search(query, rerank="nix")


# Region by region


@pytest.fixture(scope="module")
def matched(photos, backbone, tmp_path_factory):
    """An index of the default descriptor, which is matched by regions, and of two others."""
    out = tmp_path_factory.mktemp("matched") / "index"
    build(photos, out, backbone, descriptors=("dff_gem", "dff_tree", "rmac"), size=SIZE)
    index = Index.open(out)
    index._backbone = backbone
    return index


def test_an_index_is_searched_by_its_default_descriptor(matched, index, photos):
    assert matched.settings.descriptors == ("dff", "dff_gem", "dff_tree", "rmac")
    assert (matched.descriptor, index.descriptor) == ("dff_tree", "dff")
    for opened, expected in ((matched, ("dff_tree", "mutual")), (index, ("dff", "vector"))):
        query = opened.indexed_query("shape_03")
        assert (query.descriptor, query.matching) == expected
        np.testing.assert_array_equal(opened.vectors(), opened.vectors(expected[0]))
        found = opened.search(photos / "round/shape_03.png", top=12)
        assert by_id(found) == pytest.approx(by_id(opened.search(query, top=12)), abs=1e-6)


@pytest.mark.parametrize("matching", ["regions", "vector"])
@pytest.mark.parametrize("descriptor", ["dff", "dff_gem", "rmac"])
def test_rows_and_contributions_sum_to_the_score(matched, descriptor, matching):
    for picture in matched.pictures:
        query = matched.indexed_query(picture.id, descriptor, matching)
        rows = matched.row_scores(query)
        assert rows.shape == (12, len(query.described.weights)) and rows.dtype == np.float32
        for row in range(12):
            cells = matched.contributions(query, row)
            np.testing.assert_allclose(cells.sum(axis=1), rows[row], atol=1e-5)
        for match in matched.search(query, top=12, include_self=True):
            assert match.score == pytest.approx(rows[match.row].sum(), abs=1e-5)
            assert match.contributions.sum() == pytest.approx(match.score, abs=1e-5)
            if match.is_query:
                assert match.score == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("descriptor", ["dff", "dff_gem", "rmac"])
def test_region_matching_takes_the_best_region_of_every_picture(matched, descriptor):
    query = matched.indexed_query("shape_04", descriptor, "regions")
    shares = query.described.weights / query.described.weights.sum()
    rows = matched.row_scores(query)
    for row in range(12):
        target = matched.described(row, descriptor).regions
        live = target[target.any(axis=1)]
        best = (query.described.regions @ live.T).max(axis=1) * shares
        np.testing.assert_allclose(rows[row], best, atol=1e-6)
        cells = matched.contributions(query, row)
        assert (np.count_nonzero(cells, axis=1) <= 1).all()
    vector = matched.row_scores(matched.indexed_query("shape_04", descriptor, "vector"))
    assert abs(vector.sum(axis=1) - rows.sum(axis=1)).max() > 1e-3  # another score altogether


def test_weights_scale_the_rows_of_region_matching(matched):
    query = matched.indexed_query("shape_07")
    rows, weights = matched.row_scores(query), [1, 0, 2, 0.5]
    for match in matched.search(query, top=12, weights=weights):
        assert match.score == pytest.approx(rows[match.row] @ weights, abs=1e-5)
        assert match.contributions.sum() == pytest.approx(match.score, abs=1e-5)
        assert not match.contributions[1].any()


def test_every_region_of_a_target_goes_with_one_of_the_query(matched):
    one, other = (matched.indexed_query("shape_05", "dff_gem", m) for m in ("regions", "vector"))
    # Regions that no part chose go with the part they are most like; in one vector all contribute.
    vector = matched.contributions(other, 2)
    np.testing.assert_array_equal(matched.partners(other, 2), vector.argmax(axis=0))
    table, found = matched.contributions(one, 2), matched.partners(one, 2)
    chosen = table.any(axis=0)
    np.testing.assert_array_equal(found[chosen], table.argmax(axis=0)[chosen])
    cosines = one.described.regions @ matched.described(2, "dff_gem").regions.T
    np.testing.assert_array_equal(found[~chosen], cosines.argmax(axis=0)[~chosen])


def test_a_tree_is_searched_by_the_parts_that_are_shown(matched, photos):
    query = matched.query(photos / "round/shape_03.png", k=3)
    assert query.described.members.shape == (len(query.described.regions), 3)
    rows = matched.row_scores(query)
    assert rows.shape == (12, 3)
    for row in range(12):
        table = matched.contributions(query, row)
        assert table.shape == (3, 4)
        np.testing.assert_allclose(table.sum(axis=1), rows[row], atol=1e-5)
        assert matched.partners(query, row).shape == (4,)
    weights = np.array([0, 1, 2], np.float32)
    for match in matched.search(query, weights=weights, top=12):
        assert match.contributions.sum() == pytest.approx(match.score, abs=1e-5)
        assert not match.contributions[0].any()


def test_an_unknown_matching_is_refused(matched, photos, monkeypatch):
    def forbidden(*args, **options):
        raise AssertionError("the network runs")

    monkeypatch.setattr(matched, "see", forbidden)
    for ask in (
        lambda: matched.indexed_query("shape_01", matching="nix"),
        lambda: matched.query(photos / "round/shape_01.png", matching="nix"),
        lambda: matched.search(photos / "round/shape_01.png", matching="nix"),
    ):
        with pytest.raises(
            ValueError, match="matching: expected one of vector, regions, mutual, got 'nix'"
        ):
            ask()


@pytest.mark.parametrize(
    ("descriptor", "stored"),
    [("dff", False), ("dff_gem", True), ("dff_tree", True), ("rmac", False)],
)
def test_regions_are_stored_or_made_and_equal_what_describes(matched, descriptor, stored):
    index = Index.open(matched.folder)
    assert bool(list(index.folder.glob(f"generations/*/{descriptor}/regions.npy"))) is stored
    found = index.regions(descriptor)
    regions, starts = found.regions, found.starts
    assert regions.dtype == np.float32 and regions.shape == (starts[-1], 2432)
    assert starts[0] == 0 and len(starts) == 13
    for row in range(12):
        expected = index.described(row, descriptor).regions
        np.testing.assert_array_equal(regions[starts[row] : starts[row + 1]], expected)
    assert index.regions(descriptor) is found  # made once
    assert index.regions("dff_gem").starts.tolist() == list(range(0, 49, 4))


def test_stored_regions_are_those_of_the_picture(matched, photos, backbone):
    picture = read_image(photos / "square/shape_02.png")
    view = backbone.view(backbone.activations(picture, SIZE), 4, 0)
    fresh = describe(regions_of("dff_gem", view).stored(), matched.whitening("dff_gem"))
    found = matched.regions("dff_gem")
    regions, starts = found.regions, found.starts
    row = matched.row("shape_02")
    np.testing.assert_allclose(regions[starts[row] : starts[row + 1]], fresh.regions, atol=1e-6)
    # Balanced: each of the two joined layers has half of the squared length.
    halves = (fresh.regions[:, :1152] ** 2).sum(axis=1)
    np.testing.assert_allclose(halves, 0.5, atol=1e-3)


def test_a_wrong_number_of_stored_regions_is_refused(matched, tmp_path):
    folder = shutil.copytree(matched.folder, tmp_path / "index")
    (path,) = folder.glob("generations/*/dff_gem/regions.npy")
    np.save(path, np.load(path)[:-1])
    with pytest.raises(IndexProblem, match=r"expected regions \(48, 2432\), got \(47, 2432\)"):
        Index.open(folder).regions("dff_gem")
