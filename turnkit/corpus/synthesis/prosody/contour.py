"""Prosody of chunk ends and the sound of a speaker, put on synthetic speech with WORLD.

A synthesiser says little about whether a speaker is done. The cues laid on here are those
that listeners and corpora agree on (Gravano & Hirschberg, "Turn-taking cues in
task-oriented dialogue", Computer Speech & Language 25, 2011): turns end in a fall or a
high rise, holds on a plateau; energy drops towards the end of a turn and hardly before a
hold; the last syllable is drawn out, more so in hesitation.

Spectral analysis and synthesis: Morise, Yokomori & Ozawa, "WORLD: a vocoder-based high-quality
speech synthesis system for real-time applications", IEICE Trans. E99-D(7), 2016. Pitch:
`turnkit.corpus.synthesis.prosody.pitch`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from turnkit.corpus.pseudo_speakers import PseudoSpeaker
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
from turnkit.stages.tts.letter_to_sound import PRIMARY, SECONDARY, VOWELS
from turnkit.stages.tts.piper import Span

_LOWEST_F0_HZ = 50.0
_SONORANTS = VOWELS | frozenset("mnŋlɹjw")
_VOICED_BELOW = {True: 0.75, False: 0.35}
"""Aperiodicity below which a frame is voiced, inside and outside vowels and sonorants:
what has to be voiced is, unless it is plainly a whisper."""

_STRESS = PRIMARY + SECONDARY
_FADE_S = 0.45
"""The level changes over this long before the end of a chunk, in seconds."""

_MIN_VOICE_S = 0.06
MIN_TAIL_S, MAX_TAIL_S = 0.18, 0.45
"""The stretch that carries the cues: the last syllable, within these bounds."""


@dataclass(frozen=True)
class Contour:
    """How a chunk ends.

    Attributes
    ----------
    movement_st : float
        Pitch at the end relative to the pitch at the start of the tail, in semitones.
    stretch : float
        Factor on the duration of the tail.
    drop_db : float
        Loss of level from the start to the end of the tail.
    """

    movement_st: float
    stretch: float
    drop_db: float


@dataclass(frozen=True)
class Contoured:
    """A chunk after shaping.

    Attributes
    ----------
    samples : ndarray of float32, shape (n,)
    spans : tuple of Span
        The words that were given, at their new times.
    """

    samples: NDArray[np.float32]
    spans: tuple[Span, ...]


def shape(
    samples: NDArray[np.float32],
    sample_rate: int,
    words: Sequence[Span],
    phones: Sequence[Span],
    speaker: PseudoSpeaker,
    contour: Contour,
) -> Contoured:
    """Give a chunk of speech a speaker's sound and the contour of its boundary.

    Parameters
    ----------
    samples : ndarray of float32, shape (n,)
        One chunk of speech, mono.
    sample_rate : int
        Hz.
    words, phones : sequence of Span
        What was said when; `phones` says where the last syllable begins.
    speaker : PseudoSpeaker
    contour : Contour

    Returns
    -------
    Contoured

    Raises
    ------
    MissingDependencyError
        If ``pyworld`` is not installed.
    """
    world = open_world()
    signal = samples.astype(np.float64)
    f0, aperiodicity = track_pitch(signal, sample_rate, FRAME_S)
    at: Floats = np.arange(len(f0), dtype=np.float64) * FRAME_S
    f0 = np.where(voiced_by_phones(aperiodicity, at, phones), f0, 0.0)
    envelope = world.cheaptrick(signal, f0, at, sample_rate)
    noise = world.d4c(signal, f0, at, sample_rate, threshold=0.0)  # voicing is decided

    start, end = tail_of(phones, len(samples) / sample_rate)
    progress = progress_of(at, start, last_voice(f0, at, start, end))
    f0 = led_pitch(f0, progress, speaker, contour.movement_st)
    envelope = warp(envelope, speaker.formants)
    envelope = envelope * tilt_gain(envelope.shape[1], sample_rate, speaker.tilt_db)
    fading = progress_of(at, min(start, end - _FADE_S), end)
    envelope = envelope * 10.0 ** (-contour.drop_db * fading / 10.0)[:, None]
    noise = np.clip(warp(noise, speaker.formants), 1e-6, 1.0) ** speaker.breath

    frames = stretched(at, start, end, contour.stretch)
    spoken = world.synthesize(
        resampled_pitch(f0, frames), rows(envelope, frames), rows(noise, frames),
        sample_rate, FRAME_S * 1_000,
    )  # fmt: skip
    return Contoured(spoken.astype(np.float32), _moved(words, frames))


def tail_of(phones: Sequence[Span], duration: float) -> tuple[float, float]:
    """Seconds at which the stretch that carries the cues starts and ends.

    It reaches from the last vowel to the end of the last phone, and is at least
    0.18 s and at most 0.45 s long (as far as there is so much speech).
    """
    if not phones:
        return max(0.0, duration - MIN_TAIL_S), duration
    end = phones[-1].end
    vowels = [p.start for p in phones if p.text.lstrip(_STRESS)[:1] in VOWELS]
    start = vowels[-1] if vowels else end
    start = float(np.clip(start, end - MAX_TAIL_S, end - MIN_TAIL_S))
    return max(0.0, start), end


def voiced_by_phones(aperiodicity: Floats, at: Floats, phones: Sequence[Span]) -> NDArray[np.bool_]:
    """Whether each frame has a voice: sonorants as a rule, other sounds if they repeat."""
    sonorant = np.zeros(len(at), dtype=np.bool_)
    for phone in phones:
        if phone.text.lstrip(_STRESS)[:1] in _SONORANTS:
            sonorant |= (at >= phone.start) & (at < phone.end)
    limit = np.where(sonorant, _VOICED_BELOW[True], _VOICED_BELOW[False])
    voiced: NDArray[np.bool_] = aperiodicity < limit
    return voiced


def last_voice(f0: Floats, at: Floats, start: float, end: float) -> float:
    """Where the voice of the tail ends: final consonants carry no pitch."""
    inside = np.flatnonzero((f0 > 0) & (at > start + _MIN_VOICE_S) & (at <= end))
    return float(at[inside[-1]]) if len(inside) else end


def led_pitch(
    f0: Floats,
    progress: Floats,
    speaker: PseudoSpeaker,
    movement_st: float,
    lead: float = 0.9,
) -> Floats:
    """Shift pitch, scale its movements, and lead it through the tail.

    Parameters
    ----------
    f0 : ndarray of float64, shape (n,)
        Hz; 0 without voice.
    progress : ndarray of float64, shape (n,)
        Part of the tail that is over, 0 to 1.
    speaker : PseudoSpeaker
    movement_st : float
        Where the tail is led, in semitones from the pitch it starts from.
    lead : float
        Share of that movement in what comes out; the rest is the voice's own.

    Returns
    -------
    ndarray of float64, shape (n,)
        Hz.
    """
    voiced = f0 > 0
    if not voiced.any():
        return f0
    octaves = np.zeros_like(f0)
    octaves[voiced] = np.log2(f0[voiced])
    centre = float(np.median(octaves[voiced]))
    octaves = centre + speaker.expression * (octaves - centre)
    before = voiced & (progress <= 0.0)
    # the level the tail starts from: the last tenth of a second of voice before it
    level = float(np.median(octaves[before][-20:] if before.any() else octaves[voiced][:20]))
    # neither a squeak nor a growl just before the end may set the range of the tail
    level = float(np.clip(level, centre - 0.35, centre + 0.35))
    led = level + movement_st / 12.0 * progress
    weight = np.clip(progress / 0.3, 0.0, 1.0) * lead
    shaped = (1.0 - weight) * octaves + weight * led
    hertz = speaker.pitch * 2.0**shaped
    return np.where(voiced, np.maximum(hertz, _LOWEST_F0_HZ), 0.0)


def _moved(spans: Sequence[Span], frames: Floats) -> tuple[Span, ...]:
    """Spans at the times to which `stretched` moved them."""
    new = np.arange(len(frames)) * FRAME_S
    old = frames * FRAME_S
    return tuple(
        Span(s.text, float(np.interp(s.start, old, new)), float(np.interp(s.end, old, new)))
        for s in spans
    )
