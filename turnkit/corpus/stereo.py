"""Two-channel recordings of calls, cut into turns by voice activity; no transcript needed.

A turn begins when a speaker takes the floor and ends when the other side takes it. Speech
of the other side shorter than `BACKCHANNEL_S` inside a pause does not take the floor. A
turn keeps its speaker's own channel up to the next speech of the same speaker, so that
its last span is what a detector on that channel would have heard.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from turnkit.audio import Samples, as_audio
from turnkit.corpus.rows import encode_flac, row_schema
from turnkit.corpus.schema import MIN_SPAN_S, Span
from turnkit.errors import CorpusError
from turnkit.files import atomic_path
from turnkit.vad import Gate, SileroVad, speech_runs

BACKCHANNEL_S = 1.0
"""Speech shorter than this, inside the other's pause, is not a turn ("mm-hm", "right")."""

MIN_TURN_S = 0.5
"""Seconds of speech below which a stretch is no turn of its own."""

LEAD_S = 0.5
"""Seconds kept before a turn."""

TAIL_S = 4.0
"""Seconds kept after a turn, at most: up to the same speaker's next speech."""

MIN_TAIL_S = 0.5
"""A turn whose speaker goes on sooner than this is left out: nobody could answer it."""

_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")

Run = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Cut:
    """A turn found in one channel.

    Attributes
    ----------
    start, end : float
        Seconds in the recording that the row keeps.
    spans : tuple of Span
        Silences, in seconds from `start`; the last is the end of the turn.
    """

    start: float
    end: float
    spans: tuple[Span, ...]


def cut_turns(own: list[Run], other: list[Run], duration: float) -> list[Cut]:
    """Find the turns of one channel, from the speech of both.

    Parameters
    ----------
    own, other : list of (float, float)
        Stretches of speech in seconds, in order, as `turnkit.vad.speech_runs` gives them.
    duration : float
        Of the recording, in seconds.

    Returns
    -------
    list of Cut
        In order. A turn without a silence of `MIN_TAIL_S` behind it is left out.
    """
    floor = [run for run in other if run[1] - run[0] >= BACKCHANNEL_S]
    groups: list[list[Run]] = []
    for run in own:
        # The other side spoke between these two stretches, or was still speaking.
        taken = groups and any(begin < run[0] and end > groups[-1][-1][1] for begin, end in floor)
        if not groups or taken:
            groups.append([])
        groups[-1].append(run)
    cuts = []
    for index, group in enumerate(groups):
        last = group[-1][1]
        following = groups[index + 1][0][0] if index + 1 < len(groups) else duration
        before = groups[index - 1][-1][1] if index else 0.0
        start, end = max(before, group[0][0] - LEAD_S), min(following, last + TAIL_S)
        speech = sum(b - a for a, b in group)
        if speech < MIN_TURN_S or end - last < MIN_TAIL_S:
            continue
        gaps = [(a[1], b[0]) for a, b in itertools.pairwise(group)]
        spans = [Span(a - start, b - start) for a, b in gaps if b - a >= MIN_SPAN_S]
        cuts.append(Cut(start, end, (*spans, Span(last - start, end - start))))
    return cuts


def _speech(samples: Samples, rate: int, gate: Gate) -> list[Run]:
    from turnkit.audio import resample

    work = 8_000 if rate == 8_000 else 16_000
    vad = SileroVad(work)
    return speech_runs(vad.push(resample(samples, rate, work)), gate, vad.hop / work)


def _rows_of(path: Path, gate: Gate) -> list[dict[str, Any]]:
    import soundfile

    try:
        data, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise CorpusError(f"{path}: cannot be decoded as audio ({error})") from error
    if data.shape[1] != 2:
        raise CorpusError(f"{path}: {data.shape[1]} channel(s); expected two, a speaker on each")
    channels = [as_audio(np.ascontiguousarray(data[:, i])) for i in (0, 1)]
    speech = [_speech(channel, rate, gate) for channel in channels]
    rows = []
    for side, channel in enumerate(channels):
        speaker = f"{path.stem}-{side}"
        for number, cut in enumerate(cut_turns(speech[side], speech[1 - side], len(data) / rate)):
            first, last = round(cut.start * rate), round(cut.end * rate)
            row_id = f"{speaker}-{number:04d}"
            rows.append(
                {
                    "id": row_id,
                    "language": "en",
                    "speaker": speaker,
                    "transcript": None,
                    "audio": {
                        "bytes": encode_flac(channel[first:last], rate),
                        "path": f"{row_id}.flac",
                    },
                    "silence_spans": [{"start": s.start, "end": s.end} for s in cut.spans],
                    "words": [],
                    "messages": [],
                }
            )
    return rows


def import_stereo(
    source: Path, out: Path, language: str = "en", report: Callable[[str], None] = lambda _: None
) -> int:
    """Cut every two-channel recording of a folder into turns; write them as one corpus.

    Parameters
    ----------
    source : Path
        A recording, or a folder of them (searched with its subfolders).
    out : Path
        The parquet file to be; written whole or not at all.
    language : str
        Of the rows.
    report : callable
        Told in a line what came of each recording.

    Returns
    -------
    int
        Turns written.

    Raises
    ------
    CorpusError
        If there is no recording, one cannot be read or has not two channels, or no turn
        was found.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = [source] if source.is_file() else sorted(source.rglob("*"))
    files = [path for path in files if path.suffix.lower() in _SUFFIXES]
    if not files:
        raise CorpusError(f"{source}: no recordings; expected files ending {', '.join(_SUFFIXES)}")
    rows: list[dict[str, Any]] = []
    for path in files:
        found = [{**row, "language": language} for row in _rows_of(path, Gate(min_speech_s=0.1))]
        report(f"{path.name}: {len(found)} turns")
        rows += found
    if not rows:
        raise CorpusError(f"{source}: no turns found in {len(files)} recordings")
    with atomic_path(out) as aside:
        pq.write_table(pa.Table.from_pylist(rows, schema=row_schema()), aside, row_group_size=16)
    return len(rows)
