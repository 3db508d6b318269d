"""Recordings of an import: which files are some, and what they are called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from turnkit.corpus.importing.sound import count_channels, find_recordings, recording_name
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


def test_channels_are_counted_and_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros((10, 3)), 8_000)
    assert count_channels(path) == 3
    for samples, rate, problem in ((0, 8_000, "holds no samples"), (9, 3_000, "sample rate 3000")):
        soundfile.write(path, np.zeros((samples, 2)), rate)
        with pytest.raises(CorpusError, match=rf"a\.wav: {problem}"):
            count_channels(path)
    path.write_bytes(b"RIFF")
    with pytest.raises(CorpusError, match=r"a\.wav: cannot be decoded"):
        count_channels(path)
