"""Every story of assets/stories.json is true of the committed index."""

from pathlib import Path

import numpy as np
import pytest

from dff.app.stories import Story, load, story_of
from dff.index import Index, Query

SAMPLE = Path(__file__).parents[2] / "sample_index"
STORIES, SURPRISE = load()
TOP = 10  # the ranks that are told of are the first ones


@pytest.fixture(scope="module")
def index() -> Index:
    return Index.open(SAMPLE)


def ranks(index: Index, query: Query, weights: np.ndarray) -> dict[str, int]:
    matches = index.search(query, weights=weights, top=TOP)
    return {match.id: match.rank for match in matches}


def query_of(index: Index, story: Story, backbone) -> Query:
    """From the index alone where that is possible, as on the page; else from the photo."""
    if story.box is None and story.k == index.settings.k:
        return index.indexed_query(story.picture)
    index._backbone = backbone
    photo = index.photo_path(index.row_of[story.picture])
    return index.query(photo, box=story.box, k=story.k)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.picture)
def test_the_story_is_true(index, story, backbone):
    query = query_of(index, story, backbone)
    weights = np.ones(story.k, np.float32)
    before = ranks(index, query, weights)
    assert {id: before.get(id) for id in story.before} == story.before
    assert story.picture not in before
    weights[list(story.switch)] = 0
    after = ranks(index, query, weights)
    assert {id: after.get(id) for id in story.after} == story.after
    if story.switch:
        assert story.watch in story.before and story.after
        assert weights.any()
        assert len(story.invitation) < 60 and story.button and story.undo and story.watch_title


def test_there_are_at_least_twelve_and_the_first_can_be_acted_on():
    assert len(STORIES) >= 12
    assert len({(story.picture, story.k, story.box) for story in STORIES}) == len(STORIES)
    assert STORIES[0].picture == "windmill_01" and STORIES[0].switch
    assert sum(bool(story.switch) for story in STORIES) >= 5


def test_a_story_is_found_by_its_query_only():
    first = STORIES[0]
    assert story_of(first.picture, first.k, first.box) == first
    assert story_of(first.picture, first.k + 1, None) is None
    assert story_of(first.picture, first.k, (1, 2, 30, 40)) is None
    told_only = next(story for story in STORIES if not story.switch)
    assert story_of(told_only.picture, told_only.k, told_only.box) is None


def test_surprises_are_pictures_of_the_index(index):
    assert 30 <= len(SURPRISE) == len(set(SURPRISE))
    assert set(SURPRISE) <= set(index.row_of)
    assert {story.picture for story in STORIES} <= set(index.row_of)


def test_without_a_file_there_are_no_stories(tmp_path):
    assert load(tmp_path / "stories.json") == ((), ())
