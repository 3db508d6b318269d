"""The other side's voice on a channel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import soundfile

from tests.speech import talk
from turnkit.corpus.importing.crosstalk import find_leaks
from turnkit.corpus.importing.sound import find_speech
from turnkit.corpus.importing.stereo import import_stereo
from turnkit.corpus.reader import load_corpus

RATE = 8_000
FAR = talk(-1.0, 2.0, -3.0, 1.5, -2.0, rate=RATE)
NEAR = talk(-4.0, 1.2, -4.3, rate=RATE, seed=1)


def echo_of(samples: np.ndarray, delay_s: float, gain_db: float, *, room: bool) -> np.ndarray:
    late = np.concatenate([np.zeros(round(delay_s * RATE)), samples])[: len(samples)]
    if room:
        rng = np.random.default_rng(0)
        decay = np.exp(-np.arange(RATE // 10) / (0.02 * RATE)) * rng.standard_normal(RATE // 10)
        late = scipy.signal.fftconvolve(late, decay / np.linalg.norm(decay))[: len(samples)]
    return np.asarray(10 ** (gain_db / 20) * late, dtype=np.float32)


@pytest.mark.parametrize("room", [False, True])
@pytest.mark.parametrize("delay_s", [0.0, 0.05, 0.3])
def test_an_echo_is_found_and_own_speech_is_not(delay_s: float, room: bool) -> None:
    own = (NEAR + echo_of(FAR, delay_s, -25.0, room=room)).astype(np.float32)
    speech = find_speech(own, RATE)
    leaks = find_leaks(own, FAR, RATE, speech)
    kept = [run for run in speech if run not in leaks]
    # The echo of 2 s and of 1.5 s is heard; what is left is the near speaker's 1.2 s.
    assert leaks
    assert min(run[0] for run in kept) == pytest.approx(4.0, abs=0.15)
    assert max(run[1] for run in kept) == pytest.approx(5.2, abs=0.2)


def test_two_who_speak_at_the_same_time_are_no_echo() -> None:
    both = talk(-1.0, 2.0, -3.0, 1.5, -2.0, rate=RATE, seed=2)
    for gain in (1.0, 0.1):
        own = (gain * both).astype(np.float32)
        assert find_leaks(own, FAR, RATE, find_speech(own, RATE)) == []


def test_the_louder_channel_has_no_echo() -> None:
    quiet = echo_of(FAR, 0.05, -25.0, room=False)
    assert find_leaks(FAR, quiet, RATE, find_speech(FAR, RATE)) == []
    assert find_leaks(np.zeros(0, dtype=np.float32), FAR, RATE, []) == []


def test_an_echo_makes_no_turns_but_ends_rows(tmp_path: Path) -> None:
    own = NEAR + echo_of(FAR, 0.05, -25.0, room=False)
    n = min(len(own), len(FAR))
    soundfile.write(tmp_path / "call.wav", np.stack([own[:n], FAR[:n]], axis=1), RATE)
    out, lines = tmp_path / "turns.parquet", list[str]()
    import_stereo(tmp_path, out, report=lines.append)
    turns = {turn.id: turn for turn in load_corpus(str(out))}
    assert set(turns) == {"call-0-0000", "call-1-0000", "call-1-0001"}
    # Up to the echo of what the other said at 6 s.
    assert turns["call-0-0000"].end.duration == pytest.approx(6.05 - 5.2, abs=0.2)
    assert turns["call-0-0000"].tags == frozenset()
    assert any(line.startswith("stretches that are an echo of the other side: ") for line in lines)
