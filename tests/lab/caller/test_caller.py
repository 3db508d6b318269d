from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from aiortc.rtp import RtpPacket

from tests.agent.transport.peers import Clip, in_call, leftovers, loopback_only, run, run_live, tone
from turnkit.agent.transport.opus import OPUS_RATE, OpusEncoder
from turnkit.audio import Samples
from turnkit.errors import CallError
from turnkit.lab.caller import Caller, find_sounds
from turnkit.lab.caller.listening import Playout
from turnkit.lab.caller.microphone import Microphone

pytestmark = pytest.mark.realtime

FRAME = 960
CODEC_S = 0.0045
"""libopus delays by 6.5 ms; of a tone that begins at once, a forerun is heard before that."""


@pytest.fixture(autouse=True)
def loopback() -> Iterator[None]:
    with loopback_only():
        yield


def rtp(samples: Samples, first_timestamp: int = (1 << 32) - 5 * FRAME) -> list[RtpPacket]:
    encoder = OpusEncoder()
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    return [
        RtpPacket(96, 0, i, (first_timestamp + i * FRAME) % (1 << 32), 1, encoder.encode(frame))
        for i, frame in enumerate(frames)
    ]


def silence_then_tone(silence: float, length: float, rest: float = 0.4) -> Samples:
    parts = [np.zeros(round(silence * OPUS_RATE)), tone(length, OPUS_RATE)]
    return np.concatenate([*parts, np.zeros(round(rest * OPUS_RATE))]).astype(np.float32)


def onsets(playout: Playout, length: float = 3.0) -> list[float]:
    return [each.start for each in find_sounds(playout.render(100.0, length), OPUS_RATE)]


def test_packets_are_played_a_fixed_delay_after_they_came() -> None:
    playout = Playout(delay_s=0.06)
    for number, packet in enumerate(rtp(silence_then_tone(1.0, 0.5))):
        playout.take(packet, 100.3 + number * 0.02)
    (onset,) = onsets(playout)
    assert onset == pytest.approx(0.3 + 0.06 + 1.0 + CODEC_S, abs=0.003)
    assert playout.late == 0


def test_jitter_below_the_delay_moves_nothing_and_more_is_late() -> None:
    rng = np.random.default_rng(0)
    playout = Playout(delay_s=0.04)
    for number, packet in enumerate(rtp(silence_then_tone(1.0, 0.5))):
        delay = 0.0 if number == 0 else float(rng.uniform(0.0, 0.039))
        playout.take(packet, 100.0 + number * 0.02 + (0.1 if number == 30 else delay))
        playout.take(packet, 100.0 + number * 0.02 + 0.2)  # a copy changes nothing
    assert playout.late == 1
    (onset,) = onsets(playout)
    assert onset == pytest.approx(1.0 + 0.04 + CODEC_S, abs=0.003)


def test_a_slow_first_packet_is_made_up_for() -> None:
    playout = Playout(delay_s=0.04)
    for number, packet in enumerate(rtp(silence_then_tone(1.0, 0.5))):
        playout.take(packet, 100.0 + max(number * 0.02, 0.03))
    (onset,) = onsets(playout)
    assert onset == pytest.approx(1.0 + 0.04 + CODEC_S, abs=0.003)


def test_a_longer_way_is_heard_later_and_not_never() -> None:
    """Timestamps alone would place the sound 300 ms before it can have been heard."""
    playout = Playout(delay_s=0.04)
    for number, packet in enumerate(rtp(silence_then_tone(2.0, 0.5))):
        playout.take(packet, 100.0 + number * 0.02 + (0.3 if number > 60 else 0.0))
    (onset,) = onsets(playout, 4.0)
    assert onset == pytest.approx(2.0 + 0.3 + 0.04 + CODEC_S, abs=0.003)
    assert (playout.late, playout.rebased) == (10, 1)


def test_a_way_that_gets_shorter_again_is_noticed() -> None:
    playout = Playout(delay_s=0.03)
    for number, packet in enumerate(rtp(silence_then_tone(6.0, 0.5))):
        playout.take(packet, 100.0 + number * 0.02 + (0.3 if 60 < number < 100 else 0.0))
    (onset,) = onsets(playout, 8.0)
    assert onset == pytest.approx(6.0 + 0.03 + CODEC_S, abs=0.003)
    assert (playout.rebased, playout.hastened) == (1, 1)


def test_lost_packets_are_concealed() -> None:
    playout = Playout()
    for number, packet in enumerate(rtp(tone(1.0, OPUS_RATE))):
        if number not in (20, 21):
            playout.take(packet, 100.0 + number * 0.02)
    heard = playout.render(100.0, 1.0)[round(0.1 * OPUS_RATE) :]
    assert np.abs(np.diff(heard)).max() < 0.05
    gap = heard[round(0.345 * OPUS_RATE) : round(0.36 * OPUS_RATE)]
    assert np.abs(gap).max() > 0.1


def test_the_microphone_mixes_and_says_when() -> None:
    microphone = Microphone(floor_db=-80.0)
    microphone.add(0.1, tone(0.2, 16_000), 16_000)
    microphone.add(0.2, tone(0.2, 8_000, 250.0), 8_000)
    frames = []
    for number in range(25):
        frame = microphone.pull(FRAME)
        microphone.sent(50.0 + number * 0.02, frame)
        frames.append(frame)
    late = microphone.add(0.1, tone(0.1, 16_000), 16_000)  # the past cannot be changed
    microphone.sent(50.5, microphone.pull(FRAME))
    assert microphone.remaining_s == pytest.approx(0.08)
    assert microphone.sent_at[0] == pytest.approx(50.08)
    assert microphone.sent_at[1] == pytest.approx(50.18)
    assert microphone.sent_at[late] == pytest.approx(50.48)
    sound = np.concatenate(frames)
    (found,) = find_sounds(sound, OPUS_RATE)
    assert found.start == pytest.approx(0.1, abs=0.002)
    assert found.end == pytest.approx(0.4, abs=0.003)
    assert np.abs(sound).max() > 0.45  # where both speak


