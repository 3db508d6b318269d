"""A voice of harmonics, and a turn that it says."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from turnkit.audio import Samples
from turnkit.corpus.pseudo_speakers import PseudoSpeaker, pseudo_speaker
from turnkit.corpus.schema import Span
from turnkit.corpus.synthesis.channel import Channel, Echo, OpusLine, transmit
from turnkit.corpus.synthesis.channel.rooms import draw_room

RATE = 16_000

CLEAR = Channel(level_db=-24.0, snr_db=35.0, band_hz=(60.0, 7_500.0))
KINDS = {
    "clear": CLEAR,
    "clean": Channel(-24.0, 35.0, colour=1.8, floor_drift_db=3.0, level_drift_db=2.0),
    "coloured": replace(CLEAR, colour=1.5, tilt_db=-3.0, snr_db=12.0),
    "telephone": replace(CLEAR, telephone=True, band_hz=(300.0, 3_400.0)),
    "opus": replace(CLEAR, opus=OpusLine(16_000, 0.0, 1.0)),
    "lossy": replace(CLEAR, opus=OpusLine(24_000, 0.06, 2.0)),
    "room": replace(CLEAR, room=draw_room((0.3, 0.5), (0.3, 0.8), np.random.default_rng(1))),
    "clipped": replace(CLEAR, clip_db=9.0),
    "babble": replace(CLEAR, talkers=5, snr_db=10.0),
    "echo": replace(CLEAR, echo=Echo(-20.0, 2_500.0)),
}


def voice(n: int, rng: np.random.Generator) -> Samples:
    """Syllables with gliding pitch, in steps of loudness, at about -23 dBFS."""
    seconds = np.arange(n) / RATE
    glide = 1.0 + 0.1 * np.sin(2 * np.pi * rng.uniform(0.5, 2.0) * seconds)
    phase = 2 * np.pi * np.cumsum(rng.uniform(90, 220) * glide) / RATE
    wave = sum(np.sin(k * phase) / k for k in range(1, 25))
    syllables = 0.4 + 0.6 * np.sin(np.pi * rng.uniform(3, 5) * seconds + 1.0) ** 2
    rough = rng.standard_normal(n) * 0.2
    return ((wave + rough) * syllables * 0.08).astype(np.float32)


def turn(
    rng: np.random.Generator, lead: float = 0.4, hold: float = 0.6, tail: float = 2.0
) -> tuple[Samples, tuple[Span, Span], tuple[Span, Span]]:
    """Two chunks of speech: samples, where speech is, and the hold and the end."""
    parts, speech, silences = [np.zeros(round(lead * RATE), np.float32)], [], []
    at = lead
    for pause in (hold, tail):
        said = voice(round(0.8 * RATE), rng)
        parts += [said, np.zeros(round(pause * RATE), np.float32)]
        speech.append(Span(at, at + 0.8))
        silences.append(Span(at + 0.8, at + 0.8 + pause))
        at += 0.8 + pause
    return np.concatenate(parts), (speech[0], speech[1]), (silences[0], silences[1])


def talk(n: int, rng: np.random.Generator) -> Samples:
    """Others' speech."""
    said = _other(int(rng.integers(8)))
    return np.resize(np.roll(said, int(rng.integers(len(said)))), n)


@lru_cache(maxsize=8)
def _other(index: int) -> Samples:
    return voice(6 * RATE, np.random.default_rng([20, index]))


def no_talk(n: int, rng: np.random.Generator) -> Samples:
    """Nobody may be asked to talk."""
    raise AssertionError(f"asked for {n} samples of talk by {rng}")


def cut(samples: Samples, span: Span, rate: int = RATE) -> Samples:
    """What is in a span."""
    return samples[round(span.start * rate) : round(span.end * rate)]


def level_db(samples: Samples) -> float:
    """RMS in dBFS."""
    return float(10 * np.log10(np.mean(samples.astype(np.float64) ** 2) + 1e-12))


def someone(index: int = 0) -> PseudoSpeaker:
    """A pseudo-speaker."""
    return pseudo_speaker("train", index, 0)


def sent(
    channel: Channel, seed: int = 0, tail: float = 2.0
) -> tuple[Samples, Samples, tuple[Span, Span], tuple[Span, Span]]:
    dry, speech, silences = turn(np.random.default_rng([10, seed]), tail=tail)
    heard = transmit(dry, speech, channel, np.random.default_rng([11, seed]), talk)
    return dry, heard, speech, silences
