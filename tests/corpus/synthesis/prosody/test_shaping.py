"""Each cue on and off on the same chunk, heard by librosa and Praat."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import librosa
import numpy as np
import parselmouth
import pytest
from numpy.typing import NDArray
from parselmouth.praat import call

from turnkit.corpus.pseudo_speakers import PseudoSpeaker
from turnkit.corpus.synthesis.prosody.activity import SAMPLE_RATE, inner_silences, loud_frames
from turnkit.corpus.synthesis.prosody.cues import Cues
from turnkit.corpus.synthesis.prosody.shaping import Shaped, shape_chunk
from turnkit.stages.tts.piper import PiperTts, Speech

# a high voice: short periods, so that a glide is steady in each
SOUND = PseudoSpeaker("synthetic-test-000", 1.8, 1.0, 1.0, 1.0, 1.0, 0.0, -24.0, 30.0, 1.0)
LEVEL = Cues()
TAIL_S = 0.24


@cache
def spoken(timed: bool = True) -> Speech:
    speech = PiperTts().speak("I would like to know more about Monday,")
    return speech if timed else Speech(speech.samples, speech.sample_rate)


@cache
def shaped(cues: Cues = LEVEL, timed: bool = True, sound: PseudoSpeaker = SOUND) -> Shaped:
    return shape_chunk(spoken(timed), sound, cues, np.random.default_rng(4))


def tail(cues: Cues, seconds: float = TAIL_S, timed: bool = True) -> NDArray[np.float32]:
    """Last of the speech."""
    said = shaped(cues, timed)
    end = round(said.speech_end_s * SAMPLE_RATE)
    return said.samples[end - round(seconds * SAMPLE_RATE) : end]


def decibels(samples: NDArray[np.float32]) -> float:
    return float(10 * np.log10(np.mean(samples.astype(np.float64) ** 2)))


def final_movement(cues: Cues, timed: bool = True) -> float:
    """Semitones from the start of the last syllable to two thirds of it."""
    # only what lies around the voice: librosa would halve its pitch otherwise
    hertz = librosa.yin(
        tail(cues, timed=timed), fmin=80, fmax=350, sr=SAMPLE_RATE, frame_length=1_024,
        hop_length=80,
    )  # fmt: skip
    late = round(0.67 * TAIL_S / 0.005)
    ratio = np.median(hertz[late - 3 : late + 3]) / np.median(hertz[3:9])
    return float(12 * np.log2(ratio))


def irregularity(cues: Cues) -> tuple[float, float, float, float]:
    """Praat's pitch in Hz, jitter, shimmer and harmonics-to-noise ratio of the last 0.22 s."""
    sound = parselmouth.Sound(tail(cues, 0.22).astype(np.float64), SAMPLE_RATE)
    pulses = call(sound, "To PointProcess (periodic, cc)", 30, 400)
    count = call(pulses, "Get number of points")
    jitter = call(pulses, "Get jitter (local)", 0, 0, 0.0001, 0.05, 3.0)
    shimmer = call([sound, pulses], "Get shimmer (local)", 0, 0, 0.0001, 0.05, 3.0, 10.0)
    harmonicity = call(sound, "To Harmonicity (cc)", 0.01, 60, 0.1, 1.0)
    return count / 0.22, jitter, shimmer, call(harmonicity, "Get mean", 0, 0)


@pytest.mark.parametrize("timed", [True, False])
def test_pitch_falls_and_rises_as_asked(timed: bool) -> None:
    level = final_movement(LEVEL, timed)
    for asked in (-6.0, 6.0):
        heard = final_movement(replace(LEVEL, movement_st=asked), timed) - level
        assert heard == pytest.approx(0.67 * 0.9 * asked, abs=1.8)


def test_lead_zero_leaves_the_pitch_to_the_voice() -> None:
    own = shaped(replace(LEVEL, lead=0.0))
    assert np.array_equal(own.samples, shaped(replace(LEVEL, lead=0.0, movement_st=6.0)).samples)
    assert abs(final_movement(LEVEL)) < 1.5
    assert not np.array_equal(own.samples, shaped().samples)


@pytest.mark.parametrize("timed", [True, False])
def test_the_last_syllable_is_drawn_out_and_nothing_else(timed: bool) -> None:
    longer, plain = shaped(replace(LEVEL, stretch=1.8), timed), shaped(LEVEL, timed)
    growth = longer.speech_end_s - plain.speech_end_s
    assert 0.8 * 0.17 < growth < 0.8 * 0.46
    before = round((plain.speech_end_s - 0.5) * SAMPLE_RATE)
    assert np.allclose(longer.samples[:before], plain.samples[:before], atol=1e-3)
    if timed:
        assert longer.words[-1].end - plain.words[-1].end == pytest.approx(growth, abs=0.01)
        assert longer.words[-3] == plain.words[-3]


def test_level_drops_at_the_end_only_and_speech_ends_where_it_did() -> None:
    fallen = replace(LEVEL, drop_db=12.0)
    assert shaped(fallen).speech_end_s == shaped().speech_end_s
    lost = decibels(tail(LEVEL, 0.1)) - decibels(tail(fallen, 0.1))
    assert lost == pytest.approx(10.0, abs=1.5)
    begin = slice(0, round((shaped().speech_end_s - 0.6) * SAMPLE_RATE))
    assert decibels(shaped(fallen).samples[begin]) == pytest.approx(
        decibels(shaped().samples[begin]), abs=0.1
    )


