"""A local page that plays doubtful rows and takes corrections of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from turnkit.audio import Samples
from turnkit.corpus.checking.belonging import check_saved
from turnkit.corpus.checking.doubts import Doubt
from turnkit.corpus.checking.inspection import UNUSABLE, Report
from turnkit.corpus.checking.present import probe_lines
from turnkit.corpus.reader import Corpus
from turnkit.corpus.rows import encode_flac
from turnkit.corpus.schema import Turn
from turnkit.corpus.tags import INCOMPLETE
from turnkit.errors import MissingDependencyError
from turnkit.files import atomic_path

AUDIO = "audio"
"""Folder of the sounds beside the page."""

_BINS = 800
"""Columns of a waveform."""


def write_page(
    folder: Path, splits: Mapping[str, Corpus], report: Report, limit: int = 200, title: str = ""
) -> int:
    """Write the page of a report, and the sound of each doubtful row beside it.

    Opened as a file, the page keeps corrections in the browser and offers them as a
    download; served by `turnkit.corpus.checking.serving`, it saves them into its folder.

    Parameters
    ----------
    folder : Path
        Made if it is not there; corrections in it are kept, if they are of this corpus.
    splits : mapping of str to Corpus
        What the report is about.
    report : Report
    limit : int
        Rows shown, at most. Every kind of doubt gets its share.
    title : str

    Returns
    -------
    int
        Rows shown.

    Raises
    ------
    CorpusError
        If the folder holds corrections of another corpus.
    MissingDependencyError
        If jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise MissingDependencyError("jinja2", "eval", "the page of a check") from error
    check_saved(folder, splits)
    cards: list[dict[str, Any]] = []
    doubts = [(name, doubt) for name, split in report.splits.items() for doubt in split.doubts]
    for name, index, found in choose_rows(doubts, limit):
        turn = splits[name][index]
        file = f"{AUDIO}/{len(cards):04d}.flac"
        with atomic_path(folder / file) as aside:
            aside.write_bytes(encode_flac(turn.samples, turn.sample_rate))
        source = {"corpus": splits[name].name, "audio": splits[name].digests[index]}
        cards.append(_card(turn, name, file, found) | source)
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    text = resources.files("turnkit.corpus.checking").joinpath("page.html").read_text("utf-8")
    html = environment.from_string(text).render(
        title=title,
        fingerprint=_fingerprint(splits),
        splits=[
            (split.name, split.rows, list(probe_lines(split))) for split in report.splits.values()
        ],
        total=len({(name, doubt.index) for name, doubt in doubts}),
        cards=len(cards),
        data=_script_data(cards),
    )
    with atomic_path(folder / "index.html") as aside:
        aside.write_text(html, "utf-8")
    return len(cards)


def choose_rows(
    doubts: Iterable[tuple[str, Doubt]], limit: int
) -> list[tuple[str, int, list[Doubt]]]:
    """Pick rows to show: one of each kind of doubt in turn, so that none crowds others out.

    Parameters
    ----------
    doubts : iterable of (str, Doubt)
        With the split of each.
    limit : int

    Returns
    -------
    list of (str, int, list of Doubt)
        Split, number of the row, all its doubts; in the order of the corpus. Rows that
        break the schema cannot be played and are left out.
    """
    by_row: dict[tuple[str, int], list[Doubt]] = {}
    for split, doubt in doubts:
        by_row.setdefault((split, doubt.index), []).append(doubt)
    playable = {
        place: found
        for place, found in by_row.items()
        if all(doubt.kind != UNUSABLE for doubt in found)
    }
    queues: dict[str, list[tuple[str, int]]] = {}
    for place, found in playable.items():
        for doubt in found:
            queues.setdefault(doubt.kind, []).append(place)
    chosen: set[tuple[str, int]] = set()
    depth = 0
    while len(chosen) < limit and any(depth < len(queue) for queue in queues.values()):
        for queue in queues.values():
            if depth < len(queue) and len(chosen) < limit:
                chosen.add(queue[depth])
        depth += 1
    return [(*place, found) for place, found in playable.items() if place in chosen]


def waveform(samples: Samples, bins: int = _BINS) -> list[int]:
    """Outline of a waveform for drawing.

    Parameters
    ----------
    samples : ndarray of float32, shape (n,)
        At least one.
    bins : int

    Returns
    -------
    list of int
        Highest magnitude of each column, 0 .. 100, the loudest of the row being 100.
    """
    edges = np.linspace(0, len(samples), min(bins, len(samples)) + 1).astype(int)[:-1]
    peaks = np.maximum.reduceat(np.abs(samples), edges)
    return [round(100 * peak) for peak in (peaks / max(float(peaks.max()), 1e-9)).tolist()]


def _fingerprint(splits: Mapping[str, Corpus]) -> str:
    """Hash of the audio of all rows; a browser keeps corrections under it."""
    total = hashlib.sha256()
    for name, corpus in splits.items():
        total.update(json.dumps([name, corpus.digests]).encode())
    return total.hexdigest()[:16]


def _card(turn: Turn, split: str, file: str, doubts: Iterable[Doubt]) -> dict[str, Any]:
    return {
        "id": turn.id,
        "split": split,
        "speaker": turn.speaker or "",
        "transcript": turn.transcript or "",
        "seconds": round(turn.duration, 3),
        "spans": [{"start": round(s.start, 3), "end": round(s.end, 3)} for s in turn.spans],
        "last": "hold" if INCOMPLETE in turn.tags else "end",
        "doubts": [doubt.as_dict() for doubt in doubts],
        "wave": waveform(turn.samples),
        "sound": file,
    }


def _script_data(cards: list[dict[str, Any]]) -> Any:
    """JSON for the inside of a script element."""
    from markupsafe import Markup

    text = json.dumps(cards, ensure_ascii=True).replace("<", "\\u003c")
    return Markup(text)
