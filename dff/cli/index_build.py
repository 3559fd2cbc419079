"""`dff index build | merge | add`: make an index, in one go, in parts or on Ray, or let it grow."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dff.cli.common import add_network_options, complain, count
from dff.cli.progress import facts, told
from dff.descriptors import DEFAULT_DESCRIPTOR
from dff.index.format import IndexProblem, is_url
from dff.threads import use_all_cores, use_threads

if TYPE_CHECKING:
    from dff.index.build import Progress, Report
    from dff.whitening import Whitening

STOPPED = 130
ENGINES = ("ray",)


def add_to(group: Any) -> None:
    """Add the commands to the parser of `dff index`."""
    parser = group.add_parser(
        "build",
        help="build an index of a folder of photos",
        description="Build an index of all photos under a folder. Stop it with Ctrl-C at any time "
        "and give the same command again to go on.",
    )
    parser.add_argument(
        "photos", metavar="PHOTOS", help="folder, with all below it, or a URL such as s3://..."
    )
    parser.add_argument("--out", metavar="INDEX", type=Path, required=True, help="the index folder")
    add_network_options(parser)
    parser.add_argument(
        "--descriptors",
        metavar="dff,rmac,...",
        default=DEFAULT_DESCRIPTOR,
        help=f"what pictures are found by ({DEFAULT_DESCRIPTOR})",
    )
    _add_whitening(parser)
    parser.add_argument(
        "--threads",
        metavar="N",
        type=count,
        help="cores to use, a picture on each: all, with --engine one a task",
    )
    parser.add_argument(
        "--part", metavar="i/n", help="build one of n parts; `index merge` makes them one index"
    )
    parser.add_argument("--engine", choices=ENGINES, help="spread the work over a cluster by Ray")
    parser.add_argument(
        "--address", metavar="HOST:PORT", help="of a Ray cluster (by default this machine alone)"
    )
    parser.set_defaults(run=run_build)

    parser = group.add_parser(
        "merge",
        help="make one index of the parts of a build",
        description="Make one index of all parts that `index build --part` has written into it.",
    )
    parser.add_argument("index", metavar="INDEX", type=Path)
    _add_whitening(parser)
    parser.set_defaults(run=run_merge)

    parser = group.add_parser(
        "add",
        help="add photos to an index",
        description="Add the photos under a folder, or one photo, that the index does not hold "
        "yet. Stop it with Ctrl-C at any time and give the same command again to go on.",
    )
    parser.add_argument("index", metavar="INDEX", type=Path)
    parser.add_argument("photos", metavar="PHOTOS", type=Path, help="folder or photo, anywhere")
    parser.set_defaults(run=run_add)


def run_build(args: argparse.Namespace) -> int:
    """Build an index or a part of one, with progress on stderr."""
    report = told(args, lambda tell: _build(args, tell))
    if report is None:
        return STOPPED
    part = f" in part {args.part}" if args.part else ""
    print(f"{report.folder}: {report.count} pictures{part}{facts(report)}")
    return 0


def run_merge(args: argparse.Namespace) -> int:
    """Make one index of its parts."""
    from dff.index.parts import merge

    report = merge(args.index, whitening=_whitening(args))
    print(f"{report.folder}: {report.count} pictures{facts(report)}")
    return 0


def run_add(args: argparse.Namespace) -> int:
    """Add pictures, with progress on stderr; 1 where there are no new ones."""
    report = told(args, lambda tell: _add(args, tell))
    if report is None:
        return STOPPED
    if not report.count:
        complain(f"{args.index}: nothing added, no picture of {args.photos} is new")
        return 1
    print(f"{report.folder}: {report.count} pictures added{facts(report)}")
    return 0


def _add_whitening(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--whitening",
        metavar="FOLDER",
        type=Path,
        help="one fitted elsewhere, for the descriptor it names (by default: on these photos)",
    )


def _whitening(args: argparse.Namespace) -> "Whitening | None":
    from dff.whitening import Whitening

    return Whitening.load(args.whitening) if args.whitening else None


def _add(args: argparse.Namespace, tell: Callable[["Progress"], None]) -> "Report":
    from dff.index.edit import add

    use_all_cores(side_by_side=True)
    return add(args.index, args.photos, progress=tell)


def _build(args: argparse.Namespace, tell: Callable[["Progress"], None]) -> "Report":
    _check(args)  # before torch is loaded
    from dff.backbones import load_backbone
    from dff.index.build import build
    from dff.index.parts import Part, build_part
    from dff.index.ray_engine import build_with_ray

    part = Part.of_text(args.part) if args.part else None
    whitening = _whitening(args)
    if args.threads:
        use_threads(args.threads, streams=args.threads)
    else:
        use_all_cores(side_by_side=True)
    backbone = load_backbone(args.backbone)
    settings: dict[str, Any] = {
        "k": args.k,
        "descriptors": [name.strip() for name in args.descriptors.split(",")],
        "size": args.size,
        "progress": tell,
    }
    if part is not None:
        return build_part(args.photos, args.out, backbone, part, **settings)
    settings["whitening"] = whitening
    if args.engine is None:
        return build(args.photos, args.out, backbone, **settings)
    return build_with_ray(
        args.photos,
        args.out,
        backbone,
        address=args.address,
        threads=args.threads or 1,
        **settings,
    )


def _check(args: argparse.Namespace) -> None:
    if not is_url(args.photos) and not Path(args.photos).is_dir():
        raise IndexProblem(f"PHOTOS: expected a folder or a URL, got {args.photos}")
    if args.part and args.engine:
        raise ValueError("--part: expected none with --engine, which cuts the work itself")
    if args.part and args.whitening:
        raise ValueError("--whitening: expected none with --part; give it to `index merge`")
    if args.address and not args.engine:
        raise ValueError("--address: expected --engine ray with it")
