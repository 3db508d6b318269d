"""The bad network of other tests, itself tested."""

from __future__ import annotations

import pytest

from tests.agent.transport.impair import Impairment, tap_sending


def test_what_the_network_does_is_the_same_every_time() -> None:
    network = Impairment(loss=0.1, reorder=0.2, duplicate=0.1, first=100, last=1099, seed=5)
    fates = [network(number, b"") for number in range(2000)]
    assert fates == [network(number, b"") for number in range(2000)]
    assert all(each == (0.0,) for each in [*fates[:100], *fates[1100:]])
    middle = fates[100:1100]
    assert 70 < sum(not each for each in middle) < 130
    assert 130 < sum(each[:1] == (0.03,) for each in middle) < 240
    assert 60 < sum(len(each) == 2 for each in middle) < 130
    spikes = Impairment(spike_every=50, spike_s=0.08)
    assert [spikes(n, b"")[0] for n in range(6)] == pytest.approx([0.08, 0.06, 0.04, 0.02, 0, 0])


def test_a_version_of_aiortc_that_sends_otherwise_is_noticed() -> None:
    class Changed:
        transport = object()

    with pytest.raises(AttributeError, match="_send_rtp"):
        tap_sending(Changed(), print)  # type: ignore[arg-type]
