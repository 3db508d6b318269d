"""Sounds whose beginnings and ends are known: rows, texts, signs of listening, noises."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from turnkit.audio import Samples, continue_floor, resample
from turnkit.corpus.schema import Turn
from turnkit.errors import InputError
from turnkit.lab.scenario.script import Kind, Sound

if TYPE_CHECKING:
    from turnkit.lab.caller.onset import Sound as Audible
    from turnkit.stages.tts.piper import PiperTts

GREETING = (
    "Welcome, and thank you for calling. Before we begin, let me tell you what I can do for "
    "you today. I can book a table, look up a train, read you the news of the morning, or "
    "simply listen to what you have to say for as long as you like."
)
"""Long enough to be spoken over; the words are nobody's."""

RATE = 16_000
"""Rate in Hz of everything that is made here."""

TAIL_S = 0.2
"""A recording is cut this long after its speech; its room, or the microphone's floor, follows."""

FLOOR_S = 8.0
"""Seconds of a row's room that are made; after them they come again."""

_PAD_S = 0.5
_FRAMES_A_SECOND = 100


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a sound is audible, in its own seconds, and the gaps in it."""

    onset: float
    ended: float
    gaps: tuple[tuple[float, float], ...] = ()


def corpus_sound(row: Turn, kind: Kind = "turn") -> Sound:
    """Make a sound of a row, cut `TAIL_S` after the annotated end of its speech.

    End and pauses are those of the row's spans. Rows do not say where their speech
    begins: the onset is the first audible sample (`turnkit.lab.caller.onset`). What
    follows is the row's own silence after the end, continued.
    """
    cut = round((row.end.start + TAIL_S) * row.sample_rate)
    spoken = row.samples[:cut]
    samples, rate = _framed(spoken, row.sample_rate)
    found = _audible(samples, rate)
    return Sound(
        kind,
        row.id,
        samples,
        rate,
        onset=found[0].start if found else 0.0,
        ended=row.end.start,
        holds=tuple((span.start, span.end) for span in row.pauses),
        text=row.transcript,
        floor=_room(row, cut, rate),
    )


def _room(row: Turn, cut: int, rate: int) -> Samples:
    """Give the row's silence from sample `cut` on, and more of the same, at `rate`."""
    begin, stop = (round(at * row.sample_rate) for at in (row.end.start, row.end.end))
    rest = row.samples[cut:stop]
    more = round(FLOOR_S * row.sample_rate) - len(rest)
    floor = np.concatenate([rest, continue_floor(row.samples[begin:stop], more)])
    return resample(floor, row.sample_rate, rate)


def recorded_sound(
    name: str, samples: Samples, rate: int, ended_s: float | None = None, kind: Kind = "turn"
) -> Sound:
    """Make a sound of a recording without annotation, cut `TAIL_S` after its speech.

    Parameters
    ----------
    name : str
    samples : ndarray of float32, shape (n,)
    rate : int
        In Hz.
    ended_s : float, optional
        Where the speech ends; its last audible sample if not given.
    kind : str, optional

    Raises
    ------
    InputError
        If nothing in it is audible, or it ends before `ended_s`.
    """
    samples, rate = _framed(samples, rate)
    seconds = len(samples) / rate
    if ended_s is not None and ended_s > seconds:
        raise InputError(f"{name}: lasts {seconds:.2f} s, its speech cannot end at {ended_s:g} s")
    found = _audible(samples, rate)
    if not found:
        raise InputError(f"{name}: holds nothing audible")
    ended = found[-1].end if ended_s is None else ended_s
    spoken = samples[: round((ended + TAIL_S) * rate)]
    return Sound(kind, name, spoken, rate, min(found[0].start, ended), ended)


def spoken_text(voice: PiperTts, text: str, tempo: float = 1.0) -> tuple[Samples, Extent]:
    """Speak a text at `RATE`, cut `TAIL_S` after its end.

    Raises
    ------
    InputError
        If the voice finds nothing to say in it.
    """
    speech = voice.speak(text, length_scale=1.0 / tempo)
    samples = resample(speech.samples, voice.sample_rate, RATE)
    extent = extent_of(samples, text)
    return samples[: round((extent.ended + TAIL_S) * RATE)], extent


def extent_of(samples: Samples, name: str) -> Extent:
    """Find where a clean sound at `RATE` is audible.

    Silence is put around it: the method's noise floor is that of a recording, and a
    short sound by itself may have none.

    Raises
    ------
    InputError
        If it is not audible at all.
    """
    silence = np.zeros(round(_PAD_S * RATE), dtype=np.float32)
    found = _audible(np.concatenate([silence, samples, silence]), RATE)
    if not found:
        raise InputError(f"{name!r}: nothing in it is audible")
    return Extent(
        max(0.0, found[0].start - _PAD_S),
        min(len(samples) / RATE, found[-1].end - _PAD_S),
        tuple((one.end - _PAD_S, other.start - _PAD_S) for one, other in pairwise(found)),
    )


def hum(tempo: float = 1.0) -> Samples:
    """Make an "mm-hm" at `RATE`: two hummed syllables, the second higher (simulated).

    A letter-to-sound voice spells the word out; a hum is a glottal tone behind closed
    lips, whose nasal murmur lies below 500 Hz (Fujimura 1962).
    """
    parts = []
    for pitch, rise, seconds in ((110.0, 0.95, 0.16), (118.0, 1.25, 0.22)):
        time = np.arange(round(seconds / tempo * RATE)) / RATE
        f0 = pitch * rise ** (time / time[-1])
        phase = 2 * np.pi * np.cumsum(f0) / RATE
        tone = sum(np.sin(k * phase) / (1 + (k * pitch / 350.0) ** 2) for k in range(1, 12))
        parts += [tone * np.sin(np.pi * time / time[-1]) ** 0.5, np.zeros(480)]
    voiced = np.concatenate(parts)
    return np.asarray(0.2 * voiced / np.max(np.abs(voiced)), dtype=np.float32)


def burst(random: np.random.Generator, *, leaky: bool) -> Samples:
    """Make a burst of shaped noise of 60 to 250 ms at `RATE` (simulated).

    A leaky sum gives the spectrum of a cough, plain noise that of a knock on a table.
    """
    seconds = float(random.uniform(0.06, 0.25))
    noise = random.standard_normal(round(seconds * RATE))
    if leaky:
        noise = np.convolve(noise, 0.9 ** np.arange(40), mode="same")
    shaped = noise * np.exp(-np.linspace(0.0, 5.0, len(noise)))
    return np.asarray(0.25 * shaped / np.max(np.abs(shaped)), dtype=np.float32)


def _audible(samples: Samples, rate: int) -> list[Audible]:
    # The package of callers brings WebRTC, which plans can do without.
    from turnkit.lab.caller.onset import find_sounds

    return find_sounds(samples, rate)


def _framed(samples: Samples, rate: int) -> tuple[Samples, int]:
    """Bring a recording to a rate with whole frames of 10 ms, which finding sounds needs."""
    if rate % _FRAMES_A_SECOND == 0:
        return samples, rate
    return resample(samples, rate, RATE), RATE
