"""Shards made by processes of this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from turnkit.corpus.synthesis.shards import Shard, write_shard
from turnkit.errors import MissingDependencyError, RunError


def written_locally(
    folder: str, content: Mapping[str, Any], shards: Sequence[Shard], workers: int
) -> Iterator[Shard]:
    """Write shards, each as soon as a process is free, and give each that is written.

    Parameters
    ----------
    folder : str
        Of the corpus.
    content : mapping
        The spec as plain content.
    shards : sequence of Shard
    workers : int
        Processes of one thread each; with 1 the work is done in this one.

    Raises
    ------
    MissingDependencyError
        If there are several workers and ``joblib`` is not installed.
    RunError
        If a process dies.
    """
    if workers <= 1:
        for shard in shards:
            yield write_shard(folder, content, shard)
        return
    try:
        import joblib
        from joblib.externals.loky import BrokenProcessPool, get_reusable_executor
    except ImportError as error:
        raise MissingDependencyError("joblib", "synthesis", "working in parallel") from error
    # joblib's processes do not import the caller's main module again, so that a script
    # without an `if __name__ == "__main__"` can make a corpus
    with joblib.parallel_config("loky", n_jobs=workers, inner_max_num_threads=1):
        run = joblib.Parallel(return_as="generator_unordered")
        tasks = (joblib.delayed(write_shard)(folder, content, shard) for shard in shards)
        try:
            for shard in run(tasks):
                assert shard is not None  # as joblib's types have it
                yield shard
        except BrokenProcessPool as error:
            raise RunError(
                f"one of {workers} processes died, perhaps for want of memory; the same command "
                "goes on with what is missing (fewer --workers need less)"
            ) from error
        finally:
            get_reusable_executor().shutdown(wait=True)
