"""`dff index ...`: make an index, look at it, check it, change it and take changes back."""

import argparse
import shlex
from pathlib import Path
from typing import Any

from dff.cli import index_build, index_export, index_search
from dff.cli.common import complain, cosine, print_json, print_table
from dff.cli.progress import Bar
from dff.index.format import is_url

SHOWN = 20  # unreadable files listed one by one by `info`


def add_to(commands: Any) -> None:
    """Add the group to the parser."""
    group = commands.add_parser(
        "index", help="build, describe or check an index", description="Work with an index."
    ).add_subparsers(metavar="COMMAND", required=True)
    index_build.add_to(group)
    index_export.add_to(group)

    parser = group.add_parser(
        "info", help="what an index holds", description="Say what an index holds."
    )
    parser.add_argument("index", metavar="INDEX", type=Path)
    parser.add_argument(
        "--photos-root", metavar="FOLDER", type=Path, help="where the photos are now"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.set_defaults(run=run_info)

    parser = group.add_parser(
        "verify", help="check every file of an index", description="Check every file of an index."
    )
    parser.add_argument("index", metavar="INDEX", type=Path)
    parser.set_defaults(run=run_verify)

    parser = group.add_parser(
        "remove",
        help="take pictures out of an index",
        description="Take pictures out of an index. Their files stay where they are.",
    )
    parser.add_argument("index", metavar="INDEX", type=Path)
    parser.add_argument("ids", metavar="ID", nargs="+", help="as `search` shows it")
    parser.set_defaults(run=run_remove)

    parser = group.add_parser(
        "duplicates",
        help="find copies of one photo in an index",
        description="Find near-duplicates: copies of one photo, smaller, cropped or edited.",
    )
    parser.add_argument("index", metavar="INDEX", type=Path)
    parser.add_argument(
        "--cosine", metavar="0..1", type=cosine, help="how alike two pictures must be"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.set_defaults(run=run_duplicates)

    index_search.add_to(group)

    for name, run, what in (
        ("repair", run_repair, "keep what is intact of a damaged index, and say what is lost"),
        ("rewhiten", run_rewhiten, "fit the whitening on the pictures that are in the index now"),
        ("undo", run_undo, "take the last change of an index back"),
        ("compact", run_compact, "delete what is only kept for undo"),
    ):
        parser = group.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
        parser.add_argument("index", metavar="INDEX", type=Path)
        parser.set_defaults(run=run)


def run_remove(args: argparse.Namespace) -> int:
    """Take pictures out."""
    from dff.index.edit import remove

    count = remove(args.index, args.ids)
    _say_undo(args, f"{count} {'picture' if count == 1 else 'pictures'} removed")
    return 0


def run_duplicates(args: argparse.Namespace) -> int:
    """List groups of near-duplicates; 1 where there are none."""
    from dff.index import Index
    from dff.index.duplicates import default_threshold, near_duplicates

    index = Index.open(args.index)
    threshold = default_threshold(index) if args.cosine is None else args.cosine
    groups = [
        [(index.pictures[row].id, index.pictures[row].path) for row in rows]
        for rows in near_duplicates(index, threshold)
    ]
    if args.json:
        listed = [[{"id": id, "path": path} for id, path in group] for group in groups]
        print_json({"cosine": threshold, "groups": listed})
    elif groups:
        rows = [(str(n), *one) for n, group in enumerate(groups, start=1) for one in group]
        print_table(["group", "id", "path"], rows)
    else:
        complain(f"{args.index}: no two pictures have a cosine of {threshold:g} or more")
    return 0 if groups else 1


def run_rewhiten(args: argparse.Namespace) -> int:
    """Fit the whitening again."""
    from dff.index.edit import rewhiten

    with Bar() as bar:
        changed = rewhiten(args.index, lambda done, total: bar.count(done, total, "descriptors"))
    if changed:
        _say_undo(args, "whitening fitted again")
    else:
        print(f"{args.index}: the whitening is as it was")
    return 0


def run_undo(args: argparse.Namespace) -> int:
    """Take the last change back; an error where there is none."""
    from dff.index.state import undo

    change = undo(args.index)
    print(f"{args.index}: back before {change.kind} of {change.when:%Y-%m-%d %H:%M} UTC")
    return 0


def run_compact(args: argparse.Namespace) -> int:
    """Give the space back that undo takes."""
    from dff.index.state import compact

    print(f"{args.index}: {compact(args.index) / 1e6:.1f} MB deleted, there is no undo now")
    return 0


def run_info(args: argparse.Namespace) -> int:
    """Describe an index."""
    from dff.index.check import info

    facts = info(args.index, args.photos_root)
    if args.json:
        print_json(facts)
        return 0
    whitenings = [
        f"{name}: {w['dimensions']} dimensions, "
        + (
            f"power {w['power']:g}, on {w.get('fitted_on', 'other photos')}"
            if w["power"]
            else "not whitened"
        )
        for name, w in facts["whitening"].items()
    ]
    missing = f"{facts['photos_missing'] or 'none'} missing"
    if is_url(facts["photos_root"]):
        missing = "shown as thumbnails"
    rows = [
        ("pictures", str(facts["count"])),
        ("network", f"{facts['backbone']}:{facts['layer']} at {facts['size']} px"),
        ("parts", f"{facts['k']} a picture, {facts['detail_k']} finer ones to locate by"),
        *(("descriptor", text) for text in whitenings),
        ("photos", f"{facts['photos_root']}, {missing}"),
        ("on disk", f"{facts['bytes'] / 1e6:.1f} MB in {facts['shards']} shards"),
    ]
    if facts["changes"]:
        kept = f"{facts['changes_bytes'] / 1e6:.1f} MB more, until `index compact`"
        rows.append(("undo", f"{facts['changes']} changes, {kept}"))
    if facts["unfinished"] is not None:
        rows.append(("unfinished", f"a build with {facts['unfinished']} pictures done"))
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        print(f"{name.ljust(width)}  {text}")
    if facts["unreadable"]:
        print(f"\n{len(facts['unreadable'])} files could not be read:")
        print_table(["file", "reason"], facts["unreadable"][:SHOWN])
        if len(facts["unreadable"]) > SHOWN:
            print(f"... and {len(facts['unreadable']) - SHOWN} more (all with --json)")
    return 0


def run_verify(args: argparse.Namespace) -> int:
    """Check an index; 1 where something is wrong."""
    from dff.index.check import notes, verify

    problems = verify(args.index)
    for problem in problems:
        print(problem)
    if problems:
        many = "problem" if len(problems) == 1 else "problems"
        complain(f"{args.index}: {len(problems)} {many} found")
        return 1
    print(f"{args.index}: every file is as it was written")
    for note in notes(args.index):
        print(f"note: {note}")
    return 0


def run_repair(args: argparse.Namespace) -> int:
    """Mend an index; 1 where pictures are lost."""
    from dff.index.repair import repair

    done = repair(args.index)
    for sentence in (*done.mended, *done.lost):
        print(sentence)
    if done.lost:
        complain(
            f"{args.index}: {done.count} pictures are left; bring the others back from their "
            f"photos with: {args.prog} index add {shlex.quote(str(args.index))} PHOTOS"
        )
        return 1
    print(f"{args.index}: {done.count} pictures, none lost")
    return 0


def _say_undo(args: argparse.Namespace, done: str) -> None:
    print(f"{args.index}: {done}; back with: {args.prog} index undo {shlex.quote(str(args.index))}")
