from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.agent.memory_transport import Observed
from tests.agent.sample_time import run
from tests.speech import talk
from turnkit.agent.hearing import Listener
from turnkit.detector.base import StreamingDetector
from turnkit.detector.opening import open_detector
from turnkit.detector.protocol import TurnEvent
from turnkit.detector.replay import replay

RATE = 16_000
SOUND = talk(-0.3, 1.0, -1.0, 0.8, -1.0)


async def listen(sizes: Sequence[int], detector: StreamingDetector) -> tuple[Listener, Observed]:
    """Push `SOUND` in pieces, some of them before the last one was worked off."""
    observed, told = Observed(), list[TurnEvent]()
    with ThreadPoolExecutor(1) as pool:
        listener = Listener(detector, pool, told.extend, observed)
        working = asyncio.create_task(listener.run())
        at = 0
        for number in range(10_000):
            size = sizes[number % len(sizes)]
            listener.push(SOUND[at : at + size])
            at += size
            if number % 5 == 0:
                listener.tell("words", f"word {number}")
            if number % 3 == 0:
                await asyncio.sleep(0.001)
            if at >= len(SOUND):
                break
        await asyncio.sleep(0.1)
        working.cancel()
        await asyncio.wait([working])
    assert told == observed.events
    return listener, observed


@pytest.mark.parametrize("sizes", [(320,), (1, 77, 1_000), (4_801,)])
@pytest.mark.parametrize("threads", [False, True])
def test_pieces_and_threads_make_no_difference(sizes: Sequence[int], threads: bool) -> None:
    detector = open_detector("vad:600", RATE)
    expected = replay(open_detector("vad:600", RATE), SOUND)
    assert expected
    _, observed = run(lambda: listen(sizes, detector), threads=threads)
    assert observed.events == expected
    heard = np.concatenate(observed.chunks)
    assert np.array_equal(heard, SOUND)
    # Inputs lie where they reached the detector, and are in order.
    places = [each.at for each in observed.inputs]
    assert places == sorted(places)
    assert set(places) <= set(np.cumsum([len(chunk) for chunk in observed.chunks]).tolist())
    again = replay(open_detector("vad:600", RATE), heard, observed.inputs)
    assert again == expected


def test_the_trace_is_handed_out_once_and_whole() -> None:
    detector = open_detector("vad:600", RATE)
    listener, _ = run(lambda: listen((320,), detector))
    trace = listener.take_trace()
    frames = len(SOUND) // 512
    assert len(trace.at) == len(trace.speech) == len(trace.score) == len(trace.silence_s) == frames
    assert trace.at == sorted(trace.at)
    assert max(trace.speech) > 0.9
    assert listener.take_trace().at == []
    assert 0.0 < listener.load < 1.0


def test_a_detector_that_breaks_is_told() -> None:
    async def body() -> None:
        detector = open_detector("vad:600", RATE)
        with ThreadPoolExecutor(1) as pool:
            listener = Listener(detector, pool, lambda _: None)
            working = asyncio.create_task(listener.run())
            listener.push(np.full(320, np.nan, np.float32))
            with pytest.raises(Exception, match="finite"):
                await working

    run(body)
