"""What a mix is made of: the content of a ``MIX.yaml``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Literal

from turnkit.corpus.names import parse_name
from turnkit.corpus.split import are_shares
from turnkit.errors import ConfigError

_NAME = re.compile(r"\w+(\.\w+)*")
_LABEL = re.compile(r"[\w.-]+")
_RESERVED = "all"
"""`datasets` keeps this word for the union of all splits."""


@dataclass(frozen=True, slots=True)
class MixSource:
    """One corpus of a mix.

    Attributes
    ----------
    corpus : str
        Anything that `turnkit.corpus.reader.load_splits` takes.
    domain : str or None
        Where its rows say they come from (tag ``domain:NAME``). By default what they say
        already, and else the last part of the corpus' name.
    splits : dict
        What goes where: ``{split of the mix: split of the corpus}``, or, for a corpus of
        one split, ``{split of the mix: share}``, which cuts it so that the parts share no
        speaker and no recording. By default every split keeps its name.
    turns : int or None
        Rows to take at most, in each split, drawn at random.
    weight : float or None
        Rows of the sources that have one are as many as their weights say, in each split:
        of those that are too large some are left out, no row comes twice.
    speaker_cap : int or None
        Rows of one speaker at most, in each split, drawn at random.
    qualify : bool
        Whether ids and speakers get ``@DOMAIN`` behind them: for corpora that name their
        rows or speakers as others do and mean somebody else.
    """

    corpus: str
    domain: str | None = None
    splits: dict[str, str | float] = field(default_factory=dict)
    turns: int | None = None
    weight: float | None = None
    speaker_cap: int | None = None
    qualify: bool = False

    def __post_init__(self) -> None:
        if not self.corpus:
            raise ConfigError("corpus '': expected the name of one")
        if self.domain is not None and not _LABEL.fullmatch(self.domain):
            raise ConfigError(f"domain {self.domain!r}: expected letters, digits, '.', '-', '_'")
        if self.turns is not None and self.weight is not None:
            raise ConfigError("turns, weight: expected one of them")
        if self.weight is not None and not 0.0 < self.weight <= 1000.0:
            raise ConfigError(f"weight {self.weight!r}: expected more than 0, at most 1000")
        for name in ("turns", "speaker_cap"):
            _check_count(name, getattr(self, name))
        self._check_splits()

    def _check_splits(self) -> None:
        for name, value in self.splits.items():
            check_split_name("splits", name)
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                raise ConfigError(f"splits.{name} {value!r}: expected a split, or a share")
        shares = [value for value in self.splits.values() if not isinstance(value, str)]
        if shares and len(shares) < len(self.splits):
            raise ConfigError(f"splits {self.splits}: expected names of splits, or shares only")
        if shares and not are_shares(shares):
            raise ConfigError(f"splits {self.splits}: expected shares above 0 that sum to 1")

    @property
    def shares(self) -> dict[str, float]:
        """Shares of the splits, if it is to be cut into them; else empty."""
        return {name: value for name, value in self.splits.items() if not isinstance(value, str)}

    @property
    def label(self) -> str:
        """Domain of rows that do not say theirs."""
        source = parse_name(self.corpus)
        name = Path(source.name).resolve().stem if source.repository is None else source.repository
        return self.domain or re.sub(r"[^\w.-]", "_", name.rpartition("/")[2]) or "corpus"


@dataclass(frozen=True, slots=True)
class MixSettings:
    """Content of a ``MIX.yaml``.

    Attributes
    ----------
    sources : tuple of MixSource
    seed : int
        Of everything that is drawn.
    splits : tuple of str
        Those of the mix, in order; by default as the sources name them.
    speaker_cap : int or None
        Rows of one speaker at most, in each split, from all sources together.
    domain_caps : dict of str to int
        Rows of a domain at most, in each split.
    shared : {"refuse", "drop"}
        What becomes of a speaker, a recording or audio that is in two splits: an error, or
        out of all of them but the last.
    """

    sources: tuple[MixSource, ...]
    seed: int = 0
    splits: tuple[str, ...] = ()
    speaker_cap: int | None = None
    domain_caps: dict[str, int] = field(default_factory=dict)
    shared: Literal["refuse", "drop"] = "refuse"

    def __post_init__(self) -> None:
        if not self.sources:
            raise ConfigError("sources: expected at least one")
        if self.seed < 0:
            raise ConfigError(f"seed {self.seed}: expected 0 or more")
        _check_count("speaker_cap", self.speaker_cap)
        for domain, cap in self.domain_caps.items():
            _check_count(f"domain_caps.{domain}", cap)
        for name in self.splits:
            check_split_name("splits", name)
        if len(set(self.splits)) < len(self.splits):
            raise ConfigError(f"splits {list(self.splits)}: expected each once")
        for a, b in combinations(self.sources, 2):
            if a == b:
                raise ConfigError(f"sources: {a.corpus} is there twice")

    def order(self, found: Mapping[str, object]) -> list[str]:
        """Names of the splits in order.

        Raises
        ------
        ConfigError
            If they are named and others were found.
        """
        if self.splits and set(self.splits) != set(found):
            raise ConfigError(
                f"splits {list(self.splits)}: the sources give {', '.join(found) or 'none'}"
            )
        return list(self.splits or found)


def check_split_name(key: str, name: object) -> None:
    """Refuse what cannot be the name of a split.

    Raises
    ------
    ConfigError
        If it cannot.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name == _RESERVED:
        raise ConfigError(f"{key} {name!r}: expected a name of letters, digits and '_'")


def _check_count(key: str, value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"{key} {value!r}: expected a whole number, 1 or more")
