"""Causal log-mel and prosody, one frame every 20 ms, streaming and whole-file alike.

There is one function, `extract(samples, state)`: a whole file is a fresh state given
everything at once. Frame `t` is made of samples before ``(t + 1) * hop`` and of nothing
later.

Columns of a frame: two log-mel spectra (10 ms apart), then `PROSODY`.

Sources: the Slaney mel scale as in librosa; F0 and voicing by autocorrelation divided by
that of the window (Boersma 1993, IFA Proceedings 17); tilt as the slope of the log-mel
spectrum; speaking rate as the rate of energy onsets (after Pfau & Ruske 1998).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turnkit.audio import Samples
from turnkit.errors import ConfigError

Frames = NDArray[np.float32]

FRAME_S = 0.02
"""Seconds from one frame to the next."""

SPECTRUM_S = 0.01
"""Seconds from one spectrum to the next: two to a frame."""

WINDOW_S = 0.032
"""Length in seconds of a spectral window, which ends where its 10 ms step ends."""

PITCH_WINDOW_S = 0.04
"""Length in seconds of the pitch window: two and a half periods of the lowest F0."""

F0_RANGE_HZ = (62.5, 400.0)
"""Search range of F0."""

LAG_RATE = 16_000
"""Lags of the pitch search a second, whatever the sample rate: at 8 kHz a period between
two samples would correlate less than two periods do, and be heard an octave low."""

TELEPHONE_HZ = 3_800.0
"""Upper edge of the filter bank in band-limited mode: what an 8 kHz line carries."""

POWER_FLOOR = 1e-9
"""Mel power below which nothing is told apart: 16-bit quantisation noise lies near it."""

PROSODY = ("energy", "energy below peak", "voicing", "log F0", "F0 slope", "tilt", "onset rate")
"""Names of the prosody columns.

energy: log10 power / 4, so that -40 dB is -1. energy below peak: the same against a
slowly falling peak. voicing: 0 .. 1. log F0: octaves from the speaker's running mean, 0
where unvoiced. F0 slope: octaves per 0.1 s over voiced frames, 0 elsewhere. tilt: log10
power per filter, scaled by the number of filters. onset rate: energy rises of 6 dB per
second, over about the last second.
"""


@dataclass(frozen=True, slots=True)
class FeatureConfig:
    """What the frontend computes.

    Attributes
    ----------
    sample_rate : int
        8000 or 16000 Hz; audio at other rates is resampled before it gets here.
    n_mels : int
        Filters of one spectrum.
    band_limited : bool
        End the filter bank at `TELEPHONE_HZ`, so that a telephone line gives nearly the
        same columns at 8 kHz and brought to 16 kHz. Must be true at 8000 Hz.

    Raises
    ------
    ConfigError
        If a value does not fit.
    """

    sample_rate: int = 8_000
    n_mels: int = 40
    band_limited: bool = True

    def __post_init__(self) -> None:
        if self.sample_rate not in (8_000, 16_000):
            raise ConfigError(f"features sample_rate {self.sample_rate!r}: expected 8000 or 16000")
        if not 8 <= self.n_mels <= 128:
            raise ConfigError(f"features n_mels {self.n_mels!r}: expected 8 .. 128")
        if self.sample_rate == 8_000 and not self.band_limited:
            raise ConfigError(
                "features band_limited false: 8000 Hz carries only the telephone band"
            )

    @property
    def hop(self) -> int:
        """Samples from one frame to the next."""
        return round(FRAME_S * self.sample_rate)

    @property
    def width(self) -> int:
        """Columns of a frame."""
        return 2 * self.n_mels + len(PROSODY)

    @property
    def top_hz(self) -> float:
        """Upper edge of the filter bank."""
        return TELEPHONE_HZ if self.band_limited else self.sample_rate / 2

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


@dataclass(slots=True)
class FeatureState:
    """What the frontend remembers between calls."""

    tail: Samples = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    started: bool = False
    peak: float = -8.0
    mean_log_f0: float = math.log2(150.0)
    voiced_frames: int = 0
    recent_log_f0: tuple[float, ...] = (math.nan,) * 5
    low_energy: float = math.inf
    rising: bool = False
    onset_rate: float = 0.0


def mel_from_hz(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slaney's mel scale: linear below 1 kHz, logarithmic above."""
    linear = hz * 3.0 / 200.0
    log = 15.0 + np.log(np.maximum(hz, 1e-9) / 1_000.0) * 27.0 / math.log(6.4)
    return np.where(hz >= 1_000.0, log, linear)


