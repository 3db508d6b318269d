from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import soundfile

from turnkit.cli.main import main

RATE = 8_000

INTERVAL = {
    "anyOf": [
        {"type": "null"},
        {"type": "array", "items": {"type": ["number", "null"]}, "minItems": 2, "maxItems": 2},
    ]
}

POLICY = {
    "type": "object",
    "required": ["threshold", "action_delay_s", "timeout_s"],
    "additionalProperties": {"type": "number"},
}


def point(headline: str) -> dict[str, Any]:
    return {
        "type": "object",
        "required": sorted({headline, "rate", "mean_latency_ms", "interval", "n", "policy"}),
        "properties": {
            headline: {"type": "number"},
            "mean_latency_ms": {"type": "number"},
            "interval": INTERVAL,
            "n": {"type": "integer", "minimum": 1},
            "policy": POLICY,
        },
    }


POINTS = {
    "type": "object",
    "required": ["FC@300", "FC@600", "L@5%", "L@10%"],
    "properties": {
        "FC@300": point("rate"),
        "FC@600": point("rate"),
        "L@5%": point("latency_ms"),
        "L@10%": point("latency_ms"),
    },
    "additionalProperties": False,
}

RESULTS = {
    "type": "object",
    "required": [
        "corpus", "fit_corpus", "machine", "seed", "detectors", "vad_baseline",
        "paired_differences", "claims",
    ],
    "properties": {
        "detectors": {
            "additionalProperties": {
                "type": "object",
                "required": ["name", "frozen", "best_on_test"],
                "properties": {"frozen": POINTS, "best_on_test": POINTS},
            }
        },
        "corpus": {"required": ["name", "synthetic", "rows", "holds", "speakers"]},
        "machine": {"required": ["cpu", "cores"]},
        "claims": {
            "minItems": 4,
            "items": {
                "required": ["reading", "basis", "reduction", "interval", "verdict"],
                "properties": {"verdict": {"enum": ["holds", "does not hold", "not tested"]}},
            },
        },
        "vad_baseline": POINTS,
    },
}  # fmt: skip


def write_corpus(path: Path, seed: int, rows: int = 6) -> Path:
    """Bursts of noise, which WebRTC's VAD takes for speech, as a parquet file."""
    rng = np.random.default_rng(seed)
    made = []
    for k in range(rows):
        hold = float(rng.choice([0.3, 0.5, 0.8, 1.2]))
        seconds = (0.8, hold, 0.8, 1.5)
        level = np.repeat([0.3, 0.001, 0.3, 0.001], [round(s * RATE) for s in seconds])
        buffer = io.BytesIO()
        noise = (level * rng.standard_normal(len(level))).clip(-1, 1)
        soundfile.write(buffer, noise, RATE, format="FLAC")
        made.append(
            {
                "id": f"{seed}-{k}",
                "language": "en",
                "speaker": f"{seed}-{k // 2}",
                "audio": {"bytes": buffer.getvalue(), "path": None},
                "silence_spans": [
                    {"start": 0.8, "end": 0.8 + hold},
                    {"start": 1.6 + hold, "end": 3.1 + hold},
                ],
            }
        )
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(made), path)
    return path


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("corpora")
    test, fit = write_corpus(folder / "test.parquet", 1), write_corpus(folder / "fit.parquet", 2)
    return str(test), str(fit)


def arguments(corpora: tuple[str, str], *more: str) -> list[str]:
    return [
        "eval", "--corpus", corpora[0], "--fit-on", corpora[1], "--workers", "1",
        "--detector", "vad:webrtc", "--detector", "vad:silero", *more,
    ]  # fmt: skip


def test_json_has_every_figure(
    corpora: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(corpora, "--json", "--seed", "3")) == 0
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    jsonschema.validate(document, RESULTS)
    assert list(document["detectors"]) == ["vad:webrtc", "vad:silero"]
    assert document["seed"] == 3
    assert (document["corpus"]["rows"], document["corpus"]["speakers"]) == (6, 3)
    assert "vad:webrtc: testing: 6 of 6 turns" in printed.err


def test_files_are_written_beside_the_table(
    corpora: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a" / "b"
    assert main(arguments(corpora, "--out", str(out), "--limit", "4")) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "report.html", "results.json", "table.md", "table.txt",
    ]  # fmt: skip
    printed = capsys.readouterr().out
    assert printed.startswith((out / "table.txt").read_text())
    assert "does not hold" in printed
    assert json.loads((out / "results.json").read_text())["corpus"]["rows"] == 4
    assert (out / "report.html").read_text().startswith("<!doctype html>")


def test_slices_are_told_everywhere(
    corpora: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = write_corpus(tmp_path / "tagged.parquet", 3, 24)
    rows = pyarrow.parquet.read_table(made).to_pylist()
    tagged = [row | {"tags": ["digits"] if k % 2 else []} for k, row in enumerate(rows)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(tagged), made)
    out = tmp_path / "out"
    assert main(arguments((str(made), corpora[1]), "--by", "slice", "--out", str(out))) == 0
    title = "Slice digits (numbers said digit by digit): 12 turns, 12 holds, 12 speakers"
    assert title in capsys.readouterr().out
    for name in ("table.txt", "table.md", "report.html"):
        assert title in (out / name).read_text()
    document = json.loads((out / "results.json").read_text())
    jsonschema.validate(document, RESULTS)
    digits = document["slices"]["found"]["digits"]
    assert (digits["turns"], digits["holds"], digits["speakers"]) == (12, 12, 12)
    assert list(digits["detectors"]) == ["vad:webrtc", "vad:silero"]
    for points in (*digits["detectors"].values(), digits["vad_baseline"]):
        for found in points.values():
            jsonschema.validate(found, point("rate"))
    assert {"human", "telephone"} <= set(document["slices"]["of_all"])


def test_without_fitting_rows_frozen_is_null(
    corpora: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["eval", "--corpus", corpora[0], "--detector", "vad:webrtc", "--workers", "1"]
    assert main([*command, "--json", "--limit", "2"]) == 0
    found = json.loads(capsys.readouterr().out)["detectors"]["vad:webrtc"]
    assert found["frozen"] is None
    assert found["own_policy"]["policy"]["timeout_s"] == 0.6
    assert found["best_on_test"]["FC@300"] is not None


@pytest.mark.parametrize(
    ("more", "status", "message"),
    [
        (["--limit", "0"], 2, "--limit 0"),
        (["--seed", "-1"], 2, "--seed -1"),
        (["--workers", "0"], 2, "workers 0"),
        (["--transcript-lag", "-1"], 2, "--transcript-lag -1"),
        (["--detector", "vad:webrtc"], 2, "each given once"),
        (["--detector", "no-such-thing"], 2, "no-such-thing"),
        (["--split", "no-such-split"], 1, "no-such-split"),
        (["--out", __file__], 2, "this is a file"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(
    more: list[str],
    status: int,
    message: str,
    corpora: tuple[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(arguments(corpora, *more)) == status
    error = capsys.readouterr().err
    assert error.startswith("turnkit: error: ")
    assert message in error
    assert error.count("\n") == 1


def test_the_same_speakers_in_both_corpora_are_refused(
    corpora: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments((corpora[0], corpora[0]))) == 1
    assert "share 3 speakers" in capsys.readouterr().err
