"""Where the speech encoder of a recipe comes from: always an ONNX file in the end."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from turnkit.errors import ConfigError, MissingDependencyError, OfflineError
from turnkit.files import atomic_path, cache_dir, sha256_file
from turnkit.network import hub_answers, hub_endpoint
from turnkit.train.settings import SMART_TURN, EncoderSettings
from turnkit.whisper import N_MELS

FRAMES_PER_S = 50
"""Encoder frames of a Whisper encoder in a second: two mel frames of 10 ms each."""

_EXPORT_VERSION = 1
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def encoder_file(settings: EncoderSettings) -> Path:
    """ONNX file of a recipe's encoder.

    A `transformers` Whisper model is exported once and kept in the cache.

    Raises
    ------
    ConfigError
        If the source is none of what `EncoderSettings` lists, or does not fit.
    MissingAssetError
        If it is Smart Turn and that was not fetched.
    OfflineError
        If it lives on the hub, is not in the local cache, and the hub does not answer.
    """
    if settings.source == SMART_TURN:
        from turnkit.peers import smart_turn_path

        return smart_turn_path()
    path = Path(settings.source).expanduser()
    if path.is_file() and path.suffix == ".onnx":
        return path
    if (path / "config.json").is_file():
        return _exported(str(path), _folder_digest(path), settings)
    if not path.exists() and path.suffix != ".onnx" and _HUB_ID.fullmatch(settings.source):
        return _exported(settings.source, _hub_revision(settings.source), settings)
    raise ConfigError(
        f"encoder.source {settings.source!r}: expected {SMART_TURN!r}, an ONNX file, the folder "
        "of a transformers Whisper model, or its hub id"
    )


def _folder_digest(folder: Path) -> str:
    files = [folder / "config.json", *sorted(folder.glob("*.safetensors"))]
    return hashlib.sha256("".join(map(sha256_file, files)).encode()).hexdigest()


def _hub_revision(repository: str) -> str:
    """Commit of a model on the hub: of the local copy if there is one."""
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    local: Any = None
    if not hub_answers():
        local = True
    try:
        path = huggingface_hub.hf_hub_download(
            repository, "config.json", local_files_only=bool(local)
        )
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        if local:
            raise OfflineError(
                f"encoder.source {repository!r}: not in the local cache, and {hub_endpoint()} does "
                "not answer; give the path of a downloaded model, or use smart-turn"
            ) from error
        raise ConfigError(
            f"encoder.source {repository!r}: the hub has no such model ({error})"
        ) from error
    return Path(path).parent.name


def _exported(source: str, digest: str, settings: EncoderSettings) -> Path:
    contents = {"model": digest, "window_s": settings.window_s, "version": _EXPORT_VERSION}
    address = hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()[:20]
    target = cache_dir() / "encoders" / f"whisper-{address}.onnx"
    if not target.is_file():
        with atomic_path(target) as aside:
            export_whisper(source, settings.window_s, aside)
    return target


def export_whisper(source: str, window_s: float, target: Path) -> None:
    """Write the encoder of a `transformers` Whisper model as ONNX.

    Parameters
    ----------
    source : str
        Path or hub id.
    window_s : float
        Seconds that it is to hear: position embeddings beyond are cut off.
    target : Path
        Graph from ``input_features`` [1, 80, 100 * window_s] to ``frames``.

    Raises
    ------
    ConfigError
        If the model is no Whisper, hears less than that, or has other mel bands.
    """
    try:
        import onnxscript  # noqa: F401
        import torch
        from transformers import AutoConfig, WhisperModel
    except ImportError as error:
        raise MissingDependencyError(
            error.name or "transformers", "train", "the encoder"
        ) from error
    try:
        config = AutoConfig.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise ConfigError(f"encoder.source {source!r}: cannot be read ({error})") from error
    positions = round(window_s * FRAMES_PER_S)
    mels = getattr(config, "num_mel_bins", None)
    longest = getattr(config, "max_source_positions", 0)
    if config.model_type != "whisper" or mels != N_MELS:
        raise ConfigError(
            f"encoder.source {source!r}: a {config.model_type} with {mels} mel bands: "
            f"expected a Whisper with {N_MELS}"
        )
    if positions > longest:
        raise ConfigError(
            f"encoder.window_s {window_s:g}: {source} hears {longest / FRAMES_PER_S:g} s at most"
        )
    encoder = WhisperModel.from_pretrained(source).get_encoder().eval()
    _shorten(encoder, positions)

    class Frames(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, input_features: torch.Tensor) -> torch.Tensor:
            return self.encoder(input_features).last_hidden_state  # type: ignore[no-any-return]

    example = torch.zeros(1, N_MELS, 2 * positions)
    with torch.inference_mode():
        torch.onnx.export(
            Frames().eval(),
            (example,),
            str(target),
            input_names=["input_features"],
            output_names=["frames"],
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def _shorten(encoder: Any, positions: int) -> None:
    """Let the encoder hear only the first positions; embeddings of the others are cut off."""
    import torch

    weight = encoder.embed_positions.weight.detach()[:positions].clone()
    short = torch.nn.Embedding(positions, weight.shape[1])
    short.load_state_dict({"weight": weight})
    encoder.embed_positions = short
    encoder.config.max_source_positions = positions
    encoder.max_source_positions = positions
