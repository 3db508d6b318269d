"""Shards made as tasks of Ray: on a cluster, or on the processors of this machine."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from turnkit.corpus.synthesis.shards import Shard, write_shard
from turnkit.errors import ConfigError, MissingDependencyError, RunError, TurnkitError

ADDRESS = "RAY_ADDRESS"
"""Environment variable that names a running cluster, Ray's own."""

_PATIENCE_S = 5.0
"""A cluster that has not answered by then is not there; Ray itself would wait for minutes."""


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
    ConfigError
        If there is no cluster at ``RAY_ADDRESS``, or Ray does not start on this machine.
    RunError
        If Ray loses a task, such as by a process that was killed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        from ray.exceptions import RayError, RayTaskError
    except ImportError as error:
        raise MissingDependencyError("ray", "ray", "--engine ray") from error
    started_here = not ray.is_initialized()
    if started_here:
        _start(ray, workers)
    task = ray.remote(num_cpus=1)(write_shard)
    try:
        pending = [task.remote(folder, content, shard) for shard in shards]
        while pending:
            (done, *_), pending = ray.wait(pending, num_returns=1)
            yield ray.get(done)
    except RayTaskError as error:
        if isinstance(error.cause, TurnkitError):
            # Ray's own says it in a page of traceback.
            raise error.cause from error
        raise
    except RayError as error:
        raise RunError(
            f"--engine ray: a task was lost ({_first_line(error)}); the same command goes on "
            "with what is missing"
        ) from error
    finally:
        if started_here:
            ray.shutdown()


def _start(ray: Any, workers: int) -> None:
    """Connect to the cluster that the environment names, or start Ray on this machine."""
    address = os.environ.get(ADDRESS, "")
    here = {"num_cpus": workers, "include_dashboard": False}
    if address:
        _check_answers(address)
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **({} if address else here))
    except Exception as error:  # Ray's errors have no common root
        if address:
            raise _no_cluster(address, _first_line(error)) from error
        raise ConfigError(
            f"--engine ray: Ray does not start on this machine ({_first_line(error)}); "
            f"expected {ADDRESS} to name a cluster, or --engine local"
        ) from error


def _check_answers(address: str) -> None:
    """See that somebody listens at ``HOST:PORT`` or ``ray://HOST:PORT``; else Ray finds it."""
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _no_cluster(address, str(error)) from error
    if host is None or port is None:
        return  # "auto" and the like
    try:
        socket.create_connection((host, port), _PATIENCE_S).close()
    except OSError as error:
        raise _no_cluster(address, str(error.strerror or error)) from error


def _no_cluster(address: str, problem: str) -> ConfigError:
    return ConfigError(
        f"{ADDRESS}={address}: no Ray cluster there ({problem}); expected HOST:PORT, "
        "ray://HOST:PORT or 'auto', or unset it to start Ray on this machine"
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
