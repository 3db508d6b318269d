"""Whisper's spectrogram: as transformers computes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.speech import talk
from turnkit.audio import Samples
from turnkit.whisper import HOP, N_MELS, SAMPLE_RATE, last_window, whisper_log_mel


@pytest.fixture(scope="module")
def oracle() -> Any:
    import transformers

    make: Any = transformers.WhisperFeatureExtractor
    return make(chunk_length=8)


def reference(oracle: Any, window: Samples) -> Any:
    features = oracle(
        window, sampling_rate=SAMPLE_RATE, return_tensors="np", padding="max_length",
        max_length=8 * SAMPLE_RATE, truncation=True, do_normalize=True,
    )  # fmt: skip
    return features.input_features[0]


SIGNALS = {
    "speech": talk(-0.5, 2.0, -0.7, 3.0, -1.8),
    "speech after padding": talk(1.0, -0.5, 1.0, -0.2),
    "loud noise": np.random.default_rng(0).standard_normal(8 * SAMPLE_RATE).astype(np.float32),
    "quiet": (1e-4 * np.random.default_rng(0).standard_normal(9 * SAMPLE_RATE)).astype(np.float32),
}


@pytest.mark.parametrize("name", SIGNALS)
def test_as_transformers(oracle: Any, name: str) -> None:
    window = last_window(SIGNALS[name], 8.0)
    ours = whisper_log_mel(window)
    assert ours.shape == (N_MELS, 8 * SAMPLE_RATE // HOP)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, reference(oracle, window), atol=1e-3)


@pytest.mark.parametrize("n_mels", [80, 128])
def test_as_whisper_itself_hears_it(n_mels: int) -> None:
    import transformers

    make: Any = transformers.WhisperFeatureExtractor
    window = last_window(SIGNALS["speech"], 8.0)
    theirs = make(chunk_length=8, feature_size=n_mels)(
        window, sampling_rate=SAMPLE_RATE, return_tensors="np"
    ).input_features[0]
    ours = whisper_log_mel(window, n_mels=n_mels, standardize=False)
    assert ours.shape == (n_mels, 8 * SAMPLE_RATE // HOP)
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_silence_is_finite() -> None:
    assert np.isfinite(whisper_log_mel(np.zeros(8 * SAMPLE_RATE, np.float32))).all()


@pytest.mark.parametrize("n", [0, 1, 100, SAMPLE_RATE, 2 * SAMPLE_RATE, 5 * SAMPLE_RATE])
def test_now_is_at_the_right_edge(n: int) -> None:
    audio = np.arange(1, n + 1, dtype=np.float32)
    window = last_window(audio, 2.0)
    assert len(window) == 2 * SAMPLE_RATE
    there = min(n, 2 * SAMPLE_RATE)
    np.testing.assert_array_equal(window[len(window) - there :], audio[n - there :])
    assert not window[: len(window) - there].any()
