"""Make every table of docs/performance.md, one script after another.

    pip install -r benchmarks/requirements.txt
    python benchmarks/all.py [--write]

Leave the machine alone meanwhile: it takes about half an hour on two cores.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent
SCRIPTS = ("network.py", "factorization.py", "build.py", "search.py", "page.py")


def main() -> int:
    """Run them all, also after one has failed; 1 if any has."""
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made.add_argument("--write", action="store_true", help="put the tables into docs/")
    options = ["--write"] if made.parse_args().write else []
    failed = []
    for name in SCRIPTS:
        began = time.perf_counter()
        status = subprocess.run([sys.executable, str(FOLDER / name), *options]).returncode
        print(f"\n{name}: status {status} after {time.perf_counter() - began:.0f} s", flush=True)
        if status:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
