"""Prosody of chunk ends and the sound of a speaker, put on synthetic speech with WORLD.

A synthesiser says little about whether a speaker is done. The cues laid on here are those
that listeners and corpora agree on (Gravano & Hirschberg, "Turn-taking cues in
task-oriented dialogue", Computer Speech & Language 25, 2011): turns end in a fall or a
high rise, holds on a plateau; energy drops towards the end of a turn and hardly before a
hold; the last syllable is drawn out, more so in hesitation.

Spectral analysis and synthesis: Morise, Yokomori & Ozawa, "WORLD: a vocoder-based high-quality
speech synthesis system for real-time applications", IEICE Trans. E99-D(7), 2016. Pitch:
`turnkit.corpus.pitch`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from turnkit.corpus.embedded_text import Boundary
from turnkit.corpus.pitch import track_pitch
from turnkit.corpus.pseudo_speakers import PseudoSpeaker
from turnkit.errors import MissingDependencyError
from turnkit.stages.tts.letter_to_sound import PRIMARY, SECONDARY, VOWELS
from turnkit.stages.tts.piper import Span

FRAME_S = 0.005
"""Frame period of the analysis, WORLD's default, in seconds."""

_LOWEST_F0_HZ = 50.0
_SONORANTS = VOWELS | frozenset("mnŋlɹjw")
_VOICED_BELOW = {True: 0.75, False: 0.35}
"""Aperiodicity below which a frame is voiced, inside and outside vowels and sonorants:
what has to be voiced is, unless it is plainly a whisper."""

_STRESS = PRIMARY + SECONDARY
_FADE_S = 0.45
"""The level changes over this long before the end of a chunk, in seconds."""

_MIN_VOICE_S = 0.06
_MIN_TAIL_S, _MAX_TAIL_S = 0.18, 0.45
"""The stretch that carries the cues: the last syllable, within these bounds."""

_AMBIGUOUS = 0.1
"""Share of boundaries whose pitch says nothing: drawn from one and the same plateau."""

Floats = NDArray[np.float64]


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


def draw_contour(boundary: Boundary, rng: np.random.Generator) -> Contour:
    """Draw how a chunk ends; kinds of boundary overlap, as they do in speech."""
    movement, spread = {
        Boundary.STATEMENT: (-7.0, 1.8),
        Boundary.QUESTION: (7.0, 1.8),
        Boundary.CLAUSE: (1.0, 1.0),
        Boundary.PHRASE: (0.3, 0.7),
        Boundary.FILLER: (-0.2, 0.6),
    }[boundary]
    if rng.random() < _AMBIGUOUS:
        movement, spread = -0.5, 1.0
    if boundary.is_end:
        stretch, drop = rng.uniform(1.05, 1.35), rng.normal(9.0, 3.0)
    elif boundary is Boundary.FILLER:
        stretch, drop = rng.uniform(1.4, 2.2), rng.normal(0.0, 2.0)
    else:
        stretch, drop = rng.uniform(1.15, 1.7), rng.normal(0.0, 2.0)
    return Contour(float(rng.normal(movement, spread)), float(stretch), float(drop))


