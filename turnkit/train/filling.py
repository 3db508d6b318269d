"""Filling caches: several processes, one thread each, and a line that says how far it is.

Where training runs on several machines or was started by torchrun, every process fills
its share of the shards, and then whatever is still missing: nobody waits for a lock, and
at worst a shard is computed twice.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from turnkit.corpus.reader import Corpus
from turnkit.corpus.schema import Turn
from turnkit.errors import RunError
from turnkit.evaluate.machine import available_cores
from turnkit.train.material import VERSION, Job
from turnkit.train.shards import ShardCache

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Progress(Protocol):
    """A progress bar."""

    def update(self, n: int) -> object:
        """Say that `n` more rows are done."""
        ...


_AHEAD = 2
"""Shards decoded and waiting for each worker."""


def cache_for(job: Job, corpus: Corpus) -> ShardCache:
    """Cache of a job's arrays over a corpus; addressed by all that decides them."""
    contents = {"version": VERSION, "corpus": corpus.fingerprint, **job.contents()}
    return ShardCache.addressed(job.kind, contents, len(corpus), job.names)


def fill(
    job: Job, corpus: Corpus, workers: int | None = None, rows: Sequence[int] | None = None
) -> ShardCache:
    """Compute what is missing in a job's cache.

    Parameters
    ----------
    job : Job
    corpus : Corpus
    workers : int, optional
        Processes; by default one for each core that this process has to itself.
    rows : sequence of int, optional
        Those that are needed; by default all. Shards that hold none of them are left out.

    Returns
    -------
    ShardCache
        With all that are needed.

    Raises
    ------
    SchemaError
        If a row cannot be used.
    RunError
        If the cache cannot be written or a worker dies.
    """
    cache = cache_for(job, corpus)
    needed = cache.holding(range(cache.rows) if rows is None else rows)
    for shards in _shares([shard for shard in cache.missing() if shard in needed]):
        todo = [shard for shard in shards if not cache.has(shard)]
        if todo:
            _fill_shards(job, corpus, cache, todo, workers or _own_cores())
    return cache


def _shares(missing: list[int]) -> Iterator[list[int]]:
    """Give this process' share of what is missing, then everything."""
    rank, world = launched_as()
    if world > 1:
        yield missing[rank::world]
        # Starting at different places, processes seldom compute the same shard.
        first = len(missing) * rank // world
        yield missing[first:] + missing[:first]
    else:
        yield missing


def launched_as() -> tuple[int, int]:
    """Rank and number of processes, as torchrun or SLURM tell it; (0, 1) by default.

    Processes that Lightning starts itself find their caches full.
    """
    for rank, world in (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS")):
        if rank in os.environ and world in os.environ:
            return int(os.environ[rank]), int(os.environ[world])
    return 0, 1


def _own_cores() -> int:
    beside = os.environ.get("LOCAL_WORLD_SIZE") or os.environ.get("SLURM_NTASKS_PER_NODE") or "1"
    return max(1, available_cores() // max(1, int(beside)))


def _fill_shards(
    job: Job, corpus: Corpus, cache: ShardCache, todo: Sequence[int], workers: int
) -> None:
    from tqdm import tqdm

    label = f"{job.kind}, {Path(corpus.name).name}"
    rows = sum(len(cache.shards[shard]) for shard in todo)
    with tqdm(total=rows, desc=label, unit="row", mininterval=2.0, file=sys.stderr) as bar:
        if workers == 1 or not _main_can_be_imported():
            for shard in todo:
                _compute(job, [corpus[row] for row in cache.shards[shard]], cache, shard)
                bar.update(len(cache.shards[shard]))
            return
        context = multiprocessing.get_context("spawn")
        with (
            _one_thread_each(),
            ProcessPoolExecutor(
                workers, mp_context=context, initializer=_ignore_interrupts
            ) as pool,
        ):
            running: dict[Future[None], int] = {}
            try:
                for shard in todo:
                    if len(running) >= workers * _AHEAD:
                        _collect(running, cache, bar)
                    turns = [corpus[row] for row in cache.shards[shard]]
                    running[pool.submit(_compute, job, turns, cache, shard)] = shard
                while running:
                    _collect(running, cache, bar)
            except BrokenProcessPool as error:
                raise RunError(
                    "a worker process died; is there memory for all of them? "
                    "data.workers=1 needs least"
                ) from error
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _ignore_interrupts() -> None:
    """Leave Ctrl-C to the process that gave the work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _compute(job: Job, turns: Sequence[Turn], cache: ShardCache, shard: int) -> None:
    if not cache.has(shard):
        cache.write(shard, [job.compute(turn) for turn in turns])


def _collect(running: dict[Future[None], int], cache: ShardCache, bar: Progress) -> None:
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        bar.update(len(cache.shards[running.pop(future)]))
        future.result()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let processes that start now use one thread: they share the cores."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _main_can_be_imported() -> bool:
    """Whether new processes can import what runs here: a script read from stdin cannot be."""
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    return path is None or Path(path).exists()
