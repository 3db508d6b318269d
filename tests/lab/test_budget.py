from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lab.runs import make_run
from turnkit.errors import ConfigError
from turnkit.lab.budget import SPANS, Change, TurnTimes, what_if
from turnkit.lab.budget_times import read_times
from turnkit.lab.measuring.run import measure_run

STREAMING = TurnTimes(
    eot=220, uplink=35, downlink=40, flushed=-150, words=-70, asked=0, token=120, audio=180,
    sent=190, v2v=510, drafted=False,
)  # fmt: skip
"""Words were known 70 ms before the decision; 25 ms of the way are explained by nothing."""

DRAFTED = replace(STREAMING, asked=-70, token=50, audio=110, sent=120, v2v=440, drafted=True)
LATE_WORDS = replace(
    STREAMING, flushed=-50, words=80, asked=80, token=200, audio=260, sent=270, v2v=590
)

ms = st.floats(0, 3000)


@st.composite
def times(draw: st.DrawFn) -> TurnTimes:
    """Any turn that an agent could have logged."""
    drafted = draw(st.booleans())
    flushed = draw(st.floats(-2000, 0))
    words = flushed + draw(ms)
    if drafted and words < 0:
        asked = words + draw(st.floats(0, -words))
    else:
        drafted, asked = False, max(words, 0) + draw(st.floats(0, 20))
    token = asked + draw(ms)
    audio = token + draw(ms)
    sent = max(0.0, words, audio) + draw(st.floats(0, 100))
    eot, uplink, downlink, rest = (draw(st.floats(0, 500)) for _ in range(4))
    v2v = eot + uplink + sent + downlink + rest - 100
    return TurnTimes(eot, uplink, downlink, flushed, words, asked, token, audio, sent, v2v, drafted)


def v2v(turn: TurnTimes, **change: object) -> float:
    return float(what_if([turn], Change(**change), draws=1).simulated["v2v"][0, 0])  # type: ignore[arg-type]


@given(st.lists(times(), min_size=1, max_size=5))
def test_with_nothing_changed_the_model_gives_back_what_was_measured(
    turns: list[TurnTimes],
) -> None:
    budget = what_if(turns, Change(), draws=2)
    assert budget.error_ms < 1e-6
    measured = np.array([turn.v2v for turn in turns])
    np.testing.assert_allclose(budget.simulated["v2v"], np.stack([measured] * 2, axis=1))


@given(times(), st.sampled_from(["streaming", "speculative", None]), ms, ms)
def test_spans_sum_to_v2v_and_a_slower_stage_never_makes_a_turn_faster(
    turn: TurnTimes, mode: str | None, low: float, more: float
) -> None:
    for stage in ("stt", "llm", "tts"):
        found = []
        for delay in (low, low + more):
            change = Change(mode=mode, **{stage: str(delay)})  # type: ignore[arg-type]
            budget = what_if([turn], change, draws=1)
            found.append(budget.simulated["v2v"][0, 0])
            total = sum(budget.simulated[span][0, 0] for span in SPANS)
            assert total == pytest.approx(found[-1])
        assert found[1] >= found[0] - 1e-6


def test_what_is_after_the_decision_costs_all_of_its_change() -> None:
    assert v2v(STREAMING, llm="257") == pytest.approx(510 + 137)
    assert v2v(STREAMING, tts="60") == pytest.approx(510)
    assert v2v(LATE_WORDS, stt="80") == pytest.approx(590 - 50)


def test_words_known_before_the_decision_cost_nothing() -> None:
    assert v2v(STREAMING, stt="150") == pytest.approx(510)
    assert v2v(STREAMING, stt="160") == pytest.approx(520)


def test_a_draft_costs_only_what_sticks_out_after_the_decision() -> None:
    assert v2v(DRAFTED, llm="40") == pytest.approx(440 - 80)
    # ready before the decision: the rest is saved, but no more than that
    assert v2v(DRAFTED, llm="0", tts="0") == pytest.approx(440 - 110)
    assert v2v(DRAFTED, llm="220") == pytest.approx(540)


