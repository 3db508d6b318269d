from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import scipy.signal

from tests.speech import talk
from turnkit.audio import resample
from turnkit.augment import mu_law
from turnkit.corpus.checking.duplicates import LEAST_OVERLAP_S, MOST_ERRORS, find_copies
from turnkit.corpus.checking.fingerprint import HOP_S, Fingerprint, fingerprint
from turnkit.corpus.schema import Span, Turn

PLAN = (-0.4, 1.6, -0.5, 1.4, -1.0)
SPANS = (Span(2.0, 2.5), Span(3.9, 4.9))


def spoken(seed: int, rate: int = 16_000) -> Turn:
    return Turn(f"t{seed}", "en", "s", talk(*PLAN, rate=rate, seed=seed), rate, SPANS)


def with_samples(turn: Turn, samples: np.ndarray, rate: int | None = None) -> Turn:
    return dataclasses.replace(
        turn, samples=samples.astype(np.float32), sample_rate=rate or turn.sample_rate
    )


def later(turn: Turn, seconds: float) -> Turn:
    lead = np.random.default_rng(9).normal(0, 1e-3, round(seconds * turn.sample_rate))
    spans = tuple(Span(s.start + seconds, s.end + seconds) for s in turn.spans)
    moved = with_samples(turn, np.concatenate([lead, turn.samples]))
    return dataclasses.replace(moved, spans=spans)


def noisy(turn: Turn, snr_db: float) -> Turn:
    noise = np.random.default_rng(8).normal(0, 1, len(turn.samples))
    power = float(np.mean(turn.samples**2))
    return with_samples(turn, turn.samples + noise * np.sqrt(power / 10 ** (snr_db / 10)))


def telephone(turn: Turn) -> Turn:
    narrow = resample(turn.samples, turn.sample_rate, 8_000)
    band = scipy.signal.butter(4, (300, 3_400), "bandpass", fs=8_000, output="sos")
    filtered = np.asarray(scipy.signal.sosfilt(band, narrow), dtype=np.float32)
    return with_samples(turn, mu_law(filtered), 8_000)


def shorter(turn: Turn) -> Turn:
    """The second half of the turn is missing."""
    cut = with_samples(turn, turn.samples[: round(2.4 * turn.sample_rate)])
    return dataclasses.replace(cut, spans=(Span(2.0, 2.4),))


MUTATIONS: dict[str, Callable[[Turn], Turn]] = {
    "as it is": lambda turn: turn,
    "quieter": lambda turn: with_samples(turn, 0.1 * turn.samples),
    "upside down": lambda turn: with_samples(turn, -turn.samples),
    "later": lambda turn: later(turn, 0.1234),
    "noise at 10 dB": lambda turn: noisy(turn, 10.0),
    "telephone": telephone,
    "first half": shorter,
    "all": lambda turn: later(telephone(noisy(with_samples(turn, 0.3 * turn.samples), 20)), 0.777),
}


@pytest.fixture(scope="module")
def prints() -> list[Fingerprint]:
    return [fingerprint(spoken(seed)) for seed in range(12)]


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_changed_copy_is_found_and_nothing_else(prints: list[Fingerprint], name: str) -> None:
    copy = fingerprint(MUTATIONS[name](spoken(5)))
    (found,) = find_copies([*prints, copy])
    assert (found.first, found.second) == (5, len(prints))
    assert found.errors < MOST_ERRORS
    shift = {"later": 0.1234, "all": 0.777}.get(name, 0.0)
    assert found.shift_s == pytest.approx(shift, abs=1.01 * HOP_S)
    if name == "as it is":
        assert found.errors == 0.0


def test_a_copy_of_a_copy_makes_three_pairs(prints: list[Fingerprint]) -> None:
    more = [fingerprint(MUTATIONS[name](spoken(2))) for name in ("quieter", "telephone")]
    pairs = [(copy.first, copy.second) for copy in find_copies([*prints, *more])]
    assert pairs == [(2, 12), (2, 13), (12, 13)]


def test_the_order_of_rows_does_not_matter(prints: list[Fingerprint]) -> None:
    copy = fingerprint(later(spoken(5), 0.3))
    (forth,) = find_copies([*prints, copy])
    (back,) = find_copies([copy, *prints])
    assert (back.first, back.second) == (0, 6)
    assert back.errors == pytest.approx(forth.errors, abs=0.01)
    assert back.shift_s == pytest.approx(-forth.shift_s, abs=HOP_S)


def test_one_word_in_common_is_no_copy() -> None:
    """Less than a second of speech is the same, at the start of two longer turns."""
    same = talk(LEAST_OVERLAP_S - 0.4, seed=40)
    turns = [
        Turn(
            str(seed),
            "en",
            "s",
            np.concatenate([same, talk(2.0, -0.5, seed=seed)]),
            16_000,
            (Span(2.6, 3.1),),
        )
        for seed in (41, 42)
    ]
    assert find_copies([fingerprint(turn) for turn in turns]) == []


def test_the_same_noise_floor_is_no_copy() -> None:
    """Two rows of other speech with one silence, sample for sample."""
    floor = talk(-4.0, seed=50)
    turns = [
        Turn(
            str(seed),
            "en",
            "s",
            np.concatenate([talk(1.5, seed=seed), floor]),
            16_000,
            (Span(1.5, 5.5),),
        )
        for seed in (51, 52)
    ]
    assert find_copies([fingerprint(turn) for turn in turns]) == []


def test_rows_too_short_or_silent_have_no_copies() -> None:
    nothing = Turn("a", "en", "s", np.zeros(400, np.float32), 16_000, (Span(0.0, 0.02),))
    silent = Turn("b", "en", "s", np.zeros(32_000, np.float32), 16_000, (Span(0.0, 2.0),))
    prints = [fingerprint(turn) for turn in (nothing, silent, nothing, silent)]
    assert find_copies(prints) == []
    assert find_copies([]) == []


@pytest.mark.parametrize("rate", [4_000, 11_025, 48_000, 96_000])
def test_a_copy_at_another_rate_is_found(rate: int) -> None:
    turn = spoken(0)
    copy = with_samples(turn, resample(turn.samples, turn.sample_rate, rate), rate)
    found = find_copies([fingerprint(turn), fingerprint(spoken(1)), fingerprint(copy)])
    assert [(each.first, each.second) for each in found] == [(0, 2)]
