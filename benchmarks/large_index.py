"""An index of many pictures out of the sample index: its records again and again, each copy's
heatmaps and region vectors scaled at random, so that no two are equal and nothing is computed by
a network. All copies of a picture share its photo.

    python benchmarks/large_index.py OUT [--count 10000] [--seed 0]

For the speed of pages and searches; what it finds means nothing.
"""

import argparse
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # runnable from a checkout that is not installed

from dff.descriptors import DEFAULT_DESCRIPTOR  # noqa: E402
from dff.descriptors.base import Regions  # noqa: E402
from dff.index import Index  # noqa: E402
from dff.index.state import manifest_of  # noqa: E402
from dff.index.state import replace as put  # noqa: E402
from dff.index.store import Record, Shard, write_generation, write_shard  # noqa: E402
from dff.threads import prepare  # noqa: E402

A_SHARD = 128
SPREAD = 0.2  # of the logarithm of what values are multiplied by


def large_index(out: Path, count: int, seed: int = 0) -> None:
    """Write the index. Raises FileExistsError if there is something at `out`."""
    out.mkdir(parents=True)
    sample = Index.open(ROOT / "sample_index")
    settings = replace(sample.settings, descriptors=(DEFAULT_DESCRIPTOR,))
    records = _records(sample, count, np.random.default_rng(seed))
    shards, waiting = [], []
    for record in tqdm(records, total=count, desc="pictures"):
        waiting.append(record)
        if len(waiting) == A_SHARD:
            shards.append(write_shard(waiting, settings, out / "shards"))
            waiting = []
    if waiting:
        shards.append(write_shard(waiting, settings, out / "shards"))
    whitenings = {DEFAULT_DESCRIPTOR: sample.whitening(DEFAULT_DESCRIPTOR)}
    opened = [Shard(folder, settings) for folder in shards]
    generation = write_generation(opened, whitenings, out / "generations")
    places = {"photos_root": str(ROOT / "assets" / "photos")}
    put(out, manifest_of(out, settings, shards, generation, whitenings, count, [], places, {}))


def _records(sample: Index, count: int, rng: np.random.Generator) -> Iterator[Record]:
    known = [shard.record(place) for shard in sample.shards for place in range(len(shard.pictures))]
    for number in range(count):
        copy, row = divmod(number, len(known))
        record = known[row]
        name = f"{copy:04d}_{record.facts['id']}"
        facts = {
            **record.facts,
            "id": name,
            "title": f"{record.facts['title']} {copy}",
            "sha256": hashlib.sha256(name.encode()).hexdigest(),
            "pixels_sha256": hashlib.sha256(f"{name} pixels".encode()).hexdigest(),
        }
        regions = record.regions[DEFAULT_DESCRIPTOR]
        yield replace(
            record,
            facts=facts,
            cells=_shaken(record.cells, rng),
            regions={
                DEFAULT_DESCRIPTOR: Regions(
                    _shaken(regions.vectors, rng),
                    regions.weights,
                    regions.heatmaps,
                    regions.members,
                )
            },
        )


def _shaken(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    factors = np.exp(rng.normal(0, SPREAD, values.shape).astype(np.float32))
    return (values * factors).astype(values.dtype)


if __name__ == "__main__":
    prepare()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    large_index(args.out, args.count, args.seed)
