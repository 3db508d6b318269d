from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest

from tests.agent.transport.peers import leftovers, loopback_only, run, run_live
from turnkit.agent.transport.pacing import FRAME_S
from turnkit.agent.transport.webrtc import WebRtcTransport
from turnkit.errors import CallError, InputError
from turnkit.lab import ears
from turnkit.lab.bursts import CUT_EVERY, SHAPES, Bursts, make_burst
from turnkit.lab.ears import EarsError, measure_ears

FRAME = 960


@pytest.fixture(autouse=True)
def loopback() -> Iterator[None]:
    with loopback_only():
        yield


@pytest.mark.realtime
def test_every_burst_is_found_to_ten_milliseconds(capsys: pytest.CaptureFixture[str]) -> None:
    async def measure() -> EarsError:
        error = await measure_ears(12, seed=3)
        assert (error.skipped, error.late) == (0, 0), "this machine was too busy"
        assert error.worst_ms <= 10.0
        return error

    error = run_live(measure)
    found = error.describe()
    with capsys.disabled():
        for name in ("onset_ms", "end_ms", "cut_ms"):
            figures = ", ".join(f"{key} {value:.1f}" for key, value in found[name].items())
            print(f"\nears, {name[:-3]}, ms: {figures}", end="")
    assert (found["n"], found["missed"], found["extra"]) == (12, 0, 0)
    assert len(error.onsets_ms) == 12
    assert len(error.cuts_ms) == 12 // CUT_EVERY
    # A sound that is cut off rings on in the codec, and is never over before it was.
    assert np.all(error.cuts_ms > -5.0)
    assert np.all(error.cuts_ms < 40.0)


def test_bursts_know_their_moments_however_late_they_are_pulled() -> None:
    """Slots of 20 ms from 5.0 on, late by up to 15 ms, five of them skipped at number 40."""
    rng = np.random.default_rng(0)
    now = [0.0]
    bursts, heard = Bursts(6, 1, lambda: now[0]), []
    due: list[float] = []
    while bursts.done < 6:
        slot = len(due) + (5 if len(due) >= 40 else 0)
        late = 0.0 if slot % 9 == 0 else float(rng.uniform(0.0, 0.015))
        due.append(5.0 + slot * FRAME_S)
        now[0] = due[-1] + late
        heard.append(bursts.pull(FRAME))
    assert bursts.slots() == pytest.approx(due, abs=1e-6)
    assert bursts.skipped == 5
    track = np.concatenate(heard)
    for start, end in bursts.audible():
        frame = int(np.searchsorted(due, start + 1e-6)) - 1
        at = frame * FRAME + round((start - due[frame]) * 48_000)
        assert abs(track[at]) >= 10 ** (-55 / 20)
        assert not np.any(np.abs(track[at - 4_800 : at]) >= 10 ** (-55 / 20))
        assert end > start


@pytest.mark.parametrize("shape", SHAPES)
def test_bursts_fade_or_are_cut_as_they_say(shape: str) -> None:
    for seed in range(10):
        faded = make_burst(shape, False, np.random.default_rng(seed))
        cut = make_burst(shape, True, np.random.default_rng(seed))
        assert len(faded) == len(cut)
        assert np.abs(faded[-48:]).max() < 0.02 * np.abs(faded).max()
        assert np.abs(cut[-480:]).max() > 0.1 * np.abs(cut).max()
        assert np.abs(cut).max() <= 1.0


def test_what_is_not_found_and_what_nobody_played_is_counted() -> None:
    wanted = [(1.0, 1.2), (2.0, 2.2), (3.0, 3.2), (4.0, 4.2)]
    found = [(1.004, 1.203), (2.5, 2.6), (2.998, 3.2), (4.0, 4.215)]
    error = ears._compare(wanted, found)
    assert (error.n, error.missed, error.extra) == (4, 1, 1)
    assert error.onsets_ms == pytest.approx([4.0, -2.0, 0.0])
    assert error.ends_ms == pytest.approx([3.0, 0.0])
    assert error.cuts_ms == pytest.approx([15.0])
    assert error.worst_ms == np.inf
    figures = error.describe()["onset_ms"]
    assert figures["max"] == pytest.approx(4.0)
    assert figures["mean"] == pytest.approx(2.0 / 3.0)


def test_nothing_to_play_is_refused() -> None:
    with pytest.raises(InputError, match="1 or more"):
        asyncio.run(measure_ears(0))


@pytest.mark.realtime
def test_an_agent_that_leaves_halfway_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    accept = WebRtcTransport.accept

    async def accept_for_a_second(offer: str) -> WebRtcTransport:
        transport = await accept(offer)
        leaving.append(asyncio.create_task(leave(transport)))
        return transport

    async def leave(transport: WebRtcTransport) -> None:
        await asyncio.sleep(1.0)
        await transport.aclose()

    async def measure() -> None:
        before = await leftovers()
        with pytest.raises(CallError, match="the agent hung up, after 0 of 3"):
            await measure_ears(3)
        assert await leftovers() == before

    leaving: list[asyncio.Task[None]] = []
    monkeypatch.setattr(WebRtcTransport, "accept", accept_for_a_second)
    run(measure())
