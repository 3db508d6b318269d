"""Contours and speakers are laid on as asked; librosa's pYIN is the independent ear."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import librosa
import numpy as np
import pytest
from numpy.typing import NDArray

from turnkit.audio import resample
from turnkit.corpus.embedded_contours import draw_contour
from turnkit.corpus.embedded_text import Boundary
from turnkit.corpus.pseudo_speakers import PseudoSpeaker
from turnkit.corpus.synthesis.prosody.contour import Contour, Contoured, shape, tail_of
from turnkit.stages.tts.piper import PiperTts, Span, Speech

RATE = 16_000
PLAIN = PseudoSpeaker("synthetic-test-000", 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, -24.0, 30.0, 1.0)
PITCH: dict[str, Any] = {
    "fmin": 50,
    "fmax": 300,
    "sr": RATE,
    "hop_length": 80,
    "frame_length": 1_024,
}
LEVEL = Contour(movement_st=0.0, stretch=1.0, drop_db=0.0)


@cache
def spoken() -> tuple[Speech, NDArray[np.float32]]:
    speech = PiperTts().speak("I would like to know more about Monday,")
    return speech, resample(speech.samples, speech.sample_rate, RATE)


@cache
def shaped(speaker: PseudoSpeaker = PLAIN, contour: Contour = LEVEL) -> Contoured:
    speech, samples = spoken()
    return shape(samples, RATE, speech.words, speech.phones, speaker, contour)


@cache
def pitch(speaker: PseudoSpeaker = PLAIN, contour: Contour = LEVEL) -> NDArray[np.float64]:
    """Semitones in the frames, of 5 ms, in which librosa hears a voice."""
    hertz, voiced, _ = librosa.pyin(shaped(speaker, contour).samples, **PITCH)
    return np.asarray(12 * np.log2(hertz[voiced]))


def final_movement(contour: Contour) -> float:
    """Semitones from the start of the last vowel to two thirds of it."""
    start, end = tail_of(spoken()[0].phones, len(spoken()[1]) / RATE)
    high = replace(PLAIN, pitch=1.8)  # short periods, so that a glide is steady in each
    hertz = librosa.yin(shaped(high, contour).samples, **PITCH)
    first, late = (int(t / 0.005) for t in (start + 0.02, start + 0.67 * (end - start)))
    ratio = np.median(hertz[late : late + 8]) / np.median(hertz[first : first + 8])
    return float(12 * np.log2(ratio))


def level_db(samples: NDArray[np.float32]) -> float:
    return float(10 * np.log10(np.mean(samples.astype(np.float64) ** 2)))


def test_ends_fall_or_rise_and_holds_stay_level() -> None:
    fall = final_movement(replace(LEVEL, movement_st=-7.0))
    flat = final_movement(LEVEL)
    rise = final_movement(replace(LEVEL, movement_st=7.0))
    assert fall < flat - 2.0
    assert abs(flat) < 1.5
    assert rise > flat + 2.0


def test_drawn_contours_go_the_right_way_and_overlap() -> None:
    rng = np.random.default_rng(0)
    drawn = {kind: [draw_contour(kind, rng) for _ in range(300)] for kind in Boundary}
    movement = {k: np.array([c.movement_st for c in v]) for k, v in drawn.items()}
    drop = {k: np.mean([c.drop_db for c in v]) for k, v in drawn.items()}
    stretch = {k: np.mean([c.stretch for c in v]) for k, v in drawn.items()}
    holds = [k for k in Boundary if not k.is_end]
    for hold in holds:
        assert np.median(movement[Boundary.STATEMENT]) < np.median(movement[hold]) - 4
        assert np.median(movement[Boundary.QUESTION]) > np.median(movement[hold]) + 4
        assert drop[Boundary.STATEMENT] > drop[hold] + 5
        assert stretch[hold] > stretch[Boundary.STATEMENT]
        # some ends are as level as holds: pitch alone must not decide
        level = np.abs(movement[Boundary.STATEMENT] - np.median(movement[hold])) < 2
        assert 0.03 < np.mean(level) < 0.3


@pytest.mark.parametrize("ratio", [0.8, 1.5])
def test_pitch_ratio_is_applied(ratio: float) -> None:
    heard = np.median(pitch(replace(PLAIN, pitch=ratio))) - np.median(pitch())
    assert heard == pytest.approx(12 * np.log2(ratio), abs=0.8)


def test_expression_scales_the_movements_of_pitch() -> None:
    def spread(expression: float) -> float:
        heard = pitch(replace(PLAIN, expression=expression))
        return float(np.subtract(*np.percentile(heard, [85, 15])))

    assert spread(1.4) > 1.2 * spread(0.7)


def test_formants_move_up_with_the_vocal_tract() -> None:
    def centroid(formants: float) -> float:
        spectrum = np.abs(np.fft.rfft(shaped(replace(PLAIN, formants=formants)).samples))
        hertz = np.fft.rfftfreq(2 * len(spectrum) - 2, 1 / RATE)
        band = hertz < 3_500
        return float(np.average(hertz[band], weights=spectrum[band] ** 2))

    assert centroid(1.2) > 1.07 * centroid(1.0)
    assert centroid(0.85) < 0.95 * centroid(1.0)


def test_the_tail_is_drawn_out_and_nothing_else() -> None:
    speech, samples = spoken()
    start, end = tail_of(speech.phones, len(samples) / RATE)
    longer = shaped(contour=replace(LEVEL, stretch=1.8))
    growth = (len(longer.samples) - len(shaped().samples)) / RATE
    assert growth == pytest.approx(0.8 * (end - start), abs=0.011)
    for old, new in zip(speech.words, longer.spans, strict=True):
        if old.end < start:
            assert new.end == pytest.approx(old.end, abs=1e-6)
    assert longer.spans[-1].end == pytest.approx(speech.words[-1].end + growth, abs=0.02)


def test_energy_falls_at_the_end_only() -> None:
    _, end = tail_of(spoken()[0].phones, len(spoken()[1]) / RATE)
    plain, fallen = (shaped(contour=replace(LEVEL, drop_db=drop)).samples for drop in (0.0, 12.0))
    last = slice(int((end - 0.1) * RATE), int(end * RATE))
    first = slice(0, int((end - 0.6) * RATE))
    assert level_db(plain[last]) - level_db(fallen[last]) == pytest.approx(11.0, abs=1.5)
    assert level_db(plain[first]) - level_db(fallen[first]) == pytest.approx(0.0, abs=0.1)


def test_shaping_is_reproducible() -> None:
    speech, samples = spoken()
    again = shape(samples, RATE, speech.words, speech.phones, PLAIN, LEVEL)
    assert np.array_equal(again.samples, shaped().samples)


def test_without_times_the_end_is_shaped_all_the_same() -> None:
    _, samples = spoken()
    blind = shape(samples, RATE, (), (), PLAIN, replace(LEVEL, stretch=2.0))
    assert blind.spans == ()
    assert len(blind.samples) > len(shaped().samples) + 0.1 * RATE


def test_the_tail_is_the_last_syllable_within_bounds() -> None:
    phones = [Span("m", 0.1, 0.2), Span("ˈʌ", 0.2, 0.3), Span("n", 0.3, 0.5), Span("i", 0.5, 0.8)]
    assert tail_of(phones, 1.0) == (0.5, 0.8)
    assert tail_of([*phones[:3], Span("s", 0.5, 0.9)], 1.0) == pytest.approx((0.45, 0.9))
    assert tail_of([*phones[:3], Span("i", 0.75, 0.8)], 1.0) == pytest.approx((0.62, 0.8))
    assert tail_of([], 1.0) == pytest.approx((0.82, 1.0))
    assert tail_of([Span("i", 0.0, 0.1)], 0.1) == (0.0, 0.1)
