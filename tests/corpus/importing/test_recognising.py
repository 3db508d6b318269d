"""Words of a recording by the embedded recogniser."""

from __future__ import annotations

import re

import numpy as np
import pytest

from turnkit.audio import as_audio, resample
from turnkit.corpus.importing.recognising import Recogniser
from turnkit.corpus.importing.sound import find_speech
from turnkit.stages.tts.piper import PiperTts

FIRST = "Could you tell me the way to the station?"
SECOND = "I need to buy a ticket for tomorrow morning."
RATE = 8_000


def test_words_and_their_times() -> None:
    voice = PiperTts()
    said, at = [], 1.0
    parts = [np.zeros(round(at * voice.sample_rate), dtype=np.float32)]
    for text in (FIRST, SECOND):
        speech = voice.speak(text)
        start = sum(map(len, parts)) / voice.sample_rate
        said += [(word.text, start + word.end) for word in speech.words]
        parts += [speech.samples, np.zeros(round(3.0 * voice.sample_rate), np.float32)]
    call = np.concatenate(parts)
    noise = 1e-3 * np.random.default_rng(0).standard_normal(len(call)).astype(np.float32)
    samples = resample(as_audio(call + noise), voice.sample_rate, RATE)
    runs = find_speech(samples, RATE)
    words = Recogniser().words(samples, RATE, runs)
    # The two sentences are far apart, so each was decoded for itself.
    found = re.sub(r"[^a-z ]", "", " ".join(word.word for word in words).lower()).split()
    assert found == re.sub(r"[^a-z ]", "", f"{FIRST} {SECOND}".lower()).split()
    late = [abs(word.end - end) for word, (_, end) in zip(words, said, strict=True)]
    assert float(np.median(late)) < 0.1
    assert max(late) < 0.5
    for word in words:
        assert any(a - 1e-6 <= word.start <= word.end <= b + 1e-6 for a, b in runs)
    assert [word.start for word in words] == sorted(word.start for word in words)
    assert words[8].end == pytest.approx(runs[0][1], abs=0.3)
