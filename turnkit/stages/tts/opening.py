"""Open the voice that a preset names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from turnkit.errors import ConfigError
from turnkit.settings_file import build
from turnkit.stages.tts.phrase_cache import PhraseCache, PhraseCacheSettings
from turnkit.stages.tts.stream import StreamingTts

WHERE = "tts"


def open_tts(settings: Mapping[str, Any], phrases: Iterable[str] = ()) -> PhraseCache:
    """Open a voice; it loads when it is warmed.

    Parameters
    ----------
    settings : mapping
        ``kind``: ``piper`` (the default), ``espeak``, ``openai`` or ``fake``; ``cache``:
        `PhraseCacheSettings`; and the settings of that kind.
    phrases : iterable of str
        Clauses that are spoken when it is warmed and kept: fixed sentences, as they will
        be asked for (`turnkit.stages.tts.clauses.clauses_of`).

    Returns
    -------
    PhraseCache
        The voice, behind its cache.

    Raises
    ------
    ConfigError
        If a key is unknown or a value does not fit; the message names the key.
    MissingDependencyError, MissingAssetError
        If a package or file of the voice is missing.
    """
    rest = dict(settings)
    kind = rest.pop("kind", "piper")
    if kind not in _KINDS:
        raise ConfigError(f"{WHERE}.kind {kind!r}: expected one of {', '.join(_KINDS)}")
    cache = rest.pop("cache", None) or {}
    if kind == "fake" and isinstance(cache, Mapping):
        cache = {"enabled": False, **cache}  # its delays are the point
    kept = build(PhraseCacheSettings, cache, f"{WHERE}.cache")
    return PhraseCache(_KINDS[kind](rest), kept, phrases)


def _open_piper(settings: Mapping[str, Any]) -> StreamingTts:
    from turnkit.stages.tts.piper_stream import PiperSettings, PiperStream

    return PiperStream(build(PiperSettings, settings, WHERE))


def _open_espeak(settings: Mapping[str, Any]) -> StreamingTts:
    from turnkit.stages.tts.espeak import EspeakSettings, EspeakTts

    return EspeakTts(build(EspeakSettings, settings, WHERE))


def _open_openai(settings: Mapping[str, Any]) -> StreamingTts:
    from turnkit.stages.tts.remote import RemoteTts, RemoteTtsSettings

    return RemoteTts(build(RemoteTtsSettings, settings, WHERE))


def _open_fake(settings: Mapping[str, Any]) -> StreamingTts:
    from turnkit.stages.tts.fake import FakeTts, FakeTtsSettings

    content = dict(settings)
    delay = content.get("first_audio")
    if isinstance(delay, int | float) and not isinstance(delay, bool):
        content["first_audio"] = str(delay)
    return FakeTts(build(FakeTtsSettings, content, WHERE))


_KINDS: dict[str, Callable[[Mapping[str, Any]], StreamingTts]] = {
    "piper": _open_piper,
    "espeak": _open_espeak,
    "openai": _open_openai,
    "fake": _open_fake,
}
