from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkit.agent.preset import Preset, read_preset, refuse_secrets, shipped_presets
from turnkit.agent.session.settings import Rules
from turnkit.detector.opening import open_detector
from turnkit.detector.policy import Policy
from turnkit.errors import ConfigError
from turnkit.stages.llm.opening import open_llm
from turnkit.stages.stt.opening import open_stt
from turnkit.stages.tts.opening import open_tts

SERVE = Path(__file__).resolve().parents[2] / "serve"
EXAMPLES = sorted(SERVE.glob("*.yaml"))


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def test_without_a_name_everything_is_embedded_and_on_loopback() -> None:
    preset = read_preset()
    assert preset == read_preset("embedded") == Preset()
    assert not preset.server.exposed
    assert isinstance(preset.rules, Rules)
    assert preset.rules.mode == "speculative"


def test_the_example_is_the_default() -> None:
    assert read_preset(SERVE / "embedded.yaml") == read_preset()


@pytest.mark.parametrize(
    "path", [each for each in EXAMPLES if each.stem != "compose"], ids=lambda path: path.stem
)
def test_examples_open(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of-the-tests")
    preset = read_preset(path)
    assert preset.name == path.stem
    for opening, settings in (
        (open_stt, preset.stt),
        (open_llm, preset.llm),
        (open_tts, preset.tts),
    ):
        assert opening(settings).name


def test_the_scripted_example_keeps_its_budget() -> None:
    preset = read_preset(SERVE / "fake.yaml")
    assert open_stt(preset.stt).simulated
    assert open_llm(preset.llm).simulated
    assert open_tts(preset.tts).simulated
    assert preset.stt["flush_delay_ms"] == "75"
    assert preset.llm["first_token"] == "120"
    assert preset.tts["first_audio"] == "60"


def test_changes_go_over_the_file_and_options_over_changes(tmp_path: Path) -> None:
    path = write(tmp_path, "mode: batch\nshadow: [vad:600]\nturn: {take_back_s: 0.1}\n")
    preset = read_preset(
        path,
        ["mode=streaming", "turn.take_back_s=0.5", "server.port=9000"],
        {"server.port": 0, "shadow": ["vad:1000"], "bundle": "a: strange, path"},
    )
    assert preset.name == "mine"
    assert preset.mode == "streaming"
    assert preset.turn.take_back_s == 0.5
    assert preset.server.port == 0
    assert preset.shadow == ("vad:1000",)
    assert preset.bundle == "a: strange, path"


def test_a_policy_is_a_name_or_numbers() -> None:
    assert read_preset(overrides=["policy=FC@300"]).policy == "FC@300"
    assert read_preset(values={"policy": "L@5%"}).policy == "L@5%"
    numbers = read_preset(overrides=["policy.threshold=0.4"]).policy
    assert numbers == Policy(threshold=0.4)
    shipped = open_detector("default", 16_000)
    assert "FC@300" in shipped.frozen_policies  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("mode=fast", "mode"),
        ("stt=3", "stt"),
        ("stt.kind=null", "stt.kind"),
        ("name=../up", "name"),
        ("shadow=vad", "shadow"),
        ("policy.threshold=3", "policy threshold"),
        ("policy.treshold=0.3", "policy.treshold"),
        ("sever.port=1", "sever"),
        ("server.prot=1", "server.prot"),
        ("server.port=x", "server.port"),
        ("server.limits.calls=0", "server.limits.calls"),
        ("server.webrtc.bit_rate=1", "webrtc.bit_rate"),
        ("limits.duration_s=0", "limits.duration_s"),
        ("turn.take_back_s=9", "turn.take_back_s"),
        ("conversation.system=''", "conversation.system"),
    ],
)
def test_what_does_not_fit_is_named(override: str, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_preset(overrides=[override])
    assert key in str(caught.value)


SECRETS = [
    "sk-abcdefgh12345678",
    "sk-proj-abcdefgh_12345678",
    "hf_abcdefghijklmnopqrst",
    "ghp_abcdefghijklmnopqrstuvwx",
    "AKIAABCDEFGHIJKLMNOP",
    "gsk_abcdefghijklmnopqrstuvwx",
    "Bearer abc",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
    "https://me:word@example.org/v1",
    "0123456789abcdef0123456789abcdef",
    "-----BEGIN PRIVATE KEY-----",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_in_plain_sight_are_refused_unseen(secret: str) -> None:
    for key in ("llm.model", "llm.api_key_env", "conversation.system", "stt.extra.header"):
        with pytest.raises(ConfigError) as caught:
            read_preset(values={key: secret})
        assert key in str(caught.value)
        assert secret not in str(caught.value)
    with pytest.raises(ConfigError, match=r"server\.ice_servers\.0\.credential_env"):
        read_preset(values={"server.ice_servers": [{"urls": [], "credential_env": secret}]})


@pytest.mark.parametrize(
    "name", ["api_key", "key", "token", "secret", "password", "access_token", "openai_api_key"]
)
def test_places_for_secrets_are_refused_whatever_is_in_them(name: str) -> None:
    for value in ("northwind", 12345):
        with pytest.raises(ConfigError, match=f"tts.{name}.*_env") as caught:
            read_preset(values={f"tts.{name}": value})
        assert str(value) not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        "meta-llama/Llama-3.1-8B-Instruct-AWQ-INT4-and-more",
        "task-completion-model",
        "smollm2-135m-instruct-q4-1",
        "http://127.0.0.1:8000/v1",
        "You are a friendly assistant. Bearers carry things.",
        "models/a-rather-long-name-of-a-voice-2024.onnx",
        75,
        None,
        True,
    ],
)
def test_harmless_values_pass(value: Any) -> None:
    assert read_preset(values={"llm.model": value, "llm.max_tokens": 60}).llm["model"] == value


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda below: st.lists(below) | st.dictionaries(st.text(), below),
    )
)
def test_no_content_makes_the_search_for_secrets_stumble(content: Any) -> None:
    with suppress(ConfigError):
        refuse_secrets({"a": content})


def test_files_and_names_that_are_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        read_preset(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="embedded") as caught:
        read_preset("remoat")
    assert all(name in str(caught.value) for name in shipped_presets())
    with pytest.raises(ConfigError, match="not YAML"):
        read_preset(write(tmp_path, "a: [1"))
    with pytest.raises(ConfigError, match="expected keys and values"):
        read_preset(write(tmp_path, "- 1"))
