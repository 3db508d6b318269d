from __future__ import annotations

import numpy as np
import pytest

from tests.agent.measuring.recordings import RATE, recording, reply, track
from turnkit.agent.measuring.overlaps import falls_silent, judge

SAID = track(1.0, (0.1, 0.9))
"""Begins to sound 0.1 s after it begins."""


def test_an_interruption_that_works() -> None:
    """Audible at 3.1, decided at 3.4, silent at 3.5."""
    call = recording(
        track(8, (0.5, 3.5)), [3.0], [reply(0.5, "speaking"), reply(3.4, "interrupted")]
    )
    trial = judge("no wait", call, SAID, RATE)
    assert trial.name == "no wait"
    assert trial.onset == pytest.approx(3.1, abs=0.005)
    assert trial.decided == 3.4
    assert trial.silent == pytest.approx(3.5, abs=0.011)
    assert trial.from_onset_ms == pytest.approx(400, abs=15)
    assert trial.from_decision_ms == pytest.approx(100, abs=15)
    assert trial.stopped
    assert not trial.resumed


def test_a_backchannel_that_changes_nothing() -> None:
    trial = judge("yeah", recording(track(9, (0.5, 7.5)), [3.0]), SAID, RATE)
    assert trial.decided is None
    assert trial.silent is None
    assert trial.from_onset_ms is None
    assert trial.from_decision_ms is None
    assert not trial.stopped


def test_a_false_stop_is_a_stop() -> None:
    call = recording(track(9, (0.5, 4.0), (5.2, 7.0)), [3.0], [reply(5.2, "resumed")])
    trial = judge("cough", call, SAID, RATE)
    assert trial.resumed
    assert trial.stopped
    assert trial.decided is None
    assert trial.silent == pytest.approx(4.0, abs=0.011)


def test_what_happened_before_the_onset_is_not_its_doing() -> None:
    messages = [reply(1.0, "interrupted"), reply(2.0, "resumed")]
    trial = judge("yeah", recording(track(9, (0.5, 7.5)), [3.0], messages), SAID, RATE)
    assert not trial.stopped


def test_a_trial_needs_its_one_sound() -> None:
    with pytest.raises(ValueError, match="unpack"):
        judge("x", recording(track(5), [1.0, 2.0]), SAID, RATE)


@pytest.mark.parametrize(
    ("sounds", "after", "expected"),
    [
        ([(0.5, 2.0)], 1.0, 2.0),
        # Gaps between words and clauses are no silence.
        ([(0.5, 2.0), (2.4, 3.0)], 1.5, 3.0),
        # Whatever fell silent before is of no interest.
        ([(0.2, 0.6), (1.5, 2.5)], 1.8, 2.5),
        # Later than two seconds is its own end, no stop.
        ([(0.5, 5.0)], 1.0, None),
        ([(0.5, 2.95)], 1.0, 2.95),
        ([], 1.0, None),
    ],
)
def test_where_the_agent_falls_silent(
    sounds: list[tuple[float, float]], after: float, expected: float | None
) -> None:
    found = falls_silent(track(8, *sounds), after)
    assert found == (None if expected is None else pytest.approx(expected, abs=0.011))


def test_the_end_of_the_recording_is_silence_too() -> None:
    assert falls_silent(track(2.0, (0.5, 1.995)), 1.0) == pytest.approx(2.0, abs=0.011)
    assert falls_silent(np.zeros(0, np.float32), 0.0) is None
    assert falls_silent(np.zeros(7, np.float32), 0.0) is None
