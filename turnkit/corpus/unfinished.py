"""Whether a corpus is one that ``turnkit data make`` has not finished."""

from __future__ import annotations

import json
from pathlib import Path

from turnkit.corpus.names import parse_name

RECORD = "made.json"
"""What `turnkit.corpus.synthesis.making` leaves in the folder; it is heavy to import."""


def unfinished(name: str) -> str | None:
    """Say that a corpus is not complete.

    Parameters
    ----------
    name : str
        As every command takes it, see `turnkit.corpus.names`.

    Returns
    -------
    str or None
        One line; None for a corpus that is complete, or was not made by ``data make``.

    Raises
    ------
    CorpusError
        If there is no such corpus.
    """
    path = Path(parse_name(name).name).expanduser()
    # The folder itself, that of its shards, or one of these.
    for folder in (path, path.parent, path.parent.parent)[: 3 if path.exists() else 0]:
        try:
            record = json.loads((folder / RECORD).read_text("utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(record, dict) and record.get("complete") is False:
            return f"corpus {name}: not complete: the same 'turnkit data make' goes on with it"
        return None
    return None
