"""Approximate search offers pictures; what is found has the scores of exact search."""

import shutil
import sys

import numpy as np
import pytest

from dff.cli import main
from dff.index import Index, IndexProblem, approximate
from dff.index.approximate import Nearest, make, path_of
from dff.index.check import verify

faiss = pytest.importorskip("faiss")


@pytest.fixture
def folder(index_folder, tmp_path):
    return shutil.copytree(index_folder, tmp_path / "index")


@pytest.mark.parametrize("matching", ["vector", "mutual"])
def test_results_are_those_of_exact_search(folder, matching):
    path = make(folder, "dff")
    index = Index.open(folder)
    assert path == path_of(folder, index.manifest["generation"], "dff")
    query, other = (index.indexed_query(f"shape_0{n}", "dff", matching) for n in (3, 5))
    weights = [1, 0, 2, 0.5]
    for asked in ({}, {"weights": weights}, {"include_self": True}, {"also": [other], "top": 4}):
        exact = index.search(query, **asked)
        found = index.search(query, approximate=True, **asked)
        for one, expected in zip(found, exact, strict=True):
            assert (one.rank, one.row) == (expected.rank, expected.row)
            assert one.score == pytest.approx(expected.score, abs=1e-6)
            assert one.percentile == pytest.approx(expected.percentile)
            np.testing.assert_array_equal(one.contributions, expected.contributions)


def test_what_is_offered_is_near(tmp_path):
    """Planted: 40 groups of 50 around centres that are far from each other."""
    random = np.random.default_rng(0)
    centres = np.eye(64, dtype=np.float32)[:40]
    vectors = np.repeat(centres, 50, axis=0) + 0.02 * random.standard_normal((2000, 64))
    found = faiss.index_factory(64, "IVF40,SQ8", faiss.METRIC_INNER_PRODUCT)
    found.train(vectors.astype(np.float32))
    found.add(vectors.astype(np.float32))
    faiss.write_index(found, str(tmp_path / "x.faiss"))
    nearest = Nearest(tmp_path / "x.faiss", 2000)
    for centre in (0, 17, 39):
        rows = nearest.offered(centres[centre])
        assert (np.diff(rows) > 0).all()
        assert set(range(50 * centre, 50 * centre + 50)) <= set(rows.tolist())
    with pytest.raises(IndexProblem, match="expected 1999 pictures, got 2000"):
        Nearest(tmp_path / "x.faiss", 1999)


def test_the_file_is_no_damage_and_follows_the_generation(folder, capsys):
    assert main(["index", "approximate", str(folder)]) == 0
    (old,) = (folder / "nearest").iterdir()
    assert str(old) in capsys.readouterr().out
    assert verify(folder) == []
    assert main(["index", "remove", str(folder), "shape_00"]) == 0
    query = Index.open(folder).indexed_query("shape_03")
    with pytest.raises(IndexProblem, match="index approximate .* --descriptor dff"):
        query_index = Index.open(folder)
        query_index.search(query, approximate=True)
    new = make(folder)
    assert list((folder / "nearest").iterdir()) == [new] and new != old


def test_a_damaged_file_is_refused(folder):
    path = make(folder)
    path.write_bytes(path.read_bytes()[:100])
    index = Index.open(folder)
    with pytest.raises(IndexProblem, match="cannot be read"):
        index.search(index.indexed_query("shape_03"), approximate=True)


def test_without_faiss_it_says_what_to_install(folder, monkeypatch, capsys):
    make(folder)
    monkeypatch.setitem(sys.modules, "faiss", None)
    index = Index.open(folder)
    with pytest.raises(IndexProblem, match=r'pip install "dff\[faiss\]"'):
        index.search(index.indexed_query("shape_03"), approximate=True)
    assert main(["index", "approximate", str(folder)]) == 2
    assert "needs faiss" in capsys.readouterr().err


def test_a_second_ranking_is_of_all(folder):
    index = Index.open(folder)
    with pytest.raises(ValueError, match="approximate: expected none with rerank="):
        index.search(index.indexed_query("shape_03"), rerank="aqe", approximate=True)


def test_at_least_as_many_as_wanted_are_offered(folder, monkeypatch):
    monkeypatch.setattr(approximate, "OFFERED", 1)
    make(folder)
    index = Index.open(folder)
    query = index.indexed_query("shape_03")
    assert len(index.search(query, approximate=True, top=7)) == 7
