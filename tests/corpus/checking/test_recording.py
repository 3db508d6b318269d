from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
import soundfile

from tests.speech import talk
from turnkit.audio import Samples, resample
from turnkit.augment import mu_law
from turnkit.corpus.checking.recording import (
    dead_channels,
    flat_tops,
    gaps_in_speech,
    upsampled_from,
)
from turnkit.corpus.schema import Span, Turn


def hiss(seconds: float = 2.0, rate: int = 16_000, tilt: float = 0.0) -> Samples:
    """Broad noise that swells like syllables; `tilt` in dB an octave."""
    rng = np.random.default_rng(0)
    n = round(seconds * rate)
    spectrum = np.fft.rfft(rng.normal(size=n))
    hz = np.maximum(np.fft.rfftfreq(n, 1 / rate), 100.0)
    x = np.fft.irfft(spectrum * (hz / 100.0) ** (tilt / 6.02), n)
    x *= np.sin(np.arange(n) / rate * 2 * np.pi * 2.0) ** 2
    return np.asarray(0.3 * x / np.abs(x).max(), dtype=np.float32)


def sixteen_bits(samples: Samples) -> Samples:
    return (np.round(samples * 32767) / 32768).astype(np.float32)


@pytest.mark.parametrize(
    ("low", "high"), [(8_000, 16_000), (8_000, 44_100), (16_000, 48_000), (22_050, 48_000)]
)
def test_a_rate_that_was_raised_is_seen(low: int, high: int) -> None:
    raised = sixteen_bits(resample(hiss(rate=low), low, high))
    assert upsampled_from(raised, high) == low


def test_a_telephone_call_at_16_khz_is_seen() -> None:
    call = resample(mu_law(talk(2.0, -0.5, rate=8_000)), 8_000, 16_000)
    assert upsampled_from(sixteen_bits(call), 16_000) == 8_000


@pytest.mark.parametrize("tilt", [0.0, -6.0, -12.0])
@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_what_is_wide_is_left_alone_however_dull(rate: int, tilt: float) -> None:
    assert upsampled_from(sixteen_bits(hiss(rate=rate, tilt=tilt)), rate) is None


def test_speech_made_at_its_own_rate_is_left_alone() -> None:
    assert upsampled_from(talk(2.0, -1.0), 16_000) is None


@pytest.mark.parametrize("samples", [np.zeros(16_000), np.zeros(0), np.full(300, 0.1)])
def test_nothing_to_hear_says_nothing(samples: np.ndarray) -> None:
    assert upsampled_from(samples.astype(np.float32), 16_000) is None
    assert flat_tops(0.01 * samples.astype(np.float32)) == 0.0


def sound(*channels: Samples) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.column_stack(channels), 16_000, format="FLAC")
    return file.getvalue()


@pytest.mark.parametrize("wrap", [lambda data: data, lambda data: {"bytes": data, "path": None}])
def test_a_channel_without_sound_is_seen(wrap: Callable[[bytes], object]) -> None:
    voice, nothing = hiss(), np.zeros(32_000, np.float32)
    assert dead_channels(wrap(sound(voice, nothing))) == (1,)
    assert dead_channels(wrap(sound(nothing + 3e-5, voice))) == (0,)
    assert dead_channels(wrap(sound(voice, voice * 0.1))) == ()
    assert dead_channels(wrap(sound(nothing))) == ()


@pytest.mark.parametrize("audio", [None, b"no sound", {"bytes": None, "path": "/nowhere.wav"}])
def test_what_cannot_be_decoded_has_no_channels(audio: object) -> None:
    assert dead_channels(audio) == ()


def test_zeros_in_speech_are_gaps_and_in_silence_are_not() -> None:
    x = talk(2.0, -1.0).copy()
    turn = Turn("a", "en", "s", x, 16_000, (Span(2.0, 3.0),))
    assert gaps_in_speech(turn) == ()
    x[16_000:16_800] = 0.0  # 50 ms
    x[24_000:24_200] = 0.0  # 12 ms: shorter than a packet
    x[34_000:40_000] = 0.0
    (gap,) = gaps_in_speech(turn)
    assert gap == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("gain", [1.0, 0.3])
def test_clipping_is_seen_after_a_change_of_level_too(gain: float) -> None:
    loud = np.clip(talk(2.0) * 8.0, -1.0, 1.0) * gain
    assert flat_tops(loud) > 0.01
    assert flat_tops(talk(2.0) * gain) < 1e-3
    assert flat_tops(mu_law(talk(2.0)) * gain) < 1e-3
    tone = np.sin(2 * np.pi * 220.0 * np.arange(32_000) / 16_000).astype(np.float32)
    assert flat_tops(gain * tone) < 0.05
