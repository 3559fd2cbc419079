"""`dff factorize --k auto`."""

import json

from dff.choose_k import k_by_explained
from dff.cli import main
from dff.images import read_image


def test_auto_is_the_knee_of_the_explained_share(photos, backbone, monkeypatch, capsys):
    monkeypatch.setattr("dff.backbones.load_backbone", lambda name: backbone)
    path = photos / "round/shape_05.png"
    assert main(["factorize", str(path), "--k", "auto", "--size", "128", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    expected = k_by_explained([backbone.activations(read_image(path), 128)]).k
    assert found["k"] == expected == len(found["energy"]) and 1 < expected < 10


def test_auto_is_for_one_picture_alone(photos, tmp_path, capsys):
    wrong = {
        "from 1 to 10, or auto, got 'some'": ["factorize", str(photos), "--k", "some"],
        "from 1 to 10, got 'auto'": [
            "index",
            "build",
            str(photos),
            "--out",
            str(tmp_path),
            "--k",
            "auto",
        ],
    }
    for message, command in wrong.items():
        assert main(command) == 2
        assert f"expected a whole number {message}" in capsys.readouterr().err
