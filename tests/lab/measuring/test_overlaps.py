"""Speech over the agent, from recordings whose answers are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lab.measuring.synthetic import Message, pings, recording, reply, said, track
from turnkit.lab.measuring.clocks import read_clocks
from turnkit.lab.measuring.overlaps import Trial, read_trials
from turnkit.lab.measuring.told import Told
from turnkit.lab.records import CallRecording
from turnkit.lab.scenario.script import Kind

OFFSET = 0.5
"""Second of the recording at which the agent's clock began."""


def call(
    *sounds: tuple[float, float], kind: Kind = "interruption", states: tuple[Message, ...] = ()
) -> CallRecording:
    """Have something said at 3.0, audible at 3.05, over until 4.0, in 12 seconds."""
    return recording(
        track(12, *sounds),
        [said(3.0, 4.0, kind, over=True)],
        messages=states,
        pings=pings(OFFSET, 12) if states else (),
    )


def told(at: float, state: str) -> Message:
    return at, reply(at - OFFSET, state)


def trial_of(recorded: CallRecording) -> Trial:
    (trial,) = read_trials(recorded, Told(recorded.log), read_clocks(recorded))
    return trial


def test_an_interruption_that_works() -> None:
    trial = trial_of(
        call((0.5, 3.5), (5.0, 6.0), states=(told(0.5, "speaking"), told(3.4, "interrupted")))
    )
    assert (trial.call, trial.index, trial.kind, trial.name) == (0, 0, "interruption", "row")
    assert trial.silent == pytest.approx(3.5, abs=0.001)
    assert trial.from_onset_ms == pytest.approx(450, abs=1)
    assert trial.decided == pytest.approx(3.4)
    assert trial.from_decision_ms == pytest.approx(100, abs=1)
    assert trial.success
    assert trial.stopped
    assert trial.gap_ms is None  # what came was another reply


def test_from_a_hold_on_it_is_decided() -> None:
    states = (told(3.4, "stopped"), told(3.9, "interrupted"))
    trial = trial_of(call((0.5, 3.45), states=states))
    assert trial.decided == pytest.approx(3.4)
    assert trial.from_decision_ms == pytest.approx(50, abs=1)


def test_one_that_takes_too_long_is_no_success() -> None:
    trial = trial_of(call((0.5, 3.8)))
    assert trial.from_onset_ms == pytest.approx(750, abs=1)
    assert not trial.success
    assert trial.decided is None
    assert trial.from_decision_ms is None


@pytest.mark.parametrize("until", [9.0, 11.9])
def test_an_agent_that_goes_on_did_not_stop(until: float) -> None:
    trial = trial_of(call((0.5, until)))
    assert trial.silent is None
    assert trial.from_onset_ms is None
    assert trial.stopped is False
    assert not trial.success


def test_short_breaks_and_a_lowered_voice_are_no_silence() -> None:
    assert trial_of(call((0.5, 3.3), (3.7, 8.0))).silent is None
    recorded = call((0.5, 8.0))
    recorded.heard[round(3.3 * 16_000) :] *= np.float32(10 ** (-20 / 20))
    assert trial_of(recorded).silent is None


def test_a_stop_that_was_taken_back() -> None:
    recorded = call((0.5, 3.8), (5.0, 7.0), kind="backchannel")
    trial = trial_of(recorded)
    assert trial.stopped
    assert trial.resumed == pytest.approx(5.0, abs=0.001)
    assert trial.gap_ms == pytest.approx(1200, abs=2)


