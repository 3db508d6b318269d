"""Rows as they are written: FLAC bytes and the Arrow schema that `datasets` reads."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from turnkit.audio import Samples
from turnkit.errors import MissingDependencyError


def encode_flac(samples: Samples, sample_rate: int) -> bytes:
    """Mono samples as 16-bit FLAC."""
    import soundfile

    file = io.BytesIO()
    steps = np.round(np.clip(samples.astype(np.float64), -1.0, 1.0) * 32767).astype(np.int16)
    soundfile.write(file, steps, sample_rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def row_schema(sample_rate: int | None = None, texts: Sequence[str] = ()) -> Any:
    """Arrow schema of the row, with the metadata that makes `audio` an Audio feature.

    Parameters
    ----------
    sample_rate : int, optional
        In Hz, where all rows share one.
    texts : sequence of str
        Columns of text beside those of the row.

    Raises
    ------
    MissingDependencyError
        If `datasets` is not installed.
    """
    try:
        from datasets import Audio, Features, List, Value
    except ImportError as error:
        raise MissingDependencyError("datasets", "data", "writing a corpus") from error
    text, seconds = Value("string"), Value("float64")
    features = Features(
        {
            "id": text,
            "language": text,
            "speaker": text,
            "transcript": text,
            "audio": Audio(sampling_rate=sample_rate),
            "silence_spans": List({"start": seconds, "end": seconds}),
            "words": List({"word": text, "start": seconds, "end": seconds}),
            "messages": List({"role": text, "content": text}),
            "tags": List(text),
            **dict.fromkeys(texts, text),
        }
    )
    return features.arrow_schema
