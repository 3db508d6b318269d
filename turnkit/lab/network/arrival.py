"""Datagrams and when they came, which is before a busy program gets to read them."""

from __future__ import annotations

import socket
import struct
import sys
import time

from turnkit.lab.network.candidates import Address

_LARGEST = 65_535
_OLDEST_S = 1.0
"""A stamp is of the wall clock: what looks older has been seen by a clock that was set."""

_STAMP = struct.Struct("@ll")
_STAMPS = 35
"""SO_TIMESTAMPNS on Linux (see socket(7)), which Python does not name."""

_ANCILLARY = socket.CMSG_SPACE(_STAMP.size)


def stamp_arrivals(taker: socket.socket) -> None:
    """Let the operating system note when datagrams come, where it can."""
    if sys.platform == "linux":
        taker.setsockopt(socket.SOL_SOCKET, _STAMPS, 1)


def take_datagram(taker: socket.socket) -> tuple[bytes, Address, float]:
    """Read a datagram.

    Returns
    -------
    data : bytes
    source : (str, int)
    age_s : float
        Seconds since it came; 0 where the operating system does not tell.

    Raises
    ------
    BlockingIOError
        If there is none.
    """
    data, ancillary, _, source = taker.recvmsg(_LARGEST, _ANCILLARY)
    age = 0.0
    for level, kind, stamp in ancillary:
        if level == socket.SOL_SOCKET and kind == _STAMPS and len(stamp) == _STAMP.size:
            seconds, nanoseconds = _STAMP.unpack(stamp)
            age = (time.time_ns() - seconds * 1_000_000_000 - nanoseconds) / 1e9
    return data, source[:2], age if 0.0 <= age <= _OLDEST_S else 0.0
