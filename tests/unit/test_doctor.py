import hashlib
import json
import os
import re
import shutil
import urllib.error
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from dff import doctor
from dff.backbones import load_backbone
from dff.backbones.prepared import is_prepared
from dff.backbones.weights import Weights
from dff.cli import main
from dff.troubles import write_down

RANKS = doctor.Ranks(65, 20, 96.0, 95.0)


def of(layer="block6+last", fingerprint="455f8aa787bad27b"):
    return SimpleNamespace(name="efficientnet_lite0", layer=layer, fingerprint=fingerprint)


# --- facts -------------------------------------------------------------------------------


def test_versions_of_what_is_here_and_what_is_not(monkeypatch):
    monkeypatch.setitem(doctor.PACKAGES, "abacus", "no-such-package-here")
    found = doctor.versions()
    assert found["torch"] == torch.__version__.split("+")[0]
    assert found["numpy"] == np.__version__
    assert found["abacus"] == "not installed"
    assert {"dff", "python", "torchvision", "timm", "streamlit", "opencv"} < set(found)


def test_memory_is_plausible_or_unknown():
    found = doctor.memory()
    for value in found.values():
        assert value is None or 2**20 < value < 2**50
    if found["total"] and found["available"]:
        assert found["available"] <= found["total"]


# --- weights -----------------------------------------------------------------------------


def test_a_files_checksum_is_compared_with_its_name(tmp_path):
    digits = hashlib.sha256(b"weights").hexdigest()[:8]
    good = tmp_path / f"net-{digits}.pth"
    good.write_bytes(b"weights")
    check = doctor.check_file(Weights("x", "y", good))
    assert check.status == "ok" and digits in check.text
    bad = tmp_path / "net-00000000.pth"
    bad.write_bytes(b"weights")
    check = doctor.check_file(Weights("x", "y", bad))
    assert check.status == "failed"
    assert f"begins with 00000000, got {digits}; delete the file" in check.text


@pytest.mark.parametrize("name", ["net.pth", "net-v2.pth", "model.safetensors"])
def test_a_file_without_a_published_checksum_is_unknown(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"weights")
    assert doctor.check_file(Weights("x", "y", path)).status == "unknown"


@pytest.mark.parametrize("there", [None, "net-00000000.pth"])
def test_a_file_that_is_not_there_is_unknown(tmp_path, there):
    check = doctor.check_file(Weights("x", "y", there and tmp_path / there))
    assert (check.status, check.text) == ("unknown", "not fetched yet")


def test_the_bundled_networks_values_are_known(backbone):
    assert doctor.check_fingerprint(backbone).status == "ok"
    check = doctor.check_fingerprint(of(fingerprint="0" * 16))
    assert check.status == "failed"
    assert "455f8aa787bad27b, got 0000000000000000" in check.text
    check = doctor.check_fingerprint(SimpleNamespace(name="vgg16", layer="x", fingerprint="12ab"))
    assert check.status == "unknown" and "12ab" in check.text and "not run here" in check.text


# --- ranks -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mean_precision", "first", "status"),
    [
        (96.0, 95.0, "ok"),
        (93.0, 90.0, "ok"),
        (92.9, 95.0, "failed"),
        (99.1, 95.0, "failed"),
        (96.0, 85.0, "failed"),
    ],
)
def test_ranks_must_lie_in_the_stored_range(mean_precision, first, status):
    ranks = replace(RANKS, mean_precision=mean_precision, first=first)
    check = doctor.check_ranks(of(), ranks)
    assert check.status == status
    assert f"mAP {mean_precision:.1f}" in check.text and "expected mAP 93 to 99" in check.text


def test_ranks_of_other_layers_are_told_without_a_verdict():
    check = doctor.check_ranks(of("last"), RANKS)
    assert check.status == "unknown"
    assert "mAP 96.0, P@1 95.0 (20 queries among 65 photos); no reference" in check.text


@pytest.fixture
def collection(tmp_path):
    """Two pairs of nearly equal pictures and one alone, and a way to name their landmarks."""
    folder = tmp_path / "landmarks"
    folder.mkdir()
    rng = np.random.default_rng(0)
    names = ("a_1", "a_2", "b_1", "b_2", "c")
    for name in names:
        if not name.endswith("2"):
            blocks = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        picture = np.kron(blocks, np.ones((20, 20, 1), np.uint8))
        picture[0, 0] = 255 if name.endswith("2") else 0
        Image.fromarray(picture).save(folder / f"{name}.png")

    def name_them(*landmarks):
        lines = [f"landmarks/{n}.png,{m}" for n, m in zip(names, landmarks, strict=True)]
        (tmp_path / "photos.csv").write_text("\n".join(["file,instance", *lines, "x/y.png,z"]))
        return tmp_path

    return name_them


def test_siblings_that_are_alike_come_first(collection, backbone):
    seen = []
    ranks = doctor.measure_ranks(
        backbone, collection("a", "a", "b", "b", ""), size=128, progress=seen.append
    )
    assert ranks == doctor.Ranks(5, 4, 100.0, 100.0)
    assert (seen[-1].done, seen[-1].total) == (5, 5)


def test_siblings_that_are_not_alike_do_not(collection, backbone):
    # Each has its double before its sibling, which can be second to fourth.
    ranks = doctor.measure_ranks(backbone, collection("a", "b", "a", "b", "c"), size=128)
    assert (ranks.queries, ranks.first) == (4, 0.0)
    assert 25 <= ranks.mean_precision <= 50


