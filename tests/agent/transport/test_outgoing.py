from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError

from tests.agent.transport.peers import Clip, run, run_live, tone
from turnkit.agent.transport.opus import OpusDecoder
from turnkit.agent.transport.outgoing import FRAME, OutgoingTrack
from turnkit.agent.transport.pacing import FRAME_S, Pacer


class Clock:
    """A clock that tests move; sleeping on it takes no time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, overshoot: float = 0.0) -> None:
        self.now = 100.0
        self.overshoot = overshoot
        monkeypatch.setattr("turnkit.agent.transport.pacing.asyncio.sleep", self.sleep)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds + self.overshoot


def test_pacing_does_not_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, overshoot=0.0017)  # what a busy loop adds to every sleep

    async def pace() -> None:
        pacer = Pacer(clock)
        for slot in range(1000):
            assert await pacer.wait() == slot
            assert 0.0 <= clock.now - (100.0 + slot * FRAME_S) < 0.002
        assert pacer.skipped == 0

    run(pace())


def test_a_short_delay_is_caught_up_with_and_a_long_one_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)

    async def pace() -> None:
        pacer = Pacer(clock)
        await pacer.wait()
        clock.now += 0.055
        slots = [await pacer.wait() for _ in range(3)]
        assert (slots, pacer.skipped) == ([1, 2, 3], 0)
        clock.now = pacer.due(4) + 0.5
        assert await pacer.wait() == 29  # 25 slots of 20 ms are gone
        at = clock.now
        assert await pacer.wait() == 30
        assert clock.now - at == pytest.approx(FRAME_S)
        assert pacer.skipped == 25

    run(pace())


def test_frames_are_pulled_when_they_are_due() -> None:
    async def play() -> None:
        sent: list[float] = []
        track = OutgoingTrack(sent=lambda due, _: sent.append(due))
        first = await track.recv()
        assert first.pts == 0
        track.source = source = Clip(tone(0.1, 48_000))
        decoder = OpusDecoder()
        parts = []
        for number in range(1, 21):
            packet = await track.recv()
            assert packet.pts is not None
            assert packet.pts % FRAME == 0
            assert packet.pts >= number * FRAME
            assert sent[-1] <= time.monotonic() + 0.002
            decoded = decoder.decode(bytes(packet), FRAME)
            assert decoded is not None
            parts.append(decoded)
        assert [len(samples) for _, samples in source.pulls] == [FRAME] * 20
        heard = np.concatenate(parts)
        assert np.abs(heard[: 4 * FRAME]).max() > 0.25
        assert np.abs(heard[-4 * FRAME :]).max() < 1e-3
        track.stop()
        with pytest.raises(MediaStreamError):
            await track.recv()
        await asyncio.sleep(0)

    run_live(play)
