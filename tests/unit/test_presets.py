"""The networks of papers run through every command; with random weights, so their numbers mean
nothing here."""

import json
import shutil

import pytest

from dff.backbones import load_backbone
from dff.cli import main

CASES = [
    ("vgg16:relu5_3", "vgg16", "relu5_3", 512, 16),
    ("resnet50", "resnet50", "layer4", 2048, 32),
]


@pytest.fixture(scope="module", params=CASES, ids=["vgg16", "resnet50"])
def case(request):
    """(what is typed, name, layer, channels, stride, the network)"""
    typed, name, layer, *_ = request.param
    return (*request.param, load_backbone(name, layer, pretrained=False))


@pytest.fixture
def cli(case, capsys, monkeypatch):
    """Run a command; what it printed."""
    typed, name, layer, *_, backbone = case

    def loaded(asked, of=None):
        assert (asked, of) in ((typed, None), (name, None), (name, layer))
        return backbone

    monkeypatch.setattr("dff.backbones.load_backbone", loaded)
    monkeypatch.setattr("dff.index.search.load_backbone", loaded)

    def run(*arguments):
        capsys.readouterr()
        assert main([str(argument) for argument in arguments]) == 0
        return capsys.readouterr().out

    return run


@pytest.fixture
def few(photos, tmp_path):
    """Two squares and two discs."""
    for kind, numbers in (("square", (0, 2)), ("round", (1, 3))):
        folder = tmp_path / "few" / kind
        folder.mkdir(parents=True)
        for number in numbers:
            shutil.copy(photos / kind / f"shape_{number:02}.png", folder)
    return tmp_path / "few"


def test_a_preset_runs_through_every_command(case, cli, few, tmp_path):
    typed, name, layer, channels, stride, _ = case
    network = ("--backbone", typed, "--size", 64)
    shape = few / "square" / "shape_00.png"

    parts = json.loads(cli("factorize", shape, *network, "--k", 2, "--json"))
    assert (parts["backbone"], parts["layer"]) == (name, layer)
    assert parts["grid"] == [-(-48 // stride), 64 // stride]
    assert 0 < parts["explained"] <= 1

    index = tmp_path / "index"
    cli("index", "build", few, "--out", index, *network, "--descriptors", "dff_gem,rmac")
    facts = json.loads(cli("index", "info", index, "--json"))
    assert (facts["backbone"], facts["layer"], facts["count"]) == (name, layer, 4)
    assert (facts["channels"], facts["stride"]) == (channels, stride)
    cli("index", "verify", index)

    found = json.loads(cli("search", index, shape, "--box", "10,10,90,90", "--json"))
    assert len(found["results"]) == 3 and found["query"]["layer"] == layer
    for result in found["results"]:
        total = sum(sum(row) for row in result["contributions"])
        assert total == pytest.approx(result["score"], abs=1e-5)

    document = json.loads(cli("evaluate", few, *network, "--cache", tmp_path / "seen", "--json"))
    rows = {row["descriptor"]: row for row in document["rows"]}
    assert {row["layer"] for row in rows.values()} == {layer}
    assert rows["spoc"]["dimensions"] == channels
    # Class-weighted maps need a classifier that looks at this layer's mean.
    assert ("cam" in rows) == (name == "resnet50")
