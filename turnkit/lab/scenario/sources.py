"""Where a step's sound comes from: a row, a corpus, a text, a file or something made up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from turnkit.errors import ConfigError
from turnkit.lab.scenario.script import Kind
from turnkit.settings_file import build, check_keys

Backchannel = Literal["mm-hm", "yeah", "okay", "right", "uh huh"]
Noise = Literal["cough", "knock"]

_GAINS = (-60.0, 20.0)
_TEMPOS = (0.5, 2.0)
_LEADS = (0.0, 300.0)


def _between(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{name} {value!r}: expected {low:g} .. {high:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What every source may say.

    Attributes
    ----------
    kind : str or None
        One of `turnkit.lab.scenario.script.KINDS`; None for what the step and the source
        suggest.
    gain_db : float
        Louder or quieter than it is; -60 .. 20. Nothing is made louder than full scale.
    lead_s : float
        Silence before it that belongs to it: the caller has the floor and thinks. What
        the agent says meanwhile interrupts; 0 .. 300.
    """

    kind: Kind | None = None
    gain_db: float = 0.0
    lead_s: float = 0.0

    def __post_init__(self) -> None:
        _between("gain_db", self.gain_db, *_GAINS)
        _between("lead_s", self.lead_s, *_LEADS)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSource(Common):
    """One row of a corpus: ``embedded:test/3`` is row 3, counted from 0."""

    row: str

    def __post_init__(self) -> None:
        super(RowSource, self).__post_init__()
        corpus, _, number = self.row.rpartition("/")
        if not corpus or not number.isdecimal():
            raise ConfigError(f"row {self.row!r}: expected CORPUS/NUMBER, such as embedded:test/3")

    @property
    def corpus(self) -> str:
        """Name of the corpus."""
        return self.row.rpartition("/")[0]

    @property
    def number(self) -> int:
        """Position of the row."""
        return int(self.row.rpartition("/")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusSource(Common):
    """The next row of a corpus, in an order that the run's seed decides.

    Attributes
    ----------
    corpus : str
    with_hold_s : float or None
        Only rows with a hold of so many seconds or more; above 0.
    at_least_words, at_most_words : int or None
        Only rows with a transcript of so many words; 1 or more.
    """

    corpus: str
    with_hold_s: float | None = None
    at_least_words: int | None = None
    at_most_words: int | None = None

    def __post_init__(self) -> None:
        super(CorpusSource, self).__post_init__()
        if self.with_hold_s is not None and self.with_hold_s <= 0:
            raise ConfigError(f"with_hold_s {self.with_hold_s!r}: expected more than 0")
        for name in ("at_least_words", "at_most_words"):
            if (getattr(self, name) or 1) < 1 or getattr(self, name) == 0:
                raise ConfigError(f"{name} {getattr(self, name)!r}: expected 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSource(Common):
    """Words, spoken by the embedded voice.

    Attributes
    ----------
    text : str
    tempo : float
        1.25 is a quarter faster; 0.5 .. 2.
    """

    text: str
    tempo: float = 1.0

    def __post_init__(self) -> None:
        super(TextSource, self).__post_init__()
        if not any(each.isalnum() for each in self.text):
            raise ConfigError(f"text {self.text!r}: expected words")
        _between("tempo", self.tempo, *_TEMPOS)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSource(Common):
    """A sound file; its path is relative to the scenario's folder.

    Attributes
    ----------
    file : str
    ended_s : float or None
        Where the speech in it ends, in seconds; None for its last audible sample.
    """

    file: str
    ended_s: float | None = None

    def __post_init__(self) -> None:
        super(FileSource, self).__post_init__()
        if self.ended_s is not None and self.ended_s <= 0:
            raise ConfigError(f"ended_s {self.ended_s!r}: expected more than 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class BackchannelSource(Common):
    """A sign of listening."""

    backchannel: Backchannel


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseSource(Common):
    """A short noise that is no speech."""

    noise: Noise


Source: TypeAlias = (
    RowSource | CorpusSource | TextSource | FileSource | BackchannelSource | NoiseSource
)

_SOURCES: dict[str, type[Source]] = {
    "row": RowSource,
    "corpus": CorpusSource,
    "text": TextSource,
    "file": FileSource,
    "backchannel": BackchannelSource,
    "noise": NoiseSource,
}


def parse_source(content: Any, where: str) -> Source:
    """Read a source.

    Parameters
    ----------
    content : mapping
        As YAML has it: ``{text: "Yes.", tempo: 1.1}``.
    where : str
        Dotted key, for messages.

    Raises
    ------
    ConfigError
        If it is none, more than one, or a value does not fit.
    """
    names = ", ".join(_SOURCES)
    if not isinstance(content, Mapping):
        raise ConfigError(f"{where} {content!r}: expected a mapping with one of {names}")
    found = [name for name in _SOURCES if name in content]
    if not found:
        check_keys(content, _SOURCES, where)
    if len(found) != 1:
        raise ConfigError(f"{where}: expected exactly one of {names}; it has {found or 'none'}")
    return build(_SOURCES[found[0]], content, where)


def kind_of(source: Source, *, over: bool) -> Kind:
    """Kind of what is said: as the source says, or as the step and the source suggest."""
    if source.kind is not None:
        return source.kind
    if isinstance(source, BackchannelSource):
        return "backchannel"
    if isinstance(source, NoiseSource):
        return "noise"
    return "interruption" if over else "turn"
