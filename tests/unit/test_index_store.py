"""What is fitted and whitened shard by shard is what it is picture by picture."""

import numpy as np
import pytest

from dff.descriptors import describe
from dff.index import Index
from dff.index import build as building
from dff.index.build import build
from dff.index.store import Shard, sampled, write_generation
from dff.whitening import Whitening

SIZE = 128
NAMES = ("dff", "dff_tree", "gem")


@pytest.fixture(scope="module")
def shards(photos, backbone, tmp_path_factory):
    """Twelve pictures in shards of five, five and two."""
    out = tmp_path_factory.mktemp("shards") / "index"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "CHUNK", 5)
        build(photos, out, backbone, size=SIZE, descriptors=NAMES)
    return Index.open(out).shards


def one_by_one(shards, name):
    return [shard.regions(row, name) for shard in shards for row in range(len(shard.pictures))]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("most", [1, 4, 7, 11, 12, 50, 1000])
def test_a_sample_is_every_nth_vector_of_all(shards, name, most):
    assert [len(shard.pictures) for shard in shards] == [5, 5, 2]
    vectors = np.concatenate([regions.vectors for regions in one_by_one(shards, name)])
    step = -(-len(vectors) // most)
    found = sampled(shards, name, most)
    assert found.dtype == np.float16 and len(found) <= most
    np.testing.assert_array_equal(found.astype(np.float32), vectors[::step])


@pytest.mark.parametrize("name", NAMES)
def test_spans_follow_each_other_over_all_vectors(shards, name):
    for shard in shards:
        end = 0
        for row in range(len(shard.pictures)):
            span = shard.region_span(row, name)
            assert span.start == end
            own = shard.vectors(name)[span].astype(np.float32)
            np.testing.assert_array_equal(own, shard.regions(row, name).vectors)
            end = span.stop
        assert end == shard.region_count(name) == len(shard.vectors(name))


@pytest.mark.parametrize("kept", [0, 3, 5, 8, 12])
def test_a_generation_is_every_picture_described_alone(shards, backbone, tmp_path, kept):
    """kept: how many pictures' vectors are taken over as they are."""
    rows = np.random.default_rng(0).random((9, backbone.channels), np.float32)
    whitening = Whitening(rows[0], rows[1:], 0.5, 8, {})
    marked = [(np.full(8, row, np.float32), np.full((2, 8), row, np.float32)) for row in range(12)]

    def known(name):
        return marked[:kept] if name == "gem" else ()

    folder = write_generation(shards, dict.fromkeys(NAMES, whitening), tmp_path, known)
    for name in NAMES:
        described = [describe(regions, whitening) for regions in one_by_one(shards, name)]
        vectors = np.array([one.vector for one in described])
        if name == "gem":
            vectors[:kept] = np.arange(kept)[:, None]
        found = np.load(folder / name / "vectors.npy")
        assert found.dtype == np.float32 and found.flags.c_contiguous
        np.testing.assert_allclose(found, vectors, atol=1e-6)
        assert (folder / name / "regions.npy").exists() == (name == "dff_tree")
    regions = np.concatenate(
        [describe(r, whitening).regions for r in one_by_one(shards, "dff_tree")]
    )
    np.testing.assert_allclose(np.load(folder / "dff_tree" / "regions.npy"), regions, atol=1e-6)


def test_an_index_of_one_shard_counts_its_regions(index):
    shard = Shard(index.shards[0].folder, index.settings)
    assert shard.region_count("dff") == 4 * len(index)
    assert shard.region_count("rmac") == len(shard.vectors("rmac"))
