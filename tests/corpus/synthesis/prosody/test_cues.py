"""Cues lean the way corpora say, overlap, and leave the level of a silence alone."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from turnkit.corpus.pseudo_speakers import PseudoSpeaker
from turnkit.corpus.synthesis.prosody.breathing import SAMPLE_RATE, SPEECH_DB, breath
from turnkit.corpus.synthesis.prosody.cues import MIN_BREATH_S, Cues, draw_cues
from turnkit.corpus.synthesis.prosody.settings import ProsodySettings
from turnkit.corpus.synthesis.script import Boundary

DEFAULT = ProsodySettings()
SOUND = PseudoSpeaker("synthetic-test-000", 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, -24.0, 30.0, 1.0)
HOLDS = [kind for kind in Boundary if not kind.is_end]
N = 1_000


@cache
def drawn(kind: Boundary, settings: ProsodySettings = DEFAULT) -> list[Cues]:
    rng = np.random.default_rng(3)
    return [draw_cues(kind, settings, rng) for _ in range(N)]


def column(name: str, kind: Boundary, settings: ProsodySettings = DEFAULT) -> NDArray[np.float64]:
    return np.array([float(getattr(cues, name)) for cues in drawn(kind, settings)])


def auc(more: NDArray[np.float64], less: NDArray[np.float64]) -> float:
    """Probability that one of `more` is above one of `less`."""
    return float(stats.mannwhitneyu(more, less).statistic / (len(more) * len(less)))


@pytest.mark.parametrize("hold", HOLDS)
def test_no_cue_alone_decides_and_each_leans_its_way(hold: Boundary) -> None:
    for name in ("drop_db", "creak"):
        assert 0.55 < auc(column(name, Boundary.STATEMENT), column(name, hold)) < 0.93
    fall = auc(-column("movement_st", Boundary.STATEMENT), -column("movement_st", hold))
    rise = auc(column("movement_st", Boundary.QUESTION), column("movement_st", hold))
    assert 0.75 < fall < 0.93
    assert 0.5 < rise < 0.85  # some questions fall
    assert auc(column("glottal", hold), column("glottal", Boundary.STATEMENT)) > 0.53


def test_fillers_are_drawn_out_most_and_broken_words_least() -> None:
    mean = {kind: column("stretch", kind).mean() for kind in Boundary}
    assert max(mean, key=mean.__getitem__) is Boundary.FILLER
    assert min(mean, key=mean.__getitem__) is Boundary.BROKEN
    assert mean[Boundary.PHRASE] > mean[Boundary.STATEMENT] > 1.1


@pytest.mark.parametrize(
    "settings", [ProsodySettings(strength=0.0), ProsodySettings(ambiguous=1.0)]
)
@pytest.mark.parametrize("name", ["movement_st", "drop_db", "stretch", "creak", "glottal"])
def test_without_strength_all_boundaries_are_alike(settings: ProsodySettings, name: str) -> None:
    end = column(name, Boundary.STATEMENT, settings)
    for hold in HOLDS:
        assert auc(end, column(name, hold, settings)) == pytest.approx(0.5, abs=0.04)


def test_strength_sets_the_distance() -> None:
    def distance(strength: float) -> float:
        settings = ProsodySettings(strength=strength, ambiguous=0.0, uptalk=0.0)
        ends, holds = (
            column("movement_st", kind, settings) for kind in (Boundary.STATEMENT, Boundary.CLAUSE)
        )
        return float(holds.mean() - ends.mean())

    assert distance(0.5) == pytest.approx(0.5 * distance(1.0), rel=0.1)
    assert distance(1.5) == pytest.approx(1.5 * distance(1.0), rel=0.1)


def test_plain_leaves_the_voice_its_own() -> None:
    plain = drawn(Boundary.STATEMENT, ProsodySettings(plain=True))
    assert set(plain) == {Cues(lead=0.0)}
    assert set(plain) == set(drawn(Boundary.FILLER, ProsodySettings(plain=True)))


def test_the_same_generator_draws_the_same() -> None:
    first, second = (
        [draw_cues(kind, DEFAULT, np.random.default_rng(9)) for kind in Boundary] for _ in range(2)
    )
    assert first == second


@given(st.floats(0.0, 4.0), st.floats(0.0, 0.6), st.floats(0.0, 0.6))
def test_breaths_fit_the_silence(silence_s: float, out: float, into: float) -> None:
    fitted = Cues(breath_out_s=out, breath_in_s=into).within(silence_s)
    assert fitted.breath_out_s + fitted.breath_in_s <= silence_s + 1e-9
    assert fitted.breath_out_s <= out
    assert fitted.breath_in_s <= into
    for seconds in (fitted.breath_out_s, fitted.breath_in_s):
        assert seconds == 0.0 or seconds >= MIN_BREATH_S
    if silence_s >= 2.0:
        assert fitted.breath_out_s == (out if out >= MIN_BREATH_S else 0.0)


def first_levels(kind: Boundary, floor_db: float, seed: int) -> NDArray[np.float64]:
    """Level in dB of the first 0.2 s of silences over a floor, breaths at their places."""
    rng = np.random.default_rng(seed)
    levels = []
    for cues in drawn(kind)[:600]:
        seconds = 4.0 if kind.is_end else float(np.clip(rng.lognormal(-0.7, 0.6), 0.2, 5.0))
        fitted = cues.within(seconds)
        silence = rng.normal(0.0, 10 ** ((SPEECH_DB + floor_db) / 20), round(seconds * SAMPLE_RATE))
        out = breath("out", fitted.breath_out_s, SOUND, rng, cues.breath_db)
        silence[: len(out)] += out
        into = breath("in", fitted.breath_in_s, SOUND, rng, cues.breath_db)
        if not kind.is_end:
            silence[len(silence) - len(into) :] += into
        levels.append(10 * np.log10(np.mean(silence[: SAMPLE_RATE // 5] ** 2)))
    return np.array(levels)


@pytest.mark.parametrize("floor_db", [-20.0, -45.0])
def test_the_level_of_a_silence_does_not_tell_an_end(floor_db: float) -> None:
    ends = first_levels(Boundary.STATEMENT, floor_db, 1)
    holds = np.concatenate([first_levels(kind, floor_db, 2 + i) for i, kind in enumerate(HOLDS)])
    assert 0.45 <= auc(ends, holds) <= 0.55


def test_breathing_at_holds_and_ends() -> None:
    out = {kind: np.mean(column("breath_out_s", kind) > 0) for kind in Boundary}
    assert max(out.values()) - min(out.values()) < 0.07
    into = {kind: np.mean(column("breath_in_s", kind) > 0) for kind in Boundary}
    assert into[Boundary.CLAUSE] > 1.5 * into[Boundary.STATEMENT] > 0.1
    quiet = replace(DEFAULT, breath_db=(-50.0, -45.0))
    assert column("breath_db", Boundary.CLAUSE, quiet).max() <= -45.0
