"""Descriptors at half precision: the same order, scores within rounding, kept by changes."""

import shutil

import numpy as np
import pytest

from dff.cli import main
from dff.index import Index
from dff.index.build import build
from dff.index.check import verify
from dff.index.edit import halve, remove
from dff.index.state import undo


@pytest.fixture(scope="module")
def built(photos, backbone, tmp_path_factory):
    out = tmp_path_factory.mktemp("halve") / "index"
    build(photos, out, backbone, descriptors=("dff", "dff_gem"), size=128)
    return out


@pytest.fixture
def folder(built, tmp_path):
    return shutil.copytree(built, tmp_path / "index")


def test_arrays_are_halves_and_the_index_is_whole(folder):
    whole = Index.open(folder)
    before = {name: np.array(whole.vectors(name)) for name in ("dff", "dff_gem")}
    assert halve(folder) and not halve(folder)
    half = Index.open(folder)
    assert verify(folder) == []
    for name, vectors in before.items():
        assert half.stored_vectors(name).dtype == np.float16
        assert half.vectors(name).dtype == np.float32
        np.testing.assert_array_equal(half.vectors(name), vectors.astype(np.float16))
    assert half.regions("dff_gem").regions.dtype == np.float16


@pytest.mark.parametrize(
    ("descriptor", "matching"), [("dff", "vector"), ("dff_gem", "mutual"), ("dff_gem", "regions")]
)
def test_scores_move_by_rounding_and_tables_sum_to_them(folder, descriptor, matching):
    whole = Index.open(folder)
    exact = whole.row_scores(whole.indexed_query("shape_03", descriptor, matching))
    halve(folder)
    half = Index.open(folder)
    query = half.indexed_query("shape_03", descriptor, matching)
    np.testing.assert_allclose(half.row_scores(query), exact, atol=3e-4)
    for match in half.search(query, top=11):
        assert match.contributions.dtype == np.float32
        assert match.contributions.sum() == pytest.approx(match.score, abs=1e-4)


def test_it_is_kept_by_changes_and_can_be_undone(folder):
    halve(folder)
    remove(folder, ["shape_00"])
    index = Index.open(folder)
    assert len(index) == 11 and index.stored_vectors().dtype == np.float16
    assert verify(folder) == []
    undo(folder)
    undo(folder)
    assert Index.open(folder).stored_vectors().dtype == np.float32


def test_rewhiten_goes_back(folder, capsys):
    assert main(["index", "halve", str(folder)]) == 0
    assert "half precision now" in capsys.readouterr().out
    assert main(["index", "rewhiten", str(folder)]) == 0
    assert Index.open(folder).stored_vectors().dtype == np.float32
