# SPDX-License-Identifier: Apache-2.0
"""``map_on_ray``: a function mapped over millions of items on Ray Data, in their order."""

from __future__ import annotations

import logging
import math
import pickle
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from zoo.errors import DataError, ZooError
from zoo_ray_runs.spool import Spool, items_of, spooled
from zoo_ray_runs.starting import Cluster, check_installed, started

__all__ = ["block_size", "map_on_ray", "worker_count"]

_MOST_A_BLOCK = 32
"""Items that a worker takes at a time: what a lost worker costs, and what is in memory at once."""

_MOST_BLOCKS = 10_000
"""Ray Data keeps about 4 KB of statistics of each to the end; beyond, blocks get larger."""

_MOST_RESTARTS = 3
"""Of a worker, and of the block that it had; without a bound, Ray goes on until it is killed."""

_Build = Callable[[], Callable[[Any], Any]]


class _Worker:
    """A process that maps blocks of items; what it returns is opaque to Ray.

    Args:
        build: Pickled: returns the function.
    """

    def __init__(self, build: bytes) -> None:
        self._error: ZooError | None = None
        try:
            self._map: Callable[[Any], Any] = pickle.loads(build)()  # noqa: S301 - of the starter
        except ZooError as error:  # Ray would start it again and again
            self._error = error

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        if self._error is not None:
            return {"found": [pickle.dumps([self._error])]}
        found = [[self._map(item) for item in items_of(block)] for block in batch["block"]]
        return {"found": [pickle.dumps(each) for each in found]}


def map_on_ray(build: _Build, items: Iterable[Any], /) -> Iterator[Any]:
    """Yield the result of each item, in their order; follows `zoo.interfaces.Mapper`.

    Args:
        build: Called once in each process; returns the function.
        items: Plain values. As soon as Ray has started, they are written to a temporary file; they
            are read from it as workers take them.

    Raises:
        PluginError: Ray is not installed.
        ConfigError: Ray cannot be started.
        DataError: A worker was lost again and again, or the file cannot be written.
    """
    check_installed()
    with started() as cluster, spooled(items) as spool:
        if spool.count:
            yield from _mapped(build, spool, cluster)


def block_size(items: int, workers: int) -> int:
    """Return how many items a worker takes at a time.

    Args:
        items: What there is to do.
        workers: Among how many; each gets a few blocks, so that all end at about the same time.

    Example:
        >>> block_size(20, 2), block_size(1000, 2), block_size(1_000_000, 2)
        (3, 32, 100)
    """
    few = min(_MOST_A_BLOCK, math.ceil(items / (4 * workers)))
    return max(1, few, math.ceil(items / _MOST_BLOCKS))


def _mapped(build: _Build, spool: Spool, cluster: Cluster) -> Iterator[Any]:
    import ray
    from ray import cloudpickle, data

    from zoo_ray_runs.reading import SpoolSource

    _set_up(data)
    needs_gpu = bool(cluster.gpus) and getattr(build, "needs_gpu", True)
    memory = getattr(build, "memory_bytes", 0)
    workers = worker_count(cluster, spool.count, needs_gpu=needs_gpu, memory_bytes=memory)
    source = SpoolSource(spool, block_size(spool.count, workers))
    # All CPUs are the workers'; the reader waits for them most of the time.
    blocks = data.read_datasource(source, override_num_blocks=1, num_cpus=0)
    with warnings.catch_warnings():  # Ray 2.60 deprecates the two bounds, and has no others
        warnings.simplefilter("ignore", ray.util.annotations.RayDeprecationWarning)
        mapped = blocks.map_batches(
            _Worker,
            fn_constructor_args=(cloudpickle.dumps(build),),
            batch_size=1,
            batch_format="numpy",
            num_cpus=1,
            num_gpus=1 if needs_gpu else 0,
            compute=data.ActorPoolStrategy(size=workers),
            max_restarts=_MOST_RESTARTS,
            max_task_retries=_MOST_RESTARTS,
        )
    try:
        for row in mapped.iter_rows():
            for found in pickle.loads(row["found"]):  # noqa: S301 - of our workers
                if isinstance(found, ZooError):
                    raise found
                yield found
    except ray.exceptions.RayError as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        message = "cannot go on: workers of Ray were lost again and again: "
        message += f"{lines[-1].rstrip('.')[:200]}."
        hint = "repeat the command with --resume and without --ray: one process takes an image at "
        hint += "a time, and less memory."
        raise DataError(message, hint=hint) from error


def worker_count(cluster: Cluster, items: int, *, needs_gpu: bool, memory_bytes: int = 0) -> int:
    """Return how many workers to start, at least one.

    Args:
        cluster: What Ray may use.
        items: What there is to do.
        needs_gpu: Whether each takes a GPU.
        memory_bytes: What each needs, or 0 if nobody knows.

    Example:
        >>> worker_count(Cluster(16, 0, 9 * 2**30), 1000, needs_gpu=False, memory_bytes=2**31)
        4
    """
    fitting = cluster.memory_bytes // memory_bytes if memory_bytes else items
    return max(1, min(cluster.gpus if needs_gpu else cluster.cpus, items, fitting))


def _set_up(data: Any) -> None:
    """Make Ray Data quiet, keep the order of items, and each row a block of its own."""
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    context.target_max_block_size = 1
    context.execution_options.preserve_order = True
    for name in ("ray.data", "ray.data._internal"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
