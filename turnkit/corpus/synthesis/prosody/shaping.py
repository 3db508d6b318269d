"""A chunk of speech, given a speaker's sound and the cues of its boundary.

Works on what any voice speaks: where the voice does not tell its sounds, the last syllable
is found by voicing and level. See `turnkit.corpus.synthesis.prosody.cues` for what the cues
are and who measured them, and `vocoder` for the frames that they are laid on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from turnkit.audio import Samples, resample
from turnkit.corpus.pseudo_speakers import PseudoSpeaker
from turnkit.corpus.schema import Span, Word
from turnkit.corpus.synthesis.prosody.activity import (
    LOUD_FRAME,
    SAMPLE_RATE,
    inner_silences,
    last_syllable,
    loud_frames,
    voiced_blind,
)
from turnkit.corpus.synthesis.prosody.contour import last_voice, led_pitch, voiced_by_phones
from turnkit.corpus.synthesis.prosody.creak import creaky
from turnkit.corpus.synthesis.prosody.cues import Cues
from turnkit.corpus.synthesis.prosody.pitch import track_pitch
from turnkit.corpus.synthesis.prosody.vocoder import (
    FRAME_S,
    Floats,
    open_world,
    progress_of,
    resampled_pitch,
    rows,
    stretched,
    tilt_gain,
    warp,
)
from turnkit.stages.tts.piper import Span as Timed
from turnkit.stages.tts.piper import Speech

_HIGHEST_HZ = 420.0
"""Highest pitch that is looked for: women's voices in a question."""

_FADE_S = 0.45
"""The level changes over this long before the end of a chunk, in seconds."""

_RELEASE_S = 0.02
"""What follows the last loud frame fades out over this long."""

_STOP_S = 0.005
"""A glottal stop closes over this long."""

_STOP_BACK_S = 0.09
"""A glottal stop takes off this much of the dying voice, at most."""

_STOP_DB = -6.0
"""It comes where the voice was last this far below the loudest of its last syllable."""

_SHORTEST_S = 0.03
"""Anything shorter is no speech."""


@dataclass(frozen=True)
class Shaped:
    """A chunk after shaping; all times count from its first sample.

    Attributes
    ----------
    samples : ndarray of float32, shape (n,)
        16 kHz, from the first loud frame to the last and the release behind it.
    words : tuple of Word
        What is said when; empty if the voice does not tell.
    pauses : tuple of Span
        Silences of 0.1 s and more that the voice itself made inside the chunk.
    speech_end_s : float
        Where speech is over, in seconds: the end of the last loud frame, whatever the
        cues did to its level.
    """

    samples: Samples
    words: tuple[Word, ...]
    pauses: tuple[Span, ...]
    speech_end_s: float


@dataclass(frozen=True)
class _Frames:
    """A chunk as the vocoder sees it, and where its tail lies."""

    f0: Floats
    envelope: Floats
    noise: Floats
    tail: tuple[float, float]
    over_s: float


def shape_chunk(
    speech: Speech, sound: PseudoSpeaker, cues: Cues, rng: np.random.Generator
) -> Shaped:
    """Give a chunk a speaker's sound and the cues of its boundary.

    The level of the speech stays what it was, but for the cues.

    Parameters
    ----------
    speech : Speech
        At any rate; `words` and `phones` may be empty.
    sound : PseudoSpeaker
        Pitch, formants, expression, breath and tilt are laid on; its `length` is not:
        voices speak at a rate that they are asked for.
    cues : Cues
        Breaths are made by `breathing.breath`.
    rng : numpy Generator
        Draws the irregularity of creak.

    Returns
    -------
    Shaped
        Without samples if there is nothing loud in `speech`.

    Raises
    ------
    MissingDependencyError
        If ``pyworld`` is not installed.
    """
    samples = resample(speech.samples, speech.sample_rate, SAMPLE_RATE)
    loud = loud_frames(samples)
    if np.count_nonzero(loud) * LOUD_FRAME < _SHORTEST_S * SAMPLE_RATE:
        return Shaped(np.zeros(0, dtype=np.float32), (), (), 0.0)
    first, last = (int(i) for i in np.flatnonzero(loud)[[0, -1]])
    start_s, over_s = (i * LOUD_FRAME / SAMPLE_RATE for i in (first, last + 1))
    frames = _analysed(samples, speech, over_s)
    at: Floats = np.arange(len(frames.f0), dtype=np.float64) * FRAME_S
    clock = stretched(at, *frames.tail, cues.stretch)
    spoken = _spoken(_led(frames, at, sound, cues), clock, cues, rng)
    begin, tail, end = (_moved(t, clock) for t in (start_s, frames.tail[0], over_s))
    if cues.glottal:
        end = _stop_at(spoken, tail, end)
    kept = _cut(spoken, begin, end, _STOP_S if cues.glottal else _RELEASE_S)
    length = end - begin

    def placed(span: Span | Timed) -> tuple[float, float]:
        start, over = (
            min(max(_moved(t, clock) - begin, 0.0), length) for t in (span.start, span.end)
        )
        return start, over

    words = tuple(Word(w.text, *placed(w)) for w in speech.words)
    pauses = tuple(Span(*placed(pause)) for pause in inner_silences(loud))
    return Shaped(kept, words, tuple(p for p in pauses if p.end < length), length)


