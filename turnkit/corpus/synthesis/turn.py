"""One synthetic turn: its script spoken, shaped, laid out in time and sent through a channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from turnkit.audio import Samples
from turnkit.corpus.schema import MIN_SPAN_S, Span, Word
from turnkit.corpus.synthesis.annotation import heard_spans
from turnkit.corpus.synthesis.channel import Talk, draw_channel, transmit
from turnkit.corpus.synthesis.prosody.breathing import breath
from turnkit.corpus.synthesis.prosody.cues import Cues, draw_cues
from turnkit.corpus.synthesis.prosody.shaping import Shaped, shape_chunk
from turnkit.corpus.synthesis.script import Boundary, Chunk, Script
from turnkit.corpus.synthesis.settings import BY_VAD, Spec
from turnkit.corpus.synthesis.text.pauses import load_model
from turnkit.corpus.synthesis.tightening import tightened
from turnkit.corpus.synthesis.voices.cast import Speaker
from turnkit.corpus.synthesis.voices.protocol import ACTIVE_DB, active_level_db, open_voice
from turnkit.errors import InputError

SAMPLE_RATE = 16_000
"""Hz of everything before the channel."""

LEAD_S = (0.25, 2.0)
"""Seconds of floor before the first word, at least and at most."""

TAIL_S = (4.25, 4.85)
"""Seconds of floor after the end of speech: the protocol follows a turn for 4 s from where
its last span begins, which a VAD hears up to a quarter of a second later."""

_RATE_SPREAD = 0.06
"""Chunks are this much faster or slower than the speaker's usual rate, at most."""

_PUNCTUATION = {Boundary.STATEMENT: ".", Boundary.QUESTION: "?"}
_BREATH_GAP_S = (0.02, 0.08)
"""Between a breath and the speech before or after it."""

_PLACES = {"phrase": 0.45, "clause": 0.35, "filler": 0.2}
"""Where holds are, about: at ends people breathe as if one of these had come."""


@dataclass(frozen=True)
class Piece:
    """A chunk as it is spoken, and what is in the silence behind it.

    Attributes
    ----------
    shaped : Shaped
    silence_s : float
        Seconds from the end of its speech to the next chunk, or to the end of the row.
    breath_out, breath_in : ndarray of float32, shape (n,)
        Right after it, and right before the next one; empty where nobody is heard.
    """

    shaped: Shaped
    silence_s: float
    breath_out: Samples
    breath_in: Samples


@dataclass(frozen=True)
class DryTurn:
    """A turn before any channel, at 16 kHz.

    Attributes
    ----------
    speech, breaths : ndarray of float32, shape (n,)
        Apart: no span holds any of the first.
    spans : tuple of Span
        Silences of 0.1 s and more after the first word; the last is the end of turn.
    words : tuple of Word
        Empty if a chunk's voice does not tell when it says what.
    talk : tuple of Span
        Where there is speech: everything between lead, spans and shorter gaps.
    """

    speech: Samples
    breaths: Samples
    spans: tuple[Span, ...]
    words: tuple[Word, ...]
    talk: tuple[Span, ...]


@dataclass(frozen=True)
class RenderedTurn:
    """A turn as a detector hears it.

    Attributes
    ----------
    samples : ndarray of float32, shape (n,)
        In [-1, 1].
    sample_rate : int
        8,000 Hz where it went through a telephone, else 16,000.
    dry : DryTurn
    spans : tuple of Span
        As the spec wants them annotated; the last is the end of turn.
    tags : frozenset of str
        Of script, accent and channel.
    """

    samples: Samples
    sample_rate: int
    dry: DryTurn
    spans: tuple[Span, ...]
    tags: frozenset[str]


def render_turn(
    script: Script, speaker: Speaker, spec: Spec, talk: Talk, rng: np.random.Generator
) -> RenderedTurn:
    """Speak a script and send it through a channel.

    Timing, prosody and channel draw from streams of their own, so that a change of one
    leaves the others as they were.

    Parameters
    ----------
    script : Script
    speaker : Speaker
    spec : Spec
        Its `prosody`, `channel` and `spans`.
    talk : callable
        Speech of others, for babble and echo.
    rng : numpy Generator

    Raises
    ------
    MissingDependencyError, MissingAssetError
        If the voice or a package is missing.
    """
    timing, shaping, sending = rng.spawn(3)
    lead_s = float(timing.uniform(*LEAD_S))
    pieces = [_piece(chunk, speaker, spec, timing, shaping) for chunk in script.chunks]
    dry = lay_out(pieces, lead_s)
    channel = draw_channel(spec.channel, speaker.sound, sending)
    samples = transmit(dry.speech + dry.breaths, dry.talk, channel, sending, talk)
    tags = script.tags | channel.tags | {f"accent:{speaker.accent}"}
    spans = heard_spans(dry.speech, dry.spans) if spec.spans == BY_VAD else dry.spans
    return RenderedTurn(samples, channel.sample_rate, dry, spans, frozenset(tags))


