"""VAD adapters: streaming, resettable, and like the packages that they adapt."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.speech import talk
from turnkit.audio import Samples
from turnkit.errors import BundleError, ConfigError, InputError, MissingDependencyError
from turnkit.vad import SileroVad, TenVad, Vad, WebRtcVad, open_vad, silero_path

PLAN = (-0.5, 1.2, -0.8, 0.7, -1.0)

MAKERS: dict[str, Callable[[], Vad]] = {
    "silero-8000": lambda: SileroVad(8_000),
    "silero-16000": lambda: SileroVad(16_000),
    "webrtc-8000": lambda: WebRtcVad(8_000),
    "webrtc-16000": lambda: WebRtcVad(16_000),
    "webrtc-48000": lambda: WebRtcVad(48_000, aggressiveness=3),
}
if importlib.util.find_spec("ten_vad") is not None:
    MAKERS["ten"] = TenVad


@pytest.fixture(params=MAKERS)
def vad(request: pytest.FixtureRequest) -> Vad:
    return MAKERS[request.param]()


def chunked(vad: Vad, samples: Samples, chunk: int) -> list[float]:
    parts = [vad.push(samples[i : i + chunk]) for i in range(0, len(samples), chunk)]
    return [float(p) for part in parts for p in part]


def test_whole_equals_chunked_and_reset_is_fresh(vad: Vad) -> None:
    x = talk(*PLAN, rate=vad.sample_rate)
    whole = vad.push(x)
    assert whole.dtype == np.float32
    assert len(whole) == len(x) // vad.hop
    for chunk in (160, 513):
        vad.reset()
        assert chunked(vad, x, chunk) == whole.tolist()
    vad.reset()
    part = x[: vad.sample_rate]
    assert chunked(vad, part, 1) == whole[: len(part) // vad.hop].tolist()


def test_speech_is_heard_and_silence_is_not(vad: Vad) -> None:
    x = talk(*PLAN, rate=vad.sample_rate)
    heard = vad.push(x)
    assert heard.min() >= 0
    assert heard.max() <= 1
    time = (np.arange(len(heard)) + 1) * vad.hop / vad.sample_rate
    speech = ((time > 0.8) & (time < 1.6)) | ((time > 2.8) & (time < 3.1))
    silence = ((time > 0.2) & (time < 0.5)) | ((time > 2.1) & (time < 2.5)) | (time > 3.7)
    assert heard[speech].mean() > 0.8
    assert heard[silence].mean() < 0.2


def test_future_changes_nothing(vad: Vad) -> None:
    x = talk(*PLAN, rate=vad.sample_rate)
    now = 40 * vad.hop
    before = vad.push(x[:now]).tolist()
    vad.reset()
    changed = np.concatenate([x[:now], talk(3.2, rate=vad.sample_rate, seed=5)])
    assert vad.push(changed)[:40].tolist() == before
    vad.reset()
    assert len(vad.push(x[: now - 1])) == 39


@settings(max_examples=20)
@given(st.lists(st.integers(0, 900), max_size=10))
def test_silero_in_any_chunks(sizes: list[int]) -> None:
    x = talk(*PLAN, rate=8_000)[2_000 : 2_000 + sum(sizes)]
    vad, got, start = SHARED, list[float](), 0
    vad.reset()
    for size in sizes:
        got += vad.push(x[start : start + size]).tolist()
        start += size
    vad.reset()
    assert got == vad.push(x).tolist()


SHARED = SileroVad(8_000)


@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_silero_is_the_packages_own(rate: int) -> None:
    """Its own wrapper, which needs torch, keeps state and context by itself."""
    import torch
    from silero_vad import load_silero_vad

    x = talk(*PLAN, rate=rate)
    ours = SileroVad(rate)
    theirs: Any = load_silero_vad(onnx=True)
    theirs.reset_states()
    expected = [
        float(theirs(torch.from_numpy(x[i : i + ours.hop].copy()), rate))
        for i in range(0, len(x) - ours.hop + 1, ours.hop)
    ]
    np.testing.assert_allclose(ours.push(x), expected, atol=1e-4)
    assert max(expected) > 0.9


def test_webrtc_is_the_packages_own() -> None:
    import webrtcvad

    x = talk(*PLAN, rate=16_000)
    pcm = np.clip(x * 32767, -32768, 32767).astype(np.int16)
    theirs = webrtcvad.Vad(2)
    expected = [
        float(theirs.is_speech(pcm[i : i + 320].tobytes(), 16_000))
        for i in range(0, len(pcm) - 319, 320)
    ]
    assert WebRtcVad(16_000).push(x).tolist() == expected


def test_overdriven_samples_do_not_wrap() -> None:
    """Samples beyond full scale are clipped: wrapped, a loud hum would turn into noise."""
    hum = np.sin(2 * np.pi * 200 * np.arange(16_000) / 16_000).astype(np.float32)
    clipped = np.clip(3.0 * hum, -1.0, 1.0)
    assert WebRtcVad(16_000).push(3.0 * hum).tolist() == WebRtcVad(16_000).push(clipped).tolist()


class TestOpening:
    @pytest.mark.parametrize("name", ["silero", "webrtc"])
    @pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100, 48_000])
    def test_rate(self, name: str, rate: int) -> None:
        assert open_vad(name, rate).sample_rate == (8_000 if rate == 8_000 else 16_000)

    def test_unknown(self) -> None:
        with pytest.raises(ConfigError, match=r"'siero'.*silero, webrtc, ten"):
            open_vad("siero", 16_000)

    def test_bad_values(self) -> None:
        with pytest.raises(InputError, match=r"22050.*8000 or 16000"):
            SileroVad(22_050)
        with pytest.raises(InputError, match="44100"):
            WebRtcVad(44_100)
        with pytest.raises(InputError, match="aggressiveness 4"):
            WebRtcVad(16_000, 4)

    @pytest.mark.parametrize(
        ("module", "name", "extra"),
        [("webrtcvad", "webrtc", "eval"), ("ten_vad", "ten", "ten")],
    )
    def test_package_missing(
        self, monkeypatch: pytest.MonkeyPatch, module: str, name: str, extra: str
    ) -> None:
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(MissingDependencyError, match=rf"turnkit\[{extra}\]"):
            open_vad(name, 16_000)

    def test_silero_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
        with pytest.raises(MissingDependencyError, match=r"turnkit\[eval\]"):
            SileroVad()

    def test_model_given_as_bytes_or_path(self, tmp_path: Path) -> None:
        x = talk(*PLAN, rate=8_000)[:8_000]
        expected = SileroVad(8_000).push(x).tolist()
        content = silero_path().read_bytes()
        assert SileroVad(8_000, content).push(x).tolist() == expected
        copy = tmp_path / "copy.onnx"
        copy.write_bytes(content)
        assert SileroVad(8_000, copy).push(x).tolist() == expected
        copy.write_bytes(content[:1_000])
        with pytest.raises(BundleError, match=r"copy\.onnx: not a graph"):
            SileroVad(8_000, copy)
        with pytest.raises(BundleError, match="not a graph"):
            SileroVad(8_000, b"no graph")
