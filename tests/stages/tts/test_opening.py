from __future__ import annotations

import asyncio
from typing import Any

import pytest

from turnkit.errors import ConfigError
from turnkit.stages.tts.fake import FakeTts
from turnkit.stages.tts.opening import open_tts
from turnkit.stages.tts.phrase_cache import PhraseCache
from turnkit.stages.tts.piper_stream import PiperStream
from turnkit.stages.tts.remote import RemoteTts


def opened(settings: dict[str, Any]) -> PhraseCache:
    """Open a voice and close it at once."""
    engine = open_tts(settings)
    asyncio.run(engine.aclose())
    return engine


@pytest.mark.parametrize(
    ("settings", "kind", "name"),
    [
        ({}, PiperStream, "piper en_US-joe-medium"),
        ({"kind": "piper", "threads": 2}, PiperStream, "piper en_US-joe-medium"),
        (
            {"kind": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "m"},
            RemoteTts,
            "m at 127.0.0.1:1",
        ),
        ({"kind": "fake", "first_audio": 75}, FakeTts, "scripted tones"),
    ],
)
def test_the_kind_picks_the_voice(settings: dict[str, Any], kind: type, name: str) -> None:
    engine = opened(settings)
    assert isinstance(engine.inner, kind)
    assert engine.name == name
    assert engine.simulated == (kind is FakeTts)
    assert engine.sample_rate > 0


def test_a_scripted_voice_is_not_cached_unless_asked_for() -> None:
    assert not opened({"kind": "fake"}).settings.enabled
    assert opened({"kind": "fake", "cache": {"enabled": True}}).settings.enabled
    assert opened({"kind": "piper", "cache": {"phrases": ["Hm."]}}).settings.phrases == ("Hm.",)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"kind": "parrot"}, r"tts\.kind 'parrot'.*piper.*espeak.*openai.*fake"),
        ({"kind": "piper", "lenght_scale": 1}, r"tts\.lenght_scale.*length_scale"),
        ({"kind": "fake", "cache": {"size": 1}}, r"tts\.cache\.size"),
        ({"kind": "fake", "cache": 5}, r"tts\.cache: 5"),
        ({"kind": "openai", "api_key": "sk-123"}, r"tts\.api_key.*api_key_env"),
    ],
)
def test_what_does_not_fit_is_named(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        open_tts(settings)
