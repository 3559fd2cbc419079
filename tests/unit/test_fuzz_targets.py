"""The fuzzer's targets, with what it begins from and what it once found, without the fuzzer."""

import pytest

from tests.conftest import script

fuzz = script("fuzz")
FOUND = {
    "manifests": [b"\x05,nullcategory\na.png,A,b\n", b'\x05",\n "weights": "0", "x\n1\n'],
}


@pytest.mark.parametrize("name", ["pictures", "boxes", "manifests", "index"])
def test_what_the_fuzzer_begins_from_is_answered(tmp_path, name):
    seeds, run = fuzz.TARGETS[name](tmp_path)
    assert len(set(seeds)) >= 6
    for data in (b"", b"\x00", *seeds, *(seed[: len(seed) // 2] for seed in seeds)):
        run(data)
    for data in FOUND.get(name, []):
        run(data)


def test_the_index_that_is_fuzzed_is_a_sound_one(tmp_path):
    from dff.index.check import verify

    assert verify(fuzz.tiny_index(tmp_path / "index")) == []


def test_an_answer_of_two_lines_or_none_is_a_finding():
    for text in ("one\ntwo", ""):
        with pytest.raises(RuntimeError, match="expected one line"), fuzz.answered():
            raise ValueError(text)
    with pytest.raises(KeyError), fuzz.answered():
        raise KeyError("x")
    with fuzz.answered():
        raise ValueError("a sentence")
