"""``SPEC.yaml``: everything that decides what a synthetic corpus is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from turnkit.corpus.synthesis.channel.settings import ChannelSettings
from turnkit.corpus.synthesis.prosody.settings import ProsodySettings
from turnkit.corpus.synthesis.text.settings import TextSettings
from turnkit.corpus.synthesis.voices.settings import VoiceSettings
from turnkit.errors import ConfigError
from turnkit.settings_file import apply_override, build, load_yaml

BY_VAD = "vad"
Annotation = Literal["vad", "signal"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SPLIT = re.compile(r"[A-Za-z]\w*")
_RESERVED = "all"
"""`datasets` keeps this word for the union of all splits."""


@dataclass(frozen=True)
class SplitSettings:
    """How much of a split there is.

    Attributes
    ----------
    turns : int
        Rows, 1 or more.
    speakers : int
        People who share them evenly, from 1 to the number of turns.

    Raises
    ------
    ConfigError
        If a number is out of range.
    """

    turns: int
    speakers: int

    def __post_init__(self) -> None:
        if self.turns < 1:
            raise ConfigError(f"turns={self.turns}: expected 1 or more")
        if not 1 <= self.speakers <= self.turns:
            raise ConfigError(
                f"speakers={self.speakers}: expected 1 to {self.turns}, the number of turns"
            )


@dataclass(frozen=True)
class Spec:
    """What a synthetic corpus is made from.

    Attributes
    ----------
    name : str
        Part of every row's id: letters, digits, ``.``, ``_`` and ``-``.
    splits : dict of str to SplitSettings
        One or more. Splits share neither speakers nor words.
    seed : int
        0 or more.
    language : str
        Only ``en``: grammars and voices speak English.
    text : TextSettings
    voices : VoiceSettings
    prosody : ProsodySettings
    channel : ChannelSettings
    spans : {"vad", "signal"}
        Silences as a VAD hears them in the clean speech, which is how corpora of people
        are annotated, or exactly as they are in the signal.
    shard_turns : int
        Rows in a file, which is also what is lost when the work is stopped.

    Raises
    ------
    ConfigError
        If a value is out of range.
    """

    name: str
    splits: dict[str, SplitSettings]
    seed: int = 0
    language: str = "en"
    text: TextSettings = field(default_factory=TextSettings)
    voices: VoiceSettings = field(default_factory=VoiceSettings)
    prosody: ProsodySettings = field(default_factory=ProsodySettings)
    channel: ChannelSettings = field(default_factory=ChannelSettings)
    spans: Annotation = "vad"
    shard_turns: int = 25

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigError(f"name {self.name!r}: expected letters, digits, '.', '_' and '-'")
        if not self.splits:
            raise ConfigError("splits: expected one or more")
        for split in self.splits:
            if not _SPLIT.fullmatch(split) or split == _RESERVED:
                raise ConfigError(
                    f"splits.{split}: expected a word of letters, digits and '_' "
                    f"other than {_RESERVED!r}"
                )
        if self.seed < 0:
            raise ConfigError(f"seed={self.seed}: expected 0 or more")
        if self.language != "en":
            raise ConfigError(f"language {self.language!r}: expected en")
        if self.shard_turns < 1:
            raise ConfigError(f"shard_turns={self.shard_turns}: expected 1 or more")

    @property
    def turns(self) -> int:
        """Rows of all splits."""
        return sum(split.turns for split in self.splits.values())


def read_spec(path: Path, overrides: Sequence[str] = ()) -> Spec:
    """Read a spec file.

    Parameters
    ----------
    path : Path
        YAML with the fields of `Spec`.
    overrides : sequence of str
        ``key=value`` with dotted keys, such as ``splits.train.turns=100``.

    Raises
    ------
    ConfigError
        If it cannot be read, or a key or value does not fit.
    """
    content = load_yaml(path, "spec")
    for override in overrides:
        apply_override(content, override)
    return build_spec(content)


def build_spec(content: Mapping[str, Any]) -> Spec:
    """Spec out of plain content, as YAML or JSON gives it.

    Raises
    ------
    ConfigError
        If a key is unknown or missing, or a value does not fit.
    """
    splits = content.get("splits")
    if not isinstance(splits, Mapping):
        raise ConfigError(f"splits {splits!r}: expected the name of each split and its size")
    built = {
        str(name): build(SplitSettings, size, f"splits.{name}") for name, size in splits.items()
    }
    return build(Spec, {**content, "splits": built}, "")
