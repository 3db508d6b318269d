from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from turnkit.cli.main import main

MakeRow = Callable[..., dict[str, Any]]
WriteParquet = Callable[..., Path]


@pytest.fixture
def corpus(make_row: MakeRow, write_parquet: WriteParquet, tmp_path: Path) -> Path:
    """A folder of two splits, as it should be."""
    folder = tmp_path / "corpus"
    for split, first in (("train", 0), ("test", 20)):
        rows = [
            make_row(f"t{i}", speaker=f"s{i}", transcript=f"word{i}")
            for i in range(first, first + 12)
        ]
        write_parquet(folder / f"{split}.parquet", rows)
    return folder


def test_every_split_is_described(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "describe", str(corpus)]) == 0
    text = capsys.readouterr().out
    assert f"{corpus}:train\n  turns        12, of 12 speakers" in text
    assert f"{corpus}:test\n" in text
    assert text.count("nothing looks wrong") == 2


def test_json_of_one_split(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "describe", str(corpus), "--split", "test", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document["splits"]) == ["test"]
    assert document["splits"]["test"]["rows"] == 12
    assert document["splits"]["test"]["counted_holds"] == 12
    assert document["leaks"] == []


def test_leaks_between_splits_are_status_1(
    corpus: Path,
    make_row: MakeRow,
    write_parquet: WriteParquet,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_parquet(corpus / "test.parquet", [make_row("t3", speaker="new")])
    assert main(["data", "describe", str(corpus)]) == 1
    assert "leak:" in capsys.readouterr().out
    assert main(["data", "describe", str(corpus), "--json"]) == 1
    (leak,) = json.loads(capsys.readouterr().out)["leaks"]
    assert leak["splits"] == ["train", "test"]
    assert "share 1 recordings: t3" in leak["message"]


def test_a_row_that_cannot_be_used_is_status_1_and_named(
    make_row: MakeRow,
    write_parquet: WriteParquet,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    late = [{"start": 2.0, "end": 9.0}]
    rows = [make_row("good"), make_row("late") | {"silence_spans": late}]
    path = write_parquet(tmp_path / "x.parquet", rows)
    assert main(["data", "describe", str(path)]) == 1
    assert "row late: field 'silence_spans': span 0 ends at 9.000 s" in capsys.readouterr().out


def test_a_picture(corpus: Path, tmp_path: Path) -> None:
    picture = tmp_path / "durations.png"
    assert main(["data", "describe", f"{corpus}:test", "--plot", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_picture_that_cannot_be_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = str(tmp_path / "no-corpus.parquet")
    for name, told in (("x.foo", "x.foo: expected a name that ends with .png, .svg, .pdf"),
                       ("", "expected a name that ends with")):  # fmt: skip
        assert main(["data", "describe", nowhere, "--plot", str(tmp_path / name)]) == 2
        assert told in capsys.readouterr().err
    (tmp_path / "x.png").mkdir()
    assert main(["data", "describe", nowhere, "--plot", str(tmp_path / "x.png")]) == 2
    assert "x.png: a folder or a device; expected a file" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc here")
def test_a_folder_that_takes_no_picture(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "describe", f"{corpus}:test", "--plot", "/proc/x.png"]) == 1
    assert re.fullmatch("turnkit: error: /proc/.*No such file.*\n", capsys.readouterr().err)


def test_a_disk_that_is_full_keeps_the_picture_that_was_there(corpus: Path, tmp_path: Path) -> None:
    """Files of the process may hold 20 kB: more than the corpus, less than the picture."""
    picture = tmp_path / "kept" / "durations.png"
    picture.parent.mkdir()
    picture.write_bytes(b"the old picture")
    script = (
        "import resource, signal, sys\n"
        "from turnkit.cli import data, main\n"
        "from turnkit.corpus import present\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "draw = present.plot_description\n"
        "def on_a_full_disk(*args):\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "    draw(*args)\n"
        "present.plot_description = on_a_full_disk\n"
        "sys.exit(main.main(['data', 'describe', sys.argv[1], '--plot', sys.argv[2]]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, f"{corpus}:test", str(picture)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "turnkit: error: " in done.stderr
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert picture.read_bytes() == b"the old picture"
    assert list(picture.parent.iterdir()) == [picture]


@pytest.mark.parametrize("row", ["t22", "2"])
@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_a_turn_as_a_sound_file(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], row: str, suffix: str
) -> None:
    path = tmp_path / f"turn.{suffix}"
    assert main(["data", "audio", str(corpus), row, str(path)]) == 0
    samples, rate = soundfile.read(path)
    assert (rate, samples.shape) == (16_000, (48_000,))
    assert 0.05 < np.abs(samples[:8_000]).max() < 0.2
    text = capsys.readouterr().out
    assert "t22, 3.00 s at 16000 Hz" in text
    assert text.splitlines()[-2:] == [
        "     0.800 ..    1.300 s  hold",
        "     2.000 ..    3.000 s  end of turn",
    ]


@pytest.mark.parametrize(
    ("row", "file", "status", "told"),
    [
        ("t99", "x.wav", 1, "no turn 't99'; expected an id, such as t20, or a number from 0 to 11"),
        ("12", "x.wav", 1, "no turn '12'"),
        ("-1", "x.wav", 1, "no turn '-1'"),
        ("0", "x.txt", 2, "ends .wav or .flac"),
    ],
)
def test_turns_and_files_that_do_not_work(
    corpus: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    row: str,
    file: str,
    status: int,
    told: str,
) -> None:
    assert main(["data", "audio", str(corpus), "--", row, str(tmp_path / file)]) == status
    assert told in capsys.readouterr().err
    assert not (tmp_path / file).exists()
