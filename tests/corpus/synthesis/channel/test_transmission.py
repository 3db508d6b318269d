"""Turns through channels: levels, ratios, times, and a floor that never ends."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import correlate, resample_poly
from sklearn.metrics import roc_auc_score

from tests.corpus.synthesis.channel.sounds import (
    CLEAR,
    KINDS,
    RATE,
    cut,
    level_db,
    no_talk,
    sent,
    someone,
    talk,
    turn,
)
from turnkit.corpus.schema import Span
from turnkit.corpus.synthesis.channel import (
    ChannelSettings,
    Echo,
    draw_channel,
    transmit,
)
from turnkit.errors import InputError


@pytest.mark.parametrize("kind", KINDS)
def test_times_and_length_stay(kind: str) -> None:
    channel = KINDS[kind]
    for seed in range(3):
        dry, heard, _, _ = sent(channel, seed)
        assert heard.dtype == np.float32
        assert len(heard) == -(-len(dry) * channel.sample_rate // RATE)
        assert np.max(np.abs(heard)) <= 1.0
        wide = resample_poly(heard, RATE // channel.sample_rate, 1)[: len(dry)]
        # Differences: the lowest harmonic alone would not tell one period from the next.
        match = correlate(np.diff(wide), np.diff(dry), "full")
        lag = int(np.argmax(match)) - (len(dry) - 2)
        assert abs(lag) <= 0.002 * RATE


@pytest.mark.parametrize("kind", KINDS)
def test_the_floor_never_is_exactly_zero(kind: str) -> None:
    loud = replace(KINDS[kind], snr_db=70.0)
    for channel in (KINDS[kind], loud):
        heard = sent(channel, 1)[1]
        steps = np.rint(heard * 32_767)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], steps == 0, [0]]).astype(int)))
        longest = max((edges[1::2] - edges[::2]).tolist(), default=0)
        assert longest < 12


@pytest.mark.parametrize("kind", ["clear", "coloured", "telephone", "babble"])
@pytest.mark.parametrize("snr", [6.0, 15.0, 25.0])
def test_level_and_ratio_are_those_asked_for(kind: str, snr: float) -> None:
    channel = replace(KINDS[kind], snr_db=snr)
    _, heard, speech, silences = sent(channel)
    rate = channel.sample_rate
    said = np.concatenate([cut(heard, span, rate) for span in speech])
    floor = cut(heard, Span(silences[1].start + 0.1, silences[1].end), rate)
    noise = np.mean(floor**2)
    pure = 10 * np.log10(np.mean(said**2) - noise)
    assert pure == pytest.approx(channel.level_db, abs=1.0)
    # Babble comes and goes.
    assert pure - 10 * np.log10(noise) == pytest.approx(snr, abs=2.5 if channel.talkers else 1.0)


def test_speech_that_peaks_is_kept_below_full_scale() -> None:
    _, heard, _, _ = sent(replace(CLEAR, level_db=0.0, snr_db=60.0))
    assert 0.9 < np.max(np.abs(heard)) < 1.0


def test_a_telephone_has_its_band_and_its_256_levels() -> None:
    _, heard, _, _ = sent(KINDS["telephone"])
    assert len(np.unique(heard)) <= 256
    power = np.abs(np.fft.rfft(heard)) ** 2
    hz = np.fft.rfftfreq(len(heard), 1 / 8_000)
    inside = power[(hz > 400) & (hz < 3_300)].mean()
    assert power[hz < 120].mean() < 0.01 * inside
    assert power[hz > 3_800].mean() < 0.01 * inside


def test_clipping_flattens_the_peaks() -> None:
    clear, clipped = (sent(KINDS[kind])[1] for kind in ("clear", "clipped"))
    for heard, share in ((clear, 0.0005), (clipped, 0.01)):
        at_the_top = np.mean(np.abs(heard) >= 0.9999 * np.max(np.abs(heard)))
        assert (at_the_top > share) == (heard is clipped)
    drop = 20 * np.log10(np.max(np.abs(clear)) / np.max(np.abs(clipped)))
    assert drop == pytest.approx(9.0, abs=0.2)


def test_an_echo_is_as_loud_as_asked_for() -> None:
    dry, speech, _ = turn(np.random.default_rng(1), lead=1.5)
    quiet = replace(CLEAR, snr_db=60.0, echo=Echo(-15.0, 4_000.0))
    levels = []
    for seed in range(12):
        heard = transmit(dry, speech, quiet, np.random.default_rng(seed), talk)
        frames = heard[: RATE * 3 // 2].reshape(-1, 1_600)
        levels.append(max(level_db(frame) for frame in frames))
    assert max(levels) == pytest.approx(CLEAR.level_db - 15.0, abs=5.0)
    # In some of them the agent is not heard before the turn.
    assert min(levels) < -70.0  # the floor


def test_plain_is_even_and_white() -> None:
    channel = draw_channel(ChannelSettings(plain=True), someone(), np.random.default_rng(0))
    dry, speech, silences = turn(np.random.default_rng(2))
    heard = transmit(dry, speech, channel, np.random.default_rng(3), no_talk)
    floor = cut(heard, silences[1])
    levels = [level_db(frame) for frame in floor[:32_000].reshape(-1, 1_600)]
    assert np.std(levels) < 0.4
    power = np.abs(np.fft.rfft(floor[:32_000])).reshape(-1)[1:] ** 2
    assert np.exp(np.mean(np.log(power))) / np.mean(power) > 0.5  # 0.56 in white noise
    # Nothing else: what was said is there as it was.
    gain = np.dot(heard, dry) / np.dot(dry, dry)
    assert np.std(heard - gain * dry) == pytest.approx(np.std(floor), rel=0.02)


def test_the_floor_tells_no_hold_from_an_end() -> None:
    """Levels of the first 0.2 s and of the rest are distributed alike after both."""
    settings = ChannelSettings()
    first: list[list[float]] = []
    late: list[list[float]] = []
    for seed in range(90):
        rng = np.random.default_rng([12, seed])
        channel = draw_channel(settings, someone(seed), rng)
        dry, speech, silences = turn(rng)
        heard, rate = transmit(dry, speech, channel, rng, talk), channel.sample_rate
        opening, later = (
            [level_db(cut(heard, Span(s.start + a, s.start + b), rate)) for s in silences]
            for a, b in ((0.0, 0.2), (0.3, 0.5))
        )
        first.append(opening)
        late.append(later)
    for levels in (np.array(first), np.array(late)):
        auc = roc_auc_score(np.tile([0, 1], len(levels)), levels.ravel())
        assert 0.45 < auc < 0.55
        apart = levels[:, 1] - levels[:, 0]
        assert abs(np.mean(apart)) < 4 * np.std(apart) / np.sqrt(len(apart))


def test_nobody_is_asked_to_talk_in_vain() -> None:
    dry, speech, _ = turn(np.random.default_rng(2))
    transmit(dry, speech, KINDS["coloured"], np.random.default_rng(3), no_talk)
    with pytest.raises(AssertionError, match="asked for"):
        transmit(dry, speech, KINDS["babble"], np.random.default_rng(3), no_talk)


def test_no_speech_is_refused() -> None:
    dry, _, silences = turn(np.random.default_rng(2))
    with pytest.raises(InputError, match="nothing but zeros"):
        transmit(dry, silences, CLEAR, np.random.default_rng(3), no_talk)


DIGESTS = """
import hashlib
from tests.corpus.synthesis.channel.sounds import KINDS, sent
for kind in reversed(KINDS):
    print(kind, hashlib.sha256(sent(KINDS[kind], 4)[1].tobytes()).hexdigest())
"""


def test_another_process_makes_the_same_in_another_order() -> None:
    there = subprocess.run(
        [sys.executable, "-c", DIGESTS], capture_output=True, text=True, check=True, timeout=120
    )
    found = dict(line.split() for line in there.stdout.splitlines())
    here = {
        kind: hashlib.sha256(sent(channel, 4)[1].tobytes()).hexdigest()
        for kind, channel in KINDS.items()
    }
    assert found == here
    assert len(set(here.values())) == len(KINDS)
