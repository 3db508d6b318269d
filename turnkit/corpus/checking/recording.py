"""Faults of a recording that its samples show: its rate, its channels, gaps in it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turnkit.audio import Samples
from turnkit.corpus.checking.turns import DEAD_DBFS
from turnkit.corpus.schema import Turn
from turnkit.timing import to_samples

CUTOFFS_HZ = (4_000.0, 8_000.0, 11_025.0, 12_000.0)
"""Half of the rates from which recordings are brought to a higher one."""

DROP_DB = 30.0
"""Fall of the spectrum over a cutoff that no voice or microphone makes by itself."""

BELOW = (0.7, 0.9)
ABOVE = (1.12, 1.4)
"""Bands compared, in multiples of the cutoff: the filter's slope lies between them."""

LOUD_SHARE = 0.95
"""Quantile over frames: the loudest of each band, so that fricatives count."""

GAP_S = 0.03
"""Exact zeros in the middle of speech that last so long are lost packets or a torn file."""

NEAR_S = 0.05
"""Where sound must be on both sides of a gap."""

_SAME = 1e-3
_FLAT = 4
"""Samples in a row within that share of the peak: a wave has rounder tops."""

_WINDOW = 512
_MOST_FRAMES = 2_000


def upsampled_from(samples: Samples, rate: int) -> int | None:
    """Rate in Hz that a recording really was made at, where it was lower than it says.

    The spectrum of what was brought from a lower rate to a higher one falls off a cliff
    at half of the lower one.

    Parameters
    ----------
    samples : ndarray of float32, shape (n,)
    rate : int
        In Hz, as the file says.

    Returns
    -------
    int or None
        None where there is no cliff, or where the recording is too short or too quiet.
    """
    if len(samples) < 4 * _WINDOW:
        return None
    spectrum = _loud_spectrum(samples)
    hz = np.arange(len(spectrum)) * rate / _WINDOW
    for cutoff in CUTOFFS_HZ:
        if ABOVE[1] * cutoff > rate / 2:
            return None
        below, above = (
            spectrum[(hz >= low * cutoff) & (hz < high * cutoff)].mean()
            for low, high in (BELOW, ABOVE)
        )
        # A band that is empty below the cutoff as well says nothing.
        if below > 10 * _QUIET and 10 * np.log10(below / max(above, _QUIET)) > DROP_DB:
            return int(2 * cutoff)
    return None


_QUIET = (2.0**-15) ** 2 / 12 * _WINDOW * 0.375
"""Power of the rounding noise of 16 bits in a bin of a Hann window."""


def _loud_spectrum(samples: Samples) -> NDArray[np.float64]:
    step = max(_WINDOW // 2, len(samples) // _MOST_FRAMES)
    frames = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::step]
    power = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW))) ** 2
    return np.asarray(np.quantile(power, LOUD_SHARE, axis=0))


def dead_channels(audio: Any) -> tuple[int, ...]:
    """Channels of a recording with several that never rise above `DEAD_DBFS`.

    Channels are averaged when a row is read, so that one without sound halves the voice.

    Parameters
    ----------
    audio : mapping or path or bytes
        As a corpus holds it, not decoded.

    Returns
    -------
    tuple of int
        Counted from 0; empty for one channel, and where it cannot be decoded.
    """
    import soundfile

    source = audio
    if isinstance(audio, Mapping):
        source = audio.get("bytes") or audio.get("path")
    if isinstance(source, str):
        source = Path(source)
    if not isinstance(source, bytes | Path):
        return ()
    try:
        with soundfile.SoundFile(io.BytesIO(source) if isinstance(source, bytes) else source) as f:
            if f.channels < 2:
                return ()
            data = f.read(dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError, TypeError):
        return ()  # `parse_row` says what is wrong with it
    peaks = np.abs(data).max(axis=0, initial=0.0)
    return tuple(int(k) for k in np.flatnonzero(peaks < 10 ** (DEAD_DBFS / 20)))


def gaps_in_speech(turn: Turn) -> tuple[float, ...]:
    """Seconds at which exact zeros break into speech.

    Parameters
    ----------
    turn : Turn

    Returns
    -------
    tuple of float
        Start of each gap of `GAP_S` or longer that lies outside the silence spans, sound
        on both sides.
    """
    zero = np.r_[False, turn.samples == 0.0, False]
    edges = np.flatnonzero(np.diff(zero.astype(np.int8)))
    begins, ends = edges[::2], edges[1::2]
    rate, near = turn.sample_rate, to_samples(NEAR_S, turn.sample_rate)
    found = []
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        if end - begin < GAP_S * rate or begin < near or end + near > len(turn.samples):
            continue
        a, b = begin / rate, end / rate
        in_span = any(span.start - NEAR_S < b and a < span.end + NEAR_S for span in turn.spans)
        sides = turn.samples[begin - near : begin], turn.samples[end : end + near]
        if not in_span and min(float(np.abs(side).max()) for side in sides) > 10 ** (-40 / 20):
            found.append(a)
    return tuple(found)


def flat_tops(samples: Samples) -> float:
    """Share of samples that lie in flat tops at the loudest level of the recording.

    Unlike full scale, this shows clipping that came before a change of level.

    Parameters
    ----------
    samples : ndarray of float32, shape (n,)

    Returns
    -------
    float
        In 0 .. 1.
    """
    share = 0.0
    for side in (samples, -samples):
        peak = float(side.max(initial=0.0))
        if peak < 10 ** (-30 / 20):  # the steps of 16 bits are wide by then
            continue
        top = np.r_[False, side > peak - _SAME * peak, False]
        edges = np.flatnonzero(np.diff(top.astype(np.int8)))
        lengths = edges[1::2] - edges[::2]
        share += float(lengths[lengths >= _FLAT].sum()) / len(samples)
    return share
