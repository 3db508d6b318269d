from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnkit.audio import Samples
from turnkit.corpus.schema import MIN_SPAN_S, Message, Span, Word
from turnkit.corpus.synthesis import turn as turn_module
from turnkit.corpus.synthesis.channel import ChannelSettings
from turnkit.corpus.synthesis.prosody.settings import ProsodySettings
from turnkit.corpus.synthesis.prosody.shaping import Shaped
from turnkit.corpus.synthesis.script import Boundary, Chunk, Script
from turnkit.corpus.synthesis.settings import Spec, SplitSettings
from turnkit.corpus.synthesis.turn import (
    LEAD_S,
    SAMPLE_RATE,
    TAIL_S,
    DryTurn,
    Piece,
    RenderedTurn,
    lay_out,
    render_turn,
)
from turnkit.corpus.synthesis.voices.cast import Cast, Speaker
from turnkit.corpus.synthesis.voices.protocol import ACTIVE_DB, active_level_db

NOBODY = np.zeros(0, dtype=np.float32)
SCRIPT = Script(
    kind="test",
    chunks=(
        Chunk("I would like to book a table", Boundary.CLAUSE, 0.45),
        Chunk("for um", Boundary.FILLER, 0.8),
        Chunk("four", Boundary.BROKEN, 0.05),
        Chunk("no five people on Tuesday evening", Boundary.STATEMENT),
    ),
    tags=frozenset({"correction", "filler-hold"}),
    messages=(Message("assistant", "How can I help?"),),
)


def spec_of(**parts: object) -> Spec:
    return Spec("test", {"train": SplitSettings(4, 2)}, **parts)  # type: ignore[arg-type]


def hum(seconds: float, gaps: tuple[Span, ...] = (), release_s: float = 0.02) -> Shaped:
    n = round(seconds * SAMPLE_RATE)
    samples = (0.3 * np.sin(np.arange(n) * 0.06) + 0.01).astype(np.float32)
    for gap in gaps:
        samples[round(gap.start * SAMPLE_RATE) : round(gap.end * SAMPLE_RATE)] = 0.0
    release = np.linspace(0.1, 0.0, round(release_s * SAMPLE_RATE), dtype=np.float32)
    word = Word("hum", 0.0, seconds)
    return Shaped(np.concatenate([samples, release]), (word,), gaps, seconds)


def puff(seconds: float) -> Samples:
    return np.full(round(seconds * SAMPLE_RATE), 0.01, dtype=np.float32)


def silent(people: Speaker) -> Samples:
    raise AssertionError(f"{people} must not talk")


def in_span(dry: DryTurn, span: Span) -> Samples:
    return dry.speech[round(span.start * SAMPLE_RATE) : round(span.end * SAMPLE_RATE)]


# -- layout -------------------------------------------------------------------------------


@given(
    seconds=st.lists(st.floats(0.3, 2.0), min_size=1, max_size=5),
    silences=st.lists(st.floats(0.0, 1.5), min_size=5, max_size=5),
    lead_s=st.floats(0.0, 2.0),
    gap_s=st.sampled_from([0.0, 0.1, 0.15]),
)
@settings(max_examples=40)
def test_spans_hold_no_speech_and_all_else_does(
    seconds: list[float], silences: list[float], lead_s: float, gap_s: float
) -> None:
    gaps = (Span(0.1, 0.1 + gap_s),) if gap_s else ()
    pieces = [
        Piece(hum(s, gaps, release_s=0.0), silence, NOBODY, NOBODY)
        for s, silence in zip(seconds, silences[: len(seconds)], strict=True)
    ]
    pieces[-1] = Piece(pieces[-1].shaped, TAIL_S[0], NOBODY, NOBODY)
    dry = lay_out(pieces, lead_s)

    assert len(dry.speech) == len(dry.breaths)
    assert all(span.duration >= MIN_SPAN_S - 1e-9 for span in dry.spans)
    for before, after in zip(dry.spans, dry.spans[1:], strict=False):
        assert before.end <= after.start
    for span in dry.spans:
        assert not in_span(dry, span).any()
    for span in dry.talk:
        assert np.all(np.convolve(in_span(dry, span) == 0.0, np.ones(160), "valid") < 160)
    talking = sum(span.duration for span in dry.talk)
    assert talking == pytest.approx(sum(seconds) - gap_s * len(seconds), abs=1e-3)
    assert dry.spans[-1].end == pytest.approx(len(dry.speech) / SAMPLE_RATE)
    assert dry.spans[-1].duration == pytest.approx(TAIL_S[0], abs=1e-3)
    assert len(dry.words) == len(seconds)


def test_a_pause_that_is_too_short_is_no_span() -> None:
    dry = lay_out(
        [Piece(hum(1.0), 0.06, NOBODY, NOBODY), Piece(hum(1.0), 4.0, NOBODY, NOBODY)], 0.5
    )
    (end,) = dry.spans
    assert end.start == pytest.approx(2.56)
    assert len(dry.talk) == 2