def test_creak_is_low_and_irregular() -> None:
    clear, creaking = irregularity(LEVEL), irregularity(replace(LEVEL, creak=1.0))
    assert creaking[0] < 0.75 * clear[0]
    assert creaking[1] > 3.0 * clear[1]
    assert creaking[2] > 1.3 * clear[2]
    assert creaking[3] < clear[3] - 5.0
    before = round((shaped().speech_end_s - 0.4) * SAMPLE_RATE)
    changed = shaped(replace(LEVEL, creak=1.0))
    assert np.allclose(changed.samples[:before], shaped().samples[:before], atol=1e-3)


def test_more_creak_is_less_periodic() -> None:
    ratios = [irregularity(replace(LEVEL, creak=amount))[3] for amount in (0.0, 0.4, 1.0)]
    assert ratios == sorted(ratios, reverse=True)


def test_a_glottal_stop_cuts_the_voice_while_it_is_strong() -> None:
    stopped = replace(LEVEL, glottal=True)
    assert decibels(tail(stopped, 0.02)) > decibels(tail(LEVEL, 0.02)) + 6.0
    assert 0.0 < shaped().speech_end_s - shaped(stopped).speech_end_s <= 0.091
    after = len(shaped(stopped).samples) / SAMPLE_RATE - shaped(stopped).speech_end_s
    assert after == pytest.approx(0.005, abs=1e-3)
    assert shaped(stopped).words[-1].end <= shaped(stopped).speech_end_s


@pytest.mark.parametrize("timed", [True, False])
def test_the_chunk_is_trimmed_and_keeps_its_level(timed: bool) -> None:
    said = shaped(LEVEL, timed)
    assert said.samples.dtype == np.float32
    assert bool(said.words) == timed
    assert len(said.samples) / SAMPLE_RATE == pytest.approx(said.speech_end_s + 0.02, abs=2e-3)
    source = spoken().samples
    loud = source[np.abs(source) > 0.003]
    assert decibels(said.samples[np.abs(said.samples) > 0.003]) == pytest.approx(
        decibels(loud), abs=1.5
    )


def test_tilt_and_formants_do_not_change_the_level() -> None:
    for sound in (replace(SOUND, tilt_db=-2.5), replace(SOUND, formants=1.15)):
        level = decibels(shaped(sound=sound).samples)
        assert level == pytest.approx(decibels(shaped().samples), abs=1.5)


def test_pauses_of_the_voice_are_told() -> None:
    first = spoken().samples
    gap = np.zeros(round(0.3 * spoken().sample_rate), dtype=np.float32)
    twice = Speech(np.concatenate([first, gap, first]), spoken().sample_rate)
    said = shape_chunk(twice, SOUND, LEVEL, np.random.default_rng(0))
    (pause,) = said.pauses
    assert pause.duration > 0.3
    inside = said.samples[round(pause.start * SAMPLE_RATE) : round(pause.end * SAMPLE_RATE)]
    assert decibels(inside) < decibels(said.samples) - 25.0


def test_silences_inside() -> None:
    loud = np.array([0, 0, 1, 1, *[0] * 12, 1, *[0] * 9, 1, 0], dtype=np.bool_)
    (pause,) = inner_silences(loud)
    assert (pause.start, pause.end) == pytest.approx((0.04, 0.16))
    assert not loud_frames(np.zeros(500, dtype=np.float32)).any()


@pytest.mark.parametrize("n", [0, 10, 4_000])
def test_nothing_said_is_nothing_shaped(n: int) -> None:
    silent = Speech(np.zeros(n, dtype=np.float32), 22_050)
    said = shape_chunk(silent, SOUND, LEVEL, np.random.default_rng(0))
    assert (len(said.samples), said.words, said.pauses, said.speech_end_s) == (0, (), (), 0.0)


@pytest.mark.parametrize("seconds", [0.05, 0.12])
@pytest.mark.parametrize("cues", [LEVEL, Cues(-5.0, 2.0, 9.0, 1.0, glottal=True)])
def test_very_short_sounds_survive(seconds: float, cues: Cues) -> None:
    at = np.arange(round(seconds * 16_000)) / 16_000
    tone = sum(np.cos(2 * np.pi * 120 * k * at) / k for k in range(1, 10)) * 0.1
    noise = np.random.default_rng(0).normal(0.0, 0.1, len(at))
    for signal in (tone, noise):
        speech = Speech(np.asarray(signal, dtype=np.float32), 16_000)
        said = shape_chunk(speech, SOUND, cues, np.random.default_rng(0))
        assert np.isfinite(said.samples).all()
        assert 0.0 < said.speech_end_s <= len(said.samples) / SAMPLE_RATE


def test_the_same_arguments_give_the_same_samples() -> None:
    cues = Cues(-5.0, 1.3, 6.0, 0.8)
    again = shape_chunk(spoken(), SOUND, cues, np.random.default_rng(4))
    assert np.array_equal(again.samples, shaped(cues).samples)
    other = shape_chunk(spoken(), SOUND, cues, np.random.default_rng(5))
    assert not np.array_equal(again.samples, other.samples)
