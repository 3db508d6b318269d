"""Recordings of an import: which files are some, and what they are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from turnkit.corpus.importing.sound import find_recordings, recording_name
from turnkit.errors import CorpusError


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()


def test_hidden_files_and_folders_are_no_recordings(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "._a.wav", "sub/B.FLAC", "notes.txt")
    (tmp_path / "folder.wav").mkdir()
    found = find_recordings(tmp_path)
    assert [recording_name(path, tmp_path) for path in found] == ["a", "sub-B"]


@pytest.mark.parametrize("names", [("a.wav", "a.flac"), ("a/b.wav", "a-b.wav")])
def test_recordings_of_one_name_are_refused(names: tuple[str, ...], tmp_path: Path) -> None:
    touch(tmp_path, *names)
    with pytest.raises(CorpusError, match=r"both would be called 'a(-b)?' in ids"):
        find_recordings(tmp_path)
