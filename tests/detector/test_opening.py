"""Opening detectors by name: what each spec is, and what is said of those that are none."""

from __future__ import annotations

from pathlib import Path

import pytest

import turnkit
from tests.models import write_run
from tests.speech import talk
from turnkit.detector.opening import SHIPPED, open_detector, shipped_path
from turnkit.detector.policy import Policy
from turnkit.detector.protocol import EventKind, TurnDetector
from turnkit.errors import BundleError, ConfigError, InputError, MissingAssetError, RunError
from turnkit.model.bundle import read_bundle
from turnkit.peers import smart_turn_path


@pytest.mark.parametrize(
    ("spec", "timeout_s"),
    [
        ("vad:silero", 0.6),
        ("vad:webrtc", 0.6),
        ("vad:600", 0.6),
        ("vad:1000", 1.0),
        ("vad:silero:250", 0.25),
        ("vad:webrtc:700", 0.7),
    ],
)
def test_vads(spec: str, timeout_s: float) -> None:
    detector = open_detector(spec, 8_000)
    assert detector.name == spec
    assert detector.sample_rate == 8_000
    assert detector.policy.timeout_s == pytest.approx(timeout_s)
    assert detector.policy.threshold == 1.0
    chosen = open_detector(spec, 8_000, Policy.timeout_only(2.0))
    assert chosen.policy.timeout_s == 2.0


@pytest.mark.parametrize("spec", ["smart-turn", "smart-turn:repeat"])
def test_smart_turn(spec: str) -> None:
    try:
        smart_turn_path()
    except MissingAssetError as error:
        pytest.skip(str(error))
    detector = open_detector(spec, 8_000)
    assert (detector.name, detector.policy) == (spec, Policy(0.5, 0.2, 3.0))


def test_smart_turn_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TURNKIT_CACHE", str(tmp_path))
    monkeypatch.delenv("TURNKIT_SMART_TURN", raising=False)
    with pytest.raises(MissingAssetError, match="turnkit peers get smart-turn"):
        open_detector("smart-turn", 8_000)


@pytest.mark.parametrize(
    "spec",
    ["", "vad", "vad:", "vad:none", "vad:silero:", "vad:silero:soon", "vad:100", "vad:70000",
     "vad:-600", "vad:600:600", "vad:\u00b2", "smart-turn:twice", "no/such/bundle.turnkit"],
)  # fmt: skip
def test_nothing_by_that_name(spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if spec == "vad:silero:":  # no delay is the default delay
        assert open_detector(spec, 8_000).policy.timeout_s == 0.6
        return
    with pytest.raises((ConfigError, RunError)) as caught:
        open_detector(spec, 8_000)
    assert "expected" in str(caught.value)


def test_path_of_a_run_with_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_run(tmp_path / "run", "streaming")
    assert open_detector("~/run", 8_000).name == "tiny streaming"


def test_a_file_that_is_no_bundle() -> None:
    with pytest.raises(BundleError, match="not a turnkit bundle"):
        open_detector(__file__, 8_000)


def test_bad_rate() -> None:
    with pytest.raises(InputError, match="sample rate 7"):
        turnkit.load("vad:600", 7)


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships(name: str) -> None:
    """The bundles of the package open, decide, and know what they were made from."""
    path = shipped_path(name)
    if not path.is_file():
        pytest.skip(f"{path.name} is not in this checkout")
    bundle = read_bundle(path)
    assert path.stat().st_size <= 4_000_000
    assert bundle.manifest["training_speakers"]
    assert not set(bundle.manifest["training_speakers"]) & set(bundle.manifest["policy_speakers"])
    assert bundle.manifest["policies"].keys() == {"FC@300", "FC@600", "L@5%", "L@10%"}
    for trace in (str(Path.cwd()), str(Path.home()), "/tmp/"):
        assert trace not in bundle.card
        assert trace not in str(bundle.manifest)
    try:
        detector = turnkit.load(name, 8_000)
    except MissingAssetError as error:
        pytest.skip(str(error))
    assert isinstance(detector, TurnDetector)
    events = detector.push(talk(-0.5, 1.5, -4.0, rate=8_000))
    assert events[0].kind is EventKind.SPEECH_STARTED
    assert EventKind.TURN_ENDED in [e.kind for e in events]