def test_a_draft_whose_words_come_after_the_decision_is_an_ordinary_reply() -> None:
    late = v2v(DRAFTED, stt="250")  # words 100 ms after the decision
    assert late == pytest.approx(220 + 35 + 100 + 120 + 60 + 10 + 40 + 25)


def test_a_draft_that_waited_for_a_score_waits_for_it_again() -> None:
    eager = replace(DRAFTED, words=-140, flushed=-150)
    assert v2v(eager, stt="0") == pytest.approx(440)


def test_modes_move_the_moment_at_which_the_language_model_is_asked() -> None:
    assert v2v(DRAFTED, mode="streaming") == pytest.approx(510)
    assert v2v(STREAMING, mode="speculative") == pytest.approx(440)


def test_a_region_adds_its_round_trip_and_half_of_it_before_the_commit() -> None:
    near, far = (what_if([STREAMING], Change(region_ms=r), draws=1).simulated for r in (0.0, 250.0))
    shift = {name: far[name][0, 0] - near[name][0, 0] for name in far}
    assert shift["v2v"] == 250
    assert shift["post_commit"] == shift["uplink"] == shift["downlink"] == 125


def test_draws_follow_the_spec_and_the_seed() -> None:
    change = Change(llm="lognormal:180:0.4")
    turns = [STREAMING] * 40
    one, again, other = (what_if(turns, change, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.simulated["v2v"], again.simulated["v2v"])
    assert not np.array_equal(one.simulated["v2v"], other.simulated["v2v"])
    assert np.median(one.simulated["llm"]) == pytest.approx(180, abs=5)
    assert np.std(np.log(one.simulated["llm"])) == pytest.approx(0.4, abs=0.02)
    # another voice leaves the language model's draws alone
    both = what_if(turns, replace(change, tts="uniform:50:90"), 1)
    np.testing.assert_array_equal(one.simulated["llm"], both.simulated["llm"])


@pytest.mark.parametrize(
    "change",
    [{"llm": "slow"}, {"region_ms": -1.0}, {"mode": "batch"}, {"stt": "uniform:9:1"}],
)
def test_nonsense_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Change(**change)  # type: ignore[arg-type]


def test_a_run_without_turns_is_refused() -> None:
    with pytest.raises(ConfigError, match="no answered turn"):
        what_if([], Change())


@pytest.mark.parametrize("mode", ["batch", "streaming", "speculative"])
def test_turns_taken_apart_have_the_spans_that_were_measured(mode: str, tmp_path: Path) -> None:
    folder = make_run(tmp_path, calls=2, mode=mode)
    told = [turn.told for turn in measure_run(folder).turns if turn.told is not None]
    budget = what_if(read_times(folder, Change()), Change())
    assert len(budget.measured["v2v"]) == len(told) >= 5
    for span in SPANS:
        measured = [each.spans[span] for each in told if each.spans is not None]
        np.testing.assert_allclose(budget.measured[span], measured, atol=1.0)
    assert budget.error_ms < 1


def test_what_the_stages_themselves_took_is_found_where_drafts_hid_it(tmp_path: Path) -> None:
    """The runs' stages: 75 ms for words, 60 ms for a voice; in both modes the same tokens."""
    streaming, speculative = (
        read_times(make_run(tmp_path / mode, calls=2, mode=mode), Change())
        for mode in ("streaming", "speculative")
    )
    assert not any(turn.drafted for turn in streaming)
    assert all(turn.drafted for turn in speculative)
    for one, other in zip(streaming, speculative, strict=True):
        assert one.stt == pytest.approx(75, abs=1)
        assert other.stt == pytest.approx(75, abs=1)
        assert one.tts == pytest.approx(other.tts) == pytest.approx(60, abs=1)
        assert other.llm == pytest.approx(one.llm, abs=5)
