from __future__ import annotations

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnkit.agent.transport import opus
from turnkit.agent.transport.jitter import Given, Lost, Output, Packet, Quiet
from turnkit.agent.transport.opus import (
    OPUS_RATE,
    Concealer,
    OpusDecoder,
    OpusEncoder,
    OpusListener,
    packet_samples,
)
from turnkit.audio import Samples

FRAME = 960


def voice(seconds: float, rate: int = OPUS_RATE, pitch: float = 120.0) -> Samples:
    """Harmonics of a pitch over a little noise, as a vowel has them."""
    at = np.arange(round(seconds * rate)) / rate
    wave = sum(np.sin(2 * np.pi * pitch * k * at) / k for k in range(1, 12))
    noise = np.random.default_rng(1).standard_normal(len(at)) * 1e-3
    return np.asarray(0.15 * wave + noise, dtype=np.float32)


def packets(samples: Samples) -> list[Packet]:
    encoder = OpusEncoder()
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    payloads = [encoder.encode(frame) for frame in frames]
    return [Packet(i, i * FRAME, each, packet_samples(each)) for i, each in enumerate(payloads)]


def hear(outputs: list[Output]) -> Samples:
    listener = OpusListener()
    return np.concatenate([listener.push(each) for each in outputs])


def loudness(samples: Samples) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(samples.astype(np.float64) ** 2)) + 1e-9))


@pytest.mark.parametrize("duration_ms", [2.5, 5, 10, 20, 40, 60])
def test_packet_samples_is_what_libopus_decodes(duration_ms: float) -> None:
    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format = OPUS_RATE, "mono", "s16"
    codec.options = {"frame_duration": str(duration_ms), "application": "voip"}
    size = round(duration_ms * 48)
    for begin in range(0, 4 * size, size):
        pcm = (voice(0.5)[begin : begin + size] * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate = OPUS_RATE
        for packet in codec.encode(frame):
            payload = bytes(packet)
            assert packet_samples(payload) == size
            decoded = OpusDecoder().decode(payload, size)
            assert decoded is not None
            assert len(decoded) == size


@given(st.binary(max_size=40))
def test_packet_samples_of_anything(payload: bytes) -> None:
    assert packet_samples(payload) in {0, *range(120, 5761, 120)}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=8))
def test_damaged_packets_cost_their_time_and_nothing_else(payloads: list[bytes]) -> None:
    listener = OpusListener()
    total = heard = 0
    for payload in payloads:
        n_samples = packet_samples(payload)
        if not n_samples:
            continue
        total += n_samples
        samples = listener.push(Given(Packet(0, 0, payload, n_samples)))
        assert np.isfinite(samples).all()
        heard += len(samples)
    assert total // 3 - 13 <= heard <= total // 3 + 1
    fresh = packets(voice(0.2))
    again = sum(len(listener.push(Given(each))) for each in fresh)
    assert again == pytest.approx(len(fresh) * 320, abs=14)


def test_what_was_said_is_heard() -> None:
    said = voice(0.5)
    heard = hear([Given(each) for each in packets(said)])
    assert len(heard) == pytest.approx(len(said) // 3, abs=13)
    assert loudness(heard[1600:]) == pytest.approx(loudness(said[4800:]), abs=1.5)
    lags = np.arange(0, 130)  # less than the period
    reference = said[::3]
    likeness = [np.dot(heard[lag : lag + 6000], reference[:6000]) for lag in lags]
    assert int(np.argmax(likeness)) / 16 == pytest.approx(6.5, abs=0.5)  # ms: libopus's memory


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 5000), st.booleans()), min_size=1, max_size=6))
def test_duration_is_exact(gaps: list[tuple[int, bool]]) -> None:
    source = packets(voice(0.2))
    outputs: list[Output] = [Given(source[0])]
    for (n_samples, lost), each in zip(gaps, source[1:], strict=False):
        outputs += [Lost(n_samples) if lost else Quiet(n_samples), Given(each, n_samples % FRAME)]
    total = sum(each.n_samples for each in outputs)
    # The resampler returns what is complete: all but its half width of 36 inputs.
    assert len(hear(outputs)) == (total - 36 - 1) // 3 + 1


@pytest.mark.parametrize("lost", [1, 3, 10, 40])
def test_a_gap_fades_without_a_click(lost: int) -> None:
    quiet = np.random.default_rng(0).standard_normal(24_000).astype(np.float32) * 3e-4
    source = packets(np.concatenate([quiet, voice(0.5)]))
    whole = hear([Given(each) for each in source])
    outputs: list[Output] = [Given(each) for each in source]
    outputs[40 : 40 + lost] = [Lost(FRAME * lost)]
    heard = hear(outputs)
    steps, before = np.abs(np.diff(heard)), np.abs(np.diff(whole[:12_800])).max()
    assert steps.max() < 1.5 * before  # no step that the voice itself does not make
    begin, end = 40 * 320, min((40 + lost) * 320, len(heard))
    if lost >= 3:
        levels = [loudness(heard[at : at + 320]) for at in range(begin, end - 319, 320)]
        assert levels[0] < loudness(whole[begin - 1600 : begin]) + 1.0
        assert levels[2] < levels[0] - 20.0
        assert levels[-1] == pytest.approx(loudness(whole[1600:6400]), abs=3.0)


def test_silence_is_continued_as_silence() -> None:
    concealer = Concealer()
    concealer.heard(np.zeros(48_000, dtype=np.float32))
    assert not concealer.fill(10_000).any()
    assert not Concealer().fill(10_000).any()


def test_encoder_clips_what_is_too_loud() -> None:
    encoder = OpusEncoder()
    payloads = [encoder.encode(np.full(FRAME, 7.0, dtype=np.float32)) for _ in range(3)]
    assert [packet_samples(each) for each in payloads] == [FRAME] * 3


def test_long_silence_is_coded_once_and_what_follows_it_is_heard_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = np.concatenate([voice(0.5), np.zeros(200 * FRAME, np.float32), voice(0.5, pitch=200.0)])
    again = len(voice(0.5)) + 200 * FRAME
    coded: list[bytes] = []
    original = OpusEncoder._encode

    def encode(self: OpusEncoder, samples: Samples) -> bytes:
        coded.append(original(self, samples))
        return coded[-1]

    monkeypatch.setattr(OpusEncoder, "_encode", encode)
    short = packets(said)
    assert len(short) == len(said) // FRAME
    assert len(coded) < len(short) - 150
    heard = hear([Given(each) for each in short])
    monkeypatch.setattr(opus, "SETTLED", 10**9)
    coded.clear()
    whole = hear([Given(each) for each in packets(said)])
    assert len(coded) == len(short)
    begins = again // 3
    assert np.abs(heard[: begins - 100] - whole[: begins - 100]).max() < 1e-3

    def spectrum(samples: Samples) -> Samples:
        return np.asarray(np.abs(np.fft.rfft(samples * np.hanning(len(samples)))))

    # The very first tenth of a second already sounds like every other beginning.
    one, other = (spectrum(each[begins : begins + 1_600]) for each in (heard, whole))
    assert np.corrcoef(one, other)[0, 1] > 0.98
