"""CAM-weighted features aggregated online, on classes of which each sees a channel of its own."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dff.descriptors import MATCHINGS, View, across_scales, describe, describer
from dff.descriptors.base import balanced
from dff.descriptors.cam import class_probabilities, likeliest, regions_of
from dff.evaluation.datasets import open_dataset
from dff.evaluation.datasets.base import Dataset, Sample, asks_by_label, assemble
from dff.evaluation.described import (
    Described,
    Setup,
    describe_all,
    kept_regions,
    views_of_query,
)
from dff.evaluation.features import Features
from dff.evaluation.online import aggregate_online
from dff.evaluation.retrieval import rows_of
from dff.whitening import Whitening, l2_normalise

SIZE = 128
# Ten classes, each of which sees its channel, each channel at a position of its own. A region is
# that channel, or empty. The likeliest eight are 0 to 7; 0 to 5 with 8 and 9; and 0 to 7 again
# (0 to 4, and on ties the lower class).
PICTURES = [[1] * 8 + [0, 0], [1] * 6 + [0, 0, 2, 2], [1] * 5 + [0] * 5]
# Each query's own classes in every picture: of these, the channels that both have over the root of
# the product of what each has. Nobody shares the label of the last one, which does not ask.
ONLINE = [[1, (6 / 8) ** 0.5, (5 / 8) ** 0.5], [(6 / 8) ** 0.5, 1, (5 / 8) ** 0.5]]


def quiet(what: str, done: int, total: int) -> None:
    """No progress."""


class Planted(Setup):
    """Pictures whose activations are given by their file's name."""

    def views(self, path: Path, box=None) -> list[View]:
        activations = np.diag(np.array(PICTURES[int(path.stem)], np.float32))[:, None]
        weights, bias = 10 * np.eye(10, dtype=np.float32), np.zeros(10, np.float32)
        return [View(activations, class_weights=weights, class_bias=bias)]


@pytest.fixture
def planted() -> tuple[Dataset, Described]:
    images = [
        Sample(Path(f"/nowhere/{n}.png"), str(n), frozenset([x])) for n, x in enumerate("aab")
    ]
    dataset = assemble(
        "planted", "finite", images, asks_by_label(images, range(3), range(3)), range(3)
    )
    seen = SimpleNamespace(backbone=SimpleNamespace(name="net", layer="last"), size=64)
    setup = Planted(seen, 4)
    regions = describer("cam", ())
    own = [kept_regions(regions, setup.views(image.path)) for image in images]
    return dataset, Described("cam", setup, own, [None] * len(dataset.queries), 0.5)


def test_each_query_is_compared_by_its_own_classes(planted):
    dataset, described = planted
    # The first six channels alone: all others whiten to nothing.
    six = Whitening(np.zeros(10, np.float32), np.eye(6, 10, dtype=np.float32), 0, 6, {})
    whitenings = [Whitening.identity(10), six]
    found = aggregate_online(dataset, described, [0, 1, 2], whitenings, quiet)
    np.testing.assert_allclose(found.scores[0], ONLINE, rtol=1e-6)
    fewer = (5 / 6) ** 0.5
    np.testing.assert_allclose(found.scores[1], 2 * [[1, 1, fewer]], rtol=1e-6)
    assert found.bytes == 4 * 10 * 10  # ten channels at ten positions

    # Those that are searched alone, in their order; a query that could not be read has zeros.
    torn = replace(described, pictures=[None, *described.pictures[1:]])
    some = aggregate_online(dataset, torn, [2, 1], whitenings[:1], quiet)
    np.testing.assert_allclose(some.scores[0], [[0, 0], ONLINE[1][:0:-1]], rtol=1e-6)
    none = aggregate_online(dataset, replace(torn, pictures=[None] * 3), [1], whitenings, quiet)
    assert none.scores.shape == (2, 2, 1) and not none.scores.any()


def test_the_table_has_a_row_that_is_aggregated_online(planted):
    # Offline, 0 shares six of its eight channels with 1 (0.75) and all five of 2 (0.79): the
    # wrong one is first. Online what 1 holds beside the query's classes costs nothing.
    rows = {row.settings.matching: row for row in rows_of(*planted, tell=quiet)}
    assert list(rows) == [*MATCHINGS, "online"]
    offline, online = rows["vector"], rows["online"]
    assert [rows[m].answers[0].results for m in ("vector", "online")] == [(2, 1), (1, 2)]
    assert offline.answers[0].precision == 0.5 and online.mean_precisions == {"all": 100}
    assert (online.bytes, online.regions, online.dimensions) == (400, 8, 10)
    assert online.seconds == 0.5 and not online.default


def test_it_is_what_cam_gives_for_the_classes_of_one_query(photos, backbone, tmp_path):
    """With crops, two sizes and joined layers: every pair on its own."""
    dataset = open_dataset(photos)
    asks = (replace(dataset.queries[0], box=(10, 20, 110, 100)), *dataset.queries[1:3])
    dataset = replace(dataset, queries=asks)
    setup = Setup(Features(backbone, tmp_path, SIZE), 4, (1.0, 0.75))
    rows = [0, 1, 2, 3]
    (cam,) = describe_all(
        dataset, rows, setup, {"cam": describer("cam", ())}, crop=True, tell=quiet
    )
    mean = cam.pictures[rows[0]].vectors.mean(axis=0)
    projection = np.eye(64, len(mean), k=1200, dtype=np.float32)
    whitening = Whitening(l2_normalise(mean), projection, 0, 64, {})
    found = aggregate_online(dataset, cam, rows, [whitening], quiet)
    for query, (ask, scores) in enumerate(zip(asks, found.scores[0], strict=True)):
        seen = views_of_query(dataset, setup, ask, crop=True)
        own = [likeliest(class_probabilities(view)) for view in seen]
        vectors = []
        for views in (seen, *(setup.views(dataset.images[row].path) for row in rows)):
            sizes = [
                balanced(regions_of(view, classes), view.blocks).stored()
                for view, classes in zip(views, own, strict=True)
            ]
            vectors.append(describe(across_scales(sizes), whitening).vector)
        np.testing.assert_allclose(scores, np.array(vectors[1:]) @ vectors[0], atol=1e-5)
        if query:  # the same picture, whole
            assert scores[rows.index(ask.image)] == pytest.approx(1, abs=1e-6)
