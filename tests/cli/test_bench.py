"""``turnkit bench``: one table for a bundle and its peers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from turnkit.cli.bench import KINDS, spell_out
from turnkit.cli.main import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def corpus(
    tmp_path: Path, make_row: Callable[..., dict[str, Any]], write_parquet: Callable[..., Path]
) -> str:
    return str(write_parquet(tmp_path / "x.parquet", [make_row(f"a-{i}") for i in range(2)]))


def test_json(corpus: str, capsys: Capture) -> None:
    options = ["--against", "vad:webrtc:300", "--seconds", "3", "--rounds", "1", "--json"]
    assert main(["bench", "vad:webrtc", "--corpus", corpus, *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found.keys() == {"machine", "corpus", "rate", "costs"}
    assert found["rate"] == 16_000
    assert found["machine"]["cores"] >= 1
    assert [cost["spec"] for cost in found["costs"]] == ["vad:webrtc", "vad:webrtc:300"]
    assert all(cost["seconds"] == pytest.approx(3.0) for cost in found["costs"])


def test_table(corpus: str, capsys: Capture) -> None:
    options = ["--against", "vad:webrtc:300", "--seconds", "2", "--rounds", "1"]
    assert main(["bench", "vad:webrtc", "--corpus", corpus, *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("machine: ")
    assert "16000 Hz, 2 s x 1 rounds, one thread" in lines[1]
    header, *rows = lines[3:]
    assert len(rows) == 2
    assert len({len(line) for line in (header, *rows)}) == 1
    for row in rows:
        assert len(row.split()) == len(header.split()) - 1  # "peak MB" is one figure
        assert "nan" not in row


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["--seconds", "1"], 2, "--seconds"),
        (["--rounds", "0"], 2, "--rounds"),
        (["--corpus", "no/such.parquet"], 1, "no/such.parquet"),
        (["--against", "vad:none"], 2, "VAD 'none'"),
    ],
)
def test_refused(corpus: str, capsys: Capture, options: list[str], status: int, said: str) -> None:
    given = ["bench", "vad:webrtc", "--corpus", corpus, "--seconds", "2", "--rounds", "1"]
    assert main([*given, *options]) == status
    assert said in capsys.readouterr().err


def test_a_corpus_that_is_too_short(
    tmp_path: Path,
    make_row: Callable[..., dict[str, Any]],
    write_parquet: Callable[..., Path],
    capsys: Capture,
) -> None:
    row = make_row("a", spans=((0.8, 1.5),), seconds=1.5)
    path = write_parquet(tmp_path / "x.parquet", [row])
    assert main(["bench", "vad:webrtc", "--against", "vad:600", "--corpus", str(path)]) == 1
    assert "at least 2 s" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["bench", "default"], ["bench", "detectors", "default"]),
        (["bench", "--json", "x.turnkit"], ["bench", "detectors", "--json", "x.turnkit"]),
        (["bench", "./stages"], ["bench", "detectors", "./stages"]),
        (["bench", "detectors", "default"], None),
        (["bench", "stages", "--json"], None),
        (["bench", "--help"], None),
        (["bench", "-h"], None),
        (["bench"], None),
        (["eval", "default"], None),
        (["--version"], None),
        ([], None),
    ],
)
def test_a_bundle_alone_is_short_for_detectors(given: list[str], meant: list[str] | None) -> None:
    assert spell_out(given) == (given if meant is None else meant)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_own_help(kind: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["bench", kind, "--help"])
    assert caught.value.code == 0
    assert f"usage: turnkit bench {kind}" in capsys.readouterr().out


def test_the_help_lists_what_can_be_measured(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        main(["bench", "--help"])
    said = capsys.readouterr().out
    for kind in KINDS:
        assert f"\n    {kind}" in said


def test_detectors_by_their_long_name(corpus: str, capsys: Capture) -> None:
    options = ["--against", "vad:webrtc:300", "--seconds", "2", "--rounds", "1", "--json"]
    assert main(["bench", "detectors", "vad:webrtc", "--corpus", corpus, *options]) == 0
    assert len(json.loads(capsys.readouterr().out)["costs"]) == 2
