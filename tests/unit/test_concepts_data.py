import base64
import io

import numpy as np
import pytest
from PIL import Image

from dff.app import concepts_data
from dff.app.concepts_data import GUESS, square_around


@pytest.mark.parametrize(
    ("box", "size", "square"),
    [
        ((100, 100, 200, 150), (1000, 800), (92, 67, 208, 183)),  # in its middle, with a margin
        ((0, 0, 100, 100), (1000, 800), (0, 0, 116, 116)),  # moved into the picture
        ((900, 700, 1000, 800), (1000, 800), (884, 684, 1000, 800)),
        ((0, 0, 1000, 800), (1000, 800), (100, 0, 900, 800)),  # cut down to it
        ((0, 0, 40, 5000), (40, 5000), (0, 2480, 40, 2520)),
    ],
)
def test_a_crop_is_a_square_in_the_picture(box, size, square):
    assert square_around(box, size) == pytest.approx(square)


def test_a_crop_shows_what_is_in_the_box(index):
    facts = concepts_data.crop_facts(index, 0, 0.75, (0, 0, 60, 60))
    assert (facts["row"], facts["score"], facts["title"]) == (0, 0.75, index.pictures[0].title)
    data = base64.b64decode(facts["image"].removeprefix("data:image/jpeg;base64,"))
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (concepts_data.CROP_SIDE,) * 2
        found = np.asarray(image, np.float32)
    with Image.open(io.BytesIO(index.thumbnail(0))) as thumb:
        side = 60 * (1 + 2 * concepts_data.MARGIN)
        expected = np.asarray(thumb.convert("RGB").resize((120, 120), 3, (0, 0, side, side)))
    assert np.abs(found - expected.astype(np.float32)).mean() < 6


def test_a_users_name_comes_before_the_guess_and_a_poor_guess_is_none(index):
    common = concepts_data.common_from_stored(index, [0, 2, 4], 4)
    names = [(("mosque", 0.5),), (("dam", GUESS - 0.01),), (), (("sea", 0.9),)]
    common = concepts_data.Common(common.rows, common.pictures, names)
    facts = concepts_data.concept_facts(
        index, common, [[]] * 4, (3, 0, 1, 2), {0: ("mine", None), 3: ("waves", 0.71)}
    )
    shown = [(f["number"], f["colour"], f["name"], f["confidence"], f["renamed"]) for f in facts]
    assert shown == [
        (1, 3, "mine", None, True),
        (2, 0, "", None, False),
        (3, 1, "", None, False),
        (4, 2, "waves", 0.71, True),
    ]
    assert sum(f["energy"] for f in facts) == pytest.approx(1, abs=1e-3)


def test_the_exact_parts_take_the_places_of_the_stored_ones(index, backbone):
    rows = [0, 2, 4]
    stored = concepts_data.common_from_stored(index, rows, 3)
    seen = [backbone.activations(index.picture(row), index.settings.size) for row in rows]
    exact = concepts_data.common_exactly(index, stored, seen)
    assert exact.rows == stored.rows
    cosines = stored.basis @ exact.basis.T
    assert (cosines.argmax(axis=0)[:2] == [0, 1]).all()
    assert [parts.grid for parts in exact.pictures] == [parts.grid for parts in stored.pictures]