def test_breath_goes_out_after_a_chunk_and_in_before_the_next() -> None:
    pieces = [Piece(hum(1.0), 1.0, puff(0.3), puff(0.2)), Piece(hum(0.5), 4.0, NOBODY, NOBODY)]
    dry = lay_out(pieces, 0.5)
    where = np.flatnonzero(dry.breaths) / SAMPLE_RATE
    out, into = where[where < 2.0], where[where >= 2.0]
    assert (out[0], out[-1]) == pytest.approx((1.5, 1.8), abs=1e-3)
    assert (into[0], into[-1]) == pytest.approx((2.3, 2.5), abs=1e-3)


def test_the_level_is_the_same_whatever_the_pieces() -> None:
    quiet = hum(1.0)
    quiet = Shaped(quiet.samples * np.float32(0.01), quiet.words, (), quiet.speech_end_s)
    dry = lay_out([Piece(quiet, 4.0, NOBODY, NOBODY)], 0.5)
    assert active_level_db(dry.speech, SAMPLE_RATE) == pytest.approx(ACTIVE_DB, abs=0.2)


def test_words_are_left_out_where_one_voice_does_not_tell_them() -> None:
    dumb = Shaped(hum(1.0).samples, (), (), 1.0)
    pieces = [Piece(hum(1.0), 0.5, NOBODY, NOBODY), Piece(dumb, 4.0, NOBODY, NOBODY)]
    assert lay_out(pieces, 0.5).words == ()
    assert [word.start for word in lay_out(pieces[:1], 0.5).words] == [0.5]


# -- a turn with a real voice -------------------------------------------------------------


@pytest.fixture(scope="module")
def speaker() -> Speaker:
    spec = spec_of()
    return Cast(spec.voices, ("train",), 0).speaker("train", 0)


def talk(n: int, rng: np.random.Generator) -> Samples:
    return rng.standard_normal(n).astype(np.float32) * np.float32(0.05)


def rendered(speaker: Speaker, spec: Spec, seed: int = 3) -> RenderedTurn:
    return render_turn(SCRIPT, speaker, spec, talk, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def turn(speaker: Speaker) -> RenderedTurn:
    return rendered(speaker, spec_of())


def test_spans_are_the_pauses_of_the_script(turn: RenderedTurn) -> None:
    dry = turn.dry
    assert LEAD_S[0] <= dry.talk[0].start <= LEAD_S[1]
    lengths = [span.duration for span in dry.spans]
    assert pytest.approx([x for x in lengths if x in lengths[:-1]][:2], abs=1e-3) == [0.45, 0.8]
    assert TAIL_S[0] <= lengths[-1] <= TAIL_S[1]
    assert len(turn.samples) == pytest.approx(dry.spans[-1].end * turn.sample_rate, abs=1)


def test_no_speech_in_spans_but_the_fading_of_its_last_sound(turn: RenderedTurn) -> None:
    dry = turn.dry
    loud = np.sqrt(np.mean(np.square(np.concatenate([in_span(dry, s) for s in dry.talk]))))
    for span in dry.spans:
        later = in_span(dry, Span(span.start + 0.03, span.end))
        assert np.sqrt(np.mean(np.square(later))) < loud * 10 ** (-40 / 20)


def test_the_floor_never_stops(turn: RenderedTurn) -> None:
    steps = np.round(turn.samples * 32767)
    zeros = np.convolve(steps == 0, np.ones(turn.sample_rate // 50), "valid")
    assert zeros.max() < turn.sample_rate // 50


def test_an_end_may_imagine_a_hold_that_outlasts_the_row(
    speaker: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn_module, "_imagined_hold", lambda *_: 5.0)
    breathing = replace(spec_of(), prosody=ProsodySettings(breath_in=1.0, ambiguous=1.0))
    dry = [rendered(speaker, breathing, seed).dry for seed in range(4)]
    last = [np.abs(each.breaths[-SAMPLE_RATE // 2 :]).max() for each in dry]
    assert max(last) > 0.0


def test_tags_of_script_speaker_and_channel(turn: RenderedTurn, speaker: Speaker) -> None:
    assert {"correction", "filler-hold", f"accent:{speaker.accent}"} <= turn.tags
    assert any(tag.startswith("snr:") for tag in turn.tags)
    assert ("telephone" in turn.tags) == (turn.sample_rate == 8_000)


def test_the_same_stream_gives_the_same_turn_and_another_does_not(
    turn: RenderedTurn, speaker: Speaker
) -> None:
    again = rendered(speaker, spec_of())
    np.testing.assert_array_equal(again.samples, turn.samples)
    assert again.dry.spans == turn.dry.spans
    other = rendered(speaker, spec_of(), seed=4)
    assert other.dry.spans != turn.dry.spans


def test_another_channel_leaves_what_is_said_as_it_was(
    turn: RenderedTurn, speaker: Speaker
) -> None:
    plain = rendered(speaker, spec_of(channel=ChannelSettings(plain=True)))
    np.testing.assert_array_equal(plain.dry.speech, turn.dry.speech)
    unshaped = rendered(speaker, spec_of(prosody=ProsodySettings(plain=True)))
    assert unshaped.dry.talk[0].start == turn.dry.talk[0].start
    assert not unshaped.dry.breaths.any()
