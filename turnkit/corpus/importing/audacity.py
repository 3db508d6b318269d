"""Label tracks of Audacity: start, end and text of a stretch, with tabs between.

A text of the form ``NAME: what is said`` names the speaker; or the whole text is the name,
if the import is told so. Labels without extent are marks and passed over, as are the lines
of frequencies (they begin with a backslash).
"""

from __future__ import annotations

import re
from pathlib import Path

from turnkit.corpus.importing.annotation import Label, make_label, read_text
from turnkit.errors import CorpusError

_NAMED = re.compile(r"(?P<speaker>[\w .-]{1,40}?)\s*:(?:\s+(?P<text>.*))?", re.DOTALL)


def read_audacity(path: Path, *, names: bool = False) -> list[Label]:
    """Read a label track.

    Parameters
    ----------
    path : Path
    names : bool
        Whether the texts are names of speakers.

    Raises
    ------
    CorpusError
        If a line is malformed.
    """
    labels = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip() or line.startswith("\\"):
            continue
        where, fields = f"{path}, line {number}", line.split("\t", 2)
        if len(fields) < 2:
            raise CorpusError(f"{where}: expected start, end and text with tabs between")
        text = fields[2].strip() if len(fields) > 2 else ""
        named = _NAMED.fullmatch(text)
        if names:
            speaker, text = text, ""
        elif named:
            speaker, text = named["speaker"].strip(), named["text"] or ""
        else:
            speaker = ""
        # Decimal commas are what Audacity writes under some locales.
        start, end = (field.strip().replace(",", ".") for field in fields[:2])
        label = make_label(where, speaker, start, end, text)
        if label.end > label.start:
            labels.append(label)
    return labels
