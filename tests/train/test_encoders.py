from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from turnkit.errors import ConfigError, MissingAssetError, OfflineError
from turnkit.model.encoder import SpeechEncoder
from turnkit.train.encoders import encoder_file
from turnkit.train.settings import EncoderSettings
from turnkit.whisper import last_window, whisper_log_mel

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def whisper_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import WhisperConfig, WhisperModel

    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=32,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_source_positions=200,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    folder = tmp_path_factory.mktemp("whisper")
    WhisperModel(config).save_pretrained(folder)
    return folder


def test_a_whisper_is_exported_once_and_hears_the_same(whisper_folder: Path) -> None:
    import torch
    from transformers import WhisperModel

    settings = EncoderSettings(source=str(whisper_folder), window_s=2.0)
    path = encoder_file(settings)
    made = path.stat().st_mtime_ns
    assert encoder_file(settings).stat().st_mtime_ns == made
    encoder = SpeechEncoder(path.read_bytes())
    assert encoder.window_s == 2.0
    audio = np.random.default_rng(0).normal(0, 0.1, 20_000).astype(np.float32)
    found = encoder.encode(audio)
    assert found.frames.shape == (100, 16)
    assert found.score == 0.5

    oracle: Any = WhisperModel.from_pretrained(whisper_folder).get_encoder().eval()
    mel = torch.from_numpy(whisper_log_mel(last_window(audio, 2.0)))[None]
    with torch.inference_mode():
        hidden = torch.nn.functional.gelu(oracle.conv1(mel))
        hidden = torch.nn.functional.gelu(oracle.conv2(hidden)).transpose(1, 2)
        hidden = hidden + oracle.embed_positions.weight[:100]
        for layer in oracle.layers:
            output = layer(hidden, attention_mask=None)
            hidden = output[0] if isinstance(output, tuple) else output
        expected = oracle.layer_norm(hidden)[0].numpy()
    np.testing.assert_allclose(found.frames, expected, atol=1e-4)


def test_a_window_longer_than_the_model_is_refused(whisper_folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"encoder.window_s 8: .* hears 4 s at most"):
        encoder_file(EncoderSettings(source=str(whisper_folder), window_s=8.0))


def test_another_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ConfigError, match="a bert with None mel bands: expected a Whisper"):
        encoder_file(EncoderSettings(source=str(tmp_path)))


def test_an_onnx_file_is_taken_as_it_is(tiny_encoder: Path) -> None:
    assert encoder_file(EncoderSettings(source=str(tiny_encoder))) == tiny_encoder


def test_what_is_nothing_is_named(tmp_path: Path) -> None:
    for source in ("nowhere.onnx", str(tmp_path / "none"), str(tmp_path)):
        with pytest.raises(ConfigError, match=r"encoder.source '.*expected 'smart-turn'"):
            encoder_file(EncoderSettings(source=source))


def test_a_hub_id_without_a_network_fails_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    # a port where nobody listens
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    started = time.monotonic()
    with pytest.raises(OfflineError, match=r"openai/whisper-none.*does not answer"):
        encoder_file(EncoderSettings(source="openai/whisper-none"))
    assert time.monotonic() - started < 30


def test_smart_turn_that_was_not_fetched_says_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TURNKIT_CACHE", str(tmp_path))
    monkeypatch.delenv("TURNKIT_SMART_TURN", raising=False)
    with pytest.raises(MissingAssetError, match="turnkit peers get smart-turn"):
        encoder_file(EncoderSettings())
