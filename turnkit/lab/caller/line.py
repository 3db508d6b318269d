"""What a caller needs of a telephone line, whoever makes it."""

from __future__ import annotations

from typing import Protocol

from turnkit.audio import Samples


class Line(Protocol):
    """A line between a person and the network; one object for one call."""

    def speak(self, samples: Samples) -> Samples:
        """Put the next piece of the microphone through the line, at 48 kHz.

        Called frame by frame in real time; as many samples come out as went in.
        """
        ...

    def hear(self, samples: Samples) -> Samples:
        """Put a whole call's audio through the line, at 16 kHz; the length stays."""
        ...
