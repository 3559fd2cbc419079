"""The official `gnd_roxford5k.pkl` and `gnd_rparis6k.pkl`, converted to JSON once, safely.

The authors of the revisited datasets publish their ground truth as a pickle. Loading one runs
whatever functions it names, so a file from a stranger can do anything; that is why nothing else
in this package reads one. Here no function is ever looked up: lists, dictionaries, texts and
numbers need none, and the few names that NumPy's arrays need are answered with stand-ins of our
own, which read numbers out of bytes and can do nothing else. Any other name stops the reading.

    python -m dff.evaluation.datasets.convert_revisited gnd_roxford5k.pkl
"""

import io
import json
import math
import pickle
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dff.evaluation.datasets.base import DatasetProblem, shown
from dff.evaluation.datasets.revisited import FORMAT, check_document

# Signed and unsigned integers, floats, texts, and arrays of Python's own objects.
_ELEMENTS = re.compile(r"[iufU]\d{1,4}|O8?")


def convert(source: Path, target: Path | None = None) -> Path:
    """Write the JSON form of an official pickle, beside it by default, and return its path.

    The layout is that of `dff.evaluation.datasets.revisited`. Raises DatasetProblem for a file
    that holds anything but containers, texts, numbers and arrays, or another layout.
    """
    content = _load(source)
    name = source.stem.removeprefix("gnd_")
    expected = f"{source}: expected 'imlist', 'qimlist' and 'gnd' of the revisited datasets"
    if not isinstance(content, dict) or not {"imlist", "qimlist", "gnd"} <= content.keys():
        found = ", ".join(map(str, content)) if isinstance(content, dict) else type(content)
        raise DatasetProblem(f"{expected}, got {shown(str(found))}")
    queries, truths = content["qimlist"], content["gnd"]
    if not (isinstance(queries, list) and isinstance(truths, list)):
        raise DatasetProblem(f"{expected} as lists, got {type(queries)} and {type(truths)}")
    if len(queries) != len(truths) or not all(isinstance(truth, dict) for truth in truths):
        raise DatasetProblem(
            f"{expected}, one dictionary for each of {len(queries)} queries, got {shown(truths)}"
        )
    document = {
        "format": FORMAT,
        "name": name,
        "images": content["imlist"],
        "queries": [
            {
                "image": query,
                "box": truth.get("bbx"),
                **{key: truth.get(key) for key in ("easy", "hard", "junk")},
            }
            for query, truth in zip(queries, truths, strict=True)
        ],
    }
    check_document(document, source)
    target = target or source.with_suffix(".json")
    target.write_text(json.dumps(document) + "\n", encoding="utf-8")
    return target


def main(arguments: Sequence[str]) -> int:
    """The command: convert one file. Returns the exit status, 0 or 2."""
    try:
        if len(arguments) != 1:
            got = shown(" ".join(arguments) or "none")
            raise DatasetProblem(f"expected one file such as gnd_roxford5k.pkl, got {got}")
        convert(Path(arguments[0]))
    except (DatasetProblem, OSError) as problem:
        sys.stderr.write(f"dff: {problem}\n")
        return 2
    return 0


def _load(source: Path) -> Any:
    """What a pickle holds, as plain lists, dictionaries, texts and numbers."""
    try:
        # latin1: how arrays written by Python 2 are read.
        return _plain(_Restricted(io.BytesIO(source.read_bytes()), encoding="latin1").load())
    except DatasetProblem as problem:
        raise DatasetProblem(f"{source}: {problem}") from problem
    except Exception as error:  # a damaged file may raise anything
        reason = shown(f"{type(error).__name__}: {error}")
        raise DatasetProblem(f"{source}: expected a ground truth pickle, got {reason}") from error


class _Restricted(pickle.Unpickler):
    """Reads containers, texts, numbers and arrays; refuses to look up anything."""

    def find_class(self, module: str, name: str) -> Any:
        """A stand-in for what arrays need. The module is never imported."""
        # Made anew each time: a file can set attributes on what it is given.
        stand_in = _stand_ins().get(f"{module}.{name}")
        if stand_in is None:
            raise DatasetProblem(
                "expected only lists, dictionaries, texts, numbers and arrays, "
                f"got the name '{shown(f'{module}.{name}')}', which was not looked up"
            )
        return stand_in


class _Elements:
    """Stands for `numpy.dtype`: what the elements of an array are."""

    def __init__(self, code: str, *_: object) -> None:
        if not _ELEMENTS.fullmatch(code):
            raise DatasetProblem(f"expected arrays of numbers or texts, got elements '{code}'")
        self.code, self.order = code, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = {"<": "<", ">": ">"}.get(state[1], "=")

    def read(self, raw: bytes) -> np.ndarray:
        """One row of elements; refused by NumPy for a length that does not fit."""
        if self.code.startswith("O"):
            raise DatasetProblem("expected a list of objects, got bytes")
        return np.frombuffer(raw, np.dtype(self.order + self.code))


class _Array:
    """Stands for `numpy.ndarray`, empty until it is told what it holds."""

    def __init__(self, *_: object) -> None:
        self.items: list[Any] = []

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, elements, by_columns, content = state
        if isinstance(content, list):
            if tuple(shape) != (len(content),):
                raise DatasetProblem(f"expected one row of {len(content)} objects, got {shape}")
            self.items = content
        else:
            self.items = (
                elements.read(content).reshape(shape, order="F" if by_columns else "C").tolist()
            )


def _stand_ins() -> dict[str, Callable[..., Any]]:
    def from_buffer(raw: bytes, elements: _Elements, shape: tuple[int, ...], order: str) -> _Array:
        array = _Array()
        array.__setstate__((1, shape, elements, order == "F", bytes(raw)))
        return array

    def encode(text: str, encoding: str) -> bytes:
        if encoding != "latin1":
            raise DatasetProblem(f"expected bytes in latin1, got '{shown(encoding)}'")
        return text.encode("latin1")

    def no_bytes() -> bytes:
        return b""

    def scalar(elements: _Elements, raw: bytes) -> Any:
        return elements.read(raw).item()

    names: dict[str, Callable[..., Any]] = {
        "numpy.ndarray": _Array,
        "numpy.dtype": _Elements,
        # How Python 3 writes bytes for Python 2.
        "_codecs.encode": encode,
        "__builtin__.bytes": no_bytes,
    }
    for core in ("numpy.core", "numpy._core"):  # before and since NumPy 2
        names[f"{core}.multiarray._reconstruct"] = _Array
        names[f"{core}.multiarray.scalar"] = scalar
        names[f"{core}.numeric._frombuffer"] = from_buffer
    return names


def _plain(value: Any) -> Any:
    """The same with lists for arrays and tuples."""
    if isinstance(value, _Array):
        return _plain(value.items)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return int(value) if value.is_integer() else value  # rows may be stored as floats
    raise DatasetProblem(f"expected texts and finite numbers, got {shown(value)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
