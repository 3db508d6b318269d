"""Breaths that are heard between chunks of speech.

Breath is noise of the same vocal tract as the speech: here white noise through three
resonances that scale with the speaker's formants. Drawn in, it swells until shortly before
the voice sets in, and is brighter; let out, it begins where the voice ends and dies away,
coloured as a whispered neutral vowel.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from turnkit.audio import Samples
from turnkit.corpus.pseudo_speakers import PseudoSpeaker
from turnkit.corpus.synthesis.prosody.vocoder import Floats
from turnkit.errors import InputError

SAMPLE_RATE = 16_000
"""Hz."""

SPEECH_DB = -23.0
"""Level of the speech that breaths are relative to: RMS where it is active, dBFS."""

_RESONANCES_HZ = {"in": (1_500.0, 2_600.0, 4_300.0), "out": (560.0, 1_450.0, 2_500.0)}
_WIDTH = 0.25
"""Half width of a resonance relative to its frequency."""

_BETWEEN_DB = -14.0
"""Power between resonances relative to their peaks."""

_SLOPE_DB = {"in": -1.0, "out": -4.0}
"""Per octave from 1 kHz, before the speaker's own tilt."""

_ATTACK = {"in": 0.7, "out": 0.1}
"""Part of the breath that is over when it is loudest."""


def breath(
    kind: Literal["in", "out"],
    seconds: float,
    sound: PseudoSpeaker,
    rng: np.random.Generator,
    relative_db: float = -30.0,
) -> Samples:
    """Make one breath.

    Parameters
    ----------
    kind : {"in", "out"}
        Before speech, or after it.
    seconds : float
        0 or more.
    sound : PseudoSpeaker
        Whose it is: formants and tilt are those of the speech.
    rng : numpy Generator
    relative_db : float
        Level (RMS) in dB relative to speech, which is at -23 dBFS.

    Returns
    -------
    ndarray of float32, shape (n,)
        16 kHz.

    Raises
    ------
    InputError
        If there is no such kind, or `seconds` is negative.
    """
    if kind not in _ATTACK:
        raise InputError(f"breath {kind!r}: expected 'in' or 'out'")
    if seconds < 0:
        raise InputError(f"breath of {seconds} s: expected 0 or more")
    n = round(seconds * SAMPLE_RATE)
    if not n:
        return np.zeros(0, dtype=np.float32)
    size = 1 << max(9, (n - 1).bit_length())
    spectrum = np.fft.rfft(rng.standard_normal(size))
    hertz: Floats = np.asarray(np.fft.rfftfreq(size, 1 / SAMPLE_RATE), dtype=np.float64)
    noise = np.fft.irfft(spectrum * _colour(kind, hertz, sound), size)[:n]
    noise *= _swell(n, _ATTACK[kind])
    level = float(np.sqrt(np.mean(noise**2)))
    gain = 10 ** ((SPEECH_DB + relative_db) / 20) / max(level, 1e-12)
    return (noise * gain).astype(np.float32)


def _colour(kind: str, hertz: Floats, sound: PseudoSpeaker) -> Floats:
    """Amplitude of each frequency."""
    power = np.full_like(hertz, 10 ** (_BETWEEN_DB / 10))
    for peak in _RESONANCES_HZ[kind]:
        centre = peak * sound.formants
        power += 1.0 / (1.0 + ((hertz - centre) / (_WIDTH * centre)) ** 2)
    octaves = np.log2(np.maximum(hertz, 100.0) / 1_000.0)
    slope = _SLOPE_DB[kind] + sound.tilt_db
    # the lowest frequencies of a breath hardly leave the mouth
    cut = (hertz / 200.0) ** 2 / (1.0 + (hertz / 200.0) ** 2)
    amplitude: Floats = np.sqrt(power) * 10 ** (slope * octaves / 20) * cut
    return amplitude


def _swell(n: int, attack: float) -> Floats:
    """Rise over the first `attack` of it and fall over the rest, softly."""
    at = (np.arange(n) + 0.5) / n
    rising = np.sin(0.5 * np.pi * np.minimum(at / attack, 1.0)) ** 2
    falling = np.cos(0.5 * np.pi * np.clip((at - attack) / (1.0 - attack), 0.0, 1.0)) ** 2
    return np.asarray(rising * falling, dtype=np.float64)
