"""Open the recogniser that settings ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from turnkit.errors import ConfigError
from turnkit.settings_file import build
from turnkit.stages.stt.protocol import SpeechToText

KINDS = ("whisper", "sphinx", "openai", "fake")
"""Recognisers by name."""


def open_stt(settings: Mapping[str, Any], where: str = "stt") -> SpeechToText:
    """Open a recogniser; it is loaded by its `warm`.

    Parameters
    ----------
    settings : mapping
        ``kind``, one of `KINDS`, and the fields of its settings: see `WhisperSettings`,
        `SphinxSettings`, `OpenAiSttSettings`, `FakeSttSettings`.
    where : str
        What messages call the settings.

    Raises
    ------
    ConfigError
        If the kind or a key is unknown, a value does not fit, or the environment
        variable of a key is not set.
    MissingAssetError, MissingDependencyError
        If a model or package is not there.
    """
    rest = dict(settings)
    kind = rest.pop("kind", None)
    if kind == "whisper":
        from turnkit.stages.stt.whisper import WhisperStt
        from turnkit.stages.stt.whisper_files import WhisperSettings

        return WhisperStt(build(WhisperSettings, rest, where))
    if kind == "sphinx":
        from turnkit.stages.stt.sphinx import SphinxSettings, SphinxStt

        return SphinxStt(build(SphinxSettings, rest, where))
    if kind == "openai":
        from turnkit.stages.stt.remote import OpenAiStt, OpenAiSttSettings

        return OpenAiStt(build(OpenAiSttSettings, rest, where))
    if kind == "fake":
        from turnkit.stages.stt.fake import FakeStt, FakeSttSettings

        return FakeStt(build(FakeSttSettings, rest, where))
    raise ConfigError(f"{where}.kind {kind!r}: expected one of {', '.join(KINDS)}")
