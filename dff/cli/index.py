"""`dff index build|info|verify`: make an index, look at it, check it."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dff.cli.common import (
    add_network_options,
    complain,
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


def run_build(args: argparse.Namespace) -> int:
    """Build an index, with progress on stderr."""
    last: Progress | None = None
    with _Bar() as bar:
        try:

            def tell(progress: "Progress") -> None:
                nonlocal last
                last = progress
                bar.show(progress)

            report = _build(args, tell)
        except KeyboardInterrupt:
            bar.close()
            kept = f"{last.done} of {last.total} pictures kept" if last else "nothing lost"
            again = shlex.join([*shlex.split(args.prog), *args.given])
            complain(f"stopped, {kept}; go on with: {again}")
            return STOPPED
    for path, reason in report.unreadable:
        print(f"left out {safe_name(path)}: {reason}", file=sys.stderr)
    taken = f", {report.resumed} taken over from before" if report.resumed else ""
    left_out = f", {len(report.unreadable)} left out" if report.unreadable else ""
    print(
        f"{report.folder}: {report.count} pictures in {_duration(report.seconds)}{taken}{left_out}"
    )
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


def _build(args: argparse.Namespace, tell: Any) -> "Report":
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
    """A progress bar on stderr that appears with the first picture."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def show(self, progress: "Progress") -> None:
        """Say how far the build is, and how fast in this run (tqdm would count resumed ones)."""
        if self._bar is None:
            from tqdm import tqdm

            # Into a file a line a redraw: not ten a second.
            every = 0.1 if sys.stderr.isatty() else 10.0
            self._bar = tqdm(
                total=progress.total,
                file=sys.stderr,
                mininterval=every,
                bar_format="{percentage:3.0f}% |{bar:30}| {n_fmt}/{total_fmt} pictures{postfix}",
            )
        left = "" if progress.left is None else f", {_duration(progress.left)} left"
        speed = f"{progress.rate:.1f} pictures/s{left}"
        self._bar.set_postfix_str(speed, refresh=False)
        self._bar.update(progress.done - self._bar.n)

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
