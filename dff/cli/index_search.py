"""`dff index approximate` and `dff index halve`: for indexes that are searched at great size."""

import argparse
import sys
from pathlib import Path
from typing import Any


def add_to(group: Any) -> None:
    """Add both commands to the parser of `dff index`."""
    parser = group.add_parser(
        "approximate",
        help="prepare `search --approximate`",
        description="Sort the descriptors of an index into groups, so that a search need not look "
        "at all of them. For hundreds of thousands of pictures; needs faiss. Give it again after "
        "a change of the pictures.",
    )
    parser.add_argument("index", metavar="INDEX", type=Path)
    parser.add_argument("--descriptor", metavar="NAME", help="which (the index's own)")
    parser.set_defaults(run=run_approximate)

    parser = group.add_parser(
        "halve",
        help="keep descriptors at half precision",
        description="Keep descriptors at half precision, in half the memory, until `rewhiten`.",
    )
    parser.add_argument("index", metavar="INDEX", type=Path)
    parser.set_defaults(run=run_halve)


def run_approximate(args: argparse.Namespace) -> int:
    """Write the file, with progress on stderr."""
    from tqdm import tqdm

    from dff.index.approximate import make

    with tqdm(file=sys.stderr, desc="pictures", leave=False, disable=None) as bar:

        def tell(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        path = make(args.index, args.descriptor, tell)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    return 0


def run_halve(args: argparse.Namespace) -> int:
    """Write the generation again, rounded."""
    from dff.index.edit import halve

    if halve(args.index):
        print(f"{args.index}: descriptors are at half precision now; to go back: index undo")
    else:
        print(f"{args.index}: descriptors are at half precision as they were")
    return 0
