"""What the commands share: a parser whose errors are one line, arguments' types, tables."""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from dff.images import safe_name


class Parser(argparse.ArgumentParser):
    """An argument parser that reports wrong use in one line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        complain(f"{message}; see `{self.prog} --help`")
        self.exit(2)


def complain(message: str) -> None:
    """One line on stderr."""
    print("dff:", " ".join(message.split()), file=sys.stderr)


AUTO = "auto"


def add_network_options(parser: argparse.ArgumentParser, *, automatic_k: bool = False) -> None:
    """--backbone, --k and --size, as every command has them that runs a network.

    automatic_k: whether --k may be AUTO.
    """
    parser.add_argument(
        "--backbone",
        metavar="NAME[:LAYER]",
        default="efficientnet_lite0",
        help="network and layer (efficientnet_lite0:block6+last)",
    )
    count_or = ", or auto: as many as explain much" if automatic_k else ""
    parser.add_argument(
        "--k",
        type=parts_count_or_auto if automatic_k else parts_count,
        default=4,
        help=f"parts a picture, 1 to 10{count_or} (4)",
    )
    parser.add_argument(
        "--size", type=pixels, default=512, help="longest side the network sees, pixels (512)"
    )


def parts_count(text: str) -> int:
    """The type of --k."""
    return _whole(text, 1, 10, "from 1 to 10")


def parts_count_or_auto(text: str) -> int | str:
    """The type of --k where it may be AUTO."""
    return AUTO if text == AUTO else _whole(text, 1, 10, "from 1 to 10, or auto")


def count(text: str) -> int:
    """The type of --top."""
    return _whole(text, 1, None, "of at least 1")


def pixels(text: str) -> int:
    """The type of --size."""
    return _whole(text, 32, 4096, "of pixels from 32 to 4096")


def cosine(text: str) -> float:
    """The type of --cosine."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number above 0 up to 1, got {text!r}")
    return value


def seed(text: str) -> int:
    """The type of --seed."""
    return _whole(text, 0, 2**32 - 1, "from 0 to 4294967295")


def box(text: str) -> tuple[int, ...]:
    """The type of --box; whether it lies in the picture is checked where the picture is known."""
    try:
        values = tuple(int(v) for v in text.split(","))
    except ValueError:
        values = ()
    if len(values) != 4:
        raise argparse.ArgumentTypeError(f"expected four pixels x0,y0,x1,y1, got {text!r}")
    return values


def weights(text: str) -> tuple[float, ...]:
    """The type of --weights; how many there must be is checked where the regions are known."""
    try:
        return tuple(float(v) for v in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected numbers from 0 to 2 such as 1,1,0,1, got {text!r}"
        ) from None


def print_json(document: Any) -> None:
    """One document on stdout."""
    print(json.dumps(document, ensure_ascii=False, allow_nan=False))


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns as wide as their widest cell; numbers to the right, the rest to the left."""
    cells = [[safe_name(cell) for cell in row] for row in rows]
    lines = [list(head), *cells]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    right = [all(_numeric(row[i]) for row in cells) for i in range(len(head))]
    for line in lines:
        shown = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        )
        print("  ".join(shown).rstrip())


def _numeric(cell: str) -> bool:
    return not cell or cell[0] in "+-0123456789"


def _whole(text: str, low: int, high: int | None, what: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if value < low or (high is not None and value > high):
        raise argparse.ArgumentTypeError(f"expected a whole number {what}, got {text!r}")
    return value
