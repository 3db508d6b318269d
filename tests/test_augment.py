from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkit.audio import Samples
from turnkit.augment import (
    Augmentation,
    add_noise,
    augment,
    change_speed,
    coloured_noise,
    gain,
    mu_law,
    telephone,
    tilt,
)
from turnkit.errors import ConfigError

RATE = 16_000


def tone(hz: float, seconds: float = 1.0, rate: int = RATE) -> Samples:
    time = np.arange(round(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * hz * time)).astype(np.float32)


def level_db(samples: Samples) -> float:
    return float(10 * np.log10(np.mean(samples.astype(np.float64) ** 2)))


def peak_hz(samples: Samples, rate: int = RATE) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


@given(st.floats(-40, 20))
def test_gain_is_in_decibels(decibels: float) -> None:
    before = tone(440)
    assert level_db(gain(before, decibels)) - level_db(before) == pytest.approx(decibels, abs=1e-3)


@given(st.floats(-5, 40), st.floats(0, 2), st.integers(0, 99))
def test_noise_has_the_snr_asked_for(snr_db: float, colour: float, seed: int) -> None:
    before = tone(300, 0.5)
    noise = coloured_noise(len(before), RATE, colour, np.random.default_rng(seed))
    after = add_noise(before, noise, snr_db)
    assert level_db(before) - level_db(after - before) == pytest.approx(snr_db, abs=0.05)


@pytest.mark.parametrize(("colour", "per_octave"), [(0.0, 0.0), (1.0, -3.0), (2.0, -6.0)])
def test_noise_has_the_colour_asked_for(colour: float, per_octave: float) -> None:
    noise = coloured_noise(20 * RATE, RATE, colour, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(noise)) ** 2
    hz = np.fft.rfftfreq(len(noise), 1 / RATE)

    def octave(low: float) -> float:
        return float(10 * np.log10(power[(hz >= low) & (hz < 2 * low)].mean()))

    fall = (octave(3_200) - octave(200)) / 4
    assert fall == pytest.approx(per_octave, abs=0.3)


@pytest.mark.parametrize("slope", [-3.0, 2.0])
def test_tilt_turns_about_one_kilohertz(slope: float) -> None:
    for hz, octaves in ((1_000.0, 0.0), (4_000.0, 2.0), (250.0, -2.0), (50.0, -3.32)):
        change = level_db(tilt(tone(hz, 4.0), RATE, slope)) - level_db(tone(hz, 4.0))
        assert change == pytest.approx(slope * octaves, abs=0.2)


@pytest.mark.parametrize("speed", [0.9, 1.1])
def test_speed_changes_length_and_pitch_alike(speed: float) -> None:
    before = tone(400.0, 2.0)
    after, real = change_speed(before, RATE, speed)
    assert real == pytest.approx(speed, rel=0.01)
    assert len(after) == pytest.approx(len(before) / real, abs=1)
    assert peak_hz(after) == pytest.approx(400.0 * real, rel=0.005)


def test_speed_one_changes_nothing() -> None:
    before = tone(400.0)
    after, speed = change_speed(before, RATE, 1.0)
    assert speed == 1.0
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("rate", [8_000, RATE])
def test_telephone_keeps_its_band_and_nothing_else(rate: int) -> None:
    for hz in (400.0, 1_000.0, 3_100.0):
        loss = level_db(tone(hz, rate=rate)) - level_db(telephone(tone(hz, rate=rate), rate))
        assert abs(loss) < 0.5, hz
    for hz in (100.0, 3_700.0):
        loss = level_db(tone(hz, rate=rate)) - level_db(telephone(tone(hz, rate=rate), rate))
        assert loss > 35.0, hz


def test_mu_law_is_torchaudios() -> None:
    import torch
    import torchaudio.functional as oracle

    samples = np.linspace(-1, 1, 4_001, dtype=np.float32)
    coded = oracle.mu_law_encoding(torch.from_numpy(samples).double(), 256)
    expected = oracle.mu_law_decoding(coded, 256).numpy()
    np.testing.assert_allclose(mu_law(samples), expected, atol=1e-6)


@given(st.integers(0, 2**31 - 1), st.text(max_size=8), st.integers(1, 9))
def test_a_copy_is_the_same_wherever_it_is_made(seed: int, row: str, copy: int) -> None:
    samples = tone(250, 0.2, 8_000)
    once = augment(samples, 8_000, Augmentation(), seed, row, copy)
    again = augment(samples.copy(), 8_000, Augmentation(), seed, row, copy)
    np.testing.assert_array_equal(once.samples, again.samples)
    assert once.speed == again.speed
    assert np.abs(once.samples).max() <= 1.0
    assert once.samples.dtype == np.float32


def test_copies_rows_and_seeds_differ_and_copy_zero_is_the_row() -> None:
    samples = tone(250, 0.3, 8_000)
    how = Augmentation(speeds=(1.0,), noise_chance=1.0)
    made = [
        augment(samples, 8_000, how, seed, row, copy).samples
        for seed, row, copy in ((0, "a", 1), (0, "a", 2), (0, "b", 1), (1, "a", 1))
    ]
    assert len({part.tobytes() for part in made}) == 4
    np.testing.assert_array_equal(augment(samples, 8_000, how, 0, "a", 0).samples, samples)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"gain_db": (3.0, -3.0)}, "gain_db"),
        ({"noise_chance": 1.5}, "noise_chance"),
        ({"speeds": ()}, "speeds"),
        ({"speeds": (0.1,)}, "speeds"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=f"^{named} .*expected"):
        Augmentation(**changes)  # type: ignore[arg-type]


def test_a_lead_is_a_floor_before_the_row() -> None:
    how = Augmentation(
        gain_db=(0, 0), tilt_db=(0, 0), speeds=(1.0,), noise_chance=0, telephone_chance=0,
        lead_s=(0.5, 1.0), lead_db=(-60.0, -60.0),
    )  # fmt: skip
    row = np.full(8_000, 0.1, dtype=np.float32)
    copy = augment(row, 8_000, how, 0, "a", 1)
    lead = round(copy.lead_s * 8_000)
    assert 4_000 <= lead <= 8_000
    assert len(copy.samples) == lead + len(row)
    level = 20 * np.log10(np.sqrt(np.mean(copy.samples[: lead - 400] ** 2)))
    assert level == pytest.approx(-60, abs=1.5)
    assert np.median(copy.samples[lead + 400 : -400]) == pytest.approx(0.1, abs=0.01)
    assert augment(row, 8_000, how, 0, "a", 0).lead_s == 0


def test_leads_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="lead_s"):
        Augmentation(lead_s=(-1.0, 2.0))
