"""Run every long attempt to break DFF, one after another; the quick ones are tests.

    pip install -r requirements-dev.txt -r benchmarks/requirements.txt
    python scripts/trust.py [--write]

Takes three quarters of an hour on two cores. Leave the machine alone meanwhile: the crowd's answers
are timed.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ATTEMPTS = (
    ["scripts/crashes.py", "--kills", "100"],
    ["scripts/fuzz.py", "--seconds", "120"],
    ["scripts/same_answers.py"],
    ["benchmarks/crowd.py", "--public"],
)
WITH_TABLE = ("scripts/same_answers.py", "benchmarks/crowd.py")


def main() -> int:
    """Run them all, also after one has failed; 1 if any has."""
    made = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    made.add_argument("--write", action="store_true", help="put the tables into docs/")
    write = made.parse_args().write
    outcomes = []
    for command in ATTEMPTS:
        options = ["--write"] if write and command[0] in WITH_TABLE else []
        began = time.perf_counter()
        status = subprocess.run([sys.executable, *command, *options], cwd=ROOT).returncode
        minutes = (time.perf_counter() - began) / 60
        outcomes.append((status, f"{' '.join(command)}: status {status} after {minutes:.0f} min"))
    print(*(line for _, line in outcomes), sep="\n")
    return int(any(status for status, _ in outcomes))


if __name__ == "__main__":
    sys.exit(main())
