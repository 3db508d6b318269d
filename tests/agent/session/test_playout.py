"""The queue of outgoing audio."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from turnkit.agent.session.playout import Playout

RATE = 16_000


def ramp(n: int, start: int = 0) -> np.ndarray:
    return np.arange(start + 1, start + n + 1, dtype=np.float32)


@given(
    pieces=st.lists(st.integers(0, 50), max_size=8), pulls=st.lists(st.integers(1, 40), max_size=20)
)
def test_what_goes_in_comes_out_in_order(pieces: list[int], pulls: list[int]) -> None:
    playout = Playout(RATE)
    playout.open(1)
    playout.play(1)
    queued = 0
    for n in pieces:
        assert playout.add(1, ramp(n, queued)) == n / RATE
        queued += n
    out = np.concatenate([playout.pull(n) for n in pulls] or [np.zeros(0, dtype=np.float32)])
    sent = min(queued, len(out))
    assert np.array_equal(out[:sent], ramp(sent))
    assert not out[sent:].any()
    assert playout.played_s == sent / RATE
    assert playout.queued_s == (queued - sent) / RATE


def test_nothing_is_sent_before_play_and_while_held() -> None:
    playout = Playout(RATE)
    playout.open(1)
    playout.add(1, ramp(10))
    assert not playout.pull(5).any()
    playout.play(1)
    assert np.array_equal(playout.pull(5), ramp(5))
    playout.hold(1)
    assert not playout.pull(5).any()
    playout.play(1)
    assert np.array_equal(playout.pull(5), ramp(5, 5)), "it goes on where it was"


def test_a_closed_reply_is_gone_and_its_late_audio_refused() -> None:
    playout = Playout(RATE)
    playout.open(1)
    playout.play(1)
    playout.add(1, ramp(100))
    playout.close(1)
    assert playout.reply is None
    assert playout.add(1, ramp(10)) == 0
    assert not playout.pull(10).any()
    playout.open(2)
    playout.play(1)
    playout.add(2, ramp(10))
    assert not playout.pull(10).any(), "another reply's release does not count"
    playout.close(1)
    assert playout.reply == 2


def test_ducking_is_a_ramp_and_then_a_level() -> None:
    playout = Playout(RATE)
    playout.open(1)
    playout.play(1)
    playout.add(1, np.ones(30, dtype=np.float32))
    playout.duck(0.5)
    first, second = playout.pull(10), playout.pull(10)
    assert first[0] == 1.0
    assert np.all(np.diff(first) < 0)
    assert np.allclose(second, 0.5)
    playout.duck(1.0)
    assert playout.pull(10)[-1] == 1.0
