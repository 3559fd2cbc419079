"""`dff search INDEX IMAGE`: the pictures most like one, and where in them its parts are."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dff.cli.common import (
    box,
    count,
    parts_count,
    print_json,
    print_table,
    weights,
)
from dff.descriptors import MATCHINGS
from dff.export.records import search_record
from dff.reranker import RERANKINGS
from dff.threads import use_all_cores

if TYPE_CHECKING:
    from dff.geometry import Box
    from dff.index import Index, Match, Query


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "search",
        help="find the pictures of an index most like a picture",
        description="Find the pictures of an index most like a picture, or a box of it.",
    )
    parser.add_argument("index", metavar="INDEX", type=Path)
    parser.add_argument("image", metavar="IMAGE", type=Path)
    parser.add_argument("--box", metavar="x0,y0,x1,y1", type=box, help="the part that is meant")
    parser.add_argument("--k", type=parts_count, help="parts of the query (the index's)")
    parser.add_argument("--descriptor", metavar="NAME", help="what to compare by (the index's own)")
    parser.add_argument(
        "--matching",
        choices=MATCHINGS,
        help="compare sums of regions, or the query's regions one by one (the descriptor's own)",
    )
    parser.add_argument(
        "--rerank",
        choices=RERANKINGS,
        help="rank the pictures, as one vector each, a second time; scores then have no split",
    )
    parser.add_argument(
        "--approximate",
        action="store_true",
        help="look only at what `index approximate` has prepared: for huge indexes",
    )
    parser.add_argument("--top", type=count, default=10, help="number of results (10)")
    parser.add_argument(
        "--weights", metavar="1,1,0,1", type=weights, help="of the query's parts, 0 to 2 each"
    )
    parser.add_argument(
        "--localize", action="store_true", help="locate by joint factorization: exact, slower"
    )
    parser.add_argument(
        "--include-self", action="store_true", help="keep the query's own picture in the results"
    )
    parser.add_argument(
        "--photos-root", metavar="FOLDER", type=Path, help="where the photos are now"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command; 1 where nothing is found."""
    from dff.images import read_image
    from dff.index import Index

    index = Index.open(args.index, args.photos_root)
    index.vectors(args.descriptor)  # wrong names and damaged files show before torch is loaded
    picture = read_image(args.image)
    use_all_cores()
    query = index.query(
        args.image, box=args.box, k=args.k, descriptor=args.descriptor, matching=args.matching
    )
    found = index.search(
        query,
        top=args.top,
        weights=args.weights,
        include_self=args.include_self,
        rerank=args.rerank,
        approximate=args.approximate,
    )
    boxes = [match.box for match in found]
    if args.localize and found:
        boxes = _locate_jointly(index, query, picture, found, args.weights)
    if args.json:
        print_json(
            search_record(
                index,
                query,
                found,
                boxes,
                path=str(args.image),
                weights=args.weights,
                rerank=args.rerank,
            )
        )
    elif not found:
        print(f"nothing found: {args.index} holds no other picture")
    else:
        rows = [
            [
                str(match.rank),
                f"{match.score:.4f}",
                f"{match.percentile:.1f} %",
                match.id + (" (the query)" if match.is_query else ""),
                match.path,
                "" if where is None else ",".join(map(str, where)),
            ]
            for match, where in zip(found, boxes, strict=True)
        ]
        print_table(["rank", "score", "above", "id", "path", "box"], rows)
    return 0 if found else 1


def _locate_jointly(
    index: "Index",
    query: "Query",
    picture: np.ndarray,
    found: Sequence["Match"],
    user: Sequence[float] | None,
) -> list["Box | None"]:
    """Boxes by one factorization of the query and all its results together."""
    from dff.localization import (
        JOINT_THRESHOLD,
        joint,
        locate_parts,
        refined,
        region_of_interest,
    )

    missing = [match.path for match in found if index.photo_path(match.row) is None]
    if missing:
        raise ValueError(
            f"--localize needs the photos of the results, {len(missing)} of {len(found)} are not "
            f"under {index.photos_root} (such as {missing[0]}); say where with --photos-root"
        )
    settings = index.settings
    pictures = [picture, *(match.picture() for match in found)]
    k = query.parts.k
    parts = joint(pictures, k, index.backbone(), size=settings.size, seed=settings.seed)
    interest = region_of_interest(parts[0], query.box)
    if user is not None and len(user) == k:
        # The user weighted the query's own parts: each joint part takes the weight of the one
        # it is most like.
        nearest = np.argmax(parts[0].basis @ query.parts.basis.T, axis=1)
        interest = interest * np.array(user, np.float32)[nearest]
    located = locate_parts(parts, interest, threshold=JOINT_THRESHOLD)[1:]
    return [
        refined(where, own, target).box
        for where, own, target in zip(located, parts[1:], pictures[1:], strict=True)
    ]