def _moved(seconds: float, clock: Floats) -> float:
    """Where the stretched chunk has what was at `seconds`."""
    return float(np.interp(seconds, clock * FRAME_S, np.arange(len(clock)) * FRAME_S))


def _analysed(samples: Samples, speech: Speech, over_s: float) -> _Frames:
    """Take a chunk apart and find its last syllable."""
    world = open_world()
    signal = samples.astype(np.float64)
    f0, aperiodicity = track_pitch(signal, SAMPLE_RATE, FRAME_S, highest_hz=_HIGHEST_HZ)
    at: Floats = np.arange(len(f0), dtype=np.float64) * FRAME_S
    if speech.phones:
        voiced = voiced_by_phones(aperiodicity, at, speech.phones)
    else:
        voiced = voiced_blind(aperiodicity, _power(signal, len(f0)))
    f0 = np.where(voiced, f0, 0.0)
    envelope = world.cheaptrick(signal, f0, at, SAMPLE_RATE)
    noise = world.d4c(signal, f0, at, SAMPLE_RATE, threshold=0.0)  # voicing is decided
    tail = last_syllable(speech.phones, f0, envelope.sum(axis=1), over_s)
    return _Frames(f0, envelope, noise, tail, over_s)


def _power(signal: Floats, count: int) -> Floats:
    """Power around each frame of the vocoder."""
    hop = round(FRAME_S * SAMPLE_RATE)
    padded = np.pad(signal, (hop, hop + count * hop - len(signal) + hop))
    blocks = np.mean(padded[: (count + 1) * hop].reshape(-1, hop) ** 2, axis=1)
    around: Floats = 0.5 * (blocks[:-1] + blocks[1:])
    return around


def _led(frames: _Frames, at: Floats, sound: PseudoSpeaker, cues: Cues) -> _Frames:
    """Lay the speaker's sound, pitch and level on the frames."""
    start, end = frames.tail
    progress = progress_of(at, start, last_voice(frames.f0, at, start, end))
    f0 = led_pitch(frames.f0, progress, sound, cues.movement_st, cues.lead)
    envelope = warp(frames.envelope, sound.formants)
    envelope = envelope * tilt_gain(envelope.shape[1], SAMPLE_RATE, sound.tilt_db)
    envelope = envelope * (frames.envelope.sum() / envelope.sum())
    fading = progress_of(at, max(0.0, min(start, frames.over_s - _FADE_S)), frames.over_s)
    envelope = envelope * 10.0 ** (-cues.drop_db * fading / 10.0)[:, None]
    noise = np.clip(warp(frames.noise, sound.formants), 1e-6, 1.0) ** sound.breath
    return replace(frames, f0=f0, envelope=envelope, noise=noise)


def _spoken(frames: _Frames, clock: Floats, cues: Cues, rng: np.random.Generator) -> Floats:
    """Put the frames on their new clock, creak where they should, and make sound of them."""
    f0, envelope = resampled_pitch(frames.f0, clock), rows(frames.envelope, clock)
    if cues.creak > 0:
        f0, gain_db = creaky(f0, cues.creak, rng)
        envelope = envelope * 10.0 ** (gain_db / 10.0)[:, None]
    spoken: Floats = open_world().synthesize(
        f0, envelope, rows(frames.noise, clock), SAMPLE_RATE, FRAME_S * 1_000
    )
    return spoken


def _stop_at(spoken: Floats, tail_s: float, end_s: float) -> float:
    """Where a glottal stop closes: before the last syllable has died away."""
    first, last = (int(t * SAMPLE_RATE) // LOUD_FRAME for t in (tail_s, end_s))
    tail = spoken[first * LOUD_FRAME : last * LOUD_FRAME].reshape(-1, LOUD_FRAME)
    power = np.mean(tail**2, axis=1)
    if not len(power) or not power.any():
        return end_s
    strong = np.flatnonzero(power >= power.max() * 10 ** (_STOP_DB / 10))
    stop = (first + int(strong[-1]) + 1) * LOUD_FRAME / SAMPLE_RATE
    return max(stop, end_s - _STOP_BACK_S)


def _cut(spoken: Floats, begin_s: float, end_s: float, release_s: float) -> Samples:
    """Cut a chunk out and let what follows it fade."""
    begin, end = round(begin_s * SAMPLE_RATE), round(end_s * SAMPLE_RATE)
    release = round(release_s * SAMPLE_RATE)
    kept = spoken[begin : end + release].copy()
    fade = len(kept) - (end - begin)
    if fade > 0:
        kept[-fade:] *= np.linspace(1.0, 0.0, fade)
    return kept.astype(np.float32)
