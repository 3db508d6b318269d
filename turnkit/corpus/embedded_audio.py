"""Audio of one embedded turn: chunks of speech, holds, and the floor that runs through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from turnkit.audio import resample
from turnkit.corpus.embedded_contours import draw_contour
from turnkit.corpus.embedded_text import Boundary, Chunk
from turnkit.corpus.pseudo_speakers import PseudoSpeaker
from turnkit.corpus.schema import MIN_SPAN_S, Span, Word
from turnkit.corpus.synthesis.prosody.contour import shape
from turnkit.stages.tts.piper import PiperTts

SAMPLE_RATE = 16_000
"""Hz."""

TAIL_S = (4.0, 4.6)
"""Seconds of floor after the end of speech, at least and at most: the protocol follows a
turn for 4 s."""

_LEAD_S = (0.25, 0.9)
_SILENT_DB = -32.0
"""A frame this far below the loud frames of its chunk is silence."""

_FRAME = SAMPLE_RATE // 100
_RELEASE = 2 * _FRAME
"""Samples over which what follows the last loud frame fades out."""

_LOWEST_FLOOR_DB = -72.0
"""About 8 steps of 16 bits: no quantised floor comes near a run of zeros."""

_PEAK = 0.98
_PUNCTUATION = {Boundary.STATEMENT: ".", Boundary.QUESTION: "?"}

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class RenderedTurn:
    """One turn as audio.

    Attributes
    ----------
    samples : ndarray of float32, shape (n,)
        16 kHz, in [-1, 1].
    spans : tuple of Span
        Silences of 0.1 s and more after the first word; the last is the end of turn.
    words : tuple of Word
        What is said when; empty if the voice does not tell.
    """

    samples: Samples
    spans: tuple[Span, ...]
    words: tuple[Word, ...]


def render_turn(
    chunks: Sequence[Chunk], speaker: PseudoSpeaker, voice: PiperTts, rng: np.random.Generator
) -> RenderedTurn:
    """Speak a planned turn.

    Parameters
    ----------
    chunks : sequence of Chunk
        The last one ends the turn.
    speaker : PseudoSpeaker
    voice : PiperTts
    rng : numpy Generator
        Draws contours, levels and noise.

    Raises
    ------
    MissingDependencyError
        If ``pyworld`` is not installed.
    """
    parts: list[Samples] = []
    spans: list[Span] = []
    words: list[Word] = []
    at = _samples(rng.uniform(*_LEAD_S))
    parts.append(np.zeros(at, dtype=np.float32))
    for chunk in chunks:
        said = _speak(chunk, speaker, voice, rng)
        begin, after = at / SAMPLE_RATE, at + len(said.samples)
        spans += [Span(begin + s.start, begin + s.end) for s in said.pauses]
        words += [Word(w.word, begin + w.start, begin + w.end) for w in said.words]
        pause = _samples(rng.uniform(*TAIL_S) if chunk.boundary.is_end else chunk.hold_s)
        parts += [said.samples, np.zeros(pause, dtype=np.float32)]
        at = after + pause
        spans.append(Span(after / SAMPLE_RATE, at / SAMPLE_RATE))
    clean = np.concatenate(parts)
    return RenderedTurn(_mixed(clean, speaker, rng), tuple(spans), tuple(words))


def noise_floor(
    n: int, colour: float, rng: np.random.Generator, drift_db: float = 1.5
) -> NDArray[np.float64]:
    """Coloured noise of unit power whose level drifts slowly.

    Parameters
    ----------
    n : int
        Number of samples at 16 kHz.
    colour : float
        Power falls with frequency to this power, from 60 Hz up.
    rng : numpy Generator
    drift_db : float
        Amplitude of the slower of two drifts; the other has half of it.
    """
    size = 1 << (n - 1).bit_length()
    spectrum = np.fft.rfft(rng.standard_normal(size))
    hertz = np.maximum(np.fft.rfftfreq(size, 1 / SAMPLE_RATE), 60.0)
    noise = np.fft.irfft(spectrum * hertz ** (-colour / 2), size)[:n]
    seconds = np.arange(n) / SAMPLE_RATE
    slow, fast = (
        np.sin(2 * np.pi * (seconds / rng.uniform(*period) + rng.random()))
        for period in ((7.0, 14.0), (2.0, 5.0))
    )
    drifting: NDArray[np.float64] = noise / _rms(noise)
    return drifting * 10 ** (drift_db * (slow + 0.5 * fast) / 20)


@dataclass(frozen=True)
class _Utterance:
    """One chunk from its first to its last loud frame; times count from its start."""

    samples: Samples
    pauses: tuple[Span, ...]
    words: tuple[Word, ...]


def _speak(
    chunk: Chunk, speaker: PseudoSpeaker, voice: PiperTts, rng: np.random.Generator
) -> _Utterance:
    text = chunk.text + _PUNCTUATION.get(chunk.boundary, ",")
    spoken = voice.speak(text, length_scale=speaker.length * float(rng.uniform(0.94, 1.06)))
    samples = resample(spoken.samples, spoken.sample_rate, SAMPLE_RATE)
    contour = draw_contour(chunk.boundary, rng)
    shaped = shape(samples, SAMPLE_RATE, spoken.words, spoken.phones, speaker, contour)
    loud = _loud(shaped.samples)
    first, last = np.flatnonzero(loud)[[0, -1]]
    start, end = int(first) * _FRAME, int(last + 1) * _FRAME
    kept = shaped.samples[start : end + _RELEASE].copy()
    fade = len(kept) - (end - start)
    kept[end - start :] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    offset, limit = start / SAMPLE_RATE, len(kept) / SAMPLE_RATE
    words = (
        Word(w.text, *(float(np.clip(t - offset, 0.0, limit)) for t in (w.start, w.end)))
        for w in shaped.spans
    )
    return _Utterance(kept, _pauses(loud[first : last + 1]), tuple(words))


def _pauses(loud: NDArray[np.bool_]) -> tuple[Span, ...]:
    """Silences that the voice itself made inside a chunk, at a comma for instance."""
    edges = np.flatnonzero(np.diff(loud)) + 1
    seconds = edges.reshape(-1, 2) * (_FRAME / SAMPLE_RATE)
    runs = (Span(float(a), float(b)) for a, b in seconds)
    return tuple(run for run in runs if run.duration >= MIN_SPAN_S)


def _loud(samples: Samples) -> NDArray[np.bool_]:
    """Whether each frame of 10 ms is no silence."""
    whole = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
    level = np.sqrt(np.mean(whole.astype(np.float64) ** 2, axis=1))
    loud: NDArray[np.bool_] = level > np.percentile(level, 95) * 10 ** (_SILENT_DB / 20)
    return loud


def _mixed(clean: Samples, speaker: PseudoSpeaker, rng: np.random.Generator) -> Samples:
    """Speech and floor at this row's own levels."""
    active = clean[np.abs(clean) > 0].astype(np.float64)
    level_db = speaker.level_db + rng.normal(0.0, 2.0)
    gain = 10 ** (level_db / 20) / _rms(active)
    gain = min(gain, _PEAK / float(np.max(np.abs(active))))
    snr_db = max(12.0, speaker.snr_db + rng.normal(0.0, 3.0))
    floor_db = max(_LOWEST_FLOOR_DB, level_db - snr_db)
    floor = noise_floor(len(clean), speaker.noise_colour, rng) * 10 ** (floor_db / 20)
    return np.clip(clean * gain + floor, -1.0, 1.0).astype(np.float32)


def _rms(samples: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(samples**2)))


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)
