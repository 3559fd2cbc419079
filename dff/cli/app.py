"""`dff app [INDEX]`: the dashboard."""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

DEFAULT = Path("sample_index")
PAGE = Path(__file__).parents[1] / "app" / "run.py"
# As in .streamlit/config.toml, which Streamlit finds beside the sources only. What is set already,
# by whoever starts the server, holds.
SETTINGS = {
    "STREAMLIT_SERVER_ADDRESS": "localhost",  # by default Streamlit listens on every interface
    "STREAMLIT_SERVER_MAX_UPLOAD_SIZE": "500",
    "STREAMLIT_SERVER_SHOW_EMAIL_PROMPT": "false",
    "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
    "STREAMLIT_CLIENT_SHOW_ERROR_DETAILS": "none",
}


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "app", help="open the dashboard", description="Open the dashboard in a browser."
    )
    parser.add_argument("index", metavar="INDEX", type=Path, nargs="?", help="(./sample_index)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run Streamlit in this Python until it ends."""
    from dff.index.format import MANIFEST, IndexProblem
    from dff.index.manifest import read_manifest

    index = args.index or DEFAULT
    if args.index is None and not (index / MANIFEST).is_file():
        raise IndexProblem(
            "expected an index, there is no ./sample_index here; name one: "
            f"`{args.prog} app INDEX`, or build one: `{args.prog} index build PHOTOS --out INDEX`"
        )
    read_manifest(index)
    command = [sys.executable, "-m", "streamlit", "run", str(PAGE)]
    # Few heaps from the beginning: see dff.app.memory.
    environment = {"MALLOC_ARENA_MAX": "2", **SETTINGS, **os.environ}
    environment["DFF_INDEX"] = str(index.resolve())
    with subprocess.Popen(command, env=environment) as server:  # noqa: S603 (ours)
        try:
            return server.wait()
        except KeyboardInterrupt:  # the terminal has sent it to Streamlit too, which tidies up
            server.wait()
            return 0
