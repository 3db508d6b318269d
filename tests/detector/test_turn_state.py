"""The state machine, on scripted probabilities, against an oracle that sees runs of frames."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkit.detector.policy import Policy
from turnkit.detector.protocol import EventKind, Reason, TurnEvent
from turnkit.detector.turn_state import TurnState
from turnkit.errors import ConfigError
from turnkit.vad import Gate

HOP = 160
HOP_S = 0.02
STARTED, PAUSED = EventKind.SPEECH_STARTED, EventKind.SPEECH_PAUSED
RESUMED, ENDED = EventKind.TURN_RESUMED, EventKind.TURN_ENDED


def follow(
    probabilities: list[float], gate: Gate, policy: Policy, scores: list[float] | None = None
) -> list[TurnEvent]:
    """Drive the machine as `StreamingDetector` does."""
    turns, events = TurnState(gate, HOP_S), list[TurnEvent]()
    for frame, probability in enumerate(probabilities):
        events += turns.advance(probability, frame * HOP, (frame + 1) * HOP)
        if turns.pausing:
            score = math.nan if scores is None else scores[frame]
            events += turns.judge(score, policy, (frame + 1) * HOP)
    return events


def oracle(probabilities: list[float], gate: Gate, timeout_s: float) -> list[tuple[str, int, int]]:
    """Kind, frame of decision and frame of beginning of all but paused events."""
    need = max(1, math.ceil(gate.min_speech_s / HOP_S - 1e-9))
    hang = max(1, math.ceil(gate.hang_over_s / HOP_S - 1e-9))
    found: list[tuple[str, int, int]] = []
    active, run, last_speech, paused = False, 0, -1, False  # last_speech < 0: waiting
    for frame, probability in enumerate(probabilities):
        active = probability >= (gate.off if active else gate.on)
        run = run + 1 if active else 0
        if run >= need:
            if last_speech < 0:
                found.append((STARTED, frame, frame - run + 1))
            elif paused:
                found.append((RESUMED, frame, frame - run + 1))
            last_speech, paused = frame, False
        elif not active and last_speech >= 0:
            silent = frame - last_speech
            paused = paused or silent >= hang
            if paused and (silent + 0.5) * HOP_S >= timeout_s:
                found.append((ENDED, frame, last_speech + 1))
                last_speech, paused = -1, False
    return found


probabilities = st.lists(
    st.tuples(st.sampled_from([0.0, 0.2, 0.36, 0.49, 0.5, 0.9]), st.integers(1, 30)), max_size=20
).map(lambda runs: [p for p, n in runs for _ in range(n)])
gates = st.builds(
    Gate,
    min_speech_s=st.sampled_from([0.0, 0.02, 0.05, 0.1, 0.3]),
    hang_over_s=st.sampled_from([0.0, 0.02, 0.1, 0.25, 0.5]),
)


@given(probabilities, gates, st.sampled_from([0.2, 0.3, 0.6, 1.0]))
def test_as_the_oracle(script: list[float], gate: Gate, timeout_s: float) -> None:
    events = follow(script, gate, Policy.timeout_only(timeout_s))
    got = [(e.kind, e.at // HOP - 1, e.since // HOP) for e in events if e.kind is not PAUSED]
    assert got == oracle(script, gate, timeout_s)


@given(probabilities, gates, st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.data())
def test_invariants(script: list[float], gate: Gate, threshold: float, data: st.DataObject) -> None:
    few = data.draw(st.lists(st.sampled_from([math.nan, 0.0, 0.3, 0.7, 1.0]), min_size=1))
    scores = [few[frame % len(few)] for frame in range(len(script))]
    policy = Policy(threshold, 0.3, 0.8)
    events = follow(script, gate, policy, scores)
    assert not events or events[0].kind is STARTED
    for event in events:
        assert 0 <= event.since <= event.at <= len(script) * HOP
        assert (event.reason is not None) == (event.kind is ENDED)
        assert event.score is None or 0 <= event.score <= 1
        if event.reason is Reason.MODEL:
            assert event.score is not None
            assert event.score > threshold
    follows = {
        STARTED: {PAUSED, ENDED},
        PAUSED: {PAUSED, RESUMED, ENDED},
        RESUMED: {PAUSED, ENDED},
        ENDED: {STARTED},
    }
    for before, after in pairwise(events):
        assert after.at >= before.at
        assert after.kind in follows[before.kind]
        if before.kind is PAUSED and after.kind in (PAUSED, ENDED):
            assert after.since == before.since
            assert after.at > before.at


@given(probabilities, gates, st.integers(0, 100))
def test_reset_is_fresh(script: list[float], gate: Gate, cut: int) -> None:
    turns = TurnState(gate, HOP_S)
    for frame, probability in enumerate(script[:cut]):
        turns.advance(probability, frame * HOP, (frame + 1) * HOP)
        if turns.pausing:
            turns.judge(0.3, Policy(), (frame + 1) * HOP)
    turns.reset()
    fresh = TurnState(gate, HOP_S)
    for frame, probability in enumerate(script):
        span = frame * HOP, (frame + 1) * HOP
        assert turns.advance(probability, *span) == fresh.advance(probability, *span)
        assert turns.silence_s == fresh.silence_s
        assert turns.pausing == fresh.pausing
        if turns.pausing:
            assert turns.judge(0.3, Policy(), span[1]) == fresh.judge(0.3, Policy(), span[1])


def script(*runs: tuple[float, int]) -> list[float]:
    return [p for p, n in runs for _ in range(n)]


SLOW = Policy.timeout_only(1.0)


class TestGate:
    def test_hysteresis(self) -> None:
        gate = Gate(on=0.6, off=0.4, min_speech_s=0.02, hang_over_s=0.02)
        assert follow([0.59] * 50, gate, SLOW) == []
        events = follow(script((0.6, 1), (0.4, 60), (0.39, 10)), gate, SLOW)
        assert [(e.kind, e.since) for e in events] == [(STARTED, 0), (PAUSED, 61 * HOP)]
        # Having fallen, it must rise to `on` again.
        events = follow(script((0.6, 5), (0.39, 1), (0.59, 70)), gate, SLOW)
        assert [e.kind for e in events] == [STARTED, PAUSED, ENDED]

    def test_clicks_are_no_speech(self) -> None:
        gate = Gate(min_speech_s=0.1)
        click = script((0.0, 10), (1.0, 4), (0.0, 10))
        assert follow(click * 5, gate, SLOW) == []
        word = script((0.0, 10), (1.0, 5), (0.0, 10))
        events = follow(word, gate, SLOW)
        assert events[0] == TurnEvent(STARTED, 15 * HOP, 10 * HOP)

    def test_clock_runs_on_beneath_a_click(self) -> None:
        plain = follow(script((1.0, 10), (0.0, 60)), Gate(), SLOW)
        click = follow(script((1.0, 10), (0.0, 20), (1.0, 4), (0.0, 36)), Gate(), SLOW)
        assert click[-1] == plain[-1]
        assert click[-1].kind is ENDED

    def test_a_click_at_the_deadline_waits_for_silence(self) -> None:
        # 1.0 s are over within the click: nothing ends while it may yet become speech.
        events = follow(script((1.0, 10), (0.0, 48), (1.0, 4), (0.0, 5)), Gate(), SLOW)
        assert (events[-1].kind, events[-1].at) == (ENDED, 63 * HOP)
        events = follow(script((1.0, 10), (0.0, 48), (1.0, 40)), Gate(), SLOW)
        assert (events[-1].kind, events[-1].since) == (RESUMED, 58 * HOP)

    def test_hang_over_hides_a_gap_and_adds_no_latency(self) -> None:
        gate = Gate(hang_over_s=0.3)
        gap = script((1.0, 10), (0.0, 14), (1.0, 10))
        assert [e.kind for e in follow(gap, gate, SLOW)] == [STARTED]
        longer = script((1.0, 10), (0.0, 15), (1.0, 10))
        assert [e.kind for e in follow(longer, gate, SLOW)] == [STARTED, PAUSED, RESUMED]
        ended = script((1.0, 10), (0.0, 60))
        assert follow(ended, gate, SLOW)[-1] == follow(ended, Gate(), SLOW)[-1]

    def test_silence_clock(self) -> None:
        turns = TurnState(Gate(), HOP_S)
        clock = []
        for frame, p in enumerate(script((0.0, 3), (1.0, 10), (0.0, 4), (1.0, 2), (0.0, 3))):
            turns.advance(p, frame * HOP, (frame + 1) * HOP)
            clock.append(turns.silence_s)
        assert clock[:13] == [0.0] * 13
        assert clock[13:] == pytest.approx([0.03 + 0.02 * i for i in range(9)])

    @pytest.mark.parametrize(
        "values",
        [
            {"on": 1.0}, {"off": 0.0}, {"on": 0.3, "off": 0.4}, {"on": math.nan},
            {"min_speech_s": -0.1}, {"min_speech_s": 1.1}, {"hang_over_s": math.nan},
        ],
    )  # fmt: skip
    def test_refused(self, values: dict[str, float]) -> None:
        with pytest.raises(ConfigError, match="gate"):
            Gate(**values)


def pause(scores: list[float], policy: Policy) -> list[TurnEvent]:
    """Half a second of speech, then silence with these scores from its first frame on."""
    frames = script((1.0, 25), (0.0, len(scores)))
    return follow(frames, Gate(), policy, [math.nan] * 25 + scores)[1:]


class TestJudge:
    def test_scores_before_first_score_do_not_count(self) -> None:
        # Frame k of a silence is (k + 1.5) * 20 ms old: frame 9 is the first past 0.2 s.
        early = pause([0.9] * 9 + [0.1] * 60, Policy(0.5, 0.2, 1.0))
        assert early[-1].reason is Reason.TIMEOUT
        late = pause([0.1] * 9 + [0.9] + [0.1] * 60, Policy(0.5, 0.2, 1.0))
        assert late[-1] == TurnEvent(ENDED, 35 * HOP, 25 * HOP, 0.9, Reason.MODEL)

    def test_a_high_score_is_remembered_until_the_action_delay(self) -> None:
        events = pause([0.1] * 10 + [0.9] + [0.1] * 60, Policy(0.5, 0.5, 1.0))
        assert events[-1].reason is Reason.MODEL
        # Frame 24 is 0.51 s old, the first past the delay.
        assert events[-1].at == (25 + 25) * HOP
        assert events[-1].score == 0.9

    def test_a_score_that_came_once_is_told_with_the_end(self) -> None:
        once = [math.nan] * 9 + [0.8] + [math.nan] * 60
        model = pause(once, Policy(0.5, 0.5, 1.0))[-1]
        assert (model.reason, model.score) == (Reason.MODEL, 0.8)
        timeout = pause(once, Policy(0.9, 0.5, 1.0))[-1]
        assert (timeout.reason, timeout.score) == (Reason.TIMEOUT, 0.8)

    def test_no_score_at_all(self) -> None:
        events = pause([math.nan] * 70, Policy(0.0, 0.2, 1.0))
        assert [e.kind for e in events] == [PAUSED, ENDED]
        assert [e.score for e in events] == [None, None]

    def test_at_the_threshold_is_not_above(self) -> None:
        assert pause([0.5] * 70, Policy(0.5, 0.2, 1.0))[-1].reason is Reason.TIMEOUT
        assert pause([1.0] * 70, Policy(1.0, 0.2, 1.0))[-1].reason is Reason.TIMEOUT

    def test_a_score_is_forgotten_with_its_pause(self) -> None:
        first = [math.nan] * 9 + [0.9] + [math.nan] * 5
        frames = script((1.0, 25), (0.0, 15), (1.0, 25), (0.0, 70))
        scores = [math.nan] * 25 + first + [math.nan] * 95
        events = follow(frames, Gate(), Policy(0.5, 0.6, 1.0), scores)
        assert events[-1].reason is Reason.TIMEOUT
        assert events[-1].score is None

    def test_running_score_on_a_grid(self) -> None:
        scores = [i / 100 for i in range(45)]
        paused = [e for e in pause(scores, Policy(1.0, 0.2, 3.0)) if e.kind is PAUSED]
        # The pause begins with its hang-over of 0.1 s; then one each 0.1 s.
        assert [e.at // HOP - 25 for e in paused] == [5, 10, 15, 20, 25, 30, 35, 40, 45]
        assert [e.score for e in paused] == [scores[e.at // HOP - 26] for e in paused]

    def test_after_the_end_nothing_before_speech(self) -> None:
        ended = script((1.0, 25), (0.0, 200))
        kinds = [e.kind for e in follow(ended, Gate(), Policy.timeout_only(0.3))]
        assert kinds == [STARTED, PAUSED, ENDED]
