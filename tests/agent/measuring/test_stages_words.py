"""Word errors: against jiwer itself, against figures made by hand, and spelled alike."""

from __future__ import annotations

import sys
from functools import cache

import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnkit.agent.measuring.stages_words import check_scoring, count_errors, spell
from turnkit.errors import MissingDependencyError

TEXTS = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=5).map(" ".join)
PAIRS = st.lists(st.tuples(TEXTS.filter(bool), TEXTS), min_size=1, max_size=5)


@cache
def distance(said: tuple[str, ...], heard: tuple[str, ...]) -> int:
    """Edit distance by its definition."""
    if not said or not heard:
        return len(said) + len(heard)
    return min(
        distance(said[1:], heard) + 1,
        distance(said, heard[1:]) + 1,
        distance(said[1:], heard[1:]) + (said[0] != heard[0]),
    )


@settings(max_examples=50, deadline=None)
@given(PAIRS)
def test_errors_are_those_of_the_utterances_together(pairs: list[tuple[str, str]]) -> None:
    found = count_errors(pairs)
    said, heard = [list(texts) for texts in zip(*pairs, strict=True)]
    assert found.wer == pytest.approx(jiwer.wer(said, heard))
    wrong = found.substitutions + found.deletions + found.insertions
    assert wrong == sum(distance(tuple(s.split()), tuple(h.split())) for s, h in pairs)
    assert found.words == sum(len(s.split()) for s in said)
    if found.interval is not None:
        assert found.interval[0] <= found.interval[1]


def test_errors_by_hand() -> None:
    found = count_errors([("a b c", "a x c d"), ("d", "")])
    assert (found.substitutions, found.deletions, found.insertions) == (1, 1, 1)
    assert (found.words, found.wer) == (4, 0.75)


def test_the_interval_holds_the_rate_and_is_the_same_every_time() -> None:
    pairs = [("a b c d", "a b c d")] * 15 + [("a b c d", "x b c d")] * 5
    found = count_errors(pairs)
    assert found.interval == count_errors(pairs).interval
    assert found.interval is not None
    assert 0.0 < found.interval[0] < found.wer == 0.0625 < found.interval[1] < 0.15
    assert count_errors([("a", "b")]).interval is None


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("Eight eight zero three.", "8803"),
        ("eight eight zero three", "8-8-0-3"),
        ("twelve dollars at three p m", "$12 at 3 p.m."),
        ("nine am", "9 a.m."),
        ("at two thirty", "At 2:30."),
        ("well um it depends uh on", "Well, it depends, hmm, on..."),
        ("r t f m", "RT, FM"),
        ("Doctor Smith's house", "Dr. Smith\N{RIGHT SINGLE QUOTATION MARK}s house"),
        ("the twenty first", "the 21st"),
        ("ninth of may", "9th of May"),
        ("two hundred and five", "205"),
    ],
)
def test_the_same_words_are_spelled_alike(said: str, heard: str) -> None:
    assert spell(said) == spell(heard) != ""


def test_other_words_stay_other_words() -> None:
    assert spell("two tickets") != spell("too tickets")
    assert spell("eight eight zero three") != spell("eight eight three zero")
    assert spell("I'd go") == "i'd go"
    assert spell("Um...") == ""


@pytest.mark.parametrize("package", ["jiwer", "text_to_num"])
def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=r"turnkit\[agent\]"):
        check_scoring()
