import json
from types import SimpleNamespace

import numpy as np
import pytest

from dff.named import (
    LONGEST,
    THRESHOLD,
    Named,
    clean_name,
    documents,
    read_document,
    recognise,
    with_name,
)
from dff.whitening import l2_normalise

NET = SimpleNamespace(backbone="net", layer="last", weights="abc")
OTHER = SimpleNamespace(backbone="net", layer="last", weights="other")


def towards(cosine: float) -> np.ndarray:
    """A unit vector at this cosine with the first axis."""
    return np.array([cosine, np.sqrt(1 - cosine**2), 0, 0], np.float32)


AXIS = towards(1.0)


def test_the_nearest_concept_names_a_part_from_the_threshold_on():
    sky, sea = Named.new("sky", NET, AXIS), Named.new("sea", NET, towards(0.2))
    parts = np.stack([towards(THRESHOLD + 0.001), np.array([0, 0, 1, 0], np.float32), towards(0.3)])
    found = recognise(parts[:2], [sky, sea], NET)
    assert found[0] is not None and found[0][0] is sea  # at 0.92, nearer than the sky at 0.6
    assert found[1] is None
    alone = recognise(parts, [sky], NET)
    assert alone[0] is not None and alone[0][0] is sky
    assert alone[0][1] == pytest.approx(THRESHOLD + 0.001)
    assert alone[2] is None
    below = recognise(towards(THRESHOLD - 0.001)[None], [sky], NET)
    assert below == [None]


def test_the_last_of_equally_near_names_counts():
    first, last = Named.new("first", NET, AXIS), Named.new("last", NET, AXIS)
    (found,) = recognise(AXIS[None], [first, last], NET)
    assert found is not None and found[0] is last


def test_a_concept_is_one_part_of_a_picture():
    sky, sea = Named.new("sky", NET, AXIS), Named.new("sea", NET, np.eye(4, dtype=np.float32)[2])
    parts = np.stack([towards(0.8), towards(0.9), towards(0.7), sea.direction])
    found = recognise(parts, [sky, sea], NET)
    assert [hit and hit[0].name for hit in found] == [None, "sky", None, "sea"]


def test_names_of_another_network_fit_nothing():
    assert recognise(AXIS[None], [Named.new("sky", OTHER, AXIS)], NET) == [None]
    assert recognise(np.ones((2, 7), np.float32), [Named.new("sky", NET, AXIS)], NET) == [None] * 2
    assert recognise(AXIS[None], [], NET) == [None]


def test_a_name_replaces_that_of_the_same_part_only():
    sky, sea = Named.new("sky", NET, AXIS), Named.new("sea", NET, towards(0.98))
    elsewhere = Named.new("sky", OTHER, AXIS)
    air = Named.new("air", NET, towards(0.9999))
    assert with_name([sky, sea, elsewhere], air) == [sea, elsewhere, air]


def test_a_document_survives_the_disk():
    vector = l2_normalise(np.random.default_rng(0).random((1, 2432), np.float32))[0]
    one = Named.new("  the   “sky” ", NET, vector, "dam_3")
    (back,) = read_document(json.loads(json.dumps(documents([one]))))
    assert (back.id, back.name, back.space, back.picture) == (
        one.id,
        "the “sky”",
        one.space,
        "dam_3",
    )
    assert float(back.direction @ vector) > 0.99999


@pytest.mark.parametrize(
    "broken",
    [None, [], "x", {"concepts": 3}, {"concepts": [None, 3, "x", {}, {"id": 1}]}],
    ids=str,
)
def test_nonsense_in_a_document_is_left_out(broken):
    assert read_document(broken) == []


def test_a_broken_record_does_not_hide_the_others():
    good = Named.new("sky", NET, AXIS)
    record = good.record()
    bad = [
        {**record, "direction": "%%%"},
        {**record, "direction": "AAA="},
        {**record, "direction": "AAAAAAAA"},  # all zero
        {**record, "direction": "AH4AfgB+AH4="},  # not numbers
        {**record, "name": " \n "},
        {**record, "picture": None},
    ]
    found = read_document({"concepts": [*bad, record]})
    assert [one.id for one in found] == [good.id]


def test_names_are_one_short_printable_line():
    assert clean_name("  two\nlines\t here \x00") == "two lines here"
    assert clean_name(None) == clean_name("\n\t") == ""
    assert clean_name("y" * 500) == "y" * LONGEST
    with pytest.raises(ValueError, match="expected a name"):
        Named.new("  ", NET, AXIS)
    with pytest.raises(ValueError, match="a part that holds something"):
        Named.new("sky", NET, np.zeros(4, np.float32))
