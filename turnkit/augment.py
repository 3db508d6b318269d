"""Audio augmentation: waiting, gain, speed, spectral tilt, noise, telephone line.

Everything is numpy, and everything random comes from a seed, the row's id and the number
of the copy: the same copy of a row is the same on every machine and in any order.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turnkit.audio import Samples, resample
from turnkit.errors import ConfigError

MU = 255
"""Companding constant of mu-law (ITU-T G.711)."""

TELEPHONE_BAND_HZ = (300.0, 3_400.0)
"""Pass band of a telephone channel (ITU-T G.712)."""

_EDGE_HZ = 100.0
"""Width of the slope on either side of the telephone band."""

_TILT_PIVOT_HZ = 1_000.0
"""Where a spectral tilt leaves the level as it is."""

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How much copies of a row may differ from it; each value is drawn evenly.

    Attributes
    ----------
    gain_db : (float, float)
        Level.
    tilt_db : (float, float)
        Decibels per octave about 1 kHz, flat below 100 Hz.
    speeds : tuple of float
        One is picked; 1.1 is a tenth faster, and higher in pitch. Each in 0.5 .. 2.
    noise_chance : float
        Share of copies that get noise.
    snr_db : (float, float)
        Speech and all to noise, by power over the whole row.
    noise_colour : (float, float)
        Fall of the noise's power spectrum as a power of frequency: 0 white, 1 pink, 2
        brown.
    telephone_chance : float
        Share of copies sent through a telephone: band and mu-law at 8 kHz.
    lead_s : (float, float)
        Seconds of a noise floor before the row: nobody speaks yet. Without them a
        network may take every noise that it begins with for speech.
    lead_db : (float, float)
        Level of that floor in dBFS.

    Raises
    ------
    ConfigError
        If a value does not fit.
    """

    gain_db: Range = (-12.0, 6.0)
    tilt_db: Range = (-3.0, 3.0)
    speeds: tuple[float, ...] = (0.9, 0.95, 1.0, 1.05, 1.1)
    noise_chance: float = 0.7
    snr_db: Range = (12.0, 40.0)
    noise_colour: Range = (0.0, 2.0)
    telephone_chance: float = 0.2
    lead_s: Range = (0.0, 0.0)
    lead_db: Range = (-90.0, -45.0)

    def __post_init__(self) -> None:
        for name in ("gain_db", "tilt_db", "snr_db", "noise_colour", "lead_s", "lead_db"):
            low, high = getattr(self, name)
            if not -100.0 <= low <= high <= 100.0:
                raise ConfigError(f"{name} {[low, high]}: expected [low, high] in -100 .. 100")
        if not 0.0 <= self.lead_s[0] <= self.lead_s[1]:
            raise ConfigError(f"lead_s {list(self.lead_s)}: expected [low, high] from 0 on")
        for name in ("noise_chance", "telephone_chance"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(f"{name} {getattr(self, name)!r}: expected 0 .. 1")
        if not self.speeds or not all(0.5 <= speed <= 2.0 for speed in self.speeds):
            raise ConfigError(f"speeds {list(self.speeds)}: expected one or more in 0.5 .. 2")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Augmented:
    """A changed copy of a row.

    Attributes
    ----------
    samples : ndarray of float32, shape (n,)
    speed : float
        Second `t` of the row is at second ``lead_s + t / speed`` of the copy.
    lead_s : float
        Seconds before the row begins.
    """

    samples: Samples
    speed: float
    lead_s: float = 0.0


def augmentation_rng(seed: int, row: str, copy: int) -> np.random.Generator:
    """Random numbers of one copy of one row."""
    digest = hashlib.sha256(f"{seed}:{copy}:{row}".encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))


def augment(
    samples: Samples, sample_rate: int, how: Augmentation, seed: int, row: str, copy: int
) -> Augmented:
    """Make a copy of a row.

    Parameters
    ----------
    samples : ndarray of float32, shape (n,)
    sample_rate : int
        In Hz.
    how : Augmentation
    seed : int
        0 or more.
    row : str
        Id of the row.
    copy : int
        Copy 0 is the row itself, unchanged.

    Returns
    -------
    Augmented
        Clipped to [-1, 1], at the same rate.
    """
    if copy == 0:
        return Augmented(samples, 1.0)
    rng = augmentation_rng(seed, row, copy)
    speed = float(rng.choice(np.array(how.speeds)))
    changed, speed = change_speed(samples, sample_rate, speed)
    lead = round(rng.uniform(*how.lead_s) * sample_rate) if how.lead_s[1] else 0
    if lead:
        changed = np.concatenate([_floor(lead, sample_rate, how, rng), changed])
    changed = tilt(changed, sample_rate, rng.uniform(*how.tilt_db))
    changed = gain(changed, rng.uniform(*how.gain_db))
    if rng.random() < how.noise_chance:
        noise = coloured_noise(len(changed), sample_rate, rng.uniform(*how.noise_colour), rng)
        changed = add_noise(changed, noise, rng.uniform(*how.snr_db))
    if rng.random() < how.telephone_chance:
        changed = telephone(changed, sample_rate)
    return Augmented(np.clip(changed, -1.0, 1.0), speed, lead / sample_rate)


