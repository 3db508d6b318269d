"""What a voice is, how one is opened by name, and the level that all speak at."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Protocol

import numpy as np

from turnkit.audio import Samples
from turnkit.errors import ConfigError, InputError
from turnkit.stages.tts.piper import Speech

ACTIVE_DB = -23.0
"""Level of the speech in dB below full scale, pauses left out."""

LENGTH_SCALES = (0.5, 2.0)
"""Least and greatest `length_scale` that every voice takes."""

_MARGIN_DB = 15.9
_FRAME_S = 0.02
_PEAK = 0.99

KINDS = ("piper", "kokoro", "espeak", "plugin")
"""First part of a voice's name."""


class Voice(Protocol):
    """Somebody who can say a text.

    Attributes
    ----------
    name : str
        As `open_voice` takes it.
    accent : str
        Of English: ``us``, ``gb``, ``gb-scotland``, ...
    """

    name: str
    accent: str

    def speak(self, text: str, length_scale: float = 1.0) -> Speech:
        """Say `text`; the same arguments give the same samples in every process.

        Parameters
        ----------
        text : str
            Plain English; the punctuation at its end shapes the melody.
        length_scale : float
            Duration relative to the voice's own, within `LENGTH_SCALES`.

        Returns
        -------
        Speech
            At the voice's own rate and at `ACTIVE_DB`; ``words`` and ``phones`` are empty
            if the voice does not tell when it said what. Without samples if the text has
            nothing to say.

        Raises
        ------
        InputError
            If `length_scale` is out of range.
        """
        ...


@lru_cache(maxsize=64)
def open_voice(spec: str) -> Voice:
    """Open a voice, once in a process.

    Parameters
    ----------
    spec : str
        ``piper`` (the default voice), ``piper:FILE.onnx`` or ``piper:FILE.onnx#SPEAKER``,
        ``kokoro:NAME``, ``espeak:LANGUAGE`` or ``espeak:LANGUAGE+VARIANT``,
        ``plugin:NAME`` or ``plugin:NAME:ARGUMENTS`` (see `plugins`).

    Raises
    ------
    ConfigError
        If there is no such kind, or no such voice of its kind.
    MissingDependencyError, MissingAssetError
        If a package or file of the voice is missing.
    """
    kind, _, rest = spec.partition(":")
    if kind == "piper":
        from turnkit.corpus.synthesis.voices.piper import PiperVoice

        return PiperVoice(rest)
    if kind == "kokoro":
        from turnkit.corpus.synthesis.voices.kokoro import KokoroVoice

        return KokoroVoice(rest)
    if kind == "espeak":
        from turnkit.corpus.synthesis.voices.espeak import EspeakVoice

        return EspeakVoice(rest)
    if kind == "plugin":
        from turnkit.corpus.synthesis.voices.plugins import open_plugin

        return open_plugin(rest)
    raise _unknown(spec)


def voice_version(spec: str) -> str:
    """Tell what a voice's sound depends on: hash of its model, or version of its package.

    Parameters
    ----------
    spec : str
        As `open_voice` takes it; the voice is not opened.

    Raises
    ------
    ConfigError, MissingDependencyError, MissingAssetError
        As `open_voice`.
    """
    kind, _, rest = spec.partition(":")
    if kind == "piper":
        from turnkit.corpus.synthesis.voices.piper import piper_version

        return piper_version(rest)
    if kind == "kokoro":
        from turnkit.corpus.synthesis.voices.kokoro import kokoro_version

        return kokoro_version()
    if kind == "espeak":
        from turnkit.corpus.synthesis.voices.espeak import espeak_version

        return espeak_version()
    if kind == "plugin":
        from turnkit.corpus.synthesis.voices.plugins import plugin_version

        return plugin_version(rest)
    raise _unknown(spec)


def _unknown(spec: str) -> ConfigError:
    return ConfigError(f"voice {spec!r}: expected one that begins with {', '.join(KINDS)}")


def check_length_scale(length_scale: float) -> float:
    """Return `length_scale`, or raise `InputError` if no voice can speak so."""
    low, high = LENGTH_SCALES
    if not low <= length_scale <= high:
        raise InputError(f"length_scale={length_scale}: expected a number from {low:g} to {high:g}")
    return float(length_scale)


def active_level_db(samples: Samples, sample_rate: int) -> float:
    """Level of speech without its pauses.

    After the active speech level of ITU-T P.56: only what lies within 15.9 dB of the level
    itself counts. Here in frames of 20 ms instead of under an envelope.

    Parameters
    ----------
    samples : ndarray of float32, shape (n,)
    sample_rate : int
        Hz.

    Returns
    -------
    float
        Decibels below full scale; minus infinity if there is nothing.
    """
    frame = max(round(_FRAME_S * sample_rate), 1)
    whole = len(samples) // frame * frame
    framed = samples[:whole].astype(np.float64).reshape(-1, frame)
    power = np.sort((framed**2).mean(axis=1))[::-1]
    power = power[power > 0.0]
    if not len(power):
        return float("-inf")
    # mean of the loudest n frames, for each n: the level is the first that the next
    # frame lies too far below
    means = np.cumsum(power) / np.arange(1, len(power) + 1)
    active = power >= means * 10 ** (-_MARGIN_DB / 10)
    count = len(power) if active.all() else int(np.argmin(active))
    return float(10 * np.log10(means[count - 1]))


def levelled(speech: Speech) -> Speech:
    """Bring speech to `ACTIVE_DB`, or as near as its peaks allow."""
    level = active_level_db(speech.samples, speech.sample_rate)
    if not np.isfinite(level):
        return speech
    peak = float(np.abs(speech.samples).max())
    gain = min(10 ** ((ACTIVE_DB - level) / 20), _PEAK / peak)
    return replace(speech, samples=(speech.samples * gain).astype(np.float32))
