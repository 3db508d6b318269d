"""Opus: nothing is late, and what is lost is concealed."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy.signal import correlate

from tests.corpus.synthesis.channel.sounds import voice
from turnkit.corpus.synthesis.channel.opus import CODED_RATE, FRAME_S, lost_packets, through_opus
from turnkit.errors import MissingDependencyError


@pytest.mark.parametrize("bit_rate", [12_000, 16_000, 24_000, 32_000])
@pytest.mark.parametrize("n", [16_000, 16_001, 24_319])
def test_it_comes_back_in_time_and_in_full(bit_rate: int, n: int) -> None:
    said = voice(n, np.random.default_rng(n))
    heard = through_opus(said, bit_rate, 0.0, 1.0, np.random.default_rng(0))
    assert heard.shape == said.shape
    assert heard.dtype == np.float32
    lag = int(np.argmax(correlate(heard, said, "full"))) - (n - 1)
    assert abs(lag) <= 0.002 * CODED_RATE
    assert np.std(heard[-1_600:]) > 0.3 * np.std(said[-1_600:])
    assert np.corrcoef(np.roll(heard, -lag)[800:-800], said[800:-800])[0, 1] > 0.7


def test_more_bits_are_better() -> None:
    said = voice(32_000, np.random.default_rng(5))
    errors = [
        np.std(through_opus(said, rate, 0.0, 1.0, np.random.default_rng(0)) - said)
        for rate in (12_000, 32_000)
    ]
    assert errors[1] < errors[0]


def test_what_is_lost_is_concealed_and_what_comes_later_is_not_late() -> None:
    said = voice(48_000, np.random.default_rng(6))
    whole = through_opus(said, 24_000, 0.0, 1.0, np.random.default_rng(0))
    rng, again = np.random.default_rng(1), np.random.default_rng(1)
    holed = through_opus(said, 24_000, 0.06, 2.0, rng)
    lost = lost_packets(len(said) // round(FRAME_S * CODED_RATE) + 3, 0.06, 2.0, again)
    assert lost.any()
    frame = round(FRAME_S * CODED_RATE)
    unlike = np.abs(holed - whole).reshape(-1, frame).max(axis=1) > 0.01
    assert unlike.any()
    first = int(np.argmax(lost))
    assert not unlike[: first - 1].any()
    # Concealed: the voice goes on through the first packet that is missing.
    place = slice(first * frame - 104, (first + 1) * frame - 104)
    assert np.std(holed[place]) > 0.1 * np.std(whole[place])
    lag = int(np.argmax(correlate(holed, said, "full"))) - (len(said) - 1)
    assert abs(lag) <= 0.002 * CODED_RATE


def test_the_same_seed_loses_the_same() -> None:
    said = voice(16_000, np.random.default_rng(7))
    a, b, c = (
        through_opus(said, 20_000, 0.1, 2.0, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


@pytest.mark.parametrize(("loss", "burst"), [(0.02, 1.0), (0.05, 2.0), (0.2, 4.0)])
def test_losses_have_the_share_and_the_length_asked_for(loss: float, burst: float) -> None:
    lost = lost_packets(200_000, loss, burst, np.random.default_rng(3))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], lost.astype(int), [0]])))
    lengths = edges[1::2] - edges[::2]
    assert np.mean(lost) == pytest.approx(loss, rel=0.1)
    assert np.mean(lengths) == pytest.approx(burst, rel=0.1)


def test_no_loss_is_none() -> None:
    assert not lost_packets(10_000, 0.0, 2.0, np.random.default_rng(0)).any()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingDependencyError, match=r"'av'.*turnkit\[synthesis\]"):
        through_opus(np.ones(640, np.float32), 20_000, 0.0, 1.0, np.random.default_rng(0))