def _floor(length: int, sample_rate: int, how: Augmentation, rng: np.random.Generator) -> Samples:
    """Make a noise floor before anybody speaks."""
    noise = coloured_noise(length, sample_rate, rng.uniform(*how.noise_colour), rng)
    return gain(noise, rng.uniform(*how.lead_db))


def gain(samples: Samples, decibels: float) -> Samples:
    """Change the level."""
    return samples * np.float32(10.0 ** (decibels / 20.0))


def change_speed(samples: Samples, sample_rate: int, speed: float) -> tuple[Samples, float]:
    """Play faster or slower, pitch included.

    Returns
    -------
    samples : ndarray of float32
    speed : float
        As it really is: rates are rounded to 100 Hz.
    """
    target = max(100, round(sample_rate / speed / 100.0) * 100)
    if target == sample_rate:
        return samples, 1.0
    return resample(samples, sample_rate, target), sample_rate / target


def _filtered(samples: Samples, response: NDArray[np.float64]) -> Samples:
    """Apply a zero-phase response given at the bins of `_bins`."""
    spectrum = np.fft.rfft(samples, 2 * (len(response) - 1)) * response
    return np.fft.irfft(spectrum)[: len(samples)].astype(np.float32)


def _bins(length: int, sample_rate: int) -> NDArray[np.float64]:
    """Frequencies in Hz of a transform that has room for the ends to ring."""
    size = 1 << (length + sample_rate // 4).bit_length()
    return np.asarray(np.fft.rfftfreq(size, 1.0 / sample_rate), dtype=np.float64)


def tilt(samples: Samples, sample_rate: int, db_per_octave: float) -> Samples:
    """Tilt the spectrum about 1 kHz; flat below 100 Hz."""
    octaves = np.log2(np.maximum(_bins(len(samples), sample_rate), 100.0) / _TILT_PIVOT_HZ)
    return _filtered(samples, 10.0 ** (db_per_octave * octaves / 20.0))


def coloured_noise(
    length: int, sample_rate: int, colour: float, rng: np.random.Generator
) -> Samples:
    """Gaussian noise whose power falls as frequency to the power of `colour`, of unit power."""
    hz = np.maximum(_bins(length, sample_rate), 50.0)
    noise = _filtered(rng.standard_normal(length).astype(np.float32), hz ** (-colour / 2.0))
    power = max(float(np.mean(noise**2)), 1e-24)
    return np.asarray(noise / np.sqrt(power), dtype=np.float32)


def add_noise(samples: Samples, noise: Samples, snr_db: float) -> Samples:
    """Add noise of unit power so that the powers of both are `snr_db` apart."""
    power = float(np.mean(samples.astype(np.float64) ** 2)) if len(samples) else 0.0
    level = math.sqrt(power) * 10.0 ** (-snr_db / 20.0)
    return np.asarray(samples + noise * level, dtype=np.float32)


def telephone(samples: Samples, sample_rate: int) -> Samples:
    """Send through a telephone line: 300 .. 3400 Hz, then mu-law at 8 kHz and back."""
    hz = _bins(len(samples), sample_rate)
    low, high = TELEPHONE_BAND_HZ
    slope = np.minimum((hz - low) / _EDGE_HZ + 1.0, (high - hz) / _EDGE_HZ + 1.0)
    # Half a cosine from one to nothing over the edge.
    band = 0.5 - 0.5 * np.cos(np.pi * np.clip(slope, 0.0, 1.0))
    narrow = resample(_filtered(samples, band), sample_rate, 8_000)
    return resample(mu_law(narrow), 8_000, sample_rate)[: len(samples)]


def mu_law(samples: Samples) -> Samples:
    """Quantise to 8 bits on the mu-law curve and expand again (ITU-T G.711's continuous law)."""
    clipped = np.clip(samples.astype(np.float64), -1.0, 1.0)
    compressed = np.sign(clipped) * np.log1p(MU * np.abs(clipped)) / np.log1p(MU)
    code = np.floor((compressed + 1.0) / 2.0 * MU + 0.5)
    level = 2.0 * code / MU - 1.0
    expanded = np.sign(level) * np.expm1(np.abs(level) * np.log1p(MU)) / MU
    return np.asarray(expanded, dtype=np.float32)
