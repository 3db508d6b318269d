"""Piper voices; see `turnkit.stages.tts.piper`."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from turnkit.corpus.synthesis.voices.protocol import check_length_scale, levelled
from turnkit.errors import ConfigError
from turnkit.files import sha256_file
from turnkit.stages.tts.piper import PiperTts, Speech
from turnkit.stages.tts.voice import default_voice


class PiperVoice:
    """A Piper voice that always says the same text in the same way; a `Voice`.

    Parameters
    ----------
    rest : str
        ONNX file, with ``#`` and a speaker's number if it has several; the default voice
        if empty.

    Raises
    ------
    ConfigError, MissingAssetError, MissingDependencyError
        See `PiperTts`.
    """

    def __init__(self, rest: str = "") -> None:
        self.name = f"piper:{rest}" if rest else "piper"
        path, speaker = _parts(rest)
        self._engine = PiperTts(path, speaker=speaker, threads=1)
        self.accent = _accent(path)

    def speak(self, text: str, length_scale: float = 1.0) -> Speech:
        """Say `text`; see `Voice.speak`."""
        scale = check_length_scale(length_scale)
        return levelled(self._engine.speak(text, length_scale=scale))


def piper_version(rest: str = "") -> str:
    """Hash of the voice's file, with the speaker's number."""
    path, speaker = _parts(rest)
    return f"{_digest(path)}#{speaker}"


@lru_cache(maxsize=64)
def _digest(path: Path) -> str:
    return sha256_file(path)


def _parts(rest: str) -> tuple[Path, int]:
    file, mark, number = rest.rpartition("#")
    if not mark:
        file, number = rest, "0"
    if not number.isdecimal():
        raise ConfigError(f"voice 'piper:{rest}': expected a speaker's number after '#'")
    return (Path(file).expanduser() if file else default_voice()), int(number)


def _accent(path: Path) -> str:
    config = json.loads(path.with_name(path.name + ".json").read_text(encoding="utf-8"))
    return accent_of(str(config["espeak"]["voice"]))


_ACCENTS = {
    "en": "gb",
    "en-029": "caribbean",
    "en-gb-x-gbclan": "gb-lancaster",
    "en-gb-x-gbcwmd": "gb-midlands",
    "en-gb-x-rp": "gb",
}


def accent_of(language: str) -> str:
    """Accent behind a language tag of eSpeak: ``en-gb-scotland`` is ``gb-scotland``."""
    return _ACCENTS.get(language, language.removeprefix("en-"))
