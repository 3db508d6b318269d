from __future__ import annotations

import numpy as np
import pytest

from turnkit.errors import InputError
from turnkit.metrics import Cutoff, CutoffKind, TurnOutcome, outcome_sums, summarise


def cut(kind: CutoffKind, span: int | None = None) -> Cutoff:
    return Cutoff(1.0, kind, span, 0.3)


OUTCOMES = [
    TurnOutcome(
        "a",
        "s0",
        2,
        (cut(CutoffKind.HOLD, 0), cut(CutoffKind.HOLD, 0)),
        0.2,
        False,
        (10.0, 20.0),
        (9.0, 18.0),
        5.0,
    ),
    TurnOutcome("b", "s0", 1, (cut(CutoffKind.SPEECH),), 0.4, False, (30.0,), (27.0,), 7.0),
    TurnOutcome("c", "s1", 1, (cut(CutoffKind.OTHER_HOLD, 1),), 0.6, False),
    TurnOutcome("d", "s2", 0, (), 4.0, True),
]


def test_summary_by_hand() -> None:
    summary = summarise(OUTCOMES)
    assert (summary.turns, summary.holds) == (4, 4)
    assert summary.hold_rate == 0.25  # a hold that was cut twice counts once
    assert summary.rate == 0.5  # with the cutoff during speech
    assert (summary.speech_cutoffs, summary.other_cutoffs, summary.misses) == (1, 1, 1)
    assert summary.turns_cut == 0.5  # the hold that does not count is no cutoff that counts
    assert summary.mean_latency_s == pytest.approx(1.3)
    assert summary.ep50_s == pytest.approx(0.5)
    assert summary.ep99_s == pytest.approx(0.6 + 0.97 * 3.4)
    assert summary.wall_ms_p50 == 20.0
    assert summary.cpu_ms_p50 == 18.0
    assert summary.decision_ms_p50 == 6.0  # turns without a time are left out


def test_sums_hold_one_policy_speaker_by_speaker() -> None:
    sums = outcome_sums(OUTCOMES, ["s2", "s1", "s0"])
    assert sums.cutoffs[:, 0].tolist() == [0, 0, 2]
    assert sums.holds.tolist() == [0, 1, 3]
    assert sums.ends.tolist() == [1, 1, 2]
    assert sums.latency_s[:, 0] == pytest.approx([4.0, 0.6, 0.6])
    assert sums.rate()[0] == summarise(OUTCOMES).rate
    assert sums.mean_latency_s()[0] == pytest.approx(summarise(OUTCOMES).mean_latency_s)


def test_no_outcomes_give_nan() -> None:
    summary = summarise([])
    assert summary.turns == 0
    for value in (summary.rate, summary.mean_latency_s, summary.ep90_s, summary.turns_cut):
        assert np.isnan(value)


@pytest.mark.parametrize(
    "outcome",
    [
        TurnOutcome("x", "s", 0, (cut(CutoffKind.HOLD, 0),), 0.3, False),
        TurnOutcome("x", "s", 0, (), -0.1, False),
        TurnOutcome("x", "s", 0, (), 4.1, True),
    ],
)
def test_outcomes_that_cannot_be_right_are_refused(outcome: TurnOutcome) -> None:
    with pytest.raises(InputError, match="turn x"):
        summarise([outcome])
