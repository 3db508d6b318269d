"""Features: streaming equals whole, causal, and like librosa's."""

from __future__ import annotations

import math
from typing import Any

import librosa
import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from turnkit.audio import Samples, resample
from turnkit.errors import ConfigError
from turnkit.features import (
    F0_RANGE_HZ,
    POWER_FLOOR,
    PROSODY,
    TELEPHONE_HZ,
    VOICED,
    FeatureConfig,
    FeatureState,
    Frames,
    extract,
    hz_from_mel,
    mel_filters,
    mel_from_hz,
)

NARROW = FeatureConfig(8_000)
WIDE = FeatureConfig(16_000)
OPEN = FeatureConfig(16_000, n_mels=64, band_limited=False)
CONFIGS = [NARROW, WIDE, OPEN]

rates = pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.sample_rate}-{c.n_mels}")


def tone(f0: Any, rate: int, seconds: float = 1.0, seed: int = 0, noise: float = 1e-3) -> Samples:
    """Harmonics that fall 6 dB an octave, of a fixed or gliding F0."""
    n = round(seconds * rate)
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(f0, n)) / rate
    top = math.floor(0.95 * TELEPHONE_HZ / np.max(f0))
    x = sum(np.cos(k * phase + 0.7 * k) / k for k in range(1, top + 1))
    x = 0.1 * x / np.abs(x).max() + noise * np.random.default_rng(seed).standard_normal(n)
    return np.asarray(x, dtype=np.float32)


def lively(rate: int, seconds: float = 3.0, seed: int = 0) -> Samples:
    """Gliding tone in bursts over a floor: something in every column."""
    n = round(seconds * rate)
    time = np.arange(n) / rate
    loud = (np.sin(2 * np.pi * 1.7 * time) > -0.2) * (
        0.3 + 0.7 * np.sin(2 * np.pi * 0.4 * time) ** 2
    )
    x = tone(150 + 60 * np.sin(2 * np.pi * 0.9 * time), rate, seconds, seed, noise=0.0) * loud
    x = x + 1e-3 * np.random.default_rng(seed).standard_normal(n)
    return x.astype(np.float32)


def whole(samples: Samples, config: FeatureConfig) -> Frames:
    return extract(samples, FeatureState(), config)[0]


def chunked(samples: Samples, config: FeatureConfig, sizes: list[int]) -> Frames:
    state, parts, start = FeatureState(), [], 0
    for size in sizes:
        frames, state = extract(samples[start : start + size], state, config)
        parts.append(frames)
        start += size
    return np.concatenate(parts)


def column(frames: Frames, name: str) -> Frames:
    return frames[:, frames.shape[1] - len(PROSODY) + PROSODY.index(name)]


def f0_hz(frames: Frames) -> Frames:
    """F0 of voiced frames: the column is relative to a running mean, which is followed here."""
    mean, out = math.log2(150.0), []
    voiced = column(frames, "log F0") != 0
    for count, relative in enumerate(column(frames, "log F0")[voiced], start=1):
        weight = max(1.0 / (count + 10), 0.005)
        # relative = log_f0 - (mean + weight * (log_f0 - mean))
        log_f0 = relative / (1 - weight) + mean
        mean += weight * (log_f0 - mean)
        out.append(2.0**log_f0)
    return np.array(out, dtype=np.float32)


