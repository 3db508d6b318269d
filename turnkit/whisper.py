"""The log-mel spectrogram of Whisper over the last seconds, in numpy.

As ``transformers.WhisperFeatureExtractor`` computes it (Radford et al. 2023), with the
audio at the right end of the window: what lies before it is padded with zeros, so that
the last frame is always now.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from turnkit.audio import Samples
from turnkit.features import hann, mel_filters

SAMPLE_RATE = 16_000
"""Rate in Hz that Whisper encoders work at."""

N_FFT = 400
HOP = 160
N_MELS = 80


def last_window(audio: Samples, seconds: float) -> Samples:
    """Cut the last `seconds` of 16 kHz audio; zeros come first where it is shorter."""
    length = round(seconds * SAMPLE_RATE)
    recent = audio[-length:]
    return np.pad(recent, (length - len(recent), 0))


def whisper_log_mel(
    window: Samples, *, n_mels: int = N_MELS, standardize: bool = True
) -> NDArray[np.float32]:
    """Log-mel spectrogram of one window.

    Parameters
    ----------
    window : ndarray of float32, shape (n,)
        At 16 kHz; `n` a multiple of `HOP`.
    n_mels : int
        80, or 128 for Whisper large-v3 and its kin.
    standardize : bool
        Whether the window is brought to zero mean and unit variance first, as classifiers
        on Whisper encoders expect it; Whisper itself does not.

    Returns
    -------
    ndarray of float32, shape (n_mels, n / HOP)
    """
    if standardize:
        window = (window - window.mean()) / np.sqrt(window.var() + 1e-7)
    padded = np.pad(window, N_FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP]
    spectrum = np.fft.rfft(frames[: len(window) // HOP] * hann(N_FFT).astype(np.float32))
    power = spectrum.real**2 + spectrum.imag**2
    filters = mel_filters(SAMPLE_RATE, N_FFT, n_mels, SAMPLE_RATE / 2)
    log = np.log10(np.maximum(power @ filters.astype(np.float32), 1e-10)).T
    return np.asarray((np.maximum(log, log.max() - 8.0) + 4.0) / 4.0, dtype=np.float32)
