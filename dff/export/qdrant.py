"""An index as a collection of Qdrant (https://qdrant.tech), and the same search from there.

Each picture is a point with two named vectors: "vector", its descriptor, and "regions", its live
whitened regions as a multivector, compared by MaxSim: the sum over the query's regions of the best
dot product with one of the target's. That is region matching one way (`dff.matching`), with the
share of each of the query's regions multiplied into it. Matching both ways has no such form: the
database finds candidates by matching one way and hands over their regions, which are then matched
here. The payload names the picture and holds its regions' shares.

A state of an index is a collection of its own, "NAME-" and 12 hexadecimal digits; NAME is an alias
of it, which another export moves in one step before the old collection is deleted. So a search
never sees half of two states. What this module has not made (`_ours`) it never writes or deletes.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dff.descriptors import MATCHINGS
from dff.index.format import MANIFEST
from dff.matching import Stored, matched_rows, proportions

if TYPE_CHECKING:
    from qdrant_client import QdrantClient
    from qdrant_client.models import PointStruct

    from dff.index import Index, Query

VECTOR, REGIONS = MATCHINGS[:2]  # the matchings, and the names of the vectors that make them
MARK = "dff"  # what our collections have in their metadata
CANDIDATES = 100  # docs/scaling.md says how many of the first ten are among them
FACTS = ("id", "path", "title", "category")
NUMBERS = 500_000  # in one request, which are 5 to 10 MB of JSON; a server takes 32 MB


@dataclass(frozen=True)
class Found:
    """One result of a search in the database."""

    id: str
    path: str
    title: str
    category: str
    score: float


@contextmanager
def connect(
    *, path: Path | None = None, url: str | None = None, api_key: str | None = None
) -> "Iterator[QdrantClient]":
    """A client of a server, or of a folder without one (in this process; for up to some 10,000
    pictures), closed at the end.

    Raises ValueError where the client is not installed, and where the database cannot be reached,
    within the block too.
    """
    try:
        from qdrant_client import QdrantClient
        from qdrant_client.http.exceptions import ApiException
    except ImportError as error:
        raise ValueError("--to qdrant needs its client: `pip install qdrant-client`") from error
    try:
        if url is None:
            client = QdrantClient(path=str(path)) if path else QdrantClient(":memory:")
        else:
            client = QdrantClient(url=url, api_key=api_key, check_compatibility=False)
        try:
            yield client
        finally:
            client.close()
    except (ApiException, RuntimeError) as error:
        raise ValueError(f"Qdrant at {url or path}: {error}") from error


def export(
    index: "Index",
    client: "QdrantClient",
    name: str,
    *,
    descriptor: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> bool:
    """Put an index into the database under a name; False where this state of it is there already.

    descriptor: the index's own by default. progress: called with how many pictures are written, of
    how many. Stopped, it leaves the earlier export in place.

    Raises ValueError for an unknown descriptor, and where something else has the name.
    """
    from qdrant_client import models

    descriptor = descriptor or index.descriptor
    vectors = index.vectors(descriptor)
    digest = hashlib.sha256((index.folder / MANIFEST).read_bytes() + descriptor.encode())
    target = f"{name}-{digest.hexdigest()[:12]}"
    present = _current(client, name)
    if present == target:
        return False
    if target not in _ours(client, name):
        size = vectors.shape[1]
        many = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
        dot = models.Distance.DOT
        client.create_collection(
            target,
            vectors_config={
                VECTOR: models.VectorParams(size=size, distance=dot),
                REGIONS: models.VectorParams(size=size, distance=dot, multivector_config=many),
            },
            metadata={MARK: {"index": index.folder.name, "descriptor": descriptor}},
        )
    done = 0
    for batch in _batches(index, descriptor):
        client.upsert(target, batch, wait=True)
        done += len(batch)
        if progress is not None:
            progress(done, len(index))
    steps: list[Any] = []
    if present is not None:
        drop = models.DeleteAlias(alias_name=name)
        steps.append(models.DeleteAliasOperation(delete_alias=drop))
    make = models.CreateAlias(collection_name=target, alias_name=name)
    steps.append(models.CreateAliasOperation(create_alias=make))
    client.update_collection_aliases(steps)
    for other in _ours(client, name):
        if other != target:
            client.delete_collection(other)
    return True


def search(
    client: "QdrantClient",
    name: str,
    query: "Query",
    *,
    top: int = 10,
    include_self: bool = False,
    exact: bool = True,
    candidates: int = CANDIDATES,
) -> list[Found]:
    """What `Index.search` finds, found by the database.

    query: of the index that was exported. exact: compare with every picture; otherwise the database
    may use its graph, which is faster and may miss some. candidates: how many pictures, the first
    by matching one way, are matched both ways where the query is to be ("mutual").
    """
    from qdrant_client import models

    asked, using = asked_for(query)
    both_ways = query.matching not in (VECTOR, REGIONS)
    own = None if include_self or not query.same else models.HasIdCondition(has_id=[*query.same])
    answer = client.query_points(
        name,
        query=asked,
        using=using,
        query_filter=None if own is None else models.Filter(must_not=[own]),
        search_params=models.SearchParams(exact=exact),
        limit=max(top, candidates) if both_ways else top,
        with_vectors=[REGIONS] if both_ways else False,
    )
    points = answer.points
    scores = [point.score for point in points]
    if both_ways and points:
        scores = _both_ways(query, points).tolist()
    order = np.argsort(-np.array(scores), kind="stable")[:top]
    return [
        Found(**{fact: points[i].payload[fact] for fact in FACTS}, score=scores[i]) for i in order
    ]


def asked_for(query: "Query") -> tuple[Any, str]:
    """What to send to the database, as lists of numbers, and the name of the vector to compare it
    with: for those who search by another client or language. "mutual" asks as "regions" does."""
    if query.matching == VECTOR:
        return query.described.vector.tolist(), VECTOR
    regions = query.described.regions
    shares = proportions(query.described.weights, len(regions))
    return (regions * shares[:, None])[_live(regions)].tolist(), REGIONS


def _both_ways(query: "Query", points: Sequence[Any]) -> np.ndarray:
    """The scores (n,) of points that came with their regions, matched both ways."""
    regions = [np.array(point.vector[REGIONS], np.float32) for point in points]
    starts = np.cumsum([0, *(len(own) for own in regions)])
    shares = np.concatenate([point.payload["shares"] for point in points]).astype(np.float32)
    stored = Stored(np.concatenate(regions), starts, shares)
    own = query.described
    rows = matched_rows(own.regions, own.weights, stored, mutual=True)
    return np.asarray(rows.sum(axis=1))


def _live(regions: np.ndarray) -> np.ndarray:
    """Which regions (r,) are not dead, and so match something; the first where all are: a
    multivector has at least one."""
    live = np.asarray(regions.any(axis=1))
    if not live.any():
        live[0] = True
    return live


def _batches(index: "Index", descriptor: str) -> "Iterator[list[PointStruct]]":
    from qdrant_client import models

    vectors, stored = index.vectors(descriptor), index.regions(descriptor)

    def point(row: int) -> "PointStruct":
        own = slice(*stored.starts[row : row + 2])
        live = _live(stored.regions[own])
        facts = {fact: getattr(index.pictures[row], fact) for fact in FACTS}
        return models.PointStruct(
            id=row,
            vector={
                VECTOR: vectors[row].tolist(),
                REGIONS: stored.regions[own][live].tolist(),
            },
            payload={**facts, "shares": stored.shares[own][live].tolist()},
        )

    most = max(1, NUMBERS // (vectors.shape[1] * (1 + int(np.diff(stored.starts).max()))))
    for start in range(0, len(index), most):
        yield [point(row) for row in range(start, min(start + most, len(index)))]


def _current(client: "QdrantClient", name: str) -> str | None:
    """The collection that the name means; ValueError where that is none of ours."""
    taken = {collection.name for collection in client.get_collections().collections}
    aliases = {one.alias_name: one.collection_name for one in client.get_aliases().aliases}
    present = aliases.get(name)
    if name in taken or (present is not None and present not in _ours(client, name)):
        raise ValueError(
            f"the database has a collection {name!r} that this command has not made, and leaves "
            "as it is; choose another --name"
        )
    return present


def _ours(client: "QdrantClient", name: str) -> list[str]:
    """The collections that `export` has made under this name."""
    pattern = re.compile(re.escape(name) + "-[0-9a-f]{12}")
    named = [c.name for c in client.get_collections().collections if pattern.fullmatch(c.name)]
    return [one for one in named if MARK in (client.get_collection(one).config.metadata or {})]
