"""``turnkit replay``: what was decided, when and why."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.models import POLICIES, write_run
from tests.speech import talk
from turnkit.cli.main import main
from turnkit.detector.opening import open_detector
from turnkit.detector.replay import replay
from turnkit.export import export_run

PLAN = (-0.4, 1.0, -0.45, 0.8, -1.5, 0.6, -1.0)
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("audio") / "turn.wav"
    soundfile.write(path, talk(*PLAN, rate=22_050), 22_050)
    return path


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    export_run(write_run(folder / "run", "encoder-head"), folder / "x.turnkit")
    return folder / "x.turnkit"


def test_vad(audio: Path, capsys: Capture) -> None:
    assert main(["replay", "vad:silero:700", str(audio)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "vad:silero:700: turn.wav, 5.75 s at 22050 Hz"
    assert lines[1] == "policy: threshold 1, action delay 0.2 s, timeout 0.7 s"
    assert lines[2].split()[1:] == ["s", "speech", "started"]
    ended = [line for line in lines if "turn ended" in line]
    assert len(ended) == 2
    assert all("reached the timeout of 0.7 s (no score)" in line for line in ended)
    assert lines[-1] == "2 turns ended"


def test_json_is_what_push_gives(audio: Path, bundle: Path, capsys: Capture) -> None:
    assert main(["replay", str(bundle), str(audio), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    samples, rate = soundfile.read(audio, dtype="float32")
    events = replay(open_detector(str(bundle), rate), samples)
    assert len(lines) == len(events) > 3
    for line, event in zip(lines, events, strict=True):
        assert line["at"] == event.at
        assert line["at_s"] == pytest.approx(event.at / rate, abs=1e-4)
        assert (line["kind"], line["since"]) == (event.kind, event.since)
        assert (line["score"], line["reason"]) == (event.score, event.reason)


def test_says_why(audio: Path, bundle: Path, capsys: Capture) -> None:
    assert main(["replay", str(bundle), str(audio)]) == 0
    out = capsys.readouterr().out
    ended = [line for line in out.splitlines() if "turn ended" in line]
    assert ended
    for line in ended:
        assert "above the threshold 0.60 in this pause" in line or "reached the timeout" in line
    by_model = [line for line in ended if "above the threshold" in line]
    for line in by_model:
        score = float(line.partition("score ")[2].partition(",")[0])
        assert score >= 0.60


def test_frozen_policy(audio: Path, bundle: Path, capsys: Capture) -> None:
    assert main(["replay", str(bundle), str(audio), "--policy", "L@5%"]) == 0
    values = POLICIES["L@5%"]
    assert f"threshold {values['threshold']:g}" in capsys.readouterr().out
    assert main(["replay", str(bundle), str(audio), "--policy", "L@7%"]) == 2
    assert "expected one of FC@300, L@5%" in capsys.readouterr().err
    assert main(["replay", "vad:600", str(audio), "--policy", "L@5%"]) == 2
    assert "carries no frozen policies" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_plot(audio: Path, bundle: Path, tmp_path: Path, capsys: Capture, suffix: str) -> None:
    picture = tmp_path / "new" / f"x.{suffix}"
    assert main(["replay", str(bundle), str(audio), "--json", "--plot", str(picture)]) == 0
    head = picture.read_bytes()[:100]
    assert head.startswith(b"\x89PNG") if suffix == "png" else b"<?xml" in head
    # Standard output stays JSON.
    for line in capsys.readouterr().out.splitlines():
        json.loads(line)


def test_plot_of_an_unknown_kind(audio: Path, tmp_path: Path, capsys: Capture) -> None:
    assert main(["replay", "vad:600", str(audio), "--plot", str(tmp_path / "x.docx")]) == 2
    assert "--plot" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("detector", "said"),
    [
        ("none.turnkit", "detector 'none.turnkit': expected a bundle or run that exists"),
        ("vad:none", "VAD 'none': expected one of silero, webrtc, ten"),
        ("vad:silero:soon", "delay 'soon': expected milliseconds"),
        ("vad:100", "policy timeout_s 0.1: expected 0.2 .. 60"),
    ],
)
def test_bad_detector(audio: Path, capsys: Capture, detector: str, said: str) -> None:
    assert main(["replay", detector, str(audio)]) == 2
    assert said in capsys.readouterr().err


def test_bad_bundle(audio: Path, bundle: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "half.turnkit").write_bytes(bundle.read_bytes()[:5_000])
    assert main(["replay", str(tmp_path / "half.turnkit"), str(audio)]) == 1
    assert "not a turnkit bundle" in capsys.readouterr().err
    assert main(["replay", str(tmp_path), str(audio)]) == 1
    assert "expected a finished training run" in capsys.readouterr().err


def test_bad_audio(tmp_path: Path, capsys: Capture) -> None:
    assert main(["replay", "vad:600", str(tmp_path / "none.wav")]) == 1
    assert "none.wav: no such file" in capsys.readouterr().err
    wrong = np.array([0.0, np.nan] * 5_000, dtype=np.float32)
    soundfile.write(tmp_path / "nan.wav", wrong, 16_000, subtype="FLOAT")
    assert main(["replay", "vad:600", str(tmp_path / "nan.wav")]) == 1
    assert "sample 1 is nan" in capsys.readouterr().err


def test_silence(tmp_path: Path, capsys: Capture) -> None:
    soundfile.write(tmp_path / "x.wav", np.zeros(16_000), 16_000)
    assert main(["replay", "vad:600", str(tmp_path / "x.wav")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "0 turns ended"
