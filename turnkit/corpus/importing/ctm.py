"""CTM, the format of recognisers (NIST sctk): a word a line.

File, channel, start, duration, word, and maybe a confidence. It names no speakers, so each
channel is one. ``;;`` begins a comment; words in angle brackets are no words.
"""

from __future__ import annotations

from pathlib import Path

from turnkit.corpus.importing.annotation import Label, make_label, read_text, seconds
from turnkit.corpus.importing.rttm import channel_number, only_recording
from turnkit.errors import CorpusError

_FIELDS = 5


def read_ctm(path: Path) -> list[Label]:
    """Read the words of the recording that bears the file's name, or of the only one.

    Raises
    ------
    CorpusError
        If a line is malformed, or there are several recordings and none of that name.
    """
    found: dict[str, list[Label]] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        fields = line.split()
        if not fields or line.startswith(";;"):
            continue
        where = f"{path}, line {number}"
        if len(fields) < _FIELDS:
            problem = f"{len(fields)} fields; expected file, channel, start, duration, word"
            raise CorpusError(f"{where}: {problem}")
        name, channel, start, length, word = fields[:_FIELDS]
        if word.startswith("<") and word.endswith(">"):
            continue
        begin = seconds(start, where)
        label = make_label(
            where,
            channel,
            begin,
            begin + seconds(length, where),
            word,
            is_word=True,
            channel=channel_number(channel),
        )
        found.setdefault(name, []).append(label)
    return only_recording(path, found)
