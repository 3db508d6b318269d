"""Words as JSON: a list of ``{word, start, end}``, or segments, as recognisers write them.

::

    [{"word": "hello", "start": 0.4, "end": 0.8, "speaker": "A"}, ...]
    {"words": [...]}
    {"segments": [{"start": 0.4, "end": 2.1, "text": "Hello there.", "speaker": "A",
                   "words": [...]}, ...]}

``text`` may stand for ``word``. Speakers are optional, of a word or of its segment: names, or
the whole numbers of a diarisation; ``channel``, a whole number counted from 0, too. A segment
with words is only asked for its speaker, unless one of the words has no times (aligners leave
out numbers): then it is one stretch of speech, since a word that is passed over would look like
a pause.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from turnkit.corpus.importing.annotation import Label, make_label, read_text
from turnkit.errors import CorpusError


def read_json_words(path: Path) -> list[Label]:
    """Read words or segments.

    Raises
    ------
    CorpusError
        If it is no JSON, or not of that form.
    """
    try:
        document = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:  # numbers or nesting past all sense, too
        raise CorpusError(f"{path}: no JSON that can be read ({error})") from error
    if isinstance(document, list):
        return list(_labels(path, document, {}, words=True))
    if isinstance(document, Mapping):
        for key in ("segments", "words"):
            if isinstance(document.get(key), list):
                return list(_labels(path, document[key], {}, words=key == "words"))
    raise CorpusError(f"{path}: expected a list of words, or an object with words or segments")


def _timed(words: Any) -> bool:
    """Whether these are words, and none of them lacks both its times."""
    return (
        isinstance(words, list)
        and bool(words)
        and not any(isinstance(w, Mapping) and w.keys().isdisjoint(("start", "end")) for w in words)
    )


def _labels(
    path: Path, items: list[Any], about: Mapping[str, Any], *, words: bool
) -> Iterator[Label]:
    for number, item in enumerate(items):
        where = f"{path}, {'word' if words else 'segment'} {number}"
        if not isinstance(item, Mapping):
            raise CorpusError(f"{where}: {item!r}: expected an object with start and end")
        if not words and _timed(item.get("words")):
            yield from _labels(path, item["words"], item, words=True)
            continue
        text = item.get("word", item.get("text", ""))
        if not isinstance(text, str) or (words and not text.strip()):
            raise CorpusError(f"{where}: {text!r}: expected a text")
        yield make_label(
            where,
            _speaker(where, item.get("speaker", about.get("speaker"))),
            item.get("start"),
            item.get("end"),
            text,
            is_word=words,
            channel=_channel(where, item.get("channel", about.get("channel"))),
        )


def _speaker(where: str, given: Any) -> str:
    if isinstance(given, bool) or not isinstance(given, str | int | None):
        raise CorpusError(f"{where}: speaker {given!r}: expected a name or a whole number")
    return "" if given is None else str(given)


def _channel(where: str, given: Any) -> int | None:
    if isinstance(given, bool) or not isinstance(given, int | None):
        raise CorpusError(f"{where}: channel {given!r}: expected a whole number; the first is 0")
    return given
