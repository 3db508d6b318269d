from __future__ import annotations

from dataclasses import replace
from typing import Literal

import librosa
import numpy as np
import pytest
from numpy.typing import NDArray

from turnkit.corpus.pseudo_speakers import PseudoSpeaker
from turnkit.corpus.synthesis.prosody.breathing import SAMPLE_RATE, breath
from turnkit.errors import InputError

SOUND = PseudoSpeaker("synthetic-test-000", 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, -24.0, 30.0, 1.0)
Kind = Literal["in", "out"]


def made(kind: Kind, seconds: float = 0.4, sound: PseudoSpeaker = SOUND) -> NDArray[np.float32]:
    return breath(kind, seconds, sound, np.random.default_rng(1), -30.0)


def centroid(samples: NDArray[np.float32]) -> float:
    return float(np.mean(librosa.feature.spectral_centroid(y=samples, sr=SAMPLE_RATE)))


def loudest(samples: NDArray[np.float32]) -> float:
    """Part of the breath at which it is loudest."""
    level = librosa.feature.rms(y=samples, frame_length=1_024, hop_length=160)[0]
    return float(np.argmax(level) / len(level))


@pytest.mark.parametrize("kind", ["in", "out"])
@pytest.mark.parametrize("relative_db", [-40.0, -25.0])
def test_level_and_length(kind: Kind, relative_db: float) -> None:
    samples = breath(kind, 0.3, SOUND, np.random.default_rng(0), relative_db)
    assert samples.dtype == np.float32
    assert len(samples) == 0.3 * SAMPLE_RATE
    level = 10 * np.log10(np.mean(samples.astype(np.float64) ** 2))
    assert level == pytest.approx(-23.0 + relative_db, abs=0.01)


def test_in_swells_and_is_bright_and_out_dies_away() -> None:
    assert loudest(made("in")) > 0.5 > 0.3 > loudest(made("out"))
    assert centroid(made("in")) > 1.2 * centroid(made("out"))


def test_it_is_noise_without_pitch() -> None:
    _, voiced, _ = librosa.pyin(made("in", 0.6), fmin=60, fmax=400, sr=SAMPLE_RATE)
    assert np.mean(voiced) < 0.2


def test_resonances_go_with_the_formants() -> None:
    assert centroid(made("out", sound=replace(SOUND, formants=1.2))) > 1.03 * centroid(made("out"))


def test_none_and_wrong() -> None:
    assert len(made("in", 0.0)) == 0
    with pytest.raises(InputError, match="sideways"):
        made("sideways")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="-1"):
        made("in", -1.0)
