"""A folder of recordings, each with an annotation of the same name beside it.

============== ================================================================
``.TextGrid``  Praat; a tier a speaker, or the tiers of a forced aligner
``.rttm``      diarisation
``.ctm``       words of a recogniser
``.txt``       label track of Audacity
``.json``      words or segments
============== ================================================================

Where all speakers are on one channel, a row ends when anybody is heard, and a turn with
somebody else in one of its pauses is left out: its silences would not be silent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from turnkit.audio import Samples, as_audio
from turnkit.corpus.importing.annotation import (
    Label,
    intersect,
    speech_of,
    text_between,
    words_of,
)
from turnkit.corpus.importing.audacity import read_audacity
from turnkit.corpus.importing.ctm import read_ctm
from turnkit.corpus.importing.floor import FloorRules, Run, cut_turns, merge
from turnkit.corpus.importing.json_words import read_json_words
from turnkit.corpus.importing.ledger import Ledger
from turnkit.corpus.importing.rttm import read_rttm
from turnkit.corpus.importing.sound import (
    find_recordings,
    find_speech,
    read_channels,
    recording_name,
    visible_files,
)
from turnkit.corpus.importing.textgrid import read_textgrid
from turnkit.corpus.importing.writing import Card, check_language, cut_row, write_corpus
from turnkit.errors import CorpusError

SUFFIXES = (".textgrid", ".rttm", ".ctm", ".txt", ".json")
"""Annotations, in lower case."""

OVERRUN_S = 1.0
"""A label may end so long after its recording; later, the two do not belong together."""


@dataclass(frozen=True, slots=True)
class FolderSettings:
    """How annotations are read.

    Attributes
    ----------
    language : str
        Of the rows.
    tiers : tuple of str
        Tiers of TextGrids to read; by default all that hold words or speech.
    names : bool
        Whether the texts of Audacity's labels are names of speakers.
    same_speakers : bool
        Whether a name is the same person in every recording.
    vad : bool
        Look for pauses inside the labels by voice activity: for labels that span whole
        sentences.
    rules : FloorRules

    Raises
    ------
    ConfigError
        If the language is empty.
    """

    language: str = "en"
    tiers: tuple[str, ...] = ()
    names: bool = False
    same_speakers: bool = False
    vad: bool = False
    rules: FloorRules = field(default_factory=FloorRules)

    def __post_init__(self) -> None:
        check_language(self.language)


def import_folder(
    source: Path,
    out: Path,
    settings: FolderSettings | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> int:
    """Cut annotated recordings into turns; write them as one corpus.

    Parameters
    ----------
    source : Path
        A recording, or a folder of them (searched with its subfolders).
    out : Path
        The parquet file to be; written whole or not at all, with a card beside it.
    settings : FolderSettings, optional
    report : callable
        Told in a line what came of each recording, and what was left out.

    Returns
    -------
    int
        Turns written.

    Raises
    ------
    CorpusError
        If there is no recording, a recording or annotation cannot be read, one has two
        annotations, or no turn was found.
    """
    settings, ledger = settings or FolderSettings(), Ledger()
    files = find_recordings(source)
    # All are read before the work, which one that cannot be read would make vain.
    annotated = list(_annotated(files, settings, ledger))
    for path in _orphans(source, files):
        ledger.drop("annotation without a recording", path.name)

    def rows() -> Iterator[Mapping[str, Any]]:
        for path, annotation, labels in annotated:
            found = list(_rows(path, recording_name(path, source), labels, settings, ledger))
            report(f"{path.name}: {len(found)} turns, by {annotation.name}")
            yield from found

    facts = {
        "source": f"{len(files)} recordings of `{source.absolute().name}`, annotated",
        "licence": "that of the recordings",
        "spans": "the annotation" + (", pauses in it by Silero VAD" if settings.vad else ""),
    }
    count = write_corpus(rows(), out, ledger, Card(f"{out.stem}: annotated recordings", facts))
    for line in ledger.lines():
        report(line)
    return count


def _annotated(
    files: Sequence[Path], settings: FolderSettings, ledger: Ledger
) -> Iterator[tuple[Path, Path, list[Label]]]:
    """Each recording that can be used, its annotation and what that says."""
    for path in files:
        annotation = find_annotation(path)
        if annotation is None:
            ledger.drop("recording without an annotation", path.name)
        elif labels := read_annotation(annotation, settings):
            yield path, annotation, labels
        else:
            ledger.drop("annotation in which nobody speaks", annotation.name)


def _orphans(source: Path, files: Sequence[Path]) -> list[Path]:
    """List what looks like an annotation in a folder, and has no recording."""
    known = {path.with_suffix("") for path in files}
    return sorted(
        path
        for path in (() if source.is_file() else visible_files(source))
        if path.suffix.lower() in SUFFIXES and path.with_suffix("") not in known
    )


def find_annotation(recording: Path) -> Path | None:
    """Find the annotation beside a recording.

    Raises
    ------
    CorpusError
        If there are two.
    """
    found = sorted(
        path
        for path in recording.parent.iterdir()
        if path.stem == recording.stem and path.suffix.lower() in SUFFIXES and path.is_file()
    )
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise CorpusError(f"{recording}: {names} lie beside it; expected one annotation")
    return found[0] if found else None


def read_annotation(path: Path, settings: FolderSettings | None = None) -> list[Label]:
    """Read an annotation of any of the formats, by its suffix.

    Raises
    ------
    CorpusError
        If it cannot be read.
    """
    settings = settings or FolderSettings()
    readers: dict[str, Callable[[Path], list[Label]]] = {
        ".textgrid": partial(read_textgrid, tiers=settings.tiers),
        ".rttm": read_rttm,
        ".ctm": read_ctm,
        ".txt": partial(read_audacity, names=settings.names),
        ".json": read_json_words,
    }
    return readers[path.suffix.lower()](path)


def _rows(
    path: Path, name: str, labels: Sequence[Label], settings: FolderSettings, ledger: Ledger
) -> Iterator[dict[str, Any]]:
    channels, rate = read_channels(path)
    duration = len(channels[0]) / rate
    late = max((label.end for label in labels), default=0.0)
    if late > duration + OVERRUN_S:
        raise CorpusError(f"{path}: lasts {duration:.2f} s, its annotation {late:.2f} s")
    by_speaker: dict[str, list[Label]] = {}
    for label in labels:
        by_speaker.setdefault(label.speaker, []).append(label)
    sounds = {who: _channel(path, channels, own) for who, own in by_speaker.items()}
    speech = {who: _speech(own, sounds[who][0], rate, settings) for who, own in by_speaker.items()}
    for who, own in by_speaker.items():
        samples, number = sounds[who]
        others = merge([r for each in speech if each != who for r in speech[each]], 0.0)
        # Where no channel is named, somebody may be heard on any.
        near = [
            each
            for each in speech
            if each != who and (number == sounds[each][1] or None in (number, sounds[each][1]))
        ]
        heard = merge([r for each in near for r in speech[each]], 0.0)
        speaker = who if settings.same_speakers else f"{name}-{who}"
        cuts = cut_turns(
            speech[who], others, duration, settings.rules, ledger, name=speaker, heard=heard
        )
        for position, cut in enumerate(cuts):
            row = cut_row(
                f"{name}-{who}-{position:04d}",
                samples,
                rate,
                cut,
                language=settings.language,
                speaker=speaker,
                recording=name,
                words=words_of(own),
            )
            said = row["transcript"] or text_between(own, cut.onset, cut.offset)
            yield {**row, "transcript": said or None}


def _channel(
    path: Path, channels: Sequence[Samples], labels: Sequence[Label]
) -> tuple[Samples, int | None]:
    """Give the channel that a speaker is on, and its number; None is the mean of all."""
    numbers = {label.channel for label in labels}
    named = {number for number in numbers if number is not None}
    if len(channels) == 1:  # whatever is named, all are heard there
        return channels[0], None
    if beyond := [number for number in named if not 0 <= number < len(channels)]:
        raise CorpusError(
            f"{path}: {len(channels)} channels, its annotation names channel {beyond[0]} "
            f"(the first is 0); expected 0 .. {len(channels) - 1}"
        )
    if len(numbers) != 1 or None in numbers:
        return as_audio(np.mean(channels, axis=0)), None
    (number,) = named
    return channels[number], number


def _speech(
    labels: Sequence[Label], samples: Samples, rate: int, settings: FolderSettings
) -> list[Run]:
    duration = len(samples) / rate
    runs = [(a, min(b, duration)) for a, b in speech_of(labels) if a < duration]
    return intersect(runs, find_speech(samples, rate)) if settings.vad else runs
