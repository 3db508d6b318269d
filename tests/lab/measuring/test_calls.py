from __future__ import annotations

import pytest

from tests.agent.measuring.recordings import committed, logged, recording, row, track
from turnkit.agent.measuring.calls import DEAD_AIR_S, MeasuredTurn, measure, spoken_part


def test_a_turn_is_timed_by_ear() -> None:
    """Said at 1.0, ended at 3.0, decided at 3.3, audible at 3.75."""
    log = logged(4.0, text="hello", reply_text="Hi.", spans={"eot": 300.0}, adopted=True)
    call = recording(track(8, (3.75, 5.0)), [1.0], [committed(3.3), log])
    (turn,) = measure(call, [row("a", 2.0)], "speculative")
    assert (turn.row, turn.mode) == ("a", "speculative")
    assert (turn.began, turn.ended, turn.decided) == (1.0, 3.0, 3.3)
    assert turn.audible == pytest.approx(3.75, abs=0.005)
    assert turn.v2v_ms == pytest.approx(750, abs=5)
    assert turn.eot_ms == pytest.approx(300)
    assert turn.post_commit_ms == pytest.approx(450, abs=5)
    assert not turn.interrupted
    assert not turn.dead_air
    assert (turn.heard, turn.said, turn.adopted) == ("hello", "Hi.", True)
    assert turn.spans == {"eot": 300.0}


def test_rows_of_a_call_are_told_apart() -> None:
    call = recording(
        track(20, (0.2, 0.8), (3.5, 4.5), (13.0, 14.0)),
        [1.0, 10.0],
        [committed(0.1), committed(3.2), logged(4.0, text="one"), committed(12.4)],
    )
    one, two = measure(call, [row("a", 2.0), row("b", 2.0)], "batch")
    # The greeting came before the first row.
    assert one.audible == pytest.approx(3.5, abs=0.005)
    assert two.audible == pytest.approx(13.0, abs=0.005)
    assert (one.decided, two.decided) == (3.2, 12.4)
    assert (one.heard, two.heard) == ("one", "")


def test_the_decision_that_led_to_the_audio_counts() -> None:
    """A commit that was taken back, and one of the next turn, are not it."""
    messages = [committed(2.4), committed(3.3), committed(6.0)]
    (turn,) = measure(recording(track(8, (3.8, 5.0)), [1.0], messages), [row("a", 2.0)], "batch")
    assert turn.decided == 3.3


def test_speaking_before_the_end_is_an_interruption() -> None:
    call = recording(track(8, (2.5, 3.5)), [1.0], [committed(2.2)])
    (turn,) = measure(call, [row("a", 2.0)], "streaming")
    assert turn.interrupted
    assert turn.v2v_ms is None
    assert turn.eot_ms is None
    assert turn.post_commit_ms is None


def test_silence_is_dead_air() -> None:
    (turn,) = measure(recording(track(12), [1.0], [committed(3.3)]), [row("a", 2.0)], "batch")
    assert turn.audible is None
    assert turn.dead_air
    assert turn.v2v_ms is None
    assert not turn.interrupted


def test_a_late_answer_is_dead_air_too() -> None:
    late = MeasuredTurn("a", "batch", 0.0, 2.0, 2.3, 2.0 + DEAD_AIR_S + 0.1)
    assert late.dead_air
    assert late.v2v_ms == pytest.approx(3_100)
    assert not MeasuredTurn("a", "batch", 0.0, 2.0, 2.3, 2.0 + DEAD_AIR_S - 0.1).dead_air


def test_audio_without_a_known_decision_has_no_parts() -> None:
    (turn,) = measure(recording(track(8, (3.6, 4.0)), [1.0]), [row("a", 2.0)], "batch")
    assert turn.v2v_ms == pytest.approx(600, abs=5)
    assert turn.eot_ms is None
    assert turn.post_commit_ms is None


def test_a_row_that_was_never_said_is_no_silent_loss() -> None:
    with pytest.raises(ValueError, match="zip"):
        measure(recording(track(8), [1.0, None]), [row("a", 2.0), row("b", 2.0)], "batch")


def test_the_silence_after_a_row_is_not_spoken() -> None:
    turn = row("a", 2.0)
    assert len(spoken_part(turn)) / turn.sample_rate == pytest.approx(2.2, abs=0.01)
