from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from turnkit.cli.main import main
from turnkit.corpus.checking.probes import PROBES
from turnkit.corpus.reader import load_corpus

MakeRow = Callable[..., dict[str, Any]]
WriteParquet = Callable[..., Path]


@pytest.fixture
def corpus(make_row: MakeRow, write_parquet: WriteParquet, tmp_path: Path) -> Path:
    """Two splits; a transcript in the first cannot be said in the time."""
    folder = tmp_path / "corpus"
    for split, first in (("train", 0), ("test", 24)):
        rows = [
            make_row(f"t{i}", speaker=f"s{i}", transcript=f"word{i} " * (90 if i == 3 else 1))
            for i in range(first, first + 24)
        ]
        write_parquet(folder / f"{split}.parquet", rows)
    return folder


def test_both_splits_are_checked(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(corpus), "--workers", "1"]) == 0
    text = capsys.readouterr().out
    assert "transcript rate: rows whose transcript cannot be said in the time (t3)" in text
    assert "WARNING shortcut: duration: a model may learn it instead of the turn" in text
    assert "train and test share no speakers, recordings or copies" in text


def test_json_of_one_split(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["data", "check", str(corpus), "--split", "test", "--json", "--workers", "1"]
    assert main([*arguments, "--limit", "22"]) == 0
    document = json.loads(capsys.readouterr().out)
    (split,) = document["splits"].values()
    assert (split["rows"], split["looked_at"]) == (24, 22)
    assert [probe["name"] for probe in split["probes"]] == list(PROBES)
    assert document["usable"] is True


def test_what_two_corpora_share_is_status_1(
    corpus: Path,
    make_row: MakeRow,
    write_parquet: WriteParquet,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = write_parquet(tmp_path / "other.parquet", [make_row("new", speaker="s5")])
    arguments = ["data", "check", f"{corpus}:train", "--against", str(other), "--workers", "1"]
    assert main(arguments) == 1
    assert f"LEAK: train and {other}:other share 1 speakers: s5" in capsys.readouterr().out


def test_from_the_page_to_a_corpus_that_is_mended(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page is served by the command; what it saves is what ``relabel`` takes."""
    page = tmp_path / "page"
    command = [sys.executable, "-m", "turnkit", "data", "check", f"{corpus}:train"]
    with subprocess.Popen(
        [*command, "--workers", "1", "--page", str(page), "--serve", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        try:
            wrote, told = "", ""
            while not told.startswith("http://127.0.0.1:"):
                wrote, told = told, process.stdout.readline()
                assert told, "it ended before it served"
            assert "1 rows to listen to" in wrote
            address = told.split()[0]
            with urllib.request.urlopen(address, timeout=10) as answer:
                html = answer.read().decode()
            (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html)
            (card,) = json.loads(data)
            one = {"id": card["id"], "split": card["split"], "drop": True}
            body = (json.dumps(one) + "\n").encode()
            request = urllib.request.Request(address + "corrections.jsonl", body, method="PUT")
            with urllib.request.urlopen(request, timeout=10) as answer:
                assert answer.read() == b"1"
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    out = tmp_path / "mended.parquet"
    arguments = ["data", "relabel", f"{corpus}:train", str(page / "corrections.jsonl"), str(out)]
    assert main(arguments) == 0
    assert f"{out}: 23 turns; 1 dropped" in capsys.readouterr().out
    assert "t3" not in load_corpus(str(out)).column("id")


def test_a_corpus_that_is_not_complete_is_told(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (corpus / "made.json").write_text('{"complete": false}')
    arguments = ["data", "check", f"{corpus}:test", "--limit", "1", "--workers", "1", "--json"]
    assert main(arguments) == 0
    told = capsys.readouterr()
    assert f"WARNING corpus {corpus}:test: not complete" in told.err
    assert json.loads(told.out)["usable"]


def test_corrections_of_another_corpus_are_refused_before_rows_are_looked_at(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = '{"id": "t3", "split": "train", "audio": "of another", "corpus": "other.parquet"}\n'
    saved = tmp_path / "page" / "corrections.jsonl"
    saved.parent.mkdir()
    saved.write_text(line)
    assert main(["data", "check", f"{corpus}:train", "--page", str(saved.parent)]) == 1
    told = capsys.readouterr()
    assert "other audio than the row that was corrected in other.parquet" in told.err
    assert told.out == ""
    assert saved.read_text() == line
    out = tmp_path / "out.parquet"
    assert main(["data", "relabel", f"{corpus}:train", str(saved), str(out)]) == 1
    assert "corrected in other.parquet" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["check", "{corpus}", "--limit", "0"], 2, "limit=0: expected 1 or more"),
        (["check", "{corpus}", "--page", "p", "--rows", "0"], 2, "--rows 0: expected 1 or more"),
        (["check", "{corpus}", "--page", "{corpus}/test.parquet"], 2, "expected a folder"),
        (["relabel", "{corpus}", "c.jsonl", "out.txt"], 2, "ends with .parquet"),
        (["relabel", "{corpus}", "c.jsonl", "out.parquet"], 2, "say which --split: t"),
        (["relabel", "{corpus}:test", "c.jsonl", "out.parquet"], 1, "c.jsonl: cannot be read"),
    ],
)
def test_what_does_not_fit_is_said(
    corpus: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    told: str,
) -> None:
    given = [part.format(corpus=corpus) for part in arguments]
    assert main(["data", *given]) == status
    assert told in capsys.readouterr().err
