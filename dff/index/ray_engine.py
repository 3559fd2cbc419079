"""A build on Ray (https://docs.ray.io): one task a shard, on this machine or on a cluster.

Ray places the tasks, and starts those again whose process or machine was lost. A task is a build
of one shard (`dff.index.build.Work`): it reads its photos, writes its shard and its journal into
`out`, and gives the shard's name back. Shards are named by their content, so that a task that runs
twice writes nothing twice. Then this process fits the whitening and writes the manifest, as without
Ray: the index is the same, byte for byte, if passes have as many threads.
"""

import os
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from dff.backbones import Backbone, load_backbone
from dff.index import build as building
from dff.index.build import Progress, Report, Work, finish
from dff.index.format import IndexProblem
from dff.index.photos import PhotoSource
from dff.index.plan import Plan, given_whitenings
from dff.index.state import alone
from dff.threads import prepare, use_threads
from dff.whitening import Whitening

RETRIES = 5  # of a task whose process was lost; errors that it reports itself are not tried again
AHEAD = 4  # tasks a core that are handed to Ray at once: millions of pictures are not held there
OBJECTS = 2**27  # bytes of Ray's own memory; what goes through it is small

# Of a task: shards, unreadable files, how many were taken over, files that changed meanwhile.
Done = tuple[list[str], list[tuple[str, str]], int, list[str]]


def build_with_ray(
    photos: str | os.PathLike[str] | PhotoSource,
    out: str | os.PathLike[str],
    backbone: Backbone,
    *,
    address: str | None = None,
    threads: int = 1,
    whitening: Whitening | None = None,
    progress: Callable[[Progress], None] | None = None,
    **settings: Any,
) -> Report:
    """Build an index as `dff.index.build.build` does, on Ray.

    address: of a cluster ("auto", "host:6379", "ray://host:10001"), whose machines all see `photos`
    and `out` under the same paths and have DFF installed; by default Ray runs on this machine only,
    on all cores, and ends with the build. A Ray that this process has begun is used as it is.
    threads: cores a task takes, and threads of its network passes. settings: those of `build`.

    It can be stopped; the same call goes on from the shards that were done. Raises as `build` does,
    and IndexProblem where Ray is not installed, cannot be reached, or loses a task again and again.
    """
    ray = _import_ray()
    out, start = Path(out).resolve(), time.perf_counter()
    plan = Plan.of(photos, backbone, **settings)
    given = given_whitenings(whitening, plan.settings)
    out.mkdir(parents=True, exist_ok=True)
    own = not ray.is_initialized()
    with alone(out):
        try:
            if own:
                _start(ray, address)
            done = dict(_tasks(ray, plan, out, threads, progress))
        finally:
            if own:
                ray.shutdown()
        shards = [out / "shards" / name for n in sorted(done) for name in done[n][0]]
        unreadable = sorted([*plan.refused, *(one for _, bad, *_ in done.values() for one in bad)])
        count = finish(out, plan.settings, plan.place(out), shards, given, unreadable)
    resumed = sum(taken for _, _, taken, _ in done.values())
    changed = sorted(path for *_, paths in done.values() for path in paths)
    return Report(out, count, unreadable, resumed, time.perf_counter() - start, changed)


def build_shard(plan: Plan, out: Path, number: int, threads: int) -> Done:
    """One task: build the shard of so few pictures, in a process that Ray has started."""
    backbone = _network(f"{plan.settings.backbone}:{plan.settings.layer}", threads)
    if backbone.fingerprint != plan.settings.weights:
        raise IndexProblem(
            f"expected the weights {plan.settings.weights} of {backbone.name}, a worker has "
            f"{backbone.fingerprint}; install the same packages on all machines"
        )
    name = f"{plan.settings.fingerprint()}.shard-{number}"
    work = Work(plan, out, backbone, first=number, journal=name)
    shards, unreadable = work.run()
    return [shard.name for shard in shards], unreadable, work.resumed, work.changed


@cache
def _network(name: str, threads: int) -> Backbone:
    """Loaded once a process."""
    prepare()
    use_threads(threads, streams=threads)
    return load_backbone(name)


def _import_ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told what is built here
    try:
        import ray
    except ImportError as error:
        raise IndexProblem(
            "the engine ray is not installed: `pip install ray`, or build without --engine"
        ) from error
    return ray


def _start(ray: Any, address: str | None) -> None:
    here: dict[str, Any] = {"num_cpus": os.cpu_count(), "object_store_memory": OBJECTS}
    try:
        ray.init(
            address=address or "local",
            include_dashboard=None if address else False,
            log_to_driver=False,
            logging_level="ERROR",
            **({} if address else here),
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        where = f"at {address}" if address else "on this machine"
        raise IndexProblem(f"Ray cannot be reached {where}: {error}") from error


def _tasks(
    ray: Any,
    plan: Plan,
    out: Path,
    threads: int,
    progress: Callable[[Progress], None] | None,
) -> Iterator[tuple[int, Done]]:
    """(number of a shard, what its task gave back), as they are done."""
    task = ray.remote(num_cpus=threads, max_retries=RETRIES)(build_shard)
    size, total = building.CHUNK, len(plan.ids)
    starts = iter(range(0, total, size))
    running: dict[Any, tuple[int, Plan]] = {}
    began = time.perf_counter()
    count = fresh = 0
    while True:
        # Cores are counted anew: a cluster grows with what waits for it.
        most = AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        while len(running) < most and (start := next(starts, None)) is not None:
            some = plan.pictures(start, start + size)
            number = start // size
            running[task.remote(some, out, number, threads)] = number, some
        if not running:
            return
        (ready, *_), _ = ray.wait(list(running))
        number, some = running.pop(ready)
        done = _result(ray, ready, next(iter(some.ids)))
        count += len(some.ids)
        fresh += len(some.ids) - done[2]
        if progress is not None:
            rate = fresh / max(1e-9, time.perf_counter() - began)
            left = (total - count) / rate if fresh else None
            progress(Progress(count, total, list(some.ids)[-1], rate, left))
        yield number, done


def _result(ray: Any, ready: Any, first: str) -> Done:
    try:
        done: Done = ray.get(ready)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        raise IndexProblem(
            f"Ray lost the task that begins with {first} {RETRIES + 1} times "
            f"({type(error).__name__}): too little memory for its process?"
        ) from error
    return done