def lay_out(pieces: list[Piece], lead_s: float) -> DryTurn:
    """Put spoken chunks and breaths at their places in time.

    The level of the speech is brought to `ACTIVE_DB`, which is what breaths are made for.

    Parameters
    ----------
    pieces : list of Piece
        The last one's silence is the end of the turn.
    lead_s : float
        Seconds of silence before the first.
    """
    starts, length = _starts(pieces, lead_s)
    speech, breaths = (np.zeros(length, dtype=np.float32) for _ in range(2))
    spans: list[Span] = []
    words: list[Word] = []
    talk: list[Span] = []
    for piece, at, after in zip(pieces, starts, [*starts[1:], length], strict=True):
        said, begin = piece.shaped, at / SAMPLE_RATE
        over = at + _samples(said.speech_end_s)
        _add(speech, said.samples[: after - at], at)
        _add(breaths, piece.breath_out, over)
        _add(breaths, piece.breath_in, after - len(piece.breath_in))
        silences = [Span(begin + p.start, begin + p.end) for p in said.pauses]
        talk += _between(begin, over / SAMPLE_RATE, silences)
        last = Span(over / SAMPLE_RATE, after / SAMPLE_RATE)
        spans += [*silences, *([last] if last.duration >= MIN_SPAN_S else [])]
        words += [Word(w.word, begin + w.start, begin + w.end) for w in said.words]
    if not all(piece.shaped.words for piece in pieces):
        words = []
    level_db = active_level_db(speech, SAMPLE_RATE)
    gain = np.float32(10 ** ((ACTIVE_DB - level_db) / 20) if np.isfinite(level_db) else 1.0)
    return DryTurn(speech * gain, breaths, tuple(spans), tuple(words), tuple(talk))


def _piece(
    chunk: Chunk,
    speaker: Speaker,
    spec: Spec,
    timing: np.random.Generator,
    shaping: np.random.Generator,
) -> Piece:
    pace = float(timing.uniform(1.0 - _RATE_SPREAD, 1.0 + _RATE_SPREAD))
    silence_s = float(timing.uniform(*TAIL_S)) if chunk.boundary.is_end else chunk.hold_s
    text = chunk.text + _PUNCTUATION.get(chunk.boundary, ",")
    speech = open_voice(speaker.voice).speak(text, speaker.sound.length * pace)
    cues = draw_cues(chunk.boundary, spec.prosody, shaping)
    shaped = tightened(shape_chunk(speech, speaker.sound, cues, shaping), shaping)
    if not len(shaped.samples):
        raise InputError(f"voice {speaker.voice}: nothing to hear of {text!r}")
    imagined_s = _imagined_hold(spec, timing) if chunk.boundary.is_end else chunk.hold_s
    hold_s = min(imagined_s, silence_s)
    out, into = _breaths(cues, speaker, hold_s, silence_s, shaping)
    return Piece(shaped, silence_s, out, into)


def _imagined_hold(spec: Spec, rng: np.random.Generator) -> float:
    """Seconds after which the speaker would have gone on, had this been a hold."""
    place = rng.choice(list(_PLACES), p=list(_PLACES.values()))
    return load_model(spec.text.pauses).lengths[str(place)].draw(rng)


def _breaths(
    cues: Cues, speaker: Speaker, hold_s: float, silence_s: float, rng: np.random.Generator
) -> tuple[Samples, Samples]:
    """Breath after a chunk, and before the next, which an end only imagines."""
    fitting = cues.within(hold_s)
    gaps = rng.uniform(*_BREATH_GAP_S, size=2)
    out = into = np.zeros(0, dtype=np.float32)
    if fitting.breath_out_s:
        puff = breath("out", fitting.breath_out_s, speaker.sound, rng, fitting.breath_db)
        out = np.concatenate([_nothing(gaps[0]), puff])
    if fitting.breath_in_s:
        gasp = breath("in", fitting.breath_in_s, speaker.sound, rng, fitting.breath_db)
        into = np.concatenate([gasp, _nothing(silence_s - hold_s + gaps[1])])
    return out[: _samples(silence_s)], into[-_samples(silence_s) :]


def _starts(pieces: list[Piece], lead_s: float) -> tuple[list[int], int]:
    """First sample of each piece, and the length of the row."""
    starts: list[int] = []
    at = _samples(lead_s)
    for piece in pieces:
        starts.append(at)
        at += _samples(piece.shaped.speech_end_s) + _samples(piece.silence_s)
    return starts, at


def _between(start: float, end: float, silences: list[Span]) -> list[Span]:
    """Take the silences out of a stretch."""
    edges = [start, *(edge for s in silences for edge in (s.start, s.end)), end]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [Span(a, b) for a, b in pairs if b > a]


def _add(track: Samples, part: Samples, at: int) -> None:
    begin = max(at, 0)
    kept = part[begin - at : begin - at + len(track) - begin]
    track[begin : begin + len(kept)] += kept


def _nothing(seconds: float) -> Samples:
    return np.zeros(_samples(seconds), dtype=np.float32)


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)
