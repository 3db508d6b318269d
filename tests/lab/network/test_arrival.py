from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator

import pytest

from turnkit.lab.network.arrival import stamp_arrivals, take_datagram


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taker,
    ):
        for each in (sender, taker):
            each.bind(("127.0.0.1", 0))
            each.setblocking(False)
        yield sender, taker


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux is asked for arrival times")
def test_who_reads_late_knows_how_late(pair: tuple[socket.socket, socket.socket]) -> None:
    sender, taker = pair
    stamp_arrivals(taker)
    age = 0.0
    # The kernel begins to stamp a little after the first socket on the machine has asked.
    for _ in range(20):
        sent = time.monotonic()
        sender.sendto(b"hello", taker.getsockname())
        time.sleep(0.05)
        data, source, age = take_datagram(taker)
        assert (data, source) == (b"hello", sender.getsockname())
        assert age <= time.monotonic() - sent
        if age >= 0.049:
            break
    else:
        pytest.fail(f"{age} s after 0.05 s")
    sender.sendto(b"", taker.getsockname())
    data, _, age = take_datagram(taker)
    assert data == b""
    assert 0.0 <= age < 0.05
    with pytest.raises(BlockingIOError):
        take_datagram(taker)


def test_without_stamps_everything_is_new(pair: tuple[socket.socket, socket.socket]) -> None:
    sender, taker = pair
    sender.sendto(b"hello", taker.getsockname())
    time.sleep(0.01)
    assert take_datagram(taker) == (b"hello", sender.getsockname(), 0.0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux is asked for arrival times")
@pytest.mark.parametrize("step_s", [-3600.0, 3600.0])
def test_a_clock_that_was_set_is_not_believed(
    pair: tuple[socket.socket, socket.socket], step_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender, taker = pair
    stamp_arrivals(taker)
    sender.sendto(b"hello", taker.getsockname())
    there = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: there() + round(step_s * 1e9))
    assert take_datagram(taker)[2] == 0.0
