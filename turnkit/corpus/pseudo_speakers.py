"""Pseudo-speakers: one voice made into many by pitch, vocal tract, rate and recording.

Two speakers of one corpus never share their pitch and vocal tract: speaker *n* takes the
*n*-th point of an additive recurrence (Roberts' R2 sequence), which fills the plane evenly
however many points are drawn, and the splits take turns at the points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from turnkit.errors import InputError

PITCH_RATIO = (0.9, 2.2)
"""Lowest and highest pitch relative to the voice's own; from a deep male voice (about
85 Hz with the default voice) to a usual female one (about 210 Hz)."""

TRACT_SPREAD = 0.06
"""Formants lie up to this share above or below those that usually go with the pitch."""

_TRACT_PER_OCTAVE = 0.16
"""Formants rise by about a sixth when pitch doubles (Peterson & Barney 1952: women's
formants lie about 17 % above men's, their pitch 70 % above)."""

_PLASTIC = 1.324717957244746
"""Real root of x^3 = x + 1, which generates the R2 sequence."""


@dataclass(frozen=True)
class PseudoSpeaker:
    """How one pseudo-speaker sounds.

    Attributes
    ----------
    name : str
        Begins with ``synthetic-`` and the split.
    pitch : float
        Factor on the fundamental frequency.
    formants : float
        Factor on the frequencies of the spectral envelope.
    length : float
        Factor on the duration of every sound.
    expression : float
        Factor on pitch movements, in semitones.
    breath : float
        Exponent on the aperiodicity: below 1 is breathier.
    tilt_db : float
        Slope of the spectrum in dB per octave from 1 kHz: voice and microphone.
    level_db : float
        Usual level of the speech in dB below full scale.
    snr_db : float
        Usual level of the speech over the noise floor in dB.
    noise_colour : float
        The floor's power falls with frequency to this power (0 white, 1 pink, 2 brown).
    """

    name: str
    pitch: float
    formants: float
    length: float
    expression: float
    breath: float
    tilt_db: float
    level_db: float
    snr_db: float
    noise_colour: float


def pseudo_speaker(
    split: str,
    index: int,
    seed: int,
    splits: Sequence[str] = ("train", "test"),
    pitch_ratio: tuple[float, float] = PITCH_RATIO,
) -> PseudoSpeaker:
    """Pseudo-speaker number `index` (from 0) of a split.

    The same arguments give the same speaker; no other split and index with the same rest
    give the same pitch and formants.

    Parameters
    ----------
    split : str
        One of `splits`.
    index, seed : int
        0 or more.
    splits : sequence of str
        All splits of the corpus, each named once.
    pitch_ratio : (float, float)
        Lowest and highest pitch relative to the voice's own.

    Raises
    ------
    InputError
        If `split` is not among `splits`.
    """
    if split not in splits:
        raise InputError(f"split {split!r}: expected one of {', '.join(splits)}")
    number = list(splits).index(split)
    rng = np.random.default_rng([seed, number, index, 11])
    offset = np.random.default_rng([seed, 13]).random(2)
    point = len(splits) * index + number
    across, along = (float((offset[k] + point / _PLASTIC ** (k + 1)) % 1.0) for k in range(2))
    low, high = (math.log2(ratio) for ratio in pitch_ratio)
    octaves = low + across * (high - low)
    return PseudoSpeaker(
        name=f"synthetic-{split}-{index:03d}",
        pitch=2.0**octaves,
        formants=1.0 + _TRACT_PER_OCTAVE * octaves + TRACT_SPREAD * (2.0 * along - 1.0),
        length=float(rng.uniform(0.88, 1.2)),
        expression=float(rng.uniform(0.7, 1.3)),
        breath=float(rng.uniform(0.6, 1.2)),
        tilt_db=float(rng.uniform(-2.5, 1.5)),
        level_db=float(rng.uniform(-30.0, -20.0)),
        snr_db=float(rng.uniform(18.0, 40.0)),
        noise_colour=float(rng.uniform(0.2, 1.8)),
    )
