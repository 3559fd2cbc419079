"""The catalogue of errors: what people read, and what the log keeps."""

import errno
import re
from pathlib import Path

import pytest

from dff import troubles
from dff.cli import FAULT, main
from dff.troubles import (
    DISK_FULL,
    NO_MEMORY,
    NOT_ALLOWED,
    UNFORESEEN,
    Trouble,
    shortened,
    trouble_of,
    without_folders,
    write_down,
)

CATALOGUE = [value for value in vars(troubles).values() if isinstance(value, Trouble)]


@pytest.mark.parametrize("trouble", CATALOGUE, ids=lambda trouble: trouble.what)
def test_every_entry_says_what_and_what_to_do(trouble):
    assert len(CATALOGUE) >= 8
    text = trouble.sentence("0123abcd")
    assert trouble.what and trouble.advice and "0123abcd" in text and len(text) < 320
    assert all(part.endswith(".") for part in (trouble.what, trouble.why, trouble.advice) if part)


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (MemoryError(), NO_MEMORY),
        (OSError(errno.ENOSPC, "No space left on device"), DISK_FULL),
        (PermissionError(errno.EACCES, "Permission denied"), NOT_ALLOWED),
        (OSError("odd"), UNFORESEEN),
        (KeyError("odd"), UNFORESEEN),
    ],
)
def test_the_entry_of_an_error(error, trouble):
    assert trouble_of(error) is trouble


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/srv/photos/a.jpg: damaged, 3/4 and 1.5 / 2", "a.jpg: damaged, 3/4 and 1.5 / 2"),
        ("no index in '/srv/my-index/'", "no index in '…'"),
        ("C:\\Users\\Ada\\x.npy and ~/private/y.npy", "x.npy and y.npy"),
        ("see https://example.org/a/b", "see https://example.org/a/b"),
        ("shards/0001/cells.npy: cut off", "shards/0001/cells.npy: cut off"),
    ],
)
def test_folders_are_left_out(text, left):
    assert without_folders(text) == left


def test_folders_of_this_server_may_have_spaces(tmp_path, monkeypatch):
    monkeypatch.setenv("DFF_INDEX", str(tmp_path / "my photos" / "index"))
    assert without_folders(f"no {tmp_path}/my photos/index") == "no index"


def test_the_own_folder_is_a_tilde():
    assert shortened(Path.home() / "a" / "b") == "~/a/b"
    assert shortened(f"{Path.home()}_other/b") == f"{Path.home()}_other/b"


def test_the_log_does_not_grow_for_ever(own_data, monkeypatch):
    monkeypatch.setattr(troubles, "LARGEST_LOG", 2000)
    for number in range(30):
        write_down(RuntimeError("x" * 100), f"{number:08}")
    assert sorted(file.name for file in own_data.iterdir()) == ["errors.log", "errors.log.1"]
    assert "00000029" in (own_data / "errors.log").read_text()
    assert all(file.stat().st_size < 4000 for file in own_data.iterdir())


def test_the_command_line_says_one_line_and_where_the_rest_is(own_data, monkeypatch, capsys):
    def fail(*_):
        raise RuntimeError("a secret detail")

    monkeypatch.setattr("dff.backbones.weights.find_weights", fail)
    assert main(["doctor"]) == FAULT
    out, said = capsys.readouterr()
    assert not out and said.count("\n") == 1 and "secret" not in said and "Traceback" not in said
    (id,) = re.findall(r"Error (\w{8})", said)
    log = (own_data / "errors.log").read_text()
    assert str(own_data / "errors.log") in said and id in log
    assert "Traceback" in log and "a secret detail" in log


def test_where_no_log_can_be_written_the_details_are_on_the_screen(own_data, monkeypatch, capsys):
    def fail(*_):
        raise RuntimeError("a secret detail")

    own_data.write_text("a file, not a folder")
    monkeypatch.setattr("dff.backbones.weights.find_weights", fail)
    assert main(["doctor"]) == FAULT
    assert "a secret detail" in capsys.readouterr().err