class TestStreaming:
    @rates
    @pytest.mark.parametrize("chunk", [1, 160, 513])
    def test_whole_equals_chunked(self, config: FeatureConfig, chunk: int) -> None:
        x = lively(config.sample_rate, 1.0 if chunk == 1 else 3.0)
        sizes = [chunk] * math.ceil(len(x) / chunk)
        frames = whole(x, config)
        assert frames.shape == (len(x) // config.hop, config.width)
        np.testing.assert_allclose(chunked(x, config, sizes), frames, atol=2e-4)

    @settings(max_examples=30)
    @given(st.lists(st.integers(0, 2_000), max_size=12))
    def test_any_chunks(self, sizes: list[int]) -> None:
        x = lively(8_000)[: sum(sizes)]
        sizes = [*sizes, 0]
        np.testing.assert_allclose(chunked(x, NARROW, sizes), whole(x, NARROW), atol=2e-4)

    @rates
    def test_future_changes_nothing(self, config: FeatureConfig) -> None:
        x = lively(config.sample_rate)
        for t in (1, 20, 77):
            now = t * config.hop
            changed = np.concatenate([x[:now], lively(config.sample_rate, seed=9)[now:]])
            np.testing.assert_allclose(whole(changed, config)[:t], whole(x, config)[:t], atol=1e-6)
            assert len(whole(x[:now], config)) == t
            assert len(whole(x[: now - 1], config)) == t - 1

    @rates
    def test_every_sample_of_a_frame_counts(self, config: FeatureConfig) -> None:
        """The newest samples are in the frame: nothing is looked at a window late."""
        x = lively(config.sample_rate)
        end = 60 * config.hop
        changed = x.copy()
        changed[end - config.hop // 4 : end] += 0.3
        before, after = whole(x[:end], config), whole(changed[:end], config)
        assert np.abs(after[-1] - before[-1]).max() > 0.1
        np.testing.assert_allclose(after[:-1], before[:-1], atol=1e-6)

    @rates
    @pytest.mark.parametrize("level", [0.0, 1e-7, 1.0])
    def test_extreme_levels_stay_finite(self, config: FeatureConfig, level: float) -> None:
        square = level * np.sign(np.sin(np.arange(16_000) / 9.0)).astype(np.float32)
        frames = whole(square, config)
        assert np.isfinite(frames).all()
        assert np.abs(frames).max() < 6


class TestMel:
    def test_scale_is_slaneys(self) -> None:
        hz = np.linspace(0, 11_000, 500)
        np.testing.assert_allclose(mel_from_hz(hz), librosa.hz_to_mel(hz), rtol=1e-12)
        np.testing.assert_allclose(hz_from_mel(mel_from_hz(hz)), hz, rtol=1e-12, atol=1e-9)

    @pytest.mark.parametrize(
        ("rate", "n_fft", "n_mels", "top"),
        [
            (8_000, 256, 40, 3_800.0),
            (16_000, 512, 40, 3_800.0),
            (16_000, 512, 64, 8_000.0),
            (16_000, 400, 80, 8_000.0),
        ],
    )
    def test_filters_are_librosas(self, rate: int, n_fft: int, n_mels: int, top: float) -> None:
        oracle = librosa.filters.mel(
            sr=rate, n_fft=n_fft, n_mels=n_mels, fmax=top, dtype=np.float64
        )
        np.testing.assert_allclose(
            mel_filters(rate, n_fft, n_mels, top), oracle.T, rtol=1e-9, atol=1e-15
        )

    @rates
    def test_frames_are_librosas(self, config: FeatureConfig) -> None:
        """librosa's filters have unit area and its power no scale; ours have unit sum, and a
        full-scale sine has power 1/2. Columns are log10 power / 4 + 1."""
        rate, bands = config.sample_rate, 2 * config.n_mels
        x = lively(rate)
        length, step = round(0.032 * rate), rate // 100
        power = librosa.feature.melspectrogram(
            y=np.concatenate([np.zeros(length - step), x]).astype(np.float32),
            sr=rate, n_fft=length, hop_length=step, window="hann", center=False, power=2.0,
            n_mels=config.n_mels, fmax=config.top_hz,
        )  # fmt: skip
        filters = librosa.filters.mel(
            sr=rate, n_fft=length, n_mels=config.n_mels, fmax=config.top_hz
        )
        window: Any = scipy.signal.get_window("hann", length)
        power = power / filters.sum(axis=1)[:, None] * 2.0 / window.sum() ** 2
        oracle = np.log10(np.maximum(power, POWER_FLOOR)).T / 4.0 + 1.0
        ours = whole(x, config)[:, :bands].reshape(-1, config.n_mels)
        np.testing.assert_allclose(ours, oracle[: len(ours)], atol=2e-4)

    @rates
    def test_full_scale_sine(self, config: FeatureConfig) -> None:
        hz = 1_000.0
        x = np.sin(2 * np.pi * hz * np.arange(config.sample_rate) / config.sample_rate)
        frames = whole(x.astype(np.float32), config)[5:]
        power = 10.0 ** (4.0 * (frames[:, : config.n_mels] - 1.0))
        # Its power is 1/2, spread over the few filters around 1 kHz.
        assert 0.1 < power.max(axis=1).mean() < 0.5
        assert 4.0 * column(frames, "energy").mean() == pytest.approx(math.log10(0.5), abs=1e-3)

    def test_narrow_and_wide_sources_look_alike(self) -> None:
        line = lively(8_000)
        narrow = whole(line, NARROW)
        wide = whole(resample(line, 8_000, 16_000), WIDE)
        # Filters are sampled at the same 31.25 Hz; only the top one feels the resampler.
        gap = np.abs(narrow - wide)
        assert np.median(gap) < 0.005
        assert np.percentile(gap[:, : 2 * NARROW.n_mels], 99) < 0.1
        for name in PROSODY:
            assert np.percentile(column(gap, name), 95) < 0.05, name
        both = (column(narrow, "log F0") != 0) & (column(wide, "log F0") != 0)
        assert both.sum() > 30
        assert np.percentile(column(gap, "log F0")[both], 90) < 0.02


class TestPitch:
    @pytest.mark.parametrize("config", [NARROW, WIDE], ids=["8000", "16000"])
    def test_every_f0(self, config: FeatureConfig) -> None:
        for f0 in np.unique(np.r_[80.0:350.1:5.0, 266.67, 301.9, 307.7, 333.3]):
            x = tone(f0, config.sample_rate)
            found = f0_hz(whole(x, config))
            assert len(found) >= 45, f0
            np.testing.assert_allclose(found[3:], f0, rtol=0.02, err_msg=f"F0 {f0}")

    @pytest.mark.parametrize("config", [NARROW, WIDE], ids=["8000", "16000"])
    def test_glide_against_librosa(self, config: FeatureConfig) -> None:
        rate = config.sample_rate
        n = 2 * rate
        x = tone(np.geomspace(110.0, 240.0, n), rate, 2.0)
        found = f0_hz(whole(x, config))
        # Only the first window lies half in the silence before the signal.
        assert len(found) == n // config.hop - 1
        length = round(0.04 * rate)
        oracle = librosa.yin(
            x, fmin=70, fmax=F0_RANGE_HZ[1], sr=rate, frame_length=length, hop_length=config.hop,
            center=False,
        )  # fmt: skip
        assert len(oracle) == len(found)
        np.testing.assert_allclose(found, oracle, rtol=0.02)

    @rates
    def test_noise_is_not_voiced(self, config: FeatureConfig) -> None:
        x = (0.05 * np.random.default_rng(1).standard_normal(3 * config.sample_rate)).astype("f4")
        frames = whole(x, config)
        assert column(frames, "voicing").max() < VOICED
        assert not column(frames, "log F0").any()
        assert not column(frames, "F0 slope").any()
        harmonic = whole(tone(170.0, config.sample_rate), config)
        assert column(harmonic, "voicing")[3:].min() > 0.9

    @rates
    def test_quiet_hum_far_below_the_peak_is_not_believed(self, config: FeatureConfig) -> None:
        loud, hum = tone(170.0, config.sample_rate), tone(100.0, config.sample_rate, noise=0.0)
        frames = whole(np.concatenate([loud, 0.01 * hum]), config)
        assert not column(frames, "log F0")[53:].any()

    @rates
    def test_slope_follows_the_glide(self, config: FeatureConfig) -> None:
        rate = config.sample_rate
        for octaves in (1.0, -1.0):
            f0 = 170.0 * 2.0 ** (octaves * np.linspace(-0.5, 0.5, rate))
            slope = column(whole(tone(f0, rate), config), "F0 slope")[10:]
            np.testing.assert_allclose(slope, octaves * 0.1, atol=0.03)


class TestEnergyAndTilt:
    @rates
    def test_energy_is_log_power(self, config: FeatureConfig) -> None:
        x = (0.1 * np.random.default_rng(0).standard_normal(config.sample_rate)).astype("f4")
        for gain in (1.0, 0.1):
            energy = column(whole(np.float32(gain) * x, config), "energy")
            assert 4 * energy.mean() == pytest.approx(math.log10((gain * 0.1) ** 2), abs=0.03)

    @rates
    def test_energy_below_peak_falls_after_speech(self, config: FeatureConfig) -> None:
        x = lively(config.sample_rate)
        below = column(whole(x, config), "energy below peak")
        assert below.max() <= 0
        assert below.min() < -0.3

    @rates
    def test_tilt_has_the_sign_of_the_spectrum(self, config: FeatureConfig) -> None:
        white = np.random.default_rng(0).standard_normal(config.sample_rate) * 0.03
        for filters, sign in (([1.0, -0.95], 1), ([1.0, 0.95], -1)):
            x: Any = scipy.signal.lfilter(filters, [1.0], white)
            assert np.median(sign * column(whole(x.astype(np.float32), config), "tilt")) > 0.01

    def test_onsets_are_counted(self) -> None:
        rate = 8_000
        time = np.arange(6 * rate) / rate
        for a_second in (2.0, 5.0):
            syllables = 0.2 * np.random.default_rng(0).standard_normal(len(time))
            gate = np.sin(2 * np.pi * a_second * time) > 0
            x = (syllables * np.where(gate, 1.0, 0.02)).astype(np.float32)
            onset_rate = 4.0 * column(whole(x, NARROW), "onset rate")[-100:]
            assert onset_rate.mean() == pytest.approx(a_second, rel=0.2)


class TestConfig:
    @pytest.mark.parametrize(
        ("values", "named"),
        [
            ({"sample_rate": 44_100}, "sample_rate 44100"),
            ({"n_mels": 7}, "n_mels 7"),
            ({"n_mels": 129}, "n_mels 129"),
            ({"sample_rate": 8_000, "band_limited": False}, "band_limited"),
        ],
    )
    def test_refused(self, values: dict[str, Any], named: str) -> None:
        with pytest.raises(ConfigError, match=named):
            FeatureConfig(**values)

    @rates
    def test_round_trip(self, config: FeatureConfig) -> None:
        assert FeatureConfig(**config.as_dict()) == config
        assert config.width == 2 * config.n_mels + len(PROSODY)
        assert config.hop == config.sample_rate // 50
