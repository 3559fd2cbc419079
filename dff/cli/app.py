"""`dff app [INDEX]`: the dashboard."""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

DEFAULT = Path("sample_index")
PAGE = Path(__file__).parents[1] / "app" / "run.py"


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "app", help="open the dashboard", description="Open the dashboard in a browser."
    )
    parser.add_argument("index", metavar="INDEX", type=Path, nargs="?", help="(./sample_index)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run Streamlit in this Python until it ends."""
    from dff.index.format import MANIFEST, IndexProblem, read_manifest

    index = args.index or DEFAULT
    if args.index is None and not (index / MANIFEST).is_file():
        raise IndexProblem(
            "expected an index, there is no ./sample_index here; name one: "
            f"`{args.prog} app INDEX`, or build one: `{args.prog} index build PHOTOS --out INDEX`"
        )
    read_manifest(index)
    command = [sys.executable, "-m", "streamlit", "run", str(PAGE)]
    # Few heaps from the beginning: see dff.app.memory.
    environment = {"MALLOC_ARENA_MAX": "2", **os.environ, "DFF_INDEX": str(index.resolve())}
    with subprocess.Popen(command, env=environment) as server:
        try:
            return server.wait()
        except KeyboardInterrupt:  # the terminal has sent it to Streamlit too, which tidies up
            server.wait()
            return 0