def hz_from_mel(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse of `mel_from_hz`."""
    return np.where(
        mel >= 15.0, 1_000.0 * np.exp((mel - 15.0) * math.log(6.4) / 27.0), mel * 200.0 / 3.0
    )


@lru_cache(maxsize=8)
def mel_filters(sample_rate: int, n_fft: int, n_mels: int, top_hz: float) -> NDArray[np.float64]:
    """Triangular filters of unit area, as ``librosa.filters.mel`` makes them.

    Returns
    -------
    ndarray, shape (n_fft // 2 + 1, n_mels)
    """
    edges = hz_from_mel(np.linspace(0.0, float(mel_from_hz(np.array(top_hz))), n_mels + 2))
    bins = np.linspace(0.0, sample_rate / 2, n_fft // 2 + 1)[:, None]
    up = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    down = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.maximum(0.0, np.minimum(up, down)) * 2.0 / (edges[2:] - edges[:-2])


def hann(length: int) -> NDArray[np.float64]:
    """Periodic Hann window."""
    return 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / length)


@dataclass(frozen=True, slots=True)
class _Plan:
    """Constants of one configuration."""

    window: NDArray[np.float32]
    filters: NDArray[np.float32]
    pitch_window: NDArray[np.float32]
    pitch_fft: int
    pitch_lags: int
    lags: tuple[int, int]
    unbias: NDArray[np.float32]


@lru_cache(maxsize=8)
def _plan(config: FeatureConfig) -> _Plan:
    rate = config.sample_rate
    length = round(WINDOW_S * rate)
    # Power of a full-scale sine is 1/2 whatever the window's length.
    scale = 2.0 / hann(length).sum() ** 2
    filters = mel_filters(rate, length, config.n_mels, config.top_hz)
    filters = filters / np.maximum(filters.sum(axis=0, keepdims=True), 1e-12) * scale
    pitch = round(PITCH_WINDOW_S * rate)
    n_fft = 1 << (2 * pitch - 1).bit_length()
    pitch_window = hann(pitch)
    n_lags = n_fft * LAG_RATE // rate
    own = np.fft.irfft(np.abs(np.fft.rfft(pitch_window, n_fft)) ** 2, n_lags)
    lags = (math.floor(LAG_RATE / F0_RANGE_HZ[1]), math.ceil(LAG_RATE / F0_RANGE_HZ[0]))
    return _Plan(
        window=hann(length).astype(np.float32),
        filters=filters.astype(np.float32),
        pitch_window=pitch_window.astype(np.float32),
        pitch_fft=n_fft,
        pitch_lags=n_lags,
        lags=lags,
        unbias=(own[0] / own[lags[0] - 1 : lags[1] + 2]).astype(np.float32),
    )


def _log_mel(audio: Samples, n: int, context: int, config: FeatureConfig) -> Frames:
    """Log-mel spectra, shape (2 n, n_mels), of `audio` that begins `context` samples early."""
    plan = _plan(config)
    step, length = config.hop // 2, len(plan.window)
    windows = np.lib.stride_tricks.sliding_window_view(audio[context + step - length :], length)
    spectrum = np.fft.rfft(windows[: 2 * n * step : step] * plan.window)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32) @ plan.filters
    return np.asarray(np.log10(np.maximum(power, POWER_FLOOR)), dtype=np.float32)


def _pitch(audio: Samples, n: int, context: int, config: FeatureConfig) -> tuple[Frames, Frames]:
    """F0 in Hz and voicing (0 .. 1), shapes (n,)."""
    plan = _plan(config)
    hop, length = config.hop, len(plan.pitch_window)
    windows = np.lib.stride_tricks.sliding_window_view(audio[context + hop - length :], length)
    frames = windows[: n * hop : hop]
    centred = (frames - frames.mean(axis=1, keepdims=True)) * plan.pitch_window
    spectrum = np.fft.rfft(centred, plan.pitch_fft)
    correlation = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, plan.pitch_lags)
    low, high = plan.lags
    floor = len(plan.window) * POWER_FLOOR * config.sample_rate / LAG_RATE
    energy = correlation[:, :1] + floor
    peaks = correlation[:, low - 1 : high + 2] / energy * plan.unbias
    # A small cost per octave of lag keeps the first of equal peaks (Boersma 1993, eq. 24).
    lag = np.arange(low, high + 1)
    best = np.argmax(peaks[:, 1:-1] - 0.03 * np.log2(lag), axis=1)
    row = np.arange(n)
    left, centre, right = peaks[row, best], peaks[row, best + 1], peaks[row, best + 2]
    bend = np.minimum(left - 2.0 * centre + right, -1e-6)
    shift = np.clip(0.5 * (left - right) / bend, -0.5, 0.5)
    f0 = LAG_RATE / (lag[best] + shift)
    return f0.astype(np.float32), np.clip(centre, 0.0, 1.0).astype(np.float32)


VOICED = 0.5
"""Voicing above which a frame's F0 is believed."""

_PEAK_FALL = 0.1 * FRAME_S
"""Fall of the energy peak per frame: 1 dB a second, in log10 power."""


def _follow(state: FeatureState, energy: float, f0: float, voicing: float) -> list[float]:
    """Prosody columns that need memory: below peak, log F0, slope, onset rate."""
    state.peak = max(energy, state.peak - _PEAK_FALL)
    voiced = voicing > VOICED and energy > state.peak - 3.5
    log_f0 = math.log2(f0) if voiced else math.nan
    relative = slope = 0.0
    if voiced:
        state.voiced_frames += 1
        weight = max(1.0 / (state.voiced_frames + 10), 0.005)
        state.mean_log_f0 += weight * (log_f0 - state.mean_log_f0)
        relative = log_f0 - state.mean_log_f0
        if not math.isnan(state.recent_log_f0[0]):
            slope = max(-0.5, min(0.5, log_f0 - state.recent_log_f0[0]))
    state.recent_log_f0 = (*state.recent_log_f0[1:], log_f0)
    state.low_energy = min(energy, state.low_energy + 5.0 * _PEAK_FALL)
    # A pause far below the peak is no syllable, however slowly the floor follows.
    audible = energy >= state.peak - 2.0
    onset = not state.rising and audible and energy > state.low_energy + 0.6
    if onset:
        state.rising = True
    elif energy < state.low_energy + 0.3 or not audible:
        state.rising = False
    state.onset_rate += FRAME_S * ((1.0 / FRAME_S if onset else 0.0) - state.onset_rate)
    return [(energy - state.peak) / 4.0, relative, slope, state.onset_rate / 4.0]


def extract(
    samples: Samples, state: FeatureState, config: FeatureConfig
) -> tuple[Frames, FeatureState]:
    """Frames that `samples` complete.

    Parameters
    ----------
    samples : ndarray of float32, shape (n,)
        At ``config.sample_rate``.
    state : FeatureState
        A fresh one at the start of a signal, else what the last call returned. It is
        updated in place.
    config : FeatureConfig

    Returns
    -------
    frames : ndarray of float32, shape (t, config.width)
        `t` is the number of hops that became complete.
    state : FeatureState
    """
    hop = config.hop
    context = max(round(WINDOW_S * config.sample_rate), round(PITCH_WINDOW_S * config.sample_rate))
    if not state.started:
        state.tail, state.started = np.zeros(context, dtype=np.float32), True
    audio = np.concatenate([state.tail, samples])
    n = (len(audio) - context) // hop
    if n == 0:
        state.tail = audio
        return np.zeros((0, config.width), dtype=np.float32), state
    mel = _log_mel(audio, n, context, config)
    f0, voicing = _pitch(audio, n, context, config)
    frames = np.empty((n, config.width), dtype=np.float32)
    bands = 2 * config.n_mels
    frames[:, :bands] = mel.reshape(n, bands) / 4.0 + 1.0
    body = audio[context : context + n * hop].reshape(n, hop)
    energy = np.log10(np.einsum("ij,ij->i", body, body) / hop + POWER_FLOOR)
    position = np.arange(config.n_mels) - (config.n_mels - 1) / 2
    tilt = mel[1::2] @ (position * config.n_mels / (position @ position)).astype(np.float32)
    followed = np.array(
        [
            _follow(state, *row)
            for row in zip(energy.tolist(), f0.tolist(), voicing.tolist(), strict=True)
        ]
    )
    frames[:, bands] = energy / 4.0
    frames[:, bands + 1] = followed[:, 0]
    frames[:, bands + 2] = voicing
    frames[:, bands + 3 : bands + 5] = followed[:, 1:3]
    frames[:, bands + 5] = tilt / 4.0
    frames[:, bands + 6] = followed[:, 3]
    state.tail = audio[n * hop :]
    return frames, state
