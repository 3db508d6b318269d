from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from turnkit.corpus.mixing.aside import whole_folder
from turnkit.files import OutputError

KILLED = """
import os, signal, sys
from pathlib import Path
from turnkit.corpus.mixing.aside import whole_folder
with whole_folder(Path(sys.argv[1])) as aside:
    (aside / "rows").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


@pytest.mark.skipif(sys.platform == "win32", reason="folders have no locks there")
def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / f".{'0' * 32}-out").mkdir()  # somebody else's
    for name in ("out", "other"):
        subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / name)], check=False)
    assert len(names(tmp_path)) == 3
    with whole_folder(tmp_path / "out") as aside:
        (aside / "rows").write_text("whole")
    assert (tmp_path / "out" / "rows").read_text() == "whole"
    left = names(tmp_path) - {"out", f".{'0' * 32}-out"}
    assert [name.rpartition("-")[2] for name in left] == ["other"]


def write(out: Path, text: str, meanwhile: Callable[[], None] = lambda: None) -> None:
    with whole_folder(out) as aside:
        (aside / "rows").write_text(text)
        meanwhile()
        assert aside.exists()


def fail() -> None:
    raise RuntimeError


def test_what_another_writes_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"

    def second() -> None:
        with pytest.raises(RuntimeError):
            write(out, "second", fail)

    write(out, "first", second)
    assert (out / "rows").read_text() == "first"
    assert names(tmp_path) == {"out"}


def test_of_two_writers_the_first_to_end_wins(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(OutputError, match="somebody else has written there meanwhile"):
        write(out, "late", lambda: write(out, "early"))
    assert (out / "rows").read_text() == "early"
    assert names(tmp_path) == {"out"}


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc here")
def test_where_no_folder_can_be() -> None:
    with pytest.raises(OutputError, match="/proc/self/mix: cannot be made"):
        write(Path("/proc/self/mix"), "")
