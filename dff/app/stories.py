"""Checked queries that show something: `assets/stories.json`, and which pictures surprise well."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dff.geometry import Box


@dataclass(frozen=True)
class Story:
    """A query with a point.

    picture: its id; k, box: as in a search. switch: the parts the invitation switches off
    (possibly none). watch: the id whose rank changes. before, after: {id: rank} as tested.
    """

    picture: str
    k: int
    box: Box | None
    invitation: str
    button: str
    undo: str
    switch: tuple[int, ...]
    watch: str
    watch_title: str
    before: dict[str, int]
    after: dict[str, int]


def _assets() -> Path:
    return Path(__file__).parents[2] / "assets"


@cache
def load(path: Path | None = None) -> tuple[tuple[Story, ...], tuple[str, ...]]:
    """All stories, and the ids for "surprise me"; both empty where there is no file."""
    path = path or _assets() / "stories.json"
    if not path.is_file():
        return (), ()
    document = json.loads(path.read_text(encoding="utf-8"))
    stories = tuple(
        Story(
            **{
                **entry,
                "box": tuple(entry["box"]) if entry["box"] else None,
                "switch": tuple(entry["switch"]),
            }
        )
        for entry in document["stories"]
    )
    return stories, tuple(document["surprise"])


def story_of(picture: str, k: int, box: Box | None) -> Story | None:
    """The story of a query, if it has one with something to switch."""
    for story in load()[0]:
        if (story.picture, story.k, story.box) == (picture, k, box) and story.switch:
            return story
    return None