def test_skipped_frames_shift_what_comes_after_them() -> None:
    microphone = Microphone(floor_db=-80.0)
    index = microphone.add(0.05, tone(0.1, 16_000), 16_000)
    assert microphone.moment(index, 0.0) is None
    for number in range(5):  # two slots are missed in the middle of it
        slot = number + (2 if number >= 4 else 0)
        microphone.sent(50.0 + slot * 0.02, microphone.pull(FRAME))
    assert microphone.moment(index, 0.0) == pytest.approx(50.03)
    assert microphone.moment(index, 0.02) == pytest.approx(50.05)
    assert microphone.moment(index, 0.04) == pytest.approx(50.11)
    assert microphone.moment(index, 0.05) == pytest.approx(50.12)  # the last that was sent
    assert microphone.moment(index, 0.0501) is None
    assert microphone.sent_at == (microphone.moment(index, 0.0),)
    later = microphone.add(None, tone(0.1, 16_000), 16_000)
    assert microphone.sent_at[later] is None


class Halved:
    """A line that lowers what goes through it, and counts."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def speak(self, samples: Samples) -> Samples:
        self.lengths.append(len(samples))
        return np.asarray(samples / 2, dtype=np.float32)

    def hear(self, samples: Samples) -> Samples:
        return np.asarray(samples / 4, dtype=np.float32)


def test_a_line_lies_between_the_person_and_the_packets() -> None:
    async def call() -> None:
        line = Halved()
        caller = Caller([(0.4, tone(0.3, 16_000), 16_000)], line=line)
        async with in_call(caller) as transport:
            clip = Clip()
            transport.play(clip)
            arrived: Samples = np.zeros(0, dtype=np.float32)
            clip.add(silence_then_tone(0.4, 0.3))
            while len(arrived) < 16_000:
                samples = await transport.receive()
                assert samples is not None
                arrived = np.concatenate([arrived, samples])
        recording = caller.recording()
        assert set(line.lengths) == {FRAME}
        assert np.percentile(np.abs(recording.sent), 99.9) == pytest.approx(0.3, rel=0.1)
        assert np.percentile(np.abs(arrived), 99) == pytest.approx(0.15, rel=0.15)
        assert np.percentile(np.abs(recording.heard), 99.9) == pytest.approx(0.075, rel=0.15)

    run_live(call)


def test_answers_to_pings_are_no_messages() -> None:
    async def call() -> None:
        caller = Caller()
        for text in (
            '{"type":"pong","at":1.5,"sent":-2}',
            '{"type":"pong","at":null,"sent":2}',
            '{"type":"words","at":1.6}',
            "{",
            "[" * 100_000,
            "7",
            b"\x00",
        ):
            caller._take_message(text)
        await caller.aclose()
        assert [message for _, message in caller.messages] == [{"type": "words", "at": 1.6}]
        (ping,) = caller.pings
        assert (ping.sent, ping.agent) == (-2.0, 1.5)
        assert 0.0 <= ping.came < caller.now()
        assert caller.recording().pings == (ping,)

    run(call())


def test_beeps_through_the_whole_path_are_found_where_they_were() -> None:
    """Onsets in the heard track against the moments at which their frames were pulled."""

    async def call() -> None:
        caller = Caller()
        source = Clip()
        async with in_call(caller) as transport:
            transport.play(source)
            await asyncio.sleep(1.05)
            for _ in range(5):
                source.add(tone(0.1, OPUS_RATE))
                await asyncio.sleep(0.4)
        recording = caller.recording()
        pulled = [
            at + float(np.argmax(np.abs(samples) > 0)) / OPUS_RATE - caller._origin
            for (_, before), (at, samples) in pairwise(source.pulls)
            if samples.any() and not before.any()
        ]
        heard = [each.start for each in find_sounds(recording.heard)]
        assert len(heard) == len(pulled) == 5
        ways = np.array(heard) - np.array(pulled)
        # Frame by frame the way is the same, however late the event loop pulled.
        assert np.median(np.abs(ways - np.median(ways))) < 0.003
        assert 0.0 < np.median(ways) - recording.playout_delay_s < 0.03

    run_live(call)


def test_a_caller_without_an_agent_says_so() -> None:
    async def call() -> None:
        before = await leftovers()
        caller = Caller()

        async def nobody(_: str) -> str:
            raise CallError("503: full")

        with pytest.raises(CallError, match="503"):
            await caller.connect(nobody)
        with pytest.raises(CallError, match="cannot send"):
            caller.send({"type": "x"})
        await caller.aclose()
        await caller.aclose()
        assert caller.recording().heard.any() == np.False_
        assert await leftovers() == before

    run(call())


def test_say_speaks_at_once() -> None:
    async def call() -> None:
        caller = Caller()
        async with in_call(caller) as transport:
            listening = asyncio.create_task(transport.receive())
            await listening
            await asyncio.sleep(0.3)
            asked = caller.now()
            index = caller.say(tone(0.2, 22_050), 22_050)
            await asyncio.sleep(0.4)
            assert caller.remaining_s == 0
            recording = caller.recording()
        said = recording.sent_at[index]
        assert said is not None
        assert -0.021 < said - asked < 0.06
        (found,) = find_sounds(recording.sent)
        assert found.start == pytest.approx(said, abs=0.003)

    run_live(call)
