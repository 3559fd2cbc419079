"""`dff factorize IMAGE`: the parts of one picture."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dff.cli.common import AUTO, add_network_options, print_json, print_table, seed
from dff.export.records import factorization_record
from dff.nmf import SOLVERS
from dff.threads import use_all_cores

if TYPE_CHECKING:
    from dff.backbones import Backbone
    from dff.factorization import Factorization

LONGEST = 1600  # pixels of the longest side of an overlay, its legend included


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "factorize", help="find the parts of a picture", description="Find the parts of a picture."
    )
    parser.add_argument("image", metavar="IMAGE", type=Path)
    add_network_options(parser, automatic_k=True)
    parser.add_argument(
        "--solver",
        choices=tuple(SOLVERS),
        default="hals",
        help="hals: fast; mu: multiplicative updates; kl: those of the Kullback-Leibler "
        "divergence (hals)",
    )
    parser.add_argument("--seed", type=seed, default=0, help="of the factorization (0)")
    parser.add_argument("--overlay", metavar="OUT.png", type=Path, help="draw the parts")
    parser.add_argument(
        "--figure",
        metavar="OUT.pdf",
        type=Path,
        help="the parts one by one as a figure for print: .pdf, .svg or .png",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from dff.backbones import load_backbone
    from dff.choose_k import k_by_explained
    from dff.factorization import factorize
    from dff.images import read_image
    from dff.names import name_parts, short_name

    if args.overlay is not None and args.overlay.suffix.lower() != ".png":
        raise ValueError(f"--overlay: expected a file name ending in .png, got {args.overlay}")
    if args.figure is not None and args.figure.suffix.lower() not in (".pdf", ".svg", ".png"):
        raise ValueError(
            f"--figure: expected a name ending in .pdf, .svg or .png, got {args.figure}"
        )
    picture = read_image(args.image)
    use_all_cores()
    backbone = load_backbone(args.backbone)
    k = args.k
    if k == AUTO:
        k = k_by_explained([backbone.activations(picture, args.size)]).k
    parts = factorize(
        picture, k, backbone=backbone, size=args.size, solver=args.solver, seed=args.seed
    )
    names = []
    for name in name_parts(parts, backbone):
        best = short_name(name)
        names.append("" if best is None else f"{best[0]} {best[1]:.2f}")
    if args.overlay is not None:
        args.overlay.write_bytes(_draw(picture, parts, backbone, args.size, names))
    if args.figure is not None:
        args.figure.write_bytes(_figure(args, picture, parts, backbone, names))
    if args.json:
        size = (picture.shape[1], picture.shape[0])
        print_json(factorization_record(parts, size, backbone.name, backbone.layer))
        return 0
    print(
        f"{args.image.name}: {picture.shape[1]} x {picture.shape[0]} px, "
        f"{backbone.name}:{backbone.layer} at {args.size} px, "
        f"grid {parts.grid[0]} x {parts.grid[1]}"
    )
    rows = [
        [str(j + 1), f"{100 * energy:.1f} %", "nothing (dead)" if dead else name]
        for j, (energy, dead, name) in enumerate(zip(parts.energy, parts.dead, names, strict=True))
    ]
    print_table(["part", "energy", "looks like"], rows)
    print(
        f"the parts explain {100 * parts.explained:.1f} % of the activations "
        f"(error {parts.error:.4f}, {parts.iterations} iterations)"
    )
    return 0


def _figure(
    args: argparse.Namespace,
    picture: np.ndarray,
    parts: "Factorization",
    backbone: "Backbone",
    names: list[str],
) -> bytes:
    """The parts as a figure, in the format its name says."""
    from dff.figures import Panel, parts_figure, save
    from dff.geometry import fit_size, grid_extent
    from dff.parts import Parts

    height, width = picture.shape[:2]
    extent = grid_extent(parts.grid, backbone.stride, fit_size(width, height, args.size))
    placed = Parts.of(parts, (width, height), extent)
    panel = Panel(picture, placed, range(parts.k), args.image.name)
    note = (
        f"{backbone.name}:{backbone.layer} at {args.size} px · "
        f"{parts.k} parts explain {100 * parts.explained:.1f} % · {parts.solver}"
    )
    return save(parts_figure(panel, names, note=note), args.figure.suffix.lower()[1:])


def _draw(
    picture: np.ndarray,
    parts: "Factorization",
    backbone: "Backbone",
    size: int,
    names: list[str],
) -> bytes:
    """A PNG: the photo with its parts, and a legend below it."""
    from dff.geometry import fit_size, grid_extent
    from dff.images import resize
    from dff.marks import legend
    from dff.render import encode_png, overlay

    height, width = picture.shape[:2]
    extent = grid_extent(parts.grid, backbone.stride, fit_size(width, height, size))
    scale = min(1.0, LONGEST / max(width, height))
    strip_width = max(320, round(width * scale))
    labels = [name or f"part {j + 1}" for j, name in enumerate(names)]
    strip = legend(labels, width=strip_width, text_size=max(13, strip_width // 55))
    scale = min(scale, (LONGEST - strip.shape[0]) / height)
    small = resize(picture, max(1, round(width * scale)), max(1, round(height * scale)))
    drawn = overlay(small, parts.heatmaps, extent=extent)
    sheet = np.full((drawn.shape[0] + strip.shape[0], strip_width, 3), 255, np.uint8)
    left = (strip_width - drawn.shape[1]) // 2
    sheet[: drawn.shape[0], left : left + drawn.shape[1]] = drawn
    sheet[drawn.shape[0] :] = strip
    return encode_png(sheet)
