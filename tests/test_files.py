from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkit.errors import ConfigError, InputError
from turnkit.files import CACHE_VARIABLE, atomic_path, cache_dir, check_output, sha256_file


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_variable_moves_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "elsewhere"))
    assert cache_dir() == tmp_path / "elsewhere"
    assert not cache_dir().exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the XDG folders are Linux's")
def test_without_the_variable_the_platform_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "turnkit"


def test_a_file_is_replaced_whole_and_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rows.parquet"
    for text in ("first", "second"):
        with atomic_path(path) as aside:
            assert aside.parent == path.parent
            assert aside.suffix == path.suffix
            aside.write_text(text)
        assert path.read_text() == text
        assert names(path.parent) == ["rows.parquet"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_text("old")

    def interrupted() -> None:
        with atomic_path(path) as aside:
            aside.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["rows.parquet"]


@pytest.mark.skipif(sys.platform == "win32", reason="pipes with names are POSIX")
@pytest.mark.parametrize("linked", [False, True])
def test_what_is_no_file_stays_what_it_is(tmp_path: Path, linked: bool) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to(pipe)
    for path in (tmp_path / "link" if linked else pipe, tmp_path):
        with pytest.raises(InputError, match="expected a file"), atomic_path(path) as aside:
            aside.write_text("new")
    assert pipe.is_fifo()
    assert names(tmp_path) == ["link", "pipe"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file" / "x", tmp_path / "file" / "deep" / "x"):
        with pytest.raises(InputError, match="its folder cannot be made") as caught:
            atomic_path(path).__enter__()
        assert isinstance(caught.value, OSError)


def test_outputs_are_checked_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "astray").symlink_to(tmp_path / "nothing")
    for fine, folder in (("file", False), ("new/deep/x", False), ("new/x", True), (".", True)):
        check_output(tmp_path / fine, folder=folder)
    for wrong, folder, said in (
        ("file", True, "a file; expected a folder"),
        (".", False, "expected a file"),
        ("file/x/y", True, "file is a file"),
        ("file/x/y", False, "file is a file"),
        ("astray", True, "a link to nothing"),
        ("x" * 300, False, "too long"),
    ):
        with pytest.raises(ConfigError, match=said):
            check_output(tmp_path / wrong, folder=folder)
    assert names(tmp_path) == ["astray", "file"]


def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link, file = tmp_path / "link.txt", tmp_path / "there" / "file.md"
    link.symlink_to(file)
    for text in ("first", "second"):
        with atomic_path(link) as aside:
            assert (aside.parent, aside.suffix) == (file.parent, link.suffix)
            aside.write_text(text)
        assert link.is_symlink()
        assert file.read_text() == text
        assert names(file.parent) == ["file.md"]


def test_a_body_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "rows.parquet"):
        pass
    assert names(tmp_path) == []


def test_a_process_that_dies_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_text("old")
    program = (
        "import os, sys\n"
        "from turnkit.files import atomic_path\n"
        "with atomic_path(sys.argv[1]) as aside:\n"
        "    aside.write_text('half')\n"
        "    os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert done.returncode == 9
    assert path.read_text() == "old"


@given(st.binary(max_size=3_000_000))
def test_hash_of_a_file_is_the_hash_of_its_bytes(content: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(content)
        assert sha256_file(path) == hashlib.sha256(content).hexdigest()
