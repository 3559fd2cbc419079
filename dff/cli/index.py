"""`dff index ...`: make an index, look at it, check it, change it and take changes back."""

import argparse
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dff.cli import index_search
from dff.cli.common import (
    add_network_options,
    complain,
    cosine,
    print_json,
    print_table,
)
from dff.descriptors import DEFAULT_DESCRIPTOR
from dff.images import safe_name
from dff.threads import use_all_cores

if TYPE_CHECKING:
    from dff.index.build import Progress, Report

STOPPED = 130
SHOWN = 20  # unreadable files listed one by one by `info`


def add_to(commands: Any) -> None:
    """Add the group to the parser."""
    group = commands.add_parser(
        "index", help="build, describe or check an index", description="Work with an index."
    ).add_subparsers(metavar="COMMAND", required=True)

    parser = group.add_parser(
        "build",
        help="build an index of a folder of photos",
        description="Build an index of all photos under a folder. Stop it with Ctrl-C at any time "
        "and give the same command again to go on.",
    )
    parser.add_argument("photos", metavar="PHOTOS", type=Path, help="folder, with all below it")
    parser.add_argument("--out", metavar="INDEX", type=Path, required=True, help="the index folder")
    add_network_options(parser)
    parser.add_argument(
        "--descriptors",
        metavar="dff,rmac,...",
        default=DEFAULT_DESCRIPTOR,
        help=f"what pictures are found by ({DEFAULT_DESCRIPTOR})",
    )
    parser.add_argument(
        "--whitening",
        metavar="FOLDER",
        type=Path,
        help="one fitted elsewhere, for the descriptor it names (by default: on these photos)",
    )
    parser.set_defaults(run=run_build)

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
        "add",
        help="add photos to an index",
        description="Add the photos under a folder, or one photo, that the index does not hold "
        "yet. Stop it with Ctrl-C at any time and give the same command again to go on.",
    )
    parser.add_argument("index", metavar="INDEX", type=Path)
    parser.add_argument("photos", metavar="PHOTOS", type=Path, help="folder or photo, anywhere")
    parser.set_defaults(run=run_add)

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
        ("rewhiten", run_rewhiten, "fit the whitening on the pictures that are in the index now"),
        ("undo", run_undo, "take the last change of an index back"),
        ("compact", run_compact, "delete what is only kept for undo"),
    ):
        parser = group.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
        parser.add_argument("index", metavar="INDEX", type=Path)
        parser.set_defaults(run=run)


def run_build(args: argparse.Namespace) -> int:
    """Build an index, with progress on stderr."""
    report = _told(args, lambda tell: _build(args, tell))
    if report is None:
        return STOPPED
    print(f"{report.folder}: {report.count} pictures{_facts(report)}")
    return 0


def run_add(args: argparse.Namespace) -> int:
    """Add pictures, with progress on stderr; 1 where there are no new ones."""
    report = _told(args, lambda tell: _add(args, tell))
    if report is None:
        return STOPPED
    if not report.count:
        complain(f"{args.index}: nothing added, no picture of {args.photos} is new")
        return 1
    print(f"{report.folder}: {report.count} pictures added{_facts(report)}")
    return 0


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

    with _Bar() as bar:
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
        + (f"power {w['power']:g}, on {w['fitted_on']}" if w["power"] else "not whitened")
        for name, w in facts["whitening"].items()
    ]
    rows = [
        ("pictures", str(facts["count"])),
        ("network", f"{facts['backbone']}:{facts['layer']} at {facts['size']} px"),
        ("parts", f"{facts['k']} a picture, {facts['detail_k']} finer ones to locate by"),
        *(("descriptor", text) for text in whitenings),
        ("photos", f"{facts['photos_root']}, {facts['photos_missing'] or 'none'} missing"),
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
    from dff.index.check import verify

    problems = verify(args.index)
    for problem in problems:
        print(problem)
    if problems:
        many = "problem" if len(problems) == 1 else "problems"
        complain(f"{args.index}: {len(problems)} {many} found")
        return 1
    print(f"{args.index}: every file is as it was written")
    return 0


def _say_undo(args: argparse.Namespace, done: str) -> None:
    print(f"{args.index}: {done}; back with: {args.prog} index undo {shlex.quote(str(args.index))}")


def _told(
    args: argparse.Namespace, work: Callable[[Callable[["Progress"], None]], "Report"]
) -> "Report | None":
    """The report of long work, with a bar and what was left out on stderr; None if stopped."""
    last: Progress | None = None
    with _Bar() as bar:
        try:

            def tell(progress: "Progress") -> None:
                nonlocal last
                last = progress
                bar.show(progress)

            report = work(tell)
        except KeyboardInterrupt:
            bar.close()
            kept = f"{last.done} of {last.total} pictures kept" if last else "nothing lost"
            again = shlex.join([*shlex.split(args.prog), *args.given])
            complain(f"stopped, {kept}; go on with: {again}")
            return None
    for path, reason in report.unreadable:
        print(f"left out {safe_name(path)}: {reason}", file=sys.stderr)
    return report


def _facts(report: "Report") -> str:
    taken = f", {report.resumed} taken over from before" if report.resumed else ""
    left_out = f", {len(report.unreadable)} left out" if report.unreadable else ""
    return f" in {_duration(report.seconds)}{taken}{left_out}"


def _add(args: argparse.Namespace, tell: Callable[["Progress"], None]) -> "Report":
    from dff.index.edit import add

    use_all_cores()
    return add(args.index, args.photos, progress=tell)


def _build(args: argparse.Namespace, tell: Callable[["Progress"], None]) -> "Report":
    from dff.backbones import load_backbone
    from dff.index.build import build
    from dff.index.format import IndexProblem
    from dff.whitening import Whitening

    if not args.photos.is_dir():  # before torch is loaded
        raise IndexProblem(f"PHOTOS: expected a folder, got {args.photos}")
    whitening = Whitening.load(args.whitening) if args.whitening else None
    use_all_cores()
    return build(
        args.photos,
        args.out,
        load_backbone(args.backbone),
        k=args.k,
        descriptors=[name.strip() for name in args.descriptors.split(",")],
        size=args.size,
        whitening=whitening,
        progress=tell,
    )


class _Bar:
    """A progress bar on stderr that appears with the first thing that is done."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def show(self, progress: "Progress") -> None:
        """Say how far the build is, and how fast in this run (tqdm would count resumed ones)."""
        left = "" if progress.left is None else f", {_duration(progress.left)} left"
        speed = f"{progress.rate:.1f} pictures/s{left}"
        self.count(progress.done, progress.total, "pictures", speed)

    def count(self, done: int, total: int, unit: str, note: str = "") -> None:
        """Say how many are done."""
        if self._bar is None:
            from tqdm import tqdm

            # Into a file a line a redraw: not ten a second.
            every = 0.1 if sys.stderr.isatty() else 10.0
            self._bar = tqdm(
                total=total,
                file=sys.stderr,
                mininterval=every,
                bar_format=f"{{percentage:3.0f}}% |{{bar:30}}| {{n_fmt}}/{{total_fmt}} {unit}"
                "{postfix}",
            )
        self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """End the bar's line; again is fine."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
