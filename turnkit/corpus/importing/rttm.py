"""RTTM, the format of diarisation (NIST Rich Transcription 2009, appendix A).

Lines of nine or ten fields: type, file, channel, onset, duration, text, subtype, speaker,
confidence. ``SPEAKER`` lines are stretches of speech, ``LEXEME`` lines are words; others
are passed over, and ``SPEAKER`` lines too where there are words of that speaker.
"""

from __future__ import annotations

from pathlib import Path

from turnkit.corpus.importing.annotation import Label, make_label, read_text, seconds
from turnkit.errors import CorpusError

_FIELDS = 8
_NOT_SPOKEN = {"non-lex", "non-speech", "noise"}


def read_rttm(path: Path) -> list[Label]:
    """Read the lines of the recording that bears the file's name, or of the only one.

    Raises
    ------
    CorpusError
        If a line is malformed, or there are several recordings and none of that name.
    """
    found: dict[str, list[Label]] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        fields = line.split()
        if not fields or fields[0] not in ("SPEAKER", "LEXEME"):
            continue
        where = f"{path}, line {number}"
        if len(fields) < _FIELDS:
            problem = f"{len(fields)} fields; expected type, file, channel, onset, duration, ..."
            raise CorpusError(f"{where}: {problem}")
        kind, name, channel, onset, length, text, subtype, speaker = fields[:_FIELDS]
        if subtype in _NOT_SPOKEN:
            continue
        begin = seconds(onset, where)
        label = make_label(
            where,
            speaker,
            begin,
            begin + seconds(length, where),
            text if kind == "LEXEME" else "",
            is_word=kind == "LEXEME",
            channel=channel_number(channel),
        )
        found.setdefault(name, []).append(label)
    labels = only_recording(path, found)
    with_words = {label.speaker for label in labels if label.is_word}
    return [label for label in labels if label.is_word or label.speaker not in with_words]


def channel_number(text: str) -> int | None:
    """Channel counted from 0, of ``1``, ``2`` or ``A``, ``B``; None if it says neither."""
    if text.isdecimal() and int(text) > 0:
        return int(text) - 1
    return ord(text) - ord("A") if len(text) == 1 and "A" <= text <= "Z" else None


def only_recording(path: Path, found: dict[str, list[Label]]) -> list[Label]:
    """Pick the labels of the recording that a file is about.

    Raises
    ------
    CorpusError
        If there are several and none bears the name of the file.
    """
    if len(found) == 1:
        return next(iter(found.values()))
    if found and path.stem not in found:
        names = ", ".join(sorted(found)[:3])
        raise CorpusError(f"{path}: about several recordings ({names}), none {path.stem!r}")
    return found.get(path.stem, [])
