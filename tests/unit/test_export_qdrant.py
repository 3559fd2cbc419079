"""An index in Qdrant, without a server: the client's own engine, which answers as a server does."""

import builtins
import shutil

import numpy as np
import pytest

from dff.cli import main
from dff.export.qdrant import Found, connect, export, search
from dff.index.edit import remove, rename
from dff.matching import Stored, matched_rows

pytest.importorskip("qdrant_client", reason="the export needs qdrant-client")
# Without a server every search is exact; that this was asked for is warned of.
pytestmark = pytest.mark.filterwarnings("ignore:Local mode performs exact")


@pytest.fixture
def client():
    with connect() as client:
        yield client


def names(client):
    return sorted(one.name for one in client.get_collections().collections)


@pytest.mark.parametrize("matching", ["vector", "regions", "mutual"])
@pytest.mark.parametrize("descriptor", ["dff", "gem", "rmac"])
def test_the_same_ranking_and_scores(index, client, photos, matching, descriptor):
    assert export(index, client, "photos", descriptor=descriptor)
    asked = [index.indexed_query(p.id, descriptor, matching) for p in index.pictures[::4]]
    asked.append(
        index.query(
            photos / "round/shape_05.png",
            descriptor=descriptor,
            k=7,
            box=(20, 10, 120, 100),
            matching=matching,
        )
    )
    for query in asked:
        for include_self in (False, True):
            expected = index.search(query, top=12, include_self=include_self)
            found = search(client, "photos", query, top=12, include_self=include_self)
            assert [one.id for one in found] == [match.id for match in expected]
            scores = [match.score for match in expected]
            np.testing.assert_allclose([one.score for one in found], scores, atol=2e-6)
    first = index.pictures[index.row(found[0].id)]
    assert found[0] == Found(first.id, first.path, first.title, first.category, found[0].score)


def test_planted_regions_score_as_the_formula_says(index, client, monkeypatch):
    """Dead regions match nothing, also where all live ones are opposite; shares are unequal."""
    east, north = np.eye(2, dtype=np.float32)
    regions = np.stack([east, 0 * east, -east, 0 * east, 0 * east, 0.6 * east + 0.8 * north])
    starts = np.array([0, 2, 4, 5, *[6] * 9])
    starts[4:] = np.arange(6, 6 + 9)
    regions = np.concatenate([regions, np.tile(north, (8, 1))])
    stored = Stored(regions, starts, np.ones(len(regions), np.float32))
    monkeypatch.setattr(type(index), "regions", lambda self, name=None: stored)
    monkeypatch.setattr(type(index), "vectors", lambda self, name=None: np.tile(north, (12, 1)))
    export(index, client, "planted")
    query = index.indexed_query("shape_01", "dff", "regions")
    object.__setattr__(query.described, "regions", np.stack([east, 0 * east, north, north]))
    object.__setattr__(query.described, "weights", np.array([3, 2, 4, 1], np.float32))
    expected = matched_rows(query.described.regions, query.described.weights, stored).sum(axis=1)
    # east: 0.3; opposite: -0.3; nothing alive: 0; between: 0.3 * 0.6 + 0.5 * 0.8; north: 0.5
    np.testing.assert_allclose(expected[:5], [0.3, -0.3, 0, 0.58, 0.5], atol=1e-6)
    found = {f.id: f.score for f in search(client, "planted", query, top=12, include_self=True)}
    got = [found[picture.id] for picture in index.pictures]
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_matching_both_ways_ranks_the_candidates(index, client):
    export(index, client, "photos")
    query = index.indexed_query("shape_03", matching="mutual")
    one_way = index.search(index.indexed_query("shape_03", matching="regions"), top=4)
    among = {match.id for match in one_way}
    expected = [match for match in index.search(query, top=11) if match.id in among]
    found = search(client, "photos", query, top=3, candidates=4)
    assert [one.id for one in found] == [match.id for match in expected[:3]]
    scores = [match.score for match in expected[:3]]
    np.testing.assert_allclose([one.score for one in found], scores, atol=2e-6)


