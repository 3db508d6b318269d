"""Settings of the transports; importing them needs neither aiortc nor a web server."""

from __future__ import annotations

from dataclasses import dataclass, field

from turnkit.agent.transport.jitter import JitterSettings
from turnkit.errors import ConfigError


def _within(key: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{key} {value!r}: expected {low:g} .. {high:g}")


@dataclass(frozen=True)
class MessageLimits:
    """What a client may send beside audio; what goes beyond is dropped and counted.

    Attributes
    ----------
    max_bytes : int
        Of one message.
    per_s : float
        Messages per second; twice as many may come at once.
    backlog : int
        Messages that wait to be read or sent.
    """

    max_bytes: int = 65_536
    per_s: float = 20.0
    backlog: int = 256

    def __post_init__(self) -> None:
        _within("messages.max_bytes", self.max_bytes, 64, 1 << 20)
        _within("messages.per_s", self.per_s, 0.5, 1000)
        _within("messages.backlog", self.backlog, 1, 10_000)


@dataclass(frozen=True)
class WebRtcSettings:
    """How a WebRTC call is answered and when its caller is taken for gone.

    Attributes
    ----------
    offer_timeout_s : float
        Longest time to work out an answer, gathering of candidates included.
    connect_timeout_s : float
        Longest time from the answer to a connection.
    grace_s : float
        Longest time without any packet from a connected caller. ICE itself notices
        only after 30 s (RFC 7675).
    bit_rate : int
        Of the outgoing Opus stream, in bit/s.
    expected_loss : int
        Percent of loss that the outgoing stream's error correction is made for.
    backlog_s : float
        Audio that may wait to be read before the call is given up.
    jitter : JitterSettings
    messages : MessageLimits
    """

    offer_timeout_s: float = 10.0
    connect_timeout_s: float = 20.0
    grace_s: float = 10.0
    bit_rate: int = 32_000
    expected_loss: int = 5
    backlog_s: float = 30.0
    jitter: JitterSettings = field(default_factory=JitterSettings)
    messages: MessageLimits = field(default_factory=MessageLimits)

    def __post_init__(self) -> None:
        _within("webrtc.offer_timeout_s", self.offer_timeout_s, 0.1, 120)
        _within("webrtc.connect_timeout_s", self.connect_timeout_s, 0.5, 300)
        _within("webrtc.grace_s", self.grace_s, 0.5, 300)
        _within("webrtc.bit_rate", self.bit_rate, 6_000, 128_000)
        _within("webrtc.expected_loss", self.expected_loss, 0, 50)
        _within("webrtc.backlog_s", self.backlog_s, 1, 600)


@dataclass(frozen=True)
class WebSocketSettings:
    """Limits of a call over a WebSocket.

    Attributes
    ----------
    frame_bytes : int
        Longest binary frame; two bytes a sample.
    ahead_s : float
        Seconds of audio that a client may be ahead of real time before it is read no
        faster than it should speak.
    queue_s : float
        Outgoing audio that may wait for a client that does not read; older audio is
        dropped.
    grace_s : float
        Seconds without audio or messages after which a client counts as gone: the call's
        clock is the audio that comes, and without it no other limit is ever reached.
    messages : MessageLimits
    """

    frame_bytes: int = 65_536
    ahead_s: float = 10.0
    queue_s: float = 0.2
    grace_s: float = 15.0
    messages: MessageLimits = field(default_factory=MessageLimits)

    def __post_init__(self) -> None:
        _within("websocket.frame_bytes", self.frame_bytes, 2, 1 << 20)
        _within("websocket.ahead_s", self.ahead_s, 0.5, 600)
        _within("websocket.queue_s", self.queue_s, 0.04, 10)
        _within("websocket.grace_s", self.grace_s, 0.1, 600)
