from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agent.transport.peers import tone
from turnkit.audio import Samples
from turnkit.errors import InputError
from turnkit.lab.caller.onset import Sound, find_sounds

RATE = 16_000


def track(seconds: float, floor_db: float | None, *sounds: tuple[float, float]) -> Samples:
    rng = np.random.default_rng(0)
    out = np.zeros(round(seconds * RATE), dtype=np.float32)
    if floor_db is not None:
        out += rng.standard_normal(len(out), dtype=np.float32) * np.float32(10 ** (floor_db / 20))
    for start, end in sounds:
        samples = tone(end - start, RATE)
        at = round(start * RATE)
        out[at : at + len(samples)] += samples
    return out


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.1, 2.0),
    st.floats(0.05, 1.5),
    st.sampled_from([None, -90.0, -75.0, -60.0]),
)
def test_onset_and_end_are_exact_to_a_few_milliseconds(
    start: float, length: float, floor_db: float | None
) -> None:
    found = find_sounds(track(4.0, floor_db, (start, start + length)))
    assert len(found) == 1
    assert found[0].start == pytest.approx(start, abs=0.002)
    assert found[0].end == pytest.approx(start + length, abs=0.002)


def test_short_gaps_are_closed_and_long_ones_are_not() -> None:
    found = find_sounds(track(4.0, -70.0, (0.5, 0.8), (0.95, 1.2), (2.0, 2.4)))
    expected = [Sound(0.5, 1.2), Sound(2.0, 2.4)]
    for each, wanted in zip(found, expected, strict=True):
        assert each.start == pytest.approx(wanted.start, abs=0.002)
        assert each.end == pytest.approx(wanted.end, abs=0.002)


def test_clicks_and_noise_are_no_sounds() -> None:
    clicks = track(4.0, -60.0)
    clicks[[8_000, 24_000, 40_000]] = 0.9
    assert find_sounds(clicks) == []
    assert find_sounds(np.zeros(0, dtype=np.float32)) == []
    assert find_sounds(np.zeros(50_000, dtype=np.float32)) == []


def test_a_noise_that_stays_becomes_the_floor() -> None:
    noisy = track(16.0, None, (2.0, 2.5), (12.0, 12.5))
    rng = np.random.default_rng(1)
    noisy[8 * RATE :] += rng.standard_normal(8 * RATE).astype(np.float32) * np.float32(0.004)
    found = find_sounds(noisy)
    assert [round(each.start, 1) for each in found] == [2.0, 8.0, 12.0]
    assert found[1].end < 11.0
    assert found[2].end == pytest.approx(12.5, abs=0.003)


def test_speech_from_end_to_end_is_found() -> None:
    assert len(find_sounds(tone(6.0, RATE))) == 1


def test_a_rate_without_whole_frames_is_refused() -> None:
    with pytest.raises(InputError, match="multiple of 100"):
        find_sounds(np.zeros(100, dtype=np.float32), 11_025 + 1)
