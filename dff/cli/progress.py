"""How far long work is, on stderr: a bar, and a way to stop and go on."""

import argparse
import shlex
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dff.cli.common import complain
from dff.images import safe_name

if TYPE_CHECKING:
    from dff.index.build import Progress, Report


def told(
    args: argparse.Namespace, work: Callable[[Callable[["Progress"], None]], "Report"]
) -> "Report | None":
    """The report of long work, with a bar, and what was left out or has changed, on stderr; None
    if stopped."""
    last: Progress | None = None
    with Bar() as bar:
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
    for path in report.changed:
        print(f"changed meanwhile, taken as it is now: {safe_name(path)}", file=sys.stderr)
    return report


def facts(report: "Report") -> str:
    """How long it took, and what was taken over, left out and changed, to end a line with."""
    taken = f", {report.resumed} taken over from before" if report.resumed else ""
    left_out = f", {len(report.unreadable)} left out" if report.unreadable else ""
    changed = f", {len(report.changed)} changed meanwhile" if report.changed else ""
    return f" in {duration(report.seconds)}{taken}{left_out}{changed}"


class Bar:
    """A progress bar on stderr that appears with the first thing that is done."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def show(self, progress: "Progress") -> None:
        """Say how far the build is, and how fast in this run (tqdm would count resumed ones)."""
        left = "" if progress.left is None else f", {duration(progress.left)} left"
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


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
