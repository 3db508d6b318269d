"""What the corpus and the agent ask of a voice."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Tts(Protocol):
    """Text to speech, a clause or a sentence at a time.

    This is all that corpus synthesis needs. Streaming (samples as they are made, and
    stopping in the middle) is added for the agent by a wider protocol beside this one:
    an engine that cannot stream is called once for each clause.
    """

    @property
    def sample_rate(self) -> int:
        """Rate of the samples in Hz."""
        ...

    def synthesize(self, text: str) -> NDArray[np.float32]:
        """Speak `text`.

        Parameters
        ----------
        text : str
            Plain text; punctuation shapes the contour.

        Returns
        -------
        ndarray of float32, shape (n,)
            Mono samples in [-1, 1]; empty if the text has nothing to say.
        """
        ...
