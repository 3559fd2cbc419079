"""The same answers on one and two threads, in the inference engine and in PyTorch.

`python scripts/same_answers.py` asks for all sample photos, a process each (docs/reliability.md).
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from dff import threads
from tests.conftest import script

same_answers = script("same_answers")
PHOTOS = 4


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What comes out in one way, asked for in this process."""
    for name in ("_count", "_streams"):  # `ask` sets them, as the command line does
        monkeypatch.setattr(threads, name, getattr(threads, name))
    before = torch.get_num_threads()

    def run(engine: str, count: int):
        out = tmp_path / f"{engine} {count}.npz"
        same_answers.ask(engine, count, PHOTOS, out)
        with np.load(out) as kept:
            return same_answers.Answers(**{name: kept[name] for name in kept.files})

    yield run
    torch.set_num_threads(before)


def test_threads_and_engines_agree_on_sample_photos(answers):
    reference = answers("engine", 2)
    assert reference.scores.shape == (PHOTOS, 222) and reference.ids.shape == (PHOTOS, 10)
    assert same_answers.same_bytes(reference, answers("engine", 2))
    assert same_answers.compared(reference, answers("engine", 1))[1]
    other = answers("torch", 1)
    assert not same_answers.same_bytes(reference, other)  # it was not the engine once more
    (ids, boxes, scores, _, apart), held = same_answers.compared(reference, other)
    assert (ids, boxes, scores, held) == (100, 100, 100, True) and apart < 1e-3


def test_other_answers_are_noticed(answers):
    reference = answers("engine", 1)
    for name, change in (("ids", 1), ("boxes", 3), ("scores", 2e-3)):
        changed = {**vars(reference), name: getattr(reference, name) + change}
        other = same_answers.Answers(**changed)
        assert not same_answers.compared(reference, other)[1], name
        assert not same_answers.same_bytes(reference, other), name
