from __future__ import annotations

from typing import Any

import pytest

from turnkit.errors import ConfigError, MissingAssetError
from turnkit.stages.stt.opening import open_stt


@pytest.mark.parametrize(
    ("settings", "name", "simulated"),
    [
        ({"kind": "whisper"}, "whisper tiny.en", False),
        ({"kind": "whisper", "model": "Systran/faster-whisper-base.en", "threads": 2},
         "whisper Systran/faster-whisper-base.en", False),
        ({"kind": "sphinx"}, "pocketsphinx", False),
        ({"kind": "openai", "base_url": "http://127.0.0.1:9/v1", "api_key_env": None},
         "whisper-1 at 127.0.0.1", False),
        ({"kind": "fake", "texts": ["hello"], "fault": {"kind": "die"}},
         "scripted words (simulated)", True),
    ],
)  # fmt: skip
def test_kinds(settings: dict[str, Any], name: str, simulated: bool) -> None:
    engine = open_stt(settings)
    assert (engine.name, engine.simulated, engine.sample_rate) == (name, simulated, 16_000)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, r"stt\.kind None: expected one of whisper, sphinx, openai, fake"),
        ({"kind": "wisper"}, r"stt\.kind 'wisper'"),
        ({"kind": "whisper", "thread": 1}, r"stt\.thread: unknown; did you mean 'threads'"),
        ({"kind": "whisper", "threads": 0}, r"stt\.threads 0: expected 1 \.\. 64"),
        ({"kind": "whisper", "pause_s": 0.01}, r"stt\.pause_s 0\.01"),
        ({"kind": "whisper", "device": "tpu"}, r"stt\.device 'tpu': expected one of cpu, cuda"),
        ({"kind": "sphinx", "partial_every_s": 0}, r"stt\.partial_every_s 0"),
        ({"kind": "fake", "texts": []}, r"stt\.texts: expected at least one"),
        ({"kind": "fake", "flush_delay_ms": "normal:1"}, r"delay 'normal:1'"),
        ({"kind": "openai", "base_url": "ftp://x"}, r"stt\.base_url 'ftp://x'"),
        ({"kind": "openai", "base_url": "http://me:secret@x/v1"}, r"base_url: keys do not"),
        (
            {"kind": "openai", "api_key_env": "TURNKIT_TEST_UNSET"},
            "variable TURNKIT_TEST_UNSET is not set",
        ),
        ({"kind": "openai", "timeout_s": 0}, r"stt\.timeout_s 0"),
    ],
)
def test_what_does_not_fit_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_stt(settings)


@pytest.mark.parametrize("settings", [
    {"kind": "openai", "api_key_env": "sk-abc123"},
    {"kind": "openai", "base_url": "http://me:sk-abc123@x/v1"},
])  # fmt: skip
def test_a_key_in_a_preset_is_refused_and_not_repeated(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        open_stt(settings)
    assert "abc123" not in str(caught.value)


def test_a_folder_without_a_model_is_found_out_at_once() -> None:
    with pytest.raises(MissingAssetError, match="no such folder"):
        open_stt({"kind": "whisper", "model": "/nowhere/at/all"})
