"""How high each voice speaks by itself, and how far it can be moved from there."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from turnkit.audio import Samples
from turnkit.corpus.synthesis.voices.protocol import open_voice
from turnkit.errors import MissingDependencyError

PITCH_HZ = (85.0, 230.0)
"""Usual median pitch of grown-up speakers, lowest and highest."""

RATIOS = (0.6, 2.2)
"""Factors on the pitch beyond which a voice no longer sounds like a person's."""

SENTENCE = "The train to the old town leaves in the morning, and we are all going to be on it."
"""What `measured_pitch_hz` lets a voice say."""

KNOWN_HZ: dict[str, float] = {
    "piper": 112.0,
    "espeak:en-us": 103.0,
    "espeak:en-us+f2": 197.0,
    "espeak:en-us+m4": 94.0,
    "espeak:en-us+Andrea": 245.0,
    "espeak:en-us-nyc+m3": 105.0,
    "espeak:en-us-nyc+f3": 194.0,
    "espeak:en-gb-x-rp+m7": 107.0,
    "espeak:en-gb-x-rp+f4": 181.0,
    "espeak:en-gb-x-rp+Alicia": 252.0,
    "espeak:en-gb-scotland+m1": 94.0,
    "espeak:en-gb-scotland+f3": 194.0,
    "espeak:en-gb-x-gbclan+m6": 103.0,
    "espeak:en-gb-x-gbclan+f1": 177.0,
    "espeak:en-gb-x-gbcwmd+m5": 104.0,
    "espeak:en-gb-x-gbcwmd+linda": 225.0,
    "espeak:en-029+adam": 103.0,
    "espeak:en-029+f5": 209.0,
    "espeak:en+steph": 184.0,
    "espeak:en+ed": 125.0,
    "espeak:en+Michael": 106.0,
    "kokoro:jf_alpha": 255.0,
    "kokoro:jf_gongitsune": 211.0,
    "kokoro:jf_nezumi": 225.0,
    "kokoro:jf_tebukuro": 306.0,
    "kokoro:jm_kumo": 89.0,
}
"""`measured_pitch_hz` of the default voices, so that casting a corpus opens none of them."""


def pitch_ratio(spec: str) -> tuple[float, float]:
    """Lowest and highest factor on a voice's pitch that a person could have.

    Parameters
    ----------
    spec : str
        As `open_voice` takes it. A voice that is not in `KNOWN_HZ` is opened and measured.
    """
    own = KNOWN_HZ.get(spec) or measured_pitch_hz(spec)
    low, high = (min(max(hertz / own, RATIOS[0]), RATIOS[1]) for hertz in PITCH_HZ)
    return low, high


@lru_cache(maxsize=256)
def measured_pitch_hz(spec: str) -> float:
    """Median pitch of a voice, in Hz, over `SENTENCE`.

    Raises
    ------
    MissingDependencyError
        If ``pyworld`` is not installed.
    """
    speech = open_voice(spec).speak(SENTENCE)
    return median_pitch_hz(speech.samples, speech.sample_rate)


def median_pitch_hz(samples: Samples, sample_rate: int) -> float:
    """Median over voiced frames by Harvest (Morise 2017); that of a man if none is voiced."""
    try:
        import pyworld
    except ImportError as error:
        raise MissingDependencyError("pyworld-prebuilt", "embedded", "finding pitch") from error
    hertz, _ = pyworld.harvest(samples.astype(np.float64), sample_rate, f0_floor=60, f0_ceil=500)
    voiced = hertz[hertz > 0]
    return float(np.median(voiced)) if len(voiced) else 110.0
