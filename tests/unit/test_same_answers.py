"""The same answers on one and two threads, in the inference engine and in PyTorch.

`python scripts/same_answers.py` asks for all sample photos (docs/reliability.md)."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_threads_and_engines_agree_on_sample_photos():
    command = [sys.executable, "scripts/same_answers.py", "--photos", "4"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr[-2000:]
    lines = {line.split("|")[1].strip(): line for line in run.stdout.splitlines() if "|" in line}
    assert "every byte" in lines["engine, 2 threads, again"]
    assert lines["PyTorch, 1 thread"].count("100.0") == 3
    assert "| 0e+00 |" not in lines["PyTorch, 1 thread"]  # it was not the engine once more
