from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from tests.agent.test_records import TURN
from turnkit.agent.stats import COUNTS, describe, percentiles


def test_percentiles_of_what_is_known() -> None:
    assert percentiles([]) == {"p50": None, "p90": None}
    assert percentiles([None, None]) == {"p50": None, "p90": None}
    assert percentiles([3.0, None, 1.0, 2.0]) == {"p50": 2.0, "p90": 2.8}
    assert percentiles(float(i) for i in range(101)) == {"p50": 50.0, "p90": 90.0}


def test_only_answered_turns_count() -> None:
    slow = replace(TURN, turn=2, sent_at=11.72)
    silent = replace(TURN, turn=3, sent_at=None, outcome="failed")
    found = describe([TURN, slow, silent], Counter(take_backs=2, nonsense=1))
    assert found["turns"] == 2
    assert found["v2v_ms"]["p50"] == pytest.approx(1_220)
    assert found["post_commit_ms"]["p50"] == pytest.approx(920)
    assert found["eot_ms"] == {"p50": 300.0, "p90": 300.0}
    assert tuple(found["counts"]) == COUNTS
    assert found["counts"]["take_backs"] == 2
    assert sum(found["counts"].values()) == 2


def test_nothing_happened_yet() -> None:
    found = describe([], Counter())
    assert found["turns"] == 0
    assert found["v2v_ms"] == {"p50": None, "p90": None}
