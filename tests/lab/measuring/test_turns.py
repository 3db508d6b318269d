"""Turns by ear, from recordings whose answers are known."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lab.measuring.synthetic import recording, said, track
from turnkit.lab.caller.onset import Sound
from turnkit.lab.measuring.turns import DEAD_AIR_S, HeardTurn, hear_turns
from turnkit.lab.records import Said


def hear(seconds: float, *sounds: tuple[float, float], things: tuple[Said, ...] = ()) -> HeardTurn:
    things = things or (said(1.0, 3.0),)
    return hear_turns(recording(track(seconds, *sounds), things))[0]


def test_a_turn_is_timed_by_ear() -> None:
    turn = hear(8, (3.75, 5.0))
    assert (turn.call, turn.index, turn.name) == (0, 0, "row")
    assert (turn.began, turn.ended, turn.until) == (1.0, 3.0, 8.0)
    assert turn.audible == pytest.approx(3.75, abs=0.001)
    assert turn.v2v_ms == pytest.approx(750, abs=1)
    assert not turn.interrupted
    assert not turn.dead_air
    assert not turn.missed


def test_turns_of_a_call_are_told_apart() -> None:
    things = [said(1, 3), said(10, 12)]
    call = recording(track(20, (0.1, 0.25), (3.5, 4.5), (13, 14)), things)
    one, two = hear_turns(call)
    assert one.audible == pytest.approx(3.5, abs=0.001)  # the greeting is no answer
    assert one.until == 10
    assert two.audible == pytest.approx(13, abs=0.001)
    assert (one.index, two.index) == (0, 1)


def test_only_turns_are_turns() -> None:
    things = [
        said(1, 2, "noise"),
        said(3, 4, "backchannel", over=True),
        said(5, 6, "interruption", over=True),
        said(7, 8, over=True),
        said(9, 10),
    ]
    (turn,) = hear_turns(recording(track(15, (10.4, 11)), things))
    assert turn.index == 4


def test_audio_before_the_end_is_a_false_interruption() -> None:
    turn = hear(8, (2.5, 2.7), (4.1, 5.0))
    assert turn.false_start == pytest.approx(2.5, abs=0.001)
    assert turn.interrupted
    # It fell silent, and the answer came after the end.
    assert turn.v2v_ms == pytest.approx(1100, abs=1)
    assert not turn.dead_air


def test_an_interruption_that_runs_on_is_no_answer_and_no_dead_air() -> None:
    turn = hear(12, (2.8, 3.4), (3.8, 6.0))
    assert turn.interrupted
    assert turn.v2v_ms is None
    assert not turn.missed
    assert not turn.dead_air


def test_after_an_interruption_silence_is_dead_air_but_no_miss() -> None:
    turn = hear(12, (1.5, 2.0))
    assert turn.interrupted
    assert turn.interrupted_unanswered
    assert not turn.missed
    assert turn.dead_air


def test_a_false_start_that_is_over_does_not_swallow_the_answer() -> None:
    turn = hear(12, (4.2, 4.8), (5.4, 7.0), things=(said(1.0, 5.0),))
    assert turn.interrupted
    assert turn.v2v_ms == pytest.approx(400, abs=1)
    assert not turn.interrupted_unanswered
    assert not turn.dead_air


def test_a_cut_in_over_the_end_and_silence_after_it() -> None:
    turn = hear(13, (4.5, 5.05), things=(said(1.0, 5.0),))
    assert turn.interrupted
    assert turn.v2v_ms is None
    assert turn.interrupted_unanswered
    assert not turn.missed
    assert not turn.dead_air  # something could be heard within three seconds


def test_what_runs_on_after_a_cut_in_over_the_end_is_none_until_it_has_stopped() -> None:
    assert hear(13, (4.5, 5.05), (5.5, 6.0), things=(said(1.0, 5.0),)).v2v_ms is None
    turn = hear(13, (4.5, 5.05), (5.9, 7.0), things=(said(1.0, 5.0),))
    assert turn.v2v_ms == pytest.approx(900, abs=1)


def test_an_earlier_reply_that_runs_on_over_the_turn_is_never_its_answer() -> None:
    over = ((0.2, 1.2), (1.6, 2.2), (2.6, 2.9), (3.3, 4.0))
    turn = hear(12, *over)
    assert not turn.interrupted
    assert turn.audible is None
    assert turn.missed
    assert not turn.dead_air
    assert hear(12, *over, (5.0, 6.0)).v2v_ms == pytest.approx(2000, abs=1)


def test_a_reply_that_runs_on_into_the_turn_is_no_interruption() -> None:
    turn = hear(8, (0.2, 1.3), (1.7, 1.9), (3.6, 4.0))
    assert not turn.interrupted
    assert turn.v2v_ms == pytest.approx(600, abs=1)


def test_a_reply_that_runs_on_and_nothing_else_is_no_answer() -> None:
    turn = hear(12, (0.2, 1.3), (1.7, 3.2))
    assert not turn.interrupted
    assert turn.missed
    assert not turn.dead_air  # it was to be heard, though it was no answer


def test_after_a_break_it_interrupts() -> None:
    assert hear(8, (0.2, 1.1), (2.0, 2.4), (4.0, 5.0)).interrupted


def test_silence_is_a_miss_and_dead_air() -> None:
    turn = hear(12)
    assert turn.audible is None
    assert turn.v2v_ms is None
    assert turn.missed
    assert turn.dead_air


@pytest.mark.parametrize(("late_s", "dead"), [(DEAD_AIR_S - 0.1, False), (DEAD_AIR_S + 0.1, True)])
def test_a_late_answer_is_dead_air_but_no_miss(late_s: float, dead: bool) -> None:
    turn = hear(12, (3 + late_s, 11))
    assert turn.dead_air is dead
    assert not turn.missed
    assert turn.v2v_ms == pytest.approx(late_s * 1000, abs=1)


def test_who_leaves_at_once_misses_nothing() -> None:
    for ended_by in ("caller", "vanished"):
        (turn,) = hear_turns(recording(track(4), [said(1, 3)], ended_by=ended_by))
        assert not turn.missed
        assert not turn.dead_air
    for ended_by in ("agent", "error"):
        (turn,) = hear_turns(recording(track(4), [said(1, 3)], ended_by=ended_by))
        assert turn.missed
        assert turn.dead_air


def test_a_call_without_words_has_no_turns() -> None:
    assert hear_turns(recording(track(2), [])) == []


SILENCE = track(16)
stretch = st.tuples(st.floats(0, 12), st.floats(0.05, 2)).map(lambda s: Sound(s[0], s[0] + s[1]))


@settings(max_examples=200, deadline=None)
@given(st.lists(stretch, max_size=6), st.floats(0.5, 4), st.floats(0.3, 4))
def test_whatever_is_heard_the_answer_is_after_the_end(
    sounds: list[Sound], began: float, lasts: float
) -> None:
    ordered: list[Sound] = []
    for sound in sorted(sounds, key=lambda each: each.start):
        if not ordered or sound.start > ordered[-1].end + 0.25:
            ordered.append(sound)
    (turn,) = hear_turns(recording(SILENCE, [said(began, began + lasts)]), ordered)
    starts = [each.start for each in ordered]
    if turn.audible is not None:
        assert turn.audible in starts
        assert turn.audible >= turn.ended
        assert turn.audible_for_s > 0
    if turn.false_start is not None:
        assert turn.false_start in starts
        assert began <= turn.false_start < turn.ended
    assert turn.missed == (turn.audible is None and turn.false_start is None)
    assert (turn.audible is not None) + turn.missed + turn.interrupted_unanswered == 1
    soon = turn.ended, turn.ended + DEAD_AIR_S
    assert turn.dead_air != any(e.start <= soon[1] and e.end > soon[0] for e in ordered)
    inside = [start for start in starts if began <= start < turn.ended]
    assert inside or not turn.interrupted
    if inside and not any(each.end > began - 0.7 for each in ordered if each.start < began):
        assert turn.interrupted
