"""Shards made as tasks of Ray: on a cluster, or on the processors of this machine."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from turnkit.corpus.synthesis.shards import Shard, write_shard
from turnkit.errors import MissingDependencyError

ADDRESS = "RAY_ADDRESS"
"""Environment variable that names a running cluster, Ray's own."""


def written_by_ray(
    folder: str, content: Mapping[str, Any], shards: Sequence[Shard], workers: int
) -> Iterator[Shard]:
    """Write shards by Ray tasks of one processor each, and give each that is written.

    A cluster is used where ``RAY_ADDRESS`` names one, and decides how many tasks run at
    once; its machines need this package and see `folder` under the same name. Otherwise
    Ray starts on this machine, and stops when the work is done. What goes wrong in a task
    is raised here, and the other tasks are given up.

    Parameters
    ----------
    folder, content, shards
        As of `written_locally`.
    workers : int
        Tasks at a time without a cluster.

    Raises
    ------
    MissingDependencyError
        If ``ray`` is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise MissingDependencyError("ray", "ray", "--engine ray") from error
    started_here = not ray.is_initialized()
    if started_here:
        where: dict[str, Any] = (
            {} if os.environ.get(ADDRESS) else {"num_cpus": workers, "include_dashboard": False}
        )
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **where)
    task = ray.remote(num_cpus=1)(write_shard)
    try:
        pending = [task.remote(folder, content, shard) for shard in shards]
        while pending:
            (done, *_), pending = ray.wait(pending, num_returns=1)
            yield ray.get(done)
    finally:
        if started_here:
            ray.shutdown()
