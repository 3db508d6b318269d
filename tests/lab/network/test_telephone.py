from __future__ import annotations

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.signal import welch

from tests.agent.transport.peers import tone
from turnkit.audio import Samples
from turnkit.augment import mu_law, telephone
from turnkit.lab.network import TelephoneLine
from turnkit.lab.network.telephone import HEAR_RATE, SPEAK_RATE, g711_mu_law

RNG = np.random.default_rng(4)
NOISE = (0.1 * RNG.standard_normal(SPEAK_RATE)).astype(np.float32)


def by_ffmpeg(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    encoder = av.CodecContext.create("pcm_mulaw", "w")
    decoder = av.CodecContext.create("pcm_mulaw", "r")
    for context in (encoder, decoder):
        context.sample_rate = 8_000
        context.layout = "mono"
    encoder.format = "s16"
    frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
    frame.sample_rate = 8_000
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    assert sum(packet.size for packet in packets) == len(samples)  # 8 bits each
    return np.concatenate([out.to_ndarray()[0] for each in packets for out in decoder.decode(each)])


def test_mu_law_is_that_of_ffmpeg() -> None:
    samples = np.arange(-32_768, 32_768).astype(np.int16)
    golden = by_ffmpeg(samples) / 32_768.0
    coded = g711_mu_law(samples.astype(np.float32) / np.float32(32_768.0))
    levels = np.unique(golden)
    assert np.array_equal(np.unique(coded), levels)
    # ffmpeg cuts 16 bits to 14 first, and takes the nearest level where two of the law's
    # straight pieces meet; there the table decides otherwise (see below).
    (other,) = np.nonzero(coded != golden)
    assert len(other) < 0.02 * len(samples)
    places = np.searchsorted(levels, golden[other])
    nearest = np.abs(coded[other] - levels[np.clip(places + np.array([[-1], [1]]), 0, 254)])
    assert nearest.min(axis=0).max() == 0.0


@pytest.mark.parametrize("decision", [4063, 2015, 991, 479, 223, 95, 31, 3, 1])
def test_mu_law_decides_where_the_standard_says(decision: int) -> None:
    """Decision values of ITU-T G.711, table 2a, at the ends of segments and near zero."""
    below, above = g711_mu_law(
        np.array([decision - 0.01, decision], dtype=np.float32) / np.float32(8_192)
    )
    assert below < above


def test_mu_law_stays_near_the_smooth_curve() -> None:
    loud = NOISE[np.abs(NOISE) > 0.01]
    assert np.abs(g711_mu_law(loud) / mu_law(loud) - 1.0).max() < 0.07
    assert g711_mu_law(np.array([0.0, 1.0, -1.0, 3.0], dtype=np.float32)).tolist() == (
        pytest.approx([0.0, 8031 / 8192, -8031 / 8192, 8031 / 8192])
    )


@given(st.lists(st.integers(0, 3_000), max_size=12))
def test_speech_may_come_in_any_chunks(lengths: list[int]) -> None:
    whole = TelephoneLine().speak(NOISE[:12_000])
    line, chunks, at = TelephoneLine(), [np.zeros(0, dtype=np.float32)], 0
    for length in lengths:
        chunk = NOISE[at : min(at + length, 12_000)]
        chunks.append(line.speak(chunk))
        assert len(chunks[-1]) == len(chunk)
        at += len(chunk)
    assert np.array_equal(np.concatenate(chunks), whole[:at])


def lag(sent: Samples, came: Samples) -> int:
    """Lag by correlation."""
    size = 2 * len(sent)
    product = np.fft.rfft(came, size) * np.conj(np.fft.rfft(sent, size))
    peak = int(np.argmax(np.fft.irfft(product)))
    return peak if peak < len(sent) else peak - size


def test_speaking_is_behind_by_what_it_says() -> None:
    behind = lag(NOISE, TelephoneLine().speak(NOISE)) / SPEAK_RATE
    assert behind == pytest.approx(TelephoneLine.delay_s, abs=0.0002)
    assert TelephoneLine.delay_s < 0.004


def onset(samples: Samples, threshold: float) -> float:
    return float(np.argmax(np.abs(samples) > threshold)) / HEAR_RATE


def test_what_is_heard_stays_at_its_place() -> None:
    noise = NOISE[:HEAR_RATE]
    assert 0 <= lag(noise, TelephoneLine().hear(noise)) / HEAR_RATE < 0.0003
    sound = np.concatenate(
        [np.zeros(4_000), tone(0.3, HEAR_RATE, 700.0), np.zeros(4_001)], dtype=np.float32
    )
    heard = TelephoneLine().hear(sound)
    assert len(heard) == len(sound)
    for threshold in (0.002, 0.02, 0.1):
        assert onset(heard, threshold) == pytest.approx(onset(sound, threshold), abs=0.001)
    assert len(TelephoneLine().hear(sound[:0])) == 0


@pytest.mark.parametrize("rate", [SPEAK_RATE, HEAR_RATE])
def test_only_the_telephone_band_comes_through(rate: int) -> None:
    noise = np.tile(NOISE, 4)
    line = TelephoneLine()
    came = line.speak(noise) if rate == SPEAK_RATE else line.hear(noise)
    hertz, before = welch(noise, rate, nperseg=4_096)
    _, after = welch(came, rate, nperseg=4_096)
    gain = 10.0 * np.log10(after / before)
    inside = (hertz >= 320) & (hertz <= 3_380)
    assert np.abs(gain[inside]).max() < 2.0  # most of it the resampler's, near its edge
    # Mu-law adds noise of its own about 35 dB below what it codes, in the whole band.
    assert gain[(hertz >= 30) & (hertz <= 120)].max() < -25.0
    assert gain[(hertz >= 3_700) & (hertz <= rate / 2 - 100)].max() < -25.0


def test_training_hears_the_same_line() -> None:
    """Against the augmentation's line, which filters a whole signal at once."""
    noise = np.tile(NOISE[:HEAR_RATE], 4)
    hertz, ours = welch(TelephoneLine().hear(noise), HEAR_RATE)
    _, theirs = welch(telephone(noise, HEAR_RATE), HEAR_RATE)
    inside = (hertz > 320) & (hertz < 3_300)
    assert np.abs(10.0 * np.log10(ours / theirs))[inside].max() < 0.5