def test_photos_and_their_lines_must_both_be_there(collection):
    photos = collection("a", "a", "b", "b", "c")
    (photos / "landmarks" / "b_2.png").unlink()
    with pytest.raises(ValueError, match="got 4 and 5, differing in b_2.png"):
        doctor.landmark_names(photos)
    with pytest.raises(ValueError, match="got 0 and 0"):
        doctor.landmark_names(photos / "landmarks")


def test_the_sample_photos_have_twenty_queries():
    named = list(doctor.landmark_names().values())
    assert (len(named), sum(named.count(name) > 1 for name in named)) == (65, 20)


# --- the command -------------------------------------------------------------------------


@pytest.fixture
def cli(capsys, monkeypatch, tmp_path):
    """Run `dff doctor` where no index is: (status, out, err)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        capsys.readouterr()
        return main(["doctor", *map(str, arguments)]), *capsys.readouterr()

    return run


def test_doctor_without_a_network(cli, index_folder):
    status, out, err = cli()
    assert (status, err) == (0, "")
    assert "unknown  index             there is no ./sample_index here" in out
    assert "ok       weights file      efficientnet-lite0-57934424.pth" in out
    assert "licence      Apache-2.0" in out
    status, out, err = cli("--index", index_folder, "--json")
    facts = json.loads(out)
    assert (status, err, facts["healthy"], facts["ranks"]) == (0, "", True, None)
    assert facts["checks"][0]["text"] == f"{index_folder}: 12 pictures, every file as written"
    assert facts["weights"]["bytes"] > 10**7


def test_a_report_is_plain_text_without_the_own_folders_name(
    cli, index_folder, tmp_path, monkeypatch
):
    home = tmp_path / "home of Ada"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("DFF_DATA", str(home / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    shutil.copytree(index_folder, home / "index")
    write_down(RuntimeError("odd"), "0123abcd")
    status, out, err = cli("--index", home / "index")
    assert (status, err) == (0, "") and "Ada" not in out
    for line in ("data ", "cache ", "memory ", "threads ", "system ", "pillow ", "openvino "):
        assert re.search(f"^{line}", out, re.MULTILINE), line
    assert f"1 in ~{os.sep}data{os.sep}errors.log, the last: 0123abcd" in out
    assert "GB free" in out and f"~{os.sep}index: 12 pictures" in out
    assert f"unknown  prepared network  not in ~{os.sep}cache" in out
    text = cli("--index", home / "index", "--json")[1]
    assert "Ada" not in text and json.loads(text)["errors"]["last"] == ["0123abcd"]


def test_a_prepared_network_is_told(backbone, tmp_path):
    assert doctor.check_prepared().status == "ok"  # the tests' network has made it
    assert not is_prepared(tmp_path)


def test_a_damaged_index_fails(cli, index_folder, tmp_path):
    copy = shutil.copytree(index_folder, tmp_path / "copy")
    next(copy.glob("shards/*/cells.npy")).unlink()
    status, out, err = cli("--index", copy)
    assert status == 1 and "failed   index " in out and "cells.npy is missing" in out


def test_no_index_where_one_is_named_is_wrong_use(cli, tmp_path):
    status, out, err = cli("--index", tmp_path / "none")
    assert (status, out) == (2, "") and "no index in" in err and err.count("\n") == 1


def test_an_unknown_network_is_wrong_use(cli):
    status, out, err = cli("--backbone", "vgg61")
    assert (status, out) == (2, "") and "close names: " in err and err.count("\n") == 1


def test_a_network_whose_weights_were_not_run_here_is_measured(
    cli, collection, monkeypatch, tmp_path
):
    def untrained(name):
        return load_backbone(name, pretrained=False)

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("dff.backbones.load_backbone", untrained)
    real = doctor.measure_ranks
    photos = collection("a", "a", "b", "b", "c")
    monkeypatch.setattr(
        doctor, "measure_ranks", lambda backbone, **more: real(backbone, photos, size=64, **more)
    )
    status, out, err = cli("--backbone", "resnet18", "--json")
    facts = json.loads(out)
    assert (status, facts["ranks"]["queries"], facts["ranks"]["photos"]) == (0, 4, 5)
    assert {c["name"]: c["status"] for c in facts["checks"]} == {
        "index": "unknown",
        "weights file": "unknown",
        "engine": "ok",
        "weights values": "unknown",
        "landmark ranks": "unknown",
    }
    assert "landmarks" in err  # the progress bar


def test_offline_is_told_in_the_sentence_of_the_network(cli, monkeypatch, tmp_path):
    def offline(*_, **__):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    status, out, err = cli("--backbone", "resnet18", "--json")
    facts = json.loads(out)
    assert (status, facts["healthy"]) == (2, False)
    told = err.strip().splitlines()[-1]
    assert told.startswith("dff: the weights of resnet18 could not be loaded: torchvision")
    assert f"put resnet18-f37072fd.pth into {tmp_path / 'hub' / 'checkpoints'}" in told
    assert facts["checks"][-1]["name"] == "network" and facts["checks"][-1]["status"] == "failed"


def test_a_damaged_file_fails_with_its_own_advice(cli, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "resnet18-f37072fd.pth").write_bytes(b"cut off")
    status, out, err = cli("--backbone", "resnet18")
    assert (status, err) == (1, "")
    assert "failed   weights file" in out and "delete the file, it will be fetched again" in out
