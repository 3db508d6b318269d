"""The AMI Meeting Corpus: its manual annotations and its headset recordings.

A row is cut from the headset of the participant who speaks. Silences are gaps between the
words, which were aligned by force. Where there is no recording of a headset but one of all
of them mixed, rows end when anybody is heard, as in `turnkit.corpus.importing.folder`.
Backchannels are those of the dialogue acts, and those that are found by how short they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from turnkit.corpus.importing.ami_files import AmiFiles, Participant, Said
from turnkit.corpus.importing.annotation import Label, speech_of, text_between, words_of
from turnkit.corpus.importing.floor import FloorRules, Run, cut_turns, merge
from turnkit.corpus.importing.ledger import Ledger
from turnkit.corpus.importing.sound import read_channels
from turnkit.corpus.importing.writing import Card, cut_row, write_corpus
from turnkit.errors import ConfigError, CorpusError

DEV = ("ES2011", "IS1008", "TS3004", "IB4001", "IB4002", "IB4003", "IB4004", "IB4010", "IB4011")
TEST = ("ES2004", "IS1009", "TS3003", "EN2002")
"""Meetings of the corpus' own full-corpus-ASR partition; all others are for training."""

SPLITS = ("train", "dev", "test")

LATE_S = 1.0
"""Words may end so long after the recording; later, the two do not belong together."""


@dataclass(frozen=True, slots=True)
class AmiSettings:
    """Which meetings are read.

    Attributes
    ----------
    split : str, optional
        ``train``, ``dev`` or ``test`` of the full-corpus-ASR partition; all by default.
    meetings : tuple of str
        Such as ``ES2002a``; all by default. One that is named twice is read once.
    rules : FloorRules

    Raises
    ------
    ConfigError
        If the split is none of these, or a meeting of another one is asked for.
    """

    split: str | None = None
    meetings: tuple[str, ...] = ()
    rules: FloorRules = field(default_factory=FloorRules)

    def __post_init__(self) -> None:
        if self.split not in (None, *SPLITS):
            raise ConfigError(f"split {self.split!r}: expected one of {', '.join(SPLITS)}")
        for name in self.meetings:
            if self.split not in (None, split_of(name)):
                raise ConfigError(
                    f"meeting {name!r}: it is in split {split_of(name)!r}, and split "
                    f"{self.split!r} was asked for as well"
                )


def split_of(meeting: str) -> str:
    """Say which split a meeting is in."""
    return "dev" if meeting.startswith(DEV) else "test" if meeting.startswith(TEST) else "train"


def import_ami(
    source: str,
    out: Path,
    settings: AmiSettings | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> int:
    """Cut the meetings below a folder into turns; write them as one corpus.

    Parameters
    ----------
    source : str
        A folder with the manual annotations and the recordings.
    out : Path
        The parquet file to be; written whole or not at all, with a card beside it.
    settings : AmiSettings, optional
    report : callable
        Told in a line what came of each meeting, and what was left out.

    Returns
    -------
    int
        Turns written.

    Raises
    ------
    CorpusError
        If the folder has no annotations, a meeting that is asked for is not there, a file
        cannot be read, or no turn was found.
    """
    settings, ledger = settings or AmiSettings(), Ledger()
    files = AmiFiles(Path(source))
    chosen = _chosen(files, settings)

    def rows() -> Iterator[Mapping[str, Any]]:
        for meeting in chosen:
            count = 0
            for row in _meeting_rows(files, meeting, settings.rules, ledger):
                count += 1
                yield row
            report(f"{meeting}: {count} turns")

    facts = {
        "source": f"AMI Meeting Corpus, {len(chosen)} meetings",
        "licence": "CC BY 4.0",
        "spans": "gaps between words, aligned by force",
        "split": settings.split or "all",
    }
    count = write_corpus(rows(), out, ledger, Card(f"{out.stem}: meetings", facts))
    for line in ledger.lines():
        report(line)
    return count


def _chosen(files: AmiFiles, settings: AmiSettings) -> list[str]:
    missing = [name for name in settings.meetings if name not in files.meetings]
    if missing:
        there = ", ".join(list(files.meetings)[:5])
        raise CorpusError(f"meeting {missing[0]!r}: not there; annotated are {there} ...")
    chosen = [
        name
        for name in dict.fromkeys(settings.meetings or files.meetings)
        if settings.split in (None, split_of(name))
    ]
    if not chosen:
        splits = ", ".join(sorted({split_of(name) for name in files.meetings}))
        raise CorpusError(f"no meeting of split {settings.split!r}: those annotated are {splits}")
    return chosen


def _meeting_rows(
    files: AmiFiles, meeting: str, rules: FloorRules, ledger: Ledger
) -> Iterator[dict[str, Any]]:
    people = files.meetings[meeting]
    said = {who: files.read(who) for who in people}
    for who in people:
        ledger.note("words without a time, left out", said[who].untimed)
        ledger.note("words in backchannels by dialogue act", len(said[who].backchannels))
        own_file = f"{meeting}.Headset-{who.headset}.wav"
        mixed = f"{meeting}.Mix-Headset.wav"
        name = next((name for name in (own_file, mixed) if name in files.files), None)
        if name is None:
            ledger.drop("participant without a recording", f"{meeting}.{who.agent}")
        else:
            shared = name == mixed
            yield from _rows(files.files[name], who, said, rules, ledger, shared=shared)


def _rows(
    path: Path,
    who: Participant,
    said: Mapping[Participant, Said],
    rules: FloorRules,
    ledger: Ledger,
    *,
    shared: bool,
) -> Iterator[dict[str, Any]]:
    channels, rate = read_channels(path)
    duration = len(channels[0]) / rate
    labels = said[who].labels
    late = max((label.end for label in labels), default=0.0)
    if late > duration + LATE_S:
        raise CorpusError(f"{path}: lasts {duration:.2f} s, its words {late:.2f} s")
    others = [each for each in said if each != who]
    other = merge([run for each in others for run in _speech(said[each])], 0.0)
    marked = merge([run for each in others for run in speech_of(said[each].backchannels)], 0.0)
    own = [(a, min(b, duration)) for a, b in _speech(said[who]) if a < duration]
    cuts = cut_turns(
        own,
        other,
        duration,
        rules,
        ledger,
        name=f"{who.meeting}.{who.agent}",
        heard=other if shared else (),
        known=(speech_of(said[who].backchannels), marked),
    )
    for number, cut in enumerate(cuts):
        row = cut_row(
            f"{who.meeting}-{who.agent}-{number:04d}",
            channels[0],
            rate,
            cut,
            language="en",
            speaker=who.speaker,
            recording=who.meeting,
            words=words_of(labels),
            tags=["human", "domain:ami"],
        )
        yield {**row, "transcript": _text(labels, cut.onset, cut.offset) or None}


def _speech(said: Said) -> list[Run]:
    """Find stretches of speech; a backchannel is one of its own."""
    marked = {id(label) for label in said.backchannels}
    spoken = [label for label in said.labels if label.is_word or label.end > label.start]
    rest = [label for label in spoken if id(label) not in marked]
    return sorted([*speech_of(rest), *speech_of(said.backchannels)])


def _text(labels: Sequence[Label], start: float, end: float) -> str:
    return re.sub(r"\s+([.,?!;:])", r"\1", text_between(labels, start, end))
