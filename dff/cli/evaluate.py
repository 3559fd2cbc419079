"""`dff evaluate DATASET`: how well descriptors find, and methods locate, on labelled pictures."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dff.cli.common import parts_count, pixels, print_json, print_table
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
    parser.add_argument(
        "--backbone",
        metavar="NAME[:LAYER],...",
        default="efficientnet_lite0",
        help="network and layer (efficientnet_lite0:block6+last); located with the first",
    )
    parser.add_argument(
        "--size", type=pixels, default=512, help="longest side the network sees, pixels (512)"
    )
    parser.add_argument(
        "--k",
        metavar="4,8,...",
        type=_ks,
        default=(4,),
        help="parts a picture, 1 to 10 (4); located with the first",
    )
    parser.add_argument(
        "--scales",
        metavar="1,0.7,...",
        type=_scales,
        default=(),
        help="also with the regions of these factors of the size together",
    )
    parser.add_argument(
        "--rerank",
        metavar="all|aqe,...",
        default="",
        help="also ranked again: aqe, alpha_qe, dba, k_reciprocal, diffusion (at the default "
        "whitening, as one vector)",
    )
    parser.add_argument(
        "--whiten-on",
        metavar="DATASET",
        type=Path,
        help="also with whitenings of other pictures: each power, and one learnt from its labels",
    )
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
    whiten_on = None if args.whiten_on is None else open_dataset(args.whiten_on)
    from dff.backbones import load_backbone
    from dff.evaluation.features import Features
    from dff.evaluation.runner import Options, evaluate

    use_all_cores()
    folder = args.cache or cache_folder() / "activations"
    backbones = _names(args.backbone)
    layers = [Features(load_backbone(name), folder, args.size) for name in backbones]
    # Rows are the default only where nobody chose a layer, or chose the usual one.
    name, _, layer = "".join(backbones[:1]).partition(":")
    usual = load_backbone(name).layer if layer else None
    options = Options(
        descriptors=_names(args.descriptors),
        ks=args.k,
        scales=args.scales,
        reranks=_names(args.rerank),
        whiten_on=whiten_on,
        crop=args.crop,
    )
    with _Bars() as bars:
        found = evaluate(dataset, layers, options, usual=usual, tell=bars.show)
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
    from dff.evaluation.table import retrieval_table, verdict

    document = found.document()
    print(f"{document['dataset']}: {document['queries']} queries, {document['images']} pictures")
    head, lines = retrieval_table(found)
    print_table(head, [line.cells for line in lines])
    print(verdict(found))
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


def _names(text: str) -> list[str]:
    """A list with commas, without empty names."""
    return [name.strip() for name in text.split(",") if name.strip()]


def _ks(text: str) -> tuple[int, ...]:
    """The type of --k."""
    return tuple(parts_count(one) for one in text.split(","))


def _scales(text: str) -> tuple[float, ...]:
    """The type of --scales; whether the network can see so few or many pixels is checked later."""
    try:
        return tuple(float(one) for one in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected factors of the size such as 1,0.7, got {text!r}"
        ) from None


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
