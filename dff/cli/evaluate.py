"""`dff evaluate DATASET`: how well descriptors find, and methods locate, on labelled pictures."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dff.cli.common import add_network_options, print_json, print_table
from dff.threads import use_all_cores

if TYPE_CHECKING:
    from dff.evaluation.runner import Evaluation


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "evaluate",
        help="measure descriptors and localisation on labelled pictures",
        description="Measure descriptors and localisation on labelled pictures. Stop it with "
        "Ctrl-C at any time: what the network gave is kept, and the next run goes on.",
    )
    parser.add_argument(
        "dataset",
        metavar="DATASET",
        type=Path,
        help="a manifest (.jsonl), a folder with one sub-folder a label, Oxford5k, Paris6k, their "
        "revisited versions (.json) or Holidays",
    )
    parser.add_argument("--descriptors", metavar="all|dff,rmac,...", default="all", help="(all)")
    add_network_options(parser)
    parser.add_argument("--crop", action="store_true", help="crop queries to their box")
    parser.add_argument(
        "--cache", metavar="FOLDER", type=Path, help="where activations are kept (the user's cache)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--out", metavar="FOLDER", type=Path, help="write report.html and .json")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from dff.cache import cache_folder
    from dff.evaluation.datasets import open_dataset

    dataset = open_dataset(args.dataset)  # wrong names show before torch is loaded
    from dff.backbones import load_backbone
    from dff.evaluation.features import Features
    from dff.evaluation.runner import evaluate

    use_all_cores()
    folder = args.cache or cache_folder() / "activations"
    features = Features(load_backbone(args.backbone), folder, args.size)
    names = [name.strip() for name in args.descriptors.split(",")]
    with _Bars() as bars:
        found = evaluate(dataset, features, names, k=args.k, crop=args.crop, tell=bars.show)
    for note in found.notes:
        print(note, file=sys.stderr)
    if args.out is not None:
        from dff.evaluation.report import write_report

        print(f"report: {write_report(found, args.out)}", file=sys.stderr)
    if args.json:
        print_json(found.document())
    else:
        _print(found)
    return 0


def _print(found: "Evaluation") -> None:
    document = found.document()
    print(f"{document['dataset']}: {document['queries']} queries, {document['images']} pictures")
    rows = sorted(document["rows"], key=lambda row: -row["map"])
    print_table(
        ["descriptor", "whitening", "matching", "dimensions", "mAP", "P@1", "ms", ""],
        [
            [
                row["descriptor"],
                row["whitening"],
                row["matching"],
                str(row["dimensions"]),
                f"{row['map']:.1f}",
                f"{row['p_at_1']:.1f}",
                f"{1000 * row['seconds']:.0f}",
                "default" if row["default"] else "",
            ]
            for row in rows
        ],
    )
    if document["localization"]:
        print()
        print_table(
            ["where", "mask IoU", "box IoU", "CorLoc", "ms", ""],
            [
                [
                    row["method"],
                    "" if row["mask_iou"] is None else f"{row['mask_iou']:.3f}",
                    f"{row['box_iou']:.3f}",
                    f"{row['corloc']:.1f}",
                    f"{1000 * row['seconds']:.0f}",
                    "default" if row["default"] else "",
                ]
                for row in document["localization"]
            ],
        )


class _Bars:
    """One progress bar after another on stderr."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._what = ""

    def __enter__(self) -> "_Bars":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, what: str, done: int, total: int) -> None:
        """Show how far a step is."""
        from tqdm import tqdm

        if what != self._what:
            if self._bar is not None:
                self._bar.close()
            every = 0.1 if sys.stderr.isatty() else 10.0
            self._bar = tqdm(desc=what, total=total, file=sys.stderr, mininterval=every)
            self._what = what
        self._bar.update(done - self._bar.n)
