from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkit.agent.meter import BEHIND, SILENCE_DB, STEP, Meter, level_db
from turnkit.detector.protocol import Trace


def test_levels_are_those_of_the_book() -> None:
    time = np.arange(16_000) / 16_000
    sine = (0.5 * np.sin(2 * np.pi * 100 * time)).astype(np.float32)
    assert level_db(sine) == pytest.approx(20 * math.log10(0.5 / math.sqrt(2)), abs=0.01)
    assert level_db(np.ones(320, np.float32)) == pytest.approx(0.0)
    assert level_db(np.zeros(320, np.float32)) == SILENCE_DB
    assert level_db(np.zeros(0, np.float32)) == SILENCE_DB


@given(st.lists(st.integers(1, 2_000), max_size=60))
def test_every_slot_is_handed_out_once_and_in_order(sizes: list[int]) -> None:
    meter, now, taken, ends = Meter(), 0, 0, [0.0]
    for size in sizes:
        now += size
        meter.heard(now, np.full(size, 0.1, np.float32))
        fields = meter.take(now)
        if fields is None:
            continue
        columns = [fields[name] for name in ("caller", "agent", "speech", "score")]
        assert len({len(column) for column in columns}) == 1
        taken += len(columns[0])
        assert fields["at"] == pytest.approx(ends[-1] + 0.02 * len(columns[0]))
        ends.append(fields["at"])
    assert taken == max(0, now // STEP - BEHIND)


@given(st.lists(st.integers(1, 700), min_size=12, max_size=60))
def test_levels_are_those_of_the_slot_however_the_audio_is_cut(sizes: list[int]) -> None:
    audio = np.random.default_rng(0).normal(0, 0.1, sum(sizes)).astype(np.float32)
    audio *= np.linspace(0.01, 1, len(audio), dtype=np.float32)
    meter, now, levels = Meter(), 0, list[float]()
    for size in sizes:
        now += size
        meter.heard(now, audio[now - size : now])
        fields = meter.take(now)
        levels += [] if fields is None else fields["caller"]
    expected = [level_db(audio[slot * STEP : (slot + 1) * STEP]) for slot in range(len(levels))]
    assert levels == pytest.approx(expected, abs=0.06)


def test_what_happened_stands_in_its_slot() -> None:
    meter = Meter()
    for slot in range(20):
        level = 0.1 if slot in (3, 4) else 0.0
        meter.heard((slot + 1) * STEP, np.full(STEP, level, np.float32))
    # Two pieces of one slot: the louder one is shown.
    meter.said(7 * STEP, np.full(100, 0.5, np.float32))
    meter.said(7 * STEP + 10, np.zeros(100, np.float32))
    trace = Trace()
    trace.append(9 * STEP, 0.81234, 0.0, math.nan)
    trace.append(11 * STEP, 0.1, 0.2, 0.5)
    meter.traced(trace)
    fields = meter.take(20 * STEP)
    assert fields is not None
    assert [i for i, level in enumerate(fields["caller"]) if level > SILENCE_DB] == [3, 4]
    assert [i for i, level in enumerate(fields["agent"]) if level > SILENCE_DB] == [7]
    assert fields["agent"][7] == pytest.approx(-6.0, abs=0.1)
    assert fields["speech"][9] == 0.812
    assert fields["score"][9] is None
    assert (fields["speech"][11], fields["score"][11]) == (0.1, 0.5)
    assert meter.take(20 * STEP) is None


def test_what_comes_too_late_is_not_kept_for_ever() -> None:
    meter = Meter()
    for slot in range(100):
        meter.heard((slot + 1) * STEP, np.zeros(STEP, np.float32))
        meter.take((slot + 1) * STEP)
        late = Trace()
        late.append(max(0, slot - 50) * STEP, 0.5, 0.0, 0.5)
        meter.traced(late)
    assert len(meter._seen) <= BEHIND + 2
    assert len(meter._caller) <= BEHIND + 2
