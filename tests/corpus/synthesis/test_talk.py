from __future__ import annotations

import numpy as np

from tests.corpus.synthesis.tiny import tiny
from turnkit.corpus.synthesis.talk import Talk
from turnkit.corpus.synthesis.text.writer import ScriptWriter
from turnkit.corpus.synthesis.voices.cast import Cast


def test_talk_is_speech_of_any_length_and_repeats() -> None:
    spec = tiny()
    writer = ScriptWriter(spec.text, ("train",), 0)
    talk = Talk("train", writer, Cast(spec.voices, ("train",), 0), 2)
    said = talk(40_000, np.random.default_rng(1))
    assert said.shape == (40_000,)
    assert np.sqrt(np.mean(said**2)) > 0.01
    np.testing.assert_array_equal(said, talk(40_000, np.random.default_rng(1)))
    assert np.any(said != talk(40_000, np.random.default_rng(2)))
    assert talk(0, np.random.default_rng(1)).shape == (0,)
