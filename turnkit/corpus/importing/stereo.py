"""Two-channel recordings of calls, cut into turns by voice activity; no transcript needed.

`turnkit.corpus.importing.floor` says where turns begin and end. A turn keeps its speaker's
own channel up to the next speech of the same speaker, so that its last span is what a
detector on that channel would have heard. Backchannels are no turns: they are counted, and
written apart when asked for. Nor is an echo of the other side speech: it ends a row, since a
detector would hear it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from turnkit.corpus.importing.floor import (
    Cut,
    FloorRules,
    cut_turns,
    find_backchannels,
    group_turns,
)
from turnkit.corpus.importing.ledger import Ledger
from turnkit.corpus.importing.recognising import Recogniser
from turnkit.corpus.importing.sides import Call, Side, check_channels, read_call
from turnkit.corpus.importing.sound import find_recordings, recording_name
from turnkit.corpus.importing.writing import (
    Card,
    check_apart,
    check_language,
    cut_row,
    write_corpus,
)
from turnkit.corpus.schema import Message, Span
from turnkit.errors import ConfigError

REMEMBERED = 6
"""Things said before a turn that its row keeps as messages."""

BACKCHANNEL = "backchannel"
"""Tag of the rows that are written apart."""


@dataclass(frozen=True, slots=True)
class StereoSettings:
    """How recordings are cut.

    Attributes
    ----------
    language : str
        Of the rows.
    roles : tuple of (str, str)
        What the speakers of channels 0 and 1 are called in ids.
    only : str, optional
        The role whose turns are written; both by default.
    recogniser : str, optional
        Model that writes down the words and, as messages, what was said before; no
        words by default. See `Recogniser`.
    rules : FloorRules

    Raises
    ------
    ConfigError
        If the language is empty, the roles are alike or empty, or `only` is neither.
    """

    language: str = "en"
    roles: tuple[str, str] = ("0", "1")
    only: str | None = None
    recogniser: str | None = None
    rules: FloorRules = field(default_factory=FloorRules)

    def __post_init__(self) -> None:
        check_language(self.language)
        if len(self.roles) != 2 or len(set(self.roles)) != 2 or not all(self.roles):
            raise ConfigError(f"roles {','.join(self.roles)!r}: expected two names, such as A,B")
        if self.only is not None and self.only not in self.roles:
            raise ConfigError(f"only {self.only!r}: expected one of {', '.join(self.roles)}")


def import_stereo(
    source: Path,
    out: Path,
    settings: StereoSettings | None = None,
    report: Callable[[str], None] = lambda _: None,
    *,
    backchannels: Path | None = None,
) -> int:
    """Cut every two-channel recording of a folder into turns; write them as one corpus.

    Parameters
    ----------
    source : Path
        A recording, or a folder of them (searched with its subfolders).
    out : Path
        The parquet file to be; written whole or not at all, with a card beside it.
    settings : StereoSettings, optional
    report : callable
        Told in a line what came of each recording, and what was left out.
    backchannels : Path, optional
        Another parquet file, for the backchannels: rows tagged so, whose one span is what
        follows. They are no turns. Not written where there are none.

    Returns
    -------
    int
        Turns written.

    Raises
    ------
    CorpusError
        If there is no recording, one cannot be read or has not two channels (all are
        looked at before the work), or no turn was found: recordings with a channel on which
        nobody is heard, or with one signal on both, are left out.
    ConfigError
        If `out` and `backchannels` are one file.
    MissingAssetError, MissingDependencyError, OfflineError
        If words are asked for and the recogniser is not there.
    """
    settings, ledger = settings or StereoSettings(), Ledger()
    check_apart(out, backchannels)
    files = find_recordings(source)
    check_channels(files)
    recogniser = (
        None if settings.recogniser is None else Recogniser(settings.recogniser, settings.language)
    )
    apart: list[dict[str, Any]] = []

    def rows() -> Iterator[Mapping[str, Any]]:
        for path in files:
            call = read_call(path, recording_name(path, source), settings.roles, recogniser)
            if isinstance(call, tuple):
                reason, what = call
                ledger.drop(reason, what)
                report(f"{what}: left out, {reason}")
                continue
            found = list(_rows(call, settings, ledger))
            short = list(_backchannel_rows(call, settings))
            ledger.note("backchannels set apart", len(short))
            apart.extend(short if backchannels is not None else [])
            report(f"{path.name}: {len(found)} turns, {len(short)} backchannels")
            yield from found

    card = Card(f"{out.stem}: two-channel recordings", _facts(source, files, settings))
    count = write_corpus(rows(), out, ledger, card)
    if backchannels is not None and not apart:
        report(f"{backchannels}: not written, there are no backchannels")
    elif backchannels is not None:
        title = f"{backchannels.stem}: backchannels, no turns"
        write_corpus(apart, backchannels, Ledger(), Card(title, card.facts))
    for line in ledger.lines():
        report(line)
    return count


def _facts(source: Path, files: Sequence[Path], settings: StereoSettings) -> dict[str, str]:
    rules = settings.rules
    return {
        "source": f"{len(files)} recordings of `{source.absolute().name}`",
        "licence": "that of the recordings",
        "spans": "Silero VAD on each channel",
        "words": settings.recogniser or "none",
        "backchannels": f"up to {rules.backchannel_s:g} s, inside the other's talk",
    }


def _wanted(call: Call, settings: StereoSettings) -> Iterator[tuple[Side, Side]]:
    """Each side whose turns are asked for, and the other."""
    for role, own, other in zip(settings.roles, call.sides, reversed(call.sides), strict=True):
        if settings.only in (None, role):
            yield own, other


def _rows(call: Call, settings: StereoSettings, ledger: Ledger) -> Iterator[dict[str, Any]]:
    for own, other in _wanted(call, settings):
        said = said_before(own, other, settings.rules)
        ledger.note("stretches that are an echo of the other side", len(own.leaks))
        cuts = cut_turns(
            own.speech,
            other.speech,
            len(own.samples) / call.sample_rate,
            settings.rules,
            ledger,
            name=own.speaker,
            heard=own.leaks,
        )
        for number, cut in enumerate(cuts):
            before = [message for start, message in said if start < cut.onset]
            yield cut_row(
                f"{own.speaker}-{number:04d}",
                own.samples,
                call.sample_rate,
                cut,
                language=settings.language,
                speaker=own.speaker,
                recording=call.name,
                words=own.words,
                messages=before[-REMEMBERED:],
                tags=["echo"] if any(a < cut.end and b > cut.start for a, b in own.leaks) else [],
            )


def said_before(own: Side, other: Side, rules: FloorRules) -> list[tuple[float, Message]]:
    """Gather what both sides said, turn by turn, as messages: the other's are the assistant's.

    Parameters
    ----------
    own, other : Side
        With their words.
    rules : FloorRules

    Returns
    -------
    list of (float, Message)
        When each turn began, in seconds, and what was said in it; in order.
    """
    found = []
    for role, side, against in (("user", own, other), ("assistant", other, own)):
        for group in group_turns(side.speech, against.speech, rules):
            onset, offset = group[0][0], group[-1][1]
            inside = [w.word for w in side.words if onset <= (w.start + w.end) / 2 <= offset]
            if inside:
                found.append((onset, Message(role, " ".join(inside))))
    return sorted(found, key=lambda item: item[0])


def _backchannel_rows(call: Call, settings: StereoSettings) -> Iterator[dict[str, Any]]:
    rules = settings.rules
    for own, other in _wanted(call, settings):
        duration = len(own.samples) / call.sample_rate
        found = find_backchannels(own.speech, other.speech, rules)
        for number, (onset, offset) in enumerate(found):
            end = min(offset + rules.isolation_s, duration)
            start = max(0.0, onset - min(rules.lead_s, rules.isolation_s))
            if end - offset < rules.min_tail_s:
                continue
            cut = Cut(start, end, onset, offset, (Span(offset - start, end - start),), True)
            yield cut_row(
                f"{own.speaker}-b{number:04d}",
                own.samples,
                call.sample_rate,
                cut,
                language=settings.language,
                speaker=own.speaker,
                recording=call.name,
                words=own.words,
                tags=[BACKCHANNEL],
            )
