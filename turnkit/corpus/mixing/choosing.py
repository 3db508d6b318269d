"""Which rows go into a mix: by what is known of them without their audio."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from zlib import crc32

import numpy as np

from turnkit.corpus.mixing.settings import MixSettings
from turnkit.corpus.tags import NO_END
from turnkit.errors import ConfigError, CorpusError

_AUDIO = "audio"

_NAMED = 5
"""Offenders that a message names before it counts the rest."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row that may go into a mix.

    Attributes
    ----------
    source, row : int
        Which of the sources, and which row of its split.
    id : str
        As it will be called.
    speaker : str or None
        As it will be called; None where the corpus names none.
    recording : str or None
        What it was cut from, as it will be called; None where the corpus does not say.
    domain : str
    digest : str
        Hash of its encoded audio.
    no_end : str or None
        Tag that says why its last silence is not the end of a turn; None if it is.
    """

    source: int
    row: int
    id: str
    speaker: str | None
    domain: str
    digest: str
    no_end: str | None = None
    recording: str | None = None


Pools = dict[str, list[Candidate]]
"""Rows by split."""


@dataclass(slots=True)
class Ledger:
    """What was left out: rows by split, source and reason."""

    rows: Counter[tuple[str, int, str]] = field(default_factory=Counter)

    def drop(self, split: str, candidate: Candidate, reason: str) -> None:
        """Note a row that is left out."""
        self.rows[split, candidate.source, reason] += 1


def choose(settings: MixSettings, pools: Mapping[str, Sequence[Candidate]]) -> tuple[Pools, Ledger]:
    """Pick the rows of each split, in the order in which they will be written.

    Each step takes away from what the one before it left, so that all limits hold at the
    end: rows without an end of turn, audio that comes twice, splits that share
    somebody or a recording, rows of a speaker, of a source, of a domain, and the weights.

    Parameters
    ----------
    settings : MixSettings
    pools : mapping of str to sequence of Candidate
        By split, in the order of the splits.

    Returns
    -------
    dict of str to list of Candidate
    Ledger

    Raises
    ------
    ConfigError
        If a domain has a cap and no rows.
    CorpusError
        If two rows have the same id, two splits share a speaker, a recording or audio and
        the settings refuse that, or nothing is left of a split.
    """
    domains = {row.domain for rows in pools.values() for row in rows}
    for domain in settings.domain_caps:
        if domain not in domains:
            raise ConfigError(f"domain_caps.{domain}: the domains are {', '.join(sorted(domains))}")
    ledger = Ledger()
    found = {split: _whole_and_once(split, rows, ledger) for split, rows in pools.items()}
    found = _apart(found, settings, ledger)
    _check_ids(found)
    found = {split: _Limits(settings, split, ledger).apply(rows) for split, rows in found.items()}
    for split, rows in found.items():
        if not rows:
            reasons = sorted({reason for at, _, reason in ledger.rows if at == split})
            raise CorpusError(f"split {split}: nothing is left ({', '.join(reasons)})")
    return found, ledger


def _whole_and_once(split: str, rows: Sequence[Candidate], ledger: Ledger) -> list[Candidate]:
    seen: set[str] = set()
    kept = []
    for row in rows:
        if row.no_end is not None:
            ledger.drop(split, row, f"{row.no_end}: {NO_END[row.no_end]}")
            continue
        if row.digest in seen:
            ledger.drop(split, row, "audio comes twice")
        else:
            kept.append(row)
        seen.add(row.digest)
    return kept


def _apart(pools: Pools, settings: MixSettings, ledger: Ledger) -> Pools:
    """Keep who and what is in a later split out of the earlier ones, or refuse."""
    kept: Pools = {}
    later: dict[tuple[str, str], str] = {}
    for split, rows in reversed(pools.items()):
        shared: defaultdict[str, set[str]] = defaultdict(set)
        kept[split] = []
        for row in rows:
            found = next((mark for mark in _marks(row) if mark in later), None)
            if found is None:
                kept[split].append(row)
                continue
            kind, name = found
            shared[kind].add(row.id if kind == _AUDIO else name)
            ledger.drop(split, row, f"{kind} is in {later[found]}")
        if settings.shared == "refuse":
            _refuse_shared(split, shared)
        later |= {mark: split for row in rows for mark in _marks(row)}
    return {split: kept[split] for split in pools}


def _marks(row: Candidate) -> list[tuple[str, str]]:
    """List what no other split may have: kind and name."""
    known = {"speaker": row.speaker, "recording": row.recording, _AUDIO: row.digest}
    return [(kind, name) for kind, name in known.items() if name is not None]


def _refuse_shared(split: str, shared: Mapping[str, set[str]]) -> None:
    for kind, names in shared.items():
        counted = f"{len(names)} {'rows of the same audio' if kind == _AUDIO else kind + 's'}"
        raise CorpusError(
            f"split {split} shares {counted} with a later one: {_listed(names)}; "
            "'shared: drop' leaves them out of it, 'qualify: true' says that they are others"
        )


def _check_ids(pools: Pools) -> None:
    count = Counter(row.id for rows in pools.values() for row in rows)
    twice = [name for name, rows in count.items() if rows > 1]
    if twice:
        raise CorpusError(
            f"{len(twice)} ids come twice: {_listed(twice)}; 'qualify: true' puts '@DOMAIN' "
            "behind those of a source"
        )


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - _NAMED} more" if len(ordered) > _NAMED else ""
    return ", ".join(ordered[:_NAMED]) + more


@dataclass(frozen=True, slots=True)
class _Limits:
    """The limits of one split."""

    settings: MixSettings
    split: str
    ledger: Ledger

    def apply(self, rows: list[Candidate]) -> list[Candidate]:
        sources, caps = self.settings.sources, self.settings.domain_caps

        def speaker(row: Candidate) -> str:
            return row.speaker or row.id

        rows = self._cap(
            rows,
            "over the source's speaker cap",
            lambda row: (f"{row.source}/{speaker(row)}", sources[row.source].speaker_cap),
        )
        rows = self._cap(
            rows, "over the speaker cap", lambda row: (speaker(row), self.settings.speaker_cap)
        )
        rows = self._cap(
            rows, "over its turns", lambda row: (str(row.source), sources[row.source].turns)
        )
        rows = self._cap(
            rows, "over the domain's cap", lambda row: (row.domain, caps.get(row.domain))
        )
        shares = self._shares(rows)
        rows = self._cap(
            rows, "over its weight", lambda row: (str(row.source), shares.get(row.source))
        )
        order = self._rng("order").permutation(len(rows))
        return [rows[i] for i in order]

    def _cap(
        self,
        rows: list[Candidate],
        reason: str,
        limit: Callable[[Candidate], tuple[str, int | None]],
    ) -> list[Candidate]:
        """Keep so many rows of each group, drawn at random; the rest goes in the ledger."""
        groups: defaultdict[str, list[int]] = defaultdict(list)
        caps: dict[str, int | None] = {}
        for index, row in enumerate(rows):
            group, cap = limit(row)
            groups[group].append(index)
            caps[group] = cap
        dropped: set[int] = set()
        for group, members in groups.items():
            cap = caps[group]
            if cap is not None and len(members) > cap:
                chosen = self._rng(f"{reason}/{group}").permutation(len(members))[cap:]
                dropped |= {members[i] for i in chosen}
        for index in dropped:
            self.ledger.drop(self.split, rows[index], reason)
        return [row for index, row in enumerate(rows) if index not in dropped]

    def _shares(self, rows: list[Candidate]) -> dict[int, int]:
        """Rows that each weighted source may have: as many as fit its weight."""
        available = Counter(row.source for row in rows)
        weights = {
            source: weight
            for source in available
            if (weight := self.settings.sources[source].weight) is not None
        }
        scale = min((available[source] / weight for source, weight in weights.items()), default=0.0)
        return {source: max(1, int(scale * weight + 1e-9)) for source, weight in weights.items()}

    def _rng(self, what: str) -> np.random.Generator:
        key = crc32(f"{self.split}/{what}".encode())
        return np.random.default_rng([self.settings.seed, key])
