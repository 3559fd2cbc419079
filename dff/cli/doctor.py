"""`dff doctor`: what is installed here, and whether it works as it should."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dff.cli.app import DEFAULT
from dff.cli.common import complain, print_json
from dff.threads import network_threads, use_all_cores

if TYPE_CHECKING:
    from dff.doctor import Check, Ranks
    from dff.index.build import Progress


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "doctor",
        help="say what is installed, and check that it works",
        description="Say what is installed and check the index: text to copy into a report of an "
        "error. With --backbone also load that "
        "network's weights (fetching them on first use), compare them with their checksum, and "
        "see how well the sample photos of landmarks find each other.",
    )
    parser.add_argument("--backbone", metavar="NAME[:LAYER]", help="a network to load and try")
    parser.add_argument("--index", metavar="INDEX", type=Path, help="(./sample_index)")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command; 1 where a check failed, 2 where the weights cannot be had."""
    from dff import doctor
    from dff.backbones.weights import DEFAULT_NAME, WeightsUnavailable, find_weights

    wanted = args.backbone or DEFAULT_NAME
    name = wanted.partition(":")[0]
    find_weights(name)  # a wrong name shows before anything is done
    checks = [_check_index(args.index)]
    use_all_cores()
    tried: list[Check] = []
    ranks = unavailable = None
    if args.backbone is not None:
        try:
            tried, ranks = _try(wanted)
        except WeightsUnavailable as problem:
            tried = [doctor.Check("network", "failed", "its weights could not be loaded")]
            unavailable = problem
    weights = find_weights(name)  # now, when they may have been fetched
    file = doctor.check_file(weights)
    checks += [file, *([doctor.check_prepared()] if name == DEFAULT_NAME else []), *tried]
    facts = doctor.document(name, weights, checks, threads=network_threads(), ranks=ranks)
    if args.json:
        print_json(facts)
    else:
        _print(facts)
    if unavailable is not None and file.status != "failed":  # a damaged file has its own advice
        complain(str(unavailable))
        return 2
    return 0 if facts["healthy"] else 1


def _check_index(folder: Path | None) -> "Check":
    from dff import doctor

    if folder is None and not DEFAULT.is_dir():
        return doctor.Check("index", "unknown", f"there is no ./{DEFAULT} here")
    return doctor.check_index(folder or DEFAULT)


def _try(name: str) -> tuple[list["Check"], "Ranks | None"]:
    """Load a network with its weights and see how well it works."""
    from dff import doctor
    from dff.backbones import load_backbone

    backbone = load_backbone(name)
    checks = [doctor.check_engine(backbone), doctor.check_fingerprint(backbone)]
    if not doctor.SAMPLE_PHOTOS.is_dir():
        text = "the sample photos are not beside the package"
        return [*checks, doctor.Check("landmark ranks", "unknown", text)], None
    with _Bar() as bar:
        ranks = doctor.measure_ranks(backbone, progress=bar.show)
    return [*checks, doctor.check_ranks(backbone, ranks)], ranks


def _print(facts: dict[str, Any]) -> None:
    machine, weights = facts["machine"], facts["weights"]
    memory = machine["memory"]
    sizes = [
        f"{memory[kind] / 2**30:.1f} GB {kind}"
        for kind in ("total", "available")
        if memory[kind] is not None
    ]
    where = weights["file"] or "in its library's cache, once fetched"
    if weights["file"] and weights["bytes"] is None:
        where += " (not there yet)"
    rows = [
        *facts["versions"].items(),
        ("system", machine["system"]),
        ("threads", f"{machine['threads']} on {machine['cores']} cores"),
        ("memory", ", ".join(sizes) or "not known on this system"),
        ("network", weights["backbone"]),
        ("weights", weights["origin"]),
        ("licence", weights["licence"]),
        ("file", where),
    ]
    if weights["bytes"] is not None:
        rows.append(("size", f"{weights['bytes'] / 1e6:.1f} MB"))
    for kind, place in facts["folders"].items():
        free = "" if place["free"] is None else f", {place['free'] / 2**30:.1f} GB free"
        rows.append((kind, place["folder"] + free))
    log = facts["errors"]
    last = f", the last: {', '.join(log['last'])}" if log["count"] else ""
    rows.append(("errors", f"{log['count']} in {log['log']}{last}"))
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        print(f"{name.ljust(width)}  {text}")
    print()
    names = max(len(check["name"]) for check in facts["checks"])
    for check in facts["checks"]:
        print(f"{check['status'].ljust(7)}  {check['name'].ljust(names)}  {check['text']}")


class _Bar:
    """A progress bar on stderr that appears with the first photo."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, progress: "Progress") -> None:
        """Show how many photos are done."""
        from tqdm import tqdm

        if self._bar is None:
            every = 0.1 if sys.stderr.isatty() else 10.0
            self._bar = tqdm(
                desc="landmarks", total=progress.total, file=sys.stderr, mininterval=every
            )
        self._bar.update(progress.done - self._bar.n)
