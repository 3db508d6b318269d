"""Recordings of two channels that are not two sides of a call."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from tests.speech import talk
from turnkit.corpus.importing.sides import Call, read_call
from turnkit.corpus.importing.stereo import import_stereo
from turnkit.corpus.reader import load_corpus
from turnkit.errors import CorpusError

RATE = 8_000
ROLES = ("0", "1")
CALLER = talk(-1.0, 1.5, -0.8, 1.5, -5.2, rate=RATE)
CALLEE = talk(-6.0, 1.5, -2.5, rate=RATE, seed=1)
NOISE = 0.01 * np.random.default_rng(0).standard_normal(len(CALLER))


def write(path: Path, first: NDArray[np.floating], second: NDArray[np.floating]) -> Path:
    soundfile.write(path, np.stack([first, second], axis=1), RATE)
    return path


def echo_of(samples: NDArray[np.floating]) -> NDArray[np.floating]:
    return 0.3 * np.roll(samples, round(0.1 * RATE))


@pytest.mark.parametrize(
    ("first", "second", "reason", "channels"),
    [
        pytest.param(CALLER, 0 * CALLER, "nothing is recorded", "channel 1", id="zeros"),
        pytest.param(0.01 * NOISE + 0.2, CALLER, "nothing is", "channel 0", id="an offset"),
        pytest.param(0 * CALLER, 0 * CALLER, "nothing is", "channels 0 and 1", id="both"),
        pytest.param(CALLER, NOISE, "no speech is heard", "channel 1", id="noise"),
        pytest.param(NOISE, NOISE[::-1], "no speech is", "channels 0 and 1", id="noise on both"),
        pytest.param(CALLER, CALLER, "the same signal", "channels 0 and 1", id="one twice"),
        pytest.param(CALLER, -0.5 * CALLER, "the same", "channels 0 and 1", id="quieter, inverted"),
        pytest.param(CALLER, echo_of(CALLER), "an echo of the other", "channel 1", id="echo"),
    ],
)
def test_a_channel_that_is_no_side_is_named(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    reason: str,
    channels: str,
    tmp_path: Path,
) -> None:
    found = read_call(write(tmp_path / "a.wav", first, second), "a", ROLES)
    assert isinstance(found, tuple)
    assert reason in found[0]
    assert found[1] == f"a.wav, {channels}"


def test_a_channel_may_be_silent_for_stretches(tmp_path: Path) -> None:
    gated = np.where(np.abs(np.arange(len(CALLEE)) / RATE - 6.75) < 0.75, CALLEE, 0.0)
    call = read_call(write(tmp_path / "a.wav", CALLER, gated), "a", ROLES)
    assert isinstance(call, Call)
    assert [len(side.speech) for side in call.sides] == [2, 1]


def test_such_recordings_are_left_out_and_told(tmp_path: Path) -> None:
    out, lines = tmp_path / "out" / "turns.parquet", list[str]()
    write(tmp_path / "dead.wav", CALLER, 0 * CALLER)
    with pytest.raises(CorpusError, match=r"nothing is recorded .*\(dead\.wav, channel 1\)"):
        import_stereo(tmp_path, out)
    assert not out.exists()
    write(tmp_path / "whole.wav", CALLER, CALLEE)
    import_stereo(tmp_path, out, None, lines.append)
    assert set(load_corpus(str(out)).column("recording")) == {"whole"}
    told = "nothing is recorded on a channel (-60 dBFS or less) (dead.wav, channel 1)"
    assert f"left out 1: {told}" in lines
    assert told in out.with_suffix(".card.md").read_text()
