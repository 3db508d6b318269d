"""Opus packets (RFC 6716), some of which get lost."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from turnkit.audio import Samples
from turnkit.errors import MissingDependencyError

CODED_RATE = 16_000
"""Rate in Hz of what is encoded: wide band, as in a call."""

FRAME_S = 0.02
"""Seconds a packet."""

_DECODED_RATE = 48_000
_FRAME = round(FRAME_S * CODED_RATE)
_DELAY = 312
"""Samples at 48 kHz by which the codec is late (6.5 ms, as its header has it)."""

_COMPLEXITY = "5"
"""Of 10; more costs time and is not heard at these rates."""


def through_opus(
    samples: Samples, bit_rate: int, loss: float, burst: float, rng: np.random.Generator
) -> Samples:
    """Encode, lose packets, decode; what is lost is concealed by the decoder.

    Parameters
    ----------
    samples : ndarray of float32, shape (n,)
        At `CODED_RATE`.
    bit_rate : int
        In bit/s.
    loss : float
        Share of the packets that are lost, 0 .. 1.
    burst : float
        Mean number of packets lost in a row, 1 or more.
    rng : numpy Generator
        Draws which packets are lost.

    Returns
    -------
    ndarray of float32, shape (n,)
        At the same rate, the delay of the codec taken off.

    Raises
    ------
    MissingDependencyError
        If ``av`` or ``scipy`` is not installed.
    """
    try:
        from scipy.signal import resample_poly
    except ImportError as error:
        raise MissingDependencyError("scipy", "synthesis", "Opus") from error

    packets = _encoded(samples, bit_rate)
    lost = lost_packets(len(packets), loss, burst, rng)
    # A packet of nothing but its first byte is one that did not come (RFC 6716, 3.2.1 and
    # 4.4): the decoder then conceals as many samples as that byte stands for.
    given = [each[:1] if gone else each for each, gone in zip(packets, lost, strict=True)]
    decoded = _decoded(given)[_DELAY:]
    return np.asarray(resample_poly(decoded, 1, 3)[: len(samples)], dtype=np.float32)


def lost_packets(n: int, loss: float, burst: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which of `n` packets are lost, by Gilbert's (1960) model of two states.

    Parameters
    ----------
    n : int
    loss : float
        Share that is lost in the long run, below 1.
    burst : float
        Mean number lost in a row, 1 or more.
    rng : numpy Generator

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    leave = 1.0 / burst
    enter = leave * loss / (1.0 - loss)
    lost = np.zeros(n, dtype=np.bool_)
    chances = rng.random(n)
    gone = False
    for i, chance in enumerate(chances):
        gone = bool(chance >= leave) if gone else bool(chance < enter)
        lost[i] = gone
    return lost


def _encoded(samples: Samples, bit_rate: int) -> list[bytes]:
    try:
        import av
    except ImportError as error:
        raise MissingDependencyError("av", "synthesis", "Opus") from error

    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate = CODED_RATE
    codec.layout = "mono"
    codec.format = "s16"
    codec.bit_rate = bit_rate
    codec.time_base = Fraction(1, CODED_RATE)
    codec.options = {
        "application": "voip",
        "frame_duration": "20",
        "compression_level": _COMPLEXITY,
    }
    # One frame more than the delay, so that the end comes out.
    missing = -len(samples) % _FRAME + _FRAME
    padded = np.pad(samples, (0, missing), mode="reflect" if len(samples) > missing else "constant")
    pcm = np.clip(np.rint(padded * 32_767.0), -32_768, 32_767).astype(np.int16)
    packets: list[bytes] = []
    for row in pcm.reshape(-1, 1, _FRAME):
        frame = av.AudioFrame.from_ndarray(row, format="s16", layout="mono")
        frame.sample_rate = CODED_RATE
        packets += [bytes(packet) for packet in codec.encode(frame)]
    return packets


def _decoded(packets: list[bytes]) -> NDArray[np.float64]:
    import av

    codec = av.CodecContext.create("libopus", "r")
    codec.sample_rate = _DECODED_RATE
    codec.layout = "mono"
    codec.format = "s16"
    parts = [
        np.frombuffer(bytes(frame.planes[0]), np.int16, frame.samples)
        for packet in packets
        for frame in codec.decode(av.Packet(packet))
    ]
    return np.concatenate(parts) / 32_768.0
