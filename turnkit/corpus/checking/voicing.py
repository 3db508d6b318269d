"""Speech where a row says there is silence, as Silero VAD hears it.

Only the silence spans and `AROUND_S` before each are listened to. What begins before a
span and goes on into it says that the span starts too early (the end was cut before the
word was over); what begins inside it says that there is speech in a silence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from turnkit.audio import Samples, resample
from turnkit.corpus.schema import Span, Turn
from turnkit.timing import to_samples
from turnkit.vad import Gate, SileroVad, speech_runs

AROUND_S = 0.3
"""Seconds before a span that are listened to as well, so that the VAD knows the voice."""

LAG_S = 0.1
"""Seconds that the VAD hears speech for longer than it lasts, measured on true spans."""

EARLY_S = 0.15
"""Speech that goes on so long into a span, lag left out, was cut; a room is shorter."""

INSIDE_S = 0.2
"""Speech inside a span counts from this length on: clicks and breath are shorter or softer.

So may a hold end that much too late; of the 430 holds of phone_turns/dev, which a VAD set,
one holds more than 0.15 s of the speech after it, and none 0.2 s.
"""

GATE = Gate(on=0.6, off=0.5, min_speech_s=0.1)
"""Surer than a detector's gate: a finding costs somebody's time."""


@dataclass(frozen=True, slots=True)
class HeardSilences:
    """What was heard in the silences of a row.

    Attributes
    ----------
    late_s : tuple of float
        Seconds that speech goes on into each span, 0 where it is over in time.
    inside : tuple of Span
        Speech that begins inside a span, in seconds of the row; that of a hold which ends
        late lasts to the end of the hold.
    """

    late_s: tuple[float, ...]
    inside: tuple[Span, ...]

    @property
    def end_cut(self) -> bool:
        """Whether the end of the turn starts before its last word is over."""
        return self.late_s[-1] >= EARLY_S

    @property
    def hold_cut(self) -> bool:
        """Whether a hold starts before the word before it is over."""
        return any(late >= EARLY_S for late in self.late_s[:-1])


def hear_silences(turn: Turn, vad: SileroVad | None = None) -> HeardSilences:
    """Listen to the silences of a turn.

    Parameters
    ----------
    turn : Turn
    vad : SileroVad, optional
        At 8000 Hz for a turn of 8000 Hz, else at 16000; a new one by default.

    Returns
    -------
    HeardSilences

    Raises
    ------
    MissingDependencyError
        If Silero VAD is not installed.
    """
    vad = SileroVad(listening_rate(turn.sample_rate)) if vad is None else vad
    samples = resample(turn.samples, turn.sample_rate, vad.sample_rate)
    late, inside = [], []
    for position, span in enumerate(turn.spans):
        before = turn.spans[position - 1].end if position else 0.0
        begin = max(before, span.start - AROUND_S)
        runs = [(begin + a, begin + b) for a, b in _runs(samples, Span(begin, span.end), vad)]
        over = [b - span.start - LAG_S for a, b in runs if a <= span.start < b]
        late.append(max([0.0, *over]))
        inside += [Span(a, b) for a, b in runs if a > span.start and b - a >= INSIDE_S]
    return HeardSilences(tuple(late), tuple(inside))


def listening_rate(sample_rate: int) -> int:
    """Rate in Hz that Silero hears audio of a rate at."""
    return 8_000 if sample_rate == 8_000 else 16_000


def _runs(samples: Samples, stretch: Span, vad: SileroVad) -> list[tuple[float, float]]:
    rate = vad.sample_rate
    part = samples[to_samples(stretch.start, rate) : to_samples(stretch.end, rate)]
    vad.reset()
    probabilities = vad.push(np.pad(part, (0, -len(part) % vad.hop)))
    hop_s = vad.hop / rate
    length = len(part) / rate
    return [(a, min(b, length)) for a, b in speech_runs(probabilities, GATE, hop_s)]
