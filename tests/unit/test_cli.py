import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dff.cli import app, main
from dff.index.build import build
from dff.localization import localize

SIZE = 128
ROOT = Path(__file__).parents[2]


@pytest.fixture
def cli(backbone, monkeypatch, capsys):
    """Run a command in this process with the network that is loaded already: (status, out, err)."""

    def loaded(name="efficientnet_lite0", layer=None):
        assert name == "efficientnet_lite0" and layer in (None, "block6+last")
        return backbone

    monkeypatch.setattr("dff.backbones.load_backbone", loaded)
    monkeypatch.setattr("dff.index.search.load_backbone", loaded)

    def run(*arguments):
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return run


def fails(result, *expected):
    """Status 2, nothing on stdout, one line on stderr with all that is expected in it."""
    status, out, err = result
    assert (status, out) == (2, "") and err.startswith("dff: ")
    assert err.count("\n") == 1 and err.endswith("\n") and "Traceback" not in err
    for text in expected:
        assert text in err
    return True


def python(*arguments):
    """Another Python, whose modules are its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, timeout=120
    )


HEAVY = "{'torch', 'cv2', 'streamlit', 'matplotlib', 'torchvision', 'timm', 'tqdm'}"


def test_import_is_light():
    done = python("-c", f"import dff, sys; print({HEAVY} & set(sys.modules))")
    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_help_is_light():
    code = (
        "import sys; from dff.cli import main\n"
        "status = [main(c.split()) for c in ('--help', 'search --help', 'index build --help')]\n"
        f"print(status, {HEAVY} & set(sys.modules))"
    )
    done = python("-c", code)
    assert done.stdout.endswith("[0, 0, 0] set()\n") and not done.stderr


def test_python_m_dff():
    done = python("-m", "dff", "--help")
    assert done.returncode == 0 and done.stdout.startswith("usage: python -m dff")
    done = python("-m", "dff")
    assert done.returncode == 2 and done.stderr.startswith("dff: ") and not done.stdout


# --- factorize -------------------------------------------------------------------------


def test_factorize_json_is_the_contract_and_repeats(cli, photos):
    command = ("factorize", photos / "round/shape_01.png", "--k", 3, "--size", SIZE, "--json")
    status, out, err = cli(*command)
    assert (status, err) == (0, "") and out.count("\n") == 1
    assert cli(*command)[1] == out
    document = json.loads(out)
    assert list(document) == [
        *("k", "backbone", "layer", "grid", "size"),
        *("error", "explained", "iterations", "energy", "dead"),
    ]
    assert document["k"] == 3 and document["dead"] == [False] * 3
    assert (document["backbone"], document["layer"]) == ("efficientnet_lite0", "block6+last")
    assert (document["grid"], document["size"]) == ([3, 4], [160, 120])
    assert sum(document["energy"]) == pytest.approx(1, abs=1e-6)
    assert document["explained"] == pytest.approx(1 - document["error"] ** 2, abs=1e-9)


def test_factorize_table_and_overlay(cli, photos, tmp_path):
    target = tmp_path / "parts.png"
    command = ("factorize", photos / "round/shape_01.png", "--size", SIZE, "--overlay", target)
    status, out, err = cli(*command)
    assert (status, err) == (0, "")
    head, columns, *parts, last = out.splitlines()
    assert "160 x 120" in head and columns.split() == ["part", "energy", "looks", "like"]
    assert [line.split()[0] for line in parts] == ["1", "2", "3", "4"] and "explain" in last
    with Image.open(target) as image:
        assert image.format == "PNG" and image.width == 320 and image.height > 120
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3).astype(int)
    assert (pixels.max(axis=1) - pixels.min(axis=1) > 60).mean() > 0.05  # colour, over grey


def test_factorize_figure(cli, photos, tmp_path):
    target = tmp_path / "parts.svg"
    command = ("factorize", photos / "round/shape_01.png", "--k", 3, "--size", SIZE, "--figure")
    assert cli(*command, target)[0] == 0
    text = target.read_text(encoding="utf-8")
    assert text.startswith("<?xml") and "3 parts explain" in text and "shape_01.png" in text
    assert fails(cli(*command, "parts.gif"), "--figure", ".pdf, .svg or .png", "parts.gif")


def test_factorize_solvers(cli, photos):
    command = ("factorize", photos / "round/shape_01.png", "--k", 3, "--size", SIZE, "--json")
    found = {}
    for solver in ("hals", "mu", "kl"):
        status, out, err = cli(*command, "--solver", solver)
        assert (status, err) == (0, "")
        found[solver] = json.loads(out)
        assert sum(found[solver]["energy"]) == pytest.approx(1, abs=1e-6)
    assert found["hals"] == json.loads(cli(*command)[1])
    # mu ends near hals, which minimises the same error; kl minimises another one.
    assert found["mu"]["error"] == pytest.approx(found["hals"]["error"], rel=0.01)
    assert found["kl"]["error"] > 1.01 * found["hals"]["error"]


def test_an_overlay_is_at_most_1600_pixels(cli, tmp_path):
    for size in ((3000, 1000), (900, 2600)):
        noise = np.random.default_rng(0).integers(0, 255, (26, 30, 3), np.uint8)
        Image.fromarray(noise).resize(size).save(tmp_path / "large.jpg")
        target = tmp_path / "parts.png"
        command = ("factorize", tmp_path / "large.jpg", "--size", SIZE, "--overlay", target)
        assert cli(*command, "--k", 10)[0] == 0
        with Image.open(target) as image:
            assert 1500 < max(image.size) <= 1600


def test_the_eight_orientations_of_a_picture_are_one(cli, photos, index_folder, tmp_path):
    turns = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    factors, found = set(), set()
    with Image.open(photos / "square/shape_04.png") as upright:
        for orientation, turn in turns.items():
            stored = upright if turn is None else upright.transpose(turn)
            exif = Image.Exif()
            exif[0x0112] = orientation
            path = tmp_path / f"{orientation}.png"
            stored.save(path, exif=exif)
            factors.add(cli("factorize", path, "--size", SIZE, "--json")[1])
            command = ("search", index_folder, path, "--box", "5,5,90,80", "--json", "--top", 5)
            document = json.loads(cli(*command)[1])
            del document["query"]["path"]
            found.add(json.dumps(document))
    assert len(factors) == 1 and len(found) == 1
    assert any(result["box"] for result in document["results"])


def test_factorize_errors(cli, photos, tmp_path):
    picture = photos / "round/shape_01.png"
    assert fails(cli("factorize", tmp_path / "no.png"), "'no.png' does not exist")
    (tmp_path / "text.png").write_text("no picture")
    assert fails(cli("factorize", tmp_path / "text.png", "--json"), "not a picture")
    for k in ("0", "11", "x", "2.5"):
        assert fails(cli("factorize", picture, "--k", k), "expected a whole number from 1 to 10", k)
    assert fails(cli("factorize", picture, "--size", "16"), "from 32", "got '16'")
    assert fails(cli("factorize", picture, "--overlay", "x.jpg"), "ending in .png, got x.jpg")
    nowhere = tmp_path / "no" / "x.png"
    assert fails(cli("factorize", picture, "--size", SIZE, "--overlay", nowhere), "No such file")
    assert fails(cli("factorize", picture, "--solver", "cd"), "--solver", "'cd'", "kl")
    assert fails(cli("factorize"), "IMAGE")
    assert fails(cli("factorise", picture), "invalid choice")
    assert fails(cli("factorize", picture, "--js"), "unrecognized arguments")


def test_unknown_networks_and_layers(photos, capsys):
    picture = str(photos / "round/shape_01.png")
    for name in ("resnet_fifty", "efficientnet_lite0:nix"):
        status = main(["factorize", picture, "--backbone", name])
        assert fails((status, *capsys.readouterr()), "expected")


# --- index -----------------------------------------------------------------------------


def test_build_info_verify(cli, photos, tmp_path):
    root, out = tmp_path / "photos", tmp_path / "index"
    shutil.copytree(photos, root)
    (root / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    command = ("index", "build", root, "--out", out, "--size", SIZE, "--k", 3)
    status, said, err = cli(*command, "--descriptors", "dff, gem")
    assert status == 0 and "12 pictures" in said and "1 left out" in said
    assert "pictures/s" in err and "left" in err and "13/13" in err
    assert "left out broken.jpg: 'broken.jpg' is" in err.splitlines()[-1]

    status, said, err = cli("index", "info", out, "--json")
    facts = json.loads(said)
    assert (status, err, facts["count"], facts["k"]) == (0, "", 12, 3)
    assert facts["descriptors"] == ["dff", "gem"] and facts["unreadable"][0][0] == "broken.jpg"
    status, said, err = cli("index", "info", out, "--photos-root", tmp_path / "elsewhere")
    assert (status, err) == (0, "") and "12 missing" in said and "broken.jpg" in said

    status, said, err = cli("index", "verify", out)
    assert (status, err) == (0, "")
    (path,) = out.glob("shards/*/cells.npy")
    path.write_bytes(path.read_bytes()[:-2] + b"xx")
    status, said, err = cli("index", "verify", out)
    assert status == 1 and "cells.npy is not as it was written" in said
    assert err == f"dff: {out}: 1 problem found\n"


def test_ctrl_c_says_what_is_kept_and_how_to_go_on(cli, backbone, photos, tmp_path, monkeypatch):
    out = tmp_path / "my index"
    passes = []

    def activations(picture, size=None):
        if len(passes) == 5:
            raise KeyboardInterrupt
        passes.append(size)
        return original(picture, size)

    original = backbone.activations
    command = ("index", "build", photos, "--out", out, "--size", SIZE)
    with monkeypatch.context() as patch:
        patch.setattr(backbone, "activations", activations)
        status, said, err = cli(*command)
    assert (status, said) == (130, "")
    last = err.splitlines()[-1]
    assert last.startswith("dff: stopped, 5 of 12 pictures kept; go on with: ")
    assert last.endswith(f"index build {photos} --out '{out}' --size {SIZE}")
    assert "Traceback" not in err
    status, said, err = cli(*command)
    assert status == 0 and "12 pictures" in said and "5 taken over" in said


def test_ctrl_c_elsewhere(cli, photos, monkeypatch):
    def stop(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("dff.factorization.factorize", stop)
    status, out, err = cli("factorize", photos / "round/shape_01.png")
    assert (status, out, err) == (130, "", "dff: stopped\n")


def test_build_uses_a_given_whitening(cli, backbone, photos, tmp_path):
    from dff.whitening import Whitening

    mean, *projection = np.random.default_rng(0).random((17, backbone.channels), np.float32)
    given = Whitening(mean, np.stack(projection), 0.25, 16, {"fitted_on": "elsewhere"})
    given.save(tmp_path / "whitening")
    command = ("index", "build", photos / "round", "--out", tmp_path / "index", "--size", SIZE)
    assert cli(*command, "--whitening", tmp_path / "whitening")[0] == 0
    facts = json.loads(cli("index", "info", tmp_path / "index", "--json")[1])
    assert facts["descriptors"] == ["dff", "dff_tree"]  # what an index has unless told
    assert facts["whitening"]["dff_tree"]["dimensions"] == 16
    assert facts["whitening"]["dff_tree"]["fitted_on"] == "elsewhere"
    assert facts["whitening"]["dff"]["fitted_on"] == "round"
    assert fails(cli(*command, "--whitening", tmp_path), "no usable whitening")


def test_index_errors(cli, photos, tmp_path):
    assert fails(cli("index", "build", tmp_path / "no", "--out", tmp_path / "x"), "expected a fold")
    assert fails(cli("index", "build", tmp_path, "--out", tmp_path / "x"), "no pictures under")
    command = ("index", "build", photos, "--out", tmp_path / "x")
    assert fails(cli(*command, "--descriptors", "dff,nix"), "got nix")
    (tmp_path / "file").write_text("")
    assert fails(cli("index", "build", photos, "--out", tmp_path / "file"), "file")
    for command in (("info",), ("info", "--json"), ("verify",)):
        assert fails(cli("index", *command, tmp_path), "no index in", "index build")


# --- search ----------------------------------------------------------------------------


def test_search_json_is_the_contract(cli, index_folder, index, photos):
    picture = photos / "round/shape_05.png"
    status, out, err = cli("search", index_folder, picture, "--json", "--top", 4)
    assert (status, err) == (0, "") and out.count("\n") == 1
    document = json.loads(out)
    assert list(document) == ["query", "descriptor", "matching", "results"]
    assert document["query"] == {
        "path": str(picture),
        "box": None,
        "k": 4,
        "size": SIZE,
        "seed": 0,
        "backbone": "efficientnet_lite0",
        "layer": "block6+last",
    }
    assert (document["descriptor"], document["matching"]) == ("dff", "vector")
    assert len(document["results"]) == 4
    expected = index.search(picture, top=4)
    for result, match in zip(document["results"], expected, strict=True):
        assert list(result) == [
            *("rank", "id", "path", "score", "box", "contributions", "is_query")
        ]
        assert (result["rank"], result["id"], result["path"]) == (match.rank, match.id, match.path)
        assert result["score"] == pytest.approx(match.score, abs=1e-7)
        assert result["box"] == (list(match.box) if match.box else None)
        assert np.shape(result["contributions"]) == (4, 4) and result["is_query"] is False
        assert np.sum(result["contributions"]) == pytest.approx(result["score"], abs=1e-5)


def test_search_options(cli, index_folder, photos):
    picture = photos / "round/shape_05.png"

    def results(*options):
        status, out, _ = cli("search", index_folder, picture, "--json", *options)
        assert status == 0
        return json.loads(out)

    first = results("--include-self")["results"][0]
    assert (first["id"], first["is_query"]) == ("shape_05", True)
    plain, off = results("--top", 20), results("--top", 20, "--weights", "1,1,1,0")
    assert len(plain["results"]) == 11
    kept = {r["id"]: sum(map(sum, r["contributions"][:3])) for r in plain["results"]}
    assert {r["id"]: r["score"] for r in off["results"]} == pytest.approx(kept, abs=1e-6)
    assert results("--k", 2)["query"]["k"] == 2
    boxed = results("--box", "80,50,160,120")
    assert boxed["query"]["box"] == [80, 50, 160, 120]
    other = results("--descriptor", "rmac")
    assert other["descriptor"] == "rmac" and len(other["results"][0]["contributions"]) > 4
    again = results("--rerank", "dba")
    assert (again["rerank"], again["matching"]) == ("dba", "vector") and "rerank" not in plain
    assert {result["contributions"] for result in again["results"]} == {None}
    matched = results("--matching", "regions")
    assert matched["matching"] == "regions"
    for result in matched["results"]:  # each region of the query has one best region at most
        assert (np.count_nonzero(result["contributions"], axis=1) <= 1).all()
        assert np.sum(result["contributions"]) == pytest.approx(result["score"], abs=1e-5)


def test_search_table(cli, index_folder, photos):
    command = ("search", index_folder, photos / "round/shape_05.png", "--top", 3, "--include-self")
    status, out, err = cli(*command)
    assert (status, err) == (0, "")
    head, first, *others = out.splitlines()
    assert head.split()[:2] == ["rank", "score"] and "(the query)" in first and len(others) == 2


def test_localize_is_the_true_joint_factorization(cli, index_folder, index, backbone, photos):
    picture, box = photos / "round/shape_05.png", (80, 50, 160, 120)
    command = ("search", index_folder, picture, "--json", "--top", 4, "--localize")
    document = json.loads(cli(*command, "--box", ",".join(map(str, box)))[1])
    found = index.search(picture, box=box, top=4)
    where = localize(
        index.picture(index.row("shape_05")),
        [match.picture() for match in found],
        backbone=backbone,
        box=box,
        size=SIZE,
    )
    joint = [None if located.box is None else list(located.box) for located in where]
    assert [result["box"] for result in document["results"]] == joint
    assert joint != [None if m.box is None else list(m.box) for m in found]


def test_localize_needs_the_photos(cli, index_folder, photos, tmp_path):
    copy = tmp_path / "a" / "index"
    shutil.copytree(index_folder, copy)
    command = ("search", copy, photos / "round/shape_05.png", "--top", 2, "--json")
    assert cli(*command)[0] == 0
    assert fails(cli(*command, "--localize"), "2 of 2", "--photos-root")
    status, out, _ = cli(*command, "--localize", "--photos-root", photos)
    assert status == 0 and len(json.loads(out)["results"]) == 2


def test_nothing_found_is_status_1(cli, backbone, photos, tmp_path):
    (tmp_path / "photos").mkdir()
    picture = tmp_path / "photos" / "one.png"
    shutil.copy(photos / "round/shape_01.png", picture)
    build(tmp_path / "photos", tmp_path / "index", backbone, size=SIZE)
    status, out, err = cli("search", tmp_path / "index", picture, "--json")
    assert (status, err) == (1, "") and json.loads(out)["results"] == []
    status, out, err = cli("search", tmp_path / "index", picture, "--localize")
    assert (status, err) == (1, "") and out.startswith("nothing found")
    assert cli("search", tmp_path / "index", picture, "--include-self")[0] == 0


def test_search_errors(cli, index_folder, photos, tmp_path):
    picture = photos / "round/shape_05.png"
    search = ("search", index_folder, picture, "--json")
    assert fails(cli("search", tmp_path, picture), "no index in")
    assert fails(cli("search", index_folder, tmp_path), "is a folder")
    assert fails(cli(*search, "--box", "0,0,10"), "expected four pixels", "'0,0,10'")
    assert fails(cli(*search, "--box", "0,0,200,100"), "x1 <= 160", "200")
    assert fails(cli(*search, "--weights", "1,1"), "expected 4 numbers from 0 to 2")
    assert fails(cli(*search, "--weights", "1,a"), "expected numbers from 0 to 2")
    assert fails(cli(*search, "--top", "0"), "of at least 1")
    assert fails(cli(*search, "--descriptor", "nix"), "expected one of this index", "nix")
    assert fails(cli(*search, "--matching", "nix"), "--matching", "'nix'", "regions")


def test_a_file_name_cannot_add_lines(cli, tmp_path):
    assert fails(cli("factorize", tmp_path / "a\nb.png"))


# --- app -------------------------------------------------------------------------------


class Server:
    """What would be Streamlit."""

    def __init__(self, command, env):
        Server.started = (command, env["DFF_INDEX"])
        Server.env = env

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def wait(self):
        return 0


def test_app_runs_streamlit_in_this_python(cli, index_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(app.subprocess, "Popen", Server)
    assert cli("app", index_folder)[0] == 0
    command, index = Server.started
    assert command[:4] == [sys.executable, "-m", "streamlit", "run"]
    assert Path(command[4]).name == "run.py" and index == str(index_folder.resolve())
    assert Server.env["STREAMLIT_SERVER_ADDRESS"] == "localhost"  # nobody else reaches it
    monkeypatch.setenv("STREAMLIT_SERVER_ADDRESS", "0.0.0.0")
    assert cli("app", index_folder)[0] == 0
    assert Server.env["STREAMLIT_SERVER_ADDRESS"] == "0.0.0.0"
    monkeypatch.chdir(tmp_path)
    assert fails(cli("app"), "no ./sample_index here", "index build")
    assert fails(cli("app", tmp_path), "no index in")
    shutil.copytree(index_folder, tmp_path / "sample_index")
    assert cli("app")[0] == 0 and Server.started[1] == str((tmp_path / "sample_index").resolve())


def test_a_closed_pipe_is_no_error(cli, index_folder, monkeypatch):
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    if not hasattr(os, "dup2"):
        pytest.skip("no pipes here")
    monkeypatch.setattr("dff.cli.os.dup2", lambda *_: None)
    monkeypatch.setattr(Closed, "fileno", lambda self: 1)
    monkeypatch.setattr(sys, "stdout", Closed())
    assert main(["index", "info", str(index_folder)]) == 0


# --- changing an index -----------------------------------------------------------------


def test_add_remove_rewhiten_undo_compact(cli, photos, tmp_path):
    index, more = tmp_path / "my index", tmp_path / "more"
    assert cli("index", "build", photos / "round", "--out", index, "--size", SIZE)[0] == 0
    more.mkdir()
    for name in ("shape_02.png", "shape_04.png"):
        shutil.copy(photos / "square" / name, more / name)

    def count():
        return json.loads(cli("index", "info", index, "--json")[1])["count"]

    status, out, err = cli("index", "add", index, more)
    assert status == 0 and "2 pictures added" in out and "2/2" in err and count() == 8
    status, out, err = cli("index", "add", index, more)
    assert (status, out) == (1, "") and "no picture of" in err and err.count("\n") == 1
    status, out, err = cli("index", "remove", index, "shape_02")
    assert (status, err) == (0, "") and "1 picture removed; back with:" in out and count() == 7
    assert out.rstrip().endswith(f"index undo '{index}'")
    assert "2 changes, " in cli("index", "info", index)[1]
    status, out, err = cli("index", "rewhiten", index)
    assert status == 0 and "whitening fitted again" in out and "2/2 descriptors" in err
    assert cli("index", "rewhiten", index)[:2] == (0, f"{index}: the whitening is as it was\n")
    for kind, pictures in (("rewhiten", 7), ("remove", 8)):
        status, out, err = cli("index", "undo", index)
        assert (status, err) == (0, "") and f"back before {kind} of 20" in out
        assert count() == pictures
    status, out, err = cli("index", "compact", index)
    assert (status, err) == (0, "") and "there is no undo now" in out
    assert fails(cli("index", "undo", index), "no change to undo")
    assert cli("index", "verify", index)[0] == 0


def test_errors_of_changing_an_index(cli, index_folder, photos, tmp_path):
    before = (index_folder / "index.json").read_bytes()
    for command in (("add", tmp_path, photos), ("remove", tmp_path, "x"), ("rewhiten", tmp_path)):
        assert fails(cli("index", *command), "no index in", "index build")
    for command in (("undo", tmp_path), ("compact", tmp_path)):
        assert fails(cli("index", *command), "no index in")
    assert fails(cli("index", "remove", index_folder, "nobody"), "id: expected one of the 12", "no")
    assert fails(cli("index", "add", index_folder, tmp_path / "no"), "expected a folder")
    assert fails(cli("index", "remove", index_folder), "ID")
    assert (index_folder / "index.json").read_bytes() == before
    assert not (tmp_path / ".lock").exists()


# --- near-duplicates --------------------------------------------------------------------------


def test_copies_of_a_photo_are_found_in_an_index(cli, photos, tmp_path):
    folder = tmp_path / "photos"
    shutil.copytree(photos / "square", folder)
    one = Image.open(folder / "shape_02.png")
    one.resize((120, 90)).save(folder / "smaller.png")
    one.convert("RGB").save(folder / "again.jpg", quality=60)
    index = tmp_path / "index"
    assert cli("index", "build", folder, "--out", index, "--size", SIZE)[0] == 0
    status, out, _ = cli("index", "duplicates", index, "--cosine", "0.97", "--json")
    found = json.loads(out)
    assert status == 0 and found["cosine"] == 0.97
    (group,) = found["groups"]
    assert {one["id"] for one in group} == {"again", "shape_02", "smaller"}
    assert {one["path"] for one in group} == {"again.jpg", "shape_02.png", "smaller.png"}
    status, out, _ = cli("index", "duplicates", index, "--cosine", "0.97")
    assert status == 0 and [line.split()[0] for line in out.splitlines()[1:]] == ["1"] * 3
    status, out, err = cli("index", "duplicates", index, "--cosine", "1")
    assert (status, out) == (1, "") and "no two pictures have a cosine of 1" in err


@pytest.mark.parametrize("cosine", ["0", "1.5", "nan", "much"])
def test_a_cosine_that_is_none_is_refused(cli, tmp_path, cosine):
    result = cli("index", "duplicates", tmp_path, "--cosine", cosine)
    assert fails(result, "--cosine", "above 0 up to 1", cosine)
