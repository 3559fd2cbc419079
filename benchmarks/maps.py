"""How much of a collection's neighbourhoods its map keeps.

    python benchmarks/maps.py [--write]

Of a picture's five most similar ones, how many are among its ten nearest on the map, and how many
of these ten are of its own category (where that has enough pictures). The sample index.
"""

import time
from collections.abc import Callable
from unittest.mock import patch

import numpy as np
from common import ROOT, parser, publish, table

from dff import projection
from dff.index import Index
from dff.projection import neighbour_plane, principal_plane

SIMILAR, NEAR = 5, 10
PERPLEXITIES = (5.0, 10.0, 20.0, 30.0, 50.0)


def nearest(points: np.ndarray, count: int) -> np.ndarray:
    """The rows nearest to each: (n, count)."""
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return distances.argsort(axis=1, kind="stable")[:, :count]


def kept(points: np.ndarray, similar: np.ndarray) -> float:
    """The share of the most similar that are near on the map, in percent."""
    near = nearest(points, NEAR)
    found = [np.isin(own, there).mean() for own, there in zip(similar, near, strict=True)]
    return 100 * float(np.mean(found))


def alike(points: np.ndarray, categories: np.ndarray) -> float:
    """The share of the near that are of the same category, in percent."""
    enough = [(categories == own).sum() > NEAR for own in categories]
    same = categories[nearest(points, NEAR)] == categories[:, None]
    return 100 * float(same[np.array(enough)].mean())


def main() -> None:
    """Measure, print, and write the table."""
    args = parser(__doc__, ["maps"]).parse_args()
    index = Index.open(ROOT / "sample_index")
    vectors = np.array(index.vectors())
    categories = np.array([picture.category for picture in index.pictures])
    similar = nearest(vectors, SIMILAR)
    neighbour_plane(vectors)  # imports

    def measured(arrange: Callable[[], np.ndarray]) -> list[float]:
        begun = time.perf_counter()
        points = arrange()
        seconds = time.perf_counter() - begun
        return [kept(points, similar), alike(points, categories), seconds]

    rows: list[list[object]] = [
        ["principal directions", *measured(lambda: principal_plane(vectors))]
    ]
    for perplexity in PERPLEXITIES:
        with patch.object(projection, "PERPLEXITY", perplexity):
            found = measured(lambda: neighbour_plane(vectors))
        mark = "**" if perplexity == projection.PERPLEXITY else ""
        rows.append([f"{mark}t-SNE, perplexity {perplexity:g}{mark}", *found])
    head = ["map", "similar ones kept, %", "same category, %", "seconds"]
    publish("maps", table(head, rows), write=args.write)


if __name__ == "__main__":
    main()
