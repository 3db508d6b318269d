"""Who speaks in a corpus: each speaker a voice, made into a person of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from turnkit.corpus.pseudo_speakers import PseudoSpeaker, pseudo_speaker
from turnkit.corpus.synthesis.voices.piper import accent_of
from turnkit.corpus.synthesis.voices.pitches import pitch_ratio
from turnkit.corpus.synthesis.voices.protocol import open_voice
from turnkit.corpus.synthesis.voices.settings import PLAIN_VOICE, VoiceSettings
from turnkit.errors import ConfigError

_GOLDEN = 0.6180339887498949
"""Steps of this share of a circle never come near each other: the voices' shares come out
right for any number of speakers."""


@dataclass(frozen=True)
class Speaker:
    """One person.

    Attributes
    ----------
    name : str
        Begins with ``synthetic-`` and the split.
    voice : str
        As `open_voice` takes it.
    accent : str
        See `Voice`.
    sound : PseudoSpeaker
        What is made of the voice, of the same name.
    """

    name: str
    voice: str
    accent: str
    sound: PseudoSpeaker


class Cast:
    """All speakers of a corpus.

    No two speakers have the same voice with the same pitch and vocal tract: all speakers,
    of whatever split, take turns at the points of one sequence that fills the plane of
    pitch and vocal tract evenly (see `pseudo_speaker`).

    Parameters
    ----------
    settings : VoiceSettings
    splits : sequence of str
        All splits of the corpus.
    seed : int
        0 or more.

    Raises
    ------
    ConfigError
        If a split is named twice or there is none, the seed is negative, or there are
        fewer voices than splits and `settings` makes no pseudo-speakers of them.
    """

    def __init__(self, settings: VoiceSettings, splits: Sequence[str], seed: int) -> None:
        if not splits or len(set(splits)) < len(splits):
            raise ConfigError(f"splits {list(splits)}: expected names, each once")
        if seed < 0:
            raise ConfigError(f"seed {seed}: expected 0 or more")
        self._settings, self._splits, self._seed = settings, tuple(splits), seed
        self._shares = [self._voices_of(number) for number in range(len(self._splits))]

    def speaker(self, split: str, index: int) -> Speaker:
        """Speaker number `index` (from 0) of a split; the same in every process.

        Raises
        ------
        ConfigError
            If there is no such split, or `index` is negative.
        MissingDependencyError, MissingAssetError
            If a voice that has to be opened to learn its pitch is not there.
        """
        if split not in self._splits:
            raise ConfigError(f"split {split!r}: expected one of {', '.join(self._splits)}")
        if index < 0:
            raise ConfigError(f"speaker {index}: expected 0 or more")
        voice = self._voice(self._splits.index(split), index)
        name = f"synthetic-{split}-{index:04d}"
        ratio = pitch_ratio(voice) if self._settings.pseudo and not self._settings.plain else None
        drawn = pseudo_speaker(split, index, self._seed, self._splits, ratio or (1.0, 1.0))
        sound = replace(drawn, name=name) if ratio else _as_it_is(drawn, name)
        return Speaker(name, voice, _accent(voice), sound)

    def _voices_of(self, number: int) -> dict[str, float]:
        if self._settings.plain:
            return {PLAIN_VOICE: 1.0}
        voices = self._settings.voices
        if self._settings.pseudo:
            return voices
        if len(voices) < len(self._splits):
            raise ConfigError(
                f"voices.voices: {len(voices)} for {len(self._splits)} splits; expected at least "
                "one for each, or voices.pseudo: true"
            )
        # the greatest share goes to the first split, the next to the second, and so on
        ranked = sorted(voices, key=lambda spec: (-voices[spec], spec))
        return {spec: voices[spec] for spec in ranked[number :: len(self._splits)]}

    def _voice(self, number: int, index: int) -> str:
        shares = self._shares[number]
        edges = np.cumsum(list(shares.values()))
        start = np.random.default_rng([self._seed, number, 17]).random()
        place = (start + index * _GOLDEN) % 1.0 * edges[-1]
        return list(shares)[min(int(np.searchsorted(edges, place, "right")), len(shares) - 1)]


def _as_it_is(drawn: PseudoSpeaker, name: str) -> PseudoSpeaker:
    """Leave the voice alone; level and noise are the recording's and stay."""
    return replace(
        drawn, name=name, pitch=1.0, formants=1.0, length=1.0, expression=1.0, breath=1.0,
        tilt_db=0.0,
    )  # fmt: skip


def _accent(spec: str) -> str:
    kind, _, rest = spec.partition(":")
    if kind == "espeak":
        return accent_of(rest.partition("+")[0])
    if spec == PLAIN_VOICE or kind == "kokoro":
        return "us"
    return open_voice(spec).accent
