"""Rooms: when the direct sound comes, and how long the room rings."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from turnkit.audio import Samples
from turnkit.corpus.synthesis.channel.rooms import (
    LEAD,
    ROOM_RATE,
    Room,
    draw_room,
    in_room,
    room_response,
)
from turnkit.errors import MissingDependencyError


def room(seed: int, rt60: float | None = None) -> Room:
    bounds = (0.15, 0.6) if rt60 is None else (rt60, rt60)
    return draw_room(bounds, (0.25, 1.2), np.random.default_rng(seed))


def decay_s(response: Samples) -> float:
    """Schroeder's backward integral from -5 to -20 dB, continued to 60 dB."""
    left = np.cumsum(response[::-1].astype(np.float64) ** 2)[::-1]
    db = 10 * np.log10(left / left[0])
    first, last = (int(np.argmax(db < bound)) for bound in (-5.0, -20.0))
    return 60.0 / 15.0 * (last - first) / ROOM_RATE


@pytest.mark.parametrize("seed", range(12))
def test_direct_sound_comes_first_and_at_its_place(seed: int) -> None:
    response = room_response(room(seed))
    assert np.isclose(np.sum(response.astype(np.float64) ** 2), 1.0, atol=1e-4)
    direct = float(np.max(np.abs(response[LEAD - 2 : LEAD + 3])))
    assert np.max(np.abs(response[: LEAD - 4])) < 0.25 * direct
    # Reflections are weaker than the direct sound unless several fall together.
    assert direct > 0.5 * float(np.max(np.abs(response)))


def test_longer_reverberation_is_longer() -> None:
    for seed in range(6):
        short, long = (decay_s(room_response(room(seed, rt60))) for rt60 in (0.25, 0.6))
        assert long > 1.4 * short
        assert 0.05 < short < 0.5
        assert 0.15 < long < 0.9


def test_speech_keeps_its_time_and_rings_on() -> None:
    click = np.zeros(8_000, np.float32)
    click[2_000] = 1.0
    wet = in_room(click, room(1))
    assert len(wet) == len(click)
    assert abs(int(np.argmax(np.abs(wet))) - 2_000) <= 0.002 * ROOM_RATE
    assert not np.any(np.abs(wet[: 2_000 - LEAD - 1]) > 1e-5)
    assert np.sum(wet[2_100:] ** 2) > 0.01


def test_responses_are_kept_and_cannot_be_changed() -> None:
    kept = room_response(room(3))
    assert room_response(room(3)) is kept
    with pytest.raises(ValueError, match="read-only"):
        kept[0] = 1.0


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    room_response.cache_clear()
    monkeypatch.setitem(sys.modules, "pyroomacoustics", None)
    with pytest.raises(MissingDependencyError, match=r"pyroomacoustics.*turnkit\[synthesis\]"):
        room_response(room(4))
