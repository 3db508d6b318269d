"""Which voices a corpus speaks with, and how many people each one is."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from turnkit.corpus.synthesis.voices.protocol import KINDS
from turnkit.errors import ConfigError

PLAIN_VOICE = "piper"
"""The only voice of a corpus whose voices are `plain`."""

KOKORO_VOICES = ("jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo")

ESPEAK_VOICES = (
    "en-us", "en-us+f2", "en-us+m4", "en-us+Andrea", "en-us-nyc+m3", "en-us-nyc+f3",
    "en-gb-x-rp+m7", "en-gb-x-rp+f4", "en-gb-x-rp+Alicia", "en-gb-scotland+m1",
    "en-gb-scotland+f3", "en-gb-x-gbclan+m6", "en-gb-x-gbclan+f1", "en-gb-x-gbcwmd+m5",
    "en-gb-x-gbcwmd+linda", "en-029+adam", "en-029+f5", "en+steph", "en+ed", "en+Michael",
)  # fmt: skip
"""Every accent of English that eSpeak has, with men's and women's variants."""


def default_voices() -> dict[str, float]:
    """Mixture of what the extras ``synthesis`` and ``espeak`` bring.

    Three fifths are the one voice that sounds most like a person, a third are accents, and
    little the voices that take longest.
    """
    espeak = {f"espeak:{name}": 0.34 / len(ESPEAK_VOICES) for name in ESPEAK_VOICES}
    kokoro = {f"kokoro:{name}": 0.06 / len(KOKORO_VOICES) for name in KOKORO_VOICES}
    return {PLAIN_VOICE: 0.6, **espeak, **kokoro}


@dataclass(frozen=True)
class VoiceSettings:
    """Who speaks in a corpus.

    Attributes
    ----------
    voices : dict of str to float
        Share of the speakers that each voice gets, by name (`open_voice`); they need not
        add up to 1.
    pseudo : bool
        Make many people of one voice by pitch, vocal tract and rate. Without it each
        split has its own voices.
    plain : bool
        One voice as it is, the same in all splits, whatever `voices` and `pseudo` say:
        what ablations compare with.

    Raises
    ------
    ConfigError
        If there is no voice, a name begins with no known kind, or a share is not a
        number above 0.
    """

    voices: dict[str, float] = field(default_factory=default_voices)
    pseudo: bool = True
    plain: bool = False

    def __post_init__(self) -> None:
        if not self.voices:
            raise ConfigError("voices.voices: empty; expected names of voices and their shares")
        for spec, share in self.voices.items():
            if str(spec).partition(":")[0] not in KINDS:
                raise ConfigError(
                    f"voices.voices.{spec}: expected a name that begins with {', '.join(KINDS)}"
                )
            number = isinstance(share, int | float) and not isinstance(share, bool)
            if not (number and math.isfinite(share) and share > 0):
                raise ConfigError(
                    f"voices.voices.{spec} {share!r}: expected a number greater than 0"
                )
