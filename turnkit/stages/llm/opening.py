"""A preset's language model: settings checked, the engine made."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from turnkit.errors import ConfigError
from turnkit.settings_file import build
from turnkit.stages.llm.embedded import EmbeddedLlm, EmbeddedSettings
from turnkit.stages.llm.fake import FakeLlm, FakeLlmSettings
from turnkit.stages.llm.gguf import DEFAULT_MODEL, fetch_gguf
from turnkit.stages.llm.hedged import HedgedLlm, HedgedSettings
from turnkit.stages.llm.protocol import LanguageModel
from turnkit.stages.llm.remote import RemoteLlm
from turnkit.stages.llm.remote_settings import RemoteLlmSettings

KINDS = ("smollm2", "gguf", "openai", "fake", "hedged")
"""SmolLM2 in this process, another GGUF model in this process, a service, a script, and
two of these of which the faster one answers."""

_WHERE = "llm"


def open_llm(settings: Mapping[str, Any]) -> LanguageModel:
    """Make the language model that settings describe; nothing is loaded yet.

    Parameters
    ----------
    settings : mapping
        ``kind`` is one of `KINDS`; the other keys are those of `EmbeddedSettings`,
        `RemoteLlmSettings`, `FakeLlmSettings` or `HedgedSettings`.

    Raises
    ------
    ConfigError
        If the kind or a key is unknown, or a value does not fit.
    MissingDependencyError
        If an optional package is not installed.
    """
    chosen = read_settings(settings)
    if isinstance(chosen, FakeLlmSettings):
        return FakeLlm(chosen)
    if isinstance(chosen, RemoteLlmSettings):
        return RemoteLlm(chosen)
    if isinstance(chosen, HedgedSettings):
        return _open_hedged(chosen)
    return EmbeddedLlm(chosen)


def fetch_llm(settings: Mapping[str, Any], report: Callable[[str], None]) -> None:
    """Bring the files of a language model to this machine if they are not there; blocking.

    Parameters
    ----------
    settings : mapping
        As `open_llm` takes them.
    report : callable
        Told in a line what is being done.

    Raises
    ------
    ConfigError
        As `open_llm`.
    OfflineError
        If the network did not give them.
    """
    chosen = read_settings(settings)
    if isinstance(chosen, EmbeddedSettings):
        fetch_gguf(chosen.model, chosen.file, report)
    if isinstance(chosen, HedgedSettings):
        for one in (chosen.first, chosen.second):
            if one is not None:
                fetch_llm(one, report)


def read_settings(
    settings: Mapping[str, Any],
) -> EmbeddedSettings | RemoteLlmSettings | FakeLlmSettings | HedgedSettings:
    """Check settings without making an engine.

    Raises
    ------
    ConfigError
        As `open_llm`.
    """
    kind, rest = _split(settings)
    if kind == "fake":
        return build(FakeLlmSettings, _as_text(rest), _WHERE)
    if kind == "openai":
        return build(RemoteLlmSettings, rest, _WHERE)
    if kind == "hedged":
        return _read_hedged(rest)
    if kind == "gguf" and "model" not in rest:
        raise ConfigError("llm.model: missing; expected the path of a GGUF file, or a hub id")
    if kind == "smollm2" and rest.get("model", DEFAULT_MODEL) != DEFAULT_MODEL:
        raise ConfigError(f"llm.model {rest['model']!r}: other models are of the kind gguf")
    return build(EmbeddedSettings, rest, _WHERE)


def _read_hedged(settings: dict[str, Any]) -> HedgedSettings:
    chosen = build(HedgedSettings, settings, _WHERE)
    for name, one in (("first", chosen.first), ("second", chosen.second)):
        if one is None:
            continue
        if one.get("kind") == "hedged":
            raise ConfigError(f"llm.{name}.kind 'hedged': expected an engine that is not hedged")
        with _below(name):
            read_settings(one)
    return chosen


def _open_hedged(settings: HedgedSettings) -> HedgedLlm:
    with _below("first"):
        first = open_llm(settings.first)
    if settings.second is None:
        return HedgedLlm(settings, first)
    with _below("second"):
        return HedgedLlm(settings, first, open_llm(settings.second))


@contextmanager
def _below(name: str) -> Iterator[None]:
    """Let errors of one of two engines name its keys as they are in the preset."""
    try:
        yield
    except ConfigError as error:
        where = f"{_WHERE}.{name}"
        raise ConfigError(re.sub(rf"^{_WHERE}\b", where, str(error))) from error


def _split(settings: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    if not isinstance(settings, Mapping):
        raise ConfigError(f"{_WHERE} {settings!r}: expected keys and values")
    rest = dict(settings)
    kind = rest.pop("kind", None)
    if kind not in KINDS:
        raise ConfigError(f"{_WHERE}.kind {kind!r}: expected one of {', '.join(KINDS)}")
    return kind, rest


def _as_text(settings: dict[str, Any]) -> dict[str, Any]:
    """Delays may be numbers in YAML."""
    delays = ("first_token", "per_token")
    return {
        key: f"{value:g}" if key in delays and type(value) in (int, float) else value
        for key, value in settings.items()
    }
