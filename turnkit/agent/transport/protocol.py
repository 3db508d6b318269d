"""What a call asks of its transport: samples in, samples out, messages both ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from turnkit.audio import Samples

HEARD_RATE = 16_000
"""Rate in Hz of what a transport hands to the agent."""


class AudioSource(Protocol):
    """Where a transport takes outgoing audio from; called on the event loop."""

    def pull(self, n: int) -> Samples:
        """Next `n` samples to send, at the transport's `playout_rate`; zeros in silence.

        Called once for each frame at the moment it is due, so that what was flushed an
        instant before is never sent.
        """
        ...


class CallTransport(Protocol):
    """One caller's connection.

    Attributes
    ----------
    kind : str
        ``"webrtc"`` or ``"websocket"``.
    playout_rate : int
        Rate in Hz at which `AudioSource.pull` is asked for samples.
    """

    kind: str
    playout_rate: int

    async def receive(self) -> Samples | None:
        """Next samples from the caller: mono float32 at `HEARD_RATE`, in order.

        The sample count is the call's clock: time that was lost on the way is filled,
        nothing is delivered twice. None once the caller is gone.
        """
        ...

    def play(self, source: AudioSource) -> None:
        """Begin to send what `source` gives, paced in real time, until closed."""
        ...

    def drop_audio(self) -> None:
        """Forget outgoing audio that was pulled and waits for a slow client.

        A reply that was cut short would be heard on from there.
        """
        ...

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a JSON message to the client; dropped if that is not possible now."""
        ...

    async def receive_message(self) -> Mapping[str, Any] | None:
        """Next valid JSON object from the client; None once it is gone."""
        ...

    async def aclose(self, reason: str = "") -> None:
        """Hang up and free everything; receivers get None. May be called twice."""
        ...
