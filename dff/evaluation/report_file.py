"""Read a report.json again, whoever wrote it: what is not such a report is refused in one line.

The file comes from a stranger, so every value is checked before it is used: its type, that it is
finite and in its range, how many there are. Fields that this module does not know are ignored.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from dff.evaluation.protocols import Difference
from dff.images import safe_name

MOST_BYTES = 4_000_000  # every descriptor on one layer is 60 kB
MOST_ROWS = 5000
MOST_COUNT = 10**12  # no collection has so many pictures, no descriptor so many bytes
LONGEST = 80  # characters of a name that are kept
MOST_VALUES = 10  # of a list or an object within a row
SETTINGS = ("backbone", "layer", "size", "scales", "k", "whitening_on", "rerank")


class ReportProblem(ValueError):
    """A file that is not a report. The message says where, what was expected and what it has."""


@dataclass(frozen=True)
class ReportRow:
    """A row of the retrieval table.

    settings: what else it was measured with, as text, of `SETTINGS`. precision: mAP in percent;
    interval: its 95 %. against: points more or less than the default row. by_task: the mAP of each
    task, empty where there is one. first: P@1 in percent. seconds and bytes: a picture. What a
    report does not say is None, or not there.
    """

    descriptor: str
    whitening: str
    matching: str
    settings: Mapping[str, str]
    dimensions: int
    precision: float
    interval: tuple[float, float] | None
    against: Difference | None
    by_task: Mapping[str, float]
    first: float
    seconds: float | None
    bytes: int | None
    default: bool


@dataclass(frozen=True)
class ReportMethod:
    """A row of the localisation table. mask_iou: None without masks; both IoU are 0..1. corloc:
    percent. seconds: a picture."""

    method: str
    mask_iou: float | None
    box_iou: float
    corloc: float
    seconds: float | None
    default: bool


@dataclass(frozen=True)
class Report:
    """The tables of a report.json, and what they were measured on."""

    dataset: str
    queries: int
    images: int
    cropped: bool
    rows: tuple[ReportRow, ...]
    methods: tuple[ReportMethod, ...]


def read_report(data: bytes) -> Report:
    """The report in a file's bytes.

    Raises ReportProblem for anything else than what `dff.evaluation.report.write_report` writes.
    """
    if len(data) > MOST_BYTES:
        raise ReportProblem(f"expected a report.json of at most 4 MB, got {len(data):,} bytes")
    try:
        document = json.loads(data, parse_constant=_no_number)
    except ReportProblem:
        raise
    except (ValueError, RecursionError):  # not UTF-8, not JSON, a number of 5000 digits, too deep
        raise ReportProblem("expected a report.json, got a file that is not JSON") from None
    if not isinstance(document, dict) or not {"dataset", "rows"} <= document.keys():
        raise ReportProblem(
            "expected a report.json with 'dataset' and 'rows', got other JSON; "
            "report.html is for reading, its tables are in the report.json beside it"
        )
    rows = tuple(
        _row(_Fields(value, f"rows[{n}]")) for n, value in enumerate(_list(document, "rows"))
    )
    located = _list(document, "localization") if "localization" in document else []
    methods = tuple(
        _method(_Fields(value, f"localization[{n}]")) for n, value in enumerate(located)
    )
    if not rows and not methods:
        raise ReportProblem("expected a report with at least one row, got empty tables")
    top = _Fields(document, "the report")
    return Report(
        dataset=top.text("dataset"),
        queries=top.count("queries"),
        images=top.count("images"),
        cropped=top.flag("cropped") if "cropped" in document else False,
        rows=rows,
        methods=methods,
    )


class _Fields:
    """A JSON object whose values are checked when they are taken out."""

    def __init__(self, values: object, where: str) -> None:
        if not isinstance(values, dict):
            raise ReportProblem(f"{where}: expected a JSON object, got {_shown(values)}")
        self._values: dict[str, Any] = values
        self._where = where

    def text(self, name: str) -> str:
        value = self._values.get(name)
        if not isinstance(value, str) or not value.strip():
            self._refuse(name, "text", value)
        return _line(value)

    def flag(self, name: str) -> bool:
        value = self._values.get(name)
        if not isinstance(value, bool):
            self._refuse(name, "true or false", value)
        return value

    def count(self, name: str) -> int:
        value = self._values.get(name)
        if type(value) is not int or not 0 <= value <= MOST_COUNT:
            self._refuse(name, f"a whole number from 0 to {MOST_COUNT}", value)
        return value

    def number(self, name: str, most: float, least: float = 0) -> float:
        return self._number(name, self._values.get(name), most, least)

    def number_or_none(self, name: str, most: float) -> float | None:
        return None if self._values.get(name) is None else self.number(name, most)

    def count_or_none(self, name: str) -> int | None:
        return None if self._values.get(name) is None else self.count(name)

    def numbers(self, name: str, most: float) -> dict[str, float]:
        """An object of numbers, such as the mAP of each task; empty where there is none."""
        value = self._values.get(name, {})
        if not isinstance(value, dict) or len(value) > MOST_VALUES:
            self._refuse(name, f"an object of at most {MOST_VALUES} numbers", value)
        return {_line(key): self._number(f"{name}.{key}", v, most, 0) for key, v in value.items()}

    def fields_or_none(self, name: str) -> "_Fields | None":
        value = self._values.get(name)
        return None if value is None else _Fields(value, f"{self._where}: {name}")

    def told(self, name: str) -> str:
        """Text, a number, or a list of numbers, as text; "" where there is none."""
        value = self._values.get(name)
        if value is None or value == []:
            return ""
        if isinstance(value, str):
            return self.text(name)
        values = value if isinstance(value, list) else [value]
        if len(values) > MOST_VALUES:
            self._refuse(name, f"at most {MOST_VALUES} numbers", value)
        return ", ".join(f"{self._number(name, v, MOST_COUNT, 0):g}" for v in values)

    def _number(self, name: str, value: object, most: float, least: float) -> float:
        # NaN is in no range, and an integer that is too large for a float is out of this one.
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._refuse(name, "a number", value)
        if least <= value <= most:
            return float(value)
        self._refuse(name, f"a number from {least:g} to {most:g}", value)

    def _refuse(self, name: str, expected: str, value: object) -> NoReturn:
        raise ReportProblem(
            f"{self._where}: {safe_name(name)}: expected {expected}, got {_shown(value)}"
        )


def _row(fields: _Fields) -> ReportRow:
    low, high = fields.number_or_none("map_low", 100), fields.number_or_none("map_high", 100)
    difference = fields.fields_or_none("vs_default")
    told = {name: fields.told(name) for name in SETTINGS}
    return ReportRow(
        descriptor=fields.text("descriptor"),
        whitening=fields.text("whitening"),
        matching=fields.text("matching"),
        settings={name: text for name, text in told.items() if text},
        dimensions=fields.count("dimensions"),
        precision=fields.number("map", 100),
        interval=None if low is None or high is None else (low, high),
        against=None if difference is None else _difference(difference),
        by_task=fields.numbers("map_by_task", 100),
        first=fields.number("p_at_1", 100),
        seconds=fields.number_or_none("seconds", 1e6),
        bytes=fields.count_or_none("bytes"),
        default=fields.flag("default"),
    )


def _difference(fields: _Fields) -> Difference:
    mean, low, high = (fields.number(name, 100, -100) for name in ("difference", "low", "high"))
    return Difference(mean, low, high)


def _method(fields: _Fields) -> ReportMethod:
    return ReportMethod(
        method=fields.text("method"),
        mask_iou=fields.number_or_none("mask_iou", 1),
        box_iou=fields.number("box_iou", 1),
        corloc=fields.number("corloc", 100),
        seconds=fields.number_or_none("seconds", 1e6),
        default=fields.flag("default"),
    )


def _list(document: dict[str, Any], name: str) -> list[Any]:
    value = document[name]
    if not isinstance(value, list) or len(value) > MOST_ROWS:
        raise ReportProblem(f"{name}: expected a list of at most {MOST_ROWS}, got {_shown(value)}")
    return value


def _no_number(text: str) -> NoReturn:
    raise ReportProblem(f"expected numbers that JSON knows, got {text}")


def _line(text: str) -> str:
    """A stranger's text on one line, without what cannot be seen, cut to 80 characters."""
    clean = "".join(c if c.isprintable() else " " for c in text).strip()
    return clean if len(clean) <= LONGEST else clean[: LONGEST - 1] + "…"


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if value is None:
        return "nothing"
    return safe_name(value if isinstance(value, str) else repr(value))
