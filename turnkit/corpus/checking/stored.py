"""How a corpus stores its rows, kept when they are written anew.

A split with other columns or types than before could not be put back beside the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from turnkit.corpus.schema import records
from turnkit.corpus.source import import_datasets
from turnkit.errors import CorpusError, SchemaError


def relabelled_features(stored: Mapping[str, Any], *, moved: bool, tagged: bool) -> dict[str, Any]:
    """Features that a relabelled corpus needs: those it has, as far as they can hold it.

    Parameters
    ----------
    stored : mapping of str to feature
        Of the corpus as it is.
    moved : bool
        Whether spans change; whole seconds could not say so.
    tagged : bool
        Whether rows get tags; there may be no such column, or one that holds nothing yet.

    Returns
    -------
    dict of str to feature
    """
    datasets = import_datasets()
    found = dict(stored)
    if not _holds_sound(stored["audio"]):
        rate = getattr(stored["audio"], "sampling_rate", None)
        found["audio"] = datasets.Audio(sampling_rate=rate)
    kinds = set(_types(stored["silence_spans"]))
    if moved and not all(kind.startswith(("float", "double")) for kind in kinds):
        seconds = datasets.Value("float64")
        found["silence_spans"] = datasets.List({"start": seconds, "end": seconds})
    if tagged and not set(_types(stored.get("tags"))) <= {"string", "large_string"}:
        found["tags"] = datasets.List(datasets.Value("string"))
    return found


def stored_row(row: Mapping[str, Any], name: str, features: Mapping[str, Any]) -> dict[str, Any]:
    """Row in the shape of its features, its sound in it.

    Raises
    ------
    CorpusError
        If a sound file cannot be read.
    SchemaError
        If there is no sound.
    """
    spans = [dict(span) for span in records(row["silence_spans"]) or []]
    shape = features["silence_spans"]
    columns = {key: [span.get(key) for span in spans] for key in shape} if _is_struct(shape) else {}
    return {**row, "audio": _with_sound(row["audio"], name), "silence_spans": columns or spans}


def _with_sound(audio: Any, name: str) -> Any:
    """Sound itself: a path would lead nowhere on another machine."""
    if isinstance(audio, Mapping):
        value: dict[str, Any] = dict(audio)
    else:
        value = {"bytes" if isinstance(audio, bytes) else "path": audio}
    array, encoded, path = (value.get(key) for key in ("array", "bytes", "path"))
    if array is not None and len(array) > 0:
        return value
    if encoded is None and path:
        try:
            encoded = Path(path).read_bytes()
        except OSError as error:
            raise CorpusError(f"{path}: cannot be read ({error})") from error
    if not encoded:
        problem = "holds no sound: expected some, or a correction that drops the row"
        raise SchemaError(name, "audio", problem)
    if isinstance(audio, bytes):
        return audio
    return {**value, "bytes": encoded, "path": Path(path).name if path else None}


def _holds_sound(feature: Any) -> bool:
    """Whether a column of audio holds samples, or bytes and nothing else."""
    return (_is_struct(feature) and "array" in feature) or set(_types(feature)) <= {
        "binary",
        "large_binary",
    }


def _is_struct(feature: Any) -> bool:
    return isinstance(feature, Mapping)


def _types(feature: Any) -> Iterator[str]:
    """Names of the plain types that a feature is made of; ``none`` where there is none."""
    if isinstance(feature, Mapping):
        for part in feature.values():
            yield from _types(part)
    elif hasattr(feature, "feature"):
        yield from _types(feature.feature)
    else:
        yield str(getattr(feature, "dtype", "none"))
