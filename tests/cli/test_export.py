"""``turnkit export``: from a run to a bundle, and what is asked for in vain."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.models import POLICIES, write_run
from turnkit.cli.main import main
from turnkit.detector.opening import SemanticDetector, open_detector
from turnkit.detector.policy import Policy
from turnkit.model.bundle import ENCODER, read_bundle

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "run", "encoder-head")


def test_streaming_says_what_was_chosen(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run, out = write_run(tmp_path / "run", "streaming"), tmp_path / "x.turnkit"
    assert main(["export", str(run), str(out)]) == 0
    said = capfd.readouterr()
    lines = said.out.splitlines()
    assert lines[0] == f"{out}  {out.stat().st_size / 1e6:.2f} MB"
    chosen = read_bundle(out).manifest["precision"]["chosen"]
    assert lines[1].startswith(f"precision: {chosen} (int8 takes ")
    assert lines[2] == f"next: turnkit replay {out} AUDIO"
    # The exporter and the quantiser have much to say that is of no use.
    assert len(lines) == 3
    assert said.err == ""


def test_all_options(run: Path, tmp_path: Path) -> None:
    results, notes, out = (tmp_path / n for n in ("r.json", "n.md", "x.turnkit"))
    point = {"rate": 0.273, "mean_latency_ms": 291.0, "interval": [0.21, 0.33]}
    results.write_text(
        json.dumps({"corpus": {"name": "c"}, "detectors": {"d": {"frozen": {"FC@300": point}}}})
    )
    notes.write_text("Licence: none.")
    options = ["--name", "mine", "--policy", "L@5%", "--thin", "--notes", str(notes)]
    assert main(["export", str(run), str(out), *options, *["--results", str(results)] * 2]) == 0
    bundle = read_bundle(out)
    assert bundle.manifest["name"] == "mine"
    assert bundle.manifest["policy"] == POLICIES["L@5%"]
    assert ENCODER not in bundle.files
    assert bundle.card.count("| d | 27.3 % [21, 33], at 291 ms |") == 2
    assert "Licence: none." in bundle.card


def test_default_policy(run: Path, tmp_path: Path) -> None:
    assert main(["export", str(run), str(tmp_path / "x.turnkit")]) == 0
    detector = open_detector(str(tmp_path / "x.turnkit"), 16_000)
    assert isinstance(detector, SemanticDetector)
    assert detector.policy == Policy(**POLICIES["FC@300"])


@pytest.mark.parametrize(
    ("out", "options", "status", "said"),
    [
        ("x.onnx", [], 2, "expected a name that ends with .turnkit"),
        ("x.turnkit", ["--policy", "FC@7"], 2, "'FC@7': expected one of FC@300, L@5%"),
        ("x.turnkit", ["--notes", "none.md"], 2, "--notes none.md: no such file"),
        ("x.turnkit", ["--results", "none.json"], 2, "--results none.json: expected JSON"),
        ("x.turnkit", ["--results", __file__], 2, "expected JSON"),
    ],
)
def test_refused(
    run: Path, tmp_path: Path, capsys: Capture, out: str, options: list[str], status: int, said: str
) -> None:
    assert main(["export", str(run), str(tmp_path / out), *options]) == status
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["[]", "{}", "null", '{"detectors": 3}'])
def test_results_of_another_kind(run: Path, tmp_path: Path, capsys: Capture, content: str) -> None:
    (tmp_path / "r.json").write_text(content)
    options = ["--results", str(tmp_path / "r.json")]
    assert main(["export", str(run), str(tmp_path / "x.turnkit"), *options]) == 2
    assert "expected JSON of `turnkit eval`" in capsys.readouterr().err


def test_no_run(tmp_path: Path, capsys: Capture) -> None:
    assert main(["export", str(tmp_path), str(tmp_path / "x.turnkit")]) == 1
    assert "no model.json: expected a finished training run" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "none"), str(tmp_path / "x.turnkit")]) == 1
    assert "expected a finished training run" in capsys.readouterr().err


def test_unwritable(run: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").write_text("")
    assert main(["export", str(run), str(tmp_path / "file" / "x.turnkit")]) == 1
    assert "cannot be written" in capsys.readouterr().err
