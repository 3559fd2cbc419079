"""The committed index of the sample photos: what it promises, with the real network."""

import csv
import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from dff.backbones import Backbone, load_backbone
from dff.descriptors import describe
from dff.index import Index
from dff.index.build import build
from dff.index.check import verify

ROOT = Path(__file__).parents[2]
LANDMARKS = (
    "christ_the_redeemer",
    "eiffel_tower",
    "great_wall_of_china",
    "louvre",
    "mount_rushmore",
    "qutub_minar",
    "statue_of_liberty",
    "sydney_opera_house",
    "taj_mahal",
    "giza_pyramids",
    "chateau_de_chenonceau",
    "neuschwanstein_castle",
)


@pytest.fixture(scope="module")
def sample() -> Index:
    return Index.open(ROOT / "sample_index")


@pytest.fixture(scope="module")
def network() -> Backbone:
    return load_backbone()


def test_it_is_whole_small_and_complete(sample):
    assert verify(sample.folder) == []
    assert len(sample) == 222
    assert (
        sum(f.stat().st_size for f in sample.folder.rglob("*") if f.is_file()) < 105e6
    )  # nine descriptors, for the Compare page
    with open(ROOT / "assets/photos/photos.csv", encoding="utf-8") as file:
        assert {row["file"] for row in csv.DictReader(file)} == {p.path for p in sample.pictures}


def test_contributions_sum_to_the_score_for_every_result_of_50_queries(sample):
    worst = 0.0
    for picture in sample.pictures[::4][:50]:
        query = sample.indexed_query(picture.id)
        rows = sample.row_scores(query)
        for row in range(len(sample)):
            table = sample.contributions(query, row)
            worst = max(worst, abs(float(table.sum()) - float(rows[row].sum())))
            # Each row of the table is what its part adds: a weight of 0 removes just that.
            assert np.abs(table.sum(axis=1) - rows[row]).max() < 1e-5
    assert worst < 1e-5


@pytest.mark.parametrize("descriptor", ["dff_tree", "gem"])
def test_stored_regions_are_those_that_whitening_gives(sample, descriptor):
    """What is on disk is read: the numbers that the search multiplies."""
    for row in (0, 100, 221):
        shard, local = sample._place(row)
        made = describe(shard.regions(local, descriptor), sample.whitening(descriptor))
        read = sample.described(row, descriptor)
        assert np.abs(read.regions - made.regions).max() < 1e-5
        assert np.abs(read.weights - made.weights).max() < 1e-5
        assert (read.members is None) == (made.members is None) == (descriptor == "gem")
        if made.members is not None:
            assert np.array_equal(read.members, made.members)


def test_landmarks_find_their_other_photos_in_the_first_five(sample):
    with open(ROOT / "assets/photos/photos.csv", encoding="utf-8") as file:
        instance = {row["file"]: row["instance"] for row in csv.DictReader(file)}
    photos = defaultdict(set)
    for picture in sample.pictures:
        if instance[picture.path] in LANDMARKS:
            photos[instance[picture.path]].add(picture.id)
    assert len(photos) == 12 and all(len(ids) > 1 for ids in photos.values())
    found = 0
    for ids in photos.values():
        results = {id: {m.id for m in sample.search(sample.indexed_query(id), top=5)} for id in ids}
        found += all(ids - {id} <= results[id] for id in ids)
    assert found >= 10


def test_20_pictures_built_again_give_the_same_answers(sample, network, tmp_path):
    chosen = [sample.pictures[row] for row in range(5, 222, 11)][:20]
    for picture in chosen:
        target = tmp_path / "photos" / picture.path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "assets/photos" / picture.path, target)
    # Its whitening was fitted on all 222, so it is given.
    build(tmp_path / "photos", tmp_path / "again", network, whitening=sample.whitening())
    again = Index.open(tmp_path / "again")
    assert sorted(again.row_of) == sorted(picture.id for picture in chosen)
    for picture in chosen:
        before, after = sample.indexed_query(picture.id), again.indexed_query(picture.id)
        old, new = sample.row_scores(before).sum(axis=1), again.row_scores(after).sum(axis=1)
        for other in chosen:
            here, there = sample.row(other.id), again.row(other.id)
            assert abs(old[here] - new[there]) < 1e-3
            boxes = sample.found_in(before, here).box, again.found_in(after, there).box
            assert (boxes[0] is None) == (boxes[1] is None)
            if boxes[0] is not None and boxes[1] is not None:
                assert np.abs(np.subtract(*boxes)).max() <= 2


def test_a_photo_gives_the_same_scores_from_its_file_as_from_the_index(sample):
    picture = sample.pictures[sample.row("eiffel_tower_1")]
    path = ROOT / "assets/photos" / picture.path
    from_file = sample.row_scores(sample.query(path))
    assert np.abs(from_file - sample.row_scores(sample.indexed_query(picture.id))).max() < 1e-3


def test_a_box_on_the_dome_finds_domes(sample):
    path = ROOT / "assets/photos/landmarks/taj_mahal_1.jpg"
    found = [m.id for m in sample.search(path, box=(395, 170, 600, 360), top=5)]
    assert set(found) == {
        "berlin_cathedral",
        "dome_of_the_rock",
        "taj_mahal_2",
        "taj_mahal_3",
        "us_capitol",
    }