@pytest.mark.parametrize(
    ("sounds", "stopped"),
    [
        (((0.5, 3.8),), True),  # for good, and at once
        (((0.5, 4.1),), False),  # for good, and later: the reply was over
        (((0.5, 5.5), (6.5, 8.0)), True),  # later, and it went on
        (((0.5, 6.5), (7.5, 8.0)), False),  # too late to be its doing
        (((0.5, 11.0),), False),
        (((0.5, 3.8), (4.2, 11.0)), False),  # a break that is part of speech
    ],
)
@pytest.mark.parametrize("states", [(), ("done",), ("interrupted",), ("stopped", "resumed")])
def test_what_a_stop_is_is_decided_by_ear_whatever_the_log_says(
    sounds: tuple[tuple[float, float], ...], stopped: bool, states: tuple[str, ...]
) -> None:
    log = tuple(told(3.4 + 0.1 * k, state) for k, state in enumerate(states))
    trial = trial_of(call(*sounds, kind="noise", states=log))
    assert trial.stopped is stopped
    assert (trial.cause is None) == (not states or trial.silent is None)


def test_the_log_tells_causes_apart() -> None:
    def of(*states: str) -> Trial:
        log = tuple(told(3.4 + 0.1 * k, state) for k, state in enumerate(states))
        return trial_of(call((0.5, 3.8), kind="interruption", states=log))

    assert (of("done").cause, of("done").moot) == ("done", True)
    assert (of("interrupted", "done").cause, of("interrupted").moot) == ("interrupted", False)
    assert (of("stopped", "resumed").cause, of("stopped", "resumed").regained) == ("stopped", True)
    assert (of("speaking").cause, of("speaking").regained) == ("untold", False)
    assert (of().cause, of().moot, of().regained) == (None, None, None)
    on = trial_of(call((0.5, 11), states=(told(3.4, "speaking"),)))
    assert (on.cause, on.moot) == (None, False)


spoken = st.lists(st.tuples(st.floats(0, 11), st.floats(0.1, 3)), max_size=4).map(
    lambda sounds: tuple((start, start + lasts) for start, lasts in sounds)
)
state = st.sampled_from(["speaking", "stopped", "interrupted", "resumed", "done", "taken back"])


@settings(max_examples=40, deadline=None)
@given(
    spoken,
    st.sampled_from(["interruption", "backchannel", "noise"]),
    st.lists(st.tuples(st.floats(0.6, 11), state), max_size=4),
)
def test_without_the_log_everything_heard_is_the_same(
    sounds: tuple[tuple[float, float], ...], kind: Kind, states: list[tuple[float, str]]
) -> None:
    log = tuple(told(at, name) for at, name in sorted(states))
    sounds = ((2.0, 3.5), *sounds)
    with_log, without = (trial_of(call(*sounds, kind=kind, states=each)) for each in (log, ()))
    assert replace(with_log, decided=None, cause=None, regained=None) == without
    for heard in ("stopped", "success", "from_onset_ms", "gap_ms"):
        assert getattr(with_log, heard) == getattr(without, heard)


def test_what_happened_before_the_onset_is_not_its_doing() -> None:
    states = (told(1.0, "interrupted"), told(2.0, "resumed"))
    trial = trial_of(call((0.5, 9), states=states))
    assert trial.decided is None
    assert trial.stopped is False
    assert trial.regained is False


def test_nothing_was_spoken_over_a_silent_agent() -> None:
    recorded = call((0.5, 2.4), (5.0, 6.0))
    assert read_trials(recorded, Told(recorded.log), read_clocks(recorded)) == []


def test_what_is_not_said_over_it_is_no_trial() -> None:
    recorded = recording(track(9, (0.5, 8)), [said(3.0, 4.0), said(5.0, 5.5, "noise")])
    assert read_trials(recorded, Told(recorded.log), read_clocks(recorded)) == []


def test_the_next_thing_said_ends_a_trial() -> None:
    things = [said(3, 3.5, "noise", over=True), said(5, 6, "interruption", over=True)]
    recorded = recording(track(12, (0.5, 3.4), (5.01, 5.6)), things)
    first, second = read_trials(recorded, Told(recorded.log), read_clocks(recorded))
    assert first.resumed is None
    assert second.index == 1
    assert second.silent == pytest.approx(5.6, abs=0.001)


def test_the_end_of_the_call_is_no_silence() -> None:
    recorded = recording(track(4, (0.5, 3.9)), [said(3, 3.5, "noise", over=True)])
    assert trial_of(recorded).silent is None
