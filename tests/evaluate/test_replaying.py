from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import ArrayLike

from turnkit.corpus.schema import Span, Turn, Word
from turnkit.detector.base import StreamingDetector
from turnkit.detector.policy import Policy
from turnkit.detector.protocol import EventKind, Trace, TurnEvent, TurnInput
from turnkit.errors import InputError
from turnkit.evaluate.replaying import replay_turn
from turnkit.evaluate.turns import SpanMarks, audio_until_miss, words_as_inputs
from turnkit.metrics import CutoffKind

MakeTurn = Callable[..., Turn]
MakeDetector = Callable[..., StreamingDetector]


class Scripted:
    """Ends turns after given numbers of samples since its last reset, once each."""

    name = "scripted"
    policy = Policy()
    trace: Trace | None = None
    sample_rate = 8_000

    def __init__(self, *scripts: Sequence[int]) -> None:
        self.scripts = [list(script) for script in scripts]
        self.consumed = 0
        self.resets = -1
        self.heard: list[TurnInput] = []

    def push(self, samples: ArrayLike, inputs: Sequence[TurnInput] = ()) -> list[TurnEvent]:
        self.heard += inputs
        begin, self.consumed = self.consumed, self.consumed + len(np.asarray(samples))
        script = self.scripts[self.resets] if self.resets < len(self.scripts) else []
        return [
            TurnEvent(EventKind.TURN_ENDED, at, max(0, at - 100), 0.7)
            for at in script
            if begin < at <= self.consumed
        ]

    def reset(self) -> None:
        self.resets += 1
        self.consumed = 0


def plain_turn(**changes: object) -> Turn:
    """3 s of speech with holds at 0.5 .. 0.65 (too short), 1 .. 1.5 and the end at 3 s."""
    turn = Turn(
        "t", "en", "s", np.zeros(8_000 * 4, dtype=np.float32), 8_000,
        (Span(0.5, 0.65), Span(1.0, 1.5), Span(3.0, 4.0)),
    )  # fmt: skip
    return replace(turn, **changes)  # type: ignore[arg-type]


def test_a_decision_in_the_last_span_gives_the_latency() -> None:
    outcome = replay_turn(Scripted([24_000 + 2_400]), plain_turn())
    assert outcome.latency_s == pytest.approx(0.3)
    assert not outcome.missed
    assert outcome.cutoffs == ()
    assert (outcome.turn, outcome.speaker, outcome.holds) == ("t", "s", 1)


@pytest.mark.parametrize("chunk_s", [0.0001, 0.02, 0.0313, 1.0, 100.0])
def test_cutoffs_reset_the_detector_and_the_row_goes_on_from_there(chunk_s: float) -> None:
    # In the hold at 1.25 s; 0.75 s after that reset, in speech at 2 s; then at 3.4 s.
    # What a script says beyond a reset must not be heard.
    detector = Scripted([10_000, 10_001, 10_500], [6_000, 9_999], [11_200])
    outcome = replay_turn(detector, plain_turn(), chunk_s=chunk_s)
    assert [(c.at_s, c.kind, c.span, c.waited_s) for c in outcome.cutoffs] == [
        (1.25, CutoffKind.HOLD, 1, 0.25),
        (2.0, CutoffKind.SPEECH, None, 0.0125),
    ]
    assert outcome.cutoffs[0].score == 0.7
    assert detector.resets == 2
    assert outcome.latency_s == pytest.approx(0.4)
    assert (outcome.holds_cut, outcome.speech_cutoffs) == (1, 1)


def test_a_cutoff_in_a_short_hold_is_kept_apart() -> None:
    outcome = replay_turn(Scripted([4_800], [20_000]), plain_turn())
    assert [c.kind for c in outcome.cutoffs] == [CutoffKind.OTHER_HOLD]
    assert (outcome.holds_cut, outcome.other_cutoffs) == (0, 1)


def test_a_hold_cut_twice_counts_once() -> None:
    outcome = replay_turn(Scripted([9_000], [1_000], [16_000]), plain_turn())
    assert len(outcome.cutoffs) == 2
    assert outcome.holds_cut == 1


def test_edges_belong_to_what_was_heard() -> None:
    # At the first sample of a span only speech was heard; at its last, silence.
    in_speech = replay_turn(Scripted([8_000], [17_000]), plain_turn())
    in_hold = replay_turn(Scripted([12_000], [17_000]), plain_turn())
    at_end = replay_turn(Scripted([24_000]), plain_turn())
    assert in_speech.speech_cutoffs == 1
    assert in_hold.holds_cut == 1
    assert at_end.latency_s == 0.0


