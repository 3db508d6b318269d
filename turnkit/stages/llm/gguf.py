"""Where a GGUF model's file is: the one turnkit fetches, a path, or the model hub."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from turnkit.errors import ConfigError, MissingAssetError, MissingDependencyError, OfflineError
from turnkit.network import PROBE_TIMEOUT_S, hub_answers, hub_endpoint, hub_refused
from turnkit.peers import SMOLLM2, fetch, path_of

DEFAULT_MODEL = SMOLLM2.name
"""SmolLM2 135M Instruct, as ``turnkit peers get smollm2`` fetches it."""


def find_gguf(model: str, file: str = "") -> Path:
    """Find a model's file on this machine; nothing is downloaded.

    Parameters
    ----------
    model : str
        ``smollm2``, the path of a GGUF file, or a hub id such as ``owner/name``.
    file : str
        The GGUF file inside the hub repository.

    Raises
    ------
    ConfigError
        If it is no file and `file` is missing.
    MissingAssetError
        If it has to be fetched first; the message says how.
    """
    if model == DEFAULT_MODEL:
        return path_of(SMOLLM2)
    path = Path(model).expanduser()
    if path.is_file():
        return path
    if not file:
        raise ConfigError(
            f"llm.model {model!r}: no such file; expected {DEFAULT_MODEL}, the path of a GGUF "
            "file, or a hub id with llm.file naming the GGUF file in it"
        )
    hub = _import_hub()
    try:
        found = hub.try_to_load_from_cache(model, file)
    except hub.errors.HFValidationError as error:
        raise ConfigError(f"llm.model {model!r}: neither a file nor a hub id") from error
    if not isinstance(found, str):
        raise MissingAssetError(
            f"llm.model: {file} of {model} is not on this machine: `turnkit serve` fetches it "
            "from the model hub when it starts"
        )
    return Path(found)


def fetch_gguf(model: str, file: str, report: Callable[[str], None]) -> Path:
    """Bring a model's file to this machine, unless it is there already.

    Parameters
    ----------
    model, file : str
        As `find_gguf` takes them.
    report : callable
        Told in a line what is being done.

    Raises
    ------
    ConfigError
        If it names neither a file nor a model of the hub.
    OfflineError
        If the network did not give it.
    """
    try:
        return find_gguf(model, file)
    except MissingAssetError:
        if model == DEFAULT_MODEL:
            return fetch(SMOLLM2, report)
    if not hub_answers():
        reason = (
            "the environment forbids the network (HF_HUB_OFFLINE)"
            if hub_refused()
            else f"no answer from {hub_endpoint()} within {PROBE_TIMEOUT_S:g} s"
        )
        raise OfflineError(f"llm.model: {file} of {model}: {reason}, and it is not in the cache")
    report(f"{model}: fetching {file} from the model hub")
    hub = _import_hub()
    try:
        return Path(hub.hf_hub_download(model, file))
    except hub.errors.LocalEntryNotFoundError as error:
        raise OfflineError(f"llm.model: {file} of {model}: the hub stopped answering") from error
    except hub.errors.EntryNotFoundError as error:
        raise ConfigError(f"llm.file {file!r}: the hub's {model} has no such file") from error
    except hub.errors.RepositoryNotFoundError as error:
        raise ConfigError(
            f"llm.model {model!r}: the hub has no such model, or does not show it to us"
        ) from error
    except (hub.errors.HfHubHTTPError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise OfflineError(f"llm.model: {file} of {model}: {reason}") from error


def _import_hub() -> ModuleType:
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError as error:
        raise MissingDependencyError("huggingface-hub", "data", "a model from the hub") from error
    return huggingface_hub
