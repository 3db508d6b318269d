from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.speech import talk
from turnkit.corpus.checking.voicing import HeardSilences, hear_silences
from turnkit.corpus.schema import Span, Turn

PLAN = (-0.5, 1.5, -1.0, 1.2, -2.0)


def hear(spans: Sequence[tuple[float, float]], rate: int = 16_000) -> HeardSilences:
    samples = talk(*PLAN, rate=rate)
    return hear_silences(Turn("a", "en", "s", samples, rate, tuple(Span(*s) for s in spans)))


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_true_spans_are_silent(rate: int) -> None:
    heard = hear([(2.0, 3.0), (4.2, 6.2)], rate)
    assert not heard.inside
    assert not heard.end_cut
    assert not heard.hold_cut


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_an_end_before_the_word_is_over_is_heard(rate: int) -> None:
    heard = hear([(2.0, 3.0), (3.8, 6.2)], rate)
    assert heard.end_cut
    assert not heard.hold_cut
    assert heard.late_s[-1] == pytest.approx(0.4, abs=0.1)


def test_a_hold_before_the_word_is_over_is_heard() -> None:
    heard = hear([(1.6, 3.0), (4.2, 6.2)])
    assert heard.hold_cut
    assert not heard.end_cut


def test_speech_inside_a_span_is_heard_where_it_is() -> None:
    """All of the second stretch lies in the end of the turn."""
    (speech,) = hear([(2.0, 6.2)]).inside
    assert speech.start == pytest.approx(3.0, abs=0.12)
    assert speech.end == pytest.approx(4.2, abs=0.12)


def test_a_hold_that_ends_a_little_late_holds_no_speech() -> None:
    assert not hear([(2.0, 3.08), (4.2, 6.2)]).inside


@pytest.mark.parametrize("late_s", [0.4, 1.0])
def test_a_hold_that_swallows_the_speech_after_it_is_heard(late_s: float) -> None:
    """All of its beginning, and nothing else: the hold before and the end are silent."""
    (speech,) = hear([(2.0, 3.0 + late_s), (4.2, 6.2)]).inside
    assert speech.start == pytest.approx(3.0, abs=0.12)
    assert speech.end == pytest.approx(3.0 + late_s, abs=0.05)