def test_no_decision_within_four_seconds_is_a_miss() -> None:
    for turn in (plain_turn(), plain_turn(samples=np.zeros(8_000 * 60, dtype=np.float32))):
        outcome = replay_turn(Scripted([24_000 + 32_001]), turn)
        assert outcome.missed
        assert outcome.latency_s == 4.0
        assert math.isnan(outcome.decision_ms)
    on_time = replay_turn(Scripted([24_000 + 32_000]), plain_turn())
    assert not on_time.missed
    assert on_time.latency_s == 4.0


def test_a_short_row_goes_on_with_its_own_noise_floor() -> None:
    rng = np.random.default_rng(0)
    turn = plain_turn()
    samples = np.ones(8_000 * 4, dtype=np.float32)
    samples[24_000:] = 0.01 * rng.standard_normal(8_000)
    audio = audio_until_miss(replace(turn, samples=samples))
    assert len(audio) == 24_000 + 32_000
    assert np.array_equal(audio[:32_000], samples)
    assert 0.007 < audio[32_000:].std() < 0.013
    assert np.abs(audio[24_000:]).max() < 0.1


def test_coded_turn_by_hand(coded_detector: MakeDetector, coded_turn: MakeTurn) -> None:
    turn = coded_turn([(1.0, None), (0.5, 0.4), (1.0, None), (4.0, 0.9)])
    patient = replay_turn(coded_detector(Policy(0.5, 0.2, 2.0)), turn)
    assert patient.cutoffs == ()
    assert patient.latency_s == pytest.approx(0.2)
    hasty = replay_turn(coded_detector(Policy(0.3, 0.2, 2.0)), turn)
    assert [c.kind for c in hasty.cutoffs] == [CutoffKind.HOLD]
    assert hasty.cutoffs[0].waited_s == pytest.approx(0.2)
    deaf = replay_turn(coded_detector(Policy(1.0, 0.2, 1.5)), turn)
    assert deaf.latency_s == pytest.approx(1.5)


def test_a_detector_that_cut_just_before_the_end_waits_for_speech_in_vain(
    coded_detector: MakeDetector, coded_turn: MakeTurn
) -> None:
    # The annotation puts the end 0.6 s later than the detector hears it.
    turn = coded_turn([(1.0, None), (2.0, 0.9)], spans=[(1.6, 3.0)])
    outcome = replay_turn(coded_detector(Policy(0.5, 0.2, 2.0)), turn)
    assert [c.kind for c in outcome.cutoffs] == [CutoffKind.SPEECH]
    assert outcome.cutoffs[0].waited_s == pytest.approx(0.2)
    assert outcome.missed


def test_compute_is_measured_for_each_second(coded_detector: MakeDetector) -> None:
    outcome = replay_turn(coded_detector(Policy.timeout_only(0.6)), plain_turn())
    assert len(outcome.wall_ms) == len(outcome.cpu_ms) == 7  # 3 s and 4 s until the miss
    assert all(0 < ms < 1000 for ms in outcome.wall_ms)


def test_words_arrive_late_and_on_the_clock_of_the_last_reset() -> None:
    words = (Word("one", 0.1, 0.5), Word("two", 1.6, 2.0), Word("end", 2.5, 3.0))
    turn = plain_turn(words=words)
    given = words_as_inputs(turn, lag_s=0.5)
    assert [(i.at, i.kind, i.value) for i in given] == [
        (8_000, "words", "one"), (20_000, "words", "two"), (28_000, "words", "end"),
    ]  # fmt: skip
    detector = Scripted([10_000], [25_000 - 10_000])
    replay_turn(detector, turn, given)
    assert [(i.at, i.value) for i in detector.heard] == [(8_000, "one"), (10_000, "two")]


def test_another_rate_is_refused() -> None:
    with pytest.raises(InputError, match="turn t has 16000 Hz"):
        replay_turn(Scripted(), plain_turn(sample_rate=16_000))


def test_marks_count_holds_of_the_right_length_only() -> None:
    spans = tuple(Span(10.0 * k, 10.0 * k + d) for k, d in enumerate((0.15, 0.2, 5.0, 5.2, 1.0)))
    assert SpanMarks.of(plain_turn(spans=spans)).counts.tolist() == [
        False, True, True, False, False,
    ]  # fmt: skip
