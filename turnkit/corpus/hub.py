"""Corpora from the model hub, and not waiting for a hub that does not answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from turnkit.corpus.names import Source
from turnkit.corpus.source import import_datasets
from turnkit.errors import CorpusError, OfflineError
from turnkit.network import PROBE_TIMEOUT_S, hub_answers, hub_endpoint, hub_refused

ALL_CONFIGS = "all"
"""Configuration that is read if a hub corpus has several, no default, and one of this
name, as livekit/eot-bench-data has."""


def read_hub(source: Source) -> Mapping[str, Any]:
    """Read a corpus from the hub, or from the local cache where the hub does not answer.

    Raises
    ------
    OfflineError
        Within seconds, if no hub answers and the corpus is not in the cache.
    CorpusError
        If the hub has no such corpus, configuration or revision, or does not let us.
    """
    if not hub_answers():
        return _read_cached(source)
    datasets = import_datasets()
    try:
        config = source.config or _choose_config(source)
        found = datasets.load_dataset(source.repository, config, revision=source.revision)
    except (datasets.exceptions.DatasetsError, ValueError) as error:
        raise CorpusError(f"corpus {source.name}: {error}") from error
    except ConnectionError as error:
        raise OfflineError(
            f"corpus {source.name}: the hub at {hub_endpoint()} stopped answering: {error}"
        ) from error
    return dict(found)


def _choose_config(source: Source) -> str:
    datasets = import_datasets()
    where = {"revision": source.revision}
    default = datasets.get_dataset_default_config_name(source.repository, **where)
    if default is not None:
        return str(default)
    names = datasets.get_dataset_config_names(source.repository, **where)
    if ALL_CONFIGS in names:
        return ALL_CONFIGS
    raise CorpusError(
        f"corpus {source.name}: has the configurations {', '.join(names)}; say which, "
        f"for example {source.repository}/{names[0]}"
    )


def _read_cached(source: Source) -> Mapping[str, Any]:
    datasets = import_datasets()
    reason = (
        "the environment forbids the network (HF_HUB_OFFLINE)"
        if hub_refused()
        else f"no answer from the hub at {hub_endpoint()} within {PROBE_TIMEOUT_S:g} s"
    )
    try:
        with _no_network():
            found = datasets.load_dataset(source.repository, source.config)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise OfflineError(
            f"corpus {source.name}: {reason}, and it is not in the local cache. Without a "
            "network these work: embedded, a parquet file, a folder, a saved dataset"
        ) from error
    if source.revision is not None and not _is_at(found, source.revision):
        raise OfflineError(
            f"corpus {source.name}: {reason}, and the local cache holds another revision "
            f"than {source.revision}"
        )
    return dict(found)


def _is_at(found: Mapping[str, Any], revision: str) -> bool:
    """Whether the cached files are those of a commit: their folder bears its hash."""
    files = [file["filename"] for rows in found.values() for file in rows.cache_files]
    return bool(files) and all(f"/{revision}" in file for file in files)


@contextmanager
def _no_network() -> Iterator[None]:
    """Do as under ``HF_HUB_OFFLINE=1``, which both libraries read at import only."""
    import huggingface_hub.constants

    datasets = import_datasets()
    modules: tuple[Any, ...] = (datasets.config, huggingface_hub.constants)
    before = [module.HF_HUB_OFFLINE for module in modules]
    try:
        for module in modules:
            module.HF_HUB_OFFLINE = True
        yield
    finally:
        for module, value in zip(modules, before, strict=True):
            module.HF_HUB_OFFLINE = value
