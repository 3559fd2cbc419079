"""The fuzzer's targets, with what it begins from and what it once found, without the fuzzer."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "fuzz.py"
FOUND = {
    "manifests": [b"\x05,nullcategory\na.png,A,b\n", b'\x05",\n "weights": "0", "x\n1\n'],
}


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("fuzz", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["pictures", "boxes", "manifests", "index"])
def test_what_the_fuzzer_begins_from_is_answered(script, tmp_path, name):
    seeds, run = script.TARGETS[name](tmp_path)
    assert len(set(seeds)) >= 6
    for data in (b"", b"\x00", *seeds, *(seed[: len(seed) // 2] for seed in seeds)):
        run(data)
    for data in FOUND.get(name, []):
        run(data)


def test_the_index_that_is_fuzzed_is_a_sound_one(script, tmp_path):
    from dff.index.check import verify

    assert verify(script.tiny_index(tmp_path / "index")) == []


def test_an_answer_of_two_lines_or_none_is_a_finding(script):
    for text in ("one\ntwo", ""):
        with pytest.raises(RuntimeError, match="expected one line"), script.answered():
            raise ValueError(text)
    with pytest.raises(KeyError), script.answered():
        raise KeyError("x")
    with script.answered():
        raise ValueError("a sentence")
