"""What is said over the agent: interruptions, backchannels and short noises."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from turnkit.agent.measuring.calls import spoken_part
from turnkit.audio import Samples, resample
from turnkit.corpus.schema import Turn
from turnkit.stages.tts.piper import PiperTts

Stimulus = tuple[str, Samples, int]
"""Name, samples and rate in Hz."""

BACKCHANNELS = ("Yeah.", "Okay.", "Right.", "Uh huh.")
HUM = "mm-hm"
STIMULUS_RATE = 16_000


def interruptions(rows: Sequence[Turn]) -> list[Stimulus]:
    """Make interruptions of a corpus's turns."""
    return [(f"says {row.id}", spoken_part(row), row.sample_rate) for row in rows]


def backchannels(n: int) -> list[Stimulus]:
    """Make short signs of listening: the embedded voice at several tempos, and hums."""
    voice = PiperTts()
    sounds = []
    for number in range(n):
        round_, which = divmod(number, len(BACKCHANNELS) + 1)
        tempo = (0.9, 1.0, 1.15)[round_ % 3]
        if which == len(BACKCHANNELS):
            sounds.append((f"backchannel {HUM!r}", hum(tempo), STIMULUS_RATE))
            continue
        text = BACKCHANNELS[which]
        speech = voice.speak(text, length_scale=tempo)
        samples = resample(speech.samples, voice.sample_rate, STIMULUS_RATE)
        sounds.append((f"backchannel {text!r}", samples, STIMULUS_RATE))
    return sounds


def hum(tempo: float = 1.0) -> Samples:
    """Make an "mm-hm": two hummed syllables, the second higher (simulated).

    A letter-to-sound voice spells the word out; a hum is a glottal tone behind closed
    lips, whose nasal murmur lies below 500 Hz (Fujimura 1962).
    """
    parts = []
    for pitch, rise, seconds in ((110.0, 0.95, 0.16), (118.0, 1.25, 0.22)):
        time = np.arange(round(seconds * tempo * STIMULUS_RATE)) / STIMULUS_RATE
        f0 = pitch * rise ** (time / time[-1])
        phase = 2 * np.pi * np.cumsum(f0) / STIMULUS_RATE
        tone = sum(np.sin(k * phase) / (1 + (k * pitch / 350.0) ** 2) for k in range(1, 12))
        parts += [tone * np.sin(np.pi * time / time[-1]) ** 0.5, np.zeros(480)]
    voiced = np.concatenate(parts)
    return np.asarray(0.2 * voiced / np.max(np.abs(voiced)), dtype=np.float32)


def noises(n: int, seed: int = 0) -> list[Stimulus]:
    """Make coughs and knocks: bursts of shaped noise of 60 to 250 ms (simulated)."""
    random = np.random.default_rng(seed)
    sounds = []
    for number in range(n):
        seconds = float(random.uniform(0.06, 0.25))
        burst = random.standard_normal(round(seconds * STIMULUS_RATE))
        # A leaky sum gives the spectrum of a cough, plain noise that of a knock on a table.
        if number % 2 == 0:
            burst = np.convolve(burst, 0.9 ** np.arange(40), mode="same")
        decay = np.exp(-np.linspace(0.0, 5.0, len(burst)))
        shaped = 0.25 * burst * decay / np.max(np.abs(burst * decay))
        sounds.append((f"noise {number}", shaped.astype(np.float32), STIMULUS_RATE))
    return sounds
