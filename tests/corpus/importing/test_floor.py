"""Who holds the floor."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkit.corpus.importing.floor import (
    FloorRules,
    Run,
    cut_turns,
    find_backchannels,
    merge,
)
from turnkit.corpus.importing.ledger import Ledger
from turnkit.errors import ConfigError

RULES = FloorRules()
EDGES = st.lists(st.floats(0.05, 3.0), min_size=0, max_size=24)


def runs(edges: list[float]) -> list[Run]:
    times = np.cumsum(edges)
    return [(float(a), float(b)) for a, b in zip(times[::2], times[1::2], strict=False)]


def test_the_other_side_taking_the_floor_ends_a_turn() -> None:
    own, other = [(1.0, 2.0), (2.5, 3.0), (8.0, 9.0)], [(4.0, 7.0)]
    first, second = cut_turns(own, other, 20.0)
    assert (first.start, first.end, first.onset, first.offset) == (0.5, 7.0, 1.0, 3.0)
    assert [(s.start, s.end) for s in first.spans] == [(1.5, 2.0), (2.5, 6.5)]
    assert (second.start, second.end) == (7.5, 13.0)
    assert len(second.spans) == 1
    assert not first.overlap


def test_ends_by_a_long_silence_alone_are_told() -> None:
    said, ledger = [(1.0, 2.0), (8.0, 9.0), (15.0, 16.0)], Ledger()
    assert len(cut_turns(said, [(3.0, 5.0)], 30.0, None, ledger)) == 3
    assert ledger.lines() == [
        "ends after which the same speaker went on, the silence being no hold: 1"
    ]


def test_a_backchannel_does_not_end_a_turn() -> None:
    own = [(1.0, 2.5), (3.3, 4.5)]
    (kept,) = cut_turns(own, [(2.7, 3.2)], 10.0)
    edges = [edge for span in kept.spans for edge in (span.start, span.end)]
    assert edges == pytest.approx([2.0, 2.8, 4.0, 8.0])
    assert find_backchannels([(2.7, 3.2)], own, RULES) == [(2.7, 3.2)]
    assert cut_turns([(2.7, 3.2)], own, 10.0) == []


def test_the_same_word_after_the_other_stopped_is_an_answer() -> None:
    question = [(1.0, 2.5), (4.5, 6.0)]
    assert find_backchannels([(3.0, 3.4)], question, RULES) == []
    assert len(cut_turns(question, [(3.0, 3.4)], 10.0)) == 2
    (answer,) = cut_turns([(3.0, 3.4)], question, 10.0)
    assert (answer.onset, answer.offset) == (3.0, 3.4)


@pytest.mark.parametrize(
    "own",
    [
        pytest.param([(2.0, 3.2)], id="too long"),
        pytest.param([(2.0, 2.4), (3.0, 4.0)], id="goes on soon after"),
        pytest.param([(0.5, 1.2), (2.0, 2.4)], id="spoke shortly before"),
        pytest.param([(5.8, 6.4)], id="lasts beyond the other"),
    ],
)
def test_what_is_no_backchannel(own: list[Run]) -> None:
    assert find_backchannels(own, [(0.0, 6.0)], RULES) == []


def test_two_words_of_one_backchannel() -> None:
    assert find_backchannels([(2.0, 2.3), (2.5, 2.8)], [(0.0, 6.0)], RULES) == [(2.0, 2.8)]


def test_a_long_silence_of_everybody_ends_a_turn() -> None:
    own = [(1.0, 2.0), (2.0 + RULES.longest_hold_s + 0.1, 9.0)]
    assert len(cut_turns(own, [], 20.0)) == 2
    assert len(cut_turns([(1.0, 2.0), (2.0 + RULES.longest_hold_s, 9.0)], [], 20.0)) == 1


def test_why_turns_are_left_out() -> None:
    ledger = Ledger()
    # The other side spoke across the gap: own speech follows 0.2 s after own speech.
    own, other = [(1.0, 2.0), (2.2, 3.0)], [(1.9, 3.5)]
    kept = cut_turns(own, other, 10.0, ledger=ledger, name="a")
    assert [cut.start for cut in kept] == [2.0]
    assert [cut.overlap for cut in kept] == [True]
    cut_turns([(1.0, 1.1)], [], 10.0, ledger=ledger, name="b")
    assert ledger.lines() == [
        "left out 1: its speaker goes on too soon (a at 1.00 s)",
        "left out 1: less speech than a turn needs (b at 1.00 s)",
    ]


def test_who_talks_on_over_an_interruption_has_not_ended() -> None:
    other = [(1.8, 4.0)]
    for gap, kept in ((0.9, [2.0 + 0.9]), (1.1, [1.0, 2.0 + 1.1])):
        own = [(1.0, 2.0), (2.0 + gap, 4.5)]
        assert [cut.onset for cut in cut_turns(own, other, 10.0)] == kept


def test_a_last_word_without_extent_is_no_going_on() -> None:
    (cut,) = cut_turns([(1.0, 2.0), (2.5, 2.5)], [(9.0, 9.5)], 12.0)
    assert (cut.offset, len(cut.spans)) == (2.5, 2)


def test_on_a_shared_channel_others_are_heard() -> None:
    own, other = [(1.0, 2.0), (5.0, 6.0)], [(2.8, 4.2)]
    apart = cut_turns(own, other, 8.0)
    assert [cut.end for cut in apart] == [5.0, 8.0]
    shared = cut_turns(own, other, 8.0, heard=other)
    assert [cut.end for cut in shared] == [2.8, 8.0]
    assert shared[1].start == 4.5
    ledger = Ledger()
    backchannel = [(2.2, 2.6)]
    own = [(1.0, 2.0), (2.9, 6.0)]
    assert cut_turns(own, backchannel, 8.0, None, ledger, heard=backchannel) == []
    assert list(ledger.dropped) == ["somebody else is heard in a pause of it"]


@given(EDGES, EDGES, st.booleans())
def test_rows_hold_their_spans_in_order_and_own_speech_between(
    own_edges: list[float], other_edges: list[float], shared: bool
) -> None:
    own, other = runs(own_edges), runs(other_edges)
    duration = max([end for _, end in own + other], default=0.0) + 1.0
    heard = own + other if shared else own
    for cut in cut_turns(own, other, duration, heard=other if shared else ()):
        edges = [edge for span in cut.spans for edge in (span.start, span.end)]
        assert edges == sorted(edges)
        assert edges[0] >= 0.0
        assert edges[-1] == pytest.approx(cut.end - cut.start)
        assert cut.start + cut.spans[-1].start == pytest.approx(cut.offset)
        last = cut.spans[-1]
        assert not any(cut.offset <= a < cut.offset + RULES.resume_s - 1e-9 for a, _ in own)
        assert RULES.min_tail_s - 1e-9 <= last.duration <= RULES.tail_s + 1e-9
        # Nothing is heard in any silence of the row.
        for span in cut.spans:
            begin, end = cut.start + span.start + 1e-9, cut.start + span.end - 1e-9
            assert not any(a < end and b > begin for a, b in heard)


@given(EDGES, EDGES)
def test_speech_of_a_side_is_in_one_turn_at_most(
    own_edges: list[float], other_edges: list[float]
) -> None:
    own, other = runs(own_edges), runs(other_edges)
    cuts = cut_turns(own, other, 200.0)
    for before, after in itertools.pairwise(cuts):
        assert before.offset < after.onset
    backchannels = find_backchannels(own, other, RULES)
    for begin, end in backchannels:
        assert any(a < begin and end < b for a, b in merge(other, RULES.bridge_s))
        assert not any(cut.onset < end and cut.offset > begin for cut in cuts)


@given(EDGES, st.floats(0.0, 1.0))
def test_merged_runs_cover_the_same_and_lie_apart(edges: list[float], gap: float) -> None:
    given_runs = runs(edges)
    merged = merge(given_runs[::-1], gap)
    assert all(any(a <= c and d <= b for a, b in merged) for c, d in given_runs)
    for before, after in itertools.pairwise(merged):
        assert after[0] - before[1] > gap


@pytest.mark.parametrize("key", ["backchannel_s", "bridge_s", "tail_s"])
def test_rules_out_of_range_are_named(key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        FloorRules(**{key: -1.0})
