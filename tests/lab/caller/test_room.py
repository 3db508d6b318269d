"""Nothing in what the microphone sends tells true ends from pauses but the speech itself."""

from __future__ import annotations

import numpy as np
import pytest

from turnkit.agent.transport.opus import OPUS_RATE
from turnkit.corpus.reader import load_corpus
from turnkit.lab.caller.microphone import Microphone
from turnkit.lab.scenario.stimuli import corpus_sound

FRAME = 960


def pulled(microphone: Microphone, seconds: float) -> np.ndarray:
    frames = round(seconds * OPUS_RATE / FRAME)
    return np.concatenate([microphone.pull(FRAME) for _ in range(frames)])


def level_db(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(samples.astype(np.float64) ** 2) + 1e-12))


@pytest.mark.parametrize("number", [0, 9, 17, 40])
def test_the_room_goes_on_after_a_row_as_it_was_before(number: int) -> None:
    sound = corpus_sound(load_corpus("embedded:test")[number])
    assert sound.floor is not None
    microphone = Microphone()
    microphone.add(0.0, sound.samples, sound.rate, sound.floor)
    heard = pulled(microphone, sound.seconds + 12.0)
    end = round(sound.ended * OPUS_RATE)
    soon = level_db(heard[end + 4_800 : end + 9_600])  # 0.1 .. 0.2 s after the end
    for begin_s in (0.25, 1.0, 3.0, 7.5, 10.0):
        begin = end + round(begin_s * OPUS_RATE)
        assert level_db(heard[begin : begin + 12_000]) == pytest.approx(soon, abs=4.0)


def test_the_next_sound_brings_its_own_room() -> None:
    microphone = Microphone(floor_db=-90.0)
    loud, quiet = np.full(480, 0.1, np.float32), np.full(480, 0.001, np.float32)
    microphone.add(0.0, np.full(4_800, 0.5, np.float32), OPUS_RATE, loud)
    microphone.add(1.0, np.full(4_800, 0.5, np.float32), OPUS_RATE, quiet)
    heard = pulled(microphone, 2.0)
    assert heard[9_600:47_000].mean() == pytest.approx(0.1, abs=0.001)
    assert heard[48_100:52_700].mean() == pytest.approx(0.5, abs=0.001)
    assert heard[60_000:].mean() == pytest.approx(0.001, abs=0.0002)


def test_without_a_room_there_is_the_microphones_own_floor() -> None:
    microphone = Microphone(floor_db=-60.0)
    microphone.add(0.0, np.full(4_800, 0.5, np.float32), OPUS_RATE)
    assert level_db(pulled(microphone, 1.0)[9_600:]) == pytest.approx(-60.0, abs=0.5)
