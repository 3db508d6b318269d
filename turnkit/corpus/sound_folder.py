"""A folder of sound files with a ``metadata.jsonl``: one line a turn.

`datasets` reads such folders too (as ``audiofolder``), but needs torchcodec to do so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from turnkit.corpus.names import split_name
from turnkit.errors import CorpusError

METADATA = "metadata.jsonl"

FILE_NAME = "file_name"
"""Field that names the sound file, relative to the folder of the metadata."""


def metadata_files(folder: Path) -> dict[str, Path]:
    """Metadata by split: the folder's own, or that of each of its folders, named after it."""
    own = folder / METADATA
    if own.is_file():
        return {split_name(folder.resolve().name): own}
    return {split_name(f.parent.name): f for f in sorted(folder.glob(f"*/{METADATA}"))}


def read_sound_folder(files: dict[str, Path], datasets: Any) -> dict[str, Any]:
    """Read metadata and put the path of each sound file where its audio belongs.

    Raises
    ------
    CorpusError
        If a line names no sound file.
    """
    found = {}
    for split, path in files.items():
        rows = datasets.load_dataset("json", data_files={split: str(path)}, split=split)
        if FILE_NAME not in rows.column_names:
            raise CorpusError(f"corpus {path}: no field {FILE_NAME!r}, which names the sound file")
        names = rows[FILE_NAME]
        for line, name in enumerate(names, start=1):
            if not isinstance(name, str):
                raise CorpusError(f"corpus {path}, line {line}: {FILE_NAME} is {name!r}")
        audio = [{"path": str(path.parent / name)} for name in names]
        found[split] = rows.remove_columns(FILE_NAME).add_column("audio", audio)
    return found
