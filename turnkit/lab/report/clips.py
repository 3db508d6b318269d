"""What a turn sounded like: both sides, as a sound that a page carries in itself."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np

from turnkit.audio import Samples
from turnkit.lab.records import RATE, CallRecording
from turnkit.lab.report.rows import TurnRow

BEFORE_S, AFTER_S = 2.0, 1.5
_UNANSWERED_S = 3.0
_LONGEST_S = 9.0


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A part of a call around one end of speech.

    Attributes
    ----------
    begin : float
        In seconds of the recording.
    sent, heard : ndarray of float32, shape (n,)
        At the rate of recordings.
    """

    begin: float
    sent: Samples
    heard: Samples

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.sent) / RATE

    def data_uri(self) -> str:
        """Encode it as FLAC, the caller left and the agent right."""
        import soundfile

        buffer = io.BytesIO()
        both = np.stack([self.sent, self.heard], axis=1)
        soundfile.write(buffer, both, RATE, format="FLAC", subtype="PCM_16")
        return "data:audio/flac;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def clip_of(recording: CallRecording, turn: TurnRow) -> Clip:
    """Cut a turn's end and its answer out of its call.

    From two seconds before the end of speech, or before a false start, to a second and a
    half after the agent's onset; of an answer that took very long the end is left away.
    """
    begin = turn.ended if turn.false_start is None else min(turn.ended, turn.false_start)
    begin = max(0.0, begin - BEFORE_S)
    end = turn.ended + _UNANSWERED_S if turn.audible is None else turn.audible + AFTER_S
    end = min(max(end, turn.ended + AFTER_S), begin + _LONGEST_S)
    first, last = round(begin * RATE), round(end * RATE)
    return Clip(first / RATE, recording.sent[first:last], recording.heard[first:last])