def test_another_export_takes_the_place_of_the_first(index_folder, opened, client, tmp_path):
    out = tmp_path / "index"
    shutil.copytree(index_folder, out)
    told = []
    assert export(opened(out), client, "photos", progress=lambda *how: told.append(how))
    assert told[-1] == (12, 12)
    first = names(client)
    assert not export(opened(out), client, "photos") and names(client) == first  # nothing to do
    rename(out, {"shape_01": "Another title"})
    remove(out, ["shape_02"])
    assert export(opened(out), client, "photos")
    assert len(names(client)) == 1 and names(client) != first
    index = opened(out)
    query = index.indexed_query("shape_03", matching="regions")
    found = search(client, "photos", query, top=20, include_self=True)
    assert len(found) == 11 and "shape_02" not in {one.id for one in found}
    assert {one.title for one in found if one.id == "shape_01"} == {"Another title"}


def test_a_stopped_export_leaves_the_old_one_and_goes_on(index, client):
    export(index, client, "photos", descriptor="gem")
    (old,) = names(client)

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(index, client, "photos", descriptor="rmac", progress=stop)
    query = index.indexed_query("shape_03", "gem")
    assert old in names(client) and len(search(client, "photos", query, top=3)) == 3
    export(index, client, "photos", descriptor="rmac")
    assert len(names(client)) == 1 and old not in names(client)


def test_what_others_have_made_is_never_touched(index, client):
    from qdrant_client import models

    size = models.VectorParams(size=2, distance=models.Distance.DOT)
    theirs = ["photos", "other-0123456789ab", "target"]
    for name in theirs:
        client.create_collection(name, vectors_config=size)
        client.upsert(name, [models.PointStruct(id=1, vector=[1.0, 2.0])], wait=True)
    make = models.CreateAlias(collection_name="target", alias_name="alias")
    client.update_collection_aliases([models.CreateAliasOperation(create_alias=make)])
    for name in ("photos", "alias"):
        with pytest.raises(ValueError, match=f"has a collection '{name}' .* has not made"):
            export(index, client, name)
    export(index, client, "other", descriptor="gem")
    export(index, client, "other", descriptor="rmac")
    assert set(theirs) < set(names(client)) and len(names(client)) == 4
    assert all(client.count(name).count == 1 for name in theirs)


def test_on_the_command_line(index_folder, index, tmp_path, capsys):
    command = ["index", "export", str(index_folder), "--to", "qdrant"]
    place = ["--path", str(tmp_path / "qdrant"), "--name", "photos", "--descriptor", "rmac"]
    assert main([*command, *place]) == 0
    assert "collection photos: 12 pictures" in capsys.readouterr().out
    assert main([*command, *place]) == 0
    assert "nothing to do" in capsys.readouterr().out
    query = index.indexed_query("shape_04", "rmac", "regions")
    with connect(path=tmp_path / "qdrant") as client:  # it was written to disk
        found = search(client, "photos", query, top=3)
        assert main([*command, *place]) == 2  # somebody else has the folder open
        assert "already accessed" in capsys.readouterr().err
    assert [one.id for one in found] == [match.id for match in index.search(query, top=3)]
    assert main([*command, *place[:-1], "nix"]) == 2
    assert "descriptor: expected one of this index" in capsys.readouterr().err
    assert main([*command, "--url", "http://127.0.0.1:9"]) == 2
    assert "Qdrant at http://127.0.0.1:9" in capsys.readouterr().err
    assert main(command) == 2 and "--url --path is required" in capsys.readouterr().err


def test_without_the_client_it_says_what_to_install(monkeypatch, tmp_path):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("qdrant"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ValueError, match="pip install qdrant-client"), connect(path=tmp_path):
        pass