@dataclass(frozen=True)
class Shaped:
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
) -> Shaped:
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
    Shaped

    Raises
    ------
    MissingDependencyError
        If ``pyworld`` is not installed.
    """
    world = _world()
    signal = samples.astype(np.float64)
    f0, aperiodicity = track_pitch(signal, sample_rate, FRAME_S)
    at: Floats = np.arange(len(f0), dtype=np.float64) * FRAME_S
    f0 = np.where(_voiced(aperiodicity, at, phones), f0, 0.0)
    envelope = world.cheaptrick(signal, f0, at, sample_rate)
    noise = world.d4c(signal, f0, at, sample_rate, threshold=0.0)  # voicing is decided

    start, end = tail_of(phones, len(samples) / sample_rate)
    f0 = _pitch(f0, _progress(at, start, _last_voice(f0, at, start, end)), speaker, contour)
    envelope = _warp(envelope, speaker.formants)
    envelope = envelope * _gain(envelope.shape[1], sample_rate, speaker.tilt_db)
    fading = _progress(at, min(start, end - _FADE_S), end)
    envelope = envelope * 10.0 ** (-contour.drop_db * fading / 10.0)[:, None]
    noise = np.clip(_warp(noise, speaker.formants), 1e-6, 1.0) ** speaker.breath

    frames = _stretched(at, start, end, contour.stretch)
    spoken = world.synthesize(
        _resampled_pitch(f0, frames), _rows(envelope, frames), _rows(noise, frames),
        sample_rate, FRAME_S * 1_000,
    )  # fmt: skip
    return Shaped(spoken.astype(np.float32), _moved(words, frames))


def tail_of(phones: Sequence[Span], duration: float) -> tuple[float, float]:
    """Seconds at which the stretch that carries the cues starts and ends.

    It reaches from the last vowel to the end of the last phone, and is at least
    0.18 s and at most 0.45 s long (as far as there is so much speech).
    """
    if not phones:
        return max(0.0, duration - _MIN_TAIL_S), duration
    end = phones[-1].end
    vowels = [p.start for p in phones if p.text.lstrip(_STRESS)[:1] in VOWELS]
    start = vowels[-1] if vowels else end
    start = float(np.clip(start, end - _MAX_TAIL_S, end - _MIN_TAIL_S))
    return max(0.0, start), end


def _world() -> ModuleType:
    try:
        import pyworld
    except ImportError as error:
        raise MissingDependencyError("pyworld-prebuilt", "embedded", "shaping prosody") from error
    return pyworld


def _voiced(aperiodicity: Floats, at: Floats, phones: Sequence[Span]) -> NDArray[np.bool_]:
    sonorant = np.zeros(len(at), dtype=np.bool_)
    for phone in phones:
        if phone.text.lstrip(_STRESS)[:1] in _SONORANTS:
            sonorant |= (at >= phone.start) & (at < phone.end)
    limit = np.where(sonorant, _VOICED_BELOW[True], _VOICED_BELOW[False])
    voiced: NDArray[np.bool_] = aperiodicity < limit
    return voiced


def _last_voice(f0: Floats, at: Floats, start: float, end: float) -> float:
    """Where the voice of the tail ends: final consonants carry no pitch."""
    inside = np.flatnonzero((f0 > 0) & (at > start + _MIN_VOICE_S) & (at <= end))
    return float(at[inside[-1]]) if len(inside) else end


def _progress(at: Floats, start: float, end: float) -> Floats:
    """0 before `start`, 1 after `end`, straight between."""
    straight: Floats = np.clip((at - start) / (end - start), 0.0, 1.0)
    return straight


def _pitch(f0: Floats, progress: Floats, speaker: PseudoSpeaker, contour: Contour) -> Floats:
    """Shift pitch, scale its movements, and lead it through the tail."""
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
    led = level + contour.movement_st / 12.0 * progress
    weight = np.clip(progress / 0.3, 0.0, 1.0) * 0.9
    shaped = (1.0 - weight) * octaves + weight * led
    hertz = speaker.pitch * 2.0**shaped
    return np.where(voiced, np.maximum(hertz, _LOWEST_F0_HZ), 0.0)


def _warp(frames: Floats, ratio: float) -> Floats:
    """Stretch the frequency axis of a spectrogram by `ratio`."""
    bins = frames.shape[1]
    source = np.minimum(np.arange(bins) / ratio, bins - 1.0)
    below = np.minimum(source.astype(np.intp), bins - 2)
    part = source - below
    warped: Floats = frames[:, below] * (1.0 - part) + frames[:, below + 1] * part
    return warped


def _gain(bins: int, sample_rate: int, tilt_db: float) -> Floats:
    """Power gain of each bin for a tilt around 1 kHz, flat below 100 Hz."""
    hertz = np.maximum(np.linspace(0.0, sample_rate / 2, bins), 100.0)
    gain: Floats = 10.0 ** (tilt_db * np.log2(hertz / 1_000.0) / 10.0)
    return gain


def _stretched(at: Floats, start: float, end: float, stretch: float) -> Floats:
    """Source position, in frames, of each frame of the stretched chunk."""
    ends = np.array([0.0, start, end, max(end, float(at[-1]))])
    lengths = np.diff(ends) * np.array([1.0, stretch, 1.0])
    new_ends = np.concatenate([[0.0], np.cumsum(lengths)])
    count = int(new_ends[-1] / FRAME_S) + 1
    source = np.interp(np.arange(count) * FRAME_S, new_ends, ends) / FRAME_S
    clipped: Floats = np.clip(source, 0.0, len(at) - 1.0)
    return clipped


def _rows(frames: Floats, at: Floats) -> Floats:
    below = np.minimum(at.astype(np.intp), len(frames) - 2)
    part = (at - below)[:, None]
    rows: Floats = frames[below] * (1.0 - part) + frames[below + 1] * part
    return rows


def _resampled_pitch(f0: Floats, at: Floats) -> Floats:
    """Pitch at fractional frames; a frame next to an unvoiced one is not averaged with it."""
    below = np.minimum(at.astype(np.intp), len(f0) - 2)
    part = at - below
    left, right = f0[below], f0[below + 1]
    nearest = np.where(part < 0.5, left, right)
    both = (left > 0) & (right > 0)
    pitch: Floats = np.where(both, left * (1.0 - part) + right * part, nearest)
    return pitch


def _moved(spans: Sequence[Span], frames: Floats) -> tuple[Span, ...]:
    """Spans at the times to which `_stretched` moved them."""
    new = np.arange(len(frames)) * FRAME_S
    old = frames * FRAME_S
    return tuple(
        Span(s.text, float(np.interp(s.start, old, new)), float(np.interp(s.end, old, new)))
        for s in spans
    )
