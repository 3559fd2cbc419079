"""`dff index export`: put an index into a vector database that is there already."""

import argparse
import os
from pathlib import Path
from typing import Any

from dff.cli.progress import Bar

DATABASES = ("qdrant",)


def add_to(group: Any) -> None:
    """Add the command to the parser of `dff index`."""
    parser = group.add_parser(
        "export",
        help="put an index into a vector database",
        description="Put the vectors and regions of an index into a collection of a vector "
        "database. Another export of the same name takes its place in one step; collections that "
        "this command has not made are never touched.",
    )
    parser.add_argument("index", metavar="INDEX", type=Path)
    parser.add_argument("--to", choices=DATABASES, required=True, help="the database")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--url", help="of a server (its key: the environment's QDRANT_API_KEY)")
    place.add_argument(
        "--path", metavar="FOLDER", type=Path, help="of a database without a server, to try it out"
    )
    parser.add_argument("--name", help="of the collection (the index folder's)")
    parser.add_argument("--descriptor", metavar="NAME", help="what to compare by (the index's own)")
    parser.set_defaults(run=run_export)


def run_export(args: argparse.Namespace) -> int:
    """Export an index, with progress on stderr."""
    from dff.export.qdrant import connect, export
    from dff.index import Index

    index = Index.open(args.index)
    name = args.name or args.index.resolve().name
    key = os.environ.get("QDRANT_API_KEY")
    with connect(path=args.path, url=args.url, api_key=key) as client, Bar() as bar:
        done = export(
            index,
            client,
            name,
            descriptor=args.descriptor,
            progress=lambda done, total: bar.count(done, total, "pictures"),
        )
    place = args.url or args.path
    what = f"{len(index)} pictures" if done else "nothing to do, it holds this state of the index"
    print(f"{place}, collection {name}: {what}")
    return 0
