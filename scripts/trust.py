"""Run every long attempt to break DFF, one after another, and write down what came out.

    pip install -r requirements-dev.txt -r benchmarks/requirements.txt
    python scripts/trust.py [--write]

The quick ones are tests. These take an hour on two cores; leave the machine alone meanwhile, the
crowd's answers are timed.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]  # runnable from a checkout

from common import publish, table  # noqa: E402

ATTEMPTS = {
    "a hundred kills": ["scripts/crashes.py", "--kills", "100"],
    "a fuzzer, four times two minutes": ["scripts/fuzz.py", "--seconds", "120"],
    "threads and engines": ["scripts/same_answers.py"],
    "20 visitors for ten minutes": ["benchmarks/crowd.py", "--public"],
}
TABLES = ("scripts/same_answers.py", "benchmarks/crowd.py")  # write one of their own


def main() -> int:
    """Run them all, also after one has failed; 1 if any has."""
    made = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    made.add_argument("--write", action="store_true", help="put the tables into docs/")
    write = made.parse_args().write
    rows, failed = [], 0
    for what, command in ATTEMPTS.items():
        own_table = ["--write"] if write and command[0] in TABLES else []
        began = time.perf_counter()
        run = [sys.executable, *command, *own_table]
        done = subprocess.run(run, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        print(done.stdout, flush=True)
        minutes = (time.perf_counter() - began) / 60
        outcome = f"FAILED, status {done.returncode}" if done.returncode else "held"
        rows.append([what, f"`{' '.join(command)}`", outcome, minutes])
        failed += done.returncode != 0
    publish("trust", table(["what", "how", "outcome", "minutes"], rows), write=write)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
